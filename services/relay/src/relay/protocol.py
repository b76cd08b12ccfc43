"""The fast lane's front: uvicorn's httptools protocol, strict, with time limits, and with a short cut for calls.

A request whose path starts with the service's call prefix is handed to its handler as a `Call`, without ASGI. All else
falls through to FastAPI unchanged: one port, one process, one parser for both lanes.

Rules: a head has to be complete 5 s after its first byte, a body 20 s after its head, an idle connection ends after
10 s, a client that does not take 64 KiB of its answer in 30 s is cut off; an address may hold so many connections and
no more. What arrives before the answer to the request
before it (pipelining) is not read: the connection ends with the answer under way (RFC 9112 section 9.3.2: the client
may retry).
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from relay import strict
from relay.call import CONTINUE, STATUS_LINES, Call, ClientGone, RequestCut
from relay.crowd import Crowd
from relay.heads import ReadyLines
from relay.inflow import Inflow, Padding
from relay.outflow import Outflow
from relay.strict import MAX_FIELDS
from relay.waiting import drive

log = structlog.get_logger()
Handler = Callable[[Call], Coroutine[Any, Any, None]]
IDLE_S, HEAD_S, BODY_S, LINGER_S, STUCK_S = 10.0, 5.0, 20.0, 1.0, 30.0
SWEEP_S = 0.25
MIN_PROGRESS_BYTES = 64 * 1024
OTHER_BODY_BYTES = 10 * 1024 * 1024
"""The largest body on the other lane; calls are limited by their handlers."""
NEVER = float("inf")
CERTIFICATE = "client_certificate"
"""Where a request on the other lane has the DER of its client's certificate, verified in TLS: scope["state"]."""


class Behind(Exception):
    """Tells the parser to stop: a request came before the answer to the one before it."""


