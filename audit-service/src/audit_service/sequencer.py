"""The single writer of the tree: batches -> indices -> leaves, tiles, root, signed checkpoint, in one transaction.

There is one sequencer per database, elected by an advisory lock. The lock alone is not safe (a paused leader does not
know that its session died), so every transaction also checks the epoch in the head row. Nothing is kept in memory
between transactions but that epoch: after any failure, a commit in doubt above all, everything is read again.
Only after the commit does the outside world see a checkpoint.
"""

import asyncio
import hashlib
import time
from datetime import datetime
from typing import Any, NamedTuple

import structlog

from audit_service import store
from audit_service.checkpoint import Published, Signer
from audit_service.entry import BadBatch, Batch, Entry, segment_of, undamaged
from tlog.hashes import leaf_hash
from tlog.proofs import ProofError
from tlog.tiles import edge_tiles
from tlog.tree import append, overlay, root

log = structlog.get_logger()
POLL_S = 0.2
"""Other replicas take batches too: look for their work this often."""
PACE_S = 0.2
"""At most so often is a checkpoint signed, unless work is waiting."""
ELECTION_S = 1.0
REFUSED_S = 5.0
ROLLED_BACK, FORKED, CONTRADICTED = "log.rolled_back", "log.forked", "log.tiles_contradict_head"


class SteppedDown(Exception):
    """Somebody else is the sequencer now."""


class Refused(Exception):
    """Signing would contradict what has been published, or what is stored; the message is the alarm's name."""


class Step(NamedTuple):
    """What one transaction did: leaves added, whether more may be waiting, and the newest tree."""

    leaves: int
    more: bool
    size: int
    root: bytes


