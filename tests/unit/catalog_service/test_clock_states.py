"""The table of a clock's states, walked whole."""

from typing import get_args

import pytest

from catalog_service.clocks.states import CLOCK, State, next_state
from catalog_service.machine import START

EXPECTED = {
    ("", "start"): "running",
    ("running", "extend"): "extended",
    ("extended", "extend"): "extended",
    ("running", "pass"): "overdue",
    ("extended", "pass"): "overdue",
    ("running", "stop"): "met",
    ("extended", "stop"): "met",
    ("overdue", "stop"): "met_late",
    ("overdue", "postpone"): "extended",
    ("running", "cancel"): "cancelled",
    ("extended", "cancel"): "cancelled",
    ("overdue", "cancel"): "cancelled",
}
EVERYTHING = {"must", "in_time", "was_extended"}
ON_NO_CONDITION = {
    **EXPECTED,
    ("running", "pass"): None,
    ("extended", "pass"): None,
    ("running", "stop"): "met_late",
    ("extended", "stop"): "met_late",
    ("overdue", "postpone"): "running",
}


def after(state: str, event: str, holds: set[str]) -> str | None:
    try:
        return next_state(state, event, holds)
    except LookupError:
        return None


@pytest.mark.requirement("CLK-02")
@pytest.mark.requirement("B-16")
@pytest.mark.parametrize("state", [START, *CLOCK.states])
@pytest.mark.parametrize("event", CLOCK.events)
def test_every_state_meets_every_event(state: str, event: str) -> None:
    assert after(state, event, EVERYTHING) == EXPECTED.get((state, event))
    assert after(state, event, set()) == ON_NO_CONDITION.get((state, event))


@pytest.mark.requirement("CLK-02")
def test_nothing_follows_an_end_and_the_table_names_every_state() -> None:
    assert set(CLOCK.states) == set(get_args(State))
    assert not [row for row in CLOCK.rows if CLOCK.finals & set(row.sources)]
