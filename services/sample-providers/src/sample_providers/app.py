"""The departments of the fictional city as one process: `python -m sample_providers.app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from runtime import env, logs, server
from sample_providers import (
    air,
    api,
    business,
    catalogue,
    city,
    divisions,
    insured,
    population,
    realestate,
    tax,
    transport,
    welfare,
)
from sample_providers.faults import Faults
from sample_providers.journal import Journal, Journaled
from sample_providers.register import Offers
from sample_providers.settings import Settings


def build(*, faults: bool = False, journal: Path | None = None) -> FastAPI:
    """The application. `faults` opens the switches for tests, `journal` is the file of requests."""
    registered = catalogue.load()
    there = city.found(registered)
    offered = _offers(there)
    written, switched = Journal(journal), Faults()

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        written.close()

    async def ready() -> None:
        """Everything is in memory from the start."""

    app = server.make_app("云江市（虚构）各部门接口", lifespan, ready, docs=False)
    api.add_interfaces(app, registered, offered, switched)
    insured.add_soap(app, there)
    if faults:
        api.add_fault_switches(app, switched, written)
    app.add_middleware(
        Journaled, journal=written, departments=frozenset(entry.department for entry in registered.values())
    )
    return app


def _offers(there: city.City) -> Offers:
    files = (population, welfare, business, tax, realestate, transport, air, divisions)
    return {interface: answer for file in files for interface, answer in file.offers(there).items()}


def main() -> None:
    """Read the settings and serve."""
    settings = env.load(Settings)
    logs.configure("sample-providers", settings.log_level)
    server.serve(build(faults=settings.faults, journal=settings.journal), settings.host, settings.port)


if __name__ == "__main__":
    main()
