"""Workbooks: no text in them is ever run, and no file hurts whoever reads it."""

import io
import random
import re
import zipfile
from contextlib import suppress
from typing import Any

import pytest
import xlsxwriter
from hypothesis import given
from hypothesis import strategies as st

from catalog_service.interchange import workbook
from catalog_service.interchange.sheet import read
from catalog_service.interchange.table import COLUMNS, SHEET
from catalog_service.interchange.workbook import BadWorkbook
from harness.sheets import SHEET_PART, book, entry, of_parts, parts_of, rows, with_cells, with_part

TITLES = [column.title for column in COLUMNS]
AT = TITLES.index("信息资源摘要")
FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "=cmd|' /C calc'!A0", '=HYPERLINK("http://x")']


def row_with(text: str) -> list[Any]:
    return [text if n == AT else "x" for n in range(len(COLUMNS))]


@pytest.mark.requirement("INT-06")
@pytest.mark.parametrize("text", FORMULAS, ids=[f"H-96 {text}" for text in FORMULAS])
def test_text_that_looks_like_a_formula_is_text_and_stays_text(text: str) -> None:
    content = book([row_with(text)])
    parts = parts_of(content)
    sheet = parts[SHEET_PART].decode()
    assert "<f>" not in sheet
    cell = re.search(rf'<c r="{workbook._letters(AT)}2" s="(\d+)" t="s">', sheet)
    assert cell is not None
    styles = re.findall(r"<xf [^>]*>", parts["xl/styles.xml"].decode().partition("<cellXfs")[2])
    assert 'quotePrefix="1"' in styles[int(cell[1])]
    assert workbook.read(content).rows[0][1][AT] == text


@pytest.mark.requirement("INT-06")
@given(st.sampled_from(["=", "+", "-", "@", ""]), st.text(st.characters(exclude_categories=("C", "Z")), max_size=20))
def test_no_cell_is_a_formula_whatever_it_says(start: str, text: str) -> None:
    written = "".join(f"{start}{text}")
    assert b"<f" not in parts_of(book([row_with(written)]))[SHEET_PART].replace(b"<formula", b"")
    assert workbook.read(book([row_with(written)])).rows[0][1][AT] == written.strip()


@pytest.mark.requirement("INT-04")
def test_a_template_has_titles_lists_and_guidance_and_no_rows() -> None:
    content = book([])
    assert workbook.read(content).rows == []
    assert workbook.read(content).titles == TITLES
    parts = parts_of(content)
    assert SHEET in parts["xl/workbook.xml"].decode()
    sheet = parts[SHEET_PART].decode()
    checked = re.findall(r'<dataValidation type="list"[^>]* sqref="([A-Z]+)2:', sheet)
    assert workbook._letters(TITLES.index("共享类型")) in checked
    assert workbook._letters(TITLES.index("数据类型")) in checked
    assert [workbook._letters(n) for n in (0, 25, 26, 51, 52, 701, 702)] == ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]


@pytest.mark.requirement("INT-04")
@pytest.mark.parametrize("number", [0, 10**15 - 1, 10**15, 2**53])
def test_numbers_keep_all_their_digits(number: int) -> None:
    sheet = read(workbook.read(book(rows([entry(survey_bytes=number)]))))
    assert (sheet.flaws, sheet.entries[0].value("调查数据量（字节）")) == ([], number)


@pytest.mark.requirement("INT-04")
def test_cells_of_every_kind_are_read_as_texts() -> None:
    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as made:
        sheet = made.add_worksheet("别的名字")
        for n, title in enumerate(TITLES[:8]):
            sheet.write_string(0, n, title)
        day = made.add_format({"num_format": "yyyy-mm-dd"})
        sheet.write_number(2, 0, 18)
        sheet.write_number(2, 1, 1.5)
        sheet.write_boolean(2, 2, True)
        sheet.write_number(2, 3, 45717, day)
        sheet.write_number(2, 4, 119901000010030351)
        sheet.write_formula(2, 5, "=1+1", None, "7")
        sheet.write_string(2, 6, " 两边有空格\u3000")
        sheet.write_number(2, 7, 45717.5, made.add_format({"num_format": "yyyy-mm-dd hh:mm"}))
    grid = workbook.read(content.getvalue())
    [(row, cells)] = grid.rows
    assert row == 3
    assert cells[:4] == ["18", "1.5", "1", "2025-03-01"]
    assert not cells[4].isdigit()
    assert cells[5:8] == ["7", "两边有空格", "2025-03-01T12:00:00"]


def packed(name: str, content: bytes) -> bytes:
    return of_parts({**parts_of(book([])), name: content})


def lying() -> bytes:
    """A part that says it is small and is not: its true size shows only in unpacking."""
    content = bytearray(packed("xl/big.xml", b"<a>" + b" " * 10_000_000 + b"</a>"))
    size = (10_000_007).to_bytes(4, "little")
    for _ in range(2):
        at = content.index(size)
        content[at : at + 4] = (7).to_bytes(4, "little")
    return bytes(content)


def encrypted() -> bytes:
    content = bytearray(book([]))
    at = content.index(b"PK\x01\x02")
    content[at + 8] |= 1
    return bytes(content)


