"""Changes as they happen: one transaction holds the change, its feed entry and the event for the log."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, cast

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from catalog_service.feed import store
from catalog_service.feed.bell import Bell
from catalog_service.feed.model import Actor, Thing, kind_and_id, stamped
from relay.egress import Egress
from runtime.clock import Clock
from runtime.errors import Refusal
from runtime.outbox import Outbox
from wire import codes
from wire.audit import new_event
from wire.catalog import Feed

BATCH = 1000
POLL_S = 1.0
T = TypeVar("T", bound=Thing)


@dataclass(frozen=True, slots=True)
class Change:
    """One transaction of one actor: what is stored, published and told stands or falls together.

    Every flow takes its locks in the same order, so that no two wait for each other: `lock` on its own name, then the
    rows it rests on (FOR SHARE), then its own rows, and `publish` last.

    egress  where what is registered may lead in this installation
    """

    tx: AsyncConnection
    actor: Actor
    at: datetime
    outbox: Outbox
    egress: Egress

    async def lock(self, name: str) -> None:
        """Be the only writer of `name` (such as "system/zjj-housing") until the transaction ends."""
        await store.lock(self.tx, name)

    async def publish(self, thing: T) -> T:
        """Put the thing into the feed; answers it as published (a grant learns its revision)."""
        revision = await store.next_revision(self.tx)
        published = cast(T, stamped(thing, revision))
        kind, thing_id = kind_and_id(published)
        await store.append(self.tx, revision, kind, thing_id, msgspec.json.encode(published))
        return published

    async def unpublish(self, thing: Thing) -> None:
        """Take the thing out of the feed: whoever follows it forgets it."""
        revision = await store.next_revision(self.tx)
        kind, thing_id = kind_and_id(thing)
        await store.append(self.tx, revision, kind, thing_id, b"null")

    async def tell(self, event: str, thing: msgspec.Struct, **facts: str) -> None:
        """Write an event for the log (design 7: who decided what, on which ground), with the digest of `thing`."""
        digest = hashlib.sha256(msgspec.json.encode(thing, order="deterministic")).hexdigest()
        told = new_event(event, self.at, self.actor.client, self.actor.department, {**facts, "digest": digest})
        await self.outbox.write(self.tx, msgspec.json.encode(told), self.at)


class Journal:
    """Opens changes."""

    def __init__(self, database: AsyncEngine, outbox: Outbox, clock: Clock, egress: Egress) -> None:
        self.database = database
        self._outbox = outbox
        self._clock = clock
        self._egress = egress

    def now(self) -> datetime:
        return self._clock.now()

    @asynccontextmanager
    async def change(self, actor: Actor) -> AsyncIterator[Change]:
        """A transaction that commits at the end of the block, or leaves nothing behind.

        Raises Refusal(DEPARTMENT_SUSPENDED): whoever may not take part decides nothing either (国务院令第809号 27).
        """
        async with self.database.begin() as tx:
            if actor.offices and await store.standing_of(tx, actor.department) in ("suspended", "revoked"):
                raise Refusal(codes.DEPARTMENT_SUSPENDED, actor.department)
            yield Change(tx, actor, self._clock.now(), self._outbox, self._egress)


async def changes_after(database: AsyncEngine, bell: Bell, revision: int, hold_s: float) -> Feed:
    """The entries after `revision`; waits up to `hold_s` for the first. Raises Refusal(FEED_BEHIND)."""
    until = asyncio.get_running_loop().time() + hold_s
    while True:
        rung = bell.next()
        async with database.connect() as connection:
            feed = await store.entries_after(connection, revision, BATCH)
        if revision > feed.head:
            raise Refusal(codes.FEED_BEHIND, f"head is {feed.head}", head=feed.head)
        left = until - asyncio.get_running_loop().time()
        if feed.entries or left <= 0:
            return feed
        with suppress(TimeoutError):
            await asyncio.wait_for(rung.wait(), min(left, POLL_S))


async def heard_of(database: AsyncEngine, follower: str, revision: int) -> None:
    """A gateway asks for what comes after `revision`: up to there it acts on everything."""
    async with database.begin() as tx:
        await store.keep_follower(tx, follower, revision)


async def farewell(database: AsyncEngine, follower: str) -> None:
    """A gateway has stopped: it acts on nothing, so nothing has to wait for it."""
    async with database.begin() as tx:
        await store.part_with(tx, follower)
