"""Masks: what is left of a personal value when only its outline may leave (脱敏).

Every mask hides behind four asterisks whatever the length, so that the length tells nothing, and shows nothing at all
of values too short to hide in. No mask raises, whatever the string. A masked value masked again stays as it is.
Source: GB/T 35273-2020 section 7.2 (display restricted), 个人信息保护法 第五十一条.
"""

import hmac
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from wire.catalog import MaskRule
from wire.masks import DROP, NAMES, PLAIN, PSEUDONYM
from wire.subjects import LONGEST, SHORTEST_KEY_BYTES, normal

__all__ = ["DROP", "HIDDEN", "MASKS", "NAMES", "NOT_TEXT", "PLAIN", "PSEUDONYM", "Mask", "MaskKey", "mask_of"]

Mask = Callable[[str], str]

HIDDEN: Final = "****"
NOT_TEXT: Final = "***"
"""What stands for a masked number, truth value or object."""


def ends(head: int, tail: int, shortest: int) -> Mask:
    """Show `head` first and `tail` last characters of values of at least `shortest` characters."""
    whole = head + len(HIDDEN) + tail

    def mask(value: str) -> str:
        if len(value) == whole and value.startswith(HIDDEN, head):
            return value
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


_year_of_a_date = re.compile(r"(?:1[89]|2[01])[0-9]{2}(?=[-/.年][0-9]|[0-9]{4}(?![0-9])|\*{4}$)").match


def year(value: str) -> str:
    """Show the year of a date that begins with it."""
    found = _year_of_a_date(value)
    return (found[0] if found else "") + HIDDEN if value else ""


def until(marks: str, shortest: int) -> Mask:
    """Show the part before the first of these characters; nothing where there is none of them."""
    first = re.compile(f"[{re.escape(marks)}]").search

    def mask(value: str) -> str:
        if value.endswith(HIDDEN) and not first(value[: -len(HIDDEN)]):
            return value
        found = first(value)
        if found is None or len(value) < shortest:
            return HIDDEN if value else ""
        return value[: found.start()] + HIDDEN

    return mask


def mask_of(rule: MaskRule) -> Mask:
    """The mask that a provider registered as data. Raises ValueError unless `wire.masks.rules_fit`."""
    if rule.until:
        return until(rule.until, rule.shortest)
    return ends(rule.head, rule.tail, rule.shortest)


class MaskKey:
    """The key of all pseudonyms that leave this installation; a file of its own, which only exchanges read.

    A pseudonym is `t1:` and 32 hex digits of HMAC-SHA-256 over the department that asks and the value in one spelling
    (width, case, spaces and hyphens make no difference). The same value is the same word at every call of that
    department and another one for every other: what two departments got cannot be joined. Without the key nobody can
    try numbers out. Source: RFC 2104; 个人信息保护法 51, 73 (去标识化).
    """

    def __init__(self, secret: bytes) -> None:
        if len(secret) < SHORTEST_KEY_BYTES:
            raise ValueError(f"the key of the masks must have at least {SHORTEST_KEY_BYTES} bytes")
        self._secret = secret

    @classmethod
    def from_file(cls, path: Path) -> "MaskKey":
        return cls(path.read_bytes().strip())

    def mask(self, consumer: str) -> Mask:
        """The mask `pseudonym` for one department."""
        domain = b"tongdao/mask/1\n" + consumer.encode(errors="surrogatepass") + b"\n"

        def mask(value: str) -> str:
            if not value or _is_pseudonym(value):
                return value
            spelled = (normal(value) if len(value) <= LONGEST else "") or value
            return (
                "t1:" + hmac.digest(self._secret, domain + spelled.encode(errors="surrogatepass"), "sha256")[:16].hex()
            )

        return mask


_is_pseudonym = re.compile(r"t1:[0-9a-f]{32}").fullmatch

MASKS: Final[Mapping[str, Mask]] = MappingProxyType(
    {
        "name_first": ends(1, 0, shortest=1),  # 张三丰测试 → 张****
        "id_last4": ends(0, 4, shortest=8),  # 990101199003070218 → ****0218
        "phone": ends(3, 4, shortest=11),  # 13800138000 → 138****8000
        "addr_district": district,  # 云江市某区某路1号 → 云江市某区****
        "mid4": middle,  # A990000001 → A99****001
        "bank_last4": ends(0, 4, shortest=12),  # 6222990000000000017 → ****0017
        "plate": ends(2, 1, shortest=7),  # 云A12345 → 云A****5
        "uscc": ends(2, 4, shortest=15),  # 91990100MA00000017 → 91****0017
        "year": year,  # 1990-03-07 → 1990****
    }
)
"""Masks by name that need neither key nor registration. `drop` and `plain` are masks too, but not functions."""
