"""SQL of holds and disposals. What two people decided is also checked by the tables themselves (migration 0004)."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Literal

from audit_service.archive.store import Extent
from audit_service.summary import Filter


# --- holds ----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Hold:
    """What must not be disposed of, and why. "" and None of the filter stand for all; `case` is why, not a filter."""

    id: str
    party: str
    system: str
    interface: str
    grant_id: str
    case_no: str
    call_id: str
    since: datetime | None
    before: datetime | None
    reason: str
    case: str
    placed_by: str
    placed_department: str
    placed_at: datetime
    released_by: str | None = None
    released_at: datetime | None = None

    @property
    def wanted(self) -> Filter:
        """Which rows it is about."""
        return Filter(
            party=self.party, system=self.system, interface=self.interface, grant_id=self.grant_id,
            case_no=self.case_no, call_id=self.call_id, since=self.since, before=self.before,
        )  # fmt: skip


_HOLD = """SELECT id::text AS id, party, system, interface, grant_id, case_no, call_id, since, before, reason,
                  for_case AS "case", placed_by, placed_department, placed_at, released_by, released_at
           FROM audit.hold"""


async def add_hold(connection: Any, hold: Hold) -> None:
    """It stands from the commit on."""
    await connection.execute(
        """INSERT INTO audit.hold (id, party, system, interface, grant_id, case_no, call_id, since, before, reason,
                                   for_case, placed_by, placed_department, placed_at)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)""",
        hold.id, hold.party, hold.system, hold.interface, hold.grant_id, hold.case_no, hold.call_id, hold.since,
        hold.before, hold.reason, hold.case, hold.placed_by, hold.placed_department, hold.placed_at,
    )  # fmt: skip


async def holds(connection: Any, *, standing: bool = False) -> list[Hold]:
    """All, newest first, or those that stand."""
    rows = await connection.fetch(f"{_HOLD} WHERE released_at IS NULL OR NOT $1 ORDER BY placed_at DESC, id", standing)
    return [Hold(**row) for row in rows]


async def hold(connection: Any, number: str) -> Hold | None:
    row = await connection.fetchrow(f"{_HOLD} WHERE id = $1", number)
    return Hold(**row) if row else None


async def release(connection: Any, number: str, by: str, department: str) -> bool:
    """Whether it stood, and somebody else had placed it."""
    done: bool = await connection.fetchval("SELECT audit.release_hold($1, $2, $3)", number, by, department)
    return done


async def judged(connection: Any, segment: str) -> dict[str, bool]:
    """Hold -> whether it keeps a segment, where that is known. A closed segment does not change, so it stays so."""
    rows = await connection.fetch("SELECT hold::text, held FROM audit.hold_judgement WHERE segment = $1", segment)
    return dict(rows)


async def add_judgement(connection: Any, number: str, segment: str, held: bool) -> None:
    await connection.execute(
        "INSERT INTO audit.hold_judgement (hold, segment, held) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        number, segment, held,
    )  # fmt: skip


async def has_row(connection: Any, segment: str, wanted: Filter) -> bool:
    """Whether a segment in the database has a row that a hold is about."""
    found: bool = await connection.fetchval(
        """SELECT EXISTS (
               SELECT FROM audit.record WHERE segment = $1 AND ($2 = '' OR department = $2 OR provider = $2)
                   AND ($3 = '' OR system = $3) AND ($4 = '' OR interface = $4) AND ($5 = '' OR grant_id = $5)
                   AND ($6 = '' OR case_no = $6) AND ($7::timestamptz IS NULL OR at >= $7)
                   AND ($8::timestamptz IS NULL OR at < $8))""",
        segment, wanted.party, wanted.system, wanted.interface, wanted.grant_id, wanted.case_no, wanted.since,
        wanted.before,
    )  # fmt: skip
    return found


async def ends_elsewhere(connection: Any, segment: str) -> list[str]:
    """Segments in which calls of a closed one ended: another class, or days later, when a gateway was away."""
    rows = await connection.fetch(
        """WITH own AS MATERIALIZED (
               SELECT coalesce(a.first_index, there.first) AS first, coalesce(a.last_index, there.last) AS last
               FROM audit.archive a, (SELECT min(leaf_index) AS first, max(leaf_index) AS last
                                      FROM audit.leaf WHERE segment = $1) there
               WHERE a.segment = $1),
           unended AS (
               SELECT i.call_id FROM own JOIN audit.entry_index i ON i.leaf_index BETWEEN own.first AND own.last
               WHERE i.segment = $1 AND i.kind <> 'event' GROUP BY i.call_id
               HAVING count(*) FILTER (WHERE i.kind = 'intent') > count(*) FILTER (WHERE i.kind = 'outcome'))
           SELECT DISTINCT o.segment FROM unended u JOIN audit.entry_index o USING (call_id)
           WHERE o.kind = 'outcome' AND o.segment <> $1""",
        segment,
    )
    return [row[0] for row in rows]


async def last_leaf(connection: Any, segments: Sequence[str]) -> int | None:
    """The last index of some segments that is in the database."""
    last: int | None = await connection.fetchval(
        "SELECT max(leaf_index) FROM audit.leaf WHERE segment = ANY ($1::text[])", segments
    )
    return last


async def has_call(connection: Any, segment: str, call: str) -> bool:
    """Whether a leaf of a call is in a segment, wherever that is."""
    found: bool = await connection.fetchval(
        "SELECT EXISTS (SELECT FROM audit.entry_index WHERE call_id = $2 AND segment = $1)", segment, call
    )
    return found


# --- disposals ------------------------------------------------------------------------------------------------------
State = Literal["proposed", "approved", "rejected", "executed"]


@dataclass(frozen=True, slots=True)
class Disposal:
    """What somebody proposed, and another one decided. `approval` is the id of the event that tells of an approval."""

    id: str
    retention: str
    before: date
    reason: str
    case: str
    state: State
    proposed_by: str
    proposed_department: str
    proposed_at: datetime
    decided_by: str | None = None
    decided_department: str | None = None
    decided_at: datetime | None = None
    executed_at: datetime | None = None
    approval: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """One segment of a disposal.

    event    id of the event that tells of it; `leaf` its index once it is published
    trouble  why it has not been done yet, "" if there is no reason
    """

    segment: str
    event: str
    count: int | None
    leaf: int | None
    executed_at: datetime | None
    objects_deleted_at: datetime | None
    trouble: str


_DISPOSAL = """SELECT id::text AS id, retention, before, reason, case_no AS "case", state, proposed_by,
                      proposed_department, proposed_at, decided_by, decided_department, decided_at, executed_at,
                      approval_event::text AS approval
               FROM audit.disposal"""


async def one_proposal_at_a_time(tx: Any) -> None:
    """Until the transaction ends: a segment is in one disposal only."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended('audit/disposal', 0))")


