"""From rows of text to entries as a sheet states them, with every mistake by row and column. Pure.

Rows belong together by their code; a row without a code goes on with the entry above it. What is said of the whole
resource is taken from its first row: the rows below say the same or nothing.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec

from catalog_service.interchange.cells import BadCell, plain
from catalog_service.interchange.table import BY_TITLE, COLUMNS, IN_EVERY_FILE, Column

NAME, CODE, LABEL, FIELD = "信息资源名称", "信息资源代码", "信息项名称", "字段名"
MOST_ENTRIES = 1000
MOST_ITEMS = 2000
LONGEST_SHOWN = 100


class Flaw(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One mistake in a sheet. row: as the sheet counts, 1 for the titles; rule: a stable word for programs."""

    row: int
    column: str
    rule: str
    zh: str
    en: str
    value: str = ""


@dataclass(frozen=True, slots=True)
class Grid:
    """A sheet as texts: titles in its first row, then rows with their numbers; empty rows are left out."""

    titles: list[str]
    rows: list[tuple[int, list[str]]]


@dataclass(slots=True)
class Line:
    """One row: what its cells say, as texts and as values."""

    row: int
    texts: dict[str, str]
    values: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Stated:
    """One entry as the sheet states it. `lines[0]` speaks for the whole; a line with an item has a value of its own."""

    lines: list[Line]
    open: str = "none"

    @property
    def row(self) -> int:
        return self.lines[0].row

    @property
    def code(self) -> str:
        return str(self.lines[0].values.get(CODE, ""))

    def text(self, title: str) -> str:
        return self.lines[0].texts.get(title, "")

    def value(self, title: str) -> Any:
        """What the entry says there; None where it says nothing, or nothing that is understood."""
        return self.lines[0].values.get(title)

    @property
    def items(self) -> list[Line]:
        """The rows that describe an information item."""
        return [line for line in self.lines if any(BY_TITLE[title].of_item for title in line.texts)]


@dataclass(slots=True)
class Sheet:
    """What a sheet says. `titles`: the columns that it has."""

    titles: frozenset[str]
    entries: list[Stated]
    flaws: list[Flaw]

    def wrong(self, row: int, column: str, rule: str, zh: str, en: str, value: str = "") -> None:
        self.flaws.append(Flaw(row=row, column=column, rule=rule, zh=zh, en=en, value=value[:LONGEST_SHOWN]))


def read(grid: Grid) -> Sheet:
    """Everything that the rows say, and everything that is wrong with single cells and with the rows of one entry."""
    titles = [_title(title) for title in grid.titles]
    sheet = Sheet(frozenset(titles) & BY_TITLE.keys(), [], [])
    _check_titles(sheet, titles)
    if sheet.flaws:
        return sheet
    lines = [
        Line(row, {t: text for t, text in zip(titles, texts, strict=False) if t and text}) for row, texts in grid.rows
    ]
    for line in lines:
        _read_cells(sheet, line)
    sheet.entries = list(_entries(sheet, lines))
    if len(sheet.entries) > MOST_ENTRIES:
        most = f"{MOST_ENTRIES}"
        sheet.wrong(1, "", "size", f"资源超过 {most} 个，请分文件提交", f"more than {most} entries; send several files")
    for stated in sheet.entries:
        _check_rows(sheet, stated)
        _check_needed(sheet, stated)
    return sheet


_TITLES = {plain(column.title): column.title for column in COLUMNS}


def _title(text: str) -> str:
    return _TITLES.get(plain(text), text.strip())


def _check_titles(sheet: Sheet, titles: list[str]) -> None:
    for title, count in Counter(titles).items():
        if title and title not in BY_TITLE:
            sheet.wrong(1, title[:LONGEST_SHOWN], "column", "没有这一列", "there is no such column")
        elif title and count > 1:
            sheet.wrong(1, title, "column", "列重复", "the column is there twice")
    for title in IN_EVERY_FILE:
        if title not in titles:
            sheet.wrong(1, title, "column", "缺少这一列", "the column is missing")


def _read_cells(sheet: Sheet, line: Line) -> None:
    for title, text in line.texts.items():
        try:
            line.values[title] = BY_TITLE[title].kind.read(text)
        except BadCell as bad:
            sheet.wrong(line.row, title, bad.rule, bad.zh, bad.en, text)


def _entries(sheet: Sheet, lines: Iterable[Line]) -> Iterator[Stated]:
    """Rows by their code, in the order in which the codes are met."""
    found: dict[str, Stated] = {}
    last: Stated | None = None
    for line in lines:
        code, name = line.texts.get(CODE, ""), line.texts.get(NAME, "")
        goes_on = last is not None and not code and name in ("", last.text(NAME))
        if last is None or not goes_on:
            last = found.get(code) if code else None
            if last is None:
                last = Stated([])
                found[code or f"row {line.row}"] = last
        last.lines.append(line)
    return iter(found.values())


def _shared() -> list[Column]:
    return [column for column in COLUMNS if not column.of_item]


def _check_rows(sheet: Sheet, stated: Stated) -> None:
    """The rows of one entry agree on what they say of it."""
    for line in stated.lines[1:]:
        for column in _shared():
            text = line.texts.get(column.title, "")
            if text and text != stated.text(column.title):
                first = stated.row
                sheet.wrong(line.row, column.title, "same", f"与同一资源的第 {first} 行不一致",
                            f"differs from row {first} of the same resource", text)  # fmt: skip
    if len(stated.items) > MOST_ITEMS:
        sheet.wrong(stated.row, LABEL, "size", f"信息项超过 {MOST_ITEMS} 个", f"more than {MOST_ITEMS} items")


def _check_needed(sheet: Sheet, stated: Stated) -> None:
    """What the guide demands is there."""
    missing = [column.title for column in COLUMNS if column.needed and column.title in sheet.titles]
    for title in missing:
        if not stated.text(title):
            zh, en = (
                ("未知填 0", "0 if unknown") if BY_TITLE[title].member.startswith("survey") else ("必填", "required")
            )
            sheet.wrong(stated.row, title, "required", zh, en)
    for line in stated.items:
        for title in (LABEL, "数据类型"):
            if title not in line.texts:
                sheet.wrong(line.row, title, "required", "必填", "required")
