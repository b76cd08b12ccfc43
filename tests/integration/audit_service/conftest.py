"""A log on a database of its own for every test."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from harness.audit_log import Log, running
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
