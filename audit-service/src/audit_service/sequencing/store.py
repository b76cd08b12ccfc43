"""The sequencer's rows in PostgreSQL: its transactions, and the lock that makes a connection the sequencer's."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from audit_service import store
from audit_service.checkpoint import Published, Seen
from audit_service.entry import Batch, Entry
from audit_service.sequencing.ports import STEP_BATCHES, STEP_BYTES, Head, Rows, Tiles
from audit_service.store import Shard

_LOCK = 0x6C6F67  # "log"


async def elect(connection: Any) -> bool:
    """Whether this connection is the sequencer's now, for as long as it lives."""
    won: bool = await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK)
    return won


class Transactions:
    """Over the one connection of a sequencer."""

    def __init__(self, connection: Any) -> None:
        self._connection = connection

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Rows]:
        async with self._connection.transaction():
            yield Transaction(self._connection)


class FileGuard:
    """The published file, read and written without holding up the event loop."""

    def __init__(self, published: Published) -> None:
        self._published = published

    async def read(self) -> Seen | None:
        return await asyncio.to_thread(self._published.read)

    async def write(self, seen: Seen) -> None:
        await asyncio.to_thread(self._published.write, *seen)


class Transaction:
    """What the steps need, each one statement or few; see `ports.Rows` for what each of them means."""

    def __init__(self, tx: Any) -> None:
        self._tx = tx

    # --- head, shards, keys
    async def begin_epoch(self) -> int:
        epoch: int = await self._tx.fetchval("UPDATE audit.log_head SET epoch = epoch + 1 RETURNING epoch")
        return epoch

    async def head(self) -> Head:
        row = await self._tx.fetchrow(
            """SELECT h.size, h.epoch, h.root, s.id, s.origin, s.suite, s.first, s.size
               FROM audit.log_head h JOIN audit.shard s ON s.id = h.shard FOR UPDATE OF h"""
        )
        size, epoch, root, *shard = row
        return Head(Shard(*shard), size, epoch, root)

    async def now(self) -> datetime:
        now: datetime = await self._tx.fetchval("SELECT clock_timestamp()")  # now() is from before we had the head
        return now

    async def advance(self, head: Head) -> None:
        await self._tx.execute(
            "UPDATE audit.log_head SET size = $1, root = $2, shard = $3", head.size, head.root, head.shard.id
        )

    async def shards(self) -> list[Shard]:
        return await store.shards(self._tx)

    async def name_shard(self, shard: Shard) -> None:
        await self._tx.execute(
            "UPDATE audit.shard SET origin = $2, suite = $3 WHERE id = $1", shard.id, shard.origin, shard.suite
        )

    async def freeze(self, shard: Shard, now: datetime) -> None:
        await self._tx.execute(
            "UPDATE audit.shard SET size = $2, frozen_at = $3 WHERE id = $1 AND size IS NULL", shard.id, shard.size, now
        )

    async def open(self, shard: Shard, now: datetime) -> None:
        await self._tx.execute(
            "INSERT INTO audit.shard (id, origin, suite, first, opened_at) VALUES ($1, $2, $3, $4, $5)",
            shard.id, shard.origin, shard.suite, shard.first, now,
        )  # fmt: skip

    async def keys(self, shard: int) -> list[str]:
        return await store.signing_keys(self._tx, shard)

    async def add_key(self, shard: int, vkey: str, now: datetime) -> None:
        await self._tx.execute(
            """INSERT INTO audit.log_key (shard, vkey, added_at) VALUES ($1, $2, $3)
               ON CONFLICT (shard, vkey) DO UPDATE SET removed_at = NULL""",
            shard, vkey, now,
        )  # fmt: skip

    async def end_key(self, shard: int, vkey: str, now: datetime) -> None:
        await self._tx.execute(
            "UPDATE audit.log_key SET removed_at = $3 WHERE shard = $1 AND vkey = $2", shard, vkey, now
        )

    # --- batches
    async def waiting(self, but_not: Iterable[int]) -> list[tuple[int, Batch]]:
        """Never by "id greater than the last one": a batch that commits late would be passed over for ever."""
        rows = await self._tx.fetch(
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

    async def drop(self, batches: Sequence[int]) -> None:
        await self._tx.execute("DELETE FROM audit.batch WHERE id = ANY ($1::bigint[])", batches)

    async def acknowledge(self, batch: Batch) -> None:
        await self._tx.execute(
            """INSERT INTO audit.acknowledgement (gateway, epoch, first_sequence, count, sha256)
               VALUES ($1, $2, $3, $4, $5)""",
            batch.gateway, batch.epoch, batch.first, batch.count, batch.digest,
        )  # fmt: skip

    # --- leaves
    async def add(self, first: int, added: Sequence[Entry], segments: dict[str, str], now: datetime) -> None:
        for segment in sorted(segments.values()):
            await open_segment(self._tx, segment)
        rows = [(index, segments[entry.head.retention], entry) for index, entry in enumerate(added, first)]
        await self._copy(
            "leaf", ["segment", "leaf_index", "body", "sequenced_at"],
            [(segment, index, entry.leaf, now) for index, segment, entry in rows],
        )  # fmt: skip
        await self._copy(
            "entry_index", ["leaf_index", "call_id", "segment", "kind", "private_sha256"],
            [(index, entry.head.call, segment, entry.head.phase or "event", _digest(entry.private))
             for index, segment, entry in rows],
        )  # fmt: skip
        private = [(segment, index, entry.private) for index, segment, entry in rows if entry.private]
        if private:
            await self._copy("erasable", ["segment", "leaf_index", "body"], private)
        await self._settle_calls(first, added)

    async def _copy(self, table: str, columns: list[str], rows: Sequence[tuple[Any, ...]]) -> None:
        await self._tx.copy_records_to_table(table, schema_name="audit", columns=columns, records=rows)

    async def _settle_calls(self, first: int, added: Sequence[Entry]) -> None:
        ended = {entry.head.call for entry in added if entry.head.phase == "outcome"}
        if ended:
            await end_calls(self._tx, sorted(ended))
        begun = [(head.call, head.gateway, head.epoch, index) for index, (head, _, _) in enumerate(added, first)
                 if head.phase == "intent" and head.call not in ended]  # fmt: skip
        if begun:
            await begin_calls(self._tx, begun)

    # --- the tree
    async def tiles(self, wanted: Sequence[tuple[int, int]], shard: int) -> Tiles:
        return await store.tiles(self._tx, wanted, shard) if wanted else {}

    async def put_tiles(self, tiles: Tiles, shard: int) -> None:
        await self._tx.executemany(
            """INSERT INTO audit.tile (shard, level, n, hashes) VALUES ($1, $2, $3, $4)
               ON CONFLICT (shard, level, n) DO UPDATE SET hashes = excluded.hashes""",
            [(shard, level, n, hashes) for (level, n), hashes in tiles.items()],
        )

    async def newest_checkpoint(self, shard: int) -> tuple[int, str] | None:
        return await store.newest_checkpoint(self._tx, shard)

    async def add_checkpoint(self, shard: int, size: int, note: str) -> None:
        await self._tx.execute(
            """INSERT INTO audit.checkpoint (shard, size, note, signed_at) VALUES ($1, $2, $3, now())
               ON CONFLICT DO NOTHING""",
            shard, size, note,
        )  # fmt: skip


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


def _digest(private: bytes) -> bytes | None:
    return hashlib.sha256(private).digest() if private else None
