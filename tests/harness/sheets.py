"""Workbooks for tests: entries that break no rule, cells changed one by one, and files that mean no good."""

import io
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence

from hypothesis import strategies as st

from catalog_service.directory.entry import Basis, Item, Resource, Share, ShareType
from catalog_service.directory.model import Department
from catalog_service.interchange import workbook
from catalog_service.interchange.cells import Cell
from catalog_service.interchange.table import COLUMNS, rows_of

SOCIAL = Department(id="rsj", name="云江市人力资源和社会保障局", uscc="119901000010030351")
PLACES = {column.title: n for n, column in enumerate(COLUMNS)}


def _words(n: int) -> str:
    return "".join("零甲乙丙丁戊己庚辛壬"[int(digit)] for digit in str(n))


def entry(n: int = 1, **changes: object) -> Resource:
    """A catalog entry without a mistake."""
    members = {
        "code": f"2039900100003/{n:06}", "name": f"社会保险参保状态{_words(n)}", "provider": "rsj",
        "summary": f"第{n}类参保人的状态", "share": Share(type="conditional", condition="限资格审核"),
        "items": [
            Item(name="id_card", label="公民身份号码", type="C", length=18, required=True, key=True),
            Item(name="status", label="参保状态", type="C", length=1, mask="drop", level="L3"),
        ],
        "published": "2025-03-01", "lead_department": "rsj",
    }  # fmt: skip
    return Resource(**{**members, **changes})  # type: ignore[arg-type]  # members of an entry


def rows(entries: Iterable[Resource], provider: Department = SOCIAL) -> list[list[Cell]]:
    return [row for one in entries for row in rows_of(one, provider)]


def changed(table: Sequence[Sequence[Cell]], row: int, title: str, cell: Cell) -> list[list[Cell]]:
    """The rows with one cell changed; `row` as the sheet counts, titles being row 1."""
    copy = [list(one) for one in table]
    copy[row - 2][PLACES[title]] = cell
    return copy


def book(table: Iterable[Sequence[Cell]]) -> bytes:
    return workbook.write(table)


def of_parts(parts: Mapping[str, bytes]) -> bytes:
    """A workbook of these parts."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, part in parts.items():
            packed.writestr(name, part)
    return content.getvalue()


def parts_of(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as packed:
        return {name: packed.read(name) for name in packed.namelist()}


def with_part(name: str, change: Callable[[bytes], bytes]) -> bytes:
    """A good workbook with one part changed."""
    parts = parts_of(book(rows([entry()])))
    return of_parts({**parts, name: change(parts[name])})


SHEET_PART = "xl/worksheets/sheet1.xml"


def with_cells(extra: bytes) -> bytes:
    """A good workbook with more in its sheet."""
    return with_part(SHEET_PART, lambda part: part.replace(b"</sheetData>", extra + b"</sheetData>"))


# --- any entry that breaks no rule ------------------------------------------------------------------------------------
_LETTERS = st.characters(categories=("L", "N", "P", "S"), exclude_characters="\ufffe\uffff")
TEXTS = st.text(_LETTERS, max_size=12) | st.sampled_from(["=1+1", "+1", "-1", "@SUM(A1)", "'quoted", "_x0041_", "a b"])
NAMES = TEXTS.filter(bool)
LEVELS = st.sampled_from(["L1", "L2", "L3", "L4"])
DAYS = st.dates().map(lambda day: day.isoformat()) | st.just("")
VOLUMES = st.integers(0, 2**53)
BASES = st.lists(
    st.builds(
        Basis, law=NAMES | st.just("a|b\\|c"), article=TEXTS, rank=st.sampled_from(["", "法律", "行政法规", "政策"])
    ),
    max_size=3,
)
ITEMS = st.lists(
    st.builds(
        Item, name=NAMES, label=NAMES, type=st.sampled_from("CNYDTLMGBIF"), name_en=TEXTS, length=st.integers(0, 2**31),
        required=st.booleans(), key=st.booleans(), identifier=TEXTS, single_source=st.booleans(), sensitivity=NAMES,
        level=LEVELS, mask=st.sampled_from(["", "drop", "id_last4"]), description=TEXTS,
    ),
    max_size=4, unique_by=lambda item: item.name,
)  # fmt: skip
SHARES = st.one_of(
    st.builds(
        Share, type=st.just("unconditional"), mode=st.sampled_from(["query", "verify", "compare"]), content=TEXTS
    ),
    st.builds(Share, type=st.just("conditional"), condition=NAMES, scope=TEXTS, purpose=TEXTS, legal_basis=BASES),
    st.builds(Share, type=st.just("none"), reason=NAMES, legal_basis=BASES.filter(bool)),
)
FLAGS = st.booleans()
CODES = st.from_regex(r"[12]0[1-5][0-9]{3}[0-9A-Za-z_]{0,6}/[0-9A-Za-z_]{1,8}", fullmatch=True)


@st.composite
def entries(draw: st.DrawFn) -> Resource:
    """Any entry that breaks no rule."""
    opened: ShareType = draw(st.sampled_from(["none", "unconditional", "conditional"]))
    return Resource(
        code=draw(CODES), name=draw(TEXTS.map("数据{}状态".format)), provider="rsj",
        summary=draw(NAMES), share=draw(SHARES), alias=draw(TEXTS), name_en=draw(TEXTS), topic=draw(TEXTS),
        data_class=draw(TEXTS), data_form=draw(TEXTS), data_subject=draw(TEXTS), format=7, items=draw(ITEMS),
        open=opened, open_condition=draw(TEXTS) if opened == "conditional" else "", open_reason=draw(TEXTS),
        update_cycle=draw(st.sampled_from(["实时", "每日", "每年"])), security_level=draw(LEVELS),
        classification=draw(TEXTS), use_requirements=draw(TEXTS), emergency=draw(FLAGS),
        contains_personal_info=draw(FLAGS), sensitive_personal_info=draw(FLAGS), minors=draw(FLAGS),
        subject_consent_required=draw(FLAGS), secrecy_assessment=draw(TEXTS), privacy_assessment=draw(TEXTS),
        aggregation_assessment=draw(TEXTS), acquire_mode=draw(TEXTS), collect_department=draw(TEXTS),
        approve_department=draw(TEXTS), lead_department=draw(st.sampled_from(["", "gaj"])),
        keeper=draw(st.just("") | TEXTS.map("库{}".format)),
        aggregated=draw(FLAGS), not_aggregated_basis=draw(BASES), archive_years=draw(st.integers(0, 1000)),
        survey_count=draw(VOLUMES), survey_bytes=draw(VOLUMES), published=draw(DAYS), expires=draw(DAYS),
        related=draw(st.lists(CODES, max_size=3)),
    )  # fmt: skip
