"""The sheet of the 1272 guide: its columns, what they say, and every mistake that people make in it."""

from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from stdnum.cn import uscc

from catalog_service.api.entry_bodies import ResourceBody
from catalog_service.directory.entry import Basis, Item, Resource, Share
from catalog_service.interchange import filling, workbook
from catalog_service.interchange.cells import BadCell, Bases, CreditCode
from catalog_service.interchange.entries import check_resource, place_of, resource_of
from catalog_service.interchange.sheet import MOST_ENTRIES, Flaw, Grid, Sheet, read
from catalog_service.interchange.table import BY_MEMBER, COLUMNS, IN_EVERY_FILE, rows_of
from harness.sheets import SOCIAL, book, changed, entries, entry, rows

TITLES = [column.title for column in COLUMNS]


def grid(table: Any, titles: list[str] = TITLES) -> Grid:
    """The rows as a reader finds them."""
    return Grid(titles, [(n, [str(cell).strip() for cell in row]) for n, row in enumerate(table, start=2)])


def checked(table: Any, **around: Any) -> Sheet:
    sheet = read(grid(table))
    if not sheet.flaws:
        filling.check(sheet)
        filling.check_against(sheet, **{"live": {}, "systems": [], **around})
    return sheet


def made(sheet: Sheet, known: Resource | None = None) -> list[Resource]:
    assert sheet.flaws == []
    return [resource_of(stated, "rsj", known, sheet.titles) for stated in sheet.entries]


# --- columns ----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("INT-04")
def test_the_columns_are_those_of_the_guide_in_its_order() -> None:
    assert TITLES[:23] == [
        "信息资源分类-类", "信息资源分类-项", "信息资源分类-目", "信息资源分类-细目", "信息资源名称", "信息资源代码",
        "信息资源提供方", "提供方代码", "信息资源摘要", "信息资源格式分类", "信息资源格式类型", "信息项名称",
        "数据类型", "数据长度", "共享类型", "共享条件", "共享方式分类", "共享方式类型", "是否向社会开放", "开放条件",
        "更新周期", "发布日期", "关联资源代码",
    ]  # fmt: skip
    assert len(set(TITLES)) == len(TITLES)
    assert set(IN_EVERY_FILE) <= set(TITLES[:23])


@pytest.mark.requirement("INT-04")
def test_every_member_of_an_entry_has_a_column() -> None:
    members = {name for name in Resource.__struct_fields__ if name not in ("provider", "share", "items", "state")}
    members |= {f"share.{name}" for name in Share.__struct_fields__}
    members |= {f"items.{name}" for name in Item.__struct_fields__}
    assert set(BY_MEMBER) == members


@pytest.mark.requirement("INT-04")
def test_an_entry_reads_as_people_write_it() -> None:
    [first, second] = rows_of(entry(), SOCIAL)
    said = dict(zip(TITLES, first, strict=True))
    assert [said[title] for title in TITLES[:23]] == [
        "2 主题", "03 社会保障", "990", "0100003", "社会保险参保状态甲", "2039900100003/000001",
        "云江市人力资源和社会保障局", "119901000010030351", "第1类参保人的状态", "服务接口", "", "公民身份号码",
        "字符型C", 18, "有条件共享", "限资格审核", "共享平台方式", "服务接口", "否", "", "实时", "2025-03-01", "",
    ]  # fmt: skip
    assert dict(zip(TITLES, second, strict=True))["信息项名称"] == "参保状态"


@pytest.mark.requirement("INT-04")
@given(entries())
@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])
def test_what_an_entry_says_comes_back_the_same(resource: Resource) -> None:
    assert made(checked(rows([resource]))) == [resource]


