"""Roots, proofs and appends over tiles, against the recursive definition."""

from collections import Counter
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.merkle import Definition
from tlog.hashes import EMPTY_ROOT, leaf_hash
from tlog.proofs import ProofError, verify_consistency, verify_inclusion
from tlog.tiles import edge_tiles, tile_width
from tlog.tree import (
    append,
    consistency_proof,
    consistency_tiles,
    inclusion_proof,
    inclusion_tiles,
    overlay,
    root,
)

BIG = 70_000
KNOWN_LEAVES = [
    bytes.fromhex(leaf)
    for leaf in (
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f",
    )
]  # fmt: skip
KNOWN_ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


class Tiles:
    """Stored tiles, and how often each was read."""

    def __init__(self) -> None:
        self.rows: dict[tuple[int, int], bytes] = {}
        self.reads: Counter[tuple[int, int]] = Counter()

    def read(self, level: int, n: int) -> bytes:
        self.reads[level, n] += 1
        return self.rows.get((level, n), b"")

    def grow(self, size: int, hashes: list[bytes]) -> int:
        self.rows.update(append(size, hashes, self.read))
        return size + len(hashes)


def stored(leaf_hashes: list[bytes]) -> Tiles:
    tiles = Tiles()
    tiles.grow(0, leaf_hashes)
    return tiles


@pytest.fixture(scope="module")
def definition() -> Definition:
    return Definition([b"leaf %d" % n for n in range(BIG)])


@pytest.fixture(scope="module")
def tiles(definition: Definition) -> Tiles:
    return stored(definition.leaf_hashes)


@pytest.mark.requirement("LOG-02")
def test_roots_of_the_reference_tree() -> None:
    tiles = stored([leaf_hash(leaf) for leaf in KNOWN_LEAVES])
    assert [root(size, tiles.read).hex() for size in range(9)] == KNOWN_ROOTS
    assert root(0, Tiles().read) == EMPTY_ROOT


@pytest.mark.requirement("LOG-02")
def test_proofs_of_the_reference_tree() -> None:
    tiles = stored([leaf_hash(leaf) for leaf in KNOWN_LEAVES])
    inclusion = [step.hex() for step in inclusion_proof(5, 8, tiles.read)]
    assert [(step[:8], step[-4:]) for step in inclusion] == [
        ("bc1a0643", "9e6b"),
        ("ca854ea1", "0ae0"),
        ("d37ee418", "14b7"),
    ]
    consistency = [step.hex() for step in consistency_proof(6, 8, tiles.read)]
    assert [(step[:8], step[-4:]) for step in consistency] == [
        ("0ebc5d34", "ef6a"),
        ("ca854ea1", "0ae0"),
        ("d37ee418", "14b7"),
    ]
    consistency = [step.hex() for step in consistency_proof(2, 5, tiles.read)]
    assert [(step[:8], step[-4:]) for step in consistency] == [("5f083f0a", "031e"), ("bc1a0643", "9e6b")]


@pytest.mark.requirement("LOG-02")
def test_every_proof_of_small_trees(definition: Definition, tiles: Tiles) -> None:
    """All indexes and all older sizes of every tree to 160 leaves, and of those around a full tile."""
    for size in [*range(1, 161), *range(254, 260), 300]:
        newer = definition.root(size)
        assert root(size, tiles.read) == newer
        for index in range(size):
            path = inclusion_proof(index, size, tiles.read)
            assert path == definition.inclusion(index, size)
            verify_inclusion(definition.leaf_hashes[index], index, size, path, newer)
            older = definition.root(index + 1)
            proof = consistency_proof(index + 1, size, tiles.read)
            assert proof == definition.consistency(index + 1, size)
            verify_consistency(index + 1, size, proof, older, newer)


@pytest.mark.requirement("LOG-02")
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_proofs_of_trees_to_70_000_leaves(definition: Definition, tiles: Tiles, data: st.DataObject) -> None:
    edges = st.sampled_from([255, 256, 257, 511, 65_535, 65_536, 65_537, 65_792, BIG])
    size = data.draw(st.integers(1, BIG) | edges)
    index = data.draw(st.integers(0, size - 1))
    newer = definition.root(size)
    assert root(size, tiles.read) == newer
    path = inclusion_proof(index, size, tiles.read)
    assert path == definition.inclusion(index, size)
    verify_inclusion(definition.leaf_hashes[index], index, size, path, newer)
    proof = consistency_proof(index + 1, size, tiles.read)
    assert proof == definition.consistency(index + 1, size)
    verify_consistency(index + 1, size, proof, definition.root(index + 1), newer)


@pytest.mark.requirement("LOG-02")
@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_change_to_a_proof_is_found(definition: Definition, tiles: Tiles, data: st.DataObject) -> None:
    size = data.draw(st.integers(2, 5_000))
    index = data.draw(st.integers(0, size - 2))
    path = inclusion_proof(index, size, tiles.read)
    proof = consistency_proof(index + 1, size, tiles.read)
    leaf, older, newer = definition.leaf_hashes[index], definition.root(index + 1), definition.root(size)
    for changed in variations(path, data.draw(st.integers(0, len(path) - 1))):
        with pytest.raises(ProofError):
            verify_inclusion(leaf, index, size, changed, newer)
    for changed in variations(proof, data.draw(st.integers(0, len(proof) - 1))):
        with pytest.raises(ProofError):
            verify_consistency(index + 1, size, changed, older, newer)
    with pytest.raises(ProofError):
        verify_inclusion(leaf, index + 1, size, path, newer)
    forged = leaf_hash(older)
    for roots in [(newer, older), (forged, newer), (older, forged)]:
        with pytest.raises(ProofError, match="other roots"):
            verify_consistency(index + 1, size, proof, *roots)
    with pytest.raises(ProofError, match="too long"):
        verify_consistency(index + 1, size, [*proof, forged], older, newer)


