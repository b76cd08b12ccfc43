"""Workbooks (.xlsx): written so that nothing in a cell is ever run, read so that no file can hurt whoever reads it.

A few kilobytes can claim a sheet of seventeen thousand million cells, and the reader would make room for them all. So
a file is unpacked here first, measured, its sheets looked through for cells far out, and packed again from what was
measured: the reader sees nothing else.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import Any
from xml.parsers import expat

from catalog_service.interchange.cells import Cell
from catalog_service.interchange.sheet import Grid
from catalog_service.interchange.table import COLUMNS, GUIDANCE, LISTS, SHEET, lists

MOST_BYTES = 10 * 1024 * 1024
MOST_UNPACKED = 64 * 1024 * 1024
MOST_PARTS = 200
MOST_ROWS = 20_000
MOST_COLUMNS = 120

_PART = re.compile(r"(?:\[Content_Types\]\.xml|_rels/\.rels|xl/[\w./-]+\.(?:xml|rels))")
_WORKBOOK = "xl/workbook.xml"
_PLACE = re.compile(r"([A-Z]{1,3})([1-9][0-9]{0,6})")
_RISKY = ("=", "+", "-", "@", "\t", "\r")
_EXACT = 2**53


class BadWorkbook(ValueError):
    """The file cannot be read; one line in two languages."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(en)
        self.zh, self.en = zh, en


# --- writing --------------------------------------------------------------------------------------------------------
def write(rows: Iterable[Sequence[Cell]]) -> bytes:
    """A workbook with the sheet, its lists to choose from, and guidance; without rows it is a template."""
    import xlsxwriter  # a sixth of a second that other starts need not wait for

    content = io.BytesIO()
    options = {"in_memory": True, "strings_to_formulas": False, "strings_to_urls": False, "strings_to_numbers": False}
    with xlsxwriter.Workbook(content, options) as book:
        sheet, values, guidance = (book.add_worksheet(name) for name in (SHEET, LISTS, GUIDANCE))
        title = book.add_format({"bold": True, "bg_color": "#D9E2F3", "border": 1, "text_wrap": True})
        needed = book.add_format({"bold": True, "bg_color": "#F8CBAD", "border": 1, "text_wrap": True})
        as_text = book.add_format({"num_format": "@"})
        quoted = book.add_format({"num_format": "@", "quote_prefix": True})
        sheet.set_column(0, len(COLUMNS) - 1, 16, as_text)
        sheet.freeze_panes(1, 0)
        for n, column in enumerate(COLUMNS):
            sheet.write_string(0, n, column.title, needed if column.needed else title)
        for row, cells in enumerate(rows, start=1):
            for n, cell in enumerate(cells):
                _write_cell(sheet, row, n, cell, quoted)
        _write_lists(sheet, values)
        _write_guidance(guidance)
    return content.getvalue()


def _write_cell(sheet: Any, row: int, n: int, cell: Cell, quoted: Any) -> None:
    """Text is written as text, never as a formula, and stays text when somebody edits the cell.

    The mark before it (quotePrefix, ECMA-376 18.8.45) is no part of the text.
    """
    if isinstance(cell, int):
        sheet.write_number(row, n, cell)
    elif cell:
        sheet.write_string(row, n, cell, quoted if cell.startswith(_RISKY) else None)


def _write_lists(sheet: Any, values: Any) -> None:
    places = {column.title: n for n, column in enumerate(COLUMNS)}
    for at, (column, words) in enumerate(lists()):
        values.write_string(0, at, column.title)
        values.write_column(1, at, words)
        first, last = (f"${_letters(at)}${row}" for row in (2, len(words) + 1))
        n = places[column.title]
        sheet.data_validation(1, n, MOST_ROWS, n, {
            "validate": "list", "source": f"='{LISTS}'!{first}:{last}", "ignore_blank": True,
            "error_title": column.title, "error_message": "请从列表中选择",
        })  # fmt: skip


def _write_guidance(sheet: Any) -> None:
    lines = [
        "每个信息项占一行；同一资源的各行代码相同，资源级内容以首行为准，后续行可留空。",
        "橙色标题为必填。一个文件只含一个提供方，提供方代码为统一社会信用代码（文本格式）。",
        "调查记录数、调查数据量须为数字，未知填 0。日期格式 CCYY-MM-DD。",
        "共享方式类型、关联资源代码可填多个，以顿号分隔；依据每行一条：法律名称|条款|效力级别。",
        "One row for each item; rows of one resource share its code, and its first row speaks for it.",
        "Orange titles are required. One provider a file, known by its unified social credit code (as text).",
    ]
    sheet.set_column(0, 0, 100)
    sheet.write_column(0, 0, lines)


