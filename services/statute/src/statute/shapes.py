"""Checking data against shapes, with the exact place of the first thing that does not fit.

`str`, `bool`, `int` (zero or more) and `date` are themselves, `float` is a share between 0 and 1; a frozenset is a
choice of words; `[shape]` a list; `{"key": shape}` a mapping with these keys at most, `{str: shape}` one with any keys;
`(a, b)` either; `object` anything. Null is silence and fits everywhere but in a list.
"""

import unicodedata
from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Any

Shape = Any
MOST = 9999
"""No number in a law file is larger; larger ones would leave the calendar."""

NAMES = {
    str: "text", int: f"a whole number from 0 to {MOST}", float: "a share between 0 and 1", bool: "true or false",
    date: "a date such as 2026-01-31", type(None): "null",
}  # fmt: skip


class Misfit(Exception):
    """A value does not have its shape: where (a path in dots), and why."""

    def __init__(self, where: str, why: str) -> None:
        super().__init__(f"{where}: {why}")
        self.where, self.why = where, why


def fit(shape: Shape, value: object, where: str) -> None:
    """Raise `Misfit` at the first place in `value` that is not as `shape` says."""
    if value is None or shape is object:
        return
    match shape:
        case dict():
            _fit_mapping(shape, value, where)
        case [inner]:
            for n, one in enumerate(_list(value, where)):
                _fit_one(inner, one, f"{where}[{n}]")
        case tuple():
            if not any(_fits(one, value) for one in shape):
                raise Misfit(where, f"{_told(value)} is not {' or '.join(map(_name, shape))}")
        case _:
            if not _is(shape, value):
                raise Misfit(where, f"{_told(value)} is not {_name(shape)}")


def mapping(value: object, where: str) -> Mapping[str, Any]:
    """`value` as a mapping, or `Misfit`."""
    if not isinstance(value, dict):
        raise Misfit(where, f"{_told(value)} is not a mapping")
    return value


def known(value: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    """Raise `Misfit` at the first key of `value` that is none of `keys`."""
    allowed = list(keys)
    for key in value:
        if key not in allowed:
            raise Misfit(f"{where}.{key}" if where else f"{key}", f"unknown key; known are: {', '.join(allowed)}")


def _fit_mapping(shape: dict[Any, Shape], value: object, where: str) -> None:
    members = mapping(value, where)
    if str not in shape:
        known(members, shape, where)
    for key, one in members.items():
        if not isinstance(key, str):
            raise Misfit(f"{where}.{key}", "the key is not text")
        fit(shape.get(key, shape.get(str)), one, f"{where}.{key}")


def _fit_one(shape: Shape, value: object, where: str) -> None:
    if value is None:
        raise Misfit(where, "is null; a list is silent as a whole or not at all")
    fit(shape, value, where)


def require(value: Mapping[str, Any], keys: Iterable[str], where: str) -> None:
    """Raise `Misfit` at the first of `keys` that is missing or null."""
    for key in keys:
        if value.get(key) is None:
            raise Misfit(f"{where}.{key}" if where else key, "is missing")


def _list(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise Misfit(where, f"{_told(value)} is not a list")
    return value


def _fits(shape: Shape, value: object) -> bool:
    try:
        fit(shape, value, "")
    except Misfit:
        return False
    return True


def _is(shape: Shape, value: object) -> bool:
    if isinstance(shape, frozenset):
        return isinstance(value, str) and value in shape
    if shape is int:
        return type(value) is int and 0 <= value <= MOST  # a bool is an int for Python, not for the law
    if shape is float:
        return type(value) is float and 0 < value <= 1
    if shape is date:
        return isinstance(value, date) and not isinstance(value, datetime)
    if shape is str:
        return isinstance(value, str) and bool(value.strip()) and all(map(_writable, value))
    return isinstance(value, shape)


def _writable(char: str) -> bool:
    """No control characters, no halves of characters: what is read must be possible to store and to print."""
    return char == "\n" or unicodedata.category(char)[0] != "C"


def _name(shape: Shape) -> str:
    if isinstance(shape, frozenset):
        return f"one of {', '.join(sorted(shape))}"
    return "a list" if isinstance(shape, list) else NAMES[shape]


def _told(value: object) -> str:
    return f"{value!r:.60}"
