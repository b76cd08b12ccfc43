"""Gateways on a database of their own."""

from collections.abc import AsyncIterator, Iterator

import pytest

from harness.gateways import Gateways, gateways
from harness.postgres import Cluster, Database


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("gateway", "gateway")) as lent:
        yield lent


@pytest.fixture
async def several(database: Database) -> AsyncIterator[Gateways]:
    async with gateways(database) as made:
        yield made
