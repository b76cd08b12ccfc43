"""What is searched: one row for each call that has ended and for each event, made from its leaf. Pure.

The same row stands in the database while its day is there and in the archive afterwards.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from wire.audit import CallLeaf, EventLeaf
from wire.subjects import PSEUDONYM

Kind = Literal["outcome", "denied", "event"]
Mode = Literal["query", "verify", "compare", "sandbox"]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One row of audit.record, its members in the order of the columns.

    leaf_index  through all shards      at       when it ended: the answer was ready, or the event happened
    department  who asked, or acted     took_ms  from request to answer, 0 for an event
    mode        of a call; says nothing of an event
    verdict     of a verification or comparison: yes, no, no_record
    consent     the person's, by which the call was made, or what the event is about
    """

    segment: str
    leaf_index: int
    call_id: str
    kind: Kind
    at: datetime
    department: str = ""
    system: str = ""
    provider: str = ""
    interface: str = ""
    version: str = ""
    grant_id: str = ""
    case_no: str = ""
    purpose: str = ""
    operation: str = ""
    trace: str = ""
    subject: str = ""
    event: str = ""
    status: int = 0
    code: str = ""
    fault: str = ""
    took_ms: int = 0
    request_bytes: int = 0
    answer_bytes: int = 0
    fields_returned: int = 0
    fields_masked: int = 0
    gateway: str = ""
    mode: str = "query"
    verdict: str = ""
    consent: str = ""


COLUMNS = Summary.__struct_fields__


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows are wanted; "" and None stand for all.

    party    one that took part, as consumer or as provider: what a department may see
    outcome  `ok`, `refused`, a code, or a status
    mode     of calls alone
    since    included      before  excluded
    """

    party: str = ""
    department: str = ""
    system: str = ""
    provider: str = ""
    interface: str = ""
    version: str = ""
    grant_id: str = ""
    case_no: str = ""
    trace: str = ""
    call_id: str = ""
    subject: str = ""
    event: str = ""
    kind: str = ""
    mode: str = ""
    outcome: str = ""
    since: datetime | None = None
    before: datetime | None = None

    def matches(self, row: Summary) -> bool:
        """Whether a row is wanted; the database's answer to the same question is held to this one."""
        return (
            (not self.party or self.party in (row.department, row.provider))
            and all(getattr(row, name) == wanted for name in EQUAL if (wanted := getattr(self, name)))
            and not (self.mode and row.kind == "event")
            and (not self.outcome or self.outcome in outcomes_of(row))
            and (self.since is None or row.at >= self.since)
            and (self.before is None or row.at < self.before)
        )


EQUAL: Sequence[str] = (
    "department", "system", "provider", "interface", "version", "grant_id", "case_no", "trace", "call_id", "subject",
    "event", "kind", "mode",
)  # fmt: skip
"""Members of a filter that a row has to equal."""


def outcomes_of(row: Summary) -> set[str]:
    """The words by which the outcome of a row can be asked for."""
    if row.kind == "event":
        return set()
    return {"refused" if row.code else "ok", row.code or "ok", str(row.status)}


# --- from a leaf ----------------------------------------------------------------------------------------------------
LONGEST_KEY = 200
"""Characters of what is searched by; an index entry has room for some 2,700 bytes."""
LONGEST_TEXT = 500
_MOST_INT, _MOST_BIGINT = 2**31 - 1, 2**63 - 1
_LAST_MS = 253_402_300_799_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class _Leaf(msgspec.Struct, gc=False):
    """What a row is made from, of both kinds of leaf."""

    call: str
    kind: str
    gateway: str
    department: str
    phase: str = ""
    at: int = 0
    at_in: int = 0
    at_ready: int = 0
    actor: str = ""
    event: str = ""
    system: str = ""
    provider: str = ""
    interface: str = ""
    version: str = ""
    grant: str = ""
    case: str = ""
    purpose: str = ""
    operation: str = ""
    trace: str = ""
    subject: str = ""
    status: int = 0
    code: str = ""
    fault: str = ""
    request_bytes: int = 0
    answer_bytes: int = 0
    fields_returned: int = 0
    fields_masked: int = 0
    mode: str = "query"
    verdict: str = ""
    consent: str = ""
    facts: dict[str, str] = {}