def variations(path: list[bytes], at: int) -> list[list[bytes]]:
    flipped = bytes([path[at][0] ^ 1]) + path[at][1:]
    return [
        [*path[:at], flipped, *path[at + 1 :]],
        path[:at] + path[at + 1 :],
        [*path, path[at]],
        [path[at], *path],
        [*path[:at], path[at][:-1], *path[at + 1 :]],
    ]


@pytest.mark.requirement("LOG-02")
@settings(max_examples=40, deadline=None)
@given(chunks=st.lists(st.integers(0, 1_200), max_size=8))
def test_appends_in_chunks_equal_one_append(definition: Definition, chunks: list[int]) -> None:
    grown, size = Tiles(), 0
    for chunk in chunks:
        before = dict(grown.rows)
        size = grown.grow(size, definition.leaf_hashes[size : size + chunk])
        assert all(grown.rows[tile].startswith(row) for tile, row in before.items())
        assert root(size, grown.read) == definition.root(size)
    assert grown.rows == stored(definition.leaf_hashes[:size]).rows
    assert all(len(row) == 32 * tile_width(*tile, size) for tile, row in grown.rows.items())


@pytest.mark.requirement("LOG-02")
def test_appends_that_cross_two_levels(definition: Definition) -> None:
    cuts = sorted({*range(0, BIG, 1_733), 65_535, 65_536, 65_537, BIG})
    grown = Tiles()
    for begin, end in pairwise(cuts):
        grown.grow(begin, definition.leaf_hashes[begin:end])
    assert grown.rows == stored(definition.leaf_hashes).rows


@pytest.mark.requirement("LOG-03")
def test_an_append_reads_and_writes_only_the_edge(definition: Definition, tiles: Tiles) -> None:
    tiles.reads.clear()
    changed = append(BIG, [leaf_hash(b"new")], tiles.read)
    assert tiles.reads == {(0, 273): 1}
    assert changed.keys() == {(0, 273)}
    tiles.reads.clear()
    changed = append(65_535, [leaf_hash(b"new")], tiles.read)
    assert tiles.reads == dict.fromkeys(edge_tiles(65_535), 1)
    assert {tile: len(row) // 32 for tile, row in changed.items()} == {(0, 255): 256, (1, 0): 256, (2, 0): 1}
    assert append(BIG, [], tiles.read) == {}


@pytest.mark.requirement("LOG-03")
def test_proofs_read_the_announced_tiles_once(tiles: Tiles) -> None:
    for size in [1, 256, 257, 65_536, BIG, *range(999, BIG, 4_321)]:
        index = size * 3 // 7
        tiles.reads.clear()
        inclusion_proof(index, size, tiles.read)
        assert tiles.reads == dict.fromkeys(inclusion_tiles(index, size), 1)
        assert len(tiles.reads) <= 5  # of 276: one or two a level
        tiles.reads.clear()
        consistency_proof(index + 1, size, tiles.read)
        assert tiles.reads == dict.fromkeys(consistency_tiles(index + 1, size), 1)
        assert len(tiles.reads) <= 5
        tiles.reads.clear()
        root(size, tiles.read)
        assert set(tiles.reads) == set(edge_tiles(size))


@pytest.mark.requirement("LOG-02")
def test_the_root_of_an_append_is_known_before_it_is_stored(definition: Definition) -> None:
    tiles = stored(definition.leaf_hashes[:500])
    changed = append(500, definition.leaf_hashes[500:800], tiles.read)
    assert root(800, overlay(changed, tiles.read)) == definition.root(800)
    assert root(500, tiles.read) == definition.root(500)


@pytest.mark.requirement("LOG-06")
def test_what_a_tree_does_not_hold_cannot_be_proved(definition: Definition) -> None:
    tiles = stored(definition.leaf_hashes[:300])
    for index, size in [(0, 0), (5, 5), (-1, 5), (0, 2**64 + 1)]:
        with pytest.raises(ProofError):
            inclusion_proof(index, size, tiles.read)
    for size1, size2 in [(0, 5), (6, 5), (-1, 5), (0, 0), (1, 2**64 + 1)]:
        with pytest.raises(ProofError):
            consistency_proof(size1, size2, tiles.read)
    with pytest.raises(ProofError, match="tile 1 of level 0 holds fewer than 45 hashes"):
        root(301, tiles.read)
    with pytest.raises(ProofError, match="fewer"):
        append(301, [leaf_hash(b"")], tiles.read)
    with pytest.raises(ProofError):
        append(300, [b"short"], tiles.read)
    with pytest.raises(ProofError, match="full"):
        append(2**64, [leaf_hash(b"")], tiles.read)
