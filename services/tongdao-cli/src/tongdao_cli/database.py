"""The database of a home: somebody's server named by an address, or a private one started for us."""

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from runtime.db import UnfitDatabase, check_server
from runtime.migrate import migrate
from tongdao_cli.home import CannotStart, Home
from tongdao_cli.keys import Secrets
from tongdao_cli.postgres import Postgres
from tongdao_cli.services import SCHEMA_OF
from tongdao_cli.supervisor import Program


async def check(url: str) -> None:
    """Raise CannotStart unless the server behind DATABASE_URL will do."""
    try:
        await check_server(url)
    except UnfitDatabase as error:
        raise CannotStart(f"DATABASE_URL: {error}") from None


def program(postgres: Postgres, port: int) -> Program:
    """The private server as a program to keep running; `postgres.prepare()` comes first."""

    async def ready() -> bool:
        return await asyncio.to_thread(postgres.answers, port)

    return Program(
        name="postgres",
        command=postgres.command(port),
        environment=postgres.environment,
        ready=ready,
        stop_signal=signal.SIGINT,  # its fast shutdown; SIGTERM would wait for sessions to end by themselves
        user=postgres.user,
        cwd=postgres.place,
    )


async def migrate_all(url: str, secrets: Secrets) -> None:
    """Bring the schema of every service up to date; raises CannotStart if the database does not let us."""
    for package, schema in SCHEMA_OF.items():
        try:
            await migrate(url, package, schema, secrets.password(schema))
        except DBAPIError as error:
            reason = str(error.orig).splitlines()[0]
            raise CannotStart(
                f"the schema {schema} cannot be brought up to date ({reason}); check that the role of DATABASE_URL may "
                "create schemas and roles, and that no newer version has been here"
            ) from None


@contextmanager
def opened(home: Home, url: str) -> Iterator[str]:
    """Address of the database of `home` for a tool: the one given, the running one, or one started for the while."""
    url = url or os.environ.get("DATABASE_URL", "") or home.running().get("database_url", "")
    if url:
        asyncio.run(check(url))
        yield url
        return
    with home.locked():
        postgres = Postgres(home.postgres)
        try:
            yield postgres.start()
        finally:
            postgres.stop()
