"""Checks of what was asked, against the registered parameters: presence, type, length and check digits.

Identity numbers: GB 11643 check digit. Social credit codes: GB 32100 check digit.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from stdnum.cn import ric, uscc

from sample_providers.catalogue import Item, Row
from sample_providers.refusals import BadInput

_DIGITS = re.compile(r"-?[0-9]{1,9}")
_NUMBER = re.compile(r"-?[0-9]{1,16}(?:\.[0-9]{1,6})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_IDENTITY = re.compile(r"[0-9]{17}[0-9X]")
_IDENTITIES = frozenset({"id_card", "id_a", "id_b"})


def check(params: Sequence[Item], asked: Mapping[str, Any]) -> Row:
    """The registered parameters among `asked`, in their own types; raises BadInput. Other names are ignored."""
    return {item.name: _value(item, asked[item.name]) for item in params if _present(item, asked)}


def _present(item: Item, asked: Mapping[str, Any]) -> bool:
    if asked.get(item.name) not in (None, ""):
        return True
    if item.required:
        raise BadInput(f"缺少参数 {item.name}（{item.label}）")
    return False


def _value(item: Item, given: Any) -> Any:
    value = _READERS[item.type](item, given)
    if item.name in _IDENTITIES and not _is_identity(value):
        raise BadInput(f"参数 {item.name} 校验位错误")
    if item.name == "uscc" and not uscc.is_valid(value):
        raise BadInput("参数 uscc 校验位错误")
    return value


def _is_identity(number: str) -> bool:
    """Only form and check digit: the region of the fictional city is in no list."""
    return bool(_IDENTITY.fullmatch(number)) and ric.calc_check_digit(number) == number[-1]


def _text(item: Item, given: Any) -> str:
    if not isinstance(given, str) or len(given) > item.length:
        raise BadInput(f"参数 {item.name} 须为不超过 {item.length} 字的文本")
    return given


def _date(item: Item, given: Any) -> str:
    text = _text(item, given)
    try:
        date.fromisoformat(text if _DATE.fullmatch(text) else "")
    except ValueError:
        raise BadInput(f"参数 {item.name} 须为日期，如 2026-01-31") from None
    return text


def _integer(item: Item, given: Any) -> int:
    if isinstance(given, bool) or not _DIGITS.fullmatch(str(given)):
        raise BadInput(f"参数 {item.name} 须为整数")
    return int(given)


def _number(item: Item, given: Any) -> float:
    if isinstance(given, bool) or not _NUMBER.fullmatch(str(given)):
        raise BadInput(f"参数 {item.name} 须为数值")
    return float(given)


_READERS: Mapping[str, Callable[[Item, Any], Any]] = {
    "C": _text,
    "M": _text,
    "D": _date,
    "I": _integer,
    "N": _number,
    "F": _number,
}
