"""Calls per day and month: leased from PostgreSQL in blocks, used up here.

What all gateways lease never comes to more than the quota, so what they admit does not either. Blocks shrink to one
call near the end of a quota. What is left of a block goes back when it lies idle, when the grant changes and when the
gateway stops; what a crash loses counts as used.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence
from itertools import islice

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway import store
from gateway.limits import Limit, limited
from gateway.periods import Kind, Period, periods_at
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Grant

log = structlog.get_logger()
LARGEST_BLOCK = 500
BLOCKS_LEFT = 16
"""A block is at most this part of what is left, for each gateway: several come to their share of it."""
FILLS_AT_ONCE = 4
RETURNED_AT_ONCE = 1000
"""Blocks that are given back in one transaction."""
AGAIN_S = 1.0
"""Where nothing was left, or the database did not answer, it is asked again after so long."""
IDLE_S = 2.0
"""What lies unused for so long goes back."""
SETTLED_S = IDLE_S + 3 * AGAIN_S
"""Nothing was left for so long: other gateways hold nothing either that lies idle."""
FORGOTTEN_S = 86_400.0
_USED_UP = {"day": codes.QUOTA_DAY, "month": codes.QUOTA_MONTH}


class Lease:
    """What this gateway holds of one grant's quota in one period."""

    __slots__ = (
        "empty_since",
        "empty_until",
        "filling",
        "grant",
        "left",
        "limit",
        "period",
        "revision",
        "taken",
        "unknown_until",
        "used",
        "waiting",
    )

    def __init__(self, grant: Grant, period: Period, now: float) -> None:
        self.grant = grant.id
        self.revision = grant.revision
        self.period = period
        self.limit = limit_of(grant, period.kind)
        self.left = 0
        """Calls that may still be made."""
        self.taken: int | None = None
        """What all gateways had taken when this one leased last."""
        self.empty_until = self.unknown_until = -math.inf
        """Until then the database need not be asked: it had nothing left, it did not answer."""
        self.empty_since = math.inf
        """Since then the database has had nothing left."""
        self.used = now
        self.filling: asyncio.Task[None] | None = None
        self.waiting = 0

    @property
    def remaining(self) -> int:
        """Calls that are left of the quota, as far as is known here."""
        return max(0, self.limit - (self.taken or 0)) + self.left

    def as_limit(self, at: float) -> Limit:
        """As a client is told at the Unix second `at`."""
        period = self.period
        return Limit(period.kind, self.limit, period.length_s, self.remaining, period.left_s(at))


def limit_of(grant: Grant, kind: Kind) -> int:
    """The quota, 0 where there is none."""
    return grant.quota_day if kind == "day" else grant.quota_month


def block_of(lease: Lease, replicas: int) -> int:
    """How many calls to lease at a time."""
    part = (lease.limit - (lease.taken or 0)) // (BLOCKS_LEFT * replicas)
    return min(LARGEST_BLOCK, max(1, part, lease.waiting))


