"""What differs between two texts of an entry."""

from typing import Any

import msgspec
import pytest

from catalog_service.directory.difference import LABELS, NARROWED, UNCOMPARED, differences, narrowed
from catalog_service.directory.entry import Item, Resource, Share
from harness.entries import OPEN_FOR_ALL, TEXT, changed
from wire.catalog import State


@pytest.mark.requirement("DIR-10")
def test_every_member_has_a_name_in_both_languages() -> None:
    members = {*Resource.__struct_fields__}
    members |= {f"share.{name}" for name in Share.__struct_fields__}
    members |= {f"items.{name}" for name in Item.__struct_fields__}
    assert members == LABELS.keys()
    assert all(zh and en for zh, en in LABELS.values())


def otherwise(name: str) -> Any:
    """Another value of this member."""
    match getattr(TEXT, name):
        case bool() as value:
            return not value
        case int():
            return 5
        case list():
            return ["1019900100001/000009"]
        case _:
            return "conditional" if name == "open" else "另一个"


@pytest.mark.requirement("DIR-10")
@pytest.mark.parametrize("name", sorted({*Resource.__struct_fields__} - UNCOMPARED - {"share", "items"}))
def test_a_member_that_changed_is_told_and_no_other(name: str) -> None:
    after = changed(**{name: otherwise(name)})
    [found] = differences(TEXT, after)
    assert (found.path, found.label.zh) == (name, LABELS[name][0])
    assert differences(TEXT, TEXT) == []
    [back] = differences(after, TEXT)
    assert (back.before, back.after) == (found.after, found.before)


@pytest.mark.requirement("DIR-10")
def test_what_came_what_went_and_what_changed_are_told_apart() -> None:
    after = changed(alias="户籍", use_requirements="", summary="新的摘要")
    kinds = {found.path: (found.kind, found.before, found.after) for found in differences(TEXT, after)}
    assert kinds == {
        "alias": ("added", None, "户籍"),
        "use_requirements": ("removed", TEXT.use_requirements, None),
        "summary": ("changed", TEXT.summary, "新的摘要"),
    }


@pytest.mark.requirement("DIR-10")
def test_items_are_told_apart_by_name_whatever_their_order() -> None:
    id_card, address = TEXT.items
    masked = msgspec.structs.replace(address, mask="addr_district", level="L2")
    phone = Item(name="phone", label="电话", type="C")
    found = differences(TEXT, changed(items=[phone, masked]))
    assert [(one.path, one.kind, one.label.zh) for one in found] == [
        ("items/id_card", "removed", "信息项"),
        ("items/address/level", "changed", "级别"),
        ("items/address/mask", "added", "脱敏方式"),
        ("items/phone", "added", "信息项"),
    ]
    assert differences(TEXT, changed(items=[address, id_card])) == []


@pytest.mark.requirement("DIR-10")
def test_what_the_platform_sets_is_no_difference() -> None:
    assert differences(TEXT, changed(published="2026-01-01", state=State(standing="suspended"))) == []


@pytest.mark.requirement("DIR-08")
@pytest.mark.parametrize(
    ("before", "after", "less"),
    [
        ("unconditional", "conditional", True),
        ("unconditional", "none", True),
        ("conditional", "none", True),
        ("none", "conditional", False),
        ("conditional", "unconditional", False),
        ("none", "none", False),
    ],
)
def test_sharing_and_opening_less_is_marked(before: Any, after: Any, less: bool) -> None:
    old, new = changed(share__type=before, open=before), changed(share__type=after, open=after)
    marked = [found.path for found in differences(old, new) if found.note == NARROWED]
    assert narrowed(old, new) == (["share.type", "open"] if less else [])
    assert sorted(marked) == (["open", "share/type"] if less else [])


def test_a_share_attribute_is_compared_member_by_member() -> None:
    found = {one.path: one.kind for one in differences(TEXT, changed(share=OPEN_FOR_ALL))}
    assert found == {
        "share/type": "changed", "share/content": "changed", "share/scope": "changed", "share/condition": "removed",
        "share/purpose": "changed", "share/reason": "removed", "share/legal_basis": "removed",
    }  # fmt: skip
