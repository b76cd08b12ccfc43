"""A gateway that stops says so to the catalog: what waits for every gateway does not wait for it."""

import asyncio
import time

import asyncpg
import pytest

from harness.platform import Platform
from harness.replicas import replica

SEEN = "SELECT coalesce(max(extract(epoch FROM seen)), -1) FROM catalog.follower WHERE name = 'gateway-leaving'"


async def seen(platform: Platform) -> float:
    connection = await asyncpg.connect(platform.database_url)
    try:
        return float(await connection.fetchval(SEEN))
    finally:
        await connection.close()


@pytest.mark.system
@pytest.mark.xdist_group("platform")
@pytest.mark.requirement("CAS-13")
def test_a_gateway_that_stops_counts_as_not_seen(platform: Platform) -> None:
    with replica(platform, "gateway", "gateway-leaving"):
        deadline = time.monotonic() + 15
        while asyncio.run(seen(platform)) < 0:
            assert time.monotonic() < deadline
    assert asyncio.run(seen(platform)) == 0