def _letters(n: int) -> str:
    return chr(ord("A") + n) if n < 26 else _letters(n // 26 - 1) + _letters(n % 26)


# --- reading --------------------------------------------------------------------------------------------------------
def read(content: bytes) -> Grid:
    """The sheet's texts. Raises BadWorkbook."""
    from python_calamine import CalamineError, CalamineWorkbook

    measured = _packed_again(_parts(content))
    try:
        with CalamineWorkbook.from_filelike(io.BytesIO(measured)) as book:
            name = SHEET if SHEET in book.sheet_names else book.sheet_names[0]
            rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    except (CalamineError, IndexError, ValueError, OverflowError) as error:
        told = str(error).partition("\n")[0][:200]
        raise BadWorkbook("文件已损坏，不是可读的 Excel 工作簿", f"not a readable workbook: {told}") from None
    texts = [[_text(cell) for cell in row] for row in rows]
    if not texts or not any(texts[0]):
        raise BadWorkbook("工作表为空，首行须为列标题", "the sheet is empty; its first row holds the titles")
    return Grid(texts[0], [(n, row) for n, row in enumerate(texts[1:], start=2) if any(row)])


def _text(cell: Any) -> str:
    """What a cell says. Numbers that a double no longer holds exactly are left as they are, to be found wrong."""
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, float) and cell.is_integer() and abs(cell) <= _EXACT:
        return str(int(cell))
    if isinstance(cell, datetime):
        return (cell.date() if cell.time() == datetime.min.time() else cell).isoformat()
    if isinstance(cell, date):
        return cell.isoformat()
    return str(cell).strip()


def _parts(content: bytes) -> dict[str, bytes]:
    """The parts that matter, unpacked by ourselves as far as they say that they go, and no further."""
    if len(content) > MOST_BYTES:
        raise BadWorkbook(f"文件超过 {MOST_BYTES} 字节", f"more than {MOST_BYTES} bytes")
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            listed = packed.infolist()
            if len(listed) > MOST_PARTS or sum(part.file_size for part in listed) > MOST_UNPACKED:
                raise BadWorkbook("解压后的内容过大", "too much once unpacked")
            wanted = [part for part in listed if _PART.fullmatch(part.filename)]
            parts = {part.filename: packed.read(part) for part in wanted}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError) as error:
        if isinstance(error, BadWorkbook):
            raise
        raise BadWorkbook("不是 .xlsx 文件，或文件已损坏", f"not an .xlsx file, or a broken one: {error}") from None
    if _WORKBOOK not in parts:
        raise BadWorkbook("不是 .xlsx 文件", "not an .xlsx file")
    for part in parts.values():
        _look_through(part)
    return parts


def _packed_again(parts: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as packed:
        for name, part in parts.items():
            packed.writestr(name, part)
    return content.getvalue()


def _look_through(part: bytes) -> None:
    """Raise BadWorkbook for XML that is broken or declares a document type, and for cells far out."""
    parser = expat.ParserCreate("utf-8")  # as calamine reads it, whatever the part says of itself
    parser.StartElementHandler = _Places().take
    parser.StartDoctypeDeclHandler = _no_doctype
    try:
        parser.Parse(part, True)
    except expat.ExpatError as error:
        raise BadWorkbook("文件已损坏，内容不是有效的 XML", f"broken: {error}") from None


def _no_doctype(*_: Any) -> None:
    raise BadWorkbook("文件含有不允许的声明", "a document type is declared")


class _Places:
    """Where the cells of a sheet are: each says so itself, or stands beside the one before it (ECMA-376 18.3.1.4)."""

    def __init__(self) -> None:
        self._row = 0
        self._column = 0

    def take(self, name: str, attributes: dict[str, str]) -> None:
        """One element. Raises BadWorkbook for a place that nobody needs."""
        kind, place = name.rpartition(":")[2], attributes.get("r")
        if kind == "row":
            self._row, self._column = self._at("A" + place)[0] if place is not None else self._row + 1, 0
        elif kind == "c":
            self._row, self._column = self._at(place) if place is not None else (self._row, self._column + 1)
        if self._row > MOST_ROWS + 1 or self._column > MOST_COLUMNS:
            most = f"{MOST_ROWS} × {MOST_COLUMNS}"
            raise BadWorkbook(f"工作表超出 {most} 个单元格的范围", f"cells outside {most}")

    def _at(self, place: str) -> tuple[int, int]:
        found = _PLACE.fullmatch(place)
        if found is None:
            raise BadWorkbook("文件已损坏：单元格位置无效", "broken: a cell is nowhere")
        column = 0
        for letter in found[1]:
            column = column * 26 + ord(letter) - ord("A") + 1
        return int(found[2]), column
