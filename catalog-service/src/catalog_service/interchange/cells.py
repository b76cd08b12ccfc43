"""What may stand in a cell of the sheet, and what it means: each kind writes a value and reads it back. Pure.

People type: spaces around a text, full-width digits, a list's word or its letter are understood. What is understood
is understood the same way whoever writes it.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Protocol

from catalog_service.directory.entry import Basis

Cell = str | int
_GAPS = re.compile(r"[ \t\r\n]+")
_SEPARATORS = re.compile(r"[、，,;；\n]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_CODE = re.compile(r"[1-9][0-9]{5}[0-9A-Za-z_]*/[0-9A-Za-z_]+")
_LETTERS = "0123456789ABCDEFGHJKLMNPQRTUWXY"
LONGEST_CODE = 64


class BadCell(ValueError):
    """A cell cannot be understood; `rule` is a stable word for programs."""

    def __init__(self, rule: str, zh: str, en: str) -> None:
        super().__init__(en)
        self.rule, self.zh, self.en = rule, zh, en


class Kind(Protocol):
    """One kind of cell. `read` gets a text that is not empty."""

    def write(self, value: Any) -> Cell: ...

    def read(self, text: str) -> Any: ...


@dataclass(frozen=True, slots=True)
class Text:
    """Words. A line break is a space; other control characters are no text."""

    longest: int = 500

    def write(self, value: Any) -> Cell:
        return str(value)

    def read(self, text: str) -> Any:
        joined = _GAPS.sub(" ", text) if "\n" in text or "\t" in text or "\r" in text else text
        if _CONTROL.search(joined):
            raise BadCell("text", "含有控制字符", "has control characters")
        if len(joined) > self.longest:
            raise BadCell("length", f"超过 {self.longest} 个字符", f"longer than {self.longest} characters")
        return joined


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a list. `words`: value -> how it is written; `also`: other spellings -> value."""

    words: Mapping[Any, str]
    also: Mapping[str, Any] = field(default_factory=dict)
    rule: str = "value"

    def write(self, value: Any) -> Cell:
        return self.words.get(value, str(value))

    def read(self, text: str) -> Any:
        wanted = plain(text)
        for value, word in self.words.items():
            if wanted in (plain(word), plain(str(value))):
                return value
        if wanted in self.also:
            return self.also[wanted]
        allowed = "、".join(self.words.values())
        raise BadCell(self.rule, f"只能填写：{allowed}", f"one of: {allowed}")


@dataclass(frozen=True, slots=True)
class Choices:
    """Some of a list."""

    one: Choice

    def write(self, value: Any) -> Cell:
        return "、".join(str(self.one.write(item)) for item in value)

    def read(self, text: str) -> Any:
        return list(dict.fromkeys(self.one.read(part) for part in _SEPARATORS.split(text) if part.strip()))


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number, 0 where it is not known."""

    most: int
    rule: str = "number"

    def write(self, value: Any) -> Cell:
        return int(value)

    def read(self, text: str) -> Any:
        digits = plain(text)
        if not (digits.isascii() and digits.isdigit()) or len(digits) > 17 or int(digits) > self.most:
            raise BadCell(self.rule, "须填写数字，未知填 0", f"a number up to {self.most}, 0 if unknown")
        return int(digits)


@dataclass(frozen=True, slots=True)
class Day:
    """CCYY-MM-DD (发改高技〔2017〕1272号)."""

    def write(self, value: Any) -> Cell:
        return str(value)

    def read(self, text: str) -> Any:
        try:
            if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
                return date.fromisoformat(text).isoformat()
        except ValueError:
            pass
        raise BadCell("date", "日期格式为 CCYY-MM-DD", "a date is written CCYY-MM-DD")


@dataclass(frozen=True, slots=True)
class Id:
    """The id of a department."""

    def write(self, value: Any) -> Cell:
        return str(value)

    def read(self, text: str) -> Any:
        if len(text) > 64 or not re.fullmatch(r"[a-z0-9]+(?:[-_.][a-z0-9]+)*", text):
            raise BadCell("value", "须填写部门标识", "the id of a department")
        return text


@dataclass(frozen=True, slots=True)
class Code:
    """分类码/顺序码."""

    def write(self, value: Any) -> Cell:
        return str(value)

    def read(self, text: str) -> Any:
        code = unicodedata.normalize("NFKC", text)
        if len(code) > LONGEST_CODE or not _CODE.fullmatch(code):
            raise BadCell(
                "code",
                "信息资源代码由 类1位+项2位+目3位+细目 / 顺序码 组成",
                "a code is 类(1) 项(2) 目(3) 细目 / 顺序码",
            )
        return code


@dataclass(frozen=True, slots=True)
class CreditCode:
    """统一社会信用代码 (GB 32100-2015): 18 characters, the last one makes the sum, weighted 3^n, one of 31."""

    def write(self, value: Any) -> Cell:
        return str(value)

    def read(self, text: str) -> Any:
        code = plain(text).upper()
        fits = re.fullmatch(r"[0-9A-HJ-NPQRTUWXY]{2}[0-9]{6}[0-9A-HJ-NPQRTUWXY]{10}", code)
        if not fits or sum(_LETTERS.index(c) * pow(3, n % 17, 31) for n, c in enumerate(code)) % 31:
            raise BadCell(
                "provider-code",
                "不是有效的统一社会信用代码（18 位，须为文本格式）",
                "not a valid unified social credit code",
            )
        return code


@dataclass(frozen=True, slots=True)
class Codes:
    """Codes of other resources."""

    most: int = 200

    def write(self, value: Any) -> Cell:
        return "、".join(value)

    def read(self, text: str) -> Any:
        codes = [Code().read(part.strip()) for part in _SEPARATORS.split(text) if part.strip()]
        if len(codes) > self.most:
            raise BadCell("length", f"超过 {self.most} 个", f"more than {self.most}")
        return codes


@dataclass(frozen=True, slots=True)
class Bases:
    r"""Legal grounds, a line each: 法律名称|条款|效力级别. Inside a name, a bar is written \| and a backslash \\."""

    ranks: Sequence[str]
    most: int = 20

    def write(self, value: Any) -> Cell:
        return "\n".join("|".join(_escaped(basis[name]) for name in Basis.__struct_fields__) for basis in value)

    def read(self, text: str) -> Any:
        lines = [line for line in text.split("\n") if line.strip()]
        if len(lines) > self.most:
            raise BadCell("length", f"超过 {self.most} 条", f"more than {self.most}")
        return [self._basis(line) for line in lines]

    def _basis(self, line: str) -> dict[str, Any]:
        parts = [_unescaped(part).strip() for part in re.findall(r"((?:[^|\\]|\\.)*)(?:\||$)", line)[:-1] or [line]]
        law, article, rank = (*parts, "", "")[:3]
        if not law or len(parts) > 3 or rank not in self.ranks:
            raise BadCell(
                "basis",
                "每行一条：法律名称|条款|效力级别",
                "one ground a line: law|article|rank, the rank from the list",
            )
        return {"law": Text(200).read(law), "article": Text().read(article), "rank": rank}


def _escaped(text: str) -> str:
    return re.sub(r"([|\\])", r"\\\1", text)


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text)


def plain(text: str) -> str:
    """A text as it is compared: one width, no spaces, one case."""
    return _GAPS.sub("", unicodedata.normalize("NFKC", text)).casefold()
