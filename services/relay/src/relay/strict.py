"""What a request head must look like beyond what llhttp checks (RFC 9112; pure).

llhttp itself refuses control characters in names and values; tests/unit/relay/test_strict.py holds it to that.

Two parsers that differ are how requests are smuggled, so whatever could be read in two ways is refused, never repaired.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

METHODS = frozenset((b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD"))
ALLOW = b"allow: DELETE, GET, HEAD, PATCH, POST, PUT\r\n"
VERSIONS = frozenset(("1.1", "1.0"))
MAX_HEAD_BYTES = 16 * 1024
MAX_FIELDS = 64
MAX_TARGET_BYTES = 4096
ONCE = frozenset(
    (b"host", b"content-length", b"content-type", b"transfer-encoding", b"expect", b"traceparent", b"idempotency-key")
)
"""Fields that may stand only once; so may every `tongdao-` field. Authorization is left to its reader (RFC 6750)."""

_HOST = re.compile(rb"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_TARGET = re.compile(rb"/[\x21\x24-\x7e]*")
_LENGTH = re.compile(rb"[0-9]{1,12}")


class Rejected(Exception):
    """The request ends here: the status and a short reason for the peer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def check_head(
    method: bytes, version: str, target: bytes, fields: Sequence[tuple[bytes, bytes]], arrived: int = MAX_HEAD_BYTES + 1
) -> dict[bytes, bytes]:
    """The fields as a dictionary (lower-case names, repeated ones joined with a comma); raises Rejected.

    arrived  bytes that the head came in, with whatever was around it: where they are few it need not be measured
    """
    if method not in METHODS:
        raise Rejected(405, "this method is not served")
    if version not in VERSIONS:
        raise Rejected(505, "HTTP/1.1 only")
    if len(target) > MAX_TARGET_BYTES:
        raise Rejected(414, "the request target is too long")
    if not _TARGET.fullmatch(target):
        raise Rejected(400, "the request target is not an absolute path in ASCII")
    if arrived > MAX_HEAD_BYTES:
        _check_size(target, fields)
    found = dict(fields)
    if len(found) != len(fields):
        found = _joined(fields)
    if not _is_host(found.get(b"host", b"")):
        raise Rejected(400, "one valid Host is needed")
    if b"content-length" in found or b"transfer-encoding" in found:
        _check_framing(version, found)
    return found


def _check_size(target: bytes, fields: Sequence[tuple[bytes, bytes]]) -> None:
    if len(target) + sum(len(name) + len(value) + 4 for name, value in fields) > MAX_HEAD_BYTES:
        raise Rejected(431, "the head is too large")


def _joined(fields: Sequence[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        if name not in found:
            found[name] = value
        elif name in ONCE or name.startswith(b"tongdao-"):
            raise Rejected(400, f"{name.decode('latin-1')} stands more than once")
        else:
            found[name] += b", " + value
    return found


@lru_cache(128)  # the same few for all clients, and no more than 2 MiB of whatever they may be
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def _check_framing(version: str, found: dict[bytes, bytes]) -> None:
    """RFC 9112 section 6: one way, and only one, to tell where the body ends."""
    length, coding = found.get(b"content-length"), found.get(b"transfer-encoding")
    if length is not None and not _LENGTH.fullmatch(length):
        raise Rejected(400, "Content-Length is not a number")
    if coding is None:
        return
    if coding.lower() != b"chunked" or version == "1.0":
        raise Rejected(400, "the only transfer coding is chunked")
    if length is not None:
        raise Rejected(400, "Content-Length beside Transfer-Encoding")
