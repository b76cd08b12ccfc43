"""The pass over the log that `fsck` makes: every leaf against tiles, index, private part and checkpoints.

Pure: the caller brings one stretch of the log after another. Where a leaf and the tree contradict each other, the tree
above decides who is wrong: the next level for a whole tile, the newest checkpoint for the last one. A walk may begin in
the middle, with the edge of the tree from stored tiles: that edge is right if a signed root comes out in the end.
"""

import hashlib
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from audit_service.entry import BadBatch, Head, head_of
from tlog.hashes import HASH_BYTES, SHA256, Suite
from tlog.tiles import TILE_HEIGHT, TILE_WIDTH, subtree_root
from tlog.tree import Read
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


class Leaf(NamedTuple):
    """A leaf as it is kept. `head` is None for bytes that are no leaf."""

    segment: str
    body: bytes
    head: Head | None


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """What a writer was told to be committed."""

    first: int
    count: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Stretch:
    """What the database holds about the leaves from `start` up to `end`.

    tiles         all levels                     checkpoints   roots that were signed, by size
    acknowledged  the batches of each writer that may be among these leaves, by first sequence
    gone          leaves that are lawfully not there, or in an archive that is not at hand
    Leaves are numbered through all shards, tiles and sizes within their own.
    """

    start: int
    end: int
    index: dict[int, IndexRow]
    leaves: dict[int, Leaf]
    private: dict[int, bytes]
    tiles: dict[tuple[int, int], bytes]
    checkpoints: dict[int, bytes]
    acknowledged: dict[Writer, list[Acknowledged]]
    gone: frozenset[int] = frozenset()

    def tile_hash(self, own_index: int) -> bytes:
        """The stored hash of a leaf, by its index in the shard; empty if there is none."""
        return _stored(self, 0, own_index)


