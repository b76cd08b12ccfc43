"""gzip answers: one member, whole, within its ratio and its limit."""

import gzip
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_service.releasing import MOST_RATIO, inflated
from runtime.errors import Refusal

pytestmark = pytest.mark.requirement("EXC-24")
LIMIT = 100_000


@given(st.binary(max_size=5000))
def test_what_was_packed_comes_out_or_is_refused_for_its_ratio(content: bytes) -> None:
    packed = gzip.compress(content)
    if len(content) <= MOST_RATIO * len(packed):
        assert inflated(packed, LIMIT) == content
    else:
        with pytest.raises(Refusal, match="grows"):
            inflated(packed, LIMIT)


@given(st.binary(min_size=1, max_size=500))
def test_whatever_comes_is_unpacked_or_refused(packed: bytes) -> None:
    with suppress(Refusal):
        inflated(packed, LIMIT)


@given(st.binary(max_size=200), st.integers(min_value=1, max_value=30))
def test_a_cut_one_is_refused(content: bytes, cut: int) -> None:
    packed = gzip.compress(content)
    with pytest.raises(Refusal):
        inflated(packed[: max(1, len(packed) - cut)], LIMIT)


def test_the_limit_holds_whatever_the_ratio() -> None:
    with pytest.raises(Refusal, match="beyond 100 bytes"):
        inflated(gzip.compress(bytes(range(256))), 100)
