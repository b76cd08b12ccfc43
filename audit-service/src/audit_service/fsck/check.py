"""One check of the log: everything, the newest leaves, or a slice. Reads one state of it, and changes nothing."""

import asyncio
import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg

from audit_service import store as log
from audit_service.archive.objects import Objects
from audit_service.archive.store import Archived, archived, mixed
from audit_service.fsck import batches, ledger, searched, store
from audit_service.fsck.cosigned import check_cosignatures
from audit_service.fsck.findings import Findings, Progress
from audit_service.fsck.keys import Keys
from audit_service.fsck.shelf import Shelf
from audit_service.fsck.stretch import Reader, shard_name
from audit_service.fsck.told import Memory, Told, listen
from audit_service.fsck.walk import STRETCH, Frontier, Ground, Sequences, Stretch, Walk, Writer, edge_of
from runtime.db import plain
from tlog.hashes import SHA256, SUITES, Suite
from tlog.proofs import ProofError, verify_consistency
from tlog.tiles import TILE_WIDTH, edge_tiles
from tlog.tree import consistency_proof, consistency_tiles

LONGEST_UNSIGNED_S = 60.0
"""A tree is signed right after its leaves are committed."""
_TABLES = (("leaf", "leaf"), ("entry_index", "index"), ("erasable", "erasable"))


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of one shard: from `start` to `end` of its own leaves, which are `size`. `root` is what is signed."""

    shard: log.Shard
    start: int
    end: int
    size: int
    root: bytes

    @property
    def suite(self) -> Suite:
        return SUITES.get(self.shard.suite, SHA256)


@dataclass(slots=True)
class Manner:
    """How a check goes about it.

    vkeys      keys that are trusted; none: those that the database names
    objects    the archive's store
    witnesses  keys of outsiders whose cosignatures are checked
    stretch    leaves at a time, whole tiles      pause_s  rest after each stretch
    memory     what was read of the archive and need not be read again by the next check
    """

    vkeys: Sequence[str] = ()
    witnesses: Sequence[str] = ()
    objects: Objects | None = None
    progress: Progress = field(default_factory=Progress)
    stretch: int = STRETCH
    pause_s: float = 0.0
    memory: Memory = field(default_factory=dict)


class Check:
    """One check, inside one snapshot: `begin` first, then what is wanted. What it finds is in `findings`."""

    def __init__(self, tx: Any, manner: Manner, findings: Findings | None = None) -> None:
        self._tx = tx
        self._manner = manner
        self.findings = findings or Findings()
        self.size = 0
        self.waiting = 0
        self._sequences: dict[Writer, Sequences] = {}
        self._placeless = 0
        self._keys: Keys
        self._archive: dict[str, Archived]
        self._told: Told
        self._reader: Reader
        self._shelf: Shelf
        self._gone: dict[str, Frontier] = defaultdict(Frontier)
        self._parts: list[Part] = []
        self._indexed = 0

    @property
    def summary(self) -> str:
        clean = "clean as far as it was looked at" if self.findings.is_partial else "clean"
        verdict = f"{self.findings.count} findings" if self.findings.count else clean
        return f"fsck: {self.size} leaves, {self._reader.signed} checkpoints, {self.waiting} waiting batches: {verdict}"

    # --- what is wanted
    async def whole(self) -> None:
        """Everything."""
        if not await self.begin():
            return
        await self._walk_all(0)
        await self._beyond()
        await self._tiles()
        self.waiting = await batches.check_waiting(self._tx, self._sequences, self.findings)
        await batches.check_acknowledged(self._tx, self._sequences, self._placeless, self.findings)
        batches.note_gaps(self._sequences, self.findings)
        await self._calls(store.wrong_calls(self._tx))
        ledger.check_gone(self._gone, self._told, self.findings)
        await self._beside()

    async def newest(self, leaves: int) -> int:
        """The newest leaves, from the beginning of a tile, and what is beside the log; the first of them."""
        if not await self.begin():
            return 0
        wanted = max(0, self.size - leaves)
        begun = [part.shard.first for part in self._parts if part.shard.first <= wanted]
        first = begun[-1] if begun else 0
        start = first + (wanted - first) // TILE_WIDTH * TILE_WIDTH
        self.findings.is_partial |= start > 0
        await self._walk_all(start)
        await self._beyond()
        self.waiting = await batches.check_waiting(self._tx, self._sequences, self.findings)
        await self._calls(store.wrong_calls_of(self._tx, start, self.size))
        return start

    async def slice(self, start: int, leaves: int) -> int:
        """About so many leaves from the tile of leaf `start` on, within one shard; the leaf after the last one."""
        if not await self.begin():
            return 0
        part = next((part for part in self._parts if start < part.shard.first + part.size), None)
        if part is None:
            return self.size
        first = part.shard.first
        begin = max(0, start - first) // TILE_WIDTH * TILE_WIDTH
        end = min(part.size, -(-(begin + leaves) // TILE_WIDTH) * TILE_WIDTH)
        await self._walk(Part(part.shard, begin, end, part.size, part.root))
        await self._calls(store.wrong_calls_of(self._tx, first + begin, first + end))
        return first + end

    async def remainder(self) -> None:
        """What slices do not see: that as much was promised as there is, tiles beyond the end, the daily figures.
        Behind the last slice, with the same `begin`."""
        await self._beyond()
        await self._tiles()
        promised, waiting = await store.promised_and_waiting(self._tx)
        if promised != self.size + waiting:
            self.findings.report("log", f"{promised} records were acknowledged, {self.size} are leaves, {waiting} wait")
        await self._beside()

    async def _beside(self) -> None:
        """Cosignatures, what the monitor remembers, the index of segments that went, and the daily figures of every
        segment that is in the database."""
        await check_cosignatures(self._tx, self._manner.witnesses, self.findings)
        await batches.check_watched(self._tx, self.findings)
        went = [one for one in self._archive.values() if not self._shelf.is_hot(one.segment)]
        ranges = [(one.segment, one.first_index, one.last_index) for one in went]
        ledger.check_index(self._archive, await store.indexed_of(self._tx, ranges), self.findings)
        hot = [segment for segment in await store.segments(self._tx) if self._shelf.is_hot(segment)]
        await searched.usage(self._tx, hot, self.findings)

    # --- beginning
    async def begin(self) -> bool:
        """Head, shards, keys, archive: what the rest rests on. False if there is nothing to walk."""
        shards = await log.shards(self._tx)
        archive = self._archive = await archived(self._tx)
        self._shelf = Shelf(archive, self._manner.objects, self.findings)
        self._indexed = await store.indexed(self._tx)
        self._told = await listen(self._tx, shards, archive, self._shelf, self._manner.memory, self.findings)
        named = await store.named_keys(self._tx)
        self._keys = Keys(self._manner.vkeys, named, shards)
        if self._keys.blind:
            self.findings.note("no key was given: signatures are checked with the keys that the database names")
        self._reader = Reader(self._tx, self._keys, self.findings, self._shelf)
        await ledger.settle_keys(self._tx, self._keys, self._told)
        await ledger.check_keys(self._tx, named, shards, self._told, self.findings)
        ledger.check_segments(archive, await mixed(self._tx), self._told, self.findings)
        await self._divide(shards)
        return bool(self._parts)

    async def _divide(self, shards: Sequence[log.Shard]) -> None:
        head = await store.head(self._tx)
        if head is None:
            self.findings.report("log_head", "is missing")
            return
        ledger.check_shards(shards, head, self._told, self.findings)
        for shard in shards:
            if shard.id == head.shard:
                part = await self._part(shard, head.size, head.root, LONGEST_UNSIGNED_S)
            else:
                word, lost = ledger.closing(shards, shard, self._told)
                part = await self._part(shard, shard.size or 0, word, math.inf if lost else 0.0)
            self._parts.append(part)
            self.size = max(self.size, shard.first + part.size)

    async def _part(self, shard: log.Shard, size: int, word: bytes, patience_s: float) -> Part:
        """A whole shard. Its root is what the newest checkpoint says; where that does not cover the last leaves, the
        head's word, or that of the next shard."""
        newest, name = await store.newest_checkpoint(self._tx, shard.id, size), shard_name(shard.id)
        if size and (newest is None or newest[0] < size):
            since = await store.seconds_unsigned(self._tx, shard.first + (newest[0] if newest else 0))
            if since >= patience_s or await store.ahead(self._tx, shard.id, size):
                self.findings.report(f"log_head{name}", f"no checkpoint covers its {size} leaves")
        return Part(shard, 0, size, size, self._signed_root(shard, size, newest) or word)

    def _signed_root(self, shard: log.Shard, size: int, newest: tuple[int, str] | None) -> bytes:
        """Of a checkpoint over `size` leaves that was signed as it should be; else empty."""
        if newest is None:
            return b""
        if not self._keys.is_trusted(newest[1], shard.id, newest[0]):
            what = f"checkpoint {newest[0]}{shard_name(shard.id)}"
            self.findings.report(what, "is the newest, and no key that is trusted signed it")
        try:
            said = self._keys.open(newest[1], shard.id, newest[0])
        except ProofError:
            return b""
        return said.root if newest[0] == said.size == size else b""

    # --- the tree
    async def _walk_all(self, start: int) -> None:
        """Every leaf from `start` (through all shards) on."""
        self._manner.progress.total = self.size - start
        for part in self._parts:
            begin = max(0, start - part.shard.first)
            if begin < part.size or not part.size:
                await self._walk(Part(part.shard, begin, part.end, part.size, part.root))

    async def _walk(self, part: Part) -> None:
        shard, suite, name = part.shard, part.suite, shard_name(part.shard.id)
        tiles = await log.tiles(self._tx, edge_tiles(part.start), shard.id)
        edge = edge_of(part.start, log.look_up(tiles), suite)
        ground = Ground(part.root, suite, shard.first, part.start, edge, name)
        walk = Walk(ground, self.findings.report, self._sequences)
        if not part.start:
            empty = await self._reader.checkpoints(shard, -1, 0)
            if empty.get(0, suite.empty) != suite.empty:
                self.findings.report(f"checkpoint 0{name}", "its root is not that of an empty log")
        for start in range(shard.first + part.start, shard.first + part.end, self._manner.stretch):
            data = await self._reader.stretch(shard, start, min(start + self._manner.stretch, shard.first + part.end))
            await asyncio.to_thread(walk.stretch, data)
            await self._search(data, walk.suspect)
            self._remember_gone(data, shard.first)
            self._manner.progress.advance(data.end - data.start)
            await asyncio.sleep(self._manner.pause_s)
        walk.finish(at_end=part.end == part.size)
        self._placeless += walk.placeless
        await self._ends(part, walk.frontier.root())

    async def _ends(self, part: Part, root: bytes) -> None:
        """The walk has come to the tree that is signed, or to a beginning of it."""
        if part.end == part.size:
            if root != part.root and part.root:
                self.findings.report(f"log_head{shard_name(part.shard.id)}", "its root is not that of the leaves")
            return
        tiles = log.look_up(await log.tiles(self._tx, consistency_tiles(part.end, part.size), part.shard.id))
        try:
            proof = consistency_proof(part.end, part.size, tiles, suite=part.suite)
            verify_consistency(part.end, part.size, proof, root, part.root, suite=part.suite)
        except ProofError:
            what = f"tile 0/{part.end // TILE_WIDTH - 1}{shard_name(part.shard.id)}"
            self.findings.report(what, "the tree up to here is no part of the newest one that was signed")

    async def _search(self, data: Stretch, suspect: set[int]) -> None:
        rows = await store.searched(self._tx, data.start, data.end)
        sound = {number: leaf for number, leaf in data.leaves.items() if number not in suspect}
        hot = {leaf.segment for leaf in sound.values() if self._shelf.is_hot(leaf.segment)}
        known = [row for row in rows if row.leaf_index not in suspect]
        await asyncio.to_thread(searched.compare, sound, known, self._indexed, hot, self.findings)

    def _remember_gone(self, data: Stretch, first: int) -> None:
        """The hashes of what was disposed of, to compare with what the log said when it was."""
        for number in sorted(data.gone):
            segment = data.index[number].segment
            if self._shelf.is_disposed(segment):
                self._gone[segment].push(data.tile_hash(number - first))

    # --- what is beside the tree
    async def _beyond(self) -> None:
        """Rows that no leaf of the log accounts for."""
        for table, name in _TABLES:
            for number in await store.beyond(self._tx, table, self.size):
                self.findings.report(f"{name} {number}", f"is beyond the log, which has {self.size} leaves")
        for number in await store.beyond(self._tx, "record", min(self._indexed, self.size)):
            self.findings.report(f"record {number}", f"is beyond the {self._indexed} leaves that are indexed")
        for part in self._parts:
            for size in await store.ahead(self._tx, part.shard.id, part.size):
                what = f"checkpoint {size}{shard_name(part.shard.id)}"
                self.findings.report(what, f"is ahead of the log, which has {part.size} leaves")

    async def _tiles(self) -> None:
        sizes = [(part.shard.id, part.size) for part in self._parts]
        async for shard, level, n, held, width in store.tiles_too_long(self._tx, sizes):
            what = f"tile {level}/{n}{shard_name(shard)}"
            self.findings.report(what, f"holds {held} hashes, of which {width} belong to it")

    async def _calls(self, wrong: Any) -> None:
        """Every call has one intent or none, at most one outcome, and is open exactly while it has none."""
        async for call, intents, outcomes, is_open in wrong:
            if (intents, outcomes, is_open) == (0, 1, False):
                self.findings.note(f"call {call}: has an outcome and no intent: its batch is late, or never came")
                continue
            state = "open" if is_open else "not open"
            self.findings.report(
                f"call {call}", f"has {intents or 0} intents and {outcomes or 0} outcomes, and is {state}"
            )


async def examine(url: str, manner: Manner, newest: int | None = None) -> Check:
    """Check the log at `url`, as the reader: any role that may act as it, or the superuser."""
    connection = await asyncpg.connect(plain(url), timeout=10, server_settings={"role": log.READER})
    try:
        async with log.snapshot(connection):
            check = Check(connection, manner)
            await (check.whole() if newest is None else check.newest(newest))
            return check
    finally:
        await connection.close()
