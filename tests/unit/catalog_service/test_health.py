"""How an interface is, put together from what exchanges say, and the stages through which that moves it."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from catalog_service.directory.health.model import (
    DEGRADED_FROM,
    LEAST_CALLS,
    MOST_DRIFT,
    STALE_MS,
    STEADY_MS,
    WELL_BELOW,
    WINDOW_MS,
    Condition,
    Seen,
    condition,
    contract_of,
    drift_of,
    heard,
    may_move,
    move,
    news,
)
from catalog_service.directory.interface_stages import MACHINE
from catalog_service.directory.model import Stage
from catalog_service.machine import Role
from harness.registrations import REST
from wire.catalog import Field
from wire.health import Breaker, Drift, Health

NOW = 1_700_000_000_000
EVERY = 15_000
STAGES: tuple[Stage, ...] = (
    "registered", "tested", "mounted", "online", "degraded", "circuit_open", "deprecated", "offline",
)  # fmt: skip
MOVED_BY_HEALTH: dict[str, Stage] = {"degrade": "degraded", "trip": "circuit_open", "recover": "online"}


def told(*reports: Health, begins: int = NOW) -> Seen:
    """What is known of an exchange after these reports, one every fifteen seconds."""
    seen: Seen | None = None
    for n, report in enumerate(reports):
        seen = heard(seen, report, begins + n * EVERY)
    assert seen is not None
    return seen


# --- put together -----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("HEA-01")
def test_what_exchanges_say_is_added_up_over_the_last_minutes() -> None:
    one = told(Health(calls=10, failures=1, p50_ms=10, p95_ms=50), Health(calls=30, p50_ms=20, p95_ms=40))
    other = told(Health(calls=60, failures=2, p50_ms=100, p95_ms=900, breaker="open", reachable=True))
    now = condition([one, other], NOW + EVERY)
    assert (now.exchanges, now.calls, now.failures) == (2, 100, 3)
    assert (now.p50_ms, now.p95_ms) == ((10 * 10 + 30 * 20 + 60 * 100) // 100, 900)
    assert (now.open, now.closed, now.reachable) == (1, 1, True)
    later = condition([one, other], NOW + EVERY + STALE_MS - 1)
    assert (later.exchanges, later.calls) == (1, 40)  # the other one fell silent
    assert condition([one, other], NOW + WINDOW_MS + STALE_MS) == Condition()


@pytest.mark.requirement("HEA-01")
def test_old_spans_are_forgotten_and_the_last_success_is_not() -> None:
    seen = told(Health(calls=5, last_success_ms=NOW), *[Health(calls=1)] * 100)
    assert len(seen.spans) == WINDOW_MS // EVERY
    assert condition([seen], seen.heard_ms).calls == WINDOW_MS // EVERY
    assert condition([seen], NOW + 10 * WINDOW_MS + 100 * EVERY).last_success_ms == NOW


@pytest.mark.requirement("HEA-01")
def test_more_failures_than_calls_are_as_many() -> None:
    assert condition([told(Health(calls=2, failures=9))], NOW).share_failed == 1.0


# --- stages -----------------------------------------------------------------------------------------------------------
BUSY = Condition(exchanges=2, calls=100, closed=2, last_success_ms=NOW)
IDLE = Condition(exchanges=2, closed=2)
LATER = NOW + STEADY_MS
MOVES: dict[str, tuple[Stage, Condition, str]] = {
    "HEA-well": ("online", BUSY, ""),
    "HEA-idle": ("online", IDLE, ""),
    "HEA-one-in-ten": ("online", replace(BUSY, failures=10), "degrade"),
    "HEA-nearly-one-in-ten": ("online", replace(BUSY, failures=9), ""),
    "HEA-few-calls": ("online", replace(BUSY, calls=LEAST_CALLS - 1, failures=LEAST_CALLS - 1), ""),
    "HEA-one-open": ("online", replace(BUSY, open=1, closed=1), "degrade"),
    "HEA-one-trying": ("online", replace(BUSY, closed=1), ""),
    "HEA-all-open": ("online", replace(BUSY, open=2, closed=0), "trip"),
    "HEA-unreachable": ("online", replace(IDLE, reachable=False), "degrade"),
    "HEA-unreachable-but-called": ("online", replace(BUSY, reachable=False), ""),
    "HEA-degraded-all-open": ("degraded", replace(BUSY, open=2, closed=0), "trip"),
    "HEA-degraded-between": ("degraded", replace(BUSY, failures=5), ""),
    "HEA-degraded-well": ("degraded", replace(BUSY, failures=2), "recover"),
    "HEA-degraded-idle": ("degraded", IDLE, ""),
    "HEA-degraded-one-open": ("degraded", replace(BUSY, open=1, closed=1), ""),
    "HEA-degraded-unreachable": ("degraded", replace(BUSY, reachable=False), ""),
    "HEA-open-still": ("circuit_open", replace(BUSY, open=2, closed=0), ""),
    "HEA-open-trying": ("circuit_open", replace(BUSY, open=0, closed=1), ""),
    "HEA-open-well": ("circuit_open", BUSY, "recover"),
    "HEA-open-answered": ("circuit_open", replace(IDLE, calls=1, last_success_ms=NOW + 1), "recover"),
    "HEA-open-answered-before": ("circuit_open", replace(IDLE, last_success_ms=NOW), ""),
    "HEA-open-reached": ("circuit_open", replace(IDLE, reachable=True), "recover"),
    "HEA-degraded-reached-and-failing": ("degraded", replace(IDLE, reachable=True, calls=3, failures=3), ""),
    "HEA-open-asked-again-and-failing": (
        "circuit_open", replace(BUSY, failures=50, last_success_ms=NOW + 1), "degrade"),
    "HEA-nobody-tells": ("circuit_open", Condition(), ""),
    "HEA-deprecated": ("deprecated", replace(BUSY, open=2, closed=0), ""),
    "HEA-not-yet-open": ("mounted", replace(BUSY, open=2, closed=0), ""),
}  # fmt: skip


@pytest.mark.requirement("HEA-02")
@pytest.mark.parametrize("case", MOVES, ids=str)
def test_each_threshold_moves_one_stage(case: str) -> None:
    stage, now, event = MOVES[case]
    found = move(stage, now, NOW, LATER)
    assert (found.event if found else "") == event
    assert found is None or may_move(stage, now)


@pytest.mark.requirement("HEA-02")
def test_nothing_recovers_right_after_it_moved() -> None:
    assert move("circuit_open", BUSY, NOW, LATER - 1) is None
    assert move("circuit_open", BUSY, NOW, LATER) is not None


conditions = st.builds(
    Condition,
    exchanges=st.integers(0, 3), calls=st.integers(0, 200), failures=st.integers(0, 200),
    last_success_ms=st.sampled_from([0, NOW - 1, NOW + 1]), open=st.integers(0, 3), closed=st.integers(0, 3),
    reachable=st.sampled_from([None, True, False]),
).filter(lambda one: one.open + one.closed <= one.exchanges and one.failures <= one.calls)  # fmt: skip


@pytest.mark.requirement("HEA-02")
@given(stage=st.sampled_from(STAGES), now=conditions, past_ms=st.integers(0, 3 * STEADY_MS))
def test_health_takes_only_steps_that_the_table_gives_it(stage: Stage, now: Condition, past_ms: int) -> None:
    found = move(stage, now, NOW, NOW + past_ms)
    if found is None:
        return
    assert found.event in MACHINE.open_to(stage, frozenset({Role.WORKER}))
    assert found.event != "recover" or past_ms >= STEADY_MS
    after = MOVED_BY_HEALTH[found.event]
    assert move(after, now, NOW, NOW) is None or found.event == "degrade"
    again = move(after, now, NOW, NOW + STEADY_MS)
    assert again is None or {found.event, again.event} != {"recover", "degrade"}, "what is well is not degraded"
    assert WELL_BELOW < DEGRADED_FROM


reports = st.builds(
    Health,
    calls=st.integers(0, 60), failures=st.integers(0, 60), breaker=st.sampled_from(["closed", "half-open", "open"]),
    reachable=st.sampled_from([None, True, False]), last_success_ms=st.sampled_from([0, NOW]),
)  # fmt: skip
ENDS: dict[str, tuple[Health, Stage]] = {
    "online": (Health(calls=50, reachable=True, last_success_ms=2 * NOW), "online"),
    "reached": (Health(reachable=True), "online"),
    "open": (Health(calls=2, failures=2, breaker="open", reachable=False), "circuit_open"),
}


@pytest.mark.requirement("HEA-02")
@pytest.mark.parametrize("how", ENDS, ids=str)
@given(past=st.lists(st.tuples(reports, reports), max_size=40))
def test_whatever_was_an_interface_ends_where_its_health_is(how: str, past: list[tuple[Health, Health]]) -> None:
    """Two replicas tell any history, then the same for ten minutes; recoveries are never closer than a minute."""
    last, ends = ENDS[how]
    stage: Stage = "online"
    moved, recovered = 0, [-STEADY_MS]
    views: list[Seen | None] = [None, None]
    for n, both in enumerate([*past, *[(last, last)] * 40]):
        at = NOW + n * EVERY
        views = [heard(view, report, at) for view, report in zip(views, both, strict=True)]
        now = condition([view for view in views if view], at, moved)
        found = move(stage, now, moved, at)
        if found:
            stage, moved = MOVED_BY_HEALTH[found.event], at
            recovered += [at] if found.event == "recover" else []
    assert stage == ends
    assert all(later - one >= STEADY_MS for one, later in pairwise(recovered))


# --- drift ------------------------------------------------------------------------------------------------------------
def drift(path: str, kind: Any = "new", seen: int = 1, first_ms: int = NOW) -> Drift:
    return Drift(path=path, kind=kind, seen=seen, first_ms=first_ms)


@pytest.mark.requirement("HEA-03")
def test_places_are_put_together_over_exchanges_and_belong_to_one_contract() -> None:
    breaker: Breaker = "closed"
    one = heard(None, Health(breaker=breaker, drift=[drift("a", seen=2), drift("b", "type")]), NOW, "c1")
    other = heard(None, Health(drift=[drift("a", seen=5, first_ms=NOW - 9)]), NOW, "c1")
    assert drift_of([one, other], "c1") == [drift("a", seen=7, first_ms=NOW - 9), drift("b", "type")]
    assert drift_of([one, other], "c2") == []


@pytest.mark.requirement("HEA-03")
def test_each_place_is_news_once_and_made_up_names_run_out() -> None:
    many = [drift(f"f{n}") for n in range(3 * MOST_DRIFT)]
    assert news(many[:3], [("f0", "new"), ("f1", "missing")]) == many[1:3]
    assert len(news(many, [])) == MOST_DRIFT
    assert news(many, [(f"g{n}", "new") for n in range(MOST_DRIFT)]) == []


@pytest.mark.requirement("HEA-03")
def test_another_answer_is_another_contract() -> None:
    assert contract_of(REST) == contract_of(replace(REST, base_url="https://new.example", timeout_s=1))
    assert contract_of(REST) != contract_of(replace(REST, fields=[*REST.fields, Field(name="more")]))
