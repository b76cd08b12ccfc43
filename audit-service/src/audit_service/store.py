"""The log's SQL, and the connections that speak it: one role per connection, asyncpg without anything in between.

Every function takes a connection and is one statement, or says that it has to run inside a transaction.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

import asyncpg
import structlog

from audit_service.entry import Batch
from runtime.db import plain
from runtime.errors import Refusal
from tlog.tree import Read
from wire import codes

Pool = Any  # asyncpg publishes no types
log = structlog.get_logger()
ROLES = ("ingest", "sequencer", "reader", "keeper", "indexer", "archivist", "clerk")
INGEST, SEQUENCER, READER, KEEPER, INDEXER, ARCHIVIST, CLERK = (f"tongdao_audit_{name}" for name in ROLES)
ANSWER_S = 1.8
"""Who waits longer than this for the database is told that there is none (design P1: within 2 s)."""
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError)
_SEQUENCER_LOCK = 0x6C6F67  # "log"
STEP_BYTES, STEP_BATCHES = 4 * 1024 * 1024, 512
_HALF_OPEN = {"tcp_keepalives_idle": "5", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3",
              "tcp_user_timeout": "10000"}  # fmt: skip  # a leader that vanished is released within 10 s


@asynccontextmanager
async def answering(what: str) -> AsyncIterator[None]:
    """Raises Refusal(AUDIT_UNAVAILABLE) when the database does not answer in time, or not at all."""
    try:
        async with asyncio.timeout(ANSWER_S):
            yield
    except AWAY as error:
        log.warning("database.away", during=what, error=repr(error))
        raise Refusal(codes.AUDIT_UNAVAILABLE, type(error).__name__) from None


class Database:
    """The pools of one process, one per role; `open` first, `close` last."""

    def __init__(self, url: str) -> None:
        self._url = plain(url)
        self.ingest: Any = None
        self.reader: Any = None
        self.keeper: Any = None
        self.indexer: Any = None
        self.archivist: Any = None
        self.clerk: Any = None

    async def open(self) -> None:
        self.ingest = await self._pool(INGEST, 1, 4)
        self.reader = await self._pool(READER, 1, 8)
        self.keeper = await self._pool(KEEPER, 1, 1)
        self.indexer = await self._pool(INDEXER, 0, 2)
        self.archivist = await self._pool(ARCHIVIST, 0, 2)
        self.clerk = await self._pool(CLERK, 0, 4)

    async def _pool(self, role: str, least: int, most: int) -> Any:
        return await asyncpg.create_pool(
            self._url, min_size=least, max_size=most, timeout=5, reset=_nothing_to_reset,
            server_settings={"role": role, "application_name": role},
        )  # fmt: skip

    async def close(self) -> None:
        for pool in (self.ingest, self.reader, self.keeper, self.indexer, self.archivist, self.clerk):
            if pool is not None:
                await end(pool)

    async def sequencer(self) -> Any:
        """A connection of its own: the lock that makes a sequencer lives as long as it."""
        return await asyncpg.connect(
            self._url, timeout=5, command_timeout=60,
            server_settings={"role": SEQUENCER, "application_name": SEQUENCER, **_HALF_OPEN},
        )  # fmt: skip


@asynccontextmanager
async def turn(pool: Pool, job: str) -> AsyncIterator[Any | None]:
    """A connection while it is our turn to do `job`, None while another replica does it. Lost with the connection: what
    must not be done twice has to be safe by itself."""
    async with pool.acquire() as connection:
        if not await connection.fetchval("SELECT pg_try_advisory_lock(hashtextextended($1, 1))", f"audit/{job}"):
            yield None
            return
        try:
            yield connection
        finally:
            await connection.execute("SELECT pg_advisory_unlock(hashtextextended($1, 1))", f"audit/{job}")


async def end(connection: Any) -> None:
    """Close a connection or a pool, in an orderly way if it can be done in a second."""
    try:
        async with asyncio.timeout(1):
            await connection.close()
    except AWAY:
        connection.terminate()


async def _nothing_to_reset(_connection: Any) -> None:
    """No session state is ever left behind, so that a round trip per batch is spared."""


# --- leases ---------------------------------------------------------------------------------------------------------
async def fence(connection: Any, gateway: str, epoch: int | None = None) -> None:
    """End one epoch of a writer, or all. Waits for batches under way: they hold the row FOR KEY SHARE."""
    await connection.execute(
        """WITH ended AS MATERIALIZED (
               SELECT gateway, epoch FROM audit.lease
               WHERE gateway = $1 AND ($2::bigint IS NULL OR epoch = $2) AND fenced_at IS NULL FOR UPDATE)
           UPDATE audit.lease l SET fenced_at = now() FROM ended e
           WHERE l.gateway = e.gateway AND l.epoch = e.epoch""",
        gateway, epoch,
    )  # fmt: skip


async def add_lease(tx: Any, gateway: str) -> int:
    """The next epoch of a writer. Inside a transaction, which makes other starts of the same writer wait."""
    await tx.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", gateway)
    await fence(tx, gateway)
    epoch: int = await tx.fetchval(
        """INSERT INTO audit.lease (gateway, epoch, started_at, renewed_at)
           SELECT $1, coalesce(max(epoch), 0) + 1, now(), now() FROM audit.lease WHERE gateway = $1
           RETURNING epoch""",
        gateway,
    )
    return epoch


async def renew_lease(connection: Any, gateway: str, epoch: int) -> bool:
    """Whether the lease still stood. Touches no key column, so batches under way do not wait for it."""
    row = await connection.fetchval(
        """UPDATE audit.lease SET renewed_at = now()
           WHERE gateway = $1 AND epoch = $2 AND fenced_at IS NULL RETURNING epoch""",
        gateway, epoch,
    )  # fmt: skip
    return row is not None


async def fence_expired(connection: Any, lease_s: float) -> list[Any]:
    """End every lease not renewed for `lease_s` seconds; its (gateway, epoch). Waits for batches under way."""
    rows: list[Any] = await connection.fetch(
        """WITH expired AS MATERIALIZED (
               SELECT gateway, epoch FROM audit.lease
               WHERE closed_at IS NULL AND fenced_at IS NULL AND renewed_at < now() - make_interval(secs => $1)
               ORDER BY gateway, epoch FOR UPDATE)
           UPDATE audit.lease l SET fenced_at = now() FROM expired e
           WHERE l.gateway = e.gateway AND l.epoch = e.epoch RETURNING l.gateway, l.epoch""",
        lease_s,
    )
    return rows


async def fenced_leases(connection: Any) -> list[Any]:
    """(gateway, epoch) of what has ended and is not closed yet."""
    rows: list[Any] = await connection.fetch(
        """SELECT gateway, epoch FROM audit.lease WHERE closed_at IS NULL AND fenced_at IS NOT NULL
           ORDER BY gateway, epoch"""
    )
    return rows


async def close_lease(tx: Any, gateway: str, epoch: int) -> bool:
    """Mark a fenced epoch as closed; False if somebody else has done so, or is at it."""
    row = await tx.fetchval(
        """WITH ended AS MATERIALIZED (
               SELECT gateway, epoch FROM audit.lease
               WHERE gateway = $1 AND epoch = $2 AND closed_at IS NULL AND fenced_at IS NOT NULL
               FOR UPDATE SKIP LOCKED)
           UPDATE audit.lease l SET closed_at = now() FROM ended e
           WHERE l.gateway = e.gateway AND l.epoch = e.epoch RETURNING l.epoch""",
        gateway, epoch,
    )  # fmt: skip
    return row is not None


async def has_batches(tx: Any, gateway: str, epoch: int) -> bool:
    """Whether something of this epoch waits for the sequencer."""
    found: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM audit.batch WHERE gateway = $1 AND epoch = $2)", gateway, epoch
    )
    return found


async def open_intents(tx: Any, gateway: str, epoch: int) -> list[Any]:
    """(body, private) of this epoch's intents without an outcome, oldest first."""
    rows: list[Any] = await tx.fetch(
        """SELECT l.body, e.body AS private
           FROM audit.open_call o
           JOIN audit.entry_index i ON i.leaf_index = o.leaf_index
           JOIN audit.leaf l ON l.leaf_index = i.leaf_index AND l.segment = i.segment
           LEFT JOIN audit.erasable e ON e.leaf_index = i.leaf_index AND e.segment = i.segment
           WHERE o.gateway = $1 AND o.epoch = $2 ORDER BY o.leaf_index""",
        gateway, epoch,
    )  # fmt: skip
    return rows


