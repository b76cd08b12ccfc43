"""What an entry and an interface have to state: each word of a profile's lists as a member and a test of it. Pure.

The lists stand in the profiles (`catalog.fields_required`, `open_fields_required`, `pre_assessment`, `basis_required`);
here is what their words mean. A word that a new profile brings has to be added here.
Source: 国务院令第809号 13, 14; 德清 9; 景德镇 11; 云南 13, 33; 淄博 10; 发改高技〔2017〕1272号.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from catalog_service.directory.entry import Resource
from catalog_service.directory.model import Interface

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Demand(Generic[T]):
    """Where the thing stands that a word asks for, and whether it is there."""

    path: str
    is_met: Callable[[T], bool]


def _stated(path: str) -> Demand[Resource]:
    def is_met(entry: Resource) -> bool:
        found: object = entry
        for name in path.split("/"):
            found = getattr(found, name)
        return bool(found)

    return Demand(path, is_met)


def _condition_is_stated(entry: Resource) -> bool:
    return entry.share.type != "conditional" or bool(entry.share.condition)


def _use_is_stated(entry: Resource) -> bool:
    """How it may be used: by the condition of sharing, or by requirements that hold for everybody."""
    return bool(entry.use_requirements or entry.share.condition)


def _personal(entry: Resource) -> bool:
    return entry.contains_personal_info or entry.sensitive_personal_info or entry.minors


def _privacy_is_assessed(entry: Resource) -> bool:
    return bool(entry.privacy_assessment) or not _personal(entry)


_NAME, _PROVIDER, _ITEMS, _FORMAT = _stated("name"), _stated("provider"), _stated("items"), _stated("format")
_CYCLE, _SHARE, _OPEN, _CLASS = (
    _stated("update_cycle"), _stated("share/type"), _stated("open"), _stated("data_class"),
)  # fmt: skip
_CONDITION, _USE = Demand("share/condition", _condition_is_stated), Demand("use_requirements", _use_is_stated)

OF_AN_ENTRY: Mapping[str, Demand[Resource]] = {
    "数据目录名称": _NAME, "公共数据项目名称": _NAME, "数据名称": _NAME,
    "提供单位": _PROVIDER, "提供部门": _PROVIDER, "数据开放主体": _PROVIDER,
    "数据项": _ITEMS, "数据类型": _ITEMS,
    "数据格式": _FORMAT,
    "数据更新频率": _CYCLE, "更新频率": _CYCLE, "更新周期": _CYCLE,
    "共享属性": _SHARE, "开放属性": _OPEN, "数据开放属性": _OPEN,
    "共享方式": _stated("share/methods"),
    "共享内容": _stated("share/content"), "共享范围": _stated("share/scope"), "共享条件": _CONDITION,
    "使用用途": _stated("share/purpose"), "使用条件": _USE, "使用要求": _stated("use_requirements"),
    "理由": _stated("share/reason"),
    "数据分类分级": _stated("classification"), "类别": _CLASS, "安全级别": _stated("security_level"),
    "数据主体": _stated("data_subject"), "数据形式": _stated("data_form"),
    "收集部门": _stated("collect_department"), "核准部门": _stated("approve_department"),
    "保密风险评估": _stated("secrecy_assessment"),
    "个人信息保护影响评估": Demand("privacy_assessment", _privacy_is_assessed),
}  # fmt: skip
"""Format, cycle, share type, opening and level always say something: the union of fields gives them a value."""


def _answer_is_described(interface: Interface) -> bool:
    return interface.format == "binary" or interface.response is not None


def _call_is_described(interface: Interface) -> bool:
    """What is asked with a variable or a body has a schema; what is asked with neither needs none."""
    asks = any("{" in operation.path or operation.method not in ("GET", "HEAD") for operation in interface.operations)
    return not asks or interface.parameters is not None or interface.request is not None


OF_AN_INTERFACE: Mapping[str, Demand[Interface]] = {
    "接口描述": Demand("response", _answer_is_described),
    "调用方法": Demand("parameters", _call_is_described),
}
"""Words of 景德镇 11, asked for when an interface is mounted."""


def missing_in_entry(words: Iterable[str], entry: Resource) -> list[tuple[str, str]]:
    """(path, word) of what the words ask for and the entry does not say; words about interfaces ask nothing here."""
    return _missing(OF_AN_ENTRY, (word for word in words if word not in OF_AN_INTERFACE), entry)


def missing_in_interface(words: Iterable[str], interface: Interface) -> list[tuple[str, str]]:
    """The same of an interface."""
    return _missing(OF_AN_INTERFACE, (word for word in words if word in OF_AN_INTERFACE), interface)


def _missing(demands: Mapping[str, Demand[T]], words: Iterable[str], thing: T) -> list[tuple[str, str]]:
    """A word that nobody here knows counts as missing: what cannot be checked is not waved through."""
    found = [(demands.get(word), word) for word in words]
    return [(demand.path if demand else "", word) for demand, word in found if not demand or not demand.is_met(thing)]