class CallProtocol(HttpToolsProtocol):
    """One client connection."""

    prefix: ClassVar[bytes | tuple[bytes, ...]]
    refused: ClassVar[bytes] = b""
    handle: ClassVar[Handler]
    crowd: ClassVar[Crowd]
    dated: ClassVar[ReadyLines]

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.parser = httptools.HttpRequestParser(self)  # uvicorn's own is set to a lenient mode
        self.call: Call | None = None
        self._ready: Call | None = None  # its head is complete, its handler not yet started
        self._rejected: strict.Rejected | None = None
        self._deadline = NEVER
        self._next_s = 0.0  # what comes next has so long, counted from the piece that is being parsed; 0: as before
        self._in_head = False
        self._head_bytes = 0  # of all pieces that had a part of the head
        self._other_bytes = 0
        self._padding = Padding()
        self._last = False  # the answer under way is the last one
        self._deaf = False  # whatever else arrives is not read
        self._reading = False  # the request under way has not arrived completely
        self._half_closed = False  # the client sends no more, and may still read
        self._unsent = NEVER  # bytes that waited for the client when its time began

    # --- connection
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.address = self.client[0] if self.client else ""  # the IP address, where the connection has one
        self.secure = self.scheme == "https"
        self.certificate = _certificate_of(transport)
        if self.certificate:
            self.app_state = {**self.app_state, CERTIFICATE: self.certificate}
        self.out = Outflow(transport)
        self._deadline = self.loop.time() + IDLE_S
        self._counted = type(self).crowd.enter(self.address)
        if not self._counted:
            self._refuse_request(strict.Rejected(429, "too many connections from one address"))
        if not getattr(self.server_state, "sweeping", False):
            self.server_state.sweeping = True  # type: ignore[attr-defined]  # one sweep for all connections
            self.loop.call_later(SWEEP_S, _sweep, self.loop, self.server_state)

    def connection_lost(self, exc: Exception | None) -> None:
        self._deadline = NEVER
        self.out.lose()
        if self._counted:
            type(self).crowd.leave(self.address)
        if self.call is not None:
            self.call.body.fail(ClientGone())
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unsent = self.transport.get_write_buffer_size()
        self._deadline = self.loop.time() + STUCK_S
        self.out.pause()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._unsent = NEVER
        self._deadline = NEVER if self._busy() else self.loop.time() + (LINGER_S if self._deaf else IDLE_S)
        self.out.resume()

    def shutdown(self) -> None:
        """The server drains: calls under way are answered, then the connection ends."""
        if self.call is None:
            super().shutdown()
        else:
            self._last = True

    def late(self, now: float) -> None:
        """Called by the sweep: end the connection if its time is over."""
        if now < self._deadline:
            return
        unsent = self.transport.get_write_buffer_size()
        if (self._in_head or self._reading) and not self.transport.is_closing():
            self._refuse(strict.Rejected(408, "the request did not arrive in time"))
        elif unsent and unsent <= self._unsent - MIN_PROGRESS_BYTES:
            self._unsent, self._deadline = unsent, now + STUCK_S  # slow, but it reads
        else:
            self.transport.abort()

    # --- bytes in
    def data_received(self, data: bytes) -> None:
        if self._deaf or self.transport.is_closing():
            return
        if self.timeout_keep_alive_task is not None:
            self._unset_keepalive_if_required()
        rejected = self._parse(data)
        if self._next_s:
            self._deadline, self._next_s = self.loop.time() + self._next_s, 0.0
        if rejected is not None:
            if self._reading or not self._busy():
                self._refuse(rejected)
                return
            self._stop_listening()  # the request before it is whole, and is answered
        if self._ready is not None:
            call, self._ready = self._ready, None
            drive(type(self).handle(call), call.crashed, call.returned)
        elif self.call is not None:
            self.call.body.settle()

    def _parse(self, data: bytes) -> strict.Rejected | None:
        """Feed the parser; why the connection has to end, where it has to."""
        in_body = self._reading and not self._in_head
        self._head_bytes = self._head_bytes + len(data) if self._in_head else len(data)
        if in_body:
            self._padding.arrived(len(data))
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            return strict.Rejected(400, "no upgrade is offered")
        except httptools.HttpParserError:
            if self._deaf:
                return None  # it was stopped before the request behind the one under way
            return self._rejected or strict.Rejected(
                400, "not a valid HTTP/1.1 request; bytes outside ASCII have to be percent-encoded"
            )
        if self._in_head and self._head_bytes > strict.MAX_HEAD_BYTES:
            return strict.Rejected(431, "the head is too large")
        if in_body and self._padding.too_much:
            return strict.Rejected(400, "too much around the body")
        return None

    def _stop_listening(self) -> None:
        """What came behind the request under way is not read: its answer is the last one."""
        self._deaf = self._last = True
        if self.call is None:
            self.cycle.keep_alive = False

    def _busy(self) -> bool:
        """Whether a request of either lane is still unanswered."""
        cycle: Any = self.cycle  # None before the first request, whatever uvicorn's annotation says
        return self.call is not None or (cycle is not None and not cycle.response_complete)

    def _reject(self, rejected: strict.Rejected) -> None:
        """From inside a parser callback: httptools turns any exception into one of its own."""
        self._rejected = rejected
        raise rejected

    def _refuse(self, rejected: strict.Rejected) -> None:
        """Answer a request that nobody will handle, and end the connection."""
        self._deaf = True
        if self.call is not None:
            self._refuse_call(self.call, rejected)
        elif self._in_head or not self._reading:
            self._refuse_request(rejected)
        elif self._busy() and not self.cycle.response_started:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
            self._refuse_request(rejected)
        else:  # it has been answered, and one answer is all that it may get
            self.transport.abort()

    def _refuse_call(self, call: Call, rejected: strict.Rejected) -> None:
        """Its handler learns it while it reads the body, and may answer in its own words at once."""
        self._last = True
        call.body.fail(RequestCut(rejected.status, rejected.reason))
        if not call.answered:
            call.abort() if call.started else call.answer(rejected.status, headers=type(self).refused)

    def _refuse_request(self, rejected: strict.Rejected) -> None:
        body = rejected.reason.encode() + b"\n"
        allow = strict.ALLOW if rejected.status == 405 else b""
        head = b"content-type: text/plain\r\ncontent-length: %d\r\nconnection: close\r\n\r\n" % len(body)
        self.out.write(STATUS_LINES[rejected.status] + type(self).refused + allow + head + body)
        self._linger()

    def _linger(self) -> None:
        """Close, but let the client read first: closing with unread bytes would reset the connection."""
        self._deaf = True
        self._in_head = self._reading = False
        if self.transport.is_closing():
            return
        self.flow.resume_reading()
        self._deadline = self.loop.time() + (LINGER_S if self._unsent == NEVER else STUCK_S)
        if self.transport.can_write_eof() and not self._half_closed:
            self.transport.write_eof()
        else:
            self.transport.close()

    def eof_received(self) -> bool:  # type: ignore[override]  # asyncio looks at what it returns
        """The client sends no more. A call that has arrived is still answered; all else ends, as in uvicorn."""
        if self.call is None or self._reading:
            self.out.lose()
            if self.call is not None:
                self.call.body.fail(ClientGone())
            return False
        self._deaf = self._last = self._half_closed = True
        return self.transport.can_write_eof()

    # --- the parser's callbacks
    def on_message_begin(self) -> None:
        if self._busy():
            self._stop_listening()
            raise Behind
        self.url = b""
        self.headers = []
        self._in_head = self._reading = True
        self._other_bytes = 0
        self._padding.clear()
        self._next_s = HEAD_S

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # trailers are ignored, never merged (RFC 9110 section 6.5.1)
            fields = self.headers
            if len(fields) >= MAX_FIELDS:
                self._reject(strict.Rejected(431, "too many header fields"))
            fields.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        method, version = self.parser.get_method(), self.parser.get_http_version()
        is_call = self.url.startswith(self.prefix)
        try:
            fields = strict.check_head(method, version, self.url, self.headers, self._head_bytes)
            if self.parser.should_upgrade():
                raise strict.Rejected(400, "no upgrade is offered")
            if not is_call:
                self._check_length(int(fields.get(b"content-length", b"0")))
        except strict.Rejected as rejected:
            self._reject(rejected)
        self._in_head = False
        self._next_s = BODY_S
        if is_call:
            self._begin_call(method, version, fields)
        else:
            self._begin_request(fields)

    def _check_length(self, length: int) -> None:
        if length > OTHER_BODY_BYTES:
            raise strict.Rejected(413, f"more than {OTHER_BODY_BYTES} bytes")

    def _begin_call(self, method: bytes, version: str, fields: dict[bytes, bytes]) -> None:
        body = Inflow(self._pause_reading, self._resume_reading)
        length = fields.get(b"content-length")
        body.announced = int(length) if length else None if b"transfer-encoding" in fields else 0
        if version == "1.0" or not self.parser.should_keep_alive():
            self._last = True
        self.call = self._ready = Call(
            method, self.url, fields, self.address, version, body, self.out, self._closing_lines, self._answered,
            self.certificate, self.secure,
        )  # fmt: skip

    def _begin_request(self, fields: dict[bytes, bytes]) -> None:
        """The other lane: what uvicorn does at the start of a message, with what has been read kept."""
        url, headers = self.url, self.headers
        super().on_message_begin()
        self.url, self.expect_100_continue = url, fields.get(b"expect", b"").lower() == CONTINUE
        self.headers.extend(headers)
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._padding.was_body(len(body))
        if self.call is not None:
            self.call.body.feed(body)
            if self.call.body.streams:
                self._next_s = BODY_S
            return
        self._other_bytes += len(body)
        try:
            self._check_length(self._other_bytes)
        except strict.Rejected as rejected:
            self._reject(rejected)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._reading = False
        if self.call is not None:
            self._next_s = NEVER
            self.call.body.complete = True
        else:
            self._next_s = NEVER if self._busy() else IDLE_S
            super().on_message_complete()

    def _pause_reading(self) -> None:
        """The handler is behind: that is not the client's delay."""
        if self._reading:  # else the connection has gone on to something else
            self.flow.pause_reading()
            self._deadline = NEVER

    def _resume_reading(self) -> None:
        if self._reading:
            self.flow.resume_reading()
            self._deadline = self.loop.time() + BODY_S

    # --- answers
    def _closing_lines(self) -> bytes:
        """Lines that every answer of this connection gets: the date, and `close` where it is the last."""
        date = self.dated.of(self.server_state.default_headers)
        if not self._last and not self._reading:
            return date
        self._last = True
        return date + b"connection: close\r\n"

    def _answered(self, keep: bool) -> None:
        self.server_state.total_requests += 1
        self.call = None
        if not keep:
            self.transport.abort()
        elif self._last or self._reading:
            self._linger()
        else:
            self._deadline = self.loop.time() + IDLE_S
            if self.flow.read_paused:  # by a body that nobody took
                self.flow.resume_reading()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if not self._reading:  # else its body has the time that it has
            self._deadline = self.loop.time() + IDLE_S