# --- ingest ---------------------------------------------------------------------------------------------------------
class Verdict(NamedTuple):
    """fresh: stored just now, under a lease that stands; before: the digest that was acknowledged earlier, if any."""

    fresh: bool
    before: bytes | None


_ACCEPT = """
WITH writer AS MATERIALIZED (
    SELECT epoch FROM audit.lease WHERE gateway = $1 AND epoch = $2 AND fenced_at IS NULL FOR KEY SHARE
), acknowledged AS (
    INSERT INTO audit.acknowledgement (gateway, epoch, first_sequence, count, sha256)
    SELECT $1, $2, $3, $4, $6 FROM writer ON CONFLICT DO NOTHING RETURNING epoch
), stored AS (
    INSERT INTO audit.batch (gateway, epoch, first_sequence, count, bytes, sha256)
    SELECT $1, $2, $3, $4, $5, $6 FROM acknowledged
)
SELECT EXISTS (SELECT FROM acknowledged),
       (SELECT sha256 FROM audit.acknowledgement WHERE gateway = $1 AND epoch = $2 AND first_sequence = $3)
"""


async def accept(connection: Any, batch: Batch) -> Verdict:
    """Store a batch and its acknowledgement if the lease stands and the key is new: one statement, one commit.

    The lease row is taken FOR KEY SHARE: renewals pass, but whoever fences takes it FOR UPDATE and waits for us, and
    we for him. `before` is as of the statement's start: when a batch was neither stored nor known, ask again.
    """
    row = await connection.fetchrow(
        _ACCEPT, batch.gateway, batch.epoch, batch.first, batch.count, batch.content, batch.digest
    )
    return Verdict(*row)


