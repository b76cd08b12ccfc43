"""What a check reads. Every function is one statement, takes the connection of one snapshot, and changes nothing."""

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from audit_service.summary import COLUMNS, Summary

_SEARCHED = ", ".join("call_id::text" if name == "call_id" else name for name in COLUMNS)


class Named(NamedTuple):
    """A row of audit.log_key."""

    shard: int
    vkey: str
    removed_at: datetime | None


class HeadRow(NamedTuple):
    """The one row of log_head. `size` is that of the shard."""

    shard: int
    size: int
    root: bytes


async def head(tx: Any) -> HeadRow | None:
    row = await tx.fetchrow("SELECT shard, size, root FROM audit.log_head")
    return HeadRow(*row) if row else None


async def named_keys(tx: Any) -> list[Named]:
    """Every key that the database says the log has, or had."""
    rows = await tx.fetch("SELECT shard, vkey, removed_at FROM audit.log_key ORDER BY shard, added_at, vkey")
    return [Named(*row) for row in rows]


async def checkpoints(tx: Any, shard: int, after: int, up_to: int) -> list[tuple[int, str]]:
    """(size, note) of those of a shard with after < size <= up_to, by size."""
    rows = await tx.fetch(
        "SELECT size, note FROM audit.checkpoint WHERE shard = $1 AND size > $2 AND size <= $3 ORDER BY size",
        shard, after, up_to,
    )  # fmt: skip
    return [tuple(row) for row in rows]


async def next_checkpoint(tx: Any, shard: int, size: int) -> tuple[int, str] | None:
    """The first checkpoint of a shard that covers more than `size` leaves."""
    row = await tx.fetchrow(
        "SELECT size, note FROM audit.checkpoint WHERE shard = $1 AND size > $2 ORDER BY size LIMIT 1", shard, size
    )
    return tuple(row) if row else None


async def newest_checkpoint(tx: Any, shard: int, size: int) -> tuple[int, str] | None:
    """The last checkpoint of a shard over at most `size` leaves."""
    row = await tx.fetchrow(
        "SELECT size, note FROM audit.checkpoint WHERE shard = $1 AND size <= $2 ORDER BY size DESC LIMIT 1",
        shard, size,
    )  # fmt: skip
    return tuple(row) if row else None


async def seconds_unsigned(tx: Any, leaf_index: int) -> float:
    """How long ago a leaf got its place in the tree, 0 if nobody knows."""
    seconds: float | None = await tx.fetchval(
        "SELECT extract(epoch FROM now() - min(sequenced_at))::float FROM audit.leaf WHERE leaf_index = $1", leaf_index
    )
    return seconds or 0.0


async def segments(tx: Any) -> list[str]:
    """Those whose leaves are in the database."""
    rows = await tx.fetch(
        """SELECT replace(substr(c.relname, 6), '_', '-') AS segment FROM pg_inherits i JOIN pg_class c
               ON c.oid = i.inhrelid WHERE i.inhparent = 'audit.leaf'::regclass ORDER BY 1"""
    )
    return [row["segment"] for row in rows]


async def leaves_of(tx: Any, segments: list[str]) -> list[tuple[int, bytes]]:
    """(index, leaf) of whole segments; few and small ones."""
    rows = await tx.fetch("SELECT leaf_index, body FROM audit.leaf WHERE segment = ANY ($1::text[])", segments)
    return [tuple(row) for row in rows]


async def ahead(tx: Any, shard: int, size: int) -> list[int]:
    """Sizes of a shard's checkpoints that are beyond its end, the first thousand."""
    rows = await tx.fetch(
        "SELECT size FROM audit.checkpoint WHERE shard = $1 AND size > $2 ORDER BY 1 LIMIT 1000", shard, size
    )
    return [row[0] for row in rows]


