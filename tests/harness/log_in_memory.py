"""The sequencer's ports in memory, with a scheduler's hand in every wait: what is tried in a simulation.

Transactions as PostgreSQL has them: what is committed can be seen by all, the head is locked by one, ids of batches are
given out before their commit. A wait yields the name of the place; whoever drives the coroutine sends back its fate:
None when all goes well, LOST when it fails and nothing came of it, KEPT when it fails though it came to be.
"""

from collections import Counter
from collections.abc import AsyncIterator, Generator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from audit_service.checkpoint import Seen, Signer
from audit_service.entry import Batch, Entry
from audit_service.sequencing.ports import Head, Tiles
from audit_service.store import Shard
from tlog.hashes import SHA256, SUITES, Suite

Fate = Literal["lost", "kept"] | None
LOST: Fate = "lost"
KEPT: Fate = "kept"

START = datetime(2026, 12, 31, 12, tzinfo=UTC)


class Fault(Exception):
    """Something did not work, or so it seems."""


class Wait:
    """A place where anything may happen."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __await__(self) -> Generator[str, Fate, Fate]:
        return (yield self.name)


@dataclass
class State:
    """What is committed."""

    shards: list[Shard] = field(default_factory=lambda: [Shard(1, "", "SHA-256", 0, None)])
    shard: int = 1
    size: int = 0
    epoch: int = 0
    root: bytes = SHA256.empty
    leaves: dict[int, Entry] = field(default_factory=dict)
    tiles: dict[tuple[int, int, int], bytes] = field(default_factory=dict)
    checkpoints: dict[tuple[int, int], str] = field(default_factory=dict)
    acknowledged: dict[str, Batch] = field(default_factory=dict)
    batches: dict[int, Batch] = field(default_factory=dict)
    keys: dict[tuple[int, str], bool] = field(default_factory=dict)

    def newest(self, shard: int) -> tuple[int, str] | None:
        """Size and note of the newest checkpoint."""
        size = max((size for number, size in self.checkpoints if number == shard), default=None)
        return None if size is None else (size, self.checkpoints[shard, size])


class World:
    """The database, the published file, and a record of everything that was ever signed."""

    def __init__(self) -> None:
        self.state = State()
        self.now = START
        self.next_id = 1
        self.head_lock: Transaction | None = None
        self.leader: Session | None = None
        self.taken: dict[int, Transaction] = {}
        self.published: Seen | None = None
        self.signed: dict[tuple[str, int], bytes] = {}
        self.sometimes: Counter[str] = Counter()
        self.sign_fate: Fate = None

    def saw(self, what: str) -> None:
        """Something that a run should come to see."""
        self.sometimes[what] += 1

    # --- the published file
    async def read(self) -> Seen | None:
        if await Wait("read_published"):
            raise Fault("read_published")
        return self.published

    async def write(self, seen: Seen) -> None:
        fate = await Wait("publish_checkpoint")
        if fate != LOST and (self.published is None or seen.is_after(self.published)):
            assert self.published is None or (seen.shard, seen.size) >= (self.published.shard, self.published.size)
            self.published = seen
        if fate:
            self.saw("the published file failed")
            raise Fault("publish_checkpoint")

    # --- writers
    async def accept(self, batch: Batch) -> None:
        """Ingest: a batch and its acknowledgement, once, however often it is sent. Raises Fault."""
        fate = await Wait("insert_entry")
        if fate == LOST:
            raise Fault("insert_entry")
        number, self.next_id = self.next_id, self.next_id + 1
        if fate == KEPT:
            raise Fault("insert_entry")  # inserted, and rolled back with its transaction
        fate = await Wait("commit_entry")
        if fate != LOST and batch.key not in self.state.acknowledged:
            if any(other > number for other in self.state.batches) or number < self.highest:
                self.saw("a batch committed late")
            self.state.acknowledged[batch.key] = batch
            self.state.batches[number] = batch
        if fate:
            self.saw(f"a writer's commit was {fate}")
            raise Fault("commit_entry")

    highest = 0
    """The highest id that was sequenced."""


class Session:
    """A connection. When it is lost the server rolls back what was under way; the client learns of it when it next
    speaks."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.is_lost = False
        self.epoch = 0
        self.under_way: Transaction | None = None

    async def elect(self) -> bool:
        if await Wait("elect"):
            raise Fault("elect")
        self._alive()
        if self.world.leader is None:
            self.world.leader = self
        return self.world.leader is self

    def lose(self) -> None:
        """As the server sees it."""
        self.is_lost = True
        if self.world.leader is self:
            self.world.leader = None
        if self.under_way is not None:
            self.world.saw("a session was lost in its transaction")
            self.under_way.release()

    def _alive(self) -> None:
        if self.is_lost:
            raise Fault("the session is gone")

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator["Transaction"]:
        self._alive()
        tx = self.under_way = Transaction(self)
        try:
            yield tx
        except GeneratorExit:  # the process is dead: the server does not know yet
            raise
        except BaseException:
            tx.release()
            raise
        await tx.commit()


