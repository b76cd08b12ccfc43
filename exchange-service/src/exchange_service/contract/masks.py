"""Masks: what is left of a personal value when only its outline may leave (脱敏).

Every mask hides behind four asterisks whatever the length, so that the length tells nothing, and shows nothing at all
of values too short to hide in. No mask raises, whatever the string. A masked value masked again stays as it is.
Source: GB/T 35273-2020 section 7.2 (display restricted), 个人信息保护法 第五十一条.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

Mask = Callable[[str], str]

DROP: Final = "drop"
"""Not a function: the member is taken out."""
PLAIN: Final = "plain"
"""No mask; in a grant it lifts the interface's."""
HIDDEN: Final = "****"
NOT_TEXT: Final = "***"
"""What stands for a masked number, truth value or object."""


def ends(head: int, tail: int, shortest: int) -> Mask:
    """Show `head` first and `tail` last characters of values of at least `shortest` characters."""

    def mask(value: str) -> str:
        if len(value) < shortest:
            return HIDDEN if value else ""
        return value[:head] + HIDDEN + value[len(value) - tail :]

    return mask


_long_number = ends(3, 3, shortest=10)
_short_number = ends(1, 1, shortest=6)


def middle(value: str) -> str:
    """Show both ends of a number, fewer of a short one."""
    return _long_number(value) if len(value) >= 10 else _short_number(value)


# A level word ends a name. Within a name no level word stands, nor what belongs to streets and houses, except as the
# first character (市中区, 道里区, 镇海区) and 镇, 乡 before 市 (景德镇市). Words that only look like a level end none:
# 小区, 社区, 超市, 市场.
_HAN = r"[\u3400-\u9fff]"
_WITHIN = rf"(?:[镇乡](?=市)|(?![省市区县旗盟路街巷弄村乡镇道号楼栋幢室]){_HAN})"
_NOT_A_DISTRICT = r"(?<![小社园校厂景街片院库城])"
_CITY_WORD = r"(?<![超夜早晚菜门集股商])市(?!场)"
_PROVINCE = rf"{_HAN}{_WITHIN}{{1,6}}?(?:省|自治区|特别行政区)"
_CITY = rf"{_HAN}{_WITHIN}{{0,9}}?(?:自治州|地区|盟|{_CITY_WORD})"
_DISTRICT = rf"{_HAN}{_WITHIN}{{0,9}}?(?:新区|县|旗|{_NOT_A_DISTRICT}区|{_CITY_WORD})"
_down_to_district = re.compile(rf"(?:\s*{_PROVINCE})?(?:\s*{_CITY})?(?:\s*{_DISTRICT})?").match


def district(value: str) -> str:
    """Show an address down to its district or county; nothing where no such level can be told.

    Better too little than too much: a name that could be a street's is not taken for a district's.
    """
    found = _down_to_district(value)
    return found[0] + HIDDEN if found and value else ""


MASKS: Final[Mapping[str, Mask]] = MappingProxyType(
    {
        "name_first": ends(1, 0, shortest=1),  # 张三丰测试 → 张****
        "id_last4": ends(0, 4, shortest=8),  # 990101199003070218 → ****0218
        "phone": ends(3, 4, shortest=11),  # 13800138000 → 138****8000
        "addr_district": district,  # 云江市某区某路1号 → 云江市某区****
        "mid4": middle,  # A990000001 → A99****001
    }
)
"""Masks by name. `drop` and `plain` are masks too, but not functions."""

NAMES: Final = frozenset({*MASKS, DROP, PLAIN})
"""Every name that an interface or a grant may use."""
