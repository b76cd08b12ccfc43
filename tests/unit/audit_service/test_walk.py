"""The arithmetic of fsck: growing roots, and numbers that came or did not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_service.fsck.walk import Frontier, Sequences
from harness.merkle import Definition

LEAVES = Definition([b"%d" % i for i in range(700)])


@pytest.mark.requirement("AUD-16")
def test_a_frontier_has_the_root_of_every_size() -> None:
    frontier = Frontier()
    complete = []
    for size, leaf in enumerate(LEAVES.leaf_hashes):
        assert frontier.root() == LEAVES.root(size)
        complete += frontier.push(leaf)
    first, second = (LEAVES._mth(start, start + 256) for start in (0, 256))
    assert complete == [(1, 0, first), (1, 1, second)]


def test_a_copy_grows_by_itself() -> None:
    frontier = Frontier()
    frontier.push(LEAVES.leaf_hashes[0])
    frontier.copy().push(LEAVES.leaf_hashes[1])
    assert frontier.root() == LEAVES.root(1)


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 6)), max_size=30))
def test_sequences_agree_with_a_set(ranges: list[tuple[int, int]]) -> None:
    sequences, numbers = Sequences(), set[int]()
    for first, count in ranges:
        new = set(range(first, first + count))
        assert sequences.add(first, count) == (not new & numbers)
        if not new & numbers:
            numbers |= new
    for first in range(48):
        assert sequences.covers(first, 3) == (set(range(first, first + 3)) <= numbers)
    missing = {number for first, last in sequences.gaps() for number in range(first, last + 1)}
    assert missing == set(range(max(numbers, default=0))) - numbers
