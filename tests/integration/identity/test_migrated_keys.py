"""Keys that were registered before keys had an end get one."""

import importlib
import time

import asyncpg
import pytest

from harness.postgres import Cluster, Database
from runtime.db import plain

pytestmark = pytest.mark.anyio
KEYS = '[{"kid": "b", "x": "1"}, {"kid": "a", "x": "2"}]'
INSERT = (
    "INSERT INTO identity.client (client_id, department, scope, method, keys, secret_sha256, registered_at) "
    "VALUES ($1, 'd', 'call', $2, $3::jsonb, $4, now())"
)


@pytest.fixture
def database(cluster: Cluster) -> Database:
    return cluster.database(("identity", "identity"))


@pytest.mark.requirement("IDK-05")
async def test_every_key_ends_two_years_after_the_migration_and_keeps_its_place(database: Database) -> None:
    migration = importlib.import_module("identity.migrations.versions.0003_keys")
    statement = migration._UP.rpartition(";")[2]
    assert statement.strip().startswith("UPDATE identity.client")
    connection = await asyncpg.connect(plain(database.url))
    await connection.execute(INSERT, "system", "private_key_jwt", KEYS, None)
    await connection.execute(INSERT, "secret", "client_secret_basic", "[]", b"0" * 32)
    await connection.execute(statement)
    rows = await connection.fetch("SELECT key ->> 'kid' AS kid, (key ->> 'until')::bigint AS until, key ->> 'x' AS x "
                                  "FROM identity.client, jsonb_array_elements(keys) AS key")  # fmt: skip
    assert [(row["kid"], row["x"]) for row in rows] == [("b", "1"), ("a", "2")]
    assert all(abs(row["until"] - time.time() - 730 * 86400) < 120 for row in rows)
    assert await connection.fetchval("SELECT keys::text FROM identity.client WHERE client_id = 'secret'") == "[]"
    await connection.close()
