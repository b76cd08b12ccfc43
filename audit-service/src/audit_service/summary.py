"""What is searched: one row for each call that has ended and for each event, made from its leaf. Pure.

The same row stands in the database while its day is there and in the archive afterwards.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from wire.audit import CallLeaf, EventLeaf

Kind = Literal["outcome", "denied", "event"]


class Summary(msgspec.Struct, frozen=True, kw_only=True):
    """One row of audit.record, its members in the order of the columns.

    leaf_index  through all shards      at       when it ended: the answer was ready, or the event happened
    department  who asked, or acted     took_ms  from request to answer, 0 for an event
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


COLUMNS = Summary.__struct_fields__


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows are wanted; "" and None stand for all.

    party    one that took part, as consumer or as provider: what a department may see
    outcome  `ok`, `refused`, a code, or a status
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
    outcome: str = ""
    since: datetime | None = None
    before: datetime | None = None

    def matches(self, row: Summary) -> bool:
        """Whether a row is wanted; the database's answer to the same question is held to this one."""
        return (
            (not self.party or self.party in (row.department, row.provider))
            and all(getattr(row, name) == wanted for name in EQUAL if (wanted := getattr(self, name)))
            and (not self.outcome or self.outcome in outcomes_of(row))
            and (self.since is None or row.at >= self.since)
            and (self.before is None or row.at < self.before)
        )


EQUAL: Sequence[str] = (
    "department", "system", "provider", "interface", "version", "grant_id", "case_no", "trace", "call_id", "subject",
    "event", "kind",
)  # fmt: skip
"""Members of a filter that a row has to equal."""


def outcomes_of(row: Summary) -> set[str]:
    """The words by which the outcome of a row can be asked for."""
    if row.kind == "event":
        return set()
    return {"refused" if row.code else "ok", row.code or "ok", str(row.status)}


def summary_of(segment: str, leaf_index: int, leaf: bytes) -> Summary | None:
    """The row of one leaf; None for an intent, whose call has not ended."""
    members = msgspec.json.decode(leaf)
    if members["kind"] == "event":
        return _of_event(segment, leaf_index, msgspec.convert(members, EventLeaf))
    return None if members["phase"] == "intent" else _of_call(segment, leaf_index, msgspec.convert(members, CallLeaf))


def _of_event(segment: str, leaf_index: int, leaf: EventLeaf) -> Summary:
    facts = leaf.facts
    return Summary(
        segment=segment, leaf_index=leaf_index, call_id=leaf.call, kind="event", at=moment(leaf.at),
        department=leaf.department, system=leaf.actor, provider=facts.get("provider", ""),
        interface=facts.get("interface", ""), version=facts.get("version", ""), grant_id=facts.get("grant", ""),
        case_no=facts.get("case", ""), subject=facts.get("subject", ""), event=leaf.event, gateway=leaf.gateway,
    )  # fmt: skip


def _of_call(segment: str, leaf_index: int, leaf: CallLeaf) -> Summary:
    kind: Any = leaf.phase
    ended = leaf.at_ready or leaf.at_in
    return Summary(
        segment=segment, leaf_index=leaf_index, call_id=leaf.call, kind=kind, at=moment(ended),
        department=leaf.department, system=leaf.system, provider=leaf.provider, interface=leaf.interface,
        version=leaf.version, grant_id=leaf.grant, case_no=leaf.case, purpose=leaf.purpose, operation=leaf.operation,
        trace=leaf.trace, subject=leaf.subject, status=leaf.status, code=leaf.code, fault=leaf.fault,
        took_ms=min(max(0, ended - leaf.at_in), 2**31 - 1), request_bytes=leaf.request_bytes,
        answer_bytes=leaf.answer_bytes, fields_returned=leaf.fields_returned, fields_masked=leaf.fields_masked,
        gateway=leaf.gateway,
    )  # fmt: skip


def moment(unix_ms: int) -> datetime:
    """Aware, UTC."""
    return datetime.fromtimestamp(max(0, unix_ms) / 1000, UTC)