class Quotas:
    """The leases of this gateway."""

    def __init__(
        self, database: AsyncEngine, clock: Callable[[], float] = time.monotonic,
        replicas: Callable[[], int] = lambda: 1,
    ) -> None:  # fmt: skip
        """replicas  how many gateways there are"""
        self._database = database
        self._clock = clock
        self._replicas = replicas
        self._leases: dict[tuple[str, Kind], Lease] = {}
        self._few = asyncio.Semaphore(FILLS_AT_ONCE)
        self._unused: dict[tuple[str, str], int] = {}
        """To be given back: (grant, period) -> calls."""

    async def take(self, grant: Grant, at: float, patience_s: float = store.PATIENCE_S) -> Sequence[Lease]:
        """One call out of every quota of the grant, to be given back if it is not made. `at` is Unix seconds.

        Raises Refusal(QUOTA_DAY, QUOTA_MONTH or QUOTA_UNKNOWN), the last where it is not known within `patience_s`.
        """
        if not (grant.quota_day or grant.quota_month):
            return ()
        until = self._clock() + patience_s
        leases = self._of(grant, at)
        while (empty := next((lease for lease in leases if lease.left < 1), None)) is not None:
            self._refuse_known(empty, at)
            # the fast lane has no task of its own
            await asyncio.ensure_future(self._wait_for_fill(empty, until - self._clock()))
            leases = self._of(grant, at)
        for lease in leases:
            lease.left -= 1
        return leases

    def give_back(self, leases: Sequence[Lease]) -> None:
        """The call was not made."""
        for lease in leases:
            if self._leases.get((lease.grant, lease.period.kind)) is lease:
                lease.left += 1
            else:
                self._put_aside(lease, 1)

    def _of(self, grant: Grant, at: float) -> list[Lease]:
        now = self._clock()
        return [self._current(grant, period, now) for period in periods_at(at).values() if limit_of(grant, period.kind)]

    def _current(self, grant: Grant, period: Period, now: float) -> Lease:
        """The lease of this period and this revision of the grant, or newer; what an older one had goes back."""
        known = self._leases.get((grant.id, period.kind))
        if known is None or (known.period.until, known.revision) < (period.until, grant.revision):
            new = self._leases[(grant.id, period.kind)] = Lease(grant, period, now)
            if known is not None:
                self._put_back(known)
                new.taken = known.taken if known.period.name == period.name else None
            known = new
        known.used = now
        return known

    def _put_back(self, lease: Lease) -> None:
        if lease.left:
            self._put_aside(lease, lease.left)
            lease.left = 0

    def _put_aside(self, lease: Lease, n: int) -> None:
        key = (lease.grant, lease.period.name)
        self._unused[key] = self._unused.get(key, 0) + n

    def _refuse_known(self, lease: Lease, at: float) -> None:
        """Raise Refusal where the database need not be asked."""
        now = self._clock()
        if now < lease.unknown_until or now < lease.empty_until:
            raise self._refusal(lease, at, now)

    async def _wait_for_fill(self, lease: Lease, patience_s: float) -> None:
        """One block for all that wait; raises Refusal(QUOTA_UNKNOWN) where it takes too long."""
        if lease.filling is None:
            lease.filling = asyncio.create_task(self._fill(lease))
        lease.waiting += 1
        try:
            async with asyncio.timeout(patience_s):
                await asyncio.shield(lease.filling)
        except TimeoutError:
            raise Refusal(codes.QUOTA_UNKNOWN, retry_after=1) from None
        finally:
            lease.waiting -= 1

    async def _fill(self, lease: Lease) -> None:
        """Lease a block, or note that there is none, or that nobody knows."""
        try:
            async with self._few:
                if lease.waiting:
                    await self._lease(lease, self._clock())
        except (store.Away, *store.UNFIT) as error:
            lease.unknown_until = self._clock() + AGAIN_S
            log.warning("quota.database_away", error=type(error).__name__)
        finally:
            lease.filling = None
            if self._leases.get((lease.grant, lease.period.kind)) is not lease:
                self._put_back(lease)  # the grant has changed meanwhile, or the day

    async def _lease(self, lease: Lease, now: float) -> None:
        period, known = lease.period, lease.taken or 0
        for n in sorted({block_of(lease, self._replicas()), 1}, reverse=True):
            block = store.Block(lease.grant, period.name, n, lease.limit, period.until, known)
            async with store.transaction(self._database) as tx:
                taken = await store.lease(tx, block)
            if taken is not None:
                lease.taken, lease.left, lease.empty_since = taken, n, math.inf
                return
        lease.taken, lease.empty_until = lease.limit, now + AGAIN_S
        lease.empty_since = min(lease.empty_since, now)

    def _refusal(self, lease: Lease, at: float, now: float) -> Refusal:
        if now < lease.unknown_until or lease.taken is None:
            return Refusal(codes.QUOTA_UNKNOWN, retry_after=1)
        period, wait_s = lease.period, lease.period.left_s(at)
        if self._replicas() > 1 and now < lease.empty_since + SETTLED_S:
            wait_s = min(wait_s, math.ceil(SETTLED_S))  # others may hold some that they give back unused
        refused = Refusal(
            _USED_UP[period.kind], f"{lease.limit} calls in {period.name}", retry_after=wait_s,
            limit=lease.limit, resets=period.until.isoformat(),
        )  # fmt: skip
        return limited(refused, lease.as_limit(at))

    # --- what is left goes back
    async def tick(self) -> None:
        """Give back what lies idle. Safe to repeat; what cannot be given back counts as used."""
        now = self._clock()
        for key, lease in list(self._leases.items()):
            if now - lease.used >= IDLE_S and lease.filling is None:
                self._put_back(lease)
            if now - lease.used >= FORGOTTEN_S and lease.filling is None:
                del self._leases[key]
        await self._return()

    async def drain(self) -> None:
        """Give everything back: this gateway stops."""
        for lease in self._leases.values():
            self._put_back(lease)
        self._leases.clear()
        while self._unused:
            await self._return()

    async def _return(self) -> None:
        """Give back what was put aside; after a failure the rest of it waits."""
        while self._unused:
            some = dict(sorted(islice(self._unused.items(), RETURNED_AT_ONCE)))
            for key in some:
                del self._unused[key]
            try:
                async with store.transaction(self._database) as tx:
                    await store.give_back(tx, some)
            except store.Away as error:  # nobody knows whether it arrived, and given back twice it would be too much
                log.warning("quota.not_given_back", leases=len(some), error=str(error))
                return

    async def taken(self, grants: Sequence[str], at: float) -> dict[tuple[str, str], int]:
        """What is used of quotas, (grant, period) -> calls; other gateways' unused blocks count as used.

        Raises Refusal(QUOTA_UNKNOWN) without the database.
        """
        names = [period.name for period in periods_at(at).values()]
        try:
            async with store.transaction(self._database) as tx:
                known = await store.taken(tx, grants, names)
        except store.Away:
            raise Refusal(codes.QUOTA_UNKNOWN, retry_after=1) from None
        for kind, period in periods_at(at).items():
            for grant in grants:
                lease, key = self._leases.get((grant, kind)), (grant, period.name)
                if key in known and lease is not None and lease.period.name == period.name:
                    known[key] = max(0, known[key] - lease.left)
        return known

    async def forget(self) -> None:
        """Clear away what is over. Safe to repeat."""
        async with store.transaction(self._database) as tx:
            await store.forget(tx)