def cosignatures(tx: Any) -> AsyncIterator[Any]:
    """(shard, size, witness, line, note) of every cosignature, by size."""
    found: AsyncIterator[Any] = tx.cursor(
        """SELECT s.shard, s.size, s.witness, s.line, coalesce(c.note, '')
           FROM audit.cosignature s LEFT JOIN audit.checkpoint c ON c.shard = s.shard AND c.size = s.size
           ORDER BY s.shard, s.size, s.witness"""
    )
    return found


async def rows(tx: Any, table: str, columns: str, start: int, end: int) -> list[Any]:
    """Rows of a table that has a leaf's index. `table` and `columns` are constants."""
    found: list[Any] = await tx.fetch(
        f"SELECT {columns} FROM audit.{table} WHERE leaf_index >= $1 AND leaf_index < $2",  # noqa: S608  # constants
        start, end,
    )  # fmt: skip
    return found


async def searched(tx: Any, start: int, end: int) -> list[Summary]:
    """The rows to search by."""
    return [Summary(**dict(zip(COLUMNS, row, strict=True))) for row in await rows(tx, "record", _SEARCHED, start, end)]


async def indexed(tx: Any) -> int:
    """How many leaves have their rows to search by."""
    size: int = await tx.fetchval("SELECT size FROM audit.indexed") or 0
    return size


async def beyond(tx: Any, table: str, size: int) -> list[int]:
    """Indexes of rows that no leaf of the log accounts for."""
    rows = await tx.fetch(
        f"SELECT leaf_index FROM audit.{table} WHERE leaf_index >= $1 OR leaf_index < 0 ORDER BY 1 LIMIT 10000",  # noqa: S608  # constants
        size,
    )
    return [row[0] for row in rows]


async def promises(tx: Any, writer: tuple[str, int], least: int, most: int) -> list[Any]:
    """(first sequence, count, digest) of a writer's acknowledged batches that begin there."""
    found: list[Any] = await tx.fetch(
        """SELECT first_sequence, count, sha256 FROM audit.acknowledgement
           WHERE gateway = $1 AND epoch = $2 AND first_sequence BETWEEN $3 AND $4 ORDER BY first_sequence""",
        *writer, least, most,
    )  # fmt: skip
    return found


def tiles_too_long(tx: Any, shards: Sequence[tuple[int, int]]) -> AsyncIterator[Any]:
    """(shard, level, n, hashes, hashes that belong to it) of tiles that hold more than they may; (shard, size)."""
    found: AsyncIterator[Any] = tx.cursor(
        """SELECT t.shard, t.level, t.n, length(t.hashes) / 32, w.width
           FROM audit.tile t LEFT JOIN unnest($1::smallint[], $2::bigint[]) AS s (shard, size) ON s.shard = t.shard,
                LATERAL (SELECT CASE WHEN t.level NOT BETWEEN 0 AND 7 OR t.n < 0 THEN 0
                                ELSE least(256, greatest(0, (coalesce(s.size, 0) >> 8 * t.level) - t.n * 256::numeric))
                                END::int AS width) w
           WHERE length(t.hashes) > w.width * 32""",
        [shard for shard, _ in shards], [size for _, size in shards],
    )  # fmt: skip
    return found


def waiting(tx: Any) -> AsyncIterator[Any]:
    """Batches that wait beside what was acknowledged: (gateway, epoch, first, acknowledged count and digest or None,
    bytes, digest, count)."""
    found: AsyncIterator[Any] = tx.cursor(
        """SELECT b.gateway, b.epoch, b.first_sequence, a.count, a.sha256, b.bytes, b.sha256, b.count
           FROM audit.batch b LEFT JOIN audit.acknowledgement a USING (gateway, epoch, first_sequence)
           ORDER BY b.id"""
    )
    return found


def acknowledged(tx: Any) -> AsyncIterator[Any]:
    """(gateway, epoch, first, count) of all that was acknowledged and does not wait."""
    found: AsyncIterator[Any] = tx.cursor(
        """SELECT gateway, epoch, first_sequence, a.count FROM audit.acknowledgement a
           WHERE NOT EXISTS (SELECT FROM audit.batch b
               WHERE (b.gateway, b.epoch, b.first_sequence) = (a.gateway, a.epoch, a.first_sequence))""",
        prefetch=1000,
    )
    return found


