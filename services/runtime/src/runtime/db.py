"""PostgreSQL: the engine, and the checks that it is one we can trust with a log."""

import re

import asyncpg
import structlog
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

log = structlog.get_logger()
OLDEST_MAJOR = 15


class UnfitDatabase(Exception):
    """The server cannot be used; the message names the remedy."""


def engine(url: str, *, role: str = "", pool_size: int = 5) -> AsyncEngine:
    """An asyncpg engine for `postgresql://user:password@host:port/database`.

    role  a role to act as, of which the log-in role is a member; "" to act as the log-in role itself
    """
    arguments = {"server_settings": {"role": role}} if role else {}
    parsed = make_url(url).set(drivername="postgresql+asyncpg")
    return create_async_engine(parsed, pool_size=pool_size, pool_pre_ping=True, connect_args=arguments)


def plain(url: str) -> str:
    """The same address for asyncpg itself, without SQLAlchemy's driver name."""
    return re.sub(r"^postgresql\+\w+:", "postgresql:", url)


async def check_server(url: str) -> None:
    """Raise UnfitDatabase unless the server is new enough and keeps what it has acknowledged."""
    try:
        connection = await asyncpg.connect(plain(url), timeout=10)
    except (OSError, ValueError, asyncpg.InterfaceError, asyncpg.PostgresError, TimeoutError) as error:
        raise UnfitDatabase(f"cannot reach PostgreSQL ({error}); check the address and that it runs") from None
    try:
        number = int(await connection.fetchval("SHOW server_version_num"))
        if number // 10_000 < OLDEST_MAJOR:
            raise UnfitDatabase(f"PostgreSQL {number // 10_000} is too old; use {OLDEST_MAJOR} or newer")
        for setting in ("synchronous_commit", "fsync", "full_page_writes"):
            if await connection.fetchval(f"SHOW {setting}") == "off":
                raise UnfitDatabase(f"PostgreSQL has {setting}=off, which loses acknowledged records; set it to on")
    finally:
        await connection.close()


async def ready(database: AsyncEngine) -> None:
    """One round trip; raises when the database does not answer."""
    async with database.connect() as connection:
        await connection.execute(text("SELECT 1"))
