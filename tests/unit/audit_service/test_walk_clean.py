"""No false alarm: a log that nobody touched is clean, however it grew, from wherever the walk begins; and one changed
byte anywhere is never missed."""

import hashlib
from collections import defaultdict
from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audit_service.fsck.walk import Acknowledged, Ground, IndexRow, Leaf, Stretch, Walk, Writer, edge_of, leaf_of
from harness.audit_log import record
from runtime.ids import uuid7
from tlog.hashes import SHA256, SM3, Suite
from tlog.tiles import TILE_WIDTH
from tlog.tree import append, root
from wire.audit import Phase, frames

PHASES: tuple[Phase, ...] = ("intent", "outcome", "denied")
SEGMENTS = ("20260101-general", "20260101-personal", "20260102-general")
FIRST = 1000


@dataclass
class Made:
    """A log as a database would hold it."""

    suite: Suite
    first: int
    leaves: list[Leaf] = field(default_factory=list)
    private: dict[int, bytes] = field(default_factory=dict)
    promises: dict[Writer, list[Acknowledged]] = field(default_factory=lambda: defaultdict(list))
    tiles: dict[tuple[int, int], bytes] = field(default_factory=dict)
    signed: dict[int, bytes] = field(default_factory=dict)

    def read(self, level: int, n: int) -> bytes:
        return self.tiles.get((level, n), b"")

    def grow(self, batches: list[tuple[Writer, int, int]], segment: str) -> None:
        """One step: (writer, first sequence, count) of each batch, then a checkpoint."""
        size = len(self.leaves)
        for writer, sequence, count in batches:
            pairs = [record(str(uuid7()), *writer, sequence + i, PHASES[i % 3]) for i in range(count)]
            pairs = [(leaf, salt if i % 2 else b"") for i, (leaf, salt) in enumerate(pairs)]
            self.promises[writer].append(Acknowledged(sequence, count, hashlib.sha256(frames(pairs)).digest()))
            for leaf, salt in pairs:
                if salt:
                    self.private[self.first + len(self.leaves)] = salt
                self.leaves.append(leaf_of(segment, leaf))
        hashes = [self.suite.leaf(leaf.body) for leaf in self.leaves[size:]]
        self.tiles |= append(size, hashes, self.read, suite=self.suite)
        self.signed[len(self.leaves)] = root(len(self.leaves), self.read, suite=self.suite)

    def walk(self, start: int, width: int, gone: frozenset[int] = frozenset()) -> tuple[list[str], Walk]:
        """From a leaf at the beginning of a tile to the end, in stretches of that many tiles."""
        found: list[str] = []
        size = len(self.leaves)
        ground = Ground(self.signed[size], self.suite, self.first, start, edge_of(start, self.read, self.suite))
        walk = Walk(ground, lambda what, why: found.append(f"{what}: {why}"))
        for at in range(start, size, width * TILE_WIDTH):
            walk.stretch(self.stretch(at, min(size, at + width * TILE_WIDTH), gone))
        walk.finish()
        assert walk.frontier.root() == self.signed[size] or found
        return found, walk

    def stretch(self, start: int, end: int, gone: frozenset[int]) -> Stretch:
        places = range(self.first + start, self.first + end)
        index = {}
        for place in places:
            leaf, salt = self.leaves[place - self.first], self.private.get(place)
            assert leaf.head is not None
            digest = hashlib.sha256(salt).digest() if salt else None
            index[place] = IndexRow(leaf.head.call, leaf.segment, leaf.head.phase, digest)
        here = [place for place in places if place not in gone]
        return Stretch(
            places.start, places.stop, index, {place: self.leaves[place - self.first] for place in here},
            {place: self.private[place] for place in here if place in self.private}, self.tiles, self.signed,
            {writer: sorted(promises, key=lambda one: one.first) for writer, promises in self.promises.items()}, gone,
        )  # fmt: skip


@st.composite
def logs(draw: st.DrawFn) -> Made:
    """Several writers whose batches overtake each other, steps of any size, gaps, one hash or the other."""
    made = Made(draw(st.sampled_from((SHA256, SHA256, SM3))), draw(st.sampled_from((0, FIRST))))
    following: dict[Writer, int] = defaultdict(int)
    for _ in range(draw(st.integers(1, 6))):
        batches = []
        for _ in range(draw(st.integers(1, 4))):
            writer = (f"gateway-{draw(st.integers(1, 3))}", draw(st.integers(1, 2)))
            following[writer] += draw(st.sampled_from((0, 0, 0, 2)))
            count = draw(st.integers(1, 60))
            batches.append((writer, following[writer], count))
            following[writer] += count
        made.grow(draw(st.permutations(batches)), draw(st.sampled_from(SEGMENTS)))
    return made


@pytest.mark.requirement("CHK-03")
@pytest.mark.requirement("CHK-04")
@settings(max_examples=200, deadline=None)
@given(logs(), st.integers(1, 3), st.data())
def test_a_clean_log_is_clean_from_every_tile_on(made: Made, width: int, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, (len(made.leaves) - 1) // TILE_WIDTH)) * TILE_WIDTH
    assert made.walk(0, width)[0] == []
    assert made.walk(start, width)[0] == []


@pytest.mark.requirement("CHK-06")
@settings(max_examples=60, deadline=None)
@given(logs(), st.data())
def test_leaves_that_are_lawfully_gone_leave_the_rest_clean(made: Made, data: st.DataObject) -> None:
    """Whole days, and any others: what is left is as it was, and as many promises lack their leaves as leaves do."""
    size = len(made.leaves)
    gone = data.draw(st.frozensets(st.integers(made.first, made.first + size - 1), max_size=size))
    found, walk = made.walk(0, 2, gone)
    assert found == []
    missing = sum(
        one.count
        for writer, promises in made.promises.items()
        for one in promises
        if writer not in walk.sequences or not walk.sequences[writer].covers(one.first, one.count)
    )
    assert missing == walk.placeless


@pytest.mark.requirement("CHK-01")
@settings(max_examples=60, deadline=None)
@given(logs(), st.data())
def test_one_changed_leaf_is_the_one_that_is_named(made: Made, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(made.leaves) - 1))
    body = made.leaves[place].body
    at = data.draw(st.integers(0, len(body) - 1))
    changed = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    made.leaves[place] = replace_body(made.leaves[place], changed)
    found, _ = made.walk(0, 1)
    assert f"leaf {made.first + place}: is not the one that was hashed into the tree" in found
    named = {finding.split(":")[0].split(" ")[1] for finding in found if finding.startswith(("leaf", "index"))}
    assert named == {str(made.first + place)}


def replace_body(leaf: Leaf, body: bytes) -> Leaf:
    """The index still says what the old leaf said."""
    return leaf._replace(body=body)
