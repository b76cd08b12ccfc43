"""What differs between two texts of a catalog entry, so that a person can read it. Pure.

Source: B.1 (a change comes with its difference); 常德 28 (擅自缩小无条件共享), 德清 22 (无条件开放转为受限开放).
"""

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import msgspec

from catalog_service.directory.entry import Item, Resource, Share, ShareType

Kind = Literal["added", "removed", "changed"]
WIDTH: Mapping[ShareType, int] = {"none": 0, "conditional": 1, "unconditional": 2}
NARROWED = "擅自缩小"
"""The word under which an authority looks for narrowed sharing (常德 28)."""

LABELS: Mapping[str, tuple[str, str]] = {
    "code": ("信息资源代码", "resource code"), "name": ("信息资源名称", "name"), "alias": ("别名", "alias"),
    "name_en": ("英文名称", "English name"), "provider": ("提供方", "provider"), "summary": ("摘要", "summary"),
    "topic": ("主题", "topic"), "data_class": ("数据类别", "data class"), "data_form": ("数据形式", "data form"),
    "data_subject": ("数据主体", "data subject"), "format": ("资源格式", "format"),
    "format_note": ("格式说明", "note on the format"), "items": ("信息项", "items"), "share": ("共享属性", "sharing"),
    "open": ("开放属性", "opening"), "open_condition": ("开放条件", "condition of opening"),
    "open_reason": ("开放属性理由", "reason for the opening attribute"), "update_cycle": ("更新周期", "update cycle"),
    "security_level": ("安全级别", "security level"), "classification": ("分类分级", "classification"),
    "use_requirements": ("使用要求", "requirements of use"), "secret": ("涉密标识", "secret"),
    "emergency": ("应急标识", "emergency data"),
    "contains_personal_info": ("含个人信息", "contains personal information"),
    "sensitive_personal_info": ("含敏感个人信息", "contains sensitive personal information"),
    "minors": ("含未成年人信息", "contains information on minors"),
    "subject_consent_required": ("须当事人授权", "needs the person's consent"),
    "secrecy_assessment": ("保密风险评估", "secrecy assessment"),
    "privacy_assessment": ("个人信息保护影响评估", "privacy impact assessment"),
    "aggregation_assessment": ("汇聚风险评估", "assessment of aggregation"),
    "acquire_mode": ("获取方式", "way of acquisition"), "collect_department": ("收集部门", "collecting department"),
    "approve_department": ("核准部门", "approving department"), "lead_department": ("数源部门", "source department"),
    "keeper": ("保管系统", "keeper"), "aggregated": ("是否汇聚", "aggregated"),
    "not_aggregated_basis": ("不予汇聚依据", "ground for not aggregating"),
    "archive_years": ("保存年限", "years kept"),
    "survey_count": ("调查记录数", "records surveyed"), "survey_bytes": ("调查数据量", "volume surveyed"),
    "published": ("发布日期", "published"), "expires": ("失效日期", "expires"),
    "related": ("关联资源", "related resources"),
    "state": ("状态", "state"),
    "share.type": ("共享类型", "share type"), "share.mode": ("使用方式", "mode of use"),
    "share.content": ("共享内容", "shared content"), "share.scope": ("共享范围", "scope"),
    "share.condition": ("共享条件", "condition"), "share.purpose": ("使用用途", "purpose"),
    "share.methods": ("共享方式", "ways of sharing"), "share.reason": ("理由", "reason"),
    "share.legal_basis": ("依据", "legal basis"),
    "items.name": ("信息项名称", "item name"), "items.label": ("信息项中文名称", "item label"),
    "items.name_en": ("信息项英文名称", "item's English name"), "items.type": ("数据类型", "data type"),
    "items.length": ("数据长度", "length"), "items.required": ("必填", "required"), "items.key": ("标识项", "key item"),
    "items.identifier": ("标识种类", "kind of identifier"), "items.single_source": ("一数一源", "single source"),
    "items.sensitivity": ("敏感性", "sensitivity"), "items.level": ("级别", "level"),
    "items.mask": ("脱敏方式", "mask"), "items.description": ("说明", "description"),
}  # fmt: skip
"""Member -> how people call it, Chinese and English."""
UNCOMPARED = frozenset({"state", "published"})
"""Set by the platform, so no part of what a department wrote."""


class Label(msgspec.Struct, frozen=True):
    zh: str
    en: str


class Difference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that differs. An item is named in the path: "items/name/mask"; `note` says what follows from it."""

    path: str
    label: Label
    kind: Kind
    before: Any = None
    after: Any = None
    note: str = ""


def differences(before: Resource, after: Resource) -> list[Difference]:
    """All of them, in the order of the members; items are told apart by name, whatever their order."""
    return [*_members(before, after)]


def narrowed(before: Resource, after: Resource) -> list[str]:
    """Which attributes give less than before: "share.type", "open"."""
    pairs = (("share.type", before.share.type, after.share.type), ("open", before.open, after.open))
    return [name for name, old, new in pairs if WIDTH[new] < WIDTH[old]]


def _members(before: Resource, after: Resource) -> Iterator[Difference]:
    less = narrowed(before, after)
    for name in Resource.__struct_fields__:
        old, new = getattr(before, name), getattr(after, name)
        if name == "items":
            yield from _items(before.items, after.items)
        elif isinstance(old, Share) and isinstance(new, Share):
            yield from _between(old, new, "share", "share", less)
        elif name not in UNCOMPARED and old != new:
            yield _difference(name, name, old, new, NARROWED if name in less else "")


def _between(old: Share | Item, new: Share | Item, path: str, labels: str, less: list[str]) -> Iterator[Difference]:
    for name in old.__struct_fields__:
        before, after = getattr(old, name), getattr(new, name)
        if before != after:
            note = NARROWED if f"{path}.{name}" in less else ""
            yield _difference(f"{path}/{name}", f"{labels}.{name}", before, after, note)


def _items(before: list[Item], after: list[Item]) -> Iterator[Difference]:
    old, new = ({item.name: item for item in items} for items in (before, after))
    for name in dict.fromkeys([*old, *new]):
        if name in old and name in new:
            yield from _between(old[name], new[name], f"items/{name}", "items", [])
        else:
            yield _difference(f"items/{name}", "items", old.get(name), new.get(name), "")


def _difference(path: str, label: str, old: Any, new: Any, note: str) -> Difference:
    before, after = (None if value in ("", [], None) else value for value in (old, new))
    kind: Kind = "added" if before is None else "removed" if after is None else "changed"
    return Difference(path=path, label=Label(*LABELS[label]), kind=kind, before=before, after=after, note=note)