class Sequencer:
    """`lead` is called for ever. `wake` is set by ingest; `refused` says why nothing is signed, "" when all is well."""

    def __init__(self, database: store.Database, signer: Signer, published: Published) -> None:
        self._database = database
        self._signer = signer
        self._published = published
        self._damaged: set[int] = set()
        self.wake = asyncio.Event()
        self.refused = ""

    async def lead(self) -> None:
        """Try to be elected; if so, sequence until something fails."""
        connection = await self._database.sequencer()
        try:
            if not await store.elect(connection):
                await asyncio.sleep(ELECTION_S)
                return
            await self._lead(connection)
        except SteppedDown:
            log.warning("sequencer.stepped_down")
        except Refused as refused:
            self.refused = str(refused)
            log.critical(self.refused, alarm=True)
            await asyncio.sleep(REFUSED_S)
        finally:
            await store.end(connection)  # and with it the lock

    async def _lead(self, connection: Any) -> None:
        epoch = await self.take_office(connection)
        while True:
            started = time.monotonic()
            step = await self.step(connection, epoch)
            if not step.more:
                await self._rest(started)

    async def _rest(self, started: float) -> None:
        """Until ingest wakes us or the poll is due, and not before PACE_S are over."""
        try:
            async with asyncio.timeout(POLL_S):
                await self.wake.wait()
        except TimeoutError:
            pass
        self.wake.clear()
        await asyncio.sleep(max(0.0, started + PACE_S - time.monotonic()))

    async def take_office(self, connection: Any) -> int:
        """The epoch to sequence in, once the stored tree has been compared with what was published."""
        head = await store.take_office(connection)
        await self._compare(connection, head)
        self.refused = ""
        self._damaged.clear()
        newest = await store.newest_checkpoint(connection)
        if newest is None or newest[0] < head.size:  # the empty log has a checkpoint as well
            await store.add_checkpoint(connection, head.size, self._signer.sign(head.size, head.root))
        await self._publish(head.size, head.root)
        log.info("sequencer.elected", epoch=head.epoch, size=head.size)
        return head.epoch

    async def _compare(self, connection: Any, head: store.Head) -> None:
        """Raises Refused if what is stored contradicts itself, or what was published is not a part of it."""
        if not _is_root(head.root, head.size, await store.tiles(connection, edge_tiles(head.size))):
            raise Refused(CONTRADICTED)
        seen = await asyncio.to_thread(self._published.read)
        if seen is None:
            return
        if head.size < seen.size:
            raise Refused(ROLLED_BACK)
        tiles = await store.tiles(connection, edge_tiles(seen.size))
        if not _is_root(seen.root, seen.size, tiles):
            raise Refused(FORKED)

    async def step(self, connection: Any, epoch: int) -> Step:
        """One transaction: everything that waits (up to a size) gets its place in the tree, and a checkpoint over it.

        Raises SteppedDown if the epoch is over, Refused if the stored tiles do not give the head's root.
        """
        async with connection.transaction():
            head, now = await store.lock_head(connection)
            if head.epoch != epoch:
                raise SteppedDown
            waiting = await store.waiting_batches(connection, self._damaged)
            taken, added = self._readable(waiting)
            if not taken:
                return Step(0, False, head.size, head.root)
            await self._write_leaves(connection, head.size, added, now)
            new = await self._grow(connection, head, [leaf_hash(entry.leaf) for entry in added])
            await store.drop_batches(connection, taken)
        await self._publish(new.size, new.root)
        log.debug("log.sequenced", leaves=len(added), batches=len(taken), size=new.size)
        return Step(len(added), _was_full(waiting), new.size, new.root)

    def _readable(self, waiting: list[tuple[int, Batch]]) -> tuple[list[int], list[Entry]]:
        """Ids and records of the batches that are still what was acknowledged. A damaged one stays where it is, and is
        no reason to hold up the others."""
        taken: list[int] = []
        added: list[Entry] = []
        for number, batch in waiting:
            try:
                added += undamaged(batch)
                taken.append(number)
            except BadBatch as error:
                self._damaged.add(number)
                log.critical("batch.damaged", batch=batch.key, reason=str(error), alarm=True)
        return taken, added

    async def _write_leaves(self, tx: Any, first: int, added: list[Entry], now: datetime) -> None:
        segments = [segment_of(now.date(), entry.head.retention) for entry in added]
        for segment in sorted(set(segments)):
            await store.open_segment(tx, segment)
        rows = list(enumerate(zip(segments, added, strict=True), first))
        await store.add_leaves(
            tx,
            leaves=[(segment, index, entry.leaf, now) for index, (segment, entry) in rows],
            private=[(segment, index, entry.private) for index, (segment, entry) in rows if entry.private],
            index=[(index, entry.head.call, segment, entry.head.phase or "event", _digest(entry.private))
                   for index, (segment, entry) in rows],
        )  # fmt: skip
        ended = {entry.head.call for entry in added if entry.head.phase == "outcome"}
        if ended:
            await store.end_calls(tx, sorted(ended))
        begun = [(entry.head.call, entry.head.gateway, entry.head.epoch, index) for index, (_, entry) in rows
                 if entry.head.phase == "intent" and entry.head.call not in ended]  # fmt: skip
        if begun:
            await store.begin_calls(tx, begun)

    async def _grow(self, tx: Any, head: store.Head, hashes: list[bytes]) -> store.Head:
        """Tiles, head and checkpoint for the new leaves."""
        edge = await store.tiles(tx, edge_tiles(head.size))
        if not _is_root(head.root, head.size, edge):
            raise Refused(CONTRADICTED)
        stored = store.look_up(edge)
        changed = append(head.size, hashes, stored)
        size = head.size + len(hashes)
        new = store.Head(size, head.epoch, root(size, overlay(changed, stored)))
        await store.put_tiles(tx, changed)
        await store.advance(tx, new)
        await store.add_checkpoint(tx, new.size, self._signer.sign(new.size, new.root))
        return new

    async def _publish(self, size: int, root: bytes) -> None:
        await asyncio.to_thread(self._published.write, size, root)


def _was_full(waiting: list[tuple[int, Batch]]) -> bool:
    return len(waiting) >= store.STEP_BATCHES or sum(len(batch.content) for _, batch in waiting) >= store.STEP_BYTES


def _is_root(expected: bytes, size: int, tiles: dict[tuple[int, int], bytes]) -> bool:
    try:
        return root(size, store.look_up(tiles)) == expected
    except ProofError:
        return False


def _digest(private: bytes) -> bytes | None:
    return hashlib.sha256(private).digest() if private else None
