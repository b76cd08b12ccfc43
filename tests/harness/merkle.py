"""A Merkle tree by the letter of RFC 6962 section 2.1: recursive, slow, nothing shared with tlog."""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache

from cryptography.hazmat.primitives import hashes

Digest = Callable[[bytes], bytes]


def sha256(data: bytes) -> bytes:
    """FIPS 180-4."""
    return hashlib.sha256(data).digest()


def sm3(data: bytes) -> bytes:
    """GB/T 32905."""
    context = hashes.Hash(hashes.SM3())
    context.update(data)
    return context.finalize()


DIGESTS: dict[str, Digest] = {"SHA-256": sha256, "SM3": sm3}
"""By the names that checkpoints use."""


class Definition:
    """Roots and proofs over some leaves, straight from the definitions (ranges are remembered, so tests stay quick)."""

    def __init__(self, leaves: Sequence[bytes], digest: Digest = sha256) -> None:
        self._digest = digest
        self.leaf_hashes = [digest(b"\x00" + leaf) for leaf in leaves]
        self._mth = cache(self._range_root)

    def root(self, size: int) -> bytes:
        """MTH(D[0:size])."""
        return self._mth(0, size)

    def inclusion(self, index: int, size: int) -> list[bytes]:
        """PATH(index, D[0:size])."""
        return self._path(index, 0, size)

    def consistency(self, size1: int, size2: int) -> list[bytes]:
        """PROOF(size1, D[0:size2])."""
        return self._subproof(size1, 0, size2, whole=True)

    def _range_root(self, begin: int, end: int) -> bytes:
        if begin == end:
            return self._digest(b"")
        if end - begin == 1:
            return self.leaf_hashes[begin]
        middle = begin + _k(end - begin)
        return self._digest(b"\x01" + self._mth(begin, middle) + self._mth(middle, end))

    def _path(self, m: int, begin: int, end: int) -> list[bytes]:
        if end - begin == 1:
            return []
        k = _k(end - begin)
        if m < k:
            return [*self._path(m, begin, begin + k), self._mth(begin + k, end)]
        return [*self._path(m - k, begin + k, end), self._mth(begin, begin + k)]

    def _subproof(self, m: int, begin: int, end: int, whole: bool) -> list[bytes]:
        if m == end - begin:
            return [] if whole else [self._mth(begin, end)]
        k = _k(end - begin)
        if m <= k:
            return [*self._subproof(m, begin, begin + k, whole), self._mth(begin + k, end)]
        return [*self._subproof(m - k, begin + k, end, whole=False), self._mth(begin, begin + k)]


def _k(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k
