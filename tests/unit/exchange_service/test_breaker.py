"""The breaker: opens after failures in a row, lets one probe through at a time, never stays shut for ever."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from exchange_service.providers.breaker import Breaker


def opened(failures: int = 5) -> Breaker:
    breaker = Breaker(failures=failures)
    for _ in range(failures):
        breaker.failed(0.0, breaker.admit(0.0))
    return breaker


@pytest.mark.requirement("EXC-08")
def test_opens_after_failures_in_a_row_only() -> None:
    breaker = Breaker()
    for _ in range(4):
        breaker.failed(0.0, breaker.admit(0.0))
    breaker.succeeded(0.0, breaker.admit(0.0))
    for _ in range(4):
        breaker.failed(0.0, breaker.admit(0.0))
    assert breaker.state(0.0) == "closed"
    breaker.failed(0.0, breaker.admit(0.0))
    assert breaker.state(0.0) == "open"
    assert not breaker.admit(4.9)
    assert breaker.retry_after(2.0) == 3.0


@pytest.mark.requirement("EXC-08")
def test_of_many_calls_after_the_pause_one_goes() -> None:
    breaker = opened()
    assert [bool(breaker.admit(5.0)) for _ in range(10)] == [True] + [False] * 9


@pytest.mark.requirement("EXC-08")
def test_the_pause_doubles_up_to_a_minute_and_starts_anew_after_a_success() -> None:
    breaker, now, pauses = opened(), 0.0, []
    for _ in range(7):
        pauses.append(breaker.retry_after(now))
        now += breaker.retry_after(now)
        breaker.failed(now, breaker.admit(now))
    assert pauses == [5, 10, 20, 40, 60, 60, 60]
    now += breaker.retry_after(now)
    breaker.succeeded(now, breaker.admit(now))
    assert breaker.state(now) == "closed"
    for _ in range(5):
        breaker.failed(now, breaker.admit(now))
    assert breaker.retry_after(now) == 5


@pytest.mark.requirement("EXC-09")
def test_a_probe_that_never_reports_is_given_up() -> None:
    breaker = opened()
    lost = breaker.admit(5.0)
    assert breaker.retry_after(5.0) == breaker.probe_s
    second = breaker.admit(5.0 + breaker.probe_s)
    assert second
    breaker.failed(40.0, lost)
    assert breaker.state(40.0) == "half-open"
    breaker.succeeded(41.0, second)
    assert breaker.state(41.0) == "closed"


@pytest.mark.requirement("EXC-09")
def test_a_probe_that_is_abandoned_makes_room_at_once() -> None:
    breaker = opened()
    breaker.abandoned(5.5, breaker.admit(5.0))
    assert breaker.admit(5.5)


@pytest.mark.requirement("EXC-08")
def test_calls_that_were_under_way_when_it_opened_are_no_probes() -> None:
    breaker = Breaker()
    under_way = [breaker.admit(0.0) for _ in range(64)]
    for call in under_way[:5]:
        breaker.failed(1.0, call)
    breaker.failed(2.0, under_way[5])
    assert breaker.retry_after(2.0) == 4.0
    probe = breaker.admit(6.0)
    for call in under_way[6:]:
        breaker.failed(7.0, call)
    breaker.succeeded(7.0, under_way[0])
    assert breaker.state(7.0) == "half-open"
    breaker.succeeded(8.0, probe)
    assert breaker.state(8.0) == "closed"
    assert breaker.failed_in_a_row == 0


def test_without_the_round_an_answer_counts_for_the_present_one() -> None:
    breaker = Breaker(failures=1)
    breaker.admit(0.0)
    breaker.failed(0.0)
    breaker.succeeded(1.0)
    assert breaker.state(1.0) == "open"
    assert breaker.admit(5.0)
    breaker.succeeded(5.0)
    assert breaker.state(5.0) == "closed"


class Model(RuleBasedStateMachine):
    """Any order of calls, answers and silence. Checked against what was admitted when, not against the code."""

    @initialize(failures=st.integers(1, 4))
    def start(self, failures: int) -> None:
        self.now = 0.0
        self.breaker = Breaker(failures=failures)
        self.in_row = 0
        self.calls: list[int] = []
        self.probe: tuple[int, float] | None = None

    @rule(seconds=st.sampled_from([0.0, 0.5, 4.9, 5.0, 30.0, 61.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def call(self) -> None:
        state, wait_s = self.breaker.state(self.now), self.breaker.retry_after(self.now)
        admitted = self.breaker.admit(self.now)
        assert bool(admitted) == (wait_s == 0)
        if state == "closed":
            assert admitted
        if admitted and state != "closed":
            if self.probe is not None:
                assert self.now - self.probe[1] >= self.breaker.probe_s  # the only way to a second probe
            self.probe = (admitted, self.now)
        if admitted:
            self.calls.append(admitted)

    @rule(data=st.data(), well=st.booleans())
    def answer(self, data: st.DataObject, well: bool) -> None:
        if not self.calls:
            return
        call = self.calls.pop(data.draw(st.integers(0, len(self.calls) - 1)))
        before = self.breaker.state(self.now)
        is_probe = self.probe is not None and call == self.probe[0]
        (self.breaker.succeeded if well else self.breaker.failed)(self.now, call)
        after = self.breaker.state(self.now)
        if is_probe:
            self.probe = None
            assert after == ("closed" if well else "open")
        elif before != "closed":
            assert after == before
        elif well:
            assert after == "closed"

    @rule()
    def recover(self) -> None:
        """From every state a healthy provider is reached again, in at most the longest wait."""
        wait_s = self.breaker.retry_after(self.now)
        assert wait_s <= max(self.breaker.longest_pause_s, self.breaker.probe_s)
        self.now += wait_s
        admitted = self.breaker.admit(self.now)
        assert admitted
        self.breaker.succeeded(self.now, admitted)
        self.probe = None
        assert self.breaker.state(self.now) == "closed"

    @invariant()
    def closed_means_fewer_failures_than_the_limit(self) -> None:
        if hasattr(self, "breaker") and self.breaker.state(self.now) == "closed":
            assert self.breaker.failed_in_a_row < self.breaker.failures


@pytest.mark.requirement("EXC-08")
@pytest.mark.requirement("EXC-09")
class TestModel(Model.TestCase):  # type: ignore[misc,valid-type]  # made by hypothesis
    settings = settings(max_examples=100, stateful_step_count=30)
