"""The monitor's SQL. Times come from the caller."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any


@dataclass(frozen=True, slots=True)
class State:
    """How far the continuous check has got.

    newest_*  the last check of the newest leaves: when it ended, from and to which leaf, how long it took
    position  where the pass over the whole log goes on, `pass_began_at` since when; `whole_*` the last one that ended
    waiting_* the oldest batch that waits, and since when we have seen it
    """

    newest_at: datetime | None
    newest_first: int
    newest_end: int
    newest_s: float
    position: int
    pass_began_at: datetime | None
    whole_began_at: datetime | None
    whole_at: datetime | None
    whole_size: int
    waiting_id: int | None
    waiting_since: datetime | None


_STATE = ", ".join(State.__slots__)


async def state(connection: Any) -> State:
    return State(*await connection.fetchrow(f"SELECT {_STATE} FROM audit.monitor"))  # noqa: S608  # constants


async def newest_checked(connection: Any, first: int, end: int, took_s: float, at: datetime) -> None:
    """The newest leaves, up to but not including `end`, were looked at."""
    await connection.execute(
        "UPDATE audit.monitor SET newest_at = $4, newest_first = $1, newest_end = $2, newest_s = $3",
        first, end, took_s, at,
    )  # fmt: skip


async def began_pass(connection: Any, at: datetime) -> None:
    await connection.execute("UPDATE audit.monitor SET position = 0, pass_began_at = $1", at)


async def advanced(connection: Any, position: int) -> None:
    await connection.execute("UPDATE audit.monitor SET position = $1", position)


async def ended_pass(connection: Any, size: int, at: datetime) -> None:
    """Every leaf up to `size` was looked at since the pass began."""
    await connection.execute(
        """UPDATE audit.monitor SET whole_began_at = pass_began_at, whole_at = $2, whole_size = $1, position = 0,
               pass_began_at = NULL""",
        size, at,
    )  # fmt: skip


# --- findings -------------------------------------------------------------------------------------------------------
async def keep(connection: Any, findings: Sequence[tuple[str, str]], at: datetime) -> None:
    """(what, why): new ones, and that old ones were seen again."""
    await connection.executemany(
        """INSERT INTO audit.finding (what, why, first_seen_at, last_seen_at) VALUES ($1, $2, $3, $3)
           ON CONFLICT (what, why) DO UPDATE SET last_seen_at = excluded.last_seen_at""",
        [(what, why, at) for what, why in findings],
    )


async def untold(connection: Any, most: int) -> list[Any]:
    """(what, why) of what nobody has been told of, oldest first."""
    rows: list[Any] = await connection.fetch(
        "SELECT what, why FROM audit.finding WHERE told_at IS NULL ORDER BY first_seen_at, what, why LIMIT $1", most
    )
    return rows


async def told(connection: Any, findings: Sequence[tuple[str, str]], at: datetime) -> None:
    await connection.executemany(
        "UPDATE audit.finding SET told_at = $3 WHERE what = $1 AND why = $2",
        [(what, why, at) for what, why in findings],
    )


async def standing(connection: Any, since: datetime | None, most: int) -> list[Any]:
    """Findings seen since a moment, the newest first."""
    rows: list[Any] = await connection.fetch(
        """SELECT what, why, first_seen_at, last_seen_at FROM audit.finding
           WHERE $1::timestamptz IS NULL OR last_seen_at >= $1 ORDER BY first_seen_at DESC, what, why LIMIT $2""",
        since, most,
    )  # fmt: skip
    return rows


async def count_findings(connection: Any, since: datetime | None) -> tuple[int, int]:
    """How many stand, and how many there were ever."""
    row = await connection.fetchrow(
        """SELECT count(*) FILTER (WHERE $1::timestamptz IS NULL OR last_seen_at >= $1), count(*) FROM audit.finding""",
        since,
    )
    return row[0], row[1]


# --- numbers of writers that never came -----------------------------------------------------------------------------
_WATCH = """
WITH writer AS MATERIALIZED (
    SELECT l.gateway, l.epoch, coalesce(w.up_to, 0) AS up_to, l.closed_at IS NOT NULL AS closed
    FROM audit.lease l LEFT JOIN audit.watched_writer w USING (gateway, epoch) WHERE w.done IS NOT TRUE
), came AS MATERIALIZED (
    SELECT gateway, epoch, a.first_sequence, n.next,
           coalesce(max(n.next) OVER (PARTITION BY gateway, epoch ORDER BY a.first_sequence
                        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), w.up_to) AS expected
    FROM writer w JOIN audit.acknowledgement a USING (gateway, epoch),
         LATERAL (SELECT least(a.first_sequence + a.count::numeric, 9223372036854775807)::bigint AS next) n
    WHERE a.first_sequence >= w.up_to
), missing AS (
    INSERT INTO audit.gap (gateway, epoch, first, last, seen_at)
    SELECT gateway, epoch, expected, first_sequence - 1, $1 FROM came WHERE first_sequence > expected
    ON CONFLICT DO NOTHING
)
INSERT INTO audit.watched_writer AS old (gateway, epoch, up_to, done)
SELECT w.gateway, w.epoch, coalesce(max(c.next), w.up_to), w.closed
FROM writer w LEFT JOIN came c USING (gateway, epoch) GROUP BY w.gateway, w.epoch, w.up_to, w.closed
HAVING w.closed OR max(c.next) IS NOT NULL
ON CONFLICT (gateway, epoch) DO UPDATE SET up_to = excluded.up_to, done = excluded.done
"""
_FILLED = """
UPDATE audit.gap g SET filled_at = $1
WHERE filled_at IS NULL AND g.last - g.first + 1 <= (
    SELECT coalesce(sum(a.count), 0) FROM audit.acknowledgement a
    WHERE a.gateway = g.gateway AND a.epoch = g.epoch AND a.first_sequence BETWEEN g.first AND g.last)
