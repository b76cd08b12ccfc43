"""How the interfaces are: counted from calls, probed where nobody calls, told to the catalog every few seconds.

Counting is on the way of every call and does next to nothing; everything else happens in `tick`.
"""

import asyncio
import time
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import Protocol

import msgspec
import structlog

from exchange_service.providers.breaker import Breaker
from exchange_service.providers.provider import Provider
from runtime.errors import Refusal
from runtime.http import AsyncClient, HTTPError
from runtime.service_auth import ServiceKey
from wire.health import Drift, DriftKind, Health, HealthReport

log = structlog.get_logger()
TARGET = "/health"
REPORT_S = 15.0
IDLE_S = 60.0
"""An interface that was not asked for so long is probed."""
PROBE_TIMEOUT_S = 3.0
PROBES_AT_ONCE = 8
FIRST_ANSWERS = 20
"""So many answers after a registration are all held against it, then one in `ONE_IN`."""
ONE_IN = 20
MOST_DURATIONS = 2048
MOST_DRIFTS = 100
"""Places that are remembered of one interface; an answer made to differ everywhere is no more telling."""

Place = tuple[str, DriftKind]


class Pulse:
    """One interface: what its calls showed in this span, and what is remembered of it."""

    __slots__ = (
        "_answers", "_drifts", "_durations_ms", "calls", "failures", "last_asked", "last_success_ms", "reachable",
    )  # fmt: skip

    def __init__(self) -> None:
        self.calls = 0
        self.failures = 0
        self.last_success_ms = 0
        self.last_asked = 0.0
        """On the clock that never goes back, calls and probes; 0 for never."""
        self.reachable: bool | None = None
        self._durations_ms: list[int] = []
        self._answers = 0
        self._drifts: dict[Place, list[int]] = {}

    # --- on the way of every call
    def count(self, asked_ms: int, ended_ms: int, now: float, *, failed: bool) -> None:
        """A call of the provider has ended; `failed`: by the provider's fault."""
        self.calls += 1
        self.last_asked = now
        if failed:
            self.failures += 1
        else:
            self.last_success_ms = ended_ms
        if len(self._durations_ms) < MOST_DURATIONS:
            self._durations_ms.append(ended_ms - asked_ms)

    def is_sampled(self) -> bool:
        """Whether the answer at hand is one to be held against the registration."""
        self._answers += 1
        return self._answers <= FIRST_ANSWERS or self._answers % ONE_IN == 0

    def differs(self, places: Iterable[Place], at_ms: int) -> None:
        """An answer differed from the registration in these places."""
        for place in places:
            seen = self._drifts.get(place)
            if seen is not None:
                seen[0] += 1
            elif len(self._drifts) < MOST_DRIFTS:
                self._drifts[place] = [1, at_ms]

    # --- off it
    def registered_anew(self) -> None:
        """What differed from the old registration says nothing of the new one."""
        self._answers = 0
        self._drifts = {}

    def cut(self, breaker: Breaker, now: float) -> Health | None:
        """What is to be told of the span that ends now; None for one in which nothing happened."""
        if not self.calls and self.reachable is None:
            return None
        durations = sorted(self._durations_ms)
        health = Health(
            calls=self.calls, failures=self.failures, last_success_ms=self.last_success_ms,
            p50_ms=quantile(durations, 50), p95_ms=quantile(durations, 95), breaker=breaker.state(now),
            reachable=self.reachable,
            drift=[
                Drift(path=path, kind=kind, seen=seen, first_ms=first_ms)
                for (path, kind), (seen, first_ms) in sorted(self._drifts.items())
            ],
        )  # fmt: skip
        self.calls = self.failures = 0
        self.reachable = None
        self._durations_ms = []
        return health


def quantile(ascending: Sequence[int], percent: int) -> int:
    """The smallest value that `percent` of them do not exceed; 0 of none."""
    return ascending[(len(ascending) * percent + 99) // 100 - 1] if ascending else 0


class Watched(Protocol):
    """An interface as it is watched: the registry's `Served` is one."""

    @property
    def key(self) -> str: ...

    @property
    def pulse(self) -> Pulse: ...

    @property
    def breaker(self) -> Breaker: ...

    @property
    def provider(self) -> Provider: ...

    @property
    def origin(self) -> Hashable:
        """A connection to one interface shows the same for all others with this origin."""

    @property
    def is_used(self) -> bool:
        """Whether somebody has a grant on it, or has asked it."""


class Watch:
    """Probes idle interfaces and reports all; `tick` every REPORT_S seconds."""

    def __init__(
        self, name: str, served: Callable[[], Iterable[Watched]], catalog: AsyncClient, key: ServiceKey
    ) -> None:
        """name  of this process      served  gives all interfaces that can be used"""
        self._name = name
        self._served = served
        self._catalog = catalog
        self._key = key
        self._since_ms = now_ms()

    async def tick(self) -> None:
        """Probe what is idle, then tell the catalog. A report that does not arrive is lost; each is of its own span."""
        await self.probe(time.monotonic())
        await self._tell(self.report(time.monotonic()))

    async def probe(self, now: float) -> None:
        """Connect to the providers of interfaces that are used and were not asked for a minute.

        A connection says that somebody is there, not that he answers: it is no success. One is enough for all that
        lie at the same origin: a department may have thousands of interfaces there.
        """
        turns = asyncio.Semaphore(PROBES_AT_ONCE)

        async def one(alike: list[Watched]) -> None:
            async with turns:
                reachable = await is_reachable(alike[0].provider)
            for watched in alike:
                watched.pulse.reachable = reachable

        idle: dict[Hashable, list[Watched]] = {}
        for watched in self._served():
            if watched.is_used and is_idle(watched.pulse, now):
                watched.pulse.last_asked = now
                idle.setdefault(watched.origin, []).append(watched)
        await asyncio.gather(*map(one, idle.values()))

    def report(self, now: float) -> HealthReport:
        """What happened since the last report."""
        until_ms = max(now_ms(), self._since_ms + 1)
        since_ms, self._since_ms = self._since_ms, until_ms
        cuts = {watched.key: watched.pulse.cut(watched.breaker, now) for watched in self._served()}
        interfaces = {key: health for key, health in cuts.items() if health is not None}
        return HealthReport(exchange=self._name, since=since_ms, until=until_ms, interfaces=interfaces)

    async def _tell(self, report: HealthReport) -> None:
        if not report.interfaces:
            return
        body = msgspec.json.encode(report)
        try:
            answer = await self._catalog.post(TARGET, content=body, headers=self._key.headers("POST", TARGET, body))
            answer.raise_for_status()
        except HTTPError as error:
            log.warning("health.not_reported", since=report.since, error=repr(error))


def is_idle(pulse: Pulse, now: float) -> bool:
    return not pulse.last_asked or now - pulse.last_asked >= IDLE_S


async def is_reachable(provider: Provider) -> bool:
    """Whether a connection can be made. A provider that cannot be probed at all counts as not reachable."""
    try:
        async with asyncio.timeout(2 * PROBE_TIMEOUT_S):
            await provider.probe(PROBE_TIMEOUT_S)
    except (Refusal, TimeoutError, OSError):
        return False
    except Exception:  # an adapter's bug must not keep the others from being probed
        log.exception("probe.crashed")
        return False
    return True


def now_ms() -> int:
    return time.time_ns() // 1_000_000
