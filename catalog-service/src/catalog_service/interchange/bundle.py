"""Many changes as one: they commit together or leave nothing behind."""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
from sqlalchemy.exc import DBAPIError

from catalog_service.feed.flows import Change, Journal
from catalog_service.feed.flows import T as Thing
from catalog_service.feed.model import Actor
from catalog_service.feed.model import Thing as AnyThing
from runtime.errors import Refusal
from wire import codes

MOST_THINGS = 1000
"""Each is a dozen statements, and a lock that the database holds until the end; it has room for some thousands."""
ATTEMPTS = 3
DEADLOCK = "40P01"
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Bundle(Change):
    """A change of many things. What its flows publish waits: whoever publishes holds up everybody until the end.

    told  events written so far: a flow that changes nothing tells nobody
    """

    waiting: list[tuple[AnyThing, bool]] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    async def lock_all(self, names: Iterable[str]) -> None:
        """Take these locks before any row is touched, in one order: two bundles never wait for each other's."""
        for name in sorted(set(names)):
            await self.lock(name)

    async def publish(self, thing: Thing) -> Thing:
        self.waiting.append((thing, True))
        return thing

    async def unpublish(self, thing: AnyThing) -> None:
        self.waiting.append((thing, False))

    async def tell(self, event: str, thing: msgspec.Struct, **facts: str) -> None:
        self.told.append(event)
        await Change.tell(self, event, thing, **facts)

    async def finish(self) -> None:
        """Publish what waits, in its order."""
        for thing, is_there in self.waiting:
            if is_there:
                await Change.publish(self, thing)
            else:
                await Change.unpublish(self, thing)


class _Rehearsed(Exception):
    """Ends a rehearsal: nothing of it stays."""


async def as_one(journal: Journal, actor: Actor, work: Callable[[Bundle], Awaitable[T]], *, dry_run: bool = False) -> T:
    """What `work` answers, once all of it is committed; with `dry_run` all is done and then undone.

    Where a bundle and somebody else each hold what the other waits for, the database ends one of them: a bundle is
    then done again from the start.
    """
    attempt = 1
    while True:
        try:
            return await _once(journal, actor, work, dry_run=dry_run)
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", "") != DEADLOCK:
                raise
            if attempt == ATTEMPTS:
                raise Refusal(codes.CONFLICT, "others are changing the same things; send it again") from None
        attempt += 1


async def _once(journal: Journal, actor: Actor, work: Callable[[Bundle], Awaitable[T]], *, dry_run: bool) -> T:
    with suppress(_Rehearsed):
        async with journal.change(actor) as change:
            bundle = Bundle(change.tx, change.actor, change.at, change.outbox, change.egress)
            outcome = await work(bundle)
            if dry_run:
                raise _Rehearsed
            await bundle.finish()
    return outcome