_decoder = msgspec.json.Decoder(_Leaf)
_BY_KEY = ("consent.", "grant.")
"""Events whose fact `interface` is "id/v1"."""


def summary_of(segment: str, leaf_index: int, leaf: bytes) -> Summary | None:
    """The row of one leaf; None for an intent, whose call has not ended.

    Takes every leaf that the log takes: texts are cut and cleaned, numbers clamped to what the columns hold. Raises
    msgspec.DecodeError or UnicodeDecodeError for bytes that are no leaf.
    """
    return row_of(segment, leaf_index, _decoder.decode(leaf))


def row_of(segment: str, leaf_index: int, leaf: CallLeaf | EventLeaf | _Leaf) -> Summary | None:
    """The same for a leaf that has been read."""
    if isinstance(leaf, EventLeaf) or (isinstance(leaf, _Leaf) and leaf.kind == "event"):
        return _of_event(segment, leaf_index, leaf)
    return None if leaf.phase == "intent" else _of_call(segment, leaf_index, leaf)


def _of_event(segment: str, leaf_index: int, leaf: EventLeaf | _Leaf) -> Summary:
    fact = leaf.facts.get
    subject = fact("subject", "")
    interface, version = fact("interface", ""), fact("version", "")
    if not version and leaf.event.startswith(_BY_KEY):
        interface, _, version = interface.partition("/")
    return Summary(
        segment=segment, leaf_index=leaf_index, call_id=leaf.call[:36], kind="event", at=moment(leaf.at),
        department=_key(leaf.department), system=_key(leaf.actor), provider=_key(fact("provider", "")),
        interface=_key(interface), version=_key(version), grant_id=_key(fact("grant", "")),
        case_no=_key(fact("case", "")), subject=_key(subject) if subject.startswith(PSEUDONYM) else "",
        event=_key(leaf.event), gateway=_key(leaf.gateway), consent=_key(fact("consent", "")),
    )  # fmt: skip


def filed_before(row: Summary) -> Summary:
    """The row as it was made while an event's interface was not yet told from its version; many such rows stand."""
    if not (row.version and row.event.startswith(_BY_KEY)):
        return row
    return msgspec.structs.replace(row, interface=_key(f"{row.interface}/{row.version}"), version="", consent="")


def _of_call(segment: str, leaf_index: int, leaf: CallLeaf | _Leaf) -> Summary:
    kind: Any = leaf.phase
    ended = leaf.at_ready or leaf.at_in
    return Summary(
        segment=segment, leaf_index=leaf_index, call_id=leaf.call[:36], kind=kind, at=moment(ended),
        department=_key(leaf.department), system=_key(leaf.system), provider=_key(leaf.provider),
        interface=_key(leaf.interface), version=_key(leaf.version), grant_id=_key(leaf.grant), case_no=_key(leaf.case),
        purpose=_text(leaf.purpose), operation=_text(leaf.operation), trace=_key(leaf.trace),
        subject=_key(leaf.subject), status=min(max(0, leaf.status), 32767), code=_key(leaf.code),
        fault=_text(leaf.fault), took_ms=_int(ended - leaf.at_in), request_bytes=_bigint(leaf.request_bytes),
        answer_bytes=_bigint(leaf.answer_bytes), fields_returned=_int(leaf.fields_returned),
        fields_masked=_int(leaf.fields_masked), gateway=_key(leaf.gateway), mode=_key(leaf.mode),
        verdict=_key(leaf.verdict), consent=_key(leaf.consent),
    )  # fmt: skip


def _key(text: str) -> str:
    """No NUL, which PostgreSQL has no room for, and never longer than an index takes."""
    return text if len(text) <= LONGEST_KEY and "\0" not in text else text.replace("\0", "\ufffd")[:LONGEST_KEY]


def _text(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT and "\0" not in text else text.replace("\0", "\ufffd")[:LONGEST_TEXT]


def _int(number: int) -> int:
    return min(max(0, number), _MOST_INT)


def _bigint(number: int) -> int:
    return min(max(0, number), _MOST_BIGINT)


def moment(unix_ms: int) -> datetime:
    """Aware, UTC, exact; before 1970 and after 9999 the nearest that there is."""
    return _EPOCH + timedelta(milliseconds=min(max(0, unix_ms), _LAST_MS))
