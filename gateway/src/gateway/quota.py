"""Calls per day and month: leased from PostgreSQL in blocks, used up here.

What all gateways lease never comes to more than the quota, so what they admit does not either. Blocks shrink to one
call near the end of a quota. What is left of a block goes back when it lies idle, when the grant changes and when the
gateway stops; what a crash loses counts as used.
"""

import asyncio
import math
import time
from collections.abc import Callable, Sequence

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from gateway import store
from gateway.limits import Limit, limited
from gateway.periods import Kind, Period, periods_at
from gateway.shares import AWAY, PATIENCE_S
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Grant

log = structlog.get_logger()
LARGEST_BLOCK = 500
BLOCKS_LEFT = 16
"""A block is at most this part of what is left: several gateways come to their share of it."""
AGAIN_S = 1.0
"""Where nothing was left, or the database did not answer, it is asked again after so long."""
IDLE_S = 10.0
FORGOTTEN_S = 86_400.0
_USED_UP = {"day": codes.QUOTA_DAY, "month": codes.QUOTA_MONTH}


class Lease:
    """What this gateway holds of one grant's quota in one period."""

    __slots__ = (
        "empty_until",
        "grant",
        "left",
        "limit",
        "period",
        "revision",
        "taken",
        "turn",
        "unknown_until",
        "used",
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
        self.used = now
        self.turn = asyncio.Lock()

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


def block_of(lease: Lease) -> int:
    """How many calls to lease at a time."""
    return min(LARGEST_BLOCK, max(1, (lease.limit - (lease.taken or 0)) // BLOCKS_LEFT))


class Quotas:
    """The leases of this gateway."""

    def __init__(self, database: AsyncEngine, clock: Callable[[], float] = time.monotonic) -> None:
        self._database = database
        self._clock = clock
        self._leases: dict[tuple[str, Kind], Lease] = {}
        self._unused: list[tuple[str, str, int]] = []
        """To be given back: grant, period, calls."""

    async def take(self, grant: Grant, at: float) -> Sequence[Lease]:
        """One call out of every quota of the grant, to be given back if it is not made. `at` is Unix seconds.

        Raises Refusal(QUOTA_DAY, QUOTA_MONTH or QUOTA_UNKNOWN).
        """
        if not (grant.quota_day or grant.quota_month):
            return ()
        leases = self._of(grant, at)
        while (empty := next((lease for lease in leases if lease.left < 1), None)) is not None:
            await asyncio.ensure_future(self._fill(empty, at))  # the fast lane has no task of its own
        for lease in leases:
            lease.left -= 1
        return leases

    def give_back(self, leases: Sequence[Lease]) -> None:
        """The call was not made."""
        for lease in leases:
            if self._leases.get((lease.grant, lease.period.kind)) is lease:
                lease.left += 1
            else:
                self._unused.append((lease.grant, lease.period.name, 1))

    def _of(self, grant: Grant, at: float) -> list[Lease]:
        now = self._clock()
        return [self._current(grant, period, now) for period in periods_at(at).values() if limit_of(grant, period.kind)]

    def _current(self, grant: Grant, period: Period, now: float) -> Lease:
        """The lease of this period and this revision of the grant; what was left of another goes back."""
        known = self._leases.get((grant.id, period.kind))
        if known is None or known.period.name != period.name or known.revision != grant.revision:
            new = self._leases[(grant.id, period.kind)] = Lease(grant, period, now)
            if known is not None:
                self._put_back(known)
                new.taken = known.taken if known.period.name == period.name else None
            known = new
        known.used = now
        return known

    def _put_back(self, lease: Lease) -> None:
        if lease.left:
            self._unused.append((lease.grant, lease.period.name, lease.left))
            lease.left = 0

    async def _fill(self, lease: Lease, at: float) -> None:
        """Lease a block; raises Refusal where there is none."""
        async with lease.turn:
            if lease.left:
                return
            now = self._clock()
            if now >= lease.empty_until and now >= lease.unknown_until:
                try:
                    await self._lease(lease, now)
                except AWAY as error:
                    lease.unknown_until = self._clock() + AGAIN_S
                    log.warning("quota.database_away", error=repr(error))
            if not lease.left:
                raise self._refusal(lease, at, now)

    async def _lease(self, lease: Lease, now: float) -> None:
        async with asyncio.timeout(PATIENCE_S):
            for n in sorted({block_of(lease), 1}, reverse=True):
                period, known = lease.period, lease.taken or 0
                block = store.Block(lease.grant, period.name, n, lease.limit, period.until, known)
                async with self._database.begin() as tx:
                    taken = await store.lease(tx, block)
                if taken is not None:
                    lease.taken, lease.left = taken, n
                    return
        lease.taken, lease.empty_until = lease.limit, now + AGAIN_S

    def _refusal(self, lease: Lease, at: float, now: float) -> Refusal:
        if now < lease.unknown_until or lease.taken is None:
            return Refusal(codes.QUOTA_UNKNOWN, retry_after=1)
        period = lease.period
        refused = Refusal(
            _USED_UP[period.kind], f"{lease.limit} calls in {period.name}", retry_after=period.left_s(at),
            limit=lease.limit, resets=period.until.isoformat(),
        )  # fmt: skip
        return limited(refused, lease.as_limit(at))

    # --- what is left goes back
    async def tick(self) -> None:
        """Give back what lies idle. Safe to repeat; what cannot be given back counts as used."""
        now = self._clock()
        for key, lease in list(self._leases.items()):
            if now - lease.used >= IDLE_S and not lease.turn.locked():
                self._put_back(lease)
            if now - lease.used >= FORGOTTEN_S:
                del self._leases[key]
        await self._return()

    async def drain(self) -> None:
        """Give everything back: this gateway stops."""
        for lease in self._leases.values():
            self._put_back(lease)
        self._leases.clear()
        await self._return()

    async def _return(self) -> None:
        unused, self._unused = self._unused, []
        if not unused:
            return
        try:
            async with asyncio.timeout(PATIENCE_S), self._database.begin() as tx:
                for grant, period, n in sorted(unused):
                    await store.give_back(tx, grant, period, n)
        except AWAY as error:  # nobody knows whether it arrived, and given back twice it would be too much
            log.warning("quota.not_given_back", leases=len(unused), error=repr(error))

    async def taken(self, grants: Sequence[str], at: float) -> dict[tuple[str, str], int]:
        """What is used of quotas, (grant, period) -> calls; other gateways' unused blocks count as used.

        Raises Refusal(QUOTA_UNKNOWN) without the database.
        """
        names = [period.name for period in periods_at(at).values()]
        try:
            async with asyncio.timeout(PATIENCE_S), self._database.connect() as connection:
                known = await store.taken(connection, grants, names)
        except AWAY:
            raise Refusal(codes.QUOTA_UNKNOWN, retry_after=1) from None
        for lease in self._leases.values():
            key = (lease.grant, lease.period.name)
            if key in known:
                known[key] = max(0, known[key] - lease.left)
        return known

    async def forget(self) -> None:
        """Clear away what is over. Safe to repeat."""
        async with asyncio.timeout(PATIENCE_S), self._database.begin() as tx:
            await store.forget(tx)
