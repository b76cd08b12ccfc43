"""What an interface's pulse tells: counts of one span, quantiles, drift of a sample, never more than so much."""

import pytest

from exchange_service.health import FIRST_ANSWERS, MOST_DRIFTS, MOST_DURATIONS, ONE_IN, Pulse, is_idle, quantile
from exchange_service.providers.breaker import Breaker

pytestmark = pytest.mark.requirement("EXC-29")


def test_a_span_is_counted_once_and_what_was_last_good_stays() -> None:
    pulse = Pulse()
    for number in range(10):
        pulse.count(1000, 1000 + 10 * (number + 1), now=5.0, failed=number >= 8)
    health = pulse.cut(Breaker(), now=6.0)
    assert health is not None
    assert (health.calls, health.failures, health.last_success_ms) == (10, 2, 1080)
    assert (health.p50_ms, health.p95_ms, health.breaker, health.reachable) == (50, 100, "closed", None)
    assert pulse.cut(Breaker(), now=7.0) is None
    pulse.count(2000, 2001, now=8.0, failed=True)
    health = pulse.cut(Breaker(), now=9.0)
    assert health is not None
    assert (health.calls, health.failures, health.last_success_ms, health.p95_ms) == (1, 1, 1080, 1)


def test_a_probe_alone_is_worth_telling() -> None:
    pulse = Pulse()
    pulse.reachable = False
    health = pulse.cut(Breaker(), now=0.0)
    assert health is not None
    assert (health.calls, health.p50_ms, health.reachable) == (0, 0, False)


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [([], 50, 0), ([7], 50, 7), ([7], 95, 7), ([1, 2], 50, 1), ([1, 2, 3], 50, 2), (list(range(1, 101)), 95, 95)],
    ids=str,
)
def test_quantiles(values: list[int], percent: int, expected: int) -> None:
    assert quantile(values, percent) == expected


def test_the_first_answers_of_a_registration_are_sampled_then_few() -> None:
    pulse = Pulse()
    first = [pulse.is_sampled() for _ in range(FIRST_ANSWERS)]
    later = [pulse.is_sampled() for _ in range(10 * ONE_IN)]
    assert all(first)
    assert sum(later) == 10
    pulse.registered_anew()
    assert pulse.is_sampled()


def test_drift_is_counted_by_place_from_when_it_was_seen_first() -> None:
    pulse = Pulse()
    pulse.differs({("a.b", "new")}, 1000)
    pulse.differs({("a.b", "new"), ("c", "missing")}, 2000)
    pulse.reachable = True
    health = pulse.cut(Breaker(), now=0.0)
    assert health is not None
    assert [(drift.path, drift.kind, drift.seen, drift.first_ms) for drift in health.drift] == [
        ("a.b", "new", 2, 1000),
        ("c", "missing", 1, 2000),
    ]
    pulse.registered_anew()
    pulse.reachable = True
    health = pulse.cut(Breaker(), now=0.0)
    assert health is not None
    assert health.drift == []


def test_nothing_grows_without_end() -> None:
    pulse = Pulse()
    for number in range(MOST_DURATIONS + 10):
        pulse.count(0, 1, now=1.0, failed=False)
        pulse.differs({(f"name{number}", "new")}, 0)
    assert len(pulse._durations_ms) == MOST_DURATIONS
    assert len(pulse._drifts) == MOST_DRIFTS


@pytest.mark.parametrize(("last", "now", "idle"), [(0.0, 5.0, True), (5.0, 64.9, False), (5.0, 65.0, True)])
def test_an_interface_is_idle_after_a_minute(last: float, now: float, idle: bool) -> None:
    pulse = Pulse()
    pulse.last_asked = last
    assert is_idle(pulse, now) is idle
