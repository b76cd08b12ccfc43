"""The exchange's connections to PostgreSQL: opened when the process runs, not when its parts are put together."""

from typing import Any

import asyncpg

from runtime.db import plain

CONNECTIONS = 8
TIMEOUT_S = 5.0


class Database:
    """An asyncpg pool that can be handed on before it is open; its methods are those of the pool."""

    def __init__(self, url: str) -> None:
        self._url = plain(url)
        self._pool: Any = None

    async def open(self) -> None:
        """Before anything is asked of it."""
        self._pool = await asyncpg.create_pool(self._url, min_size=1, max_size=CONNECTIONS, timeout=TIMEOUT_S)

    async def close(self) -> None:
        if self._pool is not None:
            await self._pool.close()

    async def fetch(self, query: str, *arguments: Any, timeout: float | None = None) -> list[Any]:
        rows: list[Any] = await self._pool.fetch(query, *arguments, timeout=timeout)
        return rows

    async def fetchrow(self, query: str, *arguments: Any, timeout: float | None = None) -> Any:
        return await self._pool.fetchrow(query, *arguments, timeout=timeout)

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        return await self._pool.fetchval(query, *arguments)

    async def execute(self, query: str, *arguments: Any, timeout: float | None = None) -> str:
        done: str = await self._pool.execute(query, *arguments, timeout=timeout)
        return done

    def acquire(self) -> Any:
        """A connection of one's own: `async with database.acquire() as connection`."""
        return self._pool.acquire()
