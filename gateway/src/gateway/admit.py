"""How much a grant may ask at a time: calls per second (GCRA) and calls under way."""

import math

from runtime.errors import Refusal
from wire import codes
from wire.catalog import Grant

REMEMBERED = 100_000


class Usage:
    """What one grant is using now."""

    __slots__ = ("arrival", "in_flight")

    def __init__(self) -> None:
        self.arrival = 0.0
        """Theoretical arrival time of the next call (GCRA), on the monotonic clock."""
        self.in_flight = 0


def burst_of(grant: Grant) -> int:
    """Calls that may come at once; one second's worth where the grant names no burst."""
    return grant.burst or max(1, int(grant.rate_per_s))


class Admission:
    """The usage of every grant that was called here."""

    def __init__(self) -> None:
        self._usage: dict[str, Usage] = {}

    def admit(self, grant: Grant, now: float, apart: str = "") -> Usage:
        """Take a place, to be given back with `leave`; raises Refusal(429). `now` is monotonic seconds.

        apart  counts by itself under this name: what is tried out in the sandbox uses nothing up
        """
        name = apart or grant.id
        usage = self._usage.get(name)
        if usage is None:
            usage = self._usage[name] = self._new()
        if usage.in_flight >= grant.max_in_flight:
            raise Refusal(codes.TOO_MANY_AT_ONCE, f"{usage.in_flight} under way", retry_after=1)
        interval = 1.0 / grant.rate_per_s
        tolerance = interval * (burst_of(grant) - 1)
        arrival = max(usage.arrival, now)
        if arrival - now > tolerance + 1e-9:
            wait_s = arrival - now - tolerance
            raise Refusal(codes.RATE_EXCEEDED, f"{grant.rate_per_s:g} per second", retry_after=math.ceil(wait_s))
        usage.arrival = arrival + interval
        usage.in_flight += 1
        return usage

    def leave(self, usage: Usage) -> None:
        """The call has ended."""
        usage.in_flight -= 1

    def remaining(self, grant: Grant, usage: Usage, now: float) -> int:
        """How many calls could still be made at once."""
        backlog_s = max(0.0, usage.arrival - now)
        return max(0, burst_of(grant) - math.ceil(backlog_s * grant.rate_per_s))

    def _new(self) -> Usage:
        if len(self._usage) >= REMEMBERED:
            self._usage = {grant: usage for grant, usage in self._usage.items() if usage.in_flight}
        return Usage()
