"""This gateway's shares of the rates: kept in memory, agreed on in PostgreSQL, renewed every second.

A call that finds its share used up goes to the database, at most ten times a second for one grant: the one round trip
that a call may cost. Without the database shares last LIFE_S; then nothing is admitted until every share that another
gateway could hold has ended, and from then on this gateway's portion of every rate, as long as the others keep it free.
"""

import asyncio
import math
import time
from collections.abc import Callable

import asyncpg
import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway import store
from gateway.rates import Share, burst_of, fair, too_fast
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Grant

log = structlog.get_logger()
TICK_S = 1.0
PATIENCE_S = 1.0
"""The database answers within so many seconds, or it is away."""
MOST_WAITING = 64
"""Calls that have used their share up wait for the database only while fewer than so many do."""
FRESH_S = 1.5
"""Nothing is asked for on word of the others that is older."""
BY_ITSELF_AFTER_S = 2 * store.LIFE_S + FRESH_S + 0.5
"""The others see this gateway missing after LIFE_S, may ask on older word for FRESH_S, and hold that for LIFE_S."""
BY_ITSELF_UNTIL_S = store.REMEMBERED_S - 5
IDLE_S = 30.0
"""A share that nobody used for so long is let go."""
FORGOTTEN_S = 3600.0
AWAY = (OSError, TimeoutError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What is raised where the database does not answer."""


class Shares:
    """What this gateway may admit of every grant that was called here."""

    def __init__(self, name: str, database: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
        self._name = name
        self._database = database
        self._clock = clock
        self._held: dict[str, Share] = {}
        self._standing = store.Standing(replicas=0, missing=False, portion=0.0)
        self._turn = asyncio.Lock()
        self._waiting = 0
        self._sent = -math.inf
        """When the last word to the others that arrived was sent, and when it was answered."""
        self._answered = -math.inf
        self._away = False
        """The database did not answer: calls leave it in peace until it answers `tick`."""
        self._by_itself = False

    @property
    def replicas(self) -> int:
        """Gateways that share, as far as is known; at least 1."""
        return max(1, self._standing.replicas)

    # --- a call
    async def take(self, grant: Grant) -> Share:
        """One call out of this gateway's share; raises Refusal(RATE_EXCEEDED or QUOTA_UNKNOWN)."""
        now = self._clock()
        share = self._held.get(grant.id)
        if share is None:
            share = self._held[grant.id] = Share(now)
        share.offer(now)
        if share.take(grant, now):
            return share
        if self._is_worth_asking(share, grant, now):
            await asyncio.ensure_future(self._ask(share, grant))  # the fast lane has no task of its own
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
            return True
        if self._waiting >= MOST_WAITING or now - share.asked < share.ask_after_s:
            return False
        return share.per_s < self._most(grant) * (1 - 1e-9)

    def _most(self, grant: Grant) -> float:
        """What this gateway may hold at most, whatever is free."""
        return grant.rate_per_s * (self._standing.portion if self._standing.missing else 1.0)

    async def _ask(self, share: Share, grant: Grant) -> None:
        """Get more, if there is more; one at a time, and once for all calls that wait for it."""
        waiting_since = self._clock()
        self._waiting += 1
        try:
            async with self._turn:
                if self._away or share.asked >= waiting_since:
                    return
                if waiting_since - self._sent > FRESH_S:
                    await self._beat()
                await self._get(share, grant)
        except AWAY as error:
            self._lost(error)
        finally:
            self._waiting -= 1

    async def _get(self, share: Share, grant: Grant) -> None:
        now = self._clock()
        held = share.per_s if share.holds(now) else 0.0
        asked = store.Request(
            grant=grant.id, rate=grant.rate_per_s, burst=burst_of(grant), wanted=share.wanted(now), held=held,
            most=self._most(grant), replicas=self.replicas,
        )  # fmt: skip
        async with asyncio.timeout(PATIENCE_S), self._database.begin() as tx:
            per_s, credit = await store.ask(tx, self._name, asked)
        answered = self._clock()
        share.replace(grant, answered, per_s, now + store.LIFE_S, credit)
        share.answered(answered, held)

    # --- without the database
    def _lost(self, error: BaseException) -> None:
        self._away = True
        log.warning("shares.database_away", error=repr(error))

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
        """Tell the others that this gateway runs, and renew its shares. Safe to repeat."""
        async with self._turn:
            try:
                await self._beat()
                await self._renew()
            except AWAY as error:
                self._lost(error)
        now = self._clock()
        for grant in [grant for grant, share in self._held.items() if now - share.used > FORGOTTEN_S]:
            del self._held[grant]

    async def _beat(self) -> None:
        """Learn how things stand. What becomes less is less before it is told, what becomes more after the answer."""
        known, sent = self._standing, self._clock()
        portion = 1 / known.replicas if known.replicas else 1.0
        self._stand(store.Standing(known.replicas, known.missing, min(known.portion, portion)))
        was_by_itself = self._by_itself
        async with asyncio.timeout(PATIENCE_S), self._database.begin() as tx:
            standing = await store.beat(tx, self._name, portion, by_itself=was_by_itself)
        self._sent, self._answered, self._away = sent, self._clock(), False
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
        used = {grant: share for grant, share in self._held.items() if share.holds(now) and now - share.used < IDLE_S}
        for share in used.values():
            share.count(now)
        if not used:
            return
        async with asyncio.timeout(PATIENCE_S), self._database.begin() as tx:
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
                async with asyncio.timeout(PATIENCE_S), self._database.begin() as tx:
                    await store.leave(tx, self._name)
            except AWAY as error:
                self._lost(error)
