"""One gateway with its neighbours for all tests of a module."""

from collections.abc import AsyncIterator, Iterator

import pytest

from harness.gate import Gate, gate
from harness.postgres import Cluster


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
def shared(cluster: Cluster) -> Iterator[str]:
    """Address of the database of gateways."""
    with cluster.lent(("gateway", "gateway")) as database:
        yield database.url_of("gateway")


@pytest.fixture(scope="module")
async def running(shared: str) -> AsyncIterator[Gate]:
    async with gate(shared) as it:
        yield it


@pytest.fixture
async def at(running: Gate) -> Gate:
    """The gateway, and nothing known of the tests before."""
    await running.clear()
    return running
