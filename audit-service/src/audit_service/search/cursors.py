"""Where a page ends, as a text that only goes with the search it came from. Pure.

It names an index and carries a digest of the filter. There is no secret in it: whoever makes one up gets rows that the
filter lets him see anyway; the digest keeps a cursor of another search from skipping rows unseen.
"""

import base64
import binascii
import hashlib

import msgspec

from audit_service.summary import Filter

_INDEX_BYTES, _DIGEST_BYTES = 8, 10
_LENGTH = (_INDEX_BYTES + _DIGEST_BYTES) * 4 // 3


def closed(index: int, wanted: Filter) -> str:
    """24 characters of base64url."""
    place = index.to_bytes(_INDEX_BYTES, "big")
    return base64.urlsafe_b64encode(place + _digest(place, wanted)).decode()


def opened(cursor: str, wanted: Filter) -> int:
    """The index. Raises ValueError for what is no cursor of this search."""
    if len(cursor) != _LENGTH or not cursor.isascii():
        raise ValueError("not a cursor")
    try:
        raw = base64.b64decode(cursor, altchars=b"-_", validate=True)
    except binascii.Error:
        raise ValueError("not a cursor") from None
    place, digest = raw[:_INDEX_BYTES], raw[_INDEX_BYTES:]
    index = int.from_bytes(place, "big")
    if digest != _digest(place, wanted) or index >= 1 << 63:
        raise ValueError("a cursor of another search")
    return index


def _digest(place: bytes, wanted: Filter) -> bytes:
    return hashlib.blake2b(place + msgspec.json.encode(wanted), digest_size=_DIGEST_BYTES).digest()