# --- sequencing -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Head:
    """How far the log has got, and in which epoch of sequencers."""

    size: int
    epoch: int
    root: bytes


async def elect(connection: Any) -> bool:
    """Whether this connection is the sequencer's now, for as long as it lives."""
    won: bool = await connection.fetchval("SELECT pg_try_advisory_lock($1)", _SEQUENCER_LOCK)
    return won


async def take_office(connection: Any) -> Head:
    """Begin a new epoch of sequencers: whoever was it before can commit nothing more."""
    row = await connection.fetchrow("UPDATE audit.log_head SET epoch = epoch + 1 RETURNING size, epoch, root")
    return Head(*row)


async def lock_head(tx: Any) -> tuple[Head, datetime]:
    """The head, ours until the transaction ends, and the time by the one clock that all replicas share."""
    size, epoch, root, now = await tx.fetchrow("SELECT size, epoch, root, now() FROM audit.log_head FOR UPDATE")
    return Head(size, epoch, root), now


async def waiting_batches(tx: Any, but_not: Iterable[int]) -> list[tuple[int, Batch]]:
    """The next batches by id, about STEP_BYTES of them, locked. Never by "id greater than the last one": a batch that
    commits late would be passed over for ever."""
    rows = await tx.fetch(
        """SELECT b.id, b.gateway, b.epoch, b.first_sequence, b.count, b.bytes, b.sha256
           FROM audit.batch b
           WHERE b.id IN (
               SELECT id FROM (
                   SELECT id, sum(size) OVER (ORDER BY id) - size AS before FROM (
                       SELECT id, octet_length(bytes) AS size FROM audit.batch
                       WHERE id <> ALL ($1::bigint[]) ORDER BY id LIMIT $3) oldest) running
               WHERE before < $2)
           ORDER BY b.id FOR UPDATE SKIP LOCKED""",
        list(but_not), STEP_BYTES, STEP_BATCHES,
    )  # fmt: skip
    return [(row[0], Batch(*row[1:])) for row in rows]


async def drop_batches(tx: Any, ids: Sequence[int]) -> None:
    """They are in the tree now."""
    await tx.execute("DELETE FROM audit.batch WHERE id = ANY ($1::bigint[])", ids)


async def add_leaves(
    tx: Any, leaves: Sequence[tuple[Any, ...]], private: Sequence[tuple[Any, ...]], index: Sequence[tuple[Any, ...]]
) -> None:
    """Rows of leaf (segment, index, body, at), erasable (segment, index, body) and entry_index, by COPY."""
    await _copy(tx, "leaf", ["segment", "leaf_index", "body", "sequenced_at"], leaves)
    await _copy(tx, "entry_index", ["leaf_index", "call_id", "segment", "kind", "private_sha256"], index)
    if private:
        await _copy(tx, "erasable", ["segment", "leaf_index", "body"], private)


async def _copy(tx: Any, table: str, columns: list[str], rows: Sequence[tuple[Any, ...]]) -> None:
    await tx.copy_records_to_table(table, schema_name="audit", columns=columns, records=rows)


