"""The bell that wakes long polls: one connection that LISTENs, opened again whenever it is lost.

A lost connection loses notifications without a word, so a wait never relies on the bell alone: see `POLL_S` in flows.
"""

import asyncio

import asyncpg
import structlog

from catalog_service.feed.store import CHANNEL
from runtime.db import plain
from runtime.tasks import happens

log = structlog.get_logger()
CHECK_S = 5.0


class Bell:
    """Rings for every committed change, ours or another process's."""

    def __init__(self, database_url: str) -> None:
        self._url = plain(database_url)
        self._next = asyncio.Event()

    def next(self) -> asyncio.Event:
        """Set at the next ring. Take it before reading what may have changed, or a ring in between is missed."""
        return self._next

    def ring(self, *_notification: object) -> None:
        """Wake everybody who waits."""
        rung, self._next = self._next, asyncio.Event()
        rung.set()

    async def listen(self) -> None:
        """Listen until the connection is lost; called again and again."""
        try:
            connection = await asyncpg.connect(self._url, timeout=5)
        except (OSError, asyncpg.PostgresError, TimeoutError) as error:
            log.warning("feed.not_listening", error=repr(error))
            await asyncio.sleep(1)
            return
        lost = asyncio.Event()
        connection.add_termination_listener(lambda _connection: lost.set())
        try:
            await connection.add_listener(CHANNEL, self.ring)
            self.ring()  # what was announced while nobody listened
            while not await happens(lost, CHECK_S):
                await connection.execute("SELECT 1", timeout=CHECK_S)  # a dead peer says nothing
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            log.warning("feed.connection_lost", error=repr(error))
        finally:
            connection.terminate()
