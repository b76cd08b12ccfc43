"""The edges of each shape, which profile files seldom come near."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from statute.shapes import MOST, Misfit, fit


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (int, 0),
        (int, MOST),
        (float, 0.01),
        (float, 1.0),
        (str, "两行\n也行"),
        (date, date(2026, 1, 31)),
        (object, object()),
        ({str: int}, {"任何": 1}),
        ([str], []),
        ((str, [str]), ["a"]),
        *((shape, None) for shape in (int, float, str, bool, date, [str], {"a": int}, frozenset({"a"}))),
    ],
)
def test_what_fits(shape: Any, value: object) -> None:
    assert fit(shape, value, "key") is None  # type: ignore[func-returns-value]  # it raises, or it does not


@pytest.mark.parametrize(
    ("shape", "value", "told"),
    [
        (int, MOST + 1, "key: 10000 is not a whole number from 0 to 9999"),
        (int, -1, "key: -1 is not a whole number from 0 to 9999"),
        (int, True, "key: True is not a whole number from 0 to 9999"),
        (int, 1.0, "key: 1.0 is not a whole number from 0 to 9999"),
        (float, 0.0, "key: 0.0 is not a share between 0 and 1"),
        (float, 1.01, "key: 1.01 is not a share between 0 and 1"),
        (float, float("nan"), "key: nan is not a share between 0 and 1"),
        (float, 1, "key: 1 is not a share between 0 and 1"),
        (bool, 1, "key: 1 is not true or false"),
        (str, "", "key: '' is not text"),
        (str, "\ud800", "key: '\\ud800' is not text"),
        (str, 7, "key: 7 is not text"),
        (date, datetime(2026, 1, 31, tzinfo=UTC), "key: datetime.datetime(2026, 1, 31"),
        ({str: int}, {1: 1}, "key.1: the key is not text"),
        ({str: int}, {"a": "b"}, "key.a: 'b' is not a whole number"),
        ({"a": [int]}, {"a": [1, "x"]}, "key.a[1]: 'x' is not a whole number"),
        ({"a": int}, {"b": 1}, "key.b: unknown key; known are: a"),
        ({"a": int}, [], "key: [] is not a mapping"),
        ([str], "a", "key: 'a' is not a list"),
        ([str], [None], "key[0]: is null"),
        ((str, [str]), 7, "key: 7 is not text or a list"),
        (frozenset({"b", "a"}), "c", "key: 'c' is not one of a, b"),
        (frozenset({"a"}), ["a"], "key: ['a'] is not one of a"),
    ],
)  # fmt: skip
def test_what_does_not(shape: Any, value: object, told: str) -> None:
    with pytest.raises(Misfit) as misfit:
        fit(shape, value, "key")
    assert str(misfit.value).startswith(told)
    assert told.startswith(f"{misfit.value.where}: ")
