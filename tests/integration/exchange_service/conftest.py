"""A database of the exchange for every test that asks for one."""

from collections.abc import Iterator

import pytest

from harness.postgres import Cluster, Database


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("exchange_service", "exchange")) as lent:
        yield lent


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, bool]]:
    """The loop that services run on."""
    return "asyncio", {"use_uvloop": True}
