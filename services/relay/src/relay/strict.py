"""What a request head must look like beyond what llhttp checks (RFC 9112; pure).

Two parsers that differ are how requests are smuggled, so whatever could be read in two ways is refused, never repaired.
"""

import re
from collections.abc import Iterable

METHODS = frozenset((b"GET", b"POST", b"PUT", b"PATCH", b"DELETE", b"HEAD"))
ALLOW = b"allow: DELETE, GET, HEAD, PATCH, POST, PUT\r\n"
MAX_HEAD_BYTES = 16 * 1024
MAX_FIELDS = 64
MAX_TARGET_BYTES = 4096
ONCE = frozenset(
    (b"host", b"content-length", b"content-type", b"transfer-encoding", b"expect", b"traceparent", b"idempotency-key")
)
"""Fields that may stand only once; so may every `tongdao-` field. Authorization is left to its reader (RFC 6750)."""

_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_HOST = re.compile(rb"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_TARGET = re.compile(rb"/[\x21\x24-\x7e]*")
_LENGTH = re.compile(rb"[0-9]{1,12}")


class Rejected(Exception):
    """The request ends here: the status and a short reason for the peer."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


def check_field(name: bytes, value: bytes, count: int) -> None:
    """One header field, as it arrives; `count` fields came before it."""
    if count >= MAX_FIELDS:
        raise Rejected(431, "too many header fields")
    if not _VALUE.fullmatch(value):
        raise Rejected(400, f"control character in {name.decode('latin-1')[:40]}")


def check_head(method: bytes, version: str, target: bytes, fields: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    """The fields as a dictionary (lower-case names, repeated ones joined with a comma); raises Rejected."""
    if method not in METHODS:
        raise Rejected(405, "this method is not served")
    if version not in ("1.1", "1.0"):
        raise Rejected(505, "HTTP/1.1 only")
    if len(target) > MAX_TARGET_BYTES:
        raise Rejected(414, "the request target is too long")
    if not _TARGET.fullmatch(target):
        raise Rejected(400, "the request target is not an absolute path in ASCII")
    fields = list(fields)
    if len(target) + sum(len(name) + len(value) + 4 for name, value in fields) > MAX_HEAD_BYTES:
        raise Rejected(431, "the head is too large")
    found = _collected(fields)
    if not _HOST.fullmatch(found.get(b"host", b"")):
        raise Rejected(400, "one valid Host is needed")
    _check_framing(version, found)
    return found


def _collected(fields: Iterable[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for name, value in fields:
        if name not in found:
            found[name] = value
        elif name in ONCE or name.startswith(b"tongdao-"):
            raise Rejected(400, f"{name.decode('latin-1')} stands more than once")
        else:
            found[name] += b", " + value
    return found


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
