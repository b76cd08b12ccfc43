"""A real PostgreSQL for the tests: one cluster per test process, one database per test that asks for it."""

import asyncio
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import asyncpg
import pytest

from runtime.migrate import migrate
from tongdao_cli.postgres import Postgres

PASSWORD = "only-for-tests"
PLENTY_BYTES = 2 * 1024**3


class Cluster:
    """Makes databases; `url` is that of the superuser."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._templates: dict[tuple[tuple[str, str], ...], str] = {}

    def database(self, *services: tuple[str, str]) -> "Database":
        """A new database with the schemas of `services`, each (package, schema): a copy of one that was migrated."""
        if services not in self._templates:
            self._templates[services] = self._migrated(services)
        name = _new_name()
        asyncio.run(self._run(f'CREATE DATABASE "{name}" TEMPLATE "{self._templates[services]}"'))
        return Database(self._url_of(name))

    @contextmanager
    def lent(self, *services: tuple[str, str]) -> Iterator["Database"]:
        """A database that is dropped at the end: a server with a hundred of them takes long to stop."""
        database = self.database(*services)
        yield database
        asyncio.run(self._run(f'DROP DATABASE "{database.name}" WITH (FORCE)'))

    def _migrated(self, services: tuple[tuple[str, str], ...]) -> str:
        name = _new_name()
        asyncio.run(self._run(f'CREATE DATABASE "{name}"'))
        for package, schema in services:
            asyncio.run(migrate(self._url_of(name), package, schema, PASSWORD))
        return name

    def _url_of(self, name: str) -> str:
        return self._url.rpartition("/")[0] + f"/{name}"

    async def _run(self, statement: str) -> None:
        connection = await asyncpg.connect(self._url)
        await connection.execute(statement)
        await connection.close()


def _new_name() -> str:
    return f"test_{secrets.token_hex(6)}"


class Database:
    """One database; `url` is the superuser's, `url_of("catalog")` that of the service role."""

    def __init__(self, url: str) -> None:
        self.url = url

    @property
    def name(self) -> str:
        return self.url.rpartition("/")[2]

    def url_of(self, schema: str) -> str:
        return f"postgresql://tongdao_{schema}:{PASSWORD}@" + self.url.partition("@")[2]


def _quick_place() -> str | None:
    """Memory, where there is plenty: nothing of this has to outlive the machine, and disks are slow to sync."""
    memory = Path("/dev/shm")  # noqa: S108  # a folder of our own is made in it
    if memory.is_dir() and shutil.disk_usage(memory).free > PLENTY_BYTES:
        return str(memory)
    return None


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    """The cluster of this test process.

    Not in pytest's own folder: another run that starts meanwhile closes that to the user that PostgreSQL runs as.
    """
    with tempfile.TemporaryDirectory(prefix="tongdao-test-", dir=_quick_place(), ignore_cleanup_errors=True) as home:
        Path(home).chmod(0o755)
        postgres = Postgres(Path(home))
        yield Cluster(postgres.start())
        postgres.stop()
