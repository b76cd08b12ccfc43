"""An origin whose every byte is scripted by the test: what no well-behaved server would do."""

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from relay.heads import request_head
from relay.upstream import Upstream

HOST = "127.0.0.1"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
GET = request_head(b"GET", b"/", b"origin", [], 0)


class Line:
    """One connection as the origin sees it."""

    def __init__(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.number = number
        self.reader = reader
        self.writer = writer

    async def request(self) -> tuple[bytes, bytes]:
        """Head and body of the next request; raises IncompleteReadError when there is none."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
        if fields.get(b"transfer-encoding") != b"chunked":
            return head, await self.reader.readexactly(int(fields.get(b"content-length", b"0")))
        body = b""
        while size := int(await self.reader.readuntil(b"\r\n"), 16):
            body += (await self.reader.readexactly(size + 2))[:-2]
        await self.reader.readexactly(2)
        return head, body

    async def say(self, data: bytes) -> None:
        try:
            self.writer.write(data)
        except RuntimeError as error:  # how uvloop says that the other side has gone
            raise ConnectionResetError(str(error)) from None
        await self.writer.drain()

    async def closed(self) -> None:
        """Wait until the other side has closed."""
        while await self.reader.read(65536):
            pass

    def reset(self) -> None:
        """End the connection without a goodbye."""
        sock = self.writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Line], Awaitable[None]]


class Origin:
    """The listening side: which port, and the connections that came."""

    def __init__(self) -> None:
        self.port = 0
        self.lines: list[Line] = []
        self.open = 0
        self.heads: list[bytes] = []

    async def wait_for(self, condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(10):
            while not condition():
                await asyncio.sleep(0.002)


@asynccontextmanager
async def origin(script: Script, *, host: str = HOST, tls: ssl.SSLContext | None = None) -> AsyncIterator[Origin]:
    """An origin that runs `script` for every connection, and closes it when the script ends."""
    it = Origin()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = Line(len(it.lines), reader, writer)
        it.lines.append(line)
        it.open += 1
        try:
            await script(line)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            it.open -= 1
            writer.close()

    server = await asyncio.start_server(connected, host, 0, ssl=tls)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        server.close()
        for line in it.lines:
            line.writer.transport.abort()
        await it.wait_for(lambda: it.open == 0)


async def always_ok(line: Line) -> None:
    """A well-behaved origin: its answer carries the body of the request."""
    while True:
        _, body = await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))


def says(answer: bytes, *, then_close: bool = False) -> Script:
    """One request, these bytes, and nothing more until the other side closes."""

    async def script(line: Line) -> None:
        await line.request()
        await line.say(answer)
        if not then_close:
            await line.closed()

    return script


# --- our side of it
@asynccontextmanager
async def pool(script: Script, **settings: Any) -> AsyncIterator[tuple[Upstream, Origin]]:
    """A pool of connections to an origin with this script."""
    async with origin(script) as it:
        upstream = Upstream(HOST, it.port, **settings)
        try:
            yield upstream, it
        finally:
            upstream.close()
            await asyncio.sleep(0)


async def ask(upstream: Upstream, body: bytes = b"", *, timeout_s: float = 5, repeatable: bool = False) -> bytes:
    head = request_head(b"POST" if body else b"GET", b"/", b"origin", [], len(body))
    answer = await upstream.send(head, body, timeout_s=timeout_s, repeatable=repeatable)
    return await answer.body.read(10_000_000)
