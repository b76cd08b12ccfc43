"""The catalog service, put together: `python -m catalog_service.app`."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import structlog
from fastapi import APIRouter, FastAPI

from catalog_service.api import (
    cases,
    clocks,
    consents,
    directory,
    dossiers,
    entries,
    feed,
    filings,
    grants,
    health,
    inbox,
    interchange,
    policy,
    revocations,
    search,
    statistics,
)
from catalog_service.cases.flows import Desk
from catalog_service.cases.kinds import EFFECTS, KINDS
from catalog_service.cases.worker import Worker as CaseWorker
from catalog_service.clocks.flows import adopt_bundled_years
from catalog_service.clocks.worker import Worker
from catalog_service.consents.flows import Office, prune
from catalog_service.consents.tokens import Signer
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
from catalog_service.revocations.flows import forget
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
from wire.subjects import SubjectKey
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


class Parts:
    """What the service is made of, each part after those that it rests on."""

    def __init__(self, settings: Settings, identity: AsyncClient, audit: AsyncClient, clock: Clock) -> None:
        self.settings = settings
        self.clients = (identity, audit)
        self.key = ServiceKey.from_file(settings.service_secret_file, "catalog")
        self.database = database = engine(settings.database_url, pool_size=POOL)
        self.bell = Bell(settings.database_url)
        self.writer = EventWriter(settings.instance, audit, self.key)
        self.outbox = Outbox(database, outbox_table, self.writer.write)
        egress = Egress.stated(settings.allow_loopback, settings.forbidden_ports, settings.forbidden_networks)
        self.journal = journal = Journal(database, self.outbox, clock, egress)
        self.lawbook = lawbook = Lawbook(settings.region)
        self.worker, self.watch = Worker(journal, lawbook), Watch(journal, lawbook)
        self.desk = Desk(lawbook, KINDS, EFFECTS)
        self.provisioning = CaseWorker(journal, self.desk)
        self.messenger = Messenger(journal, egress, self.key)
        whom = (settings.issuer, settings.audience or settings.issuer)
        self.door = Door(Verifier(*whom, keys_of(identity)), self.key)
        signer = Signer.from_file(settings.consent_keys_file, *whom)
        self.office = Office(SubjectKey.from_file(settings.subject_key_file), signer)

    async def start(self, tasks: Tasks) -> None:
        """The law in force, then everything that runs beside the requests."""
        await check_server(self.settings.database_url)
        async with self.journal.change(Actor(self.settings.instance, PLATFORM)) as change:
            await begin(change, self.lawbook, self.settings.profile)
            await adopt_bundled_years(change, self.lawbook)
        tasks.forever("feed.listen", self.bell.listen)
        tasks.every(LOOK_S, "clocks.tick", self.worker.tick)
        tasks.every(LOOK_S, "cases.tick", self.provisioning.tick)
        tasks.every(WATCH_S, "grants.remind", self.provisioning.remind)
        tasks.every(WATCH_S, "cases.pass_days", self.provisioning.pass_days)
        tasks.every(WATCH_S, "policy.watch", self.watch.tick)
        tasks.every(WATCH_S, "consents.prune", lambda: prune(self.journal))
        tasks.every(WATCH_S, "revocations.forget", lambda: forget(self.journal))
        tasks.every(SEND_S, "webhooks.deliver", self.messenger.tick)
        tasks.every(CATCH_UP_S, "search.catch_up", lambda: catch_up(self.database))
        tasks.every(FLUSH_S, "outbox.flush", lambda: _flush(self.outbox))
        tasks.every(RENEW_S, "lease.renew", self.writer.renew)

    async def stop(self) -> None:
        await self.messenger.stop()
        for client in self.clients:
            await client.aclose()
        await self.database.dispose()

    def routers(self) -> Iterator[APIRouter]:
        """What can be asked, and by services alone."""
        door, journal, lawbook, key = self.door, self.journal, self.lawbook, self.key
        yield directory.router(door, journal, lawbook)
        yield entries.router(door, journal)
        yield filings.router(door, journal, lawbook)
        yield grants.router(door, journal)
        yield consents.router(door, journal, key, self.office)
        yield cases.router(door, journal, self.desk)
        yield search.router(door, self.database, lawbook)
        yield statistics.router(door, journal, lawbook, key)
        yield policy.router(door, journal, lawbook)
        yield clocks.router(door, journal)
        yield inbox.router(door, journal, key, MACHINES)
        yield interchange.router(door, journal, lawbook, self.settings.issuer)
        yield feed.router(key, self.database, self.bell)
        yield health.internal(journal, lawbook, key)
        yield dossiers.router(key, self.database)
        yield revocations.router(journal, key)


def create(settings: Settings, identity: AsyncClient, audit: AsyncClient, clock: Clock = SYSTEM_CLOCK) -> FastAPI:
    """The application; `identity` and `audit` lead to those services and are closed with it."""
    parts = Parts(settings, identity, audit, clock)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = Tasks()
        await parts.start(tasks)
        try:
            yield
        finally:
            await tasks.stop()
            await parts.stop()

    app = make_app("Tongdao catalog", lifespan, lambda: ready(parts.database), largest_body=LARGEST_BODY)
    for router in parts.routers():
        app.include_router(router)
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
