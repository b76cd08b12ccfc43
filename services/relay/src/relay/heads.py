"""Request heads, always built anew: nothing of a caller's head is copied unless it is named here or by the service."""

from collections.abc import Iterable


def request_head(
    method: bytes, target: bytes, host: bytes, lines: Iterable[tuple[bytes, bytes]], length: int | None,
    ready: bytes = b"",
) -> bytes:  # fmt: skip
    """A request head. `length` is the body's size in bytes, None for a streamed one (chunked).

    ready  lines that somebody wrote out before, each ending in CRLF
    """
    framing = b"transfer-encoding: chunked\r\n" if length is None else b"content-length: %d\r\n" % length
    if length == 0 and method in (b"GET", b"HEAD", b"DELETE"):
        framing = b""
    fields = b"".join([b"%b: %b\r\n" % line for line in lines]) if lines else b""
    return b"%b %b HTTP/1.1\r\nhost: %b\r\n%b%b%b\r\n" % (method, target, host, ready, fields, framing)


def chunked(chunk: bytes) -> bytes:
    """One chunk of a streamed body; the empty one is the last."""
    return b"%x\r\n%b\r\n" % (len(chunk), chunk) if chunk else b"0\r\n\r\n"


class ReadyLines:
    """Header lines for a list that is replaced and never changed, joined once for each: uvicorn makes one a second."""

    __slots__ = ("_fields", "_lines")

    def __init__(self) -> None:
        self._fields: object = None
        self._lines = b""

    def of(self, fields: Iterable[tuple[bytes, bytes]]) -> bytes:
        """`fields` as lines, each ending in CRLF."""
        if fields is not self._fields:
            self._lines = b"".join([b"%b: %b\r\n" % field for field in fields])
            self._fields = fields
        return self._lines
