"""Rows as a file: CSV, Excel workbook, JSON Lines. Nothing in a cell is ever run by a spreadsheet.

Source: OWASP CSV Injection; RFC 4180; ECMA-376 18.8.45 (quotePrefix).
"""

import csv
import io
from collections.abc import Iterable, Sequence
from typing import IO, Any, Literal, Protocol

import msgspec

from audit_service.summary import Summary
from statute.calendar import SHANGHAI

Format = Literal["csv", "xlsx", "jsonl"]
MEDIA_TYPES: dict[Format, str] = {
    "csv": "text/csv; charset=utf-8",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "jsonl": "application/jsonl; charset=utf-8",
}
MOST_ROWS: dict[Format, int] = {"csv": 100_000, "xlsx": 50_000, "jsonl": 100_000}
TITLES = {
    "at": "时间", "call_id": "记录号", "kind": "类别", "department": "调用部门", "system": "调用系统",
    "provider": "提供部门", "interface": "接口", "version": "版本", "grant_id": "授权", "case_no": "办件编号",
    "purpose": "用途", "operation": "操作", "event": "事件", "status": "状态码", "code": "结果代码", "fault": "责任方",
    "took_ms": "耗时毫秒", "request_bytes": "请求字节", "answer_bytes": "应答字节", "fields_returned": "返回字段数",
    "fields_masked": "脱敏字段数", "trace": "追踪号", "subject": "主体假名", "gateway": "写入者",
    "leaf_index": "日志序号", "mode": "调用方式", "verdict": "核验结果", "consent": "当事人授权",
}  # fmt: skip
"""Columns of a table, in order, and what people call them."""
_MODE = list(TITLES).index("mode")
RISKY = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", "﹦", "﹢", "﹣", "﹫")
"""How a cell begins that some spreadsheet takes for a formula."""
BLANK = " \u3000\xa0\ufeff\u200b\v\f\x85\u2028\u2029"
"""What some spreadsheet passes over before that."""
_NO_CHARACTERS = str.maketrans({"\ufffe": "\ufffd", "\uffff": "\ufffd"})  # XML has no room for them


class Sheet(Protocol):
    """A file under way."""

    def add(self, rows: Iterable[Summary]) -> None: ...
    def end(self) -> None: ...


def sheet(form: Format, into: IO[bytes]) -> Sheet:
    """A file of that form, written into `into`."""
    match form:
        case "csv":
            return _Csv(into)
        case "xlsx":
            return _Xlsx(into)
        case "jsonl":
            return _JsonLines(into)


def cells(row: Summary) -> list[str | int]:
    """One row of a table; the time is that of China, with its zone."""
    values: list[Any] = [getattr(row, name) for name in TITLES]
    values[0] = row.at.astimezone(SHANGHAI).isoformat(timespec="milliseconds")
    if row.kind == "event":
        values[_MODE] = ""
    return values


class _JsonLines:
    def __init__(self, into: IO[bytes]) -> None:
        self._into = into

    def add(self, rows: Iterable[Summary]) -> None:
        for row in rows:
            self._into.write(msgspec.json.encode(row) + b"\n")

    def end(self) -> None:
        pass


class _Csv:
    """UTF-8 with the mark by which Excel knows it; a risky cell begins with an apostrophe."""

    def __init__(self, into: IO[bytes]) -> None:
        self._text = io.TextIOWrapper(into, "utf-8", newline="", write_through=True)
        self._text.write("\ufeff")
        self._writer = csv.writer(self._text, quoting=csv.QUOTE_ALL)
        self._writer.writerow(TITLES.values())

    def add(self, rows: Iterable[Summary]) -> None:
        self._writer.writerows([_escaped(cell) for cell in cells(row)] for row in rows)

    def end(self) -> None:
        self._text.detach()


def _escaped(cell: str | int) -> str | int:
    return f"'{cell}" if isinstance(cell, str) and is_risky(cell) else cell


def is_risky(cell: str) -> bool:
    """Whether some spreadsheet takes the text for a formula."""
    return cell.lstrip(BLANK).startswith(RISKY)


class _Xlsx:
    """Text is written as text and stays text when somebody edits the cell; row by row, so that none is kept in mind."""

    def __init__(self, into: IO[bytes]) -> None:
        import xlsxwriter  # a sixth of a second that other starts need not wait for

        options = {"constant_memory": True, "strings_to_formulas": False, "strings_to_urls": False,
                   "strings_to_numbers": False}  # fmt: skip
        self._book = xlsxwriter.Workbook(into, options)
        self._sheet = self._book.add_worksheet("记录")
        self._sheet.freeze_panes(1, 0)
        self._sheet.set_column(0, len(TITLES) - 1, 16)
        self._quoted = self._book.add_format({"num_format": "@", "quote_prefix": True})
        self._next = 0
        self._write(list(TITLES.values()))

    def add(self, rows: Iterable[Summary]) -> None:
        for row in rows:
            self._write(cells(row))

    def _write(self, values: Sequence[str | int]) -> None:
        for n, cell in enumerate(values):
            if isinstance(cell, int):
                self._sheet.write_number(self._next, n, cell)
            elif cell:
                risky = self._quoted if is_risky(cell) else None
                self._sheet.write_string(self._next, n, cell.translate(_NO_CHARACTERS), risky)
        self._next += 1

    def end(self) -> None:
        self._book.close()
