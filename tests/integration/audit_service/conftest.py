"""A log on a database of its own for every test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from harness.audit_archive import Archiving, Keeping, days_ago, folder_store
from harness.audit_doors import opened
from harness.audit_log import Log, running
from harness.audit_office import Office
from harness.postgres import Cluster, Database


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("audit_service", "audit")) as lent:
        yield lent


@pytest.fixture
async def log(database: Database, tmp_path: Path) -> AsyncIterator[Log]:
    async with running(database.url, database.url_of("audit"), tmp_path) as log:
        await log.start()
        yield log


@pytest.fixture
async def keeping(log: Log, tmp_path: Path) -> Keeping:
    return Keeping(log, days_ago(220), folder_store(tmp_path))


@pytest.fixture
async def office(keeping: Keeping) -> AsyncIterator[Office]:
    async with opened(keeping.router) as doors:
        yield Office(doors)


@pytest.fixture
async def archiving(log: Log, tmp_path: Path) -> Archiving:
    return Archiving(log, days_ago(40), folder_store(tmp_path))
