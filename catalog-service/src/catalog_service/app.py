"""The catalog service, put together: `python -m catalog_service.app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog
from fastapi import FastAPI

from catalog_service.api import (
    cases,
    clocks,
    directory,
    dossiers,
    entries,
    feed,
    filings,
    grants,
    inbox,
    interchange,
    policy,
    search,
    statistics,
)
from catalog_service.cases.flows import Desk
from catalog_service.cases.kinds import EFFECTS, KINDS
from catalog_service.cases.worker import Worker as CaseWorker
from catalog_service.clocks.flows import adopt_bundled_years
from catalog_service.clocks.worker import Worker
from catalog_service.directory.filing import MACHINE as FILING
from catalog_service.directory.index import catch_up
from catalog_service.directory.interface_stages import MACHINE as INTERFACE
from catalog_service.feed.bell import Bell
from catalog_service.feed.flows import Journal
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.feed.store import outbox as outbox_table
from catalog_service.notices.delivering import Messenger
from catalog_service.policy.flows import Lawbook, begin
from catalog_service.policy.watch import Watch
from catalog_service.settings import Settings
from relay.egress import Egress
from runtime import http, logs
from runtime.clock import Clock, SystemClock
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
LOOK_S = 1.0
SEND_S = 0.5
WATCH_S = 60.0
CATCH_UP_S = 3600.0
POOL = 10
LARGEST_BODY = 1024 * 1024
SYSTEM_CLOCK = SystemClock()
MACHINES = {name: kind.machine for name, kind in KINDS.items()} | {"filing": FILING, "interface": INTERFACE}


def create(settings: Settings, identity: AsyncClient, audit: AsyncClient, clock: Clock = SYSTEM_CLOCK) -> FastAPI:
    """The application; `identity` and `audit` lead to those services and are closed with it."""
    key = ServiceKey.from_file(settings.service_secret_file, "catalog")
    database = engine(settings.database_url, pool_size=POOL)
    bell = Bell(settings.database_url)
    writer = EventWriter(settings.instance, audit, key)
    outbox = Outbox(database, outbox_table, writer.write)
    journal = Journal(database, outbox, clock)
    lawbook = Lawbook(settings.region)
    worker, watch = Worker(journal, lawbook), Watch(journal, lawbook)
    desk = Desk(lawbook, KINDS, EFFECTS)
    provisioning = CaseWorker(journal, desk)
    messenger = Messenger(journal, Egress(settings.allow_loopback, frozenset(settings.forbidden_ports)), key)
    door = Door(Verifier(settings.issuer, settings.audience or settings.issuer, keys_of(identity)))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await check_server(settings.database_url)
        async with journal.change(Actor(settings.instance, PLATFORM)) as change:
            await begin(change, lawbook, settings.profile)
            await adopt_bundled_years(change, lawbook)
        tasks = Tasks()
        tasks.forever("feed.listen", bell.listen)
        tasks.every(LOOK_S, "clocks.tick", worker.tick)
        tasks.every(LOOK_S, "cases.tick", provisioning.tick)
        tasks.every(WATCH_S, "grants.remind", provisioning.remind)
        tasks.every(WATCH_S, "cases.pass_days", provisioning.pass_days)
        tasks.every(WATCH_S, "policy.watch", watch.tick)
        tasks.every(SEND_S, "webhooks.deliver", messenger.tick)
        tasks.every(CATCH_UP_S, "search.catch_up", lambda: catch_up(database))
        tasks.every(FLUSH_S, "outbox.flush", lambda: _flush(outbox))
        tasks.every(RENEW_S, "lease.renew", writer.renew)
        try:
            yield
        finally:
            await tasks.stop()
            await messenger.stop()
            await identity.aclose()
            await audit.aclose()
            await database.dispose()

    app = make_app("Tongdao catalog", lifespan, lambda: ready(database), largest_body=LARGEST_BODY)
    app.include_router(directory.router(door, journal, lawbook))
    app.include_router(entries.router(door, journal))
    app.include_router(filings.router(door, journal, lawbook))
    app.include_router(grants.router(door, journal))
    app.include_router(cases.router(door, journal, desk))
    app.include_router(search.router(door, database, lawbook))
    app.include_router(statistics.router(door, journal, lawbook, key))
    app.include_router(policy.router(door, journal, lawbook))
    app.include_router(clocks.router(door, journal))
    app.include_router(inbox.router(door, journal, key, MACHINES))
    app.include_router(interchange.router(door, journal, lawbook, settings.issuer))
    app.include_router(feed.router(key, database, bell))
    app.include_router(dossiers.router(key, database))
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
