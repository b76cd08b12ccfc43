"""Roots and proofs computed from stored tiles, and the tiles that new leaves change.

The tree itself is never in memory: `read(level, n)` gives the stored hashes of a tile, concatenated. A stored tile may
be wider than the asked tree needs, because a tile only grows; only the prefix is used. A proof reads O(log n) tiles,
each once; an append costs O(new leaves). Callers whose storage is asynchronous ask `edge_tiles` (for root and append),
`inclusion_tiles` or `consistency_tiles` first, fetch those, and hand in a look-up.
Source: RFC 6962 sections 2.1 to 2.1.2; C2SP tlog-tiles.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache

from tlog.hashes import HASH_BYTES, SHA256, Suite
from tlog.proofs import MAX_SIZE, ProofError, check_consistency_sizes, check_index, check_size
from tlog.tiles import TILE_BYTES, TILE_HEIGHT, TILE_WIDTH, subtree_root

Read = Callable[[int, int], bytes]
Range = tuple[int, int]
"""Leaves from the first (included) to the second (excluded)."""


def root(size: int, read: Read, *, suite: Suite = SHA256) -> bytes:
    """Root of the tree of the first `size` leaves. Raises ProofError if a tile holds less than it must."""
    check_size(size)
    return suite.empty if size == 0 else _range_hash((0, size), read, suite)


def inclusion_proof(index: int, size: int, read: Read, *, suite: Suite = SHA256) -> list[bytes]:
    """Sibling hashes, leaf side first, of the leaf at `index` in the tree of the first `size` leaves."""
    tile = cache(read)
    return [_range_hash(leaves, tile, suite) for leaves in _inclusion_ranges(index, size)]


def consistency_proof(size1: int, size2: int, read: Read, *, suite: Suite = SHA256) -> list[bytes]:
    """Hashes that prove the tree of `size1` leaves (at least 1) to be a prefix of that of `size2`."""
    tile = cache(read)
    return [_range_hash(leaves, tile, suite) for leaves in _consistency_ranges(size1, size2)]


def inclusion_tiles(index: int, size: int) -> list[tuple[int, int]]:
    """(level, n) of the tiles that `inclusion_proof` reads."""
    return _tiles(_inclusion_ranges(index, size))


def consistency_tiles(size1: int, size2: int) -> list[tuple[int, int]]:
    """(level, n) of the tiles that `consistency_proof` reads."""
    return _tiles(_consistency_ranges(size1, size2))


def append(
    size: int, new_leaf_hashes: Sequence[bytes], read: Read, *, suite: Suite = SHA256
) -> dict[tuple[int, int], bytes]:
    """New content of every tile that changes when a tree of `size` leaves gets more.

    Each value is the whole tile, old hashes included, so that storing it is one write per key. Reads at most the
    partial tile of each level, see `edge_tiles`. Raises ProofError if such a tile holds less than it must.
    """
    check_size(size)
    if any(len(leaf) != HASH_BYTES for leaf in new_leaf_hashes):
        raise ProofError("a new leaf hash has the wrong length")
    if size + len(new_leaf_hashes) > MAX_SIZE:
        raise ProofError("the tree is full")
    changed: dict[tuple[int, int], bytes] = {}
    level, new = 0, b"".join(new_leaf_hashes)
    while new:
        first, width = divmod(size >> (TILE_HEIGHT * level), TILE_WIDTH)
        row = (_stored(read, level, first, 0, width) if width else b"") + new
        contents = [row[start : start + TILE_BYTES] for start in range(0, len(row), TILE_BYTES)]
        changed.update({(level, first + i): content for i, content in enumerate(contents)})
        new = b"".join(subtree_root(content, suite=suite) for content in contents if len(content) == TILE_BYTES)
        level += 1
    return changed


def overlay(changed: Mapping[tuple[int, int], bytes], read: Read) -> Read:
    """A `read` that sees the tiles of an append that is not stored yet: the root to sign before the commit."""

    def read_changed_first(level: int, n: int) -> bytes:
        found = changed.get((level, n))
        return read(level, n) if found is None else found

    return read_changed_first


def _inclusion_ranges(index: int, size: int) -> list[Range]:
    """RFC 6962 section 2.1.1, PATH, as the leaves under each hash; leaf side first."""
    check_size(size)
    check_index(index, size)
    ranges, begin, end = [], 0, size
    while end - begin > 1:
        middle = _split(begin, end)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    return ranges[::-1]


def _consistency_ranges(size1: int, size2: int) -> list[Range]:
    """RFC 6962 section 2.1.2, SUBPROOF, as the leaves under each hash."""
    check_consistency_sizes(size1, size2)
    ranges, begin, end = [], 0, size2
    while end != size1:
        middle = _split(begin, end)
        if size1 <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    if begin:  # else the last subtree is the whole older tree, whose root the verifier has
        ranges.append((begin, end))
    return ranges[::-1]


def _split(begin: int, end: int) -> int:
    """Where RFC 6962 cuts a range: behind the largest power of two smaller than its length."""
    return begin + (1 << ((end - begin - 1).bit_length() - 1))


def _complete_subtrees(leaves: Range) -> Iterator[tuple[int, int]]:
    """(height, index) of the complete subtrees that make up a range, left to right, each smaller than the last."""
    begin, end = leaves
    while begin < end:
        height = (end - begin).bit_length() - 1
        yield height, begin >> height
        begin += 1 << height


def _range_hash(leaves: Range, read: Read, suite: Suite) -> bytes:
    hashes = [_subtree_hash(height, index, read, suite) for height, index in _complete_subtrees(leaves)]
    result = hashes.pop()
    while hashes:
        result = suite.node(hashes.pop(), result)
    return result


def _place(height: int, index: int) -> tuple[int, int, int, int]:
    """Where a complete subtree lies in the tiles: level, tile, first hash, number of hashes (a power of two)."""
    level, inner = divmod(height, TILE_HEIGHT)
    n, offset = divmod(index << inner, TILE_WIDTH)
    return level, n, offset, 1 << inner


def _subtree_hash(height: int, index: int, read: Read, suite: Suite) -> bytes:
    return subtree_root(_stored(read, *_place(height, index)), suite=suite)


def _stored(read: Read, level: int, n: int, offset: int, count: int) -> bytes:
    hashes = read(level, n)[offset * HASH_BYTES : (offset + count) * HASH_BYTES]
    if len(hashes) != count * HASH_BYTES:
        raise ProofError(f"tile {n} of level {level} holds fewer than {offset + count} hashes")
    return hashes


def _tiles(ranges: Iterable[Range]) -> list[tuple[int, int]]:
    return sorted({_place(*subtree)[:2] for leaves in ranges for subtree in _complete_subtrees(leaves)})
