"""This gateway's shares of the rates: kept in memory, agreed on in PostgreSQL, renewed every second.

A call that finds its share used up waits for the database, which is asked for all grants that wait in one transaction,
and at most ten times a second for one grant: the one round trip that a call may cost. The heartbeat never waits for it.
Without the database shares last LIFE_S; then nothing is admitted until every share that another gateway could hold has
ended, and from then on this gateway's portion of every rate, as long as the others keep it free.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from itertools import islice
from typing import NamedTuple

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway import store
from gateway.rates import Share, burst_of, fair, too_fast
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Grant

log = structlog.get_logger()
TICK_S = 1.0
MOST_WAITING = 64
"""Calls that have used their share up wait for the database only while fewer than so many do."""
MOST_FIRST = 4096
"""Calls of grants of which nothing is held wait only while fewer than so many do."""
MOST_AT_ONCE = 100
"""Grants that the database is asked for in one transaction."""
MOST_RENEWED = 2000
"""Shares that are renewed in one transaction."""
FRESH_S = 1.5
"""Nothing is asked for on word of the others that is older."""
BY_ITSELF_AFTER_S = 2 * store.LIFE_S + FRESH_S + 0.5
"""The others see this gateway missing after LIFE_S, may ask on older word for FRESH_S, and hold that for LIFE_S."""
SETTLED_AFTER_S = 2 * TICK_S + 0.5
"""By then all others have heard of a new gateway, and hold no more than leaves it something."""
BY_ITSELF_UNTIL_S = store.REMEMBERED_S - 5
IDLE_S = 30.0
"""A share that nobody used for so long is let go."""
FORGOTTEN_S = 3600.0
UNREACHED_S = 5.0
"""A gateway that has not reached the database for so long is ready all the same, and says itself what it cannot do."""
SAID_EVERY_S = 60.0
"""A database that is not fit is complained of so often."""


class Waiting(NamedTuple):
    """A grant of which more is asked for; `asked` is done when the database has answered, or too late."""

    share: Share
    grant: Grant
    asked: asyncio.Future[None]


class Shares:
    """What this gateway may admit of every grant that was called here."""

    def __init__(self, name: str, database: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._database = database
        self._clock = clock
        self._held: dict[str, Share] = {}
        self._standing = store.Standing(replicas=0, missing=False, portion=0.0)
        self._turn = asyncio.Lock()
        """Of heartbeat and renewal; and of the moment in which it is settled what is asked for."""
        self._queue: dict[str, Waiting] = {}
        self._asking: dict[str, Waiting] = {}
        """Grants that the database is being asked for: these are not renewed meanwhile."""
        self._asker: asyncio.Task[None] | None = None
        self._waiting = 0
        self._made = clock()
        self._began = math.inf
        """When this gateway was first heard of."""
        self._sent = -math.inf
        """When the last word to the others that arrived was sent, and when it was answered."""
        self._answered = -math.inf
        self._away = False
        """The database did not answer: calls leave it in peace until it answers `tick`."""
        self._by_itself = False
        self._unfit = False
        self._said = -math.inf

    @property
    def replicas(self) -> int:
        """Gateways that share, as far as is known; at least 1."""
        return max(1, self._standing.replicas)

    def check(self) -> None:
        """Raise Refusal(QUOTA_UNKNOWN) while a new gateway would refuse what the others have left no room for yet."""
        now = self._clock()
        if self._unfit:
            raise Refusal(codes.QUOTA_UNKNOWN, "the database is not fit: is it migrated?", retry_after=1)
        if self._began == math.inf:
            if now < self._made + UNREACHED_S:
                raise Refusal(codes.QUOTA_UNKNOWN, "the database has not answered yet", retry_after=1)
        elif now < self._began + (SETTLED_AFTER_S if self.replicas > 1 else 0.0):
            raise Refusal(codes.QUOTA_UNKNOWN, "the other gateways have not made room yet", retry_after=1)

    # --- a call
    async def take(self, grant: Grant) -> Share:
        """One call out of this gateway's share; raises Refusal(RATE_EXCEEDED or QUOTA_UNKNOWN)."""
        return self.at_once(grant) or await self.more(grant)

    def at_once(self, grant: Grant) -> Share | None:
        """One call out of what is held; None where that is used up, and `more` has to be asked for."""
        now = self._clock()
        share = self._held.get(grant.id)
        if share is None:
            share = self._held[grant.id] = Share(now)
        share.offer(now)
        return share if share.take(grant, now) else None

    async def more(self, grant: Grant) -> Share:
        """After `at_once` found nothing; raises as `take` does."""
        now = self._clock()
        share = self._held[grant.id]
        if self._is_worth_asking(share, grant, now):
            await self._ask(share, grant)
            now = self._clock()
            if share.take(grant, now):
                return share
        if not share.holds(now) and self._works_by_itself(now):
            share.replace(grant, now, self._standing.portion * grant.rate_per_s, self._sent + BY_ITSELF_UNTIL_S)
            if share.take(grant, now):
                return share
        if share.holds(now):
            raise too_fast(grant, share)
        raise Refusal(codes.QUOTA_UNKNOWN, retry_after=1)

    def _is_worth_asking(self, share: Share, grant: Grant, now: float) -> bool:
        """Whether more may be free, and the database is likely to say so."""
        if self._away:
            return False
        if not share.holds(now):
            return self._waiting < MOST_FIRST
        if self._waiting >= MOST_WAITING or now - share.asked < share.ask_after_s:
            return False
        return share.per_s < self._most(grant) * (1 - 1e-9)

    def _most(self, grant: Grant) -> float:
        """What this gateway may hold at most, whatever is free."""
        return grant.rate_per_s * (self._standing.portion if self._standing.missing else 1.0)

    async def _ask(self, share: Share, grant: Grant) -> None:
        """Get more, if there is more: once for all calls that wait for it, within PATIENCE_S."""
        waiting = self._asking.get(grant.id) or self._queue.get(grant.id)
        if waiting is None:
            loop = asyncio.get_running_loop()
            waiting = self._queue[grant.id] = Waiting(share, grant, loop.create_future())
            loop.call_later(store.PATIENCE_S, _end, waiting)
            if self._asker is None:
                self._asker = loop.create_task(self._ask_for_all())
        self._waiting += 1
        try:
            await asyncio.shield(waiting.asked)  # the fast lane has no task of its own
        finally:
            self._waiting -= 1

    async def _ask_for_all(self) -> None:
        """Until nobody waits."""
        try:
            while self._queue:
                await self._ask_for_some()
        except store.Away as error:
            self._lost(error)
        except store.UNFIT as error:
            self._found_unfit(error)
        finally:
            for waiting in self._queue.values():
                _end(waiting)
            self._queue.clear()
            self._asker = None

    async def _ask_for_some(self) -> None:
        """For those who have waited longest, and wait still."""
        try:
            async with self._turn:
                if self._clock() - self._sent > FRESH_S:
                    await self._beat()
                self._queue = {grant: one for grant, one in self._queue.items() if not one.asked.done()}
                self._asking = dict(islice(self._queue.items(), MOST_AT_ONCE))
                for grant in self._asking:
                    del self._queue[grant]
            if self._asking:
                await self._get(list(self._asking.values()))
        finally:
            for waiting in self._asking.values():
                _end(waiting)
            self._asking = {}

    async def _get(self, waiting: Sequence[Waiting]) -> None:
        now = self._clock()
        held = {grant.id: share.per_s if share.holds(now) else 0.0 for share, grant, _ in waiting}
        asked = [
            store.Request(
                grant=grant.id, rate=grant.rate_per_s, burst=burst_of(grant), wanted=share.wanted(now),
                held=held[grant.id], most=self._most(grant), replicas=self.replicas,
            )
            for share, grant, _ in waiting
        ]  # fmt: skip
        async with store.transaction(self._database) as tx:
            answers = await store.ask(tx, self._name, asked)
        answered = self._clock()
        for share, grant, _ in waiting:
            per_s, credit = answers[grant.id]
            share.replace(grant, answered, per_s, now + store.LIFE_S, credit)
            share.shrink(answered, self._most(grant))  # one may be missing since
            share.answered(answered, held[grant.id])

    # --- without the database
    def _lost(self, error: BaseException) -> None:
        self._away = True
        log.warning("shares.database_away", error=str(error))

    def _found_unfit(self, error: BaseException) -> bool:
        """The database is there and cannot be used; whether it is time to say so again."""
        self._away = self._unfit = True
        now = self._clock()
        if now < self._said + SAID_EVERY_S:
            return False
        self._said = now
        log.error("shares.database_unfit", error=type(error).__name__)
        return True

    def _works_by_itself(self, now: float) -> bool:
        """Whether this gateway may use its portion, because nobody else can; from then on it says so to the others."""
        if now >= self._answered + BY_ITSELF_AFTER_S and now < self._sent + BY_ITSELF_UNTIL_S:
            if not self._by_itself:
                log.warning("shares.by_itself", portion=self._standing.portion)
            self._by_itself = True
            return True
        return False

    # --- every second
    async def tick(self) -> None:
        """Tell the others that this gateway runs, and renew its shares. Safe to repeat.

        Raises UNFIT once a minute where the database has not what is needed.
        """
        try:
            async with self._turn:
                await self._beat()
            await self._renew()
        except store.Away as error:
            self._lost(error)
        except store.UNFIT as error:
            if self._found_unfit(error):
                raise
        now = self._clock()
        for grant in [grant for grant, share in self._held.items() if now - share.used > FORGOTTEN_S]:
            del self._held[grant]

    async def _beat(self) -> None:
        """Learn how things stand. What becomes less is less before it is told, what becomes more after the answer."""
        known, sent = self._standing, self._clock()
        portion = 1 / known.replicas if known.replicas else 1.0
        self._stand(store.Standing(known.replicas, known.missing, min(known.portion, portion)))
        was_by_itself = self._by_itself
        async with store.transaction(self._database) as tx:
            standing = await store.beat(tx, self._name, portion, by_itself=was_by_itself)
        self._sent, self._answered, self._away, self._unfit = sent, self._clock(), False, False
        self._began = min(self._began, self._answered)
        self._stand(standing)
        if was_by_itself:
            self._by_itself = False
            for share in self._held.values():
                share.renew(0.0, self._answered)
            log.info("shares.together_again", replicas=standing.replicas)

    def _stand(self, standing: store.Standing) -> None:
        self._standing = standing
        if standing.missing:
            now = self._clock()
            for share in self._held.values():
                share.shrink(now, share.rate * standing.portion)

    async def _renew(self) -> None:
        """Hold on to what is used, and let go of what others want more."""
        now = self._clock()
        used = [grant for grant, share in self._held.items() if share.holds(now) and now - share.used < IDLE_S]
        for n in range(0, len(used), MOST_RENEWED):
            async with self._turn:
                await self._renew_some(used[n : n + MOST_RENEWED])

    async def _renew_some(self, grants: Sequence[str]) -> None:
        now = self._clock()
        free = (grant for grant in grants if grant in self._held and grant not in self._asking)
        used = {grant: self._held[grant] for grant in free if self._held[grant].holds(now)}
        for share in used.values():
            share.count(now)
        if not used:
            return
        async with store.transaction(self._database) as tx:
            others = await store.wants(tx, self._name, list(used))
            for grant, share in used.items():
                share.shrink(now, fair(share.rate, share.wanted(now), others.get(grant, []), self.replicas))
            asked = self._clock()
            held = {grant: (share.per_s, share.wanted(now)) for grant, share in used.items()}
            renewed = await store.renew(tx, self._name, held)
        for grant, share in used.items():
            if grant in renewed:
                share.renew(renewed[grant], asked + store.LIFE_S)
            else:
                share.renew(0.0, asked)

    async def leave(self) -> None:
        """This gateway stops: the others get its shares at once."""
        async with self._turn:
            self._held.clear()
            try:
                async with store.transaction(self._database) as tx:
                    await store.leave(tx, self._name)
            except store.Away as error:
                self._lost(error)


def _end(waiting: Waiting) -> None:
    """Whoever waits goes on."""
    if not waiting.asked.done():
        waiting.asked.set_result(None)
