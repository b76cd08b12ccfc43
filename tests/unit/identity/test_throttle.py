"""Guessing made slow: by a clock that nobody sets, and in a bounded piece of memory."""

import pytest

from identity import throttle
from identity.throttle import FAILURES_AT_MOST, LONGEST_NAME, WINDOW_S, Throttle

pytestmark = pytest.mark.requirement("IDT-02")


class Seconds:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def tried(client: str = "a") -> tuple[Throttle, Seconds]:
    seconds = Seconds()
    slow = Throttle(seconds)
    for _ in range(FAILURES_AT_MOST):
        assert slow.wait_s(client, "x") == 0
        slow.failed(client, "x")
    return slow, seconds


def test_who_failed_too_often_waits_until_the_first_failure_is_a_minute_ago() -> None:
    slow, seconds = tried()
    assert (slow.wait_s("a", "x"), slow.wait_s("b", "x"), slow.wait_s("a", "y")) == (60, 0, 0)
    seconds.now += WINDOW_S - 0.5
    assert slow.wait_s("a", "x") == 1
    seconds.now += 0.5
    assert slow.wait_s("a", "x") == 0


def test_names_that_differ_only_after_the_longest_id_are_one() -> None:
    name = "n" * LONGEST_NAME
    slow, _ = tried(name + "1")
    assert slow.wait_s(name + "2" * 10_000, "x") == 60


def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle, "PAIRS_AT_MOST", 3)
    slow, _ = tried()
    for n in range(3):
        slow.failed(str(n), "x" * 10_000)
    assert slow.wait_s("a", "x") == 0
    assert len(slow._failures) == 3
    assert max(len(part) for pair in slow._failures for part in pair) <= LONGEST_NAME