async def add_disposal(tx: Any, disposal: Disposal, segments: Sequence[str]) -> None:
    """Inside a transaction."""
    await tx.execute(
        """INSERT INTO audit.disposal (id, retention, before, reason, case_no, proposed_by, proposed_department,
                                       proposed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)""",
        disposal.id, disposal.retention, disposal.before, disposal.reason, disposal.case, disposal.proposed_by,
        disposal.proposed_department, disposal.proposed_at,
    )  # fmt: skip
    await tx.execute(
        "INSERT INTO audit.disposal_segment (disposal, segment) SELECT $1, unnest($2::text[])", disposal.id, segments
    )


async def disposals(connection: Any, state: State | None = None) -> list[Disposal]:
    """All, newest first, or those in a state."""
    rows = await connection.fetch(
        f"{_DISPOSAL} WHERE $1::text IS NULL OR state = $1 ORDER BY proposed_at DESC, id", state
    )
    return [Disposal(**row) for row in rows]


async def disposal(connection: Any, number: str) -> Disposal | None:
    row = await connection.fetchrow(f"{_DISPOSAL} WHERE id = $1", number)
    return Disposal(**row) if row else None


async def dues(connection: Any, number: str) -> list[Due]:
    """The segments of a disposal, oldest first."""
    rows = await connection.fetch(
        """SELECT segment, event_id::text, count, leaf, executed_at, objects_deleted_at, trouble
           FROM audit.disposal_segment WHERE disposal = $1 ORDER BY segment""",
        number,
    )
    return [Due(*row) for row in rows]