async def promised_and_waiting(tx: Any) -> tuple[int, int]:
    """Records that were ever acknowledged, and those that wait."""
    row = await tx.fetchrow(
        """SELECT (SELECT coalesce(sum(count), 0)::bigint FROM audit.acknowledgement),
                  (SELECT coalesce(sum(count), 0)::bigint FROM audit.batch)"""
    )
    return row[0], row[1]


async def indexed_of(tx: Any, ranges: Sequence[tuple[str, int, int]]) -> dict[str, int]:
    """How many leaves of each segment the index names; (segment, first, last)."""
    rows = await tx.fetch(
        """SELECT s.segment, (SELECT count(*) FROM audit.entry_index i
                              WHERE i.leaf_index BETWEEN s.first AND s.last AND i.segment = s.segment)
           FROM unnest($1::text[], $2::bigint[], $3::bigint[]) AS s (segment, first, last)""",
        *([one[i] for one in ranges] for i in range(3)),
    )
    return dict(rows)


async def lost_numbers(tx: Any) -> list[tuple[str, int, int]]:
    """(gateway, epoch, how many) where the monitor has seen other numbers acknowledged than are so now: fewer are left,
    or, below 0, more. What came into a gap since it was seen is left out."""
    rows = await tx.fetch(
        """SELECT w.gateway, w.epoch, (w.up_to - g.missing - a.came)::text
           FROM audit.watched_writer w, LATERAL (
               SELECT coalesce(sum(g.last - g.first + 1), 0) AS missing FROM audit.gap g
               WHERE g.gateway = w.gateway AND g.epoch = w.epoch AND g.filled_at IS NULL) g, LATERAL (
               SELECT coalesce(sum(a.count), 0) AS came FROM audit.acknowledgement a
               WHERE a.gateway = w.gateway AND a.epoch = w.epoch AND a.first_sequence < w.up_to AND NOT EXISTS (
                   SELECT FROM audit.gap g WHERE g.gateway = w.gateway AND g.epoch = w.epoch AND g.filled_at IS NULL
                       AND a.first_sequence BETWEEN g.first AND g.last)) a
           WHERE w.up_to - g.missing <> a.came ORDER BY 1, 2 LIMIT 1000"""
    )
    return [(row[0], row[1], int(row[2])) for row in rows]


_WRONG_CALLS = """
SELECT call_id::text, intents, outcomes, o.call_id IS NOT NULL
FROM (SELECT call_id, count(*) FILTER (WHERE kind = 'intent') AS intents,
             count(*) FILTER (WHERE kind = 'outcome') AS outcomes
      FROM audit.entry_index WHERE kind IN ('intent', 'outcome') {which} GROUP BY call_id) c
{join} JOIN audit.open_call o USING (call_id)
WHERE intents IS NULL OR (intents, outcomes, o.call_id IS NOT NULL) NOT IN ((1, 1, false), (1, 0, true))
"""
_OF_STRETCH = """AND call_id IN (
    SELECT call_id FROM audit.entry_index WHERE leaf_index >= $1 AND leaf_index < $2 AND kind IN ('intent', 'outcome'))
"""


def wrong_calls(tx: Any) -> AsyncIterator[Any]:
    """(call, intents, outcomes, whether it is open) of every call that has not one intent and at most one outcome, or
    is open though it has one, or the other way round."""
    found: AsyncIterator[Any] = tx.cursor(_WRONG_CALLS.format(which="", join="FULL"))
    return found


def wrong_calls_of(tx: Any, start: int, end: int) -> AsyncIterator[Any]:
    """As `wrong_calls`, of the calls with a leaf from `start` up to `end`."""
    found: AsyncIterator[Any] = tx.cursor(_WRONG_CALLS.format(which=_OF_STRETCH, join="LEFT"), start, end)
    return found
