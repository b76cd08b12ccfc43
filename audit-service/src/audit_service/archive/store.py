"""The archive's SQL: which segments are closed, sealed, archived, restored, disposed.

Nothing here changes the log but the functions of migration 0004, which check by themselves what they are asked to do.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple

from audit_service.archive.rows import OWN, Row
from runtime.errors import Refusal
from wire import codes

State = Literal["sealed", "archived", "restored", "disposed"]
_PAGE = 1024


@dataclass(frozen=True, slots=True)
class Archived:
    """A segment that is in the archive, or was.

    state        sealed: in the store and still in the database; archived: only in the store; restored: in the database
                 again for a while; disposed: lawfully deleted from both
    first_index  through all shards, like `last_index`; `count` leaves of the range belong to the segment
    object       name in the store; "" where the segment was disposed of without ever having been archived
    manifest_leaf  index of the published leaf that holds the manifest's hash, None before
    disposed_by  the two people, "" before
    disposal_leaf  index of the leaf that says so
    """

    segment: str
    state: State
    first_index: int
    last_index: int
    count: int
    object: str
    sha256: bytes
    manifest_sha256: bytes
    bytes: int = 0
    manifest_leaf: int | None = None
    disposed_at: datetime | None = None
    disposal: str = ""
    disposed_by: str = ""
    disposal_leaf: int | None = None


_ARCHIVED = """
SELECT a.segment, a.state, a.first_index, a.last_index, a.count, a.object, a.sha256, a.manifest_sha256, a.bytes,
       a.manifest_leaf, a.disposed_at, coalesce(a.disposal::text, '') AS disposal,
       coalesce(d.proposed_by || ', ' || d.decided_by, '') AS disposed_by, a.disposal_leaf
FROM audit.archive a LEFT JOIN audit.disposal d ON d.id = a.disposal
WHERE a.state <> 'closed'"""


async def mixed(connection: Any) -> set[str]:
    """General segments that are kept as personal ones: see migration 0004."""
    return {row[0] for row in await connection.fetch("SELECT segment FROM audit.mixed_segment")}


async def archived(connection: Any) -> dict[str, Archived]:
    """Every segment that is sealed or more, by name."""
    rows = await connection.fetch(f"{_ARCHIVED} ORDER BY a.segment")
    return {row["segment"]: Archived(**row) for row in rows}


async def archived_one(connection: Any, segment: str) -> Archived | None:
    """One segment; None while it is only in the database."""
    row = await connection.fetchrow(f"{_ARCHIVED} AND a.segment = $1", segment)
    return Archived(**row) if row else None


def disposed(kept: Archived) -> Refusal:
    """What is said of a segment that was lawfully deleted: when, by whose decision, and which leaf tells of it."""
    return Refusal(
        codes.DISPOSED,
        f"deleted at {kept.disposed_at}",
        segment=kept.segment,
        disposed_at=kept.disposed_at.isoformat() if kept.disposed_at else "",
        disposal=kept.disposal,
        by=kept.disposed_by,
        leaf=kept.disposal_leaf,
    )


async def hot(connection: Any) -> list[str]:
    """Segments that have partitions in the database, oldest first."""
    rows = await connection.fetch(
        """SELECT replace(substr(c.relname, 6), '_', '-') FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
           WHERE i.inhparent = 'audit.leaf'::regclass ORDER BY 1"""
    )
    return [row[0] for row in rows]


# --- sealing --------------------------------------------------------------------------------------------------------
async def to_seal(connection: Any, before: str) -> list[str]:
    """Segments of days before `before` (YYYYMMDD) that are only in the database, oldest first."""
    sealed = await archived(connection)
    return [segment for segment in await hot(connection) if segment[:8] < before and segment not in sealed]


async def close(connection: Any, segment: str) -> None:
    """From now on nothing is added to a segment. Waits for the sequencer's transaction under way."""
    await connection.execute("SELECT audit.close_segment($1)", segment)


class Extent(NamedTuple):
    """Which leaves a segment has."""

    first: int
    last: int
    leaves: int


async def extent(connection: Any, segment: str) -> Extent | None:
    """None if there are none in the database."""
    row = await connection.fetchrow(
        "SELECT min(leaf_index), max(leaf_index), count(*) FROM audit.leaf WHERE segment = $1", segment
    )
    return Extent(*row) if row[2] else None


async def is_ready(connection: Any, last: int) -> bool:
    """Whether all up to a leaf is published and searchable."""
    ready: bool = await connection.fetchval("SELECT audit.is_published($1) AND size > $1 FROM audit.indexed", last)
    return ready


_ROWS = f"""
SELECT l.leaf_index, i.call_id::text, i.kind, l.sequenced_at, i.private_sha256, l.body, coalesce(e.body, ''),
       r.leaf_index IS NOT NULL, {", ".join(f"r.{column}" for column in OWN)}
FROM audit.leaf l
JOIN audit.entry_index i ON i.leaf_index = l.leaf_index
LEFT JOIN audit.erasable e ON e.leaf_index = l.leaf_index AND e.segment = $1
LEFT JOIN audit.record r ON r.leaf_index = l.leaf_index AND r.segment = $1
WHERE l.segment = $1 AND l.leaf_index > $2 ORDER BY l.leaf_index LIMIT {_PAGE}
"""  # noqa: S608  # column names of ours