async def decided_on(connection: Any) -> set[str]:
    """Segments in a disposal that is still open, or was executed."""
    rows = await connection.fetch(
        """SELECT s.segment FROM audit.disposal_segment s JOIN audit.disposal d ON d.id = s.disposal
           WHERE d.state <> 'rejected'"""
    )
    return {row[0] for row in rows}


async def decide(connection: Any, number: str, state: State, by: str, department: str) -> bool:
    """Whether it was open. Of two at once one is first; nobody approves what is his own."""
    done: bool = await connection.fetchval(
        "SELECT audit.decide_disposal($1, $2, $3, $4)", number, state, by, department
    )
    return done


# --- carrying out ---------------------------------------------------------------------------------------------------
async def set_trouble(connection: Any, number: str, segment: str, trouble: str) -> None:
    await connection.execute(
        """UPDATE audit.disposal_segment SET trouble = $3 WHERE disposal = $1 AND segment = $2 AND trouble <> $3""",
        number, segment, trouble,
    )  # fmt: skip


async def confirm_approval(connection: Any, number: str) -> bool:
    """Whether a published leaf tells of the approval; from then on that is known."""
    leaf: int | None = await connection.fetchval("SELECT audit.confirm_approval($1)", number)
    return leaf is not None


async def begin(connection: Any, number: str, segment: str, extent: Extent, root: bytes) -> None:
    """What is there, so that it can be told after it is gone. From now on nobody takes the disposal back."""
    await connection.execute("SELECT audit.begin_disposal($1, $2, $3, $4, $5, $6)", segment, number, *extent, root)


async def archived_extent(connection: Any, segment: str) -> tuple[Extent, bytes] | None:
    """What the archive knows of a segment."""
    row = await connection.fetchrow(
        "SELECT first_index, last_index, count, root FROM audit.archive WHERE segment = $1 AND root IS NOT NULL",
        segment,
    )
    return (Extent(*row[:3]), row[3]) if row else None


async def manifest_object(connection: Any, segment: str) -> str:
    """Where a segment's manifest is in the store, "" if it never got there."""
    name: str | None = await connection.fetchval(
        "SELECT manifest_object FROM audit.archive WHERE segment = $1", segment
    )
    return name or ""


async def figures(connection: Any, segment: str) -> list[tuple[Any, ...]]:
    """The day's figures, which stay."""
    rows = await connection.fetch(
        """SELECT department, provider, system, interface, version, grant_id, kind, status, code, event, calls,
                  first_index, last_index FROM audit.usage_day WHERE segment = $1 ORDER BY key""",
        segment,
    )
    return [tuple(row) for row in rows]


async def confirm(connection: Any, number: str, segment: str) -> bool:
    """Whether a published leaf tells of it; from then on that is known."""
    leaf: int | None = await connection.fetchval("SELECT audit.confirm_disposal($1, $2)", segment, number)
    return leaf is not None


async def dispose(connection: Any, number: str, segment: str) -> None:
    """Raises what the function finds wrong."""
    await connection.execute("SELECT audit.dispose_segment($1, $2)", segment, number)


async def objects_deleted(connection: Any, number: str, segment: str, at: datetime) -> None:
    """Nothing of the segment is in the store any more."""
    await connection.execute(
        """UPDATE audit.disposal_segment SET objects_deleted_at = $3, trouble = ''
           WHERE disposal = $1 AND segment = $2""",
        number, segment, at,
    )  # fmt: skip


async def finish(connection: Any, number: str) -> None:
    """The disposal is executed if all of it is."""
    await connection.execute("SELECT audit.finish_disposal($1)", number)
