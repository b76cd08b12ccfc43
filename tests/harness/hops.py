"""Both ends of framed connections on this machine: a server with both doors, and somebody in the middle."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import uvicorn
from fastapi import FastAPI

from harness.origin import HOST
from relay.call import Call
from relay.hop.answerer import Asked, frames_beside
from relay.hop.asker import Pending
from relay.hop.frames import Raw, Reply
from relay.hop.pool import Hop
from relay.protocol import call_protocol
from runtime.service_auth import ServiceKey
from tongdao_cli.postgres import free_port

SECRET = b"the secret of all the services here"
GATEWAY, EXCHANGE = ServiceKey(SECRET, "gateway"), ServiceKey(SECRET, "exchange")
LIMIT_BYTES = 2 * 1024 * 1024
Work = Callable[[Any, Asked], Awaitable[None]]


def said(framed: "Asked | Reply[Raw]") -> Any:
    """The message of a question or reply."""
    return msgspec.msgpack.decode(framed.message)


class Answering:
    """A server that answers each question with its own message and body, or as `work` says."""

    def __init__(self, key: ServiceKey = EXCHANGE, port: int | None = None) -> None:
        self.port = port or free_port()
        self.asked: list[Asked] = []
        self.go_on = asyncio.Event()
        """What is asked {"wait": true} is answered when this is set."""
        protocol = frames_beside(call_protocol(b"/x/", self._http), key, self._framed, LIMIT_BYTES)
        self.server = uvicorn.Server(
            uvicorn.Config(
                FastAPI(openapi_url=None), host=HOST, port=self.port, http=protocol, lifespan="off", ws="none",
                log_config=None, access_log=False, timeout_graceful_shutdown=20,
            )
        )  # fmt: skip

    async def _http(self, call: Call) -> None:
        call.answer(200, b"over HTTP")

    async def _framed(self, asked: Asked) -> None:
        self.asked.append(asked)
        message = said(asked)
        if message.get("wait"):
            await asyncio.ensure_future(self.go_on.wait())
        if message.get("after_s"):
            await asyncio.ensure_future(asyncio.sleep(message["after_s"]))
        if message.get("fail"):
            raise RuntimeError("this handler fails")
        if not message.get("silent"):
            asked.answer(message, message.get("size", 0) * b"z" or asked.body)

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)


@asynccontextmanager
async def answering(key: ServiceKey = EXCHANGE, port: int | None = None) -> AsyncIterator[Answering]:
    it = Answering(key, port)
    running = asyncio.create_task(it.server.serve())
    while not it.server.started:
        await asyncio.sleep(0.002)
    try:
        yield it
    finally:
        it.go_on.set()
        it.server.should_exit = True
        await running


@asynccontextmanager
async def asking(port: int, key: ServiceKey = GATEWAY) -> AsyncIterator[Hop]:
    """A hop whose connections are kept, as its owner does."""
    hop = Hop(HOST, port, key, LIMIT_BYTES)

    async def keep() -> None:
        while True:
            await hop.keep()
            await asyncio.sleep(0.01)

    keeping = asyncio.create_task(keep())
    try:
        yield hop
    finally:
        keeping.cancel()
        hop.close()
        await asyncio.sleep(0.01)


async def asks(hop: Hop, message: Any, body: bytes = b"", timeout_s: float = 10) -> Reply[Raw]:
    """The reply; waits for a connection first."""
    async with asyncio.timeout(10):
        while (pending := ask(hop, message, body, timeout_s)) is None:
            await asyncio.sleep(0.005)
    return await pending


def ask(hop: Hop, message: Any, body: bytes = b"", timeout_s: float = 10) -> Pending | None:
    return hop.ask("thing/v1", message, b"00-trace", body, timeout_s)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


class Between:
    """A listener that passes bytes on to a server, and can change, repeat or cut them. `change` sees what is asked."""

    def __init__(self, port: int) -> None:
        self._to = port
        self.change: Callable[[bytes], bytes] = lambda data: data
        self.change_back: Callable[[bytes], bytes] = lambda data: data
        self.held: asyncio.Event | None = None
        self.recorded = b""
        self.port = 0
        self._writers: list[asyncio.StreamWriter] = []

    async def connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        onward_reader, onward = await asyncio.open_connection(HOST, self._to)
        self._writers += [writer, onward]
        await asyncio.gather(
            self._pass(reader, onward, lambda data: self.change(data)),
            self._pass(onward_reader, writer, lambda data: self.change_back(data)),
        )

    async def _pass(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, change: Callable[[bytes], bytes]
    ) -> None:
        try:
            while data := await reader.read(65536):
                if self.held is not None:
                    await self.held.wait()
                self.recorded += data
                writer.write(change(data))
                await writer.drain()
        except (OSError, RuntimeError):
            pass
        finally:
            writer.transport.abort()

    def cut(self) -> None:
        """End all connections without a goodbye."""
        for writer in self._writers:
            writer.transport.abort()


@asynccontextmanager
async def between(port: int) -> AsyncIterator[Between]:
    it = Between(port)
    server = await asyncio.start_server(it.connected, HOST, 0)
    it.port = server.sockets[0].getsockname()[1]
    try:
        yield it
    finally:
        if it.held is not None:
            it.held.set()
        server.close()
        it.cut()
        await asyncio.sleep(0.01)