async def rows(connection: Any, segment: str) -> AsyncIterator[list[Row]]:
    """Everything of a segment that is in the database, by index, in pages."""
    last = -1
    while page := await connection.fetch(_ROWS, segment, last):
        yield [Row._make((*row[:7], tuple(row[8:]) if row[7] else None)) for row in page]
        last = page[-1][0]


class Sealed(NamedTuple):
    """What is in the store."""

    root: bytes
    object: str
    size: int
    sha256: bytes
    manifest_object: str
    manifest_sha256: bytes


async def seal(connection: Any, segment: str, leaves: Extent, sealed: Sealed) -> None:
    """Note where a segment is in the store."""
    await connection.execute(
        "SELECT audit.seal_segment($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)", segment, *leaves, *sealed
    )


# --- telling and retiring -------------------------------------------------------------------------------------------
async def untold(connection: Any) -> list[tuple[str, str]]:
    """(segment, id of the event) of what is sealed and not yet known to be in the log."""
    found = await connection.fetch(
        """SELECT segment, event_id::text FROM audit.archive
           WHERE manifest_leaf IS NULL AND state IN ('sealed', 'restored') ORDER BY segment"""
    )
    return [tuple(row) for row in found]


async def confirm(connection: Any, segment: str) -> bool:
    """Whether a published leaf holds the manifest's hash; from then on that is known."""
    leaf: int | None = await connection.fetchval("SELECT audit.confirm_sealed($1)", segment)
    return leaf is not None


async def is_sequenced(connection: Any, event: str) -> bool:
    """Whether an event has an index."""
    known: bool = await connection.fetchval("SELECT EXISTS (SELECT FROM audit.entry_index WHERE call_id = $1)", event)
    return known


async def to_retire(connection: Any, before: str, restored_before: datetime) -> list[str]:
    """Told segments of days before `before` (YYYYMMDD), and restored ones whose time is over. What a call is still open
    in stays: whoever closes it has to read its intent."""
    found = await connection.fetch(
        """SELECT a.segment FROM audit.archive a
           WHERE a.manifest_leaf IS NOT NULL
             AND (a.state = 'sealed' AND a.segment < $1 OR a.state = 'restored' AND a.restored_at < $2)
             AND NOT EXISTS (SELECT FROM audit.open_call o JOIN audit.entry_index i USING (leaf_index)
                             WHERE i.segment = a.segment) ORDER BY 1""",
        before, restored_before,
    )  # fmt: skip
    return [row[0] for row in found]


async def retire(connection: Any, segment: str) -> None:
    """Take a segment out of the database. Raises what the function finds wrong, and when readers are in the way."""
    await connection.execute("SELECT audit.retire_segment($1)", segment)


# --- restoring ------------------------------------------------------------------------------------------------------
async def ask_restore(connection: Any, segment: str, at: datetime) -> bool:
    """Whether there is something to restore."""
    row = await connection.fetchval(
        "UPDATE audit.archive SET restore_asked_at = $2 WHERE segment = $1 AND state = 'archived' RETURNING segment",
        segment, at,
    )  # fmt: skip
    return row is not None


async def to_restore(connection: Any) -> list[str]:
    """Segments that somebody asked for."""
    found = await connection.fetch(
        """SELECT segment FROM audit.archive WHERE restore_asked_at IS NOT NULL AND state = 'archived'
           ORDER BY restore_asked_at"""
    )
    return [row[0] for row in found]


async def reopen(connection: Any, segment: str) -> None:
    """Partitions to restore into. By itself: as long as it is not committed, no new day can begin."""
    await connection.execute("SELECT audit.reopen_segment($1)", segment)


async def restored(tx: Any, segment: str) -> None:
    """All rows are back. The last in the transaction that has put them back; raises if it is not all."""
    await tx.execute("SELECT audit.restored_segment($1)", segment)


async def put_back(tx: Any, segment: str, page: Sequence[Row]) -> None:
    """Rows come back where they were. Inside a transaction, after `reopen`."""
    leaves = [(segment, row.leaf_index, row.leaf, row.sequenced_at) for row in page]
    private = [(segment, row.leaf_index, row.private) for row in page if row.private]
    ended = [(segment, row.leaf_index, row.call, row.kind, *row.ended) for row in page if row.ended is not None]
    await _copy(tx, "leaf", segment, ["segment", "leaf_index", "body", "sequenced_at"], leaves)
    await _copy(tx, "erasable", segment, ["segment", "leaf_index", "body"], private)
    await _copy(tx, "record", segment, ["segment", "leaf_index", "call_id", "kind", *OWN], ended)


async def _copy(tx: Any, parent: str, segment: str, columns: list[str], records: Sequence[tuple[Any, ...]]) -> None:
    table = f"{parent}_{segment.replace('-', '_')}"  # the role may write into no other day
    await tx.copy_records_to_table(table, schema_name="audit", columns=columns, records=records)
