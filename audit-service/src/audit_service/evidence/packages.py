"""Evidence packages: everything the log can prove about one call, one case or one grant, in one file.

In this order: what is asked for and who may have it, the decision behind it (without it there is no package), leaves
and receipts, the file, the record that it was made; then the first byte leaves.
"""

import asyncio
import hashlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Literal, NamedTuple

import msgspec

from audit_service import store as log_store
from audit_service.archive.cold import Cold
from audit_service.archive.store import archived
from audit_service.evidence import gathering, packing, store, verifier
from audit_service.evidence.dossiers import Dossier, Dossiers
from audit_service.evidence.gathering import Proven
from audit_service.evidence.packing import moment
from audit_service.evidence.readme import Deleted, Facts, file_name, readme
from audit_service.records import Records, Witnessed, may_see, nobody
from audit_service.search import rows
from audit_service.search.finder import Finder
from audit_service.search.looking import one_line
from audit_service.search.rows import Stretch
from audit_service.search.turns import Turns
from audit_service.summary import Filter, Summary, summary_of
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from runtime.errors import Refusal
from wire import codes, scopes
from wire.audit import new_event
from wire.tokens import AccessToken

MOST_CALLS, MOST_EVENTS = 1000, 500
MOST_COUNTED = 10_000
"""Refused calls without room are counted so far; anybody can make more of them."""
PAGE_ROWS = 500
AT_ONCE = 2
"""Packages in the making: each is put together in memory."""
NOUNS = ("grant.", "case.")
"""Events that tell how a grant came about. Who looked at what is told to nobody."""
CONSENT_BEFORE, CONSENT_AFTER = timedelta(days=2), timedelta(hours=1)
"""How long before a call its consent was given at most (it holds for a day), and how soon after it was used; both with
room for clocks that differ."""


class About(NamedTuple):
    """What a package is asked for; since, before, department (one that took part) and mode narrow a case or a grant."""

    kind: Literal["call", "case", "grant"]
    value: str
    since: datetime | None = None
    before: datetime | None = None
    department: str = ""
    mode: str = ""

    def party(self, token: AccessToken) -> str:
        """Only calls in which this department took part, "" for all."""
        return self.department if scopes.AUDIT_READ in token.scopes else token.department

    def told(self, party: str) -> dict[str, str]:
        """For the manifest and, as one line, for the record."""
        bounds = {"since": self.since, "before": self.before}
        texts = {name: moment(at) for name, at in bounds.items() if at is not None}
        more = {"party": party, "mode": self.mode}
        return {self.kind: self.value, **texts, **{name: value for name, value in more.items() if value}}


class Package(NamedTuple):
    """A file, its name, and the event that says it was made, with its SHA-256."""

    name: str
    content: bytes
    record: str = ""


class Looked(NamedTuple):
    """Calls of a package, the grants they stood on, segments that may have held more, how far the log was searched,
    how many refused calls had no room; rows of calls that were made by a person's consent."""

    calls: list[str]
    dossiers: list[Dossier]
    deleted: set[str]
    complete_to: int
    left_out: str = "0"
    consented: Sequence[Summary] = ()


class Parts(NamedTuple):
    """Where evidence comes from. `witnessed` finds cosigned checkpoints."""

    database: log_store.Database
    records: Records
    finder: Finder
    cold: Cold
    dossiers: Dossiers
    writer: Writer
    witnessed: Witnessed = nobody


