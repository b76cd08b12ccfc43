"""The exchange's bill of materials: settings → registry → one server whose calls take the fast lane."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from exchange_service.answers import Answers
from exchange_service.api import credentials, testing
from exchange_service.call import PREFIX, Exchange, handle, handle_asked
from exchange_service.contract.masks import MaskKey
from exchange_service.credentials.keychain import POLL_S, Keychain
from exchange_service.credentials.store import Store
from exchange_service.database import Database
from exchange_service.guesses import Guesses
from exchange_service.health import REPORT_S, Watch
from exchange_service.registry import Platform, Registry
from exchange_service.settings import Settings
from relay.egress import Egress
from relay.hop.answerer import frames_beside
from relay.protocol import call_protocol
from runtime import http
from runtime.clock import SystemClock
from runtime.db import check_server
from runtime.env import load
from runtime.errors import Refusal
from runtime.logs import configure
from runtime.seal import Seal
from runtime.server import make_app, serve
from runtime.service_auth import ServiceKey
from runtime.tasks import Tasks
from wire import codes
from wire.feed import FeedReader, Whole
from wire.lease import RENEW_S, EventWriter
from wire.tokens import Door, Verifier, keys_of

PRUNE_S = 60.0


class Parts:
    """What the service is made of, each part after those that it rests on."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.key = key = ServiceKey.from_file(settings.service_secret_file, "exchange")
        self.catalog, self.identity, self.audit = (
            http.client(url) for url in (settings.catalog_url, settings.identity_url, settings.audit_url)
        )
        file = settings.seal_keys_file
        seal = Seal.from_file(file) if file is not None else Seal.from_command(settings.seal_keys_command)
        self.database = database = Database(settings.database_url)
        egress = Egress.stated(settings.allow_loopback, settings.forbidden_ports, settings.forbidden_networks)
        mask_key = MaskKey.from_file(settings.mask_key_file)
        self.store = Store(database, seal)
        self.keychain = Keychain(self.store, egress)
        platform = Platform(egress, self.keychain, mask_key, settings.provider_in_flight, settings.file_roots)
        self.registry = Registry(platform)
        one_of_each = partial(Whole, self.registry, every_grant=False)
        self.feed = FeedReader(http.client(settings.catalog_url), key, self.registry, gathering=one_of_each)
        self.answers = Answers(database, seal)
        self.guesses = Guesses(database, settings.mask_key_file.read_bytes().strip())
        self.health = Watch(settings.instance, self.registry.usable, self.catalog, key)
        self.events = EventWriter(settings.instance, self.audit, key)
        self.egress = egress
        self.platform = platform
        self.exchange = Exchange(
            key, self.registry, self.feed, self.answers, self.guesses, settings.max_staleness_s,
            settings.body_limit_bytes,
        )  # fmt: skip

    async def start(self, tasks: Tasks) -> None:
        """Everything that runs beside the calls."""
        await check_server(self.settings.database_url)
        await self.database.open()
        await self.keychain.tick()
        tasks.forever("feed", self.feed.follow)
        tasks.forever("credentials.listen", lambda: self.keychain.listen(self.settings.database_url))
        tasks.every(POLL_S, "credentials.look", self.keychain.tick)
        tasks.every(REPORT_S, "health", self.health.tick)
        tasks.every(PRUNE_S, "answers.prune", self.answers.tick)
        tasks.every(PRUNE_S, "guesses.prune", self.guesses.tick)
        tasks.every(RENEW_S, "lease.renew", self.events.renew)

    async def stop(self) -> None:
        self.registry.close()
        for client in (self.catalog, self.identity, self.audit):
            await client.aclose()
        await self.database.close()

    async def ready(self) -> None:
        """Raises while calls would be refused."""
        if self.feed.age_s() > self.settings.max_staleness_s:
            raise Refusal(codes.POLICY_STALE, "no word from the catalog")
        await self.database.fetchval("SELECT 1")


def build(settings: Settings) -> tuple[FastAPI, type]:
    """The application and the protocol class that hands calls to `handle`."""
    parts = Parts(settings)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = Tasks()
        await parts.start(tasks)
        yield
        await tasks.stop()
        await parts.stop()

    app = make_app("Tongdao exchange", lifespan, parts.ready)
    door = Door(Verifier(settings.issuer, settings.audience or settings.issuer, keys_of(parts.identity)), parts.key)
    app.include_router(
        credentials.router(
            door, parts.store, parts.keychain, parts.events, parts.egress, SystemClock(),
            departments=parts.platform.departments,
            served=lambda: (one.interface for one in parts.registry.usable()),
        )
    )  # fmt: skip
    app.include_router(
        testing.router(
            door, parts.catalog, parts.key, parts.events, parts.platform, SystemClock(), settings.body_limit_bytes
        )
    )
    protocol = call_protocol(PREFIX, partial(handle, parts.exchange))
    asked = partial(handle_asked, parts.exchange)
    return app, frames_beside(protocol, parts.key, asked, settings.body_limit_bytes)


def main() -> None:
    settings = load(Settings)
    configure(settings.instance, settings.log_level)
    app, protocol = build(settings)
    serve(app, settings.host, settings.port, protocol, root_path="/api/exchange")


if __name__ == "__main__":
    main()
