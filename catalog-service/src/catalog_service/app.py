"""The catalog service, put together: `python -m catalog_service.app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI

from catalog_service.api import directory, feed, grants
from catalog_service.feed.bell import Bell
from catalog_service.feed.flows import Journal
from catalog_service.feed.store import outbox as outbox_table
from catalog_service.settings import Settings
from runtime import http, logs
from runtime.clock import SystemClock
from runtime.db import check_server, engine, ready
from runtime.env import load
from runtime.errors import Refusal
from runtime.http import AsyncClient
from runtime.outbox import Outbox
from runtime.server import make_app, serve
from runtime.service_auth import ServiceKey
from runtime.tasks import Tasks
from wire.lease import RENEW_S, EventWriter
from wire.tokens import Door, Verifier, keys_of

log = structlog.get_logger()
FLUSH_S = 0.2
POOL = 10


def create(settings: Settings, identity: AsyncClient, audit: AsyncClient) -> FastAPI:
    """The application; `identity` and `audit` lead to those services and are closed with it."""
    key = ServiceKey.from_file(settings.service_secret_file, "catalog")
    database = engine(settings.database_url, pool_size=POOL)
    bell = Bell(settings.database_url)
    writer = EventWriter(settings.instance, audit, key)
    outbox = Outbox(database, outbox_table, writer.write)
    journal = Journal(database, outbox, SystemClock())
    door = Door(Verifier(settings.issuer, settings.audience or settings.issuer, keys_of(identity)))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await check_server(settings.database_url)
        tasks = Tasks()
        tasks.forever("feed.listen", bell.listen)
        tasks.every(FLUSH_S, "outbox.flush", lambda: _flush(outbox))
        tasks.every(RENEW_S, "lease.renew", writer.renew)
        try:
            yield
        finally:
            await tasks.stop()
            await identity.aclose()
            await audit.aclose()
            await database.dispose()

    app = make_app("Tongdao catalog", lifespan, lambda: ready(database))
    app.include_router(directory.router(door, journal))
    app.include_router(grants.router(door, journal))
    app.include_router(feed.router(key, database, bell))
    return app


async def _flush(outbox: Outbox) -> None:
    """While the log is away, events wait in the outbox; nothing else has to."""
    try:
        await outbox.flush()
    except Refusal as refusal:
        log.warning("outbox.waiting", reason=str(refusal))


def main() -> None:
    settings = load(Settings)
    logs.configure("catalog", settings.log_level)
    app = create(settings, http.client(settings.identity_url), http.client(settings.audit_url))
    serve(app, settings.host, settings.port, root_path="/api/catalog")


if __name__ == "__main__":
    main()