class Evidence:
    """Makes packages for those who took part and for auditors."""

    def __init__(self, parts: Parts, clock: Clock | None = None) -> None:
        self._parts = parts
        self._clock = clock or SystemClock()
        self._turns = Turns(AT_ONCE)

    async def package(self, about: About, token: AccessToken) -> Package | None:
        """The package, None while something of it is not covered by a checkpoint.

        Raises Refusal: NOT_FOUND, NOT_YOURS, EVIDENCE_TOO_MUCH, ONE_FILE_AT_A_TIME, DOSSIER_AWAY, DISPOSED,
        ARCHIVE_AWAY, AUDIT_UNAVAILABLE.
        """
        async with self._turns.of(token):
            return await self._package(about, token)

    async def _package(self, about: About, token: AccessToken) -> Package | None:
        told = about.told(about.party(token))
        looked = await (self._call(about, token) if about.kind == "call" else self._many(about, token))
        if looked is None:
            return None
        deletions = await self._deletions(looked.deleted)
        events = await self._events(looked.dossiers) + await self._consents(looked.consented)
        events += await self._told_at(deletions)
        gathered = await gathering.gather(self._parts.database, self._parts.cold, [*looked.calls, *events])
        deletions += await self._deletions(gathered.disposed - looked.deleted)
        proven = await gathering.prove(self._parts.database, self._parts.records, gathered.kept)
        if proven is None:
            return None
        await gathering.add_newest(self._parts.database, self._parts.witnessed, proven)
        made = await asyncio.to_thread(_put_together, told, looked, deletions, proven, self._clock.now())
        digest = hashlib.sha256(made.content).hexdigest()
        facts = {"calls": str(len(looked.calls)), "records": str(len(proven.leaves)), "package": digest}
        record = await self._record("evidence.made", token, {"about": one_line(told), **facts})
        return made._replace(record=record)

    # --- what is asked for, and who may have it
    async def _call(self, about: About, token: AccessToken) -> Looked | None:
        found = await self._parts.records.find(about.value)
        if not may_see(token, found.leaves):
            raise await self._refused(about, token)
        if found.waiting:
            return None
        grants = {msgspec.json.decode(leaf).get("grant", "") for leaf in found.leaves} - {""}
        complete_to = max(one.index for one in found.kept) + 1
        ended = [summary_of("", one.index, one.leaf) for one in found.kept]
        dossiers = await self._parts.dossiers.of(grants)
        return Looked([about.value], dossiers, set(), complete_to, consented=_consented(ended))

    async def _many(self, about: About, token: AccessToken) -> Looked:
        everything = scopes.AUDIT_READ in token.scopes
        if not (everything or (token.department and about.department in ("", token.department))):
            raise await self._refused(about, token)
        wanted = Filter(
            party=about.party(token), since=about.since, before=about.before, mode=about.mode,
            case_no=about.value if about.kind == "case" else "", grant_id=about.value if about.kind == "grant" else "",
        )  # fmt: skip
        async with log_store.answering("evidence"):
            complete_to = await rows.indexed(self._parts.database.reader)
        found, left_out = await self._rows(wanted)
        grants = {row.grant_id for row in found} - {""} | ({about.value} if about.kind == "grant" else set())
        dossiers = await self._parts.dossiers.of(grants)
        is_party = any(token.department in one.parties for one in dossiers) and about.kind == "grant"
        if not (found or everything or is_party):
            raise await self._refused(about, token)
        deleted = await self._may_have_held(wanted)
        if not (found or deleted or any(one.parties for one in dossiers)):
            raise Refusal(codes.NOT_FOUND, f"no call of {about.kind} {about.value}")
        calls = list(dict.fromkeys(row.call_id for row in found))
        return Looked(calls, dossiers, deleted, complete_to, left_out, _consented(found))

    async def _rows(self, wanted: Filter) -> tuple[list[Summary], str]:
        """All calls that were let through; those that were refused as far as there is room, and how many had none:
        anybody can make them, with any case number."""
        finder = self._parts.finder
        found = await finder.after(msgspec.structs.replace(wanted, kind="outcome"), -1, MOST_CALLS + 1)
        if len(found) > MOST_CALLS:
            raise _too_many(f"more than {MOST_CALLS} calls", MOST_CALLS)
        room = MOST_CALLS - len(found)
        denied = await finder.after(msgspec.structs.replace(wanted, kind="denied"), -1, room + MOST_COUNTED + 1)
        without = len(denied[room:])
        left_out = f"more than {MOST_COUNTED}" if without > MOST_COUNTED else str(without)
        return sorted(found + denied[:room], key=lambda row: row.leaf_index), left_out

    async def _events(self, dossiers: Sequence[Dossier]) -> list[str]:
        """The log's own records of how grants came about."""
        wanted = [Filter(kind="event", grant_id=one.grant) for one in dossiers]
        wanted += [Filter(kind="event", case_no=case) for one in dossiers for case in one.cases]
        found: list[str] = []
        for one in wanted:
            found += await self._events_of(one, lambda row: row.event.startswith(NOUNS))
        return list(dict.fromkeys(found))

    async def _consents(self, consented: Iterable[Summary]) -> list[str]:
        """The log's own records of the consents by which calls were made: given, used, and what else became of them."""
        found: list[str] = []
        for row in consented:
            since, before = row.at - CONSENT_BEFORE, row.at + CONSENT_AFTER
            wanted = Filter(kind="event", subject=row.subject, since=since, before=before)
            found += await self._events_of(wanted, partial(_is_of_consent, row.consent))
        return list(dict.fromkeys(found))

    async def _events_of(self, wanted: Filter, belongs: Callable[[Summary], bool]) -> list[str]:
        """Of all events of a search those that belong into a package; others do not count."""
        found: list[str] = []
        last = -1
        while True:
            page = await self._parts.finder.after(wanted, last, PAGE_ROWS)
            found += [row.call_id for row in page if belongs(row)]
            if len(found) > MOST_EVENTS:
                raise _too_many(f"more than {MOST_EVENTS} events", MOST_EVENTS)
            if len(page) < PAGE_ROWS:
                return found
            last = page[-1].leaf_index

    # --- what is no longer there
    async def _may_have_held(self, wanted: Filter) -> set[str]:
        """Segments that were disposed of and may have held such records: their rows are gone, what was known of them
        in short is not."""
        reader = self._parts.database.reader
        async with log_store.answering("evidence"):
            gone = {segment for segment, one in (await archived(reader)).items() if one.state == "disposed"}
            if not gone:
                return set()
            among = [span for span in await rows.spans(reader, wanted, Stretch()) if span.segment in gone]
            among = await rows.narrowed(reader, wanted, await rows.sifted(reader, wanted, among), Stretch())
        return {span.segment for span in among}

    async def _deletions(self, segments: set[str]) -> list[Deleted]:
        if not segments:
            return []
        async with log_store.answering("evidence"):
            known = await archived(self._parts.database.reader)
        return [Deleted(name, known[name].disposal_leaf, known[name].disposed_by) for name in sorted(segments)]

    async def _told_at(self, deletions: Sequence[Deleted]) -> list[str]:
        async with log_store.answering("evidence"):
            leaves = [one.leaf for one in deletions if one.leaf is not None]
            return await store.calls_at(self._parts.database.reader, leaves)

    # --- on record
    async def _refused(self, about: About, token: AccessToken) -> Refusal:
        await self._record("evidence.refused", token, {"about": one_line(about.told(about.department))})
        return Refusal(codes.NOT_YOURS)

    async def _record(self, event: str, token: AccessToken, facts: dict[str, str]) -> str:
        told = new_event(event, self._clock.now(), token.client, token.department, facts)
        await self._parts.writer.write([told])
        return told.id


