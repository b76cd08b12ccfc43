"""Identifiers as text have the form of those that are built as numbers."""

from uuid import RFC_4122, UUID

from hypothesis import given
from hypothesis import strategies as st

from runtime.ids import uuid7, uuid7_text


@given(st.integers(0, 2**48 - 1), st.binary(min_size=10, max_size=10))
def test_text_is_that_of_a_uuid_of_version_7(now_ms: int, random: bytes) -> None:
    text = uuid7_text(now_ms, random)
    number = UUID(text)
    assert text == str(number)
    assert (number.version, number.variant, number.int >> 80) == (7, RFC_4122, now_ms)


@given(st.binary(min_size=10, max_size=10), st.integers(0, 79))
def test_every_random_bit_that_has_a_place_tells(random: bytes, bit: int) -> None:
    other = (int.from_bytes(random, "big") ^ 1 << bit).to_bytes(10, "big")
    in_place_of_the_version, in_place_of_the_variant = range(76, 80), range(60, 62)
    is_spare = bit in in_place_of_the_version or bit in in_place_of_the_variant
    assert (uuid7_text(0, random) == uuid7_text(0, other)) == is_spare


def test_identifiers_sort_by_time() -> None:
    assert str(uuid7(1)) < uuid7_text(2, bytes(10)) < str(uuid7(3))
