"""How much a grant may ask at a time: calls under way, calls per second, calls per day and month."""

import math
import time
from collections.abc import Sequence

from gateway.limits import lines_of
from gateway.quota import Lease, Quotas
from gateway.rates import Share, burst_of, limit_of_rate, too_fast
from gateway.shares import Shares
from gateway.store import PATIENCE_S
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Grant

REMEMBERED = 100_000


class Place:
    """One call that was let in; `used` once there is something to be counted."""

    __slots__ = ("leases", "name", "share", "used")

    def __init__(self, name: str, share: Share, leases: Sequence[Lease]) -> None:
        self.name = name
        self.share = share
        self.leases = leases
        self.used = False


class Admission:
    """What every grant is using now."""

    def __init__(self, shares: Shares, quotas: Quotas) -> None:
        self.shares = shares
        self.quotas = quotas
        self._under_way: dict[str, int] = {}
        self._tried_out: dict[str, Share] = {}

    async def admit(self, grant: Grant, at: float, apart: str = "") -> Place:
        """Take a place, to be given back with `leave`; raises Refusal (429, 503). `at` is Unix seconds.

        apart  counts by itself under this name: what is tried out in the sandbox uses nothing up
        """
        name = apart or grant.id
        under_way = self._under_way.get(name, 0)
        if under_way >= grant.max_in_flight:
            raise Refusal(codes.TOO_MANY_AT_ONCE, f"{under_way} under way", retry_after=1)
        self._under_way[name] = under_way + 1
        try:
            if apart:
                return Place(name, self._try_out(grant, apart), ())
            share = self.shares.at_once(grant)
            if share is None or grant.quota_day or grant.quota_month:
                return await self._wait(grant, at, name, share)
            return Place(name, share, ())
        except BaseException:
            self._left(name)
            raise

    async def _wait(self, grant: Grant, at: float, name: str, share: Share | None) -> Place:
        """What more it takes: a `share` where none is held, and calls of the quotas."""
        until = time.monotonic() + PATIENCE_S
        share = share or await self.shares.more(grant)
        return Place(name, share, await self.quotas.take(grant, at, until - time.monotonic()))

    def leave(self, place: Place) -> None:
        """The call has ended; one that came to nothing is not counted."""
        self._left(place.name)
        if place.leases and not place.used:
            self.quotas.give_back(place.leases)

    async def drain(self) -> None:
        """This gateway stops: what it holds and does not use goes to the others."""
        await self.quotas.drain()
        await self.shares.leave()

    def _left(self, name: str) -> None:
        if self._under_way[name] > 1:
            self._under_way[name] -= 1
        else:
            del self._under_way[name]

    def _try_out(self, grant: Grant, name: str) -> Share:
        """One call under the rate of the grant, which nobody else counts."""
        now = time.monotonic()
        share = self._tried_out.get(name)
        if share is not None and share.rate != grant.rate_per_s:
            share.replace(grant, now, grant.rate_per_s, math.inf)
        elif share is None:
            if len(self._tried_out) >= REMEMBERED:
                self._tried_out.clear()
            share = self._tried_out[name] = Share(now)
            share.replace(grant, now, grant.rate_per_s, math.inf, burst_of(grant))
        if not share.take(grant, now):
            raise too_fast(grant, share)
        return share


def rate_lines(grant: Grant, place: Place, at: float) -> str:
    """What is left of the grant's rate and quotas, in the form of the IETF draft on RateLimit fields.

    What other gateways use at this moment is not in it.
    """
    rate = limit_of_rate(grant, max(0, int(place.share.level + 1e-9)))
    return lines_of(rate, [lease.as_limit(at) for lease in place.leases] if place.leases else ())
