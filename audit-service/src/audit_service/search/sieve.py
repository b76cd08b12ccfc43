"""In which segments a value cannot be: a Bloom filter in blocks, one a segment. Pure.

Only one block of 256 bytes is looked at for a value, so that asking hundreds of segments is one short read of the
database each. With 16 bits a value, about one segment in a thousand is looked into for nothing; none is passed over.
Source: Putze, Sanders, Singler: Cache-, Hash- and Space-Efficient Bloom Filters (2007), section 3.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator

MEMBERS = ("case_no", "trace", "subject")
"""What a sieve is asked for: members with many values, each in few segments."""
BLOCK_BYTES = 256
_BLOCK_BITS = BLOCK_BYTES * 8
_BITS_A_VALUE, _PROBES = 16, 8
_HASHES = struct.Struct("<QII")


def blocks_for(rows: int) -> int:
    """How many blocks a segment with that many rows needs."""
    return max(1, -(-rows * len(MEMBERS) * _BITS_A_VALUE // _BLOCK_BITS))


def hashed(member: str, value: str) -> tuple[int, tuple[int, ...]]:
    """A number that chooses the block (modulo their count), and the bits in it."""
    digest = hashlib.blake2b(f"{member}\0{value}".encode(), digest_size=16).digest()
    chosen, start, stride = _HASHES.unpack(digest)
    stride |= 1
    return chosen >> 2, tuple((start + i * stride) % _BLOCK_BITS for i in range(_PROBES))


def may_hold(block: bytes, bits: Iterable[int]) -> bool:
    """False: the value is in no row of the segment."""
    return all(block[bit >> 3] >> (bit & 7) & 1 for bit in bits)


class Sieve:
    """One segment's sieve while it is made; at most `rows` rows."""

    def __init__(self, rows: int) -> None:
        self.count = blocks_for(rows)
        self._bits = bytearray(self.count * BLOCK_BYTES)

    def add(self, rows: Iterable[tuple[str, ...]]) -> None:
        """Rows as their MEMBERS; what is empty is not asked for."""
        for row in rows:
            for member, value in zip(MEMBERS, row, strict=True):
                if value:
                    chosen, bits = hashed(member, value)
                    start = chosen % self.count * BLOCK_BYTES
                    for bit in bits:
                        self._bits[start + (bit >> 3)] |= 1 << (bit & 7)

    def blocks(self) -> Iterator[tuple[int, bytes]]:
        """(number, bits) of each block."""
        for n in range(self.count):
            yield n, bytes(self._bits[n * BLOCK_BYTES : (n + 1) * BLOCK_BYTES])
