"""One request on the fast lane, and the one answer that it gets."""

from collections.abc import AsyncIterator, Callable
from http import HTTPStatus

import structlog

from relay.heads import chunked
from relay.inflow import BodyTooLarge, Inflow
from relay.outflow import Outflow
from relay.strict import Rejected

__all__ = ["BodyTooLarge", "Call", "ClientGone", "RequestCut"]

log = structlog.get_logger()
PHRASES = {status.value: status.phrase for status in HTTPStatus}
STATUS_LINES = {status: f"HTTP/1.1 {status} {PHRASES.get(status, '')}\r\n".encode() for status in range(200, 600)}
NO_BODY = (204, 304)
CONTINUE = b"100-continue"
LONG_BYTES = 64 * 1024
"""Shorter bodies are cheaper copied behind their heads than handed over beside them."""


class ClientGone(Exception):
    """The client closed the connection; there is nobody left to answer."""


class RequestCut(ClientGone, Rejected):
    """The rest of the body is too slow or not valid. Whoever has not answered when this is raised need not: the
    connection does, with `status`."""


class Call:
    """A request whose head has been checked. `headers` has lower-case names, `target` is path and query as sent."""

    __slots__ = (
        "_answered", "_before_head", "_bodiless", "_chunked", "_expects_continue", "_left", "_old", "_out", "answered",
        "body", "certificate", "client", "headers", "method", "secure", "started", "target",
    )  # fmt: skip

    def __init__(
        self,
        method: bytes,
        target: bytes,
        headers: dict[bytes, bytes],
        client: str,
        version: str,
        body: Inflow,
        out: Outflow,
        before_head: Callable[[], bytes],
        answered: Callable[[bool], None],
        certificate: bytes = b"",
        secure: bool = False,
    ) -> None:
        """before_head  gives the lines that the connection adds (date, close)
        answered     told when the answer is complete, with False when the connection has to be broken off
        certificate  DER of the certificate that the client proved to hold in TLS, b"" for none
        secure       whether it came over TLS"""
        self.method = method
        self.target = target
        self.headers = headers
        self.client = client
        self.certificate = certificate
        self.secure = secure
        self.body = body
        self.started = False
        self.answered = False
        self._out = out
        self._before_head = before_head
        self._answered = answered
        self._chunked = False
        self._bodiless = method == b"HEAD"
        self._left: int | None = None  # bytes that were announced and not yet sent
        self._old = version == "1.0"
        self._expects_continue = b"expect" in headers and not self._old and headers[b"expect"].lower() == CONTINUE

    @property
    def gone(self) -> bool:
        """Whether the client has closed the connection."""
        return self._out.lost

    # --- the request
    async def read(self, limit: int) -> bytes:
        """The whole body, at most `limit` bytes; raises BodyTooLarge or ClientGone."""
        if self._expects_continue:
            self._invite()
        return await self.body.read(limit)

    async def chunk(self) -> bytes:
        """The next part of the body, b"" after the last; raises ClientGone."""
        if self._expects_continue:
            self._invite()
        return await self.body.chunk()

    async def parts(self, seen: Callable[[bytes], None] | None = None) -> AsyncIterator[bytes]:
        """The body as it goes on to another server, framed the way it came (`length` says which); raises ClientGone.

        seen  is shown every chunk without its framing
        """
        while chunk := await self.chunk():
            if seen is not None:
                seen(chunk)
            yield chunked(chunk) if self.length is None else chunk
        if self.length is None:
            yield chunked(b"")

    @property
    def length(self) -> int | None:
        """Size of the body in bytes; None where it was not announced."""
        return self.body.announced

    def _invite(self) -> None:
        """The client waits to be told that its body is wanted (RFC 9110 section 10.1.1)."""
        self._expects_continue = False
        if not self.body.complete:
            self._out.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    # --- the answer
    def answer(self, status: int, body: bytes = b"", headers: bytes = b"") -> None:
        """The whole answer at once. `headers` are ready lines, each ending in CRLF."""
        if self.started:
            return
        status_line, more = STATUS_LINES[status], self._before_head()
        self.started = True
        if status in NO_BODY:
            self._out.write(b"%b%b%b\r\n" % (status_line, headers, more))
        else:
            head = b"%b%bcontent-length: %d\r\n%b\r\n" % (status_line, headers, len(body), more)
            if self._bodiless:
                self._out.write(head)
            elif len(body) < LONG_BYTES:
                self._out.write(head + body)
            else:
                self._out.write_both(head, body)
        self._finished(keep=True)

    def start(self, status: int, headers: bytes, length: int | None) -> None:
        """Begin an answer that is sent in parts; `length` is its size in bytes where it is known.

        To HTTP/1.0 one of unknown size ends with the connection.
        """
        if self.started:
            return
        framing = b""
        if status in NO_BODY:
            self._bodiless = True
        elif length is not None:
            framing = b"content-length: %d\r\n" % length
            self._left = None if self._bodiless else length
        elif not self._old and not self._bodiless:
            self._chunked = True
            framing = b"transfer-encoding: chunked\r\n"
        self._out.write(self._head(status, headers + framing))

    async def send(self, chunk: bytes) -> None:
        """A part of the body; waits while the client is behind. Raises ClientGone."""
        if self.answered:
            raise ClientGone
        if chunk and not self._bodiless:
            self._write(chunk)
        await self._out.caught_up()
        if self.gone:
            raise ClientGone

    def _write(self, chunk: bytes) -> None:
        if self._left is not None:
            if len(chunk) > self._left:
                self.abort()
                raise ValueError("more was sent than announced: the rest would be taken for the next answer")
            self._left -= len(chunk)
        self._out.write(b"%x\r\n%b\r\n" % (len(chunk), chunk) if self._chunked else chunk)

    def finish(self, last: bytes = b"") -> None:
        """The answer is whole: until now the client could tell that something was missing.

        last  held back until here: with an announced length the client would take the answer for whole, and ask again,
              before we know that it is
        """
        if self.answered:
            return
        if last and not self._bodiless:
            self._write(last)
        if self._chunked:
            self._out.write(b"0\r\n\r\n")
        self._finished(keep=not self._left)

    def abort(self) -> None:
        """Break the connection off, so that a partial answer cannot be taken for a whole one."""
        self._finished(keep=False)

    def _head(self, status: int, lines: bytes) -> bytes:
        head = STATUS_LINES[status] + lines + self._before_head() + b"\r\n"
        self.started = True
        return head

    def _finished(self, *, keep: bool) -> None:
        if not self.answered:
            self.answered = True
            self._answered(keep)

    # --- the handler's end
    def crashed(self) -> None:
        """The handler failed: nobody else will end this answer."""
        if self.started:
            self.abort()
        else:
            self.answer(500, b"internal error\n", b"content-type: text/plain\r\n")

    def returned(self) -> None:
        """The handler came to its end; that it left a client without an answer is a fault of it."""
        if not self.answered and not self.gone and not self.body.failed:
            log.error("call.unanswered", method=self.method.decode())
            self.crashed()
