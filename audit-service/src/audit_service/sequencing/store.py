"""The sequencer's rows in PostgreSQL: its transactions, and the lock that makes a connection the sequencer's."""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from audit_service import copying, store
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
        leaves, index, erasable = _rows_of(first, added, segments, now)
        await copying.copy(self._tx, "leaf", LEAF, leaves)
        await copying.copy(self._tx, "entry_index", ENTRY_INDEX, index)
        if erasable:
            await copying.copy(self._tx, "erasable", ERASABLE, erasable)
        await self._settle_calls(first, added)

    async def _settle_calls(self, first: int, added: Sequence[Entry]) -> None:
        ended = {entry.head.call for entry in added if entry.head.phase == "outcome"}
        if ended:
            await end_calls(self._tx, sorted(ended))
        begun = [(entry.head.call, entry.head.gateway, entry.head.epoch, index)
                 for index, entry in enumerate(added, first)
                 if entry.head.phase == "intent" and entry.head.call not in ended]  # fmt: skip
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


# --- rows of leaves ---------------------------------------------------------------------------------------------------
LEAF = ("segment", "sequenced_at", "leaf_index", "body")
ENTRY_INDEX = ("segment", "kind", "leaf_index", "call_id", "private_sha256")
ERASABLE = ("segment", "leaf_index", "body")


def _rows_of(
    first: int, added: Sequence[Entry], segments: dict[str, str], now: datetime
) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Rows of LEAF, of ENTRY_INDEX, and of ERASABLE for those that have something to erase. What all records of a class
    have in common is written once."""
    moment, texts = copying.timestamp(now), {name: copying.text(segment) for name, segment in segments.items()}
    leaf = {name: copying.row_of(len(LEAF)) + segment + moment for name, segment in texts.items()}
    index = {
        (name, phase): copying.row_of(len(ENTRY_INDEX)) + segment + copying.text(phase or "event")
        for name, segment in texts.items()
        for phase in ("intent", "outcome", "denied", "")
    }
    erasable = {name: copying.row_of(len(ERASABLE)) + segment for name, segment in texts.items()}
    bigint, uuid, binary, sha256 = copying.bigint, copying.uuid, copying.binary, hashlib.sha256
    leaf_rows, index_rows, erasable_rows = [], [], []
    for number, entry in enumerate(added, first):
        head, private, place = entry.head, entry.private, bigint(number)
        leaf_rows.append(b"%b%b%b" % (leaf[head.retention], place, binary(entry.leaf)))
        digest = copying.NULL
        if private:
            erasable_rows.append(b"%b%b%b" % (erasable[head.retention], place, binary(private)))
            digest = binary(sha256(private).digest())
        index_rows.append(b"%b%b%b%b" % (index[head.retention, head.phase], place, uuid(head.call), digest))
    return leaf_rows, index_rows, erasable_rows
