"""Who asked about a person, when, for what and on which case: by a number that nobody keeps.

The number becomes a pseudonym here and goes no further. Whoever looks needs a scope that gives nothing else, says why,
and is on record before the first row leaves: the record names the pseudonym, so a person's records also tell who looked
for them here.
"""

import unicodedata
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

import msgspec

from audit_service.search.finder import Finder
from audit_service.summary import Filter, Summary
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from runtime.errors import INVALID_REQUEST, Refusal
from wire import scopes
from wire.audit import new_event
from wire.subjects import SubjectKey, holds_a_number, normal
from wire.tokens import AccessToken

ROWS = 100
_UNREADABLE = frozenset({"Cc", "Cs", "Co", "Cn"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What somebody asks. reason: why they look; case: the case (办件) in which they do; times are aware, UTC."""

    number: str = field(repr=False)
    reason: str
    case: str = ""
    since: datetime | None = None
    before: datetime | None = None
    cursor: str = ""


class Told(NamedTuple):
    """Rows newest first, and where the next page begins ("" after the last one)."""

    subject: str
    rows: list[Summary]
    next: str


class LookUps:
    """Finds a person's records, and records that somebody looked."""

    def __init__(self, finder: Finder, writer: Writer, key: SubjectKey, clock: Clock | None = None) -> None:
        self._finder = finder
        self._writer = writer
        self._key = key
        self._clock = clock or SystemClock()

    async def search(self, question: Question, token: AccessToken) -> Told:
        """One page of what there is about the person, calls and look-ups alike.

        Raises Refusal: INVALID_REQUEST (which quotes nothing of the question), AUDIT_UNAVAILABLE, ARCHIVE_AWAY.
        """
        subject = self._key.pseudonym(question.number)
        if not subject:
            raise _wrong("number", "names nobody")
        _check_texts(question)
        wanted = Filter(subject=subject, since=question.since, before=question.before)
        everything = msgspec.structs.replace(token, scopes=token.scopes | {scopes.AUDIT_READ})
        page = await self._finder.page(wanted, question.cursor, ROWS, everything)
        await self._record(question, subject, len(page.rows), token)
        return Told(subject, page.rows, page.next)

    async def _record(self, question: Question, subject: str, rows: int, token: AccessToken) -> None:
        facts = {"subject": subject, "reason": question.reason, "case": question.case, "rows": str(rows)}
        told = new_event("subject.looked_up", self._clock.now(), token.client, token.department, facts)
        await self._writer.write([told])


def _check_texts(question: Question) -> None:
    """What goes on record for years is text, says something, and does not carry a number into the log."""
    number = normal(question.number)
    for name, text in (("reason", question.reason), ("case", question.case)):
        if any(unicodedata.category(character) in _UNREADABLE for character in text):
            raise _wrong(name, "characters that cannot be read")
        if number in normal(text):
            raise _wrong(name, "holds the number; the record is not to keep it")
    both = f"{question.reason}\n{question.case}"
    if number in normal(both) or holds_a_number(both):
        raise _wrong("reason", "holds a number, perhaps together with case; the record is not to keep it")
    if not question.reason.strip():
        raise _wrong("reason", "says nothing")


def _wrong(member: str, error: str) -> Refusal:
    return Refusal(INVALID_REQUEST, f"{member}: {error}", errors=[{"path": f"/body/{member}", "error": error}])
