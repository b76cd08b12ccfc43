"""Histories of three replicas that crash, sleep, lose sessions and commits, change shards and keys."""

import pytest

from harness.simulation import WANTED, PutBack, histories

SEEDS = 150
"""`make simulate` runs two thousand."""


@pytest.mark.requirement("SEQ-01")
def test_whatever_fails_where_the_log_stays_whole_and_is_signed_once() -> None:
    reached = histories(range(SEEDS))
    assert [name for name in WANTED if not reached[name]] == []


@pytest.mark.requirement("SEQ-07")
def test_rows_that_were_put_back_are_never_signed_over() -> None:
    reached = histories(range(SEEDS), PutBack)
    assert reached["refused in office"] > 0
    assert reached["refused before office"] > 0