"""


async def watch_writers(connection: Any, at: datetime) -> None:
    """Look at what was acknowledged since the last time: one statement, one state of the log. What is missing below the
    highest number becomes a gap; what has come late fills one."""
    await connection.execute(_WATCH, at)
    await connection.execute(_FILLED, at)


async def due_gaps(connection: Any, at: datetime, patience: timedelta, most: int) -> list[Any]:
    """(gateway, epoch, first, last) of gaps that nobody was told of: older than `patience`, or of a closed epoch."""
    rows: list[Any] = await connection.fetch(
        """SELECT g.gateway, g.epoch, g.first, g.last
           FROM audit.gap g LEFT JOIN audit.lease l USING (gateway, epoch)
           WHERE g.filled_at IS NULL AND g.told_at IS NULL AND (g.seen_at < $1 OR l.closed_at IS NOT NULL)
           ORDER BY g.seen_at, g.gateway, g.epoch, g.first LIMIT $2""",
        at - patience, most,
    )  # fmt: skip
    return rows


async def told_gaps(connection: Any, gaps: Sequence[Any], at: datetime) -> None:
    await connection.executemany(
        "UPDATE audit.gap SET told_at = $4 WHERE gateway = $1 AND epoch = $2 AND first = $3",
        [(gap["gateway"], gap["epoch"], gap["first"], at) for gap in gaps],
    )


async def gaps(connection: Any, most: int) -> list[Any]:
    """What stands, the newest first."""
    rows: list[Any] = await connection.fetch(
        """SELECT gateway, epoch, first, last, seen_at FROM audit.gap WHERE filled_at IS NULL
           ORDER BY seen_at DESC, gateway, epoch, first LIMIT $1""",
        most,
    )
    return rows


# --- how far things are behind --------------------------------------------------------------------------------------
async def watch_waiting(connection: Any, at: datetime) -> None:
    """Remember since when the oldest batch has been waiting: a batch itself does not say when it came."""
    await connection.execute(
        """UPDATE audit.monitor SET waiting_id = oldest.id,
               waiting_since = CASE WHEN oldest.id IS NULL THEN NULL
                                    WHEN oldest.id = waiting_id THEN waiting_since ELSE $1::timestamptz END
           FROM (SELECT min(id) AS id FROM audit.batch) oldest""",
        at,
    )


async def waiting(connection: Any) -> tuple[int, int]:
    """Batches that wait, and the records in them."""
    row = await connection.fetchrow("SELECT count(*), coalesce(sum(count), 0)::bigint FROM audit.batch")
    return row[0], row[1]


async def sizes(connection: Any) -> tuple[int, int, int, int, int]:
    """Leaves through all shards: in the tree, covered by a checkpoint, with their rows to search by; then the shard
    that grows and its first leaf."""
    row = await connection.fetchrow(
        """SELECT s.first + h.size,
                  coalesce((SELECT s.first + max(c.size) FROM audit.checkpoint c WHERE c.shard = s.id), s.first),
                  coalesce((SELECT size FROM audit.indexed), 0), s.id, s.first
           FROM audit.log_head h JOIN audit.shard s ON s.id = h.shard"""
    )
    return tuple(row) if row else (0, 0, 0, 1, 0)


async def sequenced_at(connection: Any, leaf_index: int) -> datetime | None:
    """When a leaf got its place; None if it is not in the database."""
    at: datetime | None = await connection.fetchval(
        """SELECT l.sequenced_at FROM audit.entry_index i
           JOIN audit.leaf l ON l.leaf_index = i.leaf_index AND l.segment = i.segment WHERE i.leaf_index = $1""",
        leaf_index,
    )
    return at


async def witnessed(connection: Any, shard: int) -> int:
    """Leaves of a shard that a witness has cosigned."""
    size: int = await connection.fetchval("SELECT max(size) FROM audit.cosignature WHERE shard = $1", shard) or 0
    return size


async def signed_after(connection: Any, shard: int, size: int) -> datetime | None:
    """When the first checkpoint of a shard over more than `size` leaves was signed."""
    at: datetime | None = await connection.fetchval(
        "SELECT signed_at FROM audit.checkpoint WHERE shard = $1 AND size > $2 ORDER BY size LIMIT 1", shard, size
    )
    return at
