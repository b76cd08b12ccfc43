"""The exchange's bill of materials: settings → registry → one server whose calls take the fast lane."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from fastapi import FastAPI

from exchange_service.call import PREFIX, Exchange, handle
from exchange_service.registry import Registry
from exchange_service.settings import Settings
from relay.egress import Egress
from relay.protocol import call_protocol
from runtime import http
from runtime.env import load
from runtime.errors import Refusal
from runtime.logs import configure
from runtime.server import make_app, serve
from runtime.service_auth import ServiceKey
from runtime.tasks import Tasks
from wire import codes
from wire.feed import FeedReader


def build(settings: Settings) -> tuple[FastAPI, type]:
    """The application and the protocol class that hands calls to `handle`."""
    key = ServiceKey.from_file(settings.service_secret_file, "exchange")
    registry = Registry(Egress(settings.allow_loopback, frozenset(settings.forbidden_ports)))
    feed = FeedReader(http.client(settings.catalog_url), key, registry)
    exchange = Exchange(key, registry, feed, settings.max_staleness_s, settings.body_limit_bytes)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = Tasks()
        tasks.forever("feed", feed.follow)
        yield
        await tasks.stop()
        registry.close()

    async def ready() -> None:
        if feed.age_s() > settings.max_staleness_s:
            raise Refusal(codes.POLICY_STALE, "no word from the catalog")

    app = make_app("Tongdao exchange", lifespan, ready, docs=False)
    return app, call_protocol(PREFIX, partial(handle, exchange))


def main() -> None:
    settings = load(Settings)
    configure(settings.instance, settings.log_level)
    app, protocol = build(settings)
    serve(app, settings.host, settings.port, protocol)


if __name__ == "__main__":
    main()
