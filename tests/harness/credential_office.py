"""Where credentials are put: the routes on a real database with a log, and exchanges that use what was put."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import asyncpg
import msgspec
from fastapi import APIRouter
from httpx2 import ASGITransport

from exchange_service.api import credentials
from exchange_service.credentials.keychain import Keychain
from exchange_service.credentials.model import Credential
from exchange_service.credentials.store import Store, new_version
from exchange_service.registry import Departments
from harness.audit_doors import Doors, opened
from harness.audit_sink import AuditSink
from harness.postgres import Database
from relay.egress import Egress
from runtime.clock import SystemClock
from runtime.http import AsyncClient, Response
from runtime.seal import Seal, new_key
from runtime.service_auth import ServiceKey
from wire import scopes
from wire.catalog import Interface
from wire.lease import EventWriter
from wire.tokens import Door

EGRESS = Egress(allow_loopback=True, forbidden_ports=frozenset())


class Office:
    """One installation: its database, its log, its sealing key."""

    def __init__(self, database: Database, pool: Any, doors: Doors, store: Store, keychain: Keychain) -> None:
        self.database = database
        self.pool = pool
        self.doors = doors
        self.store = store
        self.keychain = keychain
        """That of the exchange whose routes these are."""
        self.sink: AuditSink
        self.served: list[Interface] = []
        """What is open at that exchange."""
        self.departments: Departments
        """Who may take part."""

    async def ask(self, method: str, path: str, department: str = "rsj", *allowed: str, **more: Any) -> Response:
        """As the data officer of a department, unless other scopes are named."""
        return await self.doors.ask(method, f"/credentials{path}", department, *(allowed or [scopes.OFFICER]), **more)

    async def put(self, name: str, credential: Credential, department: str = "rsj") -> Response:
        content = msgspec.json.encode(credential)
        return await self.ask("PUT", f"/{department}/{name}", department, content=content)

    async def put_behind_its_back(self, name: str, credential: Credential) -> None:
        """As another exchange does it: this one hears of it through the database alone."""
        assert await self.store.put(new_version("rsj", name, credential, datetime.now(UTC), "x"), credential)


@asynccontextmanager
async def office(database: Database, seal: Seal | None = None) -> AsyncIterator[Office]:
    """It is open until the end of the block."""
    sink = AuditSink()
    key = ServiceKey(b"s" * 32, "exchange")
    events = EventWriter("exchange-1", AsyncClient(transport=ASGITransport(sink), base_url="http://log"), key)
    pool = await asyncpg.create_pool(database.url_of("exchange"), min_size=1, max_size=4)
    try:
        store = Store(pool, seal or Seal(new_key("k1")))
        keychain = Keychain(store, EGRESS)
        clock = SystemClock()
        served: list[Interface] = []
        departments = Departments()

        def routes(door: Door) -> APIRouter:
            return credentials.router(door, store, keychain, events, EGRESS, clock, lambda: served, departments)

        async with opened(routes) as doors:
            one = Office(database, pool, doors, store, keychain)
            one.sink, one.served, one.departments = sink, served, departments
            yield one
    finally:
        await pool.close()
