"""How the rate of a grant is split over gateways, and how one of them spends its share. Pure: times are arguments.

Every gateway fills a bucket at the rate of its share, up to its part of the burst and at least one call. Shares never
come to more than the rate, so R gateways together admit at most burst + rate * seconds + R calls, in any window.
"""

import math
from collections.abc import Iterable, Sequence

from gateway.limits import Limit, limited
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Grant

HEADROOM = 1.5
"""A gateway wants so much more than is asked of it now, so that demand can grow."""
SHORTEST_S = 0.25
"""Of what is counted in less than this nothing is concluded."""
SOONEST_S, LATEST_S = 0.1, 0.8
"""How soon the database is asked for more of one grant again: where it had some, and where it had none repeatedly."""
_TINY = 1e-9


def burst_of(grant: Grant) -> int:
    """Calls that may come at once; one second's worth where the grant names no burst."""
    return grant.burst or max(1, int(grant.rate_per_s))


def limit_of_rate(grant: Grant, remaining: int, reset_s: int = 0) -> Limit:
    """The burst, and the seconds in which it fills again."""
    burst = burst_of(grant)
    window_s = round(burst / grant.rate_per_s) or 1
    return Limit("grant", burst, window_s, remaining, reset_s or window_s)


def too_fast(grant: Grant, share: "Share") -> Refusal:
    """Why a call has to wait, and how long."""
    wait_s = max(1, math.ceil(share.wait_s()))
    refused = Refusal(codes.RATE_EXCEEDED, f"{grant.rate_per_s:g} per second", retry_after=wait_s)
    return limited(refused, limit_of_rate(grant, 0, wait_s))


def fair(rate: float, mine: float, others: Sequence[float], replicas: int) -> float:
    """My part of `rate` where every gateway wants so much: nobody gets more than wanted while another has less.

    What nobody wants is split evenly over all `replicas`, whether they want something or not.
    """
    left, waiting = rate, len(others) + 1
    for want in sorted([*others, mine]):
        if want > left / waiting:
            return min(mine, left / waiting)
        left -= want
        waiting -= 1
    return mine + left / max(1, replicas)


def pooled(level: float, per_s: float, age_s: float, lapsed: Iterable[tuple[float, float]], cap: float) -> float:
    """Calls in the pool: what belongs to no gateway's share fills a bucket too, which whoever takes a share gets.

    level, per_s  as the pool was left `age_s` seconds ago
    lapsed        (calls per second, seconds since its end) of shares that have ended unnoticed since
    """
    gained = per_s * max(0.0, age_s) + sum(rate * max(0.0, since_s) for rate, since_s in lapsed)
    return min(cap, level + gained)


class Share:
    """What one gateway holds of one grant's rate. `now` is always monotonic seconds."""

    __slots__ = (
        "_at",
        "_counted",
        "_offered",
        "ask_after_s",
        "asked",
        "demand",
        "level",
        "per_s",
        "rate",
        "until",
        "used",
    )

    def __init__(self, now: float, level: float = 1.0) -> None:
        self.level = level
        """Calls that may be made at once."""
        self.per_s = 0.0
        self.until = -math.inf
        """Nothing of it counts from then on."""
        self.rate = 0.0
        """The grant's, as it was last heard of."""
        self.asked = -math.inf
        """When the database was last asked for more."""
        self.ask_after_s = SOONEST_S
        """Seconds until it is worth asking again."""
        self.used = now
        self.demand = 0.0
        """Calls per second that were asked for lately, refused ones too."""
        self._at = now
        self._offered = 0
        self._counted = now

    def holds(self, now: float) -> bool:
        """Whether it counts now."""
        return now < self.until

    def take(self, grant: Grant, now: float) -> bool:
        """Use one call of it up, if there is one."""
        self._settle(grant, now)
        if self.level < 1 - _TINY or not self.holds(now):
            return False
        self.level -= 1
        return True

    def replace(self, grant: Grant, now: float, per_s: float, until: float, credit: float = 0.0) -> None:
        """From now on it is this much; `credit` calls come with it."""
        self._settle(grant, now)
        self.per_s, self.until = per_s, until
        self.level = min(self._cap(grant, now), self.level + credit)

    def renew(self, per_s: float, until: float) -> None:
        """It lasts longer; it may be less, and never becomes more."""
        self.per_s, self.until = min(self.per_s, per_s), until

    def answered(self, now: float, had: float) -> None:
        """The database was asked for more than it `had`; where there was none, it is left in peace for longer."""
        self.asked = now
        self.ask_after_s = SOONEST_S if self.per_s > had else min(LATEST_S, 2 * self.ask_after_s)

    def shrink(self, now: float, per_s: float) -> None:
        """Hold at most so much from now on."""
        if per_s < self.per_s:
            self._accrue(now)
            self.per_s = per_s

    def wait_s(self) -> float:
        """Seconds until one more call can be made, as things are."""
        return (1 - self.level) / self.per_s if self.per_s > _TINY else 1.0

    def offer(self, now: float) -> None:
        """Somebody wants to make a call."""
        self._offered += 1
        self.used = now

    def wanted(self, now: float) -> float:
        """Calls per second that this gateway should hold for what is asked of it."""
        return HEADROOM * max(self.demand, self._offered / max(SHORTEST_S, now - self._counted))

    def count(self, now: float) -> None:
        """Begin a new span of counting; demand falls by half a span at most."""
        self.demand = max(self._offered / max(SHORTEST_S, now - self._counted), self.demand / 2)
        if self.demand < _TINY:
            self.demand = 0.0
        self._offered, self._counted = 0, now

    def _settle(self, grant: Grant, now: float) -> None:
        """Bring it up to date; where the grant allows less than before, so does every share of it."""
        self._accrue(now)
        if self.rate != grant.rate_per_s:
            self.per_s *= min(1.0, grant.rate_per_s / self.rate) if self.rate else 1.0
            self.rate = grant.rate_per_s
        if self.level > 1 and (cap := self._cap(grant, now)) < self.level:  # no cap is below one call
            self.level = cap

    def _accrue(self, now: float) -> None:
        filled_s = (now if now < self.until else self.until) - self._at
        if filled_s > 0:
            self.level += self.per_s * filled_s
        if now > self._at:
            self._at = now

    def _cap(self, grant: Grant, now: float) -> float:
        return max(1.0, burst_of(grant) * self.per_s / grant.rate_per_s) if self.holds(now) else 1.0