def _consented(found: Iterable[Summary | None]) -> list[Summary]:
    """One row for each consent. Whoever needs one names the person."""
    named = [row for row in found if row is not None and row.consent and row.subject]
    return list({row.consent: row for row in named}.values())


def _is_of_consent(consent: str, event: Summary) -> bool:
    return event.consent == consent and event.event.startswith("consent.")


def _too_many(what: str, limit: int) -> Refusal:
    """The refusal, which says how to ask for less."""
    return Refusal(codes.EVIDENCE_TOO_MUCH, f"{what}; narrow it with since, before or department", limit=limit)


def _put_together(
    about: dict[str, str], looked: Looked, deletions: Sequence[Deleted], proven: Proven, at: datetime
) -> Package:
    known = [one for one in looked.dossiers if "unknown" not in one.told]
    files = {
        **proven.files,
        **{f"checkpoints/{shard}-{size}.txt": note.encode() for (shard, size), note in proven.checkpoints.items()},
        "records.jsonl": b"".join(leaf + b"\n" for leaf in proven.leaves),
        "verify_receipt.py": verifier.source(),
    }
    if looked.dossiers:
        told = msgspec.json.encode({"dossiers": [one.told for one in looked.dossiers]})
        files["application.json"] = msgspec.json.format(told, indent=1) + b"\n"
    facts = Facts(
        about=about, at=at, logs=sorted({note.split("\n", 1)[0] for note in proven.checkpoints.values()}),
        calls=len(looked.calls), records=len(proven.leaves), complete_to=looked.complete_to,
        has_decision=bool(known), deleted=deletions, apart=sum(name.startswith("apart/") for name in files),
        grants_direct=[one.grant for one in known if not one.cases],
        grants_unknown=[one.grant for one in looked.dossiers if "unknown" in one.told], left_out=looked.left_out,
    )  # fmt: skip
    files["README.txt"] = readme(facts)
    return Package(file_name(at), packing.packed(files, about, looked.complete_to, at, looked.left_out))
