"""A body that is arriving, on either side of us: read whole up to a limit, or chunk by chunk with back-pressure.

The parser's callbacks only note what came; the reader runs in `settle`, when the parser has returned.
"""

from collections.abc import Callable

from relay.waiting import Promise

HIGH_WATER_BYTES = 256 * 1024
"""More than this waiting for its reader, and the peer is made to wait."""
MAX_PADDING_BYTES = 16 * 1024
SMALL_BYTES = 1024
"""Chunks are kept together up to this size: a million chunks of one byte would take forty times their size."""


class BodyTooLarge(Exception):
    """More bytes came, or were announced, than `limit`."""

    def __init__(self, limit: int) -> None:
        super().__init__(f"body over {limit} bytes")
        self.limit = limit


class Padding:
    """What a chunked body carries beside itself: chunk sizes, extensions, trailers. Nobody reads it, so it is bounded.

    Each chunk may come with 16 bytes and its own length of it; what is beyond adds up.
    """

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = 0

    @property
    def too_much(self) -> bool:
        return self._bytes > MAX_PADDING_BYTES

    def arrived(self, size: int) -> None:
        """Bytes of a message whose head is complete, before they are parsed."""
        self._bytes += size

    def was_body(self, size: int) -> None:
        """The parser found a piece of the body in them."""
        rest = self._bytes - 2 * size - 16
        self._bytes = rest if rest > 0 else 0

    def clear(self) -> None:
        self._bytes = 0


class Inflow:
    """Bytes in the order of arrival. `pause` and `resume` stop and start the peer."""

    __slots__ = (
        "_chunks", "_enough", "_error", "_pause", "_paused", "_resume", "_size", "_waiter", "announced", "complete",
        "streams",
    )  # fmt: skip

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._chunks: list[bytes] = []
        self._size = 0
        self._pause = pause
        self._resume = resume
        self._paused = False
        self._waiter: Promise[None] | None = None
        self._enough = 0
        self._error: Exception | None = None
        self.complete = False
        self.announced: int | None = None
        """Its size, where the head told it."""
        self.streams = False
        """The body is taken chunk by chunk: its time limit counts from the last chunk, not from the head."""

    # --- the parser's side
    def feed(self, chunk: bytes) -> None:
        self._size += len(chunk)
        if self._chunks and len(chunk) + len(self._chunks[-1]) <= SMALL_BYTES:
            self._chunks[-1] += chunk
        else:
            self._chunks.append(chunk)

    def end(self) -> None:
        self.complete = True

    def settle(self) -> None:
        """Run the reader if what it waits for is here; hold the peer back where nobody is reading."""
        if self._waiter is not None and (self.complete or self._size > self._enough):
            self._wake()
        if self._size > HIGH_WATER_BYTES and self._waiter is None and not self._paused and not self.complete:
            self._paused = True
            self._pause()

    def fail(self, error: Exception) -> None:
        """The rest will not come."""
        if not self.complete and self._error is None:
            self._error = error
            self._wake()

    def _wake(self) -> None:
        waiter, self._waiter = self._waiter, None
        if waiter is not None:
            waiter.resolve(None)

    # --- the reader's side
    @property
    def failed(self) -> bool:
        return self._error is not None

    async def read(self, limit: int) -> bytes:
        """The whole body; raises BodyTooLarge, or what the connection failed with."""
        if self.announced is not None and self.announced > limit:
            raise BodyTooLarge(limit)
        while not self.complete:
            self._check(limit)
            await self._more(limit)
        self._check(limit)
        return self._take() if self._chunks else b""

    def _check(self, limit: int) -> None:
        if self._size > limit:
            raise BodyTooLarge(limit)
        if self._error is not None:
            self._chunks.clear()  # an error that was raised is in a cycle with us: nothing large may wait in it
            raise self._error

    async def chunk(self) -> bytes:
        """The next bytes, b"" after the last; raises what the connection failed with."""
        self.streams = True
        while not self._chunks:
            if self._error is not None:
                raise self._error
            if self.complete:
                return b""
            await self._more(0)
        return self._take()

    async def _more(self, enough: int) -> None:
        """Wait for the end, or for more than `enough` bytes."""
        self._enough = enough
        self._waiter = Promise()
        self._go_on()
        await self._waiter

    def _take(self) -> bytes:
        body = self._chunks[0] if len(self._chunks) == 1 else b"".join(self._chunks)
        self._chunks.clear()
        self._size = 0
        self._go_on()
        return body

    def _go_on(self) -> None:
        """After the end the connection belongs to the next message: it is no longer ours to start or stop."""
        if self._paused and not self.complete:
            self._paused = False
            self._resume()
