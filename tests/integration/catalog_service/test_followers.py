"""Who follows the feed: gateways that are waited for, until they are silent or have said farewell."""

import asyncio
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from catalog_service.feed import store
from harness.catalog import Catalog
from runtime.db import engine
from runtime.service_auth import ServiceKey
from wire.catalog import Entry, Snapshot
from wire.feed import FeedReader

pytestmark = pytest.mark.anyio


class Follower:
    """Follows, and keeps nothing."""

    def replace(self, snapshot: Snapshot) -> None: ...
    def apply(self, entries: Sequence[Entry]) -> None: ...


async def live(catalog: Catalog, revision: int) -> bool:
    database = engine(catalog.database.url_of("catalog"))
    try:
        async with database.connect() as tx:
            slowest = await store.slowest(tx)
    finally:
        await database.dispose()
    return slowest is not None and revision <= slowest


async def be_silent(catalog: Catalog, follower: str, seconds: int) -> None:
    """As if the follower had last asked so long ago."""
    connection = await asyncpg.connect(catalog.database.url)
    await connection.execute(
        "UPDATE catalog.follower SET seen = now() - make_interval(secs => $1) WHERE name = $2", seconds, follower
    )
    await connection.close()


@pytest.mark.requirement("CAS-13")
async def test_a_revision_is_live_when_every_gateway_that_runs_acts_on_it(catalog: Catalog) -> None:
    await catalog.furnish()
    head = await catalog.head()
    assert not await live(catalog, head)  # no gateway, no proof
    await catalog.internal(f"/feed?after={head}&follower=gateway-1")
    assert await live(catalog, head)
    assert not await live(catalog, head + 1)
    await catalog.internal(f"/feed?after={head - 1}&follower=gateway-2")
    assert not await live(catalog, head)
    await be_silent(catalog, "gateway-2", 31)
    assert await live(catalog, head)
    await catalog.internal(f"/feed?after={head - 2}&follower=gateway-2")  # it is back, from an older snapshot
    assert not await live(catalog, head)
    await catalog.internal(f"/feed?after={head}&follower=gateway-2")
    assert await live(catalog, head)


@pytest.mark.requirement("CAS-13")
async def test_a_gateway_that_says_farewell_is_waited_for_no_longer(catalog: Catalog) -> None:
    await catalog.furnish()
    head = await catalog.head()
    await catalog.internal(f"/feed?after={head}&follower=gateway-1")
    await catalog.internal(f"/feed?after={head - 1}&follower=gateway-2")
    for key, is_heard in ((ServiceKey(b"x" * 32, "gateway"), False), (catalog.service_key, True)):
        leaving = FeedReader(catalog.client, key, Follower(), "gateway-2")
        await leaving.follow()
        await leaving.leave()
        assert leaving.age_s() == float("inf")  # it decides nothing any more
        assert await live(catalog, head) == is_heard
    await catalog.internal(f"/feed?after={head - 1}&follower=gateway-2")  # it is back
    assert not await live(catalog, head)


@pytest.mark.requirement("CAS-13")
async def test_a_follower_is_noted_when_it_moves_and_now_and_then(catalog: Catalog) -> None:
    async def seen(after: int) -> Any:
        await catalog.internal(f"/feed?after={after}&follower=gateway-1")
        connection = await asyncpg.connect(catalog.database.url)
        [row] = await connection.fetch("SELECT revision, seen FROM catalog.follower")
        await connection.close()
        return row

    await catalog.furnish()
    first = await seen(1)
    assert await seen(1) == first
    assert (await seen(2))["revision"] == 2
    await be_silent(catalog, "gateway-1", 6)
    assert (await seen(2))["seen"] > first["seen"]


@pytest.mark.requirement("CAS-13")
async def test_a_gateway_names_itself_and_an_exchange_is_not_waited_for(catalog: Catalog) -> None:
    await catalog.furnish()
    for name in ("网关 1&after=99", ""):
        reader = FeedReader(catalog.client, catalog.service_key, Follower(), name)
        await reader.follow()
        await asyncio.gather(reader.follow(), catalog.give())
        await asyncio.gather(reader.follow(), catalog.give())
    connection = await asyncpg.connect(catalog.database.url)
    rows = await connection.fetch("SELECT name, revision FROM catalog.follower")
    await connection.close()
    assert [row["name"] for row in rows] == ["网关 1&after=99"]
    assert 0 < rows[0]["revision"] <= await catalog.head()
