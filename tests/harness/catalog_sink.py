"""A small catalog for tests of the authorization server: a snapshot, revocations and notices, and it can be away."""

import asyncio
from typing import Any

import httpx2
import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from runtime.service_auth import ServiceKey
from runtime.tasks import happens
from wire.catalog import Department, Entry, Feed, Kind, Revocation, Snapshot, System


class CatalogSink:
    """Answers what identity asks of the catalog.

    away      cannot be reached
    snapshot  what it tells at the start, as revision 1
    entries   what it told after that, see `tell`
    """

    def __init__(self, key: ServiceKey) -> None:
        self.away = False
        self.snapshot = Snapshot(
            revision=1, departments=[Department(id="gaj", name="公安局")], systems=[], interfaces=[], grants=[]
        )
        self.entries: list[Entry] = []
        self._rung = asyncio.Event()
        self.revocations: list[Revocation] = []
        self.notices: list[Any] = []
        self._key = key
        self._app = FastAPI()
        for method, path, serve in (
            ("GET", "/snapshot", self._snapshot),
            ("GET", "/feed", self._feed),
            ("POST", "/revocations", self._revocations),
            ("POST", "/notices", self._notices),
        ):
            self._app.add_api_route(path, serve, methods=[method])

    def client(self) -> httpx2.AsyncClient:
        """A way to it that breaks while it is away."""
        return httpx2.AsyncClient(
            transport=_Line(self, httpx2.ASGITransport(self._app)), base_url="http://catalog.test"
        )

    async def _snapshot(self) -> Response:
        return Response(msgspec.json.encode(self.snapshot))

    def tell(self, kind: Kind, thing: Department | System) -> None:
        """One more entry in the feed."""
        body = msgspec.Raw(msgspec.json.encode(thing))
        self.entries.append(Entry(revision=len(self.entries) + 2, kind=kind, id=thing.id, body=body))
        self._rung.set()
        self._rung = asyncio.Event()

    async def _feed(self, after: int, hold_ms: int) -> Response:
        if not (new := self.entries[after - 1 :]):
            await happens(self._rung, hold_ms / 1000)
            new = self.entries[after - 1 :]
        return Response(msgspec.json.encode(Feed(head=len(self.entries) + 1, entries=new)))

    async def _revocations(self, request: Request) -> Response:
        body = await request.body()
        sender = self._key.check(request.headers["tongdao-service"].encode(), b"POST", b"/revocations", body)
        assert sender == "identity"
        self.revocations += msgspec.json.decode(body, type=list[Revocation])
        return Response(status_code=204)

    async def _notices(self, request: Request) -> Response:
        self.notices.append(await request.json())
        return JSONResponse({}, 201)


class _Line(httpx2.AsyncBaseTransport):
    def __init__(self, sink: CatalogSink, line: httpx2.ASGITransport) -> None:
        self._sink = sink
        self._line = line

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self._sink.away:
            raise httpx2.ConnectError("nobody listens")
        return await self._line.handle_async_request(request)
