"""A sieve passes over nothing that is there, and over nearly all that is not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_service.search.sieve import BLOCK_BYTES, MEMBERS, Sieve, blocks_for, hashed, may_hold


def holds(sieve: Sieve, member: str, value: str) -> bool:
    chosen, bits = hashed(member, value)
    return may_hold(dict(sieve.blocks())[chosen % sieve.count], bits)


@pytest.mark.requirement("SRC-23")
@given(st.lists(st.tuples(st.text(max_size=8), st.text(max_size=8), st.text(max_size=8)), max_size=50))
def test_what_is_there_is_never_passed_over(rows: list[tuple[str, str, str]]) -> None:
    sieve = Sieve(len(rows))
    sieve.add(rows)
    for row in rows:
        assert all(holds(sieve, member, value) for member, value in zip(MEMBERS, row, strict=True) if value)


def test_what_is_not_there_is_nearly_always_passed_over() -> None:
    sieve = Sieve(2000)
    sieve.add((f"case {n}", f"trace {n}", f"person {n}") for n in range(2000))
    blocks = dict(sieve.blocks())
    assert len(blocks) == blocks_for(2000)
    assert {len(bits) for bits in blocks.values()} == {BLOCK_BYTES}
    wrong = sum(holds(sieve, "case_no", f"trace {n}") for n in range(2000))
    assert wrong < 20
