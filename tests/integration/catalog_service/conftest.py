"""The catalog service in process over a real PostgreSQL, with an identity that has one key."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from harness.cases import Cases
from harness.catalog import Catalog
from harness.catalog_in_process import running_catalog
from harness.law import Bench, SetClock
from harness.postgres import Cluster, Database
from runtime.db import engine


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("catalog_service", "catalog")) as lent:
        yield lent


@pytest.fixture
async def catalog(database: Database, tmp_path: Path) -> AsyncIterator[Catalog]:
    async with running_catalog(database, tmp_path) as running:
        yield running


@pytest.fixture
async def workshop(database: Database, tmp_path: Path) -> AsyncIterator[Catalog]:
    """A catalog that takes providers on this machine, as `tongdao up` sets it for the demo city."""
    async with running_catalog(database, tmp_path, loopback=True) as running:
        yield running


@pytest.fixture
async def bench(database: Database) -> AsyncIterator[Bench]:
    """The law on its own, at ten in the morning of Friday, 13 February 2026."""
    connections = engine(database.url_of("catalog"))
    running = Bench(connections, SetClock("2026-02-13 10:00"))
    await running.begin()
    yield running
    await connections.dispose()


@pytest.fixture
async def cases(catalog: Catalog) -> Cases:
    """Cases between two departments, of which one has a system and the other an interface."""
    await catalog.furnish()
    return Cases(catalog)
