"""A real PostgreSQL for the tests: one cluster per test process, one database per test that asks for it."""

import asyncio
import secrets
import tempfile
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from runtime.migrate import migrate
from tongdao_cli.postgres import Postgres

PASSWORD = "only-for-tests"


class Cluster:
    """Makes databases; `url` is that of the superuser."""

    def __init__(self, url: str) -> None:
        self._url = url

    def database(self, *services: tuple[str, str]) -> "Database":
        """A new database with the schemas of `services`, each (package, schema), migrated."""
        name = f"test_{secrets.token_hex(6)}"
        asyncio.run(self._create(name))
        url = self._url.rpartition("/")[0] + f"/{name}"
        for package, schema in services:
            asyncio.run(migrate(url, package, schema, PASSWORD))
        return Database(url)

    async def _create(self, name: str) -> None:
        connection = await asyncpg.connect(self._url)
        await connection.execute(f'CREATE DATABASE "{name}"')
        await connection.close()


class Database:
    """One database; `url` is the superuser's, `url_of("catalog")` that of the service role."""

    def __init__(self, url: str) -> None:
        self.url = url

    def url_of(self, schema: str) -> str:
        return f"postgresql://tongdao_{schema}:{PASSWORD}@" + self.url.partition("@")[2]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster of this test process.

    Not in pytest's own folder: another run that starts meanwhile closes that to the user that PostgreSQL runs as.
    """
    with tempfile.TemporaryDirectory(prefix="tongdao-test-", ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        postgres = Postgres(Path(home))
        yield Cluster(postgres.start())
        postgres.stop()
