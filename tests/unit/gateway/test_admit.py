"""Admission: never more than the rate and its burst, never more under way than agreed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.admit import Admission, burst_of
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Grant


def grant(rate: float, burst: int = 0, most: int = 1_000_000) -> Grant:
    return Grant(
        id="g", revision=1, system="s", department="d", interface="i/v1", purpose="", fields=[], rate_per_s=rate,
        burst=burst, max_in_flight=most,
    )  # fmt: skip


@pytest.mark.requirement("GWY-03")
@given(
    rate=st.floats(0.1, 1000),
    burst=st.integers(0, 50),
    gaps=st.lists(st.floats(0, 2), min_size=1, max_size=200),
)
def test_no_window_admits_more_than_rate_and_burst(rate: float, burst: int, gaps: list[float]) -> None:
    admission, limits = Admission(), grant(rate, burst)
    now, admitted = 1000.0, []
    for gap in gaps:
        now += gap
        refused: Refusal | None = None
        try:
            admission.admit(limits, now)
        except Refusal as refusal:
            refused = refusal
        if refused is None:
            admitted.append(now)
        else:
            assert refused.code is codes.RATE_EXCEEDED
            assert int(str(refused.facts["retry_after"])) >= 1
    for i, start in enumerate(admitted):
        for j in range(i, len(admitted)):
            assert j - i + 1 <= burst_of(limits) + (admitted[j] - start) * rate + 1e-6 * len(admitted) + 1e-3


def test_a_quiet_grant_may_use_its_whole_burst_at_once() -> None:
    admission, limits = Admission(), grant(5)
    for _ in range(5):
        admission.admit(limits, 10.0)
    with pytest.raises(Refusal):
        admission.admit(limits, 10.0)
    admission.admit(limits, 10.2)


def test_calls_under_way_are_bounded_and_places_come_back() -> None:
    admission, limits = Admission(), grant(1000, most=2)
    first = admission.admit(limits, 1.0)
    admission.admit(limits, 1.0)
    with pytest.raises(Refusal) as refused:
        admission.admit(limits, 1.0)
    assert refused.value.code is codes.TOO_MANY_AT_ONCE
    admission.leave(first)
    admission.admit(limits, 1.0)


def test_what_remains_is_what_can_still_be_asked() -> None:
    admission, limits = Admission(), grant(10, burst=10)
    usage = admission.admit(limits, 5.0)
    assert admission.remaining(limits, usage, 5.0) == 9
    assert admission.remaining(limits, usage, 6.0) == 10
