"""Which key signs, which are published, and when the next one is due. Pure.

A new key is published before it signs, so that everybody who caches the set has it by then; the one before it stays
published until its last token has ended (NIST SP 800-57 part 1, 5.3.4: originator and recipient usage period).
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from wire.tokens import LONGEST_LIFE_S

JWKS_MAX_AGE_S = 60
"""How long others may keep our published keys without asking again."""
LEEWAY_S = 60
"""How much longer than its last token a key stays published: clocks differ."""
KEPT = timedelta(seconds=LONGEST_LIFE_S + LEEWAY_S)


class SigningKey(msgspec.Struct, frozen=True, kw_only=True):
    """One key. jwk: with its private half; ends_at: when it is forgotten, None for the newest."""

    kid: str
    jwk: dict[str, Any]
    made_at: datetime
    signs_from: datetime
    ends_at: datetime | None = None

    def __repr__(self) -> str:
        return f"SigningKey({self.kid})"  # a traceback shows no key


def in_order(keys: Sequence[SigningKey], at: datetime) -> list[SigningKey]:
    """What is published at this moment: the key that signs, then the others, the newest first.

    Where no key's time has come (a clock that is behind), the one whose time comes first signs.
    """
    left = sorted((key for key in keys if not _is_over(key, at)), key=lambda key: key.signs_from, reverse=True)
    signer = next((key for key in left if key.signs_from <= at), left[-1] if left else None)
    return ([signer] if signer else []) + [key for key in left if key is not signer]


def _is_over(key: SigningKey, at: datetime) -> bool:
    return key.ends_at is not None and key.ends_at <= at


def newest(keys: Sequence[SigningKey]) -> SigningKey | None:
    """The key after which there is none yet."""
    return next((key for key in keys if key.ends_at is None), None)


def waits(keys: Sequence[SigningKey], at: datetime) -> bool:
    """Whether the newest key is published but does not sign yet."""
    last = newest(keys)
    return last is not None and last.signs_from > at


def is_due(keys: Sequence[SigningKey], at: datetime, every: timedelta) -> bool:
    """Whether it is time for the next key."""
    last = newest(keys)
    return last is None or last.signs_from + every <= at
