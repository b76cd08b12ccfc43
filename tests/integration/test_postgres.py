"""The embedded PostgreSQL that everything else stands on."""

import asyncpg
import pytest

from harness.postgres import Cluster

pytestmark = pytest.mark.anyio


async def test_it_is_new_enough_and_knows_chinese(cluster: Cluster) -> None:
    connection = await asyncpg.connect(cluster._url)
    assert int(await connection.fetchval("SHOW server_version_num")) >= 150000
    assert await connection.fetchval("SELECT upper('a') || length('政务数据')") == "A4"
    await connection.close()
