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


def uuid7_text(now_ms: int, random: bytes) -> str:
    """The same as text, of 10 random bytes: a fifth of the work, for whoever makes one a call."""
    digits = (now_ms.to_bytes(6, "big") + random).hex()
    variant = "89ab"[random[2] >> 6]
    return f"{digits[:8]}-{digits[8:12]}-7{digits[13:16]}-{variant}{digits[17:20]}-{digits[20:]}"