async def open_segment(tx: Any, segment: str) -> None:
    """Make the partitions of a day and class unless they are there."""
    await tx.execute("SELECT audit.open_segment($1)", segment)


async def end_calls(tx: Any, calls: Sequence[str]) -> None:
    """These have an outcome now."""
    await tx.execute("DELETE FROM audit.open_call WHERE call_id = ANY ($1::uuid[])", calls)


async def begin_calls(tx: Any, intents: Sequence[tuple[str, str, int, int]]) -> None:
    """(call, gateway, epoch, leaf index) of intents. One whose outcome came first is over already."""
    await tx.execute(
        """INSERT INTO audit.open_call (call_id, gateway, epoch, leaf_index)
           SELECT call_id, gateway, epoch, leaf_index
           FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[])
               AS intent (call_id, gateway, epoch, leaf_index)
           WHERE NOT EXISTS (
               SELECT FROM audit.entry_index i WHERE i.call_id = intent.call_id AND i.kind = 'outcome')
           ON CONFLICT DO NOTHING""",
        *map(list, zip(*intents, strict=True)),
    )


async def put_tiles(tx: Any, tiles: dict[tuple[int, int], bytes]) -> None:
    """New tiles, and new content of those that grew."""
    await tx.executemany(
        """INSERT INTO audit.tile (level, n, hashes) VALUES ($1, $2, $3)
           ON CONFLICT (shard, level, n) DO UPDATE SET hashes = excluded.hashes""",
        [(level, n, hashes) for (level, n), hashes in tiles.items()],
    )


async def advance(tx: Any, head: Head) -> None:
    """The new size and root."""
    await tx.execute("UPDATE audit.log_head SET size = $1, root = $2", head.size, head.root)


async def add_checkpoint(tx: Any, size: int, note: str) -> None:
    """A signed checkpoint; the first one of a size stays."""
    await tx.execute(
        "INSERT INTO audit.checkpoint (size, note, signed_at) VALUES ($1, $2, now()) ON CONFLICT DO NOTHING", size, note
    )


# --- reading --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Kept:
    """One leaf in the tree. `private` is empty where there was nothing, or nothing is left."""

    index: int
    leaf: bytes
    private: bytes
    kind: str


def snapshot(connection: Any) -> Any:
    """A transaction that sees one state of the log, whatever the sequencer does meanwhile."""
    return connection.transaction(isolation="repeatable_read", readonly=True)


async def leaves_of(tx: Any, call: str) -> list[Kept]:
    """The leaves of one call or event, by index."""
    rows = await tx.fetch(
        """SELECT i.leaf_index, l.body, coalesce(e.body, ''), i.kind
           FROM audit.entry_index i
           JOIN audit.leaf l ON l.leaf_index = i.leaf_index AND l.segment = i.segment
           LEFT JOIN audit.erasable e ON e.leaf_index = i.leaf_index AND e.segment = i.segment
           WHERE i.call_id = $1 ORDER BY i.leaf_index""",
        call,
    )
    return [Kept(*row) for row in rows]


async def batches_with(tx: Any, call: str) -> list[Batch]:
    """Batches that wait for the sequencer and contain a call's id. The table holds a moment's worth of them."""
    rows = await tx.fetch(
        """SELECT gateway, epoch, first_sequence, count, bytes, sha256 FROM audit.batch
           WHERE position($1::bytea in bytes) > 0""",
        call.encode(),
    )
    return [Batch(*row) for row in rows]


async def newest_checkpoint(connection: Any) -> tuple[int, str] | None:
    """Size and note of the newest checkpoint, None before the first."""
    row = await connection.fetchrow("SELECT size, note FROM audit.checkpoint ORDER BY size DESC LIMIT 1")
    return tuple(row) if row else None


async def tiles(connection: Any, wanted: Sequence[tuple[int, int]]) -> dict[tuple[int, int], bytes]:
    """The stored tiles among (level, n) `wanted`."""
    levels, numbers = [level for level, _ in wanted], [n for _, n in wanted]
    rows = await connection.fetch(
        """SELECT level, n, hashes FROM audit.tile
           WHERE (level, n) IN (SELECT * FROM unnest($1::smallint[], $2::bigint[]))""",
        levels, numbers,
    )  # fmt: skip
    return {(row["level"], row["n"]): row["hashes"] for row in rows}


def look_up(found: dict[tuple[int, int], bytes]) -> Read:
    """Fetched tiles as the `read` that tlog.tree asks for; a missing one is empty, which tlog refuses."""
    return lambda level, n: found.get((level, n), b"")
