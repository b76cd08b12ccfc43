"""The pass over the whole log that `fsck` makes: every leaf against tiles, index, private part and checkpoints.

Pure: the caller brings one stretch of the log after another. Where a leaf and the tree contradict each other, the tree
above decides who is wrong: the next level for a whole tile, the newest checkpoint for the last one.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from audit_service.entry import BadBatch, Head, head_of
from tlog.hashes import EMPTY_ROOT, HASH_BYTES, leaf_hash, node_hash
from tlog.tiles import TILE_HEIGHT, TILE_WIDTH
from wire.audit import frame

STRETCH = 16 * TILE_WIDTH
NO_HASH = bytes(HASH_BYTES)
Writer = tuple[str, int]
Report = Callable[[str, str], None]


class IndexRow(NamedTuple):
    """A row of entry_index."""

    call: str
    segment: str
    kind: str
    private_digest: bytes | None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a writer was told to be committed."""

    first: int
    count: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the database holds about the leaves from `start` up to `end`. `tiles` has all levels; `checkpoints` are the
    roots that were signed, by size; `acknowledged` the batches of each writer that may be among these leaves, by first
    sequence."""

    start: int
    end: int
    index: dict[int, IndexRow]
    leaves: dict[int, tuple[str, bytes]]
    private: dict[int, bytes]
    tiles: dict[tuple[int, int], bytes]
    checkpoints: dict[int, bytes]
    acknowledged: dict[Writer, list[Acknowledged]]


class Frontier:
    """Root of a growing tree: one hash for each complete subtree on its edge."""

    def __init__(self, size: int = 0, edge: Sequence[bytes] = ()) -> None:
        self.size = size
        self._edge = list(edge)

    def copy(self) -> "Frontier":
        return Frontier(self.size, self._edge)

    def push(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash; the (level, index, hash) of every tile that is complete with it."""
        complete = []
        node, height, below = leaf, 0, self.size
        while below & 1:
            node, height, below = node_hash(self._edge.pop(), node), height + 1, below >> 1
            if height % TILE_HEIGHT == 0:
                complete.append((height // TILE_HEIGHT, below, node))
        self._edge.append(node)
        self.size += 1
        return complete

    def root(self) -> bytes:
        if not self._edge:
            return EMPTY_ROOT
        node = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            node = node_hash(left, node)
        return node


class Sequences:
    """Numbers seen of one writer, as stretches without a gap: few, because batches come nearly in order."""

    def __init__(self) -> None:
        self._starts: list[int] = []
        self._ends: list[int] = []

    def add(self, first: int, count: int = 1) -> bool:
        """False if one of the numbers was there before."""
        at = bisect_left(self._ends, first)
        end = first + count
        if at < len(self._ends) and self._ends[at] == first:
            free = at + 1 == len(self._starts) or end <= self._starts[at + 1]
            if free:
                self._ends[at] = end
                self._join(at)
            return free
        if at < len(self._starts) and self._starts[at] < end:
            return False
        self._starts.insert(at, first)
        self._ends.insert(at, end)
        self._join(at)
        return True

    def _join(self, at: int) -> None:
        if at + 1 < len(self._starts) and self._starts[at + 1] == self._ends[at]:
            self._ends[at] = self._ends.pop(at + 1)
            self._starts.pop(at + 1)

    def covers(self, first: int, count: int) -> bool:
        at = bisect_left(self._ends, first + count)
        return at < len(self._starts) and self._starts[at] <= first

    def gaps(self) -> list[tuple[int, int]]:
        """(first, last) of what is missing below the highest number."""
        return [(end, start - 1) for end, start in zip([0, *self._ends], self._starts, strict=False) if end < start]


@dataclass(slots=True)
class _Rebuilt:
    """A batch being put together again from its leaves, to see whether it is what was acknowledged."""

    writer: Writer
    promised: Acknowledged
    start: int
    done: int = 0
    sound: bool = True
    digest: "hashlib._Hash" = field(default_factory=hashlib.sha256)

    @property
    def name(self) -> str:
        return f"batch {self.writer[0]}/{self.writer[1]}/{self.promised.first}"


class Walk:
    """`stretch` is called from the first leaf to the last; `newest` is the root that the newest checkpoint signs."""

    def __init__(self, newest: bytes, report: Report) -> None:
        self._newest = newest
        self._report = report
        self._suspect: set[int] = set()
        self._unplaced = 0  # unreadable leaves since the last batch ended: the next batch may begin with them
        self._batch: _Rebuilt | None = None
        self._wrong: list[int] = []
        self.frontier = Frontier()
        self.sequences: dict[Writer, Sequences] = {}

    def stretch(self, data: Stretch) -> None:
        """The next leaves."""
        self._suspect.clear()
        for start in range(data.start, data.end, TILE_WIDTH):
            end = min(start + TILE_WIDTH, data.end)
            hashes = self._settled(data, start, end)
            for index in range(start, end):
                self._grow(data, hashes[index - start])
                self._compare(data, index)
                self._rebuild(data, index)

    def finish(self) -> None:
        """After the last leaf."""
        if self._batch is not None:
            self._report(self._batch.name, f"only {self._batch.done} of its {self._batch.promised.count} leaves")
        if self._wrong:
            more = f" (nor those of {len(self._wrong) - 1} later ones)" if len(self._wrong) > 1 else ""
            self._report(f"checkpoint {self._wrong[0]}", f"its root is not that of the leaves{more}")

    def _blame(self, kind: str, index: int, why: str) -> None:
        """A finding about one leaf; its batch is not reported once more."""
        self._report(f"{kind} {index}", why)
        self._suspect.add(index)

    # --- the tree
    def _settled(self, data: Stretch, start: int, end: int) -> list[bytes]:
        """Leaf hashes to go on with: those that the tree above agrees with."""
        n = start // TILE_WIDTH
        tile = data.tiles.get((0, n), b"")
        if len(tile) != (end - start) * HASH_BYTES:
            self._report(f"tile 0/{n}", f"holds {len(tile) // HASH_BYTES} hashes instead of {end - start}")
        stored = [tile[i : i + HASH_BYTES] for i in range(0, (end - start) * HASH_BYTES, HASH_BYTES)]
        found = [leaf_hash(data.leaves[index][1]) if index in data.leaves else b"" for index in range(start, end)]
        by_tile = [a or b or NO_HASH for a, b in zip(stored, found, strict=True)]
        by_leaf = [b or a or NO_HASH for a, b in zip(stored, found, strict=True)]
        differing = [start + i for i, (a, b) in enumerate(zip(by_tile, by_leaf, strict=True)) if a != b]
        if not differing:
            return by_tile
        if self._agrees(data, n, by_tile):
            for index in differing:
                self._blame("leaf", index, "is not the one that was hashed into the tree")
            return by_tile
        if self._agrees(data, n, by_leaf):
            for index in differing:
                self._report(f"tile 0/{n}", f"its hash of leaf {index} is wrong")
            return by_leaf
        for index in differing:
            self._blame("leaf", index, f"contradicts tile 0/{n}, and the tree above contradicts both")
        return by_tile

    def _agrees(self, data: Stretch, n: int, hashes: list[bytes]) -> bool:
        tree = self.frontier.copy()
        complete = [made for leaf in hashes for made in tree.push(leaf)]
        if complete:
            return _stored(data, 1, n) == complete[0][2]
        return tree.root() == self._newest

    def _grow(self, data: Stretch, leaf: bytes) -> None:
        for level, index, node in self.frontier.push(leaf):
            if _stored(data, level, index) != node:
                tile, place = divmod(index, TILE_WIDTH)
                self._report(f"tile {level}/{tile}", f"its hash number {place} is missing or wrong")
        signed = data.checkpoints.get(self.frontier.size)
        if signed is not None and signed != self.frontier.root():
            self._wrong.append(self.frontier.size)

    # --- what stands beside each leaf
    def _compare(self, data: Stretch, index: int) -> None:
        """Index row and private part belong to the leaf."""
        row, leaf = data.index.get(index), data.leaves.get(index)
        if leaf is None:
            self._blame("leaf", index, "is missing")
        if row is None:
            self._blame("index", index, "is missing")
        if row is None or leaf is None:
            return
        head = _head(leaf[1])
        if head is None or row[:3] != (head.call, leaf[0], head.phase or "event"):
            self._blame("index", index, "does not say what the leaf says")
        private = data.private.get(index)
        if row.private_digest != (hashlib.sha256(private).digest() if private is not None else None):
            why = "is missing" if private is None else "is not what was written"
            self._blame("erasable", index, why if row.private_digest else "was never written")

    # --- batches
    def _rebuild(self, data: Stretch, index: int) -> None:
        """Every leaf belongs to an acknowledged batch, whose leaves follow each other in the tree."""
        leaf = data.leaves[index][1] if index in data.leaves else b""
        head = _head(leaf)
        batch = self._batch = self._batch or self._begun(data, index, head)
        if batch is None:
            return
        number = batch.promised.first + batch.done
        if index in self._suspect:
            batch.sound = False
        elif head is None or (head.gateway, head.epoch, head.sequence) != (*batch.writer, number):
            self._report(f"leaf {index}", f"is not sequence {number} of {batch.writer[0]}/{batch.writer[1]}")
            batch.sound = False
        self._count(batch, index, number)
        batch.digest.update(frame(leaf, data.private.get(index, b"")))
        batch.done += 1
        if batch.done == batch.promised.count:
            self._end(batch, index)

    def _count(self, batch: _Rebuilt, index: int, number: int) -> None:
        if not self.sequences.setdefault(batch.writer, Sequences()).add(number):
            self._report(f"leaf {index}", f"repeats sequence {number} of {batch.writer[0]}/{batch.writer[1]}")

    def _begun(self, data: Stretch, index: int, head: Head | None) -> _Rebuilt | None:
        """The batch that begins with this leaf, or with the unreadable ones right before it."""
        if head is None:
            self._unplaced += 1
            return None
        writer = (head.gateway, head.epoch)
        promises = data.acknowledged.get(writer, [])
        at = bisect_right(promises, head.sequence, key=lambda promised: promised.first) - 1
        skipped = head.sequence - promises[at].first if at >= 0 else 0
        if at < 0 or skipped >= promises[at].count or skipped > self._unplaced:
            if index not in self._suspect:
                self._report(f"leaf {index}", f"is not the first of an acknowledged batch of {writer[0]}/{writer[1]}")
            return None
        self._unplaced = 0
        batch = _Rebuilt(writer, promises[at], index - skipped, sound=skipped == 0)
        for number in range(promises[at].first, head.sequence):
            self._count(batch, index, number)
            batch.done += 1
        return batch

    def _end(self, batch: _Rebuilt, last: int) -> None:
        self._batch = None
        if batch.sound and batch.digest.digest() != batch.promised.digest:
            self._report(batch.name, f"leaves {batch.start} to {last} are not the bytes that were acknowledged")


def _stored(data: Stretch, level: int, index: int) -> bytes:
    n, place = divmod(index, TILE_WIDTH)
    return data.tiles.get((level, n), b"")[place * HASH_BYTES : (place + 1) * HASH_BYTES]


def _head(leaf: bytes) -> Head | None:
    try:
        return head_of(leaf)
    except BadBatch:
        return None
