"""Where files lie, whatever it is: what a place has to be able to do, and what is asked of a file."""

import re
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from email.utils import formatdate
from typing import Any, Final, Protocol

from runtime.errors import Refusal
from wire import codes

PART_BYTES: Final = 256 * 1024
"""How much of a file is in memory at a time, per answer."""
_RANGE: Final = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})", re.ASCII)


def _nothing() -> None: ...


@dataclass(slots=True)
class Found:
    """A file that is there. `size` in bytes, `modified` in Unix seconds, `etag` with its quotes or "".

    handle  what the place itself needs to read it        close  gives that up; may be called twice
    """

    size: int
    modified: float
    etag: str = ""
    handle: Any = None
    close: Callable[[], None] = _nothing

    @property
    def headers(self) -> dict[bytes, bytes]:
        told = {
            b"content-type": b"application/octet-stream",
            b"accept-ranges": b"bytes",
            b"last-modified": formatdate(self.modified, usegmt=True).encode("ascii"),
        }
        return {**told, b"etag": self.etag.encode("ascii")} if self.etag else told


class Shelf(Protocol):
    """A place with files. Names are lists of segments below the registered folder, checked before they come here."""

    async def find(self, name: list[str], left_s: float) -> Found | None:
        """The file, or None where there is none; raises Refusal."""

    def parts(self, found: Found, first: int, length: int) -> AsyncIterator[bytes]:
        """`length` bytes from `first` on, in parts; raises UpstreamFault where they break off."""

    async def probe(self, left_s: float) -> None:
        """Whether the place is there; raises Refusal."""

    def close(self) -> None:
        """End what is kept open."""


@dataclass(frozen=True, slots=True)
class Span:
    """Which bytes of a file are answered."""

    first: int
    length: int
    is_part: bool = False

    def line(self, size: int) -> bytes:
        """Content-Range (RFC 9110 section 14.4)."""
        return b"bytes %d-%d/%d" % (self.first, self.first + self.length - 1, size)


def span_of(header: str, size: int) -> Span:
    """What a header Range means for a file of this size; raises Refusal where it lies outside.

    One range is honoured; several, other units and what cannot be read are ignored, as RFC 9110 section 14.2 allows.
    """
    matched = _RANGE.fullmatch(header.replace(" ", ""))
    if not matched or matched[0] == "bytes=-" or (matched[1] and matched[2] and int(matched[1]) > int(matched[2])):
        return Span(0, size)
    if not matched[1]:
        first, last = max(0, size - int(matched[2])), size - 1
    else:
        first, last = int(matched[1]), min(size - 1, int(matched[2] or size - 1))
    if first > last:
        raise Refusal(codes.RANGE_NOT_SATISFIABLE, f"the file has {size} bytes", size=size)
    return Span(first, last - first + 1, is_part=True)


def whole_name(text: str) -> list[str]:
    """The segments of a name that stays where it is put; raises Refusal."""
    segments = text.split("/")
    for segment in segments:
        odd = any(c < " " or c == "\x7f" or c == "\\" or "\ud800" <= c <= "\udfff" for c in segment)
        if not segment or segment.startswith(".") or odd or len(segment.encode("utf-8", "replace")) > 255:
            raise Refusal(codes.NOT_MATCHING_SCHEMA, "not the name of a file", path="")
    return segments
