"""The worker that looks at clocks: reminders at their marks, 督办 when their end has passed (B.16).

Each clock is looked at in a transaction of its own that holds its row: what is told and when to look next commit
together, so a crash repeats nothing and forgets nothing, and several workers share the rows without meeting.
"""

from datetime import timedelta

import structlog

from catalog_service.clocks import reckon, store
from catalog_service.clocks.flows import facts_of
from catalog_service.clocks.model import Clock
from catalog_service.clocks.reckon import Look
from catalog_service.feed.flows import Change, Journal
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.notices.flows import notify
from catalog_service.policy.flows import Lawbook

log = structlog.get_logger()
WORKER = Actor("clock-worker", PLATFORM)
MOST_AT_ONCE = 200
SET_ASIDE = timedelta(minutes=10)


class Worker:
    """Looks at every clock whose time has come."""

    def __init__(self, journal: Journal, lawbook: Lawbook) -> None:
        self._journal = journal
        self._lawbook = lawbook

    async def tick(self) -> int:
        """How many clocks were looked at; a clock that cannot be is set aside, so that it holds up no other."""
        for seen in range(MOST_AT_ONCE):
            if not await self._next():
                return seen
        return MOST_AT_ONCE

    async def _next(self) -> bool:
        """Look at one clock; False if none is left."""
        clock = None
        try:
            async with self._journal.change(WORKER) as change:
                clock = await store.next_due(change.tx, change.at)
                if clock is not None:
                    await self._look(change, clock)
        except Exception:
            if clock is None:
                raise
            log.exception("clock.set_aside", clock=clock.id)
            async with self._journal.change(WORKER) as change:
                await store.look_later(change.tx, clock.id, change.at + SET_ASIDE)
        return clock is not None

    async def _look(self, change: Change, clock: Clock) -> None:
        calendar = await self._lawbook.calendar(change.tx, clock.region)
        found = reckon.look(clock, calendar, change.at)
        if found.word:
            await _tell(change, found)
        await store.keep_clock(change.tx, found.clock, found.next_at)


async def _tell(change: Change, found: Look) -> None:
    """Before the end the responsible officer; after it superiors and whoever waits as well. Only 督办 is in the log."""
    clock = found.clock
    facts = {**facts_of(clock), "stage": found.stage}
    to = [clock.officer]
    if found.word != "clock.warning":
        to += clock.superiors + clock.waiting
    if found.word == "clock.overdue":
        await change.tell("clock.overdue", clock, **facts)
    key = f"clock/{clock.id}/{found.stage}/{clock.latest_due_at:%Y-%m-%dT%H:%M}"
    await notify(change, to=to, word=found.word, about=clock.subject, facts=facts, key=key)