def _certificate_of(transport: asyncio.BaseTransport) -> bytes:
    """DER of the client's certificate; b"" where it sent none, or there is no TLS."""
    line = transport.get_extra_info("ssl_object")
    return (line.getpeercert(binary_form=True) or b"") if line is not None else b""


def _sweep(loop: asyncio.AbstractEventLoop, server_state: Any) -> None:
    """End what is over time on all connections of one server; one timer instead of one for each request."""
    now = loop.time()
    for connection in list(server_state.connections):
        connection.late(now)
    server_state.sweeping = bool(server_state.connections)
    if server_state.sweeping:
        loop.call_later(SWEEP_S, _sweep, loop, server_state)


def call_protocol(
    prefix: bytes | tuple[bytes, ...], handle: Handler, refused: bytes = b"", crowd: Crowd | None = None
) -> type[CallProtocol]:
    """The protocol class of one service: requests below `prefix`, or one of several, go to `handle`.

    refused  header lines for answers to what is not a request at all, each ending in CRLF
    crowd    limits the connections of one address; without it there may be any number
    """
    members = {
        "prefix": prefix, "handle": staticmethod(handle), "refused": refused, "crowd": crowd or Crowd(0),
        "dated": ReadyLines(),
    }  # fmt: skip
    return type("ServiceProtocol", (CallProtocol,), members)
