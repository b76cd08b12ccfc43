"""A Merkle tree by the letter of RFC 6962 section 2.1: recursive, slow, nothing shared with tlog."""

import hashlib
from collections.abc import Sequence
from functools import cache


class Definition:
    """Roots and proofs over some leaves, straight from the definitions (ranges are remembered, so tests stay quick)."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        self.leaf_hashes = [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
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
            return hashlib.sha256().digest()
        if end - begin == 1:
            return self.leaf_hashes[begin]
        middle = begin + _k(end - begin)
        return hashlib.sha256(b"\x01" + self._mth(begin, middle) + self._mth(middle, end)).digest()

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
