"""The sheet 信息资源目录: its columns, in the order of the 1272 guide, then all that entries hold besides. Pure.

One row for each information item; what is said of the whole resource stands in each of its rows. Whoever fills it in
may leave that out from the second row on, as in cells that were merged.
Source: 发改高技〔2017〕1272号 (core metadata and filling rules).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, get_args

import msgspec

from catalog_service.directory.classification import GUIDE
from catalog_service.directory.contract import MASKS
from catalog_service.directory.entry import Cycle, Rank, Resource
from catalog_service.directory.model import Department
from catalog_service.interchange.cells import (
    Bases,
    Cell,
    Choice,
    Choices,
    Code,
    Codes,
    CreditCode,
    Day,
    Id,
    Kind,
    Text,
    Whole,
)

SHEET = "信息资源目录"
LISTS = "值域"
GUIDANCE = "填写说明"


@dataclass(frozen=True, slots=True)
class Column:
    """One column. `member`: dotted name in an entry, "" for what is derived; needed: the guide demands it."""

    title: str
    member: str
    kind: Kind
    needed: bool = False

    @property
    def of_item(self) -> bool:
        return self.member.startswith("items.")


FLAG = Choice({True: "是", False: "否"}, {"1": True, "0": False, "y": True, "n": False})
FORMATS = Choice(
    {1: "电子文件", 2: "电子表格", 3: "数据库", 4: "图形图像", 5: "流媒体", 6: "自描述格式", 7: "服务接口"},
    rule="format",
)
TYPES = Choice(
    {
        "C": "字符型C", "N": "数值型N", "Y": "货币型Y", "D": "日期型D", "T": "日期时间型T", "L": "逻辑型L",
        "M": "备注型M",
        "G": "通用型G", "B": "双精度型B", "I": "整型I", "F": "浮点型F",
    },
    {
        "字符型": "C", "数值型": "N", "货币型": "Y", "日期型": "D", "日期时间型": "T", "逻辑型": "L", "备注型": "M",
        "通用型": "G", "双精度型": "B", "整型": "I", "整数型": "I", "浮点型": "F",
    },
    rule="data-type",
)  # fmt: skip
SHARING = Choice(
    {"unconditional": "无条件共享", "conditional": "有条件共享", "none": "不予共享"},
    {"1": "unconditional", "2": "conditional", "3": "none", "受限共享": "conditional", "不共享": "none"},
)
OPENING = Choice({"unconditional": "无条件开放", "conditional": "有条件开放", "none": "不予开放"})
PLATFORM_WAY = "共享平台方式"
WAY = Choice({PLATFORM_WAY: PLATFORM_WAY}, rule="share-method")
METHODS = Choices(
    Choice(
        {"db_table": "数据库", "file": "文件下载", "service_api": "服务接口", "batch": "批量交换"},
        {"接口": "service_api", "库表": "db_table", "文件": "file"},
        rule="share-method",
    )
)
MODES = Choice({"query": "查询", "verify": "核实", "compare": "比对"})
CYCLES = Choice({cycle: cycle for cycle in get_args(Cycle)})
LEVELS = Choice({level: level for level in ("L1", "L2", "L3", "L4")})
MASKING = Choice({mask: mask for mask in sorted(MASKS)})
CLASSES = Choice(
    {number: f"{number} {one.name}" for number, one in GUIDE.items()},
    {one.name: number for number, one in GUIDE.items()},
    rule="code",
)
GROUNDS = Bases(get_args(Rank))
VOLUME = Whole(2**53, rule="volume")

CLASS, PART, GROUP, DETAIL = "信息资源分类-类", "信息资源分类-项", "信息资源分类-目", "信息资源分类-细目"
PROVIDER, PROVIDER_CODE, OPEN = "信息资源提供方", "提供方代码", "是否向社会开放"
METHOD_CATEGORY = "共享方式分类"

COLUMNS: tuple[Column, ...] = (
    # --- core metadata of the guide
    Column(CLASS, "", CLASSES),
    Column(PART, "", Text(100)),
    Column(GROUP, "", Text(100)),
    Column(DETAIL, "", Text(100)),
    Column("信息资源名称", "name", Text(200), needed=True),
    Column("信息资源代码", "code", Code(), needed=True),
    Column(PROVIDER, "", Text(200), needed=True),
    Column(PROVIDER_CODE, "", CreditCode(), needed=True),
    Column("信息资源摘要", "summary", Text(4000), needed=True),
    Column("信息资源格式分类", "format", FORMATS, needed=True),
    Column("信息资源格式类型", "format_note", Text()),
    Column("信息项名称", "items.label", Text(200)),
    Column("数据类型", "items.type", TYPES),
    Column("数据长度", "items.length", Whole(2**31)),
    Column("共享类型", "share.type", SHARING, needed=True),
    Column("共享条件", "share.condition", Text()),
    Column(METHOD_CATEGORY, "", WAY),
    Column("共享方式类型", "share.methods", METHODS, needed=True),
    Column(OPEN, "", FLAG, needed=True),
    Column("开放条件", "open_condition", Text()),
    Column("更新周期", "update_cycle", CYCLES, needed=True),
    Column("发布日期", "published", Day()),
    Column("关联资源代码", "related", Codes()),
    # --- further
    Column("别名", "alias", Text()),
    Column("英文名称", "name_en", Text()),
    Column("主题", "topic", Text()),
    Column("数据类别", "data_class", Text()),
    Column("数据形式", "data_form", Text()),
    Column("数据主体", "data_subject", Text()),
    Column("字段名", "items.name", Text(200)),
    Column("信息项英文名称", "items.name_en", Text()),
    Column("必填", "items.required", FLAG),
    Column("标识项", "items.key", FLAG),
    Column("标识种类", "items.identifier", Text()),
    Column("一数一源", "items.single_source", FLAG),
    Column("敏感性", "items.sensitivity", Text()),
    Column("信息项级别", "items.level", LEVELS),
    Column("脱敏方式", "items.mask", MASKING),
    Column("信息项说明", "items.description", Text()),
    Column("使用方式", "share.mode", MODES),
    Column("共享内容", "share.content", Text()),
    Column("共享范围", "share.scope", Text()),
    Column("使用用途", "share.purpose", Text()),
    Column("不予共享理由", "share.reason", Text()),
    Column("共享依据", "share.legal_basis", GROUNDS),
    Column("开放类型", "open", OPENING),
    Column("开放属性理由", "open_reason", Text()),
    Column("安全级别", "security_level", LEVELS),
    Column("分类分级", "classification", Text()),
    Column("使用要求", "use_requirements", Text()),
    Column("涉密标识", "secret", FLAG),
    Column("应急标识", "emergency", FLAG),
    Column("含个人信息", "contains_personal_info", FLAG),
    Column("含敏感个人信息", "sensitive_personal_info", FLAG),
    Column("含未成年人信息", "minors", FLAG),
    Column("须当事人授权", "subject_consent_required", FLAG),
    Column("保密风险评估", "secrecy_assessment", Text()),
    Column("个人信息保护影响评估", "privacy_assessment", Text()),
    Column("汇聚风险评估", "aggregation_assessment", Text()),
    Column("获取方式", "acquire_mode", Text()),
    Column("收集部门", "collect_department", Text()),
    Column("核准部门", "approve_department", Text()),
    Column("数源部门", "lead_department", Id()),
    Column("保管系统", "keeper", Text()),
    Column("是否汇聚", "aggregated", FLAG),
    Column("不予汇聚依据", "not_aggregated_basis", GROUNDS),
    Column("保存年限", "archive_years", Whole(1000)),
    Column("调查记录数", "survey_count", VOLUME, needed=True),
    Column("调查数据量（字节）", "survey_bytes", VOLUME, needed=True),
    Column("失效日期", "expires", Day()),
)
BY_TITLE: Mapping[str, Column] = MappingProxyType({column.title: column for column in COLUMNS})
BY_MEMBER: Mapping[str, Column] = MappingProxyType({column.member: column for column in COLUMNS if column.member})
IN_EVERY_FILE = tuple(column.title for column in COLUMNS[: COLUMNS.index(BY_TITLE["别名"])] if column.needed)
"""A sheet without these columns is not a sheet of this guide."""


def value_of(members: Mapping[str, Any], member: str) -> Any:
    """The value of a dotted member; None where there is none."""
    value: Any = members
    for step in member.split("."):
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def rows_of(resource: Resource, provider: Department | None) -> list[list[Cell]]:
    """The rows of one entry, a cell for each column; one row if it has no items."""
    members = msgspec.to_builtins(resource)
    derived = _derived(resource, provider)
    shared = {
        column.title: derived.get(column.title, "") if not column.member else _written(column, members)
        for column in COLUMNS
        if not column.of_item
    }
    return [_row(shared, item) for item in members["items"] or [None]]


def _row(shared: Mapping[str, Cell], item: Mapping[str, Any] | None) -> list[Cell]:
    of_item = {column.title: _written(column, {"items": item}) if item else "" for column in COLUMNS if column.of_item}
    return [of_item[column.title] if column.of_item else shared[column.title] for column in COLUMNS]


def _written(column: Column, members: Mapping[str, Any]) -> Cell:
    value = value_of(members, column.member)
    return "" if value is None or value == "" else column.kind.write(value)


def _derived(resource: Resource, provider: Department | None) -> dict[str, Cell]:
    digits, kind = resource.code.partition("/")[0], GUIDE.get(resource.code[:1])
    part = kind.items.get(digits[1:3], "") if kind else ""
    return {
        CLASS: CLASSES.write(digits[:1]), PART: f"{digits[1:3]} {part}".strip(), GROUP: digits[3:6],
        DETAIL: digits[6:], PROVIDER: provider.name if provider else resource.provider,
        PROVIDER_CODE: provider.uscc if provider else "", METHOD_CATEGORY: PLATFORM_WAY,
        OPEN: FLAG.write(resource.open != "none"),
    }  # fmt: skip


def lists() -> list[tuple[Column, Sequence[str]]]:
    """Columns whose values are chosen from a list, with the list."""
    chosen = [(column, column.kind) for column in COLUMNS]
    return [(column, list(kind.words.values())) for column, kind in chosen if isinstance(kind, Choice)]