@pytest.mark.requirement("INT-04")
@given(entries())
@settings(max_examples=15, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
def test_it_comes_back_from_a_workbook_too(resource: Resource) -> None:
    sheet = read(workbook.read(book(rows([resource]))))
    filling.check(sheet)
    assert made(sheet) == [resource]


@pytest.mark.requirement("INT-04")
@given(st.lists(st.lists(st.one_of(
    st.text(max_size=4), st.sampled_from([
        "是", "否", "有条件共享", "服务接口", "字符型C", "0", "2039900100003/000001", "云江市人社局", "实时", "x" * 600,
        "119901000010030351", "2025-02-30", "L2", "a|b|法律",
    ])), min_size=len(COLUMNS), max_size=len(COLUMNS)), max_size=3))  # fmt: skip
def test_what_a_sheet_lets_through_the_directory_takes_too(cells: list[list[str]]) -> None:
    good = [str(cell) for cell in rows([entry()])[0]]
    mixed = [[mine if mine else theirs for mine, theirs in zip(row, good, strict=True)] for row in cells]
    sheet = checked(mixed)
    for stated in sheet.entries if not sheet.flaws else []:
        resource = resource_of(stated, "rsj", None, sheet.titles)
        members = msgspec.to_builtins(resource)
        ResourceBody.model_validate({name: members[name] for name in members if name not in ("code", "state")})


# --- rows that belong together ----------------------------------------------------------------------------------------
@pytest.mark.requirement("INT-04")
def test_merged_cells_and_guide_only_sheets_are_understood() -> None:
    table = rows([entry(1), entry(2)])
    for row in (3, 5):
        for title in TITLES:
            if not title.startswith("信息项") and title not in ("数据类型", "数据长度", "字段名"):
                table = changed(table, row, title, "")
    assert [len(resource.items) for resource in made(checked(table))] == [2, 2]

    guide = TITLES[:23]
    sheet = read(grid([row[:23] for row in rows([entry()])], guide))
    filling.check(sheet)
    [resource] = made(sheet)
    assert [(item.name, item.label) for item in resource.items] == [("公民身份号码",) * 2, ("参保状态",) * 2]
    assert resource.lead_department == ""

    known = entry(keeper="社保核心", items=[Item(name="status", label="参保状态", type="N", mask="drop")])
    [again] = made(sheet, known)
    assert (again.lead_department, again.keeper) == ("rsj", "社保核心")
    assert [(item.name, item.mask, item.type) for item in again.items] == [
        ("公民身份号码", "", "C"),
        ("status", "drop", "C"),
    ]
    shuffled = read(grid([row[:23][::-1] for row in rows([entry()])], guide[::-1]))
    filling.check(shuffled)
    assert made(shuffled) == [resource]


@pytest.mark.requirement("INT-04")
def test_a_cell_that_was_emptied_empties_the_member() -> None:
    known = entry(alias="旧名", aggregated=False)
    table = changed(changed(rows([known]), 2, "别名", ""), 2, "是否汇聚", "")
    table = changed(changed(table, 3, "别名", ""), 3, "是否汇聚", "")
    [resource] = made(checked(table), known)
    assert (resource.alias, resource.aggregated) == ("", True)


@pytest.mark.requirement("INT-05")
@pytest.mark.parametrize(
    ("titles", "column"),
    [
        ([title for title in TITLES if title != "共享类型"], "共享类型"),
        ([*TITLES, "别名"], "别名"),
        ([*TITLES, "没有这一列的标题"], "没有这一列的标题"),
    ],
)
def test_titles_are_those_of_the_guide(titles: list[str], column: str) -> None:
    [flaw] = read(grid([], titles)).flaws
    assert (flaw.row, flaw.column, flaw.rule) == (1, column, "column")


@pytest.mark.requirement("INT-05")
def test_a_column_without_a_title_says_nothing() -> None:
    assert read(grid([["x"] * (len(TITLES) + 1)], [*TITLES, ""])).flaws != []
    table = [[*row, "a note of mine"] for row in rows([entry()])]
    assert read(grid(table, [*TITLES, ""])).flaws == []


# --- the filling rules ------------------------------------------------------------------------------------------------
def flaws(table: Any, **around: Any) -> list[tuple[int, str, str]]:
    found = checked(table, **around).flaws
    assert all(flaw.zh and flaw.en for flaw in found)
    return [(flaw.row, flaw.column, flaw.rule) for flaw in found]


TWO = rows([entry(1), entry(2)])
"""Rows 2 and 3 are the first entry, 4 and 5 the second."""
LOST = "1.1990100001003036e+17"
"""A credit code that was typed as a number."""


@pytest.mark.requirement("INT-05")
@pytest.mark.parametrize(
    ("title", "cell", "rule"),
    [
        ("信息资源名称", "社会保险管理系统", "name-is-system"),
        ("信息资源名称", "社保 核心", "name-is-system"),
        ("信息资源名称", "", "required"),
        ("信息资源名称", "字" * 201, "length"),
        ("信息资源名称", "a\x07b", "text"),
        ("信息资源摘要", "", "required"),
        ("信息资源提供方", "", "required"),
        ("信息资源提供方", "另一个局", "one-provider"),
        ("提供方代码", "", "required"),
        ("提供方代码", LOST, "provider-code"),
        ("提供方代码", "119901000010030352", "provider-code"),
        ("提供方代码", "11990100001001013A", "one-provider"),
        ("信息资源代码", "20399", "code"),
        ("信息资源代码", "2039900100003-000001", "code"),
        ("信息资源分类-类", "3 部门", "code"),
        ("信息资源分类-项", "01", "code"),
        ("信息资源分类-目", "991", "code"),
        ("信息资源分类-细目", "0", "code"),
        ("信息资源格式分类", "纸", "format"),
        ("信息资源格式类型", "xlsx", "format-kind"),
        ("共享类型", "随便", "value"),
        ("共享类型", "", "required"),
        ("共享条件", "", "share-condition"),
        ("共享方式分类", "邮件等其他方式", "share-method"),
        ("共享方式类型", "邮寄", "share-method"),
        ("共享方式类型", "", "required"),
        ("是否向社会开放", "", "required"),
        ("开放条件", "须申请", "open-condition"),
        ("开放类型", "有条件开放", "open-type"),
        ("更新周期", "偶尔", "value"),
        ("发布日期", "2025/3/1", "date"),
        ("发布日期", "2025-02-30", "date"),
        ("关联资源代码", "abc", "code"),
        ("数据类型", "字符串", "data-type"),
        ("数据类型", "", "required"),
        ("信息项名称", "", "required"),
        ("数据长度", "十八", "number"),
        ("数据长度", "18.5", "number"),
        ("调查记录数", "很多", "volume"),
        ("调查记录数", "", "required"),
        ("调查数据量（字节）", "-1", "volume"),
        ("脱敏方式", "blur", "value"),
        ("共享依据", "某法|第一条|一级", "basis"),
        ("数源部门", "人社局", "value"),
        ("涉密标识", "也许", "value"),
    ],
)  # fmt: skip
def test_every_rule_finds_its_mistake(title: str, cell: str, rule: str) -> None:
    row = 4  # of an entry that has no other row
    table = changed(changed(TWO[:3], row, "保管系统", "社保核心"), row, title, cell)
    assert (row, title, rule) in flaws(table)


@pytest.mark.requirement("INT-05")
def test_formats_and_ways_of_sharing_go_together() -> None:
    def of(category: str, ways: str, kind: str = "") -> list[tuple[int, str, str]]:
        table = TWO[:1]
        for title, cell in (("信息资源格式分类", category), ("共享方式类型", ways), ("信息资源格式类型", kind)):
            table = changed(table, 2, title, cell)
        return flaws(table)

    share, kind = [(2, "共享方式类型", "format-share")], [(2, "信息资源格式类型", "format-kind")]
    for category in ("电子文件", "电子表格", "图形图像", "流媒体"):
        assert of(category, "文件下载") == of(category, "文件下载、批量交换") == []
        assert of(category, "服务接口") == of(category, "文件下载、数据库") == share
    assert of("数据库", "数据库") == of("3", "服务接口") == of("数据库", "数据库、服务接口") == []
    assert of("数据库", "文件下载") == share
    assert of("服务接口", "服务接口") == of("自描述格式", "文件下载") == []
    assert of("电子表格", "文件下载", "xlsx、et") == of("电子文件", "文件下载", "OFD") == []
    assert of("电子表格", "文件下载", "自有格式") == of("服务接口", "服务接口", "application/json") == []
    assert of("数据库", "数据库", "MySQL / xlsx") == of("电子文件", "文件下载", "xlsx") == kind


@pytest.mark.requirement("INT-05")
@pytest.mark.parametrize(
    ("first", "second", "found"),
    [
        ("户籍信息", "户籍信息", True),
        ("户籍信息", "户籍 信息", True),
        ("户籍信息（常住）", "户籍信息常住。", True),
        ("户籍信息ＡB", "户籍信息ab", True),
        ("户籍信息", "户籍信息表", False),
        ("——", "……", False),
    ],
)
def test_names_that_differ_in_spaces_and_punctuation_are_the_same(first: str, second: str, found: bool) -> None:
    table = changed(changed(TWO, 2, "信息资源名称", first), 4, "信息资源名称", second)
    table = [table[0], table[2]]
    assert ((3, "信息资源名称", "name-duplicate") in flaws(table)) is found
    alone = [table[0]]
    live = {"2039900100003/000009": second}
    assert ((2, "信息资源名称", "name-duplicate") in flaws(alone, live=live)) is found
    assert flaws(alone, live={"2039900100003/000001": second}) == []


@pytest.mark.requirement("INT-05")
@pytest.mark.parametrize(
    ("names", "rows_found"),
    [
        (("户籍信息1", "户籍信息2", "户籍信息3"), [3, 4]),
        (("户籍信息", "户籍信息1", "其他"), [3]),
        (("户籍信息１", "户籍信息２", "其他"), [3]),
        (("统计年鉴2022", "统计年鉴2023", "统计年鉴2024"), []),
        (("户籍信息1", "婚姻信息2", "其他3"), []),
        (("2", "3", "4"), []),
    ],
)
@pytest.mark.parametrize("title", ["信息资源名称", "信息资源摘要"])
def test_numbers_from_dragging_are_found(title: str, names: tuple[str, ...], rows_found: list[int]) -> None:
    table = [rows([entry(n)])[0] for n in (1, 2, 3)]
    for row, name in enumerate(names, start=2):
        table = changed(table, row, title, name)
    assert [row for row, _, rule in flaws(table) if rule == "trailing-number"] == rows_found


@pytest.mark.requirement("INT-05")
def test_rows_of_one_entry_agree_and_its_items_have_different_names() -> None:
    said = changed(changed(TWO[:1], 2, "是否向社会开放", "是"), 2, "开放类型", "")
    assert made(checked(said))[0].open == "unconditional"
    said = changed(said, 2, "开放条件", "须申请")
    assert made(checked(said))[0].open == "conditional"
    assert (2, "开放条件", "open-condition") in flaws(changed(said, 2, "开放类型", "无条件开放"))
    assert (2, "共享条件", "share-condition") in flaws(changed(TWO[:1], 2, "共享类型", "无条件共享"))
    assert (3, "更新周期", "same") in flaws(changed(TWO, 3, "更新周期", "每日"))
    assert (3, "信息项名称", "item-name") in flaws(changed(TWO, 3, "字段名", "id_card"))
    assert (4, "信息资源代码", "code") in flaws(
        [*TWO[:2], *changed(TWO[2:3], 2, "信息资源代码", "２039900100003/000001")]
    )
    assert (4, "信息资源代码", "required") in flaws([*TWO[:2], *changed(TWO[2:3], 2, "信息资源代码", "")])
    assert (3, "信息资源名称", "name-is-system") in flaws([TWO[0], TWO[2]], systems=["社会保险 参保状态乙"])


@pytest.mark.requirement("INT-05")
def test_a_sheet_has_its_bounds() -> None:
    blank = [""] * len(TITLES)
    many = [changed([blank], 2, "信息资源代码", f"2039900100003/{n:06}")[0] for n in range(MOST_ENTRIES + 1)]
    assert "size" in {flaw.rule for flaw in read(grid(many)).flaws}
    assert "size" in {flaw.rule for flaw in read(grid([TWO[0]] * 2001)).flaws}


@pytest.mark.requirement("INT-05")
def test_what_the_directory_itself_refuses_is_told_in_the_sheet() -> None:
    def found(resource: Resource, *, is_draft: bool = False) -> list[Flaw]:
        sheet = checked(rows([resource]))
        [made_of] = made(sheet)
        check_resource(sheet, sheet.entries[0], made_of, is_draft=is_draft)
        return sheet.flaws

    unfounded = entry(share=Share(type="none", reason="涉密"))
    assert [(flaw.row, flaw.column) for flaw in found(unfounded)] == [(2, "共享依据")]
    assert found(unfounded, is_draft=True) == []
    assert [(flaw.row, flaw.column) for flaw in found(entry(code="2999900100003/1"), is_draft=True)] == [
        (2, "信息资源代码")
    ]
    assert [flaw.column for flaw in found(entry(secret=True))] == ["涉密标识"]
    stated = checked(rows([entry()])).entries[0]
    assert place_of(stated, "items/1/mask") == (3, "脱敏方式")
    assert place_of(stated, "items") == place_of(stated, "nowhere") == (2, "信息资源代码")


# --- single cells -----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("INT-05")
@given(st.text("0123456789ABCDEFGHJKLMNPQRTUWXY", min_size=18, max_size=18), st.integers(0, 17), st.booleans())
def test_credit_codes_are_judged_as_another_implementation_judges_them(text: str, at: int, fit: bool) -> None:
    code = "11" + "".join(c if c.isdigit() else "1" for c in text[2:8]) + text[8:17]
    code += uscc.calc_check_digit(code) if fit else text[17]
    code = code if fit else code[:at] + text[at] + code[at + 1 :]
    if not code[:2].isdigit():
        return  # GB 32100 has letters there too, the other implementation has none
    try:
        assert CreditCode().read(f" {code.lower()} ") == code
        good = True
    except BadCell:
        good = False
    assert good == uscc.is_valid(code)


@pytest.mark.requirement("INT-04")
def test_people_may_write_lists_as_they_are_used_to() -> None:
    said = {
        "信息资源格式分类": "7", "数据类型": "c", "共享类型": "受限共享", "共享方式类型": "接口,文件; 服务接口",
        "是否向社会开放": "0", "必填": "Y", "数据长度": "１８", "信息资源分类-类": "主题",
        "信息资源分类-项": "社会保障", "提供方代码": " 1199010000 10030351",
        "信息资源代码": "２039900100003/000001", "信息资源摘要": "第一行\n第二行",
    }  # fmt: skip
    table = TWO[:1]
    for title, cell in said.items():
        table = changed(table, 2, title, cell)
    sheet = read(grid(table))
    filling.check(sheet)
    [resource] = made(sheet)
    assert resource.share.methods == ["service_api", "file"]
    assert (resource.code, resource.summary) == ("2039900100003/000001", "第一行 第二行")
    assert resource.items[0] == Item(name="id_card", label="公民身份号码", type="C", length=18, required=True, key=True)


@pytest.mark.requirement("INT-04")
@given(st.lists(st.builds(Basis, law=st.text("a|\\ ", min_size=1).map(lambda t: f"法{t}法"), article=st.text("|\\条"))))
def test_legal_grounds_survive_bars_and_backslashes(bases: list[Basis]) -> None:
    kind = Bases(["", "法律"], most=100)
    members = msgspec.to_builtins(bases)
    assert not bases or kind.read(str(kind.write(members))) == members
