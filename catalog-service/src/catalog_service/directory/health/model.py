"""How an interface is, from what all exchanges say about it, and when that moves it to another stage. Pure.

One exchange tells what it saw since it last told; its spans of the last minutes are kept and added up over all
exchanges. A stage is left by one threshold and taken again by another, and never twice within a moment: else everybody
would be told all the time. Moments are Unix milliseconds of the catalog's clock, but where an exchange's is named.
"""

import hashlib
from collections.abc import Iterable, Sequence

import msgspec

from catalog_service.directory.model import Interface, Stage
from wire.health import Breaker, Drift, Health

WINDOW_MS = 300_000
"""Five minutes: long enough for some calls of a quiet interface, short enough that a mended one is seen to be."""
STALE_MS = 60_000
"""An exchange that was silent for four reports knows nothing about the present."""
LEAST_CALLS = 20
"""Of fewer calls no share is reckoned: two failures among three say little."""
DEGRADED_FROM = 0.10
"""One call in ten fails: users notice, and retries begin to add up."""
WELL_BELOW = 0.02
"""Far enough below the other threshold that an interface between the two stays what it is."""
STEADY_MS = 60_000
"""Nothing recovers sooner after a move: a breaker that opens at each try would else tell everybody all the time."""
KEPT_MS = 30 * 86_400_000
"""For so long it is shown when an interface last answered, whoever said so."""
MOST_DRIFT = 100
"""Places of one interface that are kept and told: a provider that makes up names at each call fills no table."""