class Frontier:
    """Root of a growing tree: one hash for each complete subtree on its edge."""

    def __init__(self, size: int = 0, edge: Sequence[bytes] = (), suite: Suite = SHA256) -> None:
        self.size = size
        self._edge = list(edge)
        self._suite = suite

    def copy(self) -> "Frontier":
        return Frontier(self.size, self._edge, self._suite)

    def push(self, leaf: bytes) -> list[tuple[int, int, bytes]]:
        """Add a leaf hash; the (level, index, hash) of every tile that is complete with it."""
        complete = []
        node, height, below = leaf, 0, self.size
        join = self._suite.node
        while below & 1:
            node, height, below = join(self._edge.pop(), node), height + 1, below >> 1
            if height % TILE_HEIGHT == 0:
                complete.append((height // TILE_HEIGHT, below, node))
        self._edge.append(node)
        self.size += 1
        return complete

    def root(self) -> bytes:
        if not self._edge:
            return self._suite.empty
        node = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            node = self._suite.node(left, node)
        return node


def edge_of(size: int, read: Read, suite: Suite) -> list[bytes]:
    """The edge of a tree of `size` leaves, a multiple of a tile's width, from stored tiles; zeros where one lacks."""
    edge, begin = [], 0
    for height in reversed(range(size.bit_length())):
        if size >> height & 1:
            level, inner = divmod(height, TILE_HEIGHT)
            n, place = divmod((begin >> height) << inner, TILE_WIDTH)
            hashes = read(level, n)[place * HASH_BYTES : (place + (1 << inner)) * HASH_BYTES]
            whole = len(hashes) == HASH_BYTES << inner
            edge.append(subtree_root(hashes, suite=suite) if whole else NO_HASH)
            begin += 1 << height
    return edge


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


@dataclass(frozen=True, slots=True)
class Ground:
    """The tree that is walked, and from where.

    first   the shard's first leaf, through all shards     start  the first leaf of the walk, in the shard
    newest  the root that the newest checkpoint signs      name   what names the shard in findings, "" for the first
    """

    newest: bytes
    suite: Suite = SHA256
    first: int = 0
    start: int = 0
    edge: Sequence[bytes] = ()
    name: str = ""


class Walk:
    """`stretch` is called from the first leaf to the last. `sequences` goes on through shards."""

    def __init__(self, ground: Ground, report: Report, sequences: dict[Writer, Sequences] | None = None) -> None:
        self._ground = ground
        self._report = report
        self._unplaced = ground.start  # leaves since the last batch ended that could be the beginning of the next
        self._unread = 0  # those among them that are lawfully gone
        self._batch: _Rebuilt | None = None
        self._wrong: tuple[int, int] = 0, 0
        self.suspect: set[int] = set()
        self.frontier = Frontier(ground.start, ground.edge, ground.suite)
        self.sequences: dict[Writer, Sequences] = {} if sequences is None else sequences
        self.placeless = 0
        """Leaves that are gone and of which not even the batch is known."""

    def stretch(self, data: Stretch) -> None:
        """The next leaves."""
        self.suspect.clear()
        for start in range(data.start, data.end, TILE_WIDTH):
            end = min(start + TILE_WIDTH, data.end)
            hashes = self._settled(data, start, end)
            for index in range(start, end):
                self._grow(data, hashes[index - start])
                self._compare(data, index)
                self._rebuild(data, index)

    def finish(self, *, at_end: bool = True) -> None:
        """After the last leaf of the walk, which is that of the shard unless `at_end` is False."""
        if self._batch is not None and at_end:
            self._report(self._batch.name, f"only {self._batch.done} of its {self._batch.promised.count} leaves")
        self.placeless += self._unread
        first, times = self._wrong
        if times:
            more = f" (nor those of {times - 1} later ones)" if times > 1 else ""
            self._report(f"checkpoint {first}{self._ground.name}", f"its root is not that of the leaves{more}")

    def _blame(self, kind: str, index: int, why: str) -> None:
        """A finding about one leaf; its batch is not reported once more."""
        self._report(f"{kind} {index}", why)
        self.suspect.add(index)

    # --- the tree
    def _settled(self, data: Stretch, start: int, end: int) -> list[bytes]:
        """Leaf hashes to go on with: those that the tree above agrees with."""
        n = (start - self._ground.first) // TILE_WIDTH
        name = f"tile 0/{n}{self._ground.name}"
        tile = data.tiles.get((0, n), b"")
        if len(tile) != (end - start) * HASH_BYTES:
            self._report(name, f"holds {len(tile) // HASH_BYTES} hashes instead of {end - start}")
        stored = [tile[i : i + HASH_BYTES] for i in range(0, (end - start) * HASH_BYTES, HASH_BYTES)]
        found = list(self._hashes(data, start, end))
        by_tile = [a or b or NO_HASH for a, b in zip(stored, found, strict=True)]
        by_leaf = [b or a or NO_HASH for a, b in zip(stored, found, strict=True)]
        differing = [start + i for i, (a, b) in enumerate(zip(by_tile, by_leaf, strict=True)) if a != b]
        gone = any(index in data.gone for index in range(start, end))
        if not differing and not gone:
            return by_tile
        if self._agrees(data, n, by_tile):
            for index in differing:
                self._blame("leaf", index, "is not the one that was hashed into the tree")
            return by_tile
        if not differing:
            self._report(name, "holds hashes of leaves that are gone, and the tree above contradicts it")
            return by_tile
        if self._agrees(data, n, by_leaf):
            for index in differing:
                self._report(name, f"its hash of leaf {index} is wrong")
            return by_leaf
        for index in differing:
            self._blame("leaf", index, f"contradicts {name}, and the tree above contradicts both")
        return by_tile

    def _hashes(self, data: Stretch, start: int, end: int) -> Iterator[bytes]:
        """Of the leaves that are there; empty for the others."""
        hashed = self._ground.suite.leaf
        for index in range(start, end):
            yield hashed(data.leaves[index].body) if index in data.leaves else b""

    def _agrees(self, data: Stretch, n: int, hashes: list[bytes]) -> bool:
        tree = self.frontier.copy()
        complete = [made for leaf in hashes for made in tree.push(leaf)]
        if complete:
            return _stored(data, 1, n) == complete[0][2]
        return tree.root() == self._ground.newest

    def _grow(self, data: Stretch, leaf: bytes) -> None:
        for level, index, node in self.frontier.push(leaf):
            if _stored(data, level, index) != node:
                tile, place = divmod(index, TILE_WIDTH)
                self._report(f"tile {level}/{tile}{self._ground.name}", f"its hash number {place} is missing or wrong")
        signed = data.checkpoints.get(self.frontier.size)
        if signed is not None and signed != self.frontier.root():
            self._wrong = (self._wrong[0] or self.frontier.size, self._wrong[1] + 1)

    # --- what stands beside each leaf
    def _compare(self, data: Stretch, index: int) -> None:
        """Index row and private part belong to the leaf."""
        row, leaf = data.index.get(index), data.leaves.get(index)
        if leaf is None and index not in data.gone:
            self._blame("leaf", index, "is missing")
        if row is None:
            self._blame("index", index, "is missing")
        if row is None or leaf is None:
            return
        head = leaf.head
        if head is None or row[:3] != (head.call, leaf.segment, head.phase or "event"):
            self._blame("index", index, "does not say what the leaf says")
        private = data.private.get(index)
        if row.private_digest != (hashlib.sha256(private).digest() if private is not None else None):
            why = "is missing" if private is None else "is not what was written"
            self._blame("erasable", index, why if row.private_digest else "was never written")

    # --- batches
    def _rebuild(self, data: Stretch, index: int) -> None:
        """Every leaf belongs to an acknowledged batch, whose leaves follow each other in the tree."""
        leaf = data.leaves.get(index)
        head = leaf.head if leaf else None
        batch = self._batch = self._batch or self._begun(data, index, head)
        if batch is None:
            return
        number = batch.promised.first + batch.done
        if index in self.suspect or index in data.gone:
            batch.sound = False
        elif head is None or (head.gateway, head.epoch, head.sequence) != (*batch.writer, number):
            self._report(f"leaf {index}", f"is not sequence {number} of {batch.writer[0]}/{batch.writer[1]}")
            batch.sound = False
        self._count(batch, index, number)
        batch.digest.update(frame(leaf.body if leaf else b"", data.private.get(index, b"")))
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
            self._unread += index in data.gone
            return None
        writer = (head.gateway, head.epoch)
        promises = data.acknowledged.get(writer, [])
        at = bisect_right(promises, head.sequence, key=lambda promised: promised.first) - 1
        skipped = head.sequence - promises[at].first if at >= 0 else 0
        if at < 0 or skipped >= promises[at].count or skipped > self._unplaced:
            if index not in self.suspect:
                self._report(f"leaf {index}", f"is not the first of an acknowledged batch of {writer[0]}/{writer[1]}")
            return None
        self.placeless += max(0, self._unread - skipped)
        self._unplaced = self._unread = 0
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


def leaf_of(segment: str, body: bytes) -> Leaf:
    """A stored leaf, read as far as the log itself needs it."""
    try:
        return Leaf(segment, body, head_of(body))
    except BadBatch:
        return Leaf(segment, body, None)
