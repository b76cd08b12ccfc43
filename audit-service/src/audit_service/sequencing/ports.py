"""What the sequencer's steps work with: the log's rows in a transaction, the guard, the signer, the clock.

Ports, so that the same steps run over PostgreSQL and in the simulation.
"""

from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple, Protocol

from audit_service.checkpoint import Seen, Signer
from audit_service.entry import Batch, Entry, undamaged
from audit_service.store import Shard
from runtime.clock import Clock
from tlog.checkpoint import Checkpoint
from tlog.hashes import SHA256, SUITES, Suite

STEP_BYTES, STEP_BATCHES = 4 * 1024 * 1024, 512
"""About as much is taken in one step."""
Tiles = dict[tuple[int, int], bytes]
Witnessed = Callable[[str], Awaitable[Sequence[Checkpoint]]]
Read = Callable[[Batch], list[Entry]]


class Head(NamedTuple):
    """How far the current shard has got (`size` and `root` are its own), and in which epoch of sequencers."""

    shard: Shard
    size: int
    epoch: int
    root: bytes

    @property
    def suite(self) -> Suite:
        return SUITES[self.shard.suite]

    @property
    def end(self) -> int:
        """Leaves through all shards."""
        return self.shard.first + self.size


class Rows(Protocol):
    """The log's rows in one transaction. Whatever is read is committed or our own."""

    async def begin_epoch(self) -> int:
        """One more than any before."""

    async def head(self) -> Head:
        """Ours until the transaction ends."""

    async def now(self) -> datetime:
        """By the one clock that all replicas share."""

    async def shards(self) -> list[Shard]:
        """Oldest first."""

    async def keys(self, shard: int) -> list[str]:
        """vkeys of those that sign, the oldest first."""

    async def tiles(self, wanted: Sequence[tuple[int, int]], shard: int) -> Tiles:
        """Those that are there."""

    async def newest_checkpoint(self, shard: int) -> tuple[int, str] | None:
        """Size and note."""

    async def waiting(self, but_not: Iterable[int]) -> list[tuple[int, Batch]]:
        """The next batches by id, about STEP_BYTES of them, never one that a transaction under way has taken."""

    async def drop(self, batches: Sequence[int]) -> None:
        """They are in the tree now."""

    async def add(self, first: int, added: Sequence[Entry], segments: dict[str, str], now: datetime) -> None:
        """Leaves from index `first` on, with all that goes with them. `segments` is by retention class."""

    async def put_tiles(self, tiles: Tiles, shard: int) -> None:
        """New ones, and new content of those that grew."""

    async def advance(self, head: Head) -> None:
        """The new size, root, shard."""

    async def add_checkpoint(self, shard: int, size: int, note: str) -> None:
        """The first one of a size stays."""

    async def acknowledge(self, batch: Batch) -> None:
        """The log's own batch, which needs no waiting."""

    async def name_shard(self, shard: Shard) -> None:
        """Origin and suite of the first one."""

    async def freeze(self, shard: Shard, now: datetime) -> None:
        """With its size."""

    async def open(self, shard: Shard, now: datetime) -> None:
        """A new one."""

    async def add_key(self, shard: int, vkey: str, now: datetime) -> None:
        """It signs from now on."""

    async def end_key(self, shard: int, vkey: str, now: datetime) -> None:
        """It signs no more."""


class Storage(Protocol):
    """Where the rows are."""

    def transaction(self) -> AbstractAsyncContextManager[Rows]:
        """Commits at the end; if that fails nobody knows whether it did."""


class Guard(Protocol):
    """What was published, remembered where a restored database does not reach."""

    async def read(self) -> Seen | None:
        """The newest."""

    async def write(self, seen: Seen) -> None:
        """Lasting when this returns. Never goes back."""


async def nobody(_origin: str) -> Sequence[Checkpoint]:
    """No witness is asked."""
    return ()


@dataclass(frozen=True)
class Ports:
    """What a sequencer works with. `witnessed` gives the checkpoints of an origin that witnesses show, each signed by a
    key of ours; without a clock the database's is used. `read` gives the records of a stored batch, or raises BadBatch
    where it is not what was acknowledged."""

    storage: Storage
    guard: Guard
    signer: Signer
    suite: Suite = SHA256
    clock: Clock | None = None
    witnessed: Witnessed = nobody
    read: Read = undamaged

    async def now(self, rows: Rows) -> datetime:
        now = await rows.now() if self.clock is None else self.clock.now()
        return now.astimezone(UTC)
