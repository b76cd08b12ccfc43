"""Daily figures for those who want them: one message a day and subscription, made when the day is over and counted."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

from audit_service import store as log_store
from audit_service.feeds import store
from audit_service.feeds.model import Subscription, day_over, digest_body
from audit_service.search.figures import digest
from runtime.clock import Clock, SystemClock

AT_ONCE = 100
LATEST = timedelta(days=31)
"""Figures of older days are not sent after the fact; `GET /digest` has them."""


class Digests:
    """One replica at a time; `tick` once a minute."""

    def __init__(self, database: log_store.Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    async def tick(self) -> None:
        """Make what is due; the sender sends it."""
        now = self._clock.now()
        day = day_over(now)
        async with log_store.turn(self._database.clerk, "digests") as connection:
            if connection is None:
                return
            waiting = await store.next_sequenced_at(connection)
            if waiting and waiting < datetime.combine(day + timedelta(days=1), time(), UTC):
                return  # some of that day is not counted yet
            while found := await store.digests_due(connection, day, AT_ONCE):
                for one in found:
                    await self._make(connection, one, now)

    async def _make(self, connection: Any, one: Subscription, now: datetime) -> None:
        last = day_over(now)
        day = max(one.digest_day + timedelta(days=1), last - LATEST)
        figures = await digest(connection, one.department, day)
        async with connection.transaction():
            if await store.digest_made(connection, one.id, day):
                await store.add_message(connection, one.id, "digest", str(day), digest_body(one.id, day, figures), now)
