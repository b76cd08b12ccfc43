"""A catalog entry (信息资源): the union of the fields that the 1272 guide, the decree and the local rules name. Pure.

Source: 发改高技〔2017〕1272号 (core metadata), 国务院令第809号 13-15, 德清 9, 云南 13, 淄博 10, 景德镇 11.
"""

from typing import Literal

import msgspec

from wire.catalog import State

ShareType = Literal["unconditional", "conditional", "none"]
Mode = Literal["query", "verify", "compare"]
Rank = Literal["", "法律", "行政法规", "地方性法规", "国务院决定", "部门规章", "地方政府规章", "国家有关规定", "政策"]
"""Rank of a legal ground; "" where nobody stated it."""
_IMPORTANT = ("重要数据", "核心数据")
Cycle = Literal["实时", "每日", "每周", "每月", "每季度", "每年"]


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One information item (信息项).

    type           a letter of the 1272 guide (C N Y D T L M G B I F)    length  0: none
    key            identifies the record: 公民身份号码, 统一社会信用代码 (云南 20, 淄博 12); `identifier` says which
    single_source  this department is the one source of the item (景德镇 6 一数一源)
    """

    name: str
    label: str
    type: str
    name_en: str = ""
    length: int = 0
    required: bool = False
    key: bool = False
    identifier: str = ""
    single_source: bool = False
    sensitivity: str = "none"
    level: str = "L1"
    mask: str = ""
    description: str = ""


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """A legal ground: law, article and the rank that decides whether it will do."""

    law: str
    article: str = ""
    rank: Rank = ""

    @property
    def named(self) -> str:
        """Law and article, as people cite them."""
        return f"{self.law} {self.article}".strip()


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Share attribute (共享属性).

    content, scope, condition, purpose  共享内容, 共享范围, 共享条件, 使用用途
    methods                             共享方式: service_api, batch, file, db_table
    """

    type: ShareType
    mode: Mode = "query"
    content: str = ""
    scope: str = ""
    condition: str = ""
    purpose: str = ""
    methods: list[str] = msgspec.field(default_factory=lambda: ["service_api"])
    reason: str = ""
    legal_basis: list[Basis] = []


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """One entry; `state` is set by suspension alone.

    code  分类码/顺序码    format  1..7 of the guide    open  开放属性    update_cycle  更新周期
    secrecy_assessment, privacy_assessment, aggregation_assessment  file numbers (国务院令第809号 13, 25)
    survey_count, survey_bytes  volumes as surveyed, 0 if unknown
    """

    code: str
    name: str
    provider: str
    summary: str
    share: Share
    alias: str = ""
    name_en: str = ""
    topic: str = ""
    data_class: str = ""
    data_form: str = ""
    data_subject: str = ""
    format: int = 7
    format_note: str = ""
    items: list[Item] = []
    open: ShareType = "none"
    open_condition: str = ""
    open_reason: str = ""
    update_cycle: Cycle = "实时"
    security_level: str = "L1"
    classification: str = ""
    use_requirements: str = ""
    secret: bool = False
    emergency: bool = False
    contains_personal_info: bool = False
    sensitive_personal_info: bool = False
    minors: bool = False
    subject_consent_required: bool = False
    secrecy_assessment: str = ""
    privacy_assessment: str = ""
    aggregation_assessment: str = ""
    acquire_mode: str = ""
    collect_department: str = ""
    approve_department: str = ""
    lead_department: str = ""
    keeper: str = ""
    aggregated: bool = True
    not_aggregated_basis: list[Basis] = []
    archive_years: int = 0
    survey_count: int = 0
    survey_bytes: int = 0
    published: str = ""
    expires: str = ""
    related: list[str] = []
    state: State = State()

    @property
    def is_kept_long(self) -> bool:
        """Whether records about it are kept for three years: personal information, or important or core data.

        The grade is said in words (数据分类分级), so a text that names either counts, even one that denies it.
        Source: 个人信息保护法 56; 数据安全法 21; 网络数据安全管理条例 (国务院令第790号) 12.
        """
        personal = self.contains_personal_info or self.sensitive_personal_info or self.minors
        return personal or any(grade in self.classification for grade in _IMPORTANT)
