"""What both ends of a framed connection have in common: frames out once a turn, bodies in parts, records in."""

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Generic, TypeVar

import structlog

from relay.hop.frames import ENOUGH_BYTES, PART_BYTES, BadRecord, Incoming, Outgoing, Part
from relay.hop.greeting import BadGreeting
from relay.outflow import Outflow

log = structlog.get_logger()
F = TypeVar("F")
HIGH_WATER_BYTES = 256 * 1024
"""With more than this waiting for the other end no parts of bodies follow, an asking end asks nothing new, and an
answering one reads nothing new: what still comes is bounded by calls under way."""


class Gathered:
    """A body that comes in parts. What lies behind the first that leads beyond the limit is not kept."""

    __slots__ = ("_limit_bytes", "_parts", "_size")

    def __init__(self, first: bytes, limit_bytes: int) -> None:
        self._parts = [first]
        self._size = len(first)
        self._limit_bytes = limit_bytes

    def add(self, part: bytes) -> None:
        if self._size <= self._limit_bytes:
            self._parts.append(part)
            self._size += len(part)

    def whole(self) -> bytes:
        """The body; longer than the limit where it was."""
        return b"".join(self._parts)


class Line(asyncio.Protocol, Generic[F]):
    """One end of one connection. Until both ends have greeted each other bytes go to `greet`, then frames to `take`."""

    def __init__(self) -> None:
        self.lost = False
        self.heard = False
        """Whether anything came since somebody last looked, and set this back."""
        self._loop = asyncio.get_running_loop()
        self._greeted = False
        self._words = bytearray()  # of the greeting
        self._frames_out: Outgoing
        self._frames_in: Incoming[F]
        self._bodies: deque[tuple[int, bytes, int]] = deque()  # number, body, bytes of it that were sent
        self._flushing = False
        self._behind = False  # the other end does not read as fast as we write

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP gives no other kind
        self._transport.set_write_buffer_limits(HIGH_WATER_BYTES)
        self._out = Outflow(self._transport)

    # --- what an end does with what it hears
    def greet(self, words: bytearray) -> None:
        """Take the parts of the greeting that are whole off `words`; raises BadGreeting."""
        raise NotImplementedError

    def take(self, frame: F) -> None:
        """One frame; raises BadRecord where it makes no sense."""
        raise NotImplementedError

    # --- bytes in
    def data_received(self, data: bytes) -> None:
        self.heard = True
        try:
            if not self._greeted:
                data = self._greet(data)
            if self._greeted and data:
                for frame in self._frames_in.feed(data):
                    self.take(frame)
        except (BadGreeting, BadRecord) as wrong:
            self.end(wrong)

    def _greet(self, data: bytes) -> bytes:
        """What of `data` comes behind the greeting."""
        self._words += data
        self.greet(self._words)
        if not self._greeted:
            return b""
        behind, self._words = bytes(self._words), bytearray()
        return behind

    def greeted(self, sealed_with: bytes, opened_with: Callable[[], Incoming[F]]) -> None:
        """From here on there are records."""
        self._greeted = True
        self._frames_out = Outgoing(sealed_with)
        self._frames_in = opened_with()

    def end(self, why: Exception) -> None:
        """The other end did what it should not have: nothing that comes from it counts any more."""
        if self._greeted:
            log.error("frames.ended", reason=str(why))
        self._transport.abort()

    # --- frames out
    def say(self, frame: Any) -> None:
        """Send a frame with all others of this turn; raises TooLong, and what msgspec raises."""
        if self.lost:
            return
        self._frames_out.add(frame)
        if self._frames_out.size > ENOUGH_BYTES:
            self._out.write(self._frames_out.seal())
        self._flush_later()

    def say_rest(self, number: int, body: bytes) -> None:
        """Send the parts of a body behind the first, each in a turn of its own: nobody waits for all of them."""
        self._bodies.append((number, body, PART_BYTES))
        self._flush_later()

    def _flush_later(self) -> None:
        if not self._flushing:
            self._flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        self._flushing = False
        if self.lost:
            return
        while self._bodies and not self._behind and self._frames_out.size < ENOUGH_BYTES:
            self._say_part(*self._bodies.popleft())
        if not self._frames_out.is_empty:
            self._out.write(self._frames_out.seal())
        if self._bodies and not self._behind:
            self._flush_later()

    def _say_part(self, number: int, body: bytes, sent: int) -> None:
        upto = sent + PART_BYTES
        self._frames_out.add(Part(number, body[sent:upto], more=upto < len(body)))
        if upto < len(body):
            self._bodies.append((number, body, upto))

    # --- the transport's side
    def pause_writing(self) -> None:
        self._behind = True

    def resume_writing(self) -> None:
        self._behind = False
        if self._bodies:
            self._flush_later()

    def connection_lost(self, error: Exception | None) -> None:
        self.lost = True
        self._out.lose()
        self._bodies.clear()

    def close(self) -> None:
        """End it, after what was written has left."""
        if not self.lost:
            self._flush()
            self._transport.close()
