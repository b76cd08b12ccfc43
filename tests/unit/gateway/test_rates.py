"""Rates on paper: a share is never more than its rate and its burst, and what is split is split fairly."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.rates import Share, burst_of, fair, pooled
from wire.catalog import Grant

WANTS = st.lists(st.floats(0, 500), max_size=6)


def grant(rate: float, burst: int = 0) -> Grant:
    return Grant(
        id="g", revision=1, system="s", department="d", interface="i/v1", purpose="", fields=[], rate_per_s=rate,
        burst=burst,
    )  # fmt: skip


def whole(asked: Grant, now: float) -> Share:
    """The share of a gateway that is alone."""
    share = Share(now)
    share.replace(asked, now, asked.rate_per_s, math.inf, burst_of(asked))
    return share


@pytest.mark.requirement("GWY-03")
@given(rate=st.floats(0.1, 1000), burst=st.integers(0, 50), gaps=st.lists(st.floats(0, 2), min_size=1, max_size=200))
def test_no_window_admits_more_than_rate_and_burst(rate: float, burst: int, gaps: list[float]) -> None:
    asked, now = grant(rate, burst), 1000.0
    share, admitted = whole(asked, now), []
    for gap in gaps:
        now += gap
        if share.take(asked, now):
            admitted.append(now)
        else:
            assert share.wait_s() > 0
    for i, start in enumerate(admitted):
        for j in range(i, len(admitted)):
            assert j - i + 1 <= burst_of(asked) + (admitted[j] - start) * rate + 1e-6 * len(admitted) + 1e-3


def test_a_quiet_grant_may_use_its_whole_burst_at_once() -> None:
    asked = grant(5)
    share = whole(asked, 10.0)
    assert [share.take(asked, 10.0) for _ in range(6)] == [True] * 5 + [False]
    assert share.wait_s() == pytest.approx(0.2)
    assert share.take(asked, 10.2)


def test_a_share_that_has_ended_fills_no_more_and_admits_nothing() -> None:
    asked, share = grant(10), Share(0.0)
    assert not share.take(asked, 0.0)
    share.replace(asked, 0.0, 5.0, 3.0, credit=10)
    assert share.level == 5  # half of the rate, half of the burst
    assert [share.take(asked, 1.0) for _ in range(6)] == [True] * 5 + [False]
    assert not share.take(asked, 3.0)
    share.replace(asked, 100.0, 5.0, 103.0)
    assert share.level == 1  # what one gateway keeps at most


def test_a_share_follows_a_grant_that_allows_less() -> None:
    share = whole(grant(100), 0.0)
    assert share.take(grant(10), 0.0)
    assert (share.per_s, share.level) == (10, 9)
    assert share.take(grant(1000), 0.0)
    assert share.per_s == 10  # more is asked for, not taken


def test_demand_is_what_is_asked_for_and_fades() -> None:
    share = Share(0.0)
    for _ in range(20):
        share.offer(1.0)
    assert share.wanted(1.0) == pytest.approx(30)
    share.count(1.0)
    assert share.demand == pytest.approx(20)
    share.count(2.0)
    assert share.demand == pytest.approx(10)


@pytest.mark.requirement("QUO-02")
@given(rate=st.floats(0.1, 1000), wants=st.lists(st.floats(0, 500), min_size=1, max_size=6))
def test_parts_come_to_no_more_than_the_rate_and_leave_nobody_behind(rate: float, wants: list[float]) -> None:
    parts = [fair(rate, want, wants[:n] + wants[n + 1 :], len(wants)) for n, want in enumerate(wants)]
    assert sum(parts) <= rate * (1 + 1e-9)
    for part, want in zip(parts, wants, strict=True):
        assert part >= min(want, rate / len(wants)) * (1 - 1e-9)
    if sum(wants) > rate:
        assert sum(parts) == pytest.approx(rate)


@given(level=st.floats(0, 100), per_s=st.floats(0, 100), age_s=st.floats(-1, 100), cap=st.floats(0, 100), wants=WANTS)
def test_the_pool_holds_no_more_than_its_part_of_the_burst(
    level: float, per_s: float, age_s: float, cap: float, wants: list[float]
) -> None:
    found = pooled(level, per_s, age_s, [(want, -1.0) for want in wants], cap)
    assert found <= cap
    assert found <= level + per_s * max(0.0, age_s) + 1e-9
