"""The law without HTTP: a journal over a real database whose time a test sets, and what came of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from catalog_service.clocks import flows as clocks
from catalog_service.clocks import store as clock_store
from catalog_service.clocks.model import Clock, Subject
from catalog_service.clocks.worker import Worker
from catalog_service.feed.flows import Change, Journal
from catalog_service.feed.model import Actor
from catalog_service.feed.store import outbox as outbox_table
from catalog_service.policy import flows as policy
from catalog_service.policy.flows import Lawbook
from harness.addresses import NOWHERE
from runtime.outbox import Outbox
from statute.calendar import SHANGHAI
from wire import scopes
from wire.audit import Event

OFFICER = Actor("zjj-officer", "zjj", frozenset({scopes.OFFICER}))
AUTHORITY = Actor("dsjj-officer", "dsjj", frozenset({scopes.AUTHORITY}))

CASE = Subject("case", "01a")
REPLY = "share.conditional.reply"


def shanghai(when: str) -> datetime:
    """ "2026-02-13 09:30" in Shanghai, as the instant that it is."""
    return datetime.fromisoformat(when).replace(tzinfo=SHANGHAI).astimezone(UTC)


class SetClock:
    """A clock that a test sets."""

    def __init__(self, when: str) -> None:
        self.at = shanghai(when)

    def now(self) -> datetime:
        return self.at

    def set(self, when: str) -> None:
        self.at = shanghai(when)


class Bench:
    """One installation's law: begin it, change it, look at clocks, read what was told."""

    def __init__(self, database: AsyncEngine, clock: SetClock) -> None:
        self.database = database
        self.clock = clock
        self.lawbook = Lawbook()
        self.journal = Journal(database, Outbox(database, outbox_table, _keep), clock, NOWHERE)

    async def begin(self, profile: str = "national") -> None:
        async with self.change() as change:
            await policy.begin(change, self.lawbook, profile)

    @asynccontextmanager
    async def change(self, actor: Actor = OFFICER) -> AsyncIterator[Change]:
        async with self.journal.change(actor) as change:
            yield change

    async def activate(self, change: Change, profile: str, *, override: bool = False) -> None:
        await policy.activate(change, self.lawbook, profile, "a reason", override=override)

    async def start(
        self,
        key: str = REPLY,
        subject: Subject = CASE,
        *,
        until: date | None = None,
        responsible: str = "rsj",
        counterpart: str = "zjj",
    ) -> Clock | None:
        """Start a clock under the law in force."""
        async with self.change() as change:
            law = await self.lawbook.law(change.tx, government=True)
            return await clocks.start_clock(
                change, self.lawbook, law, key, subject, responsible=responsible, counterpart=counterpart, until=until
            )

    async def clocks(self, *subjects: Subject) -> list[Clock]:
        """All clocks of these, of CASE where none is named."""
        async with self.database.connect() as tx:
            return await clocks.clocks_of(tx, subjects or [CASE])

    async def spoil(self, subject: Subject) -> None:
        """Damage the clocks of a subject so that nobody can read a calendar for them."""
        async with self.database.begin() as tx:
            [one] = await clocks.clocks_of(tx, [subject])
            await clock_store.keep_passed(tx, msgspec.structs.replace(one, region="XX"))

    async def until_somebody_waits(self) -> None:
        """Until a transaction waits for a lock that another one holds."""
        while not await self.rows("SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.01)

    def worker(self) -> Worker:
        return Worker(self.journal, self.lawbook)

    async def at(self, when: str) -> int:
        """Set the time and let a worker look; how many clocks it looked at."""
        self.clock.set(when)
        return await self.worker().tick()

    async def rows(self, query: str, **values: Any) -> list[Any]:
        async with self.database.connect() as connection:
            return list(await connection.execute(text(query), values))

    async def told(self, event: str = "") -> list[Event]:
        """What waits for the log, of one kind or all."""
        rows = await self.rows("SELECT event FROM catalog.outbox ORDER BY id")
        events = [msgspec.json.decode(row.event, type=Event) for row in rows]
        return [one for one in events if event in ("", one.event)]

    async def notices(self, word: str = "") -> list[dict[str, Any]]:
        """What lies in inboxes, of one word or all, in the order in which it came."""
        rows = await self.rows("SELECT entry FROM catalog.notice ORDER BY id")
        found = [msgspec.json.decode(row.entry) for row in rows]
        return [one for one in found if word in ("", one["word"])]


async def _keep(_events: object) -> None:
    raise AssertionError("nothing is delivered here")