class Span(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What one exchange counted between two of its reports; `heard_ms` is when the catalog learnt it."""

    heard_ms: int
    calls: int = 0
    failures: int = 0
    p50_ms: int = 0
    p95_ms: int = 0


class Seen(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One interface as one exchange sees it: its last spans, the newest at the end, and what it said last.

    contract  what its answers were held against, see `contract_of`
    """

    spans: list[Span] = []
    last_success_ms: int = 0
    breaker: Breaker = "closed"
    reachable: bool | None = None
    drift: list[Drift] = []
    contract: str = ""

    @property
    def heard_ms(self) -> int:
        return self.spans[-1].heard_ms if self.spans else 0


class Condition(msgspec.Struct, frozen=True, kw_only=True):
    """One interface as all exchanges see it now.

    exchanges        how many told lately     last_success_ms  by their clocks, 0 for never
    p50_ms           mean of the exchanges' medians, by calls    p95_ms  of the slowest exchange
    open, closed     how many breakers are open, and how many let every call pass
    reachable        None where nobody tried: whoever reaches it is believed before those who do not
    """

    exchanges: int = 0
    calls: int = 0
    failures: int = 0
    last_success_ms: int = 0
    p50_ms: int = 0
    p95_ms: int = 0
    open: int = 0
    closed: int = 0
    reachable: bool | None = None

    @property
    def share_failed(self) -> float:
        return self.failures / self.calls if self.calls else 0.0


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """What follows for the stage, and why, in English and in Chinese."""

    event: str
    reason: str
    reason_zh: str


def heard(known: Seen | None, health: Health, now_ms: int, contract: str = "") -> Seen:
    """What is known of an exchange's view after its next report."""
    counted = min(health.failures, health.calls)
    span = Span(
        heard_ms=now_ms, calls=health.calls, failures=counted, p50_ms=health.p50_ms, p95_ms=health.p95_ms
    )  # fmt: skip
    before = [one for one in known.spans if one.heard_ms > now_ms - WINDOW_MS] if known else []
    last = max(health.last_success_ms, known.last_success_ms if known else 0)
    return Seen(
        spans=[*before, span], last_success_ms=last, breaker=health.breaker, reachable=health.reachable,
        drift=health.drift[:MOST_DRIFT], contract=contract,
    )  # fmt: skip


def condition(seen: Iterable[Seen], now_ms: int, since_ms: int = 0) -> Condition:
    """All exchanges together, as of spans that were heard after `since_ms`; those that fell silent do not count."""
    known = list(seen)
    fresh = [one for one in known if one.heard_ms > now_ms - STALE_MS]
    begins = max(since_ms, now_ms - WINDOW_MS)
    spans = [span for one in fresh for span in one.spans if span.heard_ms > begins]
    calls = sum(span.calls for span in spans)
    tried = [one.reachable for one in fresh if one.reachable is not None]
    return Condition(
        exchanges=len(fresh),
        calls=calls,
        failures=sum(span.failures for span in spans),
        last_success_ms=max((one.last_success_ms for one in known), default=0),
        p50_ms=sum(span.p50_ms * span.calls for span in spans) // calls if calls else 0,
        p95_ms=max((span.p95_ms for span in spans), default=0),
        open=sum(one.breaker == "open" for one in fresh),
        closed=sum(one.breaker == "closed" for one in fresh),
        reachable=any(tried) if tried else None,
    )


def may_move(stage: Stage, lately: Condition) -> bool:
    """Whether it is worth asking when the interface moved last: most are online, and nothing is wrong with them."""
    if stage == "online":
        return bool(lately.failures or lately.open) or lately.reachable is False
    return stage in ("degraded", "circuit_open")


def move(stage: Stage, now: Condition, moved_ms: int, now_ms: int) -> Move | None:
    """What follows for an interface in this stage, None for nothing.

    now       of what was heard since the last move    moved_ms  when that was, 0 for never

    A circuit that is closed again while too many calls still fail is degraded meanwhile: it is asked again.
    """
    if not now.exchanges:
        return None
    tripped = now.open == now.exchanges
    if stage in ("online", "degraded") and tripped:
        return _opened("trip", now)
    if stage == "online":
        return _degraded(now)
    if stage not in ("degraded", "circuit_open") or now_ms - moved_ms < STEADY_MS or not _is_back(now, moved_ms):
        return None
    if now.share_failed <= WELL_BELOW:
        return _failed("recover", now)
    return _failed("degrade", now) if stage == "circuit_open" else None


def _degraded(now: Condition) -> Move | None:
    if now.calls >= LEAST_CALLS and now.share_failed >= DEGRADED_FROM:
        return _failed("degrade", now)
    if now.open:
        return _opened("degrade", now)
    if now.reachable is False and not now.calls:
        return Move(event="degrade", reason="unreachable", reason_zh="无法连接")
    return None


def _failed(event: str, now: Condition) -> Move:
    share = f"{now.failures}/{now.calls}"
    return Move(event=event, reason=f"{share} calls failed", reason_zh=f"调用失败 {share}")


def _opened(event: str, now: Condition) -> Move:
    share = f"{now.open}/{now.exchanges}"
    return Move(event=event, reason=f"{share} breakers open", reason_zh=f"熔断器断开 {share}")


def _is_back(now: Condition, moved_ms: int) -> bool:
    """Every breaker lets calls pass, and there were enough of them, or one went well since the move.

    A connection alone is a sign only where nothing failed since: who answers every question with an error takes it too.
    """
    if now.closed < now.exchanges or now.reachable is False:
        return False
    reached = now.reachable is True and not now.failures
    return now.calls >= LEAST_CALLS or now.last_success_ms > moved_ms or reached


# --- what differs from the contract ---------------------------------------------------------------------------------
def drift_of(seen: Iterable[Seen], contract: str) -> list[Drift]:
    """Every place once, with what all exchanges saw of it under this contract; the most seen first."""
    found: dict[tuple[str, str], Drift] = {}
    for one in seen:
        for drift in one.drift if one.contract == contract else ():
            known = found.get((drift.path, drift.kind))
            first = min(drift.first_ms, known.first_ms) if known else drift.first_ms
            total = drift.seen + (known.seen if known else 0)
            found[drift.path, drift.kind] = msgspec.structs.replace(drift, seen=total, first_ms=first)
    return sorted(found.values(), key=lambda drift: (-drift.seen, drift.path, drift.kind))[:MOST_DRIFT]


def contract_of(interface: Interface) -> str:
    """Names what answers are held against: another contract drifts anew."""
    said = msgspec.json.encode([interface.fields, interface.response, interface.format], order="deterministic")
    return hashlib.sha256(said).hexdigest()[:16]


def news(drift: Sequence[Drift], told: Iterable[tuple[str, str]]) -> list[Drift]:
    """Places (path, kind) that nobody was told of yet, as far as there is room for them."""
    known = set(told)
    return [one for one in drift if (one.path, one.kind) not in known][: max(0, MOST_DRIFT - len(known))]
