"""Identifiers that sort by time: UUID version 7 (RFC 9562 section 5.7)."""

import os
import time
from uuid import UUID

_VARIANT_AND_VERSION = (0x7 << 76) | (0x2 << 62)
_RANDOM_BITS = (0xFFF << 64) | ((1 << 62) - 1)


def uuid7(now_ms: int | None = None) -> UUID:
    """A new identifier whose first 48 bits are `now_ms` (Unix milliseconds; default: now)."""
    ms = time.time_ns() // 1_000_000 if now_ms is None else now_ms
    random = int.from_bytes(os.urandom(10), "big") & _RANDOM_BITS
    return UUID(int=(ms & ((1 << 48) - 1)) << 80 | _VARIANT_AND_VERSION | random)
