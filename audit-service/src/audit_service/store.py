"""The log's SQL, and the connections that speak it: one role per connection, asyncpg without anything in between.

Every function takes a connection and is one statement, or says that it has to run inside a transaction.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
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
SETTLE_S = 1.0
_IS_SETTLED = """
SELECT NOT EXISTS (
    SELECT FROM audit.log_head h JOIN audit.shard s ON s.id = h.shard
    WHERE h.size > 0 AND (s.size IS NOT NULL OR NOT EXISTS (
        SELECT FROM audit.checkpoint c WHERE c.shard = h.shard AND c.size >= h.size)))
"""
_HALF_OPEN = {"tcp_keepalives_idle": "3", "tcp_keepalives_interval": "2", "tcp_keepalives_count": "3",
              "tcp_user_timeout": "10000"}  # fmt: skip  # a leader that vanished is released within 10 s


@asynccontextmanager
async def answering(what: str, pool: Pool = None) -> AsyncIterator[None]:
    """Raises Refusal(AUDIT_UNAVAILABLE) when the database does not answer in time, or not at all.

    A session that was begun while the database was read-only stays so: the connections of `pool` are replaced then.
    """
    try:
        async with asyncio.timeout(ANSWER_S):
            yield
    except AWAY as error:
        log.warning("database.away", during=what, error=repr(error))
        if pool is not None and isinstance(error, asyncpg.ReadOnlySQLTransactionError):
            await pool.expire_connections()
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
        self.clerk = await self._pool(CLERK, 0, 8)

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
    """(body, private) of this epoch's intents without an outcome, oldest first; no body where the leaf is not there."""
    rows: list[Any] = await tx.fetch(
        """SELECT l.body, e.body AS private
           FROM audit.open_call o
           JOIN audit.entry_index i ON i.leaf_index = o.leaf_index
           LEFT JOIN audit.leaf l ON l.leaf_index = i.leaf_index AND l.segment = i.segment
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


# --- reading --------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Kept:
    """One leaf in the tree. `private` is empty where there was nothing, or nothing is left."""

    index: int
    leaf: bytes
    private: bytes
    kind: str


@asynccontextmanager
async def snapshot(connection: Any) -> AsyncIterator[None]:
    """A transaction that sees one state of the log, whatever the sequencer does meanwhile: one with a signed tree.

    Leaves are committed a moment before the checkpoint over them, so we look again if we came in between; but not for
    longer than SETTLE_S, for a sequencer may have gone in just that moment.
    """
    deadline = time.monotonic() + SETTLE_S
    while True:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            # before the snapshot is taken, so that no day goes to the archive that we then miss in the database
            await connection.execute("LOCK TABLE ONLY audit.leaf IN ACCESS SHARE MODE")
            if await connection.fetchval(_IS_SETTLED) or time.monotonic() > deadline:
                yield
                return
        await asyncio.sleep(0.01)


class Place(NamedTuple):
    """Where a leaf is: its index through all shards, the segment, what it is."""

    leaf_index: int
    segment: str
    kind: str


async def places_of(tx: Any, call: str) -> list[Place]:
    """Where the leaves of one call or event are, by index; also those that have gone to the archive."""
    rows = await tx.fetch(
        "SELECT leaf_index, segment, kind FROM audit.entry_index WHERE call_id = $1 ORDER BY leaf_index", call
    )
    return [Place(*row) for row in rows]


async def leaves_at(tx: Any, places: Sequence[Place]) -> list[Kept]:
    """The leaves at some places that are in the database, by index."""
    if not places:
        return []
    rows = await tx.fetch(
        """SELECT l.leaf_index, l.body, coalesce(e.body, ''), p.kind
           FROM unnest($1::bigint[], $2::text[], $3::text[]) p (leaf_index, segment, kind)
           JOIN audit.leaf l ON l.leaf_index = p.leaf_index AND l.segment = p.segment
           LEFT JOIN audit.erasable e ON e.leaf_index = p.leaf_index AND e.segment = p.segment
           ORDER BY l.leaf_index""",
        *map(list, zip(*places, strict=True)),
    )
    return [Kept(*row) for row in rows]


async def places_between(tx: Any, first: int, last: int) -> list[Place]:
    """Where the leaves with first <= index < last are."""
    rows = await tx.fetch(
        """SELECT leaf_index, segment, kind FROM audit.entry_index
           WHERE leaf_index >= $1 AND leaf_index < $2 ORDER BY leaf_index""",
        first, last,
    )  # fmt: skip
    return [Place(*row) for row in rows]


async def batches_with(tx: Any, call: str) -> list[Batch]:
    """Batches that wait for the sequencer and contain a call's id. The table holds a moment's worth of them."""
    rows = await tx.fetch(
        """SELECT gateway, epoch, first_sequence, count, bytes, sha256 FROM audit.batch
           WHERE position($1::bytea in bytes) > 0""",
        call.encode(),
    )
    return [Batch(*row) for row in rows]


@dataclass(frozen=True, slots=True)
class Shard:
    """A stretch of the log under one origin and hash suite. Its own index of a leaf is `leaf_index - first`.

    origin  "" until a sequencer has taken office for the first time
    size    number of leaves once it is frozen, None while it grows
    """

    id: int
    origin: str
    suite: str
    first: int
    size: int | None


async def shards(connection: Any) -> list[Shard]:
    """All of them, oldest first; the last one grows."""
    rows = await connection.fetch("SELECT id, origin, suite, first, size FROM audit.shard ORDER BY id")
    return [Shard(*row) for row in rows]


def shard_at(shards: Sequence[Shard], leaf_index: int) -> Shard:
    """The shard of a leaf, out of all shards, oldest first."""
    return next(shard for shard in reversed(shards) if shard.first <= leaf_index)


async def signing_keys(connection: Any, shard_id: int) -> list[str]:
    """vkeys of the keys that sign a shard's checkpoints now, the oldest first."""
    rows = await connection.fetch(
        "SELECT vkey FROM audit.log_key WHERE shard = $1 AND removed_at IS NULL ORDER BY added_at, vkey", shard_id
    )
    return [row[0] for row in rows]


async def log_keys(connection: Any) -> list[tuple[int, str, datetime, datetime | None]]:
    """(shard, vkey, added, removed) of every key that ever signed, the oldest first."""
    rows = await connection.fetch(
        "SELECT shard, vkey, added_at, removed_at FROM audit.log_key ORDER BY shard, added_at, vkey"
    )
    return [tuple(row) for row in rows]


async def newest_checkpoint(connection: Any, shard_id: int) -> tuple[int, str] | None:
    """Size and note of a shard's newest checkpoint, None before the first."""
    row = await connection.fetchrow(
        "SELECT size, note FROM audit.checkpoint WHERE shard = $1 ORDER BY size DESC LIMIT 1", shard_id
    )
    return tuple(row) if row else None


async def tiles(connection: Any, wanted: Sequence[tuple[int, int]], shard_id: int) -> dict[tuple[int, int], bytes]:
    """The stored tiles among (level, n) `wanted` of a shard."""
    levels, numbers = [level for level, _ in wanted], [n for _, n in wanted]
    rows = await connection.fetch(
        """SELECT level, n, hashes FROM audit.tile
           WHERE shard = $3 AND (level, n) IN (SELECT * FROM unnest($1::smallint[], $2::bigint[]))""",
        levels, numbers, shard_id,
    )  # fmt: skip
    return {(row["level"], row["n"]): row["hashes"] for row in rows}


def look_up(found: dict[tuple[int, int], bytes]) -> Read:
    """Fetched tiles as the `read` that tlog.tree asks for; a missing one is empty, which tlog refuses."""
    return lambda level, n: found.get((level, n), b"")
