"""One kept connection to an origin, carrying one request at a time.

An answer is parsed by llhttp; what could be read in two ways ends the connection. A connection is free again only
after a request that was sent to its end and an answer that was whole and had nothing behind it.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import httptools

from relay.inflow import Inflow, Padding
from relay.outflow import Outflow
from relay.waiting import Promise

MAX_HEAD_BYTES = 32 * 1024
MAX_INTERIM_ANSWERS = 8
NEVER = float("inf")
ONCE = (b"content-length", b"transfer-encoding", b"content-type")


class UpstreamFault(Exception):
    """The origin did not give an answer. `sent` says whether the request may have reached it."""

    def __init__(self, reason: str, *, sent: bool) -> None:
        super().__init__(reason)
        self.sent = sent


class Unreachable(UpstreamFault):
    """No connection could be made."""


class TimedOut(UpstreamFault):
    """The deadline passed."""


class Broken(UpstreamFault):
    """The answer was cut off, or is not valid HTTP."""


class Cut(Broken):
    """The request was sent, and the connection ended before the head of the answer: nobody knows what became of it."""


class Stale(Cut):
    """A kept connection ended before a byte of the answer came: most likely the origin had closed it already."""


class Answer:
    """An answer whose head has arrived. `headers` has lower-case names; repeated ones are joined with a comma."""

    __slots__ = ("_connection", "body", "headers", "status")

    def __init__(self, status: int, headers: dict[bytes, bytes], body: Inflow, connection: "Connection") -> None:
        self.status = status
        self.headers = headers
        self.body = body
        self._connection = connection

    def discard(self) -> None:
        """The rest of the body is not wanted: the connection ends, unless everything is here already."""
        if not self.body.complete:
            self._connection.fail(Broken("discarded", sent=True))


class Connection(asyncio.Protocol):
    """One connection."""

    def __init__(self, freed: Callable[["Connection"], None], gone: Callable[["Connection"], None]) -> None:
        """freed  told when the connection can take the next request; gone, when it never will"""
        self._loop = asyncio.get_running_loop()
        self._freed = freed
        self._gone = gone
        self._parser: Any = httptools.HttpResponseParser(self)
        self._reply: Promise[Answer] | None = None
        self._answer: Answer | None = None
        self._headers: dict[bytes, bytes] = {}
        self._interim = 0
        self._head_bytes = 0  # received before the head was complete
        self._field_bytes = 0  # of this head
        self._padding = Padding()
        self._until_close = False
        self._is_head = False
        self._keep = False  # the origin keeps the connection after this answer
        self._sending = False  # the request is not yet sent to its end
        self._timeout_s = 0.0
        self.deadline = NEVER
        self.idle_since = 0.0
        self.lost = False
        self.fresh = True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: asyncio.Transport = transport  # type: ignore[assignment]  # TCP gives no other kind
        self._out = Outflow(self._transport)

    # --- one request
    def send(self, request: bytes, is_head: bool, timeout_s: float) -> Promise[Answer]:
        """Send a whole request. Of its answer the head will be here then, or it fails with an UpstreamFault."""
        self._reply = reply = Promise[Answer]()
        self._answer = None
        self._is_head = is_head
        self.deadline = self._loop.time() + timeout_s
        self._timeout_s = timeout_s
        self._out.write(request)
        return reply

    async def send_parts(self, head: bytes, body: AsyncIterator[bytes], is_head: bool, timeout_s: float) -> Answer:
        """The same with a body that is still arriving. An answer before its end leaves the rest unsent."""
        self._sending = True
        reply = self.send(head, is_head, timeout_s)
        await self._pass_on(body, reply)
        return await reply

    async def _pass_on(self, body: AsyncIterator[bytes], reply: Promise[Answer]) -> None:
        try:
            async for chunk in body:
                if self.lost or reply.done:
                    return
                self._out.write(chunk)
                self._still_moving()
                await self._out.caught_up()
                if not reply.done:
                    self.deadline = NEVER  # whoever gives the body has a time limit of its own
        except Exception:
            self.fail(Broken("the request was not finished", sent=True))
            raise
        if not reply.done:
            self._sending = False
            self._still_moving()

    def _still_moving(self) -> None:
        """Streams are limited by their pauses, not by their length."""
        self.deadline = self._loop.time() + self._timeout_s

    def fail(self, error: UpstreamFault) -> None:
        """End the request under way with `error`, and the connection with it."""
        self.deadline = NEVER
        self.lost = True
        reply, self._reply = self._reply, None
        answer, self._answer = self._answer, None
        self._transport.abort()
        self._gone(self)
        if answer is not None:
            answer.body.fail(error)
        if reply is not None:
            reply.fail(error)

    # --- bytes in
    def data_received(self, data: bytes) -> None:
        if self._answer is not None:
            self._padding.arrived(len(data))
        elif self._reply is not None:
            self._head_bytes += len(data)
        else:
            self._drop()  # an answer to nothing: never let it meet the next question
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self.fail(Broken(f"not a valid answer: {error.__context__ or error}", sent=True))
            return
        if self._head_bytes > MAX_HEAD_BYTES if self._answer is None else self._padding.too_much:
            self.fail(Broken("the head of the answer, or what surrounds its body, is too large", sent=True))
            return
        self._go_on()

    def _go_on(self) -> None:
        """Tell those who wait what has arrived; free the connection before they ask for the next one."""
        answer, reply = self._answer, self._reply
        if answer is None:
            return
        self._reply = None
        if answer.body.complete:
            self._release()
        if reply is not None:
            reply.resolve(answer)
        answer.body.settle()

    def on_message_begin(self) -> None:
        if self._answer is not None:
            raise ValueError("a second answer")
        self._headers = {}
        self._field_bytes = 0
        self._keep = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._answer is not None:
            return  # trailers are ignored, never merged (RFC 9110 section 6.5.1)
        name = name.lower()
        self._field_bytes += len(name) + len(value) + 4
        if self._field_bytes > MAX_HEAD_BYTES:
            raise ValueError("the head is too large")
        if name in self._headers:
            if name in ONCE:
                raise ValueError("a header that may stand only once stands twice")
            value = self._headers[name] + b", " + value
        self._headers[name] = value

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if 100 <= status < 200:
            self._interim += 1
            if status == 101 or self._interim > MAX_INTERIM_ANSWERS:
                raise ValueError("an interim answer that was not asked for")
            return
        self._check_head(status, self._parser.get_http_version())
        body = Inflow(self._pause_reading, self._resume_reading)
        length = self._headers.get(b"content-length")
        body.announced = int(length) if length is not None and not self._is_head else None
        self._until_close = length is None and b"transfer-encoding" not in self._headers and status not in (204, 304)
        self._answer = Answer(status, self._headers, body, self)
        if self._is_head:
            body.end()

    def _check_head(self, status: int, version: str) -> None:
        """What llhttp lets pass and could be read in two ways."""
        if not 200 <= status < 600 or version not in ("1.1", "1.0"):
            raise ValueError("no status of HTTP/1.1")
        coding = self._headers.get(b"transfer-encoding")
        if coding is not None and (coding.lower() != b"chunked" or version == "1.0"):
            raise ValueError("a transfer coding that was not asked for")
        if coding is not None and b"content-length" in self._headers:
            raise ValueError("two lengths")

    def _pause_reading(self) -> None:
        """Our own reader is behind: that is not the origin's delay."""
        if not self.lost:
            self.deadline = NEVER
            self._transport.pause_reading()

    def _resume_reading(self) -> None:
        if not self.lost:
            if self._answer is not None:
                self._still_moving()
            self._transport.resume_reading()

    def on_body(self, chunk: bytes) -> None:
        if self._answer is None or self._is_head:
            raise ValueError("a body where there can be none")
        self._padding.was_body(len(chunk))
        self._answer.body.feed(chunk)
        if self._answer.body.streams:
            self._still_moving()

    def on_message_complete(self) -> None:
        if self._answer is not None:
            self._keep = self._parser.should_keep_alive()  # llhttp knows it only until the end of the message
            self._answer.body.end()

    def _release(self) -> None:
        """The answer is whole: keep the connection if origin and parser are ready for the next one and ours is sent.

        The parser is not after HEAD: nobody can tell it that the announced body will not come.
        """
        self.deadline = NEVER
        self._answer = None
        self._head_bytes = self._interim = 0
        self._padding.clear()
        self.fresh = False
        if self._keep and not self._sending and not self.lost:
            self._transport.resume_reading()  # its last reader may have left it paused
            self._freed(self)
        else:
            self.close()
            self._gone(self)

    def _drop(self) -> None:
        """Nobody may use this connection again."""
        self.lost = True
        self._transport.abort()
        self._gone(self)

    # --- the transport's side
    def pause_writing(self) -> None:
        self._out.pause()

    def resume_writing(self) -> None:
        self._out.resume()

    def eof_received(self) -> None:
        """An answer without a length ends with the connection (RFC 9112 section 6.3)."""
        if self._answer is not None and self._until_close and not self._answer.body.complete:
            self._answer.body.end()
            self._go_on()
        elif self._reply is None and self._answer is None:
            self._drop()

    def connection_lost(self, error: Exception | None) -> None:
        kept, self.lost = not self.fresh, True
        self._out.lose()
        if self._reply is not None and kept and self._head_bytes == 0:
            self.fail(Stale("the kept connection was closed", sent=True))
        elif self._reply is not None:
            self.fail(Cut("the connection was cut", sent=True))
        elif self._answer is not None:
            self.fail(Broken("the connection was cut", sent=True))
        else:
            self._gone(self)

    def close(self) -> None:
        """End it; nothing is under way on it."""
        if not self.lost:
            self.lost = True
            try:
                self._transport.close()
            except RuntimeError:  # TLS that the origin has just ended, with its answer: asyncio and uvloop alike
                self._transport.abort()
