"""Checks of inclusion and consistency proofs.

Pure, and strict about form: a hash of another length, a size that is no whole number, a path one hash too long or too
short are all a ProofError, never another exception. Source: RFC 9162 sections 2.1.3.2 and 2.1.4.2.
"""

from collections.abc import Iterator, Sequence

from tlog.hashes import HASH_BYTES, SHA256, Suite

MAX_SIZE = 2**64


class ProofError(Exception):
    """What was given does not hold together; the message says why in plain words and quotes nothing of it."""


def root_of_path(leaf: bytes, index: int, size: int, path: Sequence[bytes], *, suite: Suite = SHA256) -> bytes:
    """Root proved by `path` for the leaf at `index` of a tree with `size` leaves.

    leaf   32-byte leaf hash        index  0-based, < size
    path   32-byte sibling hashes, leaf side first
    Raises ProofError if `path` is too long or too short for (index, size).
    Source: RFC 9162 section 2.1.3.2.
    """
    check_size(size)
    check_index(index, size)
    result = _hash(leaf, "the leaf hash")
    node, last = index, size - 1  # at the height reached so far: our node, and the last node
    for sibling in _path(path):
        if last == 0:
            raise ProofError("the inclusion proof is too long")
        if node & 1 or node == last:
            result = suite.node(sibling, result)
            node, last = _skip_lone_heights(node, last)
        else:
            result = suite.node(result, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError("the inclusion proof is too short")
    return result


def verify_inclusion(
    leaf_hash: bytes, index: int, size: int, path: Sequence[bytes], root: bytes, *, suite: Suite = SHA256
) -> None:
    """Raises ProofError unless `path` leads from the leaf at `index` to `root` of a tree with `size` leaves."""
    if root_of_path(leaf_hash, index, size, path, suite=suite) != _hash(root, "the root"):
        raise ProofError("the inclusion proof leads to another root")


def verify_consistency(
    size1: int, size2: int, path: Sequence[bytes], root1: bytes, root2: bytes, *, suite: Suite = SHA256
) -> None:
    """Raises ProofError unless the tree (size1, root1) is a prefix of the tree (size2, root2).

    From size 0 there is nothing to prove: every tree begins with the empty one, so asking is an error.
    Source: RFC 9162 section 2.1.4.2.
    """
    check_consistency_sizes(size1, size2)
    hashes = list(_path(path))
    _hash(root1, "the older root")
    _hash(root2, "the newer root")
    if size1 == size2:
        if hashes:
            raise ProofError("two trees of one size need no proof")
        if root1 != root2:
            raise ProofError("two roots for one size: the log has forked")
        return
    if size1.bit_count() == 1:
        hashes.insert(0, root1)  # a full older tree is itself a node of the newer one, so the proof leaves it out
    if not hashes:
        raise ProofError("the consistency proof is empty")
    if _both_roots(size1, size2, hashes, suite) != (root1, root2):
        raise ProofError("the consistency proof leads to other roots")


def _both_roots(size1: int, size2: int, hashes: list[bytes], suite: Suite) -> tuple[bytes, bytes]:
    node, last = size1 - 1, size2 - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    older = newer = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise ProofError("the consistency proof is too long")
        if node & 1 or node == last:
            older, newer = suite.node(sibling, older), suite.node(sibling, newer)
            node, last = _skip_lone_heights(node, last)
        else:
            newer = suite.node(newer, sibling)
        node, last = node >> 1, last >> 1
    if last != 0:
        raise ProofError("the consistency proof is too short")
    return older, newer


def _skip_lone_heights(node: int, last: int) -> tuple[int, int]:
    """On the right edge a node without a sibling stands unchanged at the next heights: climb past them."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last


def check_size(size: object) -> None:
    """Raises ProofError unless `size` is a whole number from 0 to 2**64."""
    if type(size) is not int or not 0 <= size <= MAX_SIZE:
        raise ProofError("a tree size is not a whole number from 0 to 2**64")


def check_index(index: object, size: int) -> None:
    """Raises ProofError unless the tree has a leaf with this index."""
    if type(index) is not int or not 0 <= index < size:
        raise ProofError("the leaf index is not inside the tree")


def check_consistency_sizes(size1: int, size2: int) -> None:
    """Raises ProofError unless there can be a proof from `size1` to `size2`."""
    check_size(size1)
    check_size(size2)
    if not 1 <= size1 <= size2:
        raise ProofError("consistency is proved from a tree that is not empty to one at least as large")


def _hash(value: object, what: str) -> bytes:
    if not isinstance(value, bytes) or len(value) != HASH_BYTES:
        raise ProofError(f"{what} is not a hash of {HASH_BYTES} bytes")
    return value


def _path(path: object) -> Iterator[bytes]:
    if not isinstance(path, list | tuple):
        raise ProofError("a proof is not a list of hashes")
    return (_hash(value, "a step of the proof") for value in path)
