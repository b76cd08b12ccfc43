"""The events of the catalog: in the same transaction as the change, kept while the log is away. And the rights."""

import asyncio

import asyncpg
import pytest

from harness.catalog import Catalog
from harness.postgres import Database

pytestmark = pytest.mark.anyio


async def waiting_events(database: Database) -> int:
    connection = await asyncpg.connect(database.url)
    try:
        return int(await connection.fetchval("SELECT count(*) FROM catalog.outbox"))
    finally:
        await connection.close()


async def delivered(catalog: Catalog) -> None:
    while await waiting_events(catalog.database):
        await asyncio.sleep(0.02)


@pytest.mark.requirement("CAT-11")
async def test_events_wait_while_the_log_is_away_and_changes_go_on(catalog: Catalog) -> None:
    await delivered(catalog)  # what the first start told
    catalog.log.events.clear()
    catalog.log.away = True
    await catalog.furnish()
    grant_id = await catalog.give()
    await catalog.move(f"/grants/{grant_id}", "revoke", by="rsj")
    assert (await catalog.ask("POST", "/grants", {"system": "x"})).status_code == 422
    await asyncio.sleep(0.3)  # several flushes have failed by now
    assert await waiting_events(catalog.database) == 7
    assert catalog.log.events == []

    catalog.log.away = False
    await delivered(catalog)
    told = {leaf.call: leaf for leaf in catalog.log.events}  # at least once: one id each
    assert [leaf.event for leaf in told.values()] == [
        "department.registered",
        "department.registered",
        "system.registered",
        "resource.registered",
        "interface.registered",
        "grant.given",
        "grant.revoked",
    ]
    revoked = list(told.values())[-1]
    assert (revoked.actor, revoked.department, revoked.gateway) == ("rsj-client", "rsj", "catalog-1")
    assert revoked.facts["grant"] == grant_id
    assert revoked.facts["reason"] == "a reason"
    assert len(revoked.facts["digest"]) == 64


@pytest.mark.requirement("CAT-11")
async def test_the_lease_on_the_log_is_renewed(catalog: Catalog) -> None:
    await catalog.furnish()
    while not catalog.log.renewals:
        await asyncio.sleep(0.05)
    assert catalog.log.events


@pytest.mark.requirement("CAT-14")
@pytest.mark.parametrize(
    "statement",
    [
        "DELETE FROM catalog.feed",
        "UPDATE catalog.feed SET body = ''",
        "DELETE FROM catalog.grants",
        "DELETE FROM catalog.department",
        "DELETE FROM catalog.feed_head",
        "INSERT INTO catalog.feed_head VALUES (7)",
        "TRUNCATE catalog.outbox",
        "UPDATE catalog.outbox SET event = ''",
        "DROP TABLE catalog.feed",
        "ALTER TABLE catalog.grants DISABLE TRIGGER never_back",
    ],
)
async def test_the_service_can_neither_delete_nor_rewrite(database: Database, statement: str) -> None:
    connection = await asyncpg.connect(database.url_of("catalog"))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.requirement("CAT-14")
async def test_the_database_itself_keeps_the_revoked_revoked(catalog: Catalog) -> None:
    await catalog.furnish()
    await catalog.move("/systems/zjj-housing", "revoke")
    connection = await asyncpg.connect(catalog.database.url_of("catalog"))
    try:
        with pytest.raises(asyncpg.CheckViolationError):
            await connection.execute("UPDATE catalog.system SET standing = 'active'")
    finally:
        await connection.close()
