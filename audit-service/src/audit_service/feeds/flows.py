"""What a department does about its own usage: pull it, have it sent, look at what could not be sent."""

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import date
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from msgspec.structs import replace

from audit_service import store as log_store
from audit_service.feeds import store
from audit_service.feeds.model import (
    Delivery,
    Side,
    Subscription,
    cursor_of,
    day_over,
    position_of,
    shown,
    told_by,
    wanted_of,
)
from audit_service.feeds.reading import calls_after
from audit_service.search import figures
from audit_service.search.finder import Finder
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from runtime.errors import INVALID_REQUEST, Refusal
from runtime.ids import uuid7
from runtime.webhook import mistakes_in_address
from wire import codes
from wire.tokens import AccessToken

MOST_SUBSCRIPTIONS = 20
"""Of one department."""
MOST_SHOWN = 10
"""Of what waits for one subscription."""


class Wish(NamedTuple):
    """What somebody states about a subscription."""

    url: str
    networks: list[str]
    side: Side
    interface: str
    digest: bool


class Feeds:
    """Everything here is the caller's own department's; what is another's does not exist for it."""

    def __init__(
        self, database: log_store.Database, finder: Finder, writer: Writer, clock: Clock | None = None
    ) -> None:
        self._database = database
        self._finder = finder
        self._writer = writer
        self._clock = clock or SystemClock()

    # --- pulling
    async def pull(self, token: AccessToken, side: Side, interface: str, after: str, limit: int) -> dict[str, Any]:
        """The next records after a cursor; on record unless there are none."""
        position = position_of(after)
        page = await calls_after(self._finder, wanted_of(_own(token), side, interface), position, limit)
        if page.rows:
            first, last = page.rows[0].leaf_index, page.rows[-1].leaf_index
            await self._tell(token, "record.pulled", first=str(first), last=str(last), count=str(len(page.rows)))
        return {"items": [shown(row) for row in page.rows], "next": cursor_of(page.upto), "more": page.more}

    # --- subscriptions
    async def subscribe(self, token: AccessToken, wish: Wish, *, from_beginning: bool) -> Subscription:
        """Raises Refusal: INVALID_REQUEST, TOO_MANY_SUBSCRIPTIONS."""
        _check(wish)
        now = self._clock.now()
        async with log_store.answering("subscription"), self._change() as tx:
            await store.lock_department(tx, _own(token))
            if len(await store.of_department(tx, token.department)) >= MOST_SUBSCRIPTIONS:
                raise Refusal(codes.TOO_MANY_SUBSCRIPTIONS, f"a department has at most {MOST_SUBSCRIPTIONS}")
            made = Subscription(
                **wish._asdict(), id=str(uuid7(int(now.timestamp() * 1000))), department=token.department,
                generation=1, active=True, position=-1 if from_beginning else await store.indexed(tx) - 1,
                digest_day=day_over(now), made_by=token.client, made_at=now,
            )  # fmt: skip
            await store.add(tx, made)
            await self._told(token, "subscription.made", made)
        return made

    async def change(self, token: AccessToken, subscription_id: str, wish: Wish) -> Subscription:
        """With a new signing key. What is on its way goes to the new address."""
        _check(wish)
        async with log_store.answering("subscription"), self._change() as tx:
            known = await _find(tx, token, subscription_id, for_change=True)
            day = day_over(self._clock.now()) if wish.digest and not known.digest else known.digest_day
            changed = replace(known, **wish._asdict(), generation=known.generation + 1, digest_day=day)
            await store.change(tx, changed)
            await self._told(token, "subscription.changed", changed)
        return changed

    async def switch(self, token: AccessToken, subscription_id: str, *, active: bool) -> Subscription:
        """Pause, or go on from where it was."""
        async with log_store.answering("subscription"), self._change() as tx:
            known = await _find(tx, token, subscription_id, for_change=True)
            switched = replace(known, active=active)
            if known.active != active:
                await store.change(tx, switched)
                await self._told(token, "subscription.resumed" if active else "subscription.paused", switched)
        return switched

    async def remove(self, token: AccessToken, subscription_id: str) -> None:
        """With its dead letters."""
        async with log_store.answering("subscription"), self._change() as tx:
            known = await _find(tx, token, subscription_id, for_change=True)
            await store.remove(tx, known.id)
            await self._told(token, "subscription.removed", known)

    async def one(self, token: AccessToken, subscription_id: str) -> tuple[Subscription, list[Delivery]]:
        """A subscription and what waits for it, with the error of the last attempt."""
        async with log_store.answering("subscription"):
            known = await _find(self._database.clerk, token, subscription_id)
            return known, await store.waiting(self._database.clerk, known.id, MOST_SHOWN)

    async def all(self, token: AccessToken) -> list[Subscription]:
        async with log_store.answering("subscription"):
            return await store.of_department(self._database.clerk, token.department)

    # --- dead letters
    async def dead_letters(self, token: AccessToken, subscription_id: str, after: int, limit: int) -> list[Delivery]:
        async with log_store.answering("dead letters"):
            known = await _find(self._database.clerk, token, subscription_id)
            return await store.dead_letters(self._database.clerk, known.id, after, limit)

    async def retry(self, token: AccessToken, subscription_id: str, n: int) -> Delivery:
        """Send a dead letter again, from the first attempt on."""
        async with log_store.answering("dead letters"), self._change() as tx:
            known = await _find(tx, token, subscription_id)
            revived = await store.revive(tx, known.id, n, self._clock.now())
        if revived is None:
            raise Refusal(codes.NOT_FOUND, f"no dead letter {n}")
        return revived

    # --- digest
    async def digest(self, token: AccessToken, day: date) -> dict[str, Any]:
        """The department's figures of a day of the log (UTC); of today as far as it has gone."""
        async with log_store.answering("digest"):
            return await figures.digest(self._database.reader, _own(token), day)

    def _change(self) -> AbstractAsyncContextManager[Any]:
        return _transaction(self._database.clerk)

    async def _told(self, token: AccessToken, name: str, one: Subscription) -> None:
        """Of the address only the host: what comes after it may be a secret of theirs."""
        await self._tell(token, name, subscription=one.id, host=urlsplit(one.url).netloc)

    async def _tell(self, token: AccessToken, name: str, **facts: str) -> None:
        await self._writer.write([told_by(token, name, self._clock.now(), **facts)])


@asynccontextmanager
async def _transaction(pool: Any) -> AsyncIterator[Any]:
    async with pool.acquire() as connection, connection.transaction():
        yield connection


def _own(token: AccessToken) -> str:
    """The caller's department; raises Refusal(NOT_YOURS) for one that has none."""
    if not token.department:
        raise Refusal(codes.NOT_YOURS, "the token names no department")
    return token.department


def _check(wish: Wish) -> None:
    if mistakes := list(mistakes_in_address(wish.url, wish.networks)):
        errors = [{"path": f"/body/{path}", "error": error} for path, error in mistakes]
        raise Refusal(INVALID_REQUEST, mistakes[0][1], errors=errors)


async def _find(connection: Any, token: AccessToken, subscription_id: str, *, for_change: bool = False) -> Subscription:
    found: Subscription | None = await store.find(connection, subscription_id, token.department, for_change=for_change)
    if found is None:
        raise Refusal(codes.NOT_FOUND, f"subscription {subscription_id}")
    return found
