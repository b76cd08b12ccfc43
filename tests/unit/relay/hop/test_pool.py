"""Which of several connections is asked."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import pytest

from relay.hop.pool import ALIKE, Hop
from runtime.service_auth import ServiceKey

pytestmark = pytest.mark.requirement("REL-13")


@dataclass
class Line:
    """A connection as the pool looks at it."""

    name: str
    under_way: int = 0
    usable: bool = True


def asked(lines: list[Any], times: int = 30) -> Counter[str]:
    """How often each was chosen."""
    hop = Hop("exchange", 1, ServiceKey(b"the secret of all the services here", "gateway"), 1)
    hop._lines = lines
    found: list[Any] = [hop._least_busy() for _ in range(times)]
    return Counter(line.name for line in found)


def test_those_that_are_as_busy_take_turns() -> None:
    assert asked([Line("a"), Line("b"), Line("c")]) == {"a": 10, "b": 10, "c": 10}


def test_one_that_refuses_at_once_draws_no_more_than_its_share() -> None:
    assert asked([Line("refuses", 0), Line("works", ALIKE - 1)]) == {"refuses": 15, "works": 15}


def test_one_that_is_much_busier_is_left_alone() -> None:
    assert asked([Line("a", 2 * ALIKE), Line("b", ALIKE - 1)]) == {"b": 30}


def test_one_that_cannot_be_asked_is_not() -> None:
    assert asked([Line("a", usable=False), Line("b", 4000)]) == {"b": 30}
    hop = Hop("exchange", 1, ServiceKey(b"the secret of all the services here", "gateway"), 1)
    assert hop._least_busy() is None