ENTITIES = b'<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><worksheet>&b;</worksheet>'
HOSTILE = {
    "nothing": b"",
    "not a zip": b"PK\x03\x04 not really",
    "text": "信息资源名称,信息资源代码".encode(),
    "old xls": bytes.fromhex("d0cf11e0a1b11ae1") + b"\0" * 600,
    "another zip": of_parts({"a.txt": b"a"}),
    "open document": of_parts({"mimetype": b"application/vnd.oasis.opendocument.spreadsheet", "content.xml": b"<a/>"}),
    "binary workbook": of_parts({"[Content_Types].xml": b"<a/>", "xl/workbook.bin": b"\0"}),
    "cut off": book([row_with("x")])[:2000],
    "encrypted": encrypted(),
    "too large": b"PK" + b"\0" * workbook.MOST_BYTES,
    "zip bomb": packed("xl/big.xml", b"<a>" + b" " * workbook.MOST_UNPACKED + b"</a>"),
    "zip bomb that lies": lying(),
    "many parts": of_parts({**parts_of(book([])), **{f"xl/{n}.xml": b"<a/>" for n in range(workbook.MOST_PARTS)}}),
    "entities": with_part(SHEET_PART, lambda _: ENTITIES),
    "another encoding": with_part(SHEET_PART, lambda part: part.decode().encode("utf-16")),
    "doctype": with_part(SHEET_PART, lambda part: part.replace(b"<worksheet", b"<!DOCTYPE worksheet><worksheet", 1)),
    "broken xml": with_part(SHEET_PART, lambda part: part[:-20]),
    "no rels": of_parts({n: p for n, p in parts_of(book([])).items() if not n.endswith(".rels")}),
    "no sheet": of_parts({n: p for n, p in parts_of(book([])).items() if "worksheets" not in n}),
    "cell far out": with_cells(b'<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'),
    "column far out": with_cells(b'<row r="5"><c r="XFD5"><v>1</v></c></row>'),
    "row far out, cell without a place": with_cells(b'<row r="1048576"><c><v>1</v></c></row>'),
    "row far out, written in references": with_cells(b'<row r="5"><c r="&#88;FD1048576"><v>1</v></c></row>'),
    "many cells without a place": with_cells(b"<row>" + b"<c><v>1</v></c>" * 5000 + b"</row>"),
    "many rows without a number": with_cells(b"<row><c><v>1</v></c></row>" * (workbook.MOST_ROWS + 2)),
    "prefixed": with_cells(b'<x:row xmlns:x="a" r="5"><x:c r="XFD1048576"><x:v>1</x:v></x:c></x:row>'),
    "nowhere": with_cells(b'<row r="5"><c r="5A"><v>1</v></c></row>'),
    "row zero": with_cells(b'<row r="0"><c><v>1</v></c></row>'),
    "a string that is not there": with_cells(b'<row r="5"><c r="A5" t="s"><v>999999</v></c></row>'),
    "empty sheet": with_part(SHEET_PART, lambda part: re.sub(rb"<sheetData>.*</sheetData>", b"<sheetData/>", part)),
}


@pytest.mark.requirement("INT-06")
@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_means_no_good_gets_one_plain_error(name: str) -> None:
    with pytest.raises(BadWorkbook) as refused:
        workbook.read(HOSTILE[name])
    assert refused.value.zh
    assert "\n" not in str(refused.value)


@pytest.mark.requirement("INT-06")
def test_the_largest_sheet_that_is_allowed_is_read() -> None:
    last = workbook.MOST_ROWS + 1
    content = with_cells(f'<row r="{last}"><c r="DP{last}"><v>1</v></c></row>'.encode())
    grid = workbook.read(content)
    assert (grid.rows[-1][0], len(grid.titles)) == (last, workbook.MOST_COLUMNS)


@pytest.mark.requirement("INT-06")
def test_what_was_not_measured_is_not_read() -> None:
    """The second of two parts with one name, parts that nobody needs: the reader never sees them."""
    content = io.BytesIO(book(rows([entry()])))
    with zipfile.ZipFile(content, "a") as packed_:
        packed_.writestr("docProps/evil.bin", b"\0" * 100)
    assert read(workbook.read(content.getvalue())).flaws == []
    parts = workbook._parts(content.getvalue())
    assert all(name.startswith(("xl/", "_rels/", "[Content_Types]")) for name in parts)


GOOD = parts_of(book(rows([entry()])))
NOISE = [
    b"<c/>",
    b"9999999",
    b'"',
    b"<",
    b'r="ZZZ9"',
    b'<row r="9">',
    b't="s"',
    b"<v>99999999</v>",
    b"&#0;",
    b"\xff",
    b"]]>",
]


@pytest.mark.requirement("INT-06")
@pytest.mark.parametrize("seed", range(40))
def test_damaged_workbooks_are_read_or_refused(seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(10):
        name = chance.choice([name for name in GOOD if name.endswith((".xml", ".rels"))])
        part = bytearray(GOOD[name])
        for _ in range(chance.randint(1, 4)):
            at = chance.randrange(len(part))
            part[at : at + chance.choice((0, 1, 20))] = chance.choice(NOISE)
        with suppress(BadWorkbook):
            read(workbook.read(of_parts({**GOOD, name: bytes(part)})))


@pytest.mark.requirement("INT-06")
@given(st.binary(max_size=300), st.integers(0, 5000))
def test_damaged_archives_are_read_or_refused(noise: bytes, at: int) -> None:
    content = WHOLE[:at] + noise + WHOLE[at + len(noise) :]
    with suppress(BadWorkbook):
        workbook.read(content)


WHOLE = book(rows([entry()]))
