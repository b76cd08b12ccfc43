"""A real exchange on a port of its own, in the loop of the test, asked by a gateway that is the test itself."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import asyncpg
import msgspec
import uvicorn
from fastapi import FastAPI

from exchange_service.answers import Answers
from exchange_service.call import PREFIX, Exchange, handle, handle_asked
from exchange_service.contract.masks import MaskKey
from exchange_service.credentials.keychain import Keychain
from exchange_service.credentials.store import Store
from exchange_service.guesses import Guesses
from exchange_service.registry import Platform, Registry, Served
from harness.origin import HOST
from harness.postgres import Database
from relay.egress import Egress
from relay.heads import request_head
from relay.hop.answerer import frames_beside
from relay.hop.pool import Hop
from relay.protocol import call_protocol
from relay.upstream import Upstream
from runtime import http
from runtime.ids import uuid7
from runtime.seal import Seal, new_key
from runtime.service_auth import STREAMED, ServiceKey, digest_of
from tongdao_cli.postgres import free_port
from wire import headers
from wire.calls import CallMessage, Obligations, ReplyMessage, reply_from_header, to_header
from wire.catalog import Field, Interface, Operation, Snapshot
from wire.feed import FeedReader

SECRET = b"0123456789abcdef0123456789abcdef"
LIMIT_BYTES = 10 * 1024 * 1024
ALL = Obligations(["*"])
Reply = tuple[ReplyMessage, bytes]


def interface(port: int, **changes: Any) -> Interface:
    """One interface "thing/v1" of the department `gaj` whose provider listens on this machine."""
    given: dict[str, Any] = {
        "id": "thing", "version": "v1", "provider": "gaj", "name": "事项", "base_url": f"http://{HOST}:{port}",
        "networks": ["127.0.0.0/8"], "timeout_s": 5.0,
        "operations": [
            Operation(method=method, path="", target="/thing") for method in ("GET", "POST", "PUT", "DELETE")
        ],
        "fields": [Field(name="a"), Field(name="b")], **changes,
    }  # fmt: skip
    return Interface(**given)


def message(**changes: Any) -> CallMessage:
    """A question of GET "" with five seconds until its deadline; `within_s` changes that."""
    deadline_ms = int((time.time() + changes.pop("within_s", 5)) * 1000)
    given: dict[str, Any] = {
        "call": str(uuid7(deadline_ms)), "grant": "g1", "grant_revision": 1, "method": "GET", "path": "",
        "consumer": "xzspj", "obligations": ALL, "deadline_ms": deadline_ms, **changes,
    }  # fmt: skip
    return CallMessage(**given)


class Running:
    """The exchange, and ways to ask it."""

    def __init__(self, exchange: Exchange, keychain: Keychain, port: int) -> None:
        self.exchange = exchange
        self.keychain = keychain
        self._gateway = Upstream(HOST, port)
        self._hop = Hop(HOST, port, exchange.key, LIMIT_BYTES)

    def serve(self, *interfaces: Interface) -> None:
        """Take these for all that is registered."""
        self.exchange.registry.replace(
            Snapshot(revision=1, departments=[], systems=[], interfaces=list(interfaces), grants=[])
        )

    def served(self, key: str = "thing/v1") -> Served:
        found = self.exchange.registry.get(key)
        assert found is not None
        return found

    async def ask(self, asked: CallMessage | None = None, body: bytes = b"", key: str = "thing/v1") -> Reply:
        """The reply and its body."""
        return await self.ask_in_frames(asked or message(), body, key)

    async def ask_over_http(
        self, asked: CallMessage | None = None, body: bytes = b"", key: str = "thing/v1", trace: bytes = b""
    ) -> Reply:
        """The same the other way."""
        return await self._ask(asked or message(), body, key, digest_of(body), trace)

    async def ask_in_frames(self, said: Any, body: bytes = b"", key: str = "thing/v1", trace: bytes = b"") -> Reply:
        """The same on a framed connection; `said` may be anything that msgspec can encode."""
        await self._hop.keep()
        pending = self._hop.ask(key, said, trace, body, 20)
        assert pending is not None
        framed = await pending
        reply = msgspec.msgpack.decode(framed.message, type=ReplyMessage)
        assert reply.call == getattr(said, "call", "")
        return reply, framed.body

    async def stream(self, asked: CallMessage | None = None, body: bytes = b"", key: str = "thing/v1") -> Reply:
        """The same of an interface whose bodies pass through."""
        return await self._ask(asked or message(), body, key, STREAMED)

    async def _ask(self, said: CallMessage, body: bytes, key: str, digest: bytes, trace: bytes = b"") -> Reply:
        target, header = f"/calls/{key}".encode(), to_header(said)
        signature = self.exchange.key.sign(b"POST", target, digest, header)
        lines = [(headers.MESSAGE, header), (headers.SERVICE, signature)]
        lines += [(b"traceparent", trace)] if trace else []
        head = request_head(b"POST", target, b"exchange", lines, len(body))
        answer = await self._gateway.send(head, body, timeout_s=20)
        assert answer.status == 200
        reply = reply_from_header(answer.headers[headers.MESSAGE])
        assert reply.call == said.call
        return reply, await answer.body.read(LIMIT_BYTES)

    async def asks(self, count: int, **changes: Any) -> Sequence[Reply]:
        """As many at once."""
        return await asyncio.gather(*(self.ask(message(**changes)) for _ in range(count)))

    def close(self) -> None:
        self._gateway.close()
        self._hop.close()
        self.exchange.registry.close()


@asynccontextmanager
async def running(database: Database, *interfaces: Interface, **platform: Any) -> AsyncIterator[Running]:
    """An exchange that serves `interfaces`; its connections must all be free again at the end."""
    async with asyncpg.create_pool(database.url_of("exchange"), min_size=1, max_size=8) as pool:
        egress, seal = Egress(allow_loopback=True, forbidden_ports=frozenset()), Seal(new_key("k1"))
        keychain = Keychain(Store(pool, seal), egress)
        registry = Registry(Platform(egress, keychain, MaskKey(SECRET), **platform))
        key = ServiceKey(SECRET, "test")
        feed = FeedReader(http.client("http://catalog"), key, registry)
        exchange = Exchange(
            key, registry, feed, Answers(pool, seal), Guesses(pool, SECRET), math.inf, LIMIT_BYTES
        )  # fmt: skip
        async with _listening(exchange) as port:
            it = Running(exchange, keychain, port)
            it.serve(*interfaces)
            try:
                yield it
                for served in registry.usable():
                    assert served.compartment.own.under_way == served.compartment.shared.under_way == 0
            finally:
                it.close()


@asynccontextmanager
async def _listening(exchange: Exchange) -> AsyncIterator[int]:
    port = free_port()
    protocol = call_protocol(PREFIX, partial(handle, exchange))
    config = uvicorn.Config(
        FastAPI(openapi_url=None), host=HOST, port=port,
        http=frames_beside(protocol, exchange.key, partial(handle_asked, exchange), LIMIT_BYTES),
        lifespan="off", ws="none", log_config=None, access_log=False, timeout_graceful_shutdown=1,
    )  # fmt: skip
    config.load()
    server = uvicorn.Server(config)
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield port
    finally:
        for listening in server.servers:  # uvicorn's own shutdown takes a tenth of a second, whatever is left to do
            listening.close()
            await listening.wait_closed()