class Transaction:
    """What was done and is not committed: a copy of the state that takes its place."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._world = session.world
        self._own: State | None = None
        self._dropped: list[int] = []
        self._wrote: set[str] = set()

    @property
    def _state(self) -> State:
        return self._own or self._world.state

    def _mine(self, what: str) -> State:
        """Our copy, for writing. Only who has the head writes, so nothing but batches changes beside us."""
        assert self._world.head_lock is self, "writes without the head"
        self._wrote.add(what)
        assert self._own is not None
        return self._own

    async def _wait(self, name: str) -> None:
        """A statement that may fail. Kept or not is the same here: what it did goes with its transaction."""
        fate = await Wait(name)
        self._session._alive()
        if fate:
            raise Fault(name)

    async def _lock(self) -> None:
        while self._world.head_lock not in (None, self):
            self._world.saw("somebody waited for the head")
            await self._wait("wait_for_head")
        self._world.head_lock = self
        if self._own is None:
            state = self._world.state
            self._own = replace(
                state, shards=list(state.shards), leaves=dict(state.leaves), tiles=dict(state.tiles),
                checkpoints=dict(state.checkpoints), acknowledged={}, keys=dict(state.keys),
            )  # fmt: skip

    def release(self) -> None:
        """Rolled back, or over."""
        world = self._world
        if world.head_lock is self:
            world.head_lock = None
        world.taken = {number: tx for number, tx in world.taken.items() if tx is not self}
        self._session.under_way = None

    async def commit(self) -> None:
        name = next((f"commit_{what}" for what in ("batch", "checkpoint", "epoch") if what in self._wrote), "commit")
        fate = await Wait(name)
        lost = self._session.is_lost
        if fate != LOST and not lost:
            self._apply()
        if self._wrote and fate:
            self._world.saw(f"a sequencer's commit was {fate}")
        self.release()
        if fate or lost:
            raise Fault(name)

    def _apply(self) -> None:
        if self._own is None:
            return
        world, own = self._world, self._own
        if "epoch" not in self._wrote and self._wrote:
            assert world.state.epoch == self._session.epoch, "committed in an epoch that is over"
        own.batches = {number: one for number, one in world.state.batches.items() if number not in self._dropped}
        own.acknowledged = {**world.state.acknowledged, **own.acknowledged}
        world.highest = max([world.highest, *self._dropped])
        world.state = own
        if "epoch" in self._wrote:
            self._session.epoch = own.epoch

    # --- head, shards, keys
    async def begin_epoch(self) -> int:
        await self._wait("begin_epoch")
        await self._lock()
        own = self._mine("epoch")
        own.epoch += 1
        return own.epoch

    async def head(self) -> Head:
        await self._wait("head")
        await self._lock()
        state = self._state
        shard = next(shard for shard in state.shards if shard.id == state.shard)
        return Head(shard, state.size, state.epoch, state.root)

    async def now(self) -> datetime:
        self._world.now += timedelta(milliseconds=10)
        return self._world.now

    async def advance(self, head: Head) -> None:
        own = self._mine("head")
        own.size, own.root, own.shard = head.size, head.root, head.shard.id

    async def shards(self) -> list[Shard]:
        return list(self._state.shards)

    async def name_shard(self, shard: Shard) -> None:
        self._put(shard)

    async def freeze(self, shard: Shard, now: datetime) -> None:
        self._put(shard)

    async def open(self, shard: Shard, now: datetime) -> None:
        self._world.saw("a shard was opened")
        self._mine("batch").shards.append(shard)

    def _put(self, shard: Shard) -> None:
        own = self._mine("batch")
        own.shards = [shard if one.id == shard.id else one for one in own.shards]

    async def keys(self, shard: int) -> list[str]:
        return [vkey for (number, vkey), signs in self._state.keys.items() if number == shard and signs]

    async def add_key(self, shard: int, vkey: str, now: datetime) -> None:
        self._mine("batch").keys[shard, vkey] = True

    async def end_key(self, shard: int, vkey: str, now: datetime) -> None:
        self._world.saw("a key was taken away")
        self._mine("batch").keys[shard, vkey] = False

    # --- batches and leaves
    async def waiting(self, but_not: Iterable[int]) -> list[tuple[int, Batch]]:
        await self._wait("take_pending")
        world = self._world
        free = [number for number in sorted(world.state.batches) if number not in world.taken and number not in but_not]
        world.taken |= dict.fromkeys(free[:8], self)
        return [(number, world.state.batches[number]) for number in free[:8]]

    async def drop(self, batches: Sequence[int]) -> None:
        await self._wait("drop")
        self._mine("batch")
        self._dropped += batches

    async def acknowledge(self, batch: Batch) -> None:
        own = self._mine("batch")
        assert batch.key not in self._world.state.acknowledged
        own.acknowledged[batch.key] = batch

    async def add(self, first: int, added: Sequence[Entry], segments: dict[str, str], now: datetime) -> None:
        own = self._mine("batch")
        for index, entry in enumerate(added, first):
            assert index not in own.leaves, f"leaf {index} a second time"
            own.leaves[index] = entry
        await self._wait("insert_leaf")

    # --- the tree
    async def tiles(self, wanted: Sequence[tuple[int, int]], shard: int) -> Tiles:
        held = self._state.tiles
        return {(level, n): held[shard, level, n] for level, n in wanted if (shard, level, n) in held}

    async def put_tiles(self, tiles: Tiles, shard: int) -> None:
        own = self._mine("batch")
        own.tiles |= {(shard, level, n): hashes for (level, n), hashes in tiles.items()}
        await self._wait("publish_tile")

    async def newest_checkpoint(self, shard: int) -> tuple[int, str] | None:
        await self._wait("newest_checkpoint")
        return self._state.newest(shard)

    async def add_checkpoint(self, shard: int, size: int, note: str) -> None:
        self._mine("checkpoint").checkpoints.setdefault((shard, size), note)
        await self._wait("insert_checkpoint")


class RecordingSigner(Signer):
    """Remembers all that it signs: two roots for one size are never signed, not even in what is rolled back."""

    def __init__(self, world: World, origin: str, *keys: Any) -> None:
        super().__init__(origin, *keys)
        self._world = world

    def sign(self, size: int, root: bytes, origin: str = "", suite: Suite = SHA256) -> str:
        """As always, or a fault."""
        fate = self._world.sign_fate
        if fate == LOST:
            raise Fault("sign")
        assert self._world.signed.setdefault((origin, size), root) == root, f"two roots were signed for size {size}"
        note = super().sign(size, root, origin, suite)
        if fate == KEPT:
            raise Fault("sign")
        return note


def suite_of(shard: Shard) -> Suite:
    """The hash suite of a shard."""
    return SUITES[shard.suite]
