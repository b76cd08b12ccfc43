"""Entries as a sheet makes them: what it says, and for columns that it does not have, what was there before. Pure."""

from collections.abc import Mapping
from typing import Any

import msgspec

from catalog_service.directory import contract
from catalog_service.directory.entry import Item, Resource
from catalog_service.interchange.sheet import CODE, FIELD, LABEL, Line, Sheet, Stated
from catalog_service.interchange.table import BY_MEMBER, COLUMNS, Column

_WORDS = {
    "share/condition": "有条件共享须填写共享条件",
    "share/legal_basis": "不予共享须填写理由与依据",
    "open_condition": "仅有条件开放填写",
    "secret": "涉及国家秘密的不在本目录登记",
    "code": "类、项不在目录编制指南与本平台的编码之内",
}
"""The directory's own rules, for those who fill in sheets."""


def resource_of(stated: Stated, provider: str, known: Resource | None, titles: frozenset[str]) -> Resource:
    """The entry. Only for a sheet without flaws."""
    members: dict[str, Any] = msgspec.to_builtins(known) if known else {"share": {}}
    for column in COLUMNS:
        if column.member and not column.of_item and column.title in titles:
            _set(members, column, stated.value(column.title))
    members |= {"provider": provider, "open": stated.open}
    if known and known.published:
        members["published"] = known.published
    if LABEL in titles:
        before = {item.name if FIELD in titles else item.label: item for item in known.items} if known else {}
        members["items"] = [_item(line, before, titles) for line in stated.items]
    members.pop("state", None)
    return msgspec.convert(members, Resource)


def _set(members: dict[str, Any], column: Column, value: Any) -> None:
    """Put a value at the column's place; nothing there means what an entry means that does not mention it."""
    *above, name = column.member.split(".")
    for step in above:
        members = members[step]
    if value is None:
        members.pop(name, None)
    else:
        members[name] = value


def _item(line: Line, before: Mapping[str, Item], titles: frozenset[str]) -> dict[str, Any]:
    """One item; where the sheet has no column for names, it is known by its label."""
    label = line.values[LABEL]
    known = before.get(line.values.get(FIELD, label))
    members: dict[str, Any] = {"items": msgspec.to_builtins(known) if known else {}}
    for column in COLUMNS:
        if column.of_item and column.title in titles:
            _set(members, column, line.values.get(column.title))
    item: dict[str, Any] = members["items"]
    item.setdefault("name", label)
    return item


def check_resource(sheet: Sheet, stated: Stated, resource: Resource, *, is_draft: bool) -> None:
    """Add what the directory itself would refuse, by row and column; a draft may still lack much."""
    mistakes = contract.mistakes_in_text(resource) if is_draft else contract.mistakes_in_resource(resource)
    for path, error in mistakes:
        row, title = place_of(stated, path)
        if not any(flaw.row == row and flaw.column == title for flaw in sheet.flaws):
            sheet.wrong(row, title, "directory", _WORDS.get(path, "不符合登记要求"), error)


def place_of(stated: Stated, path: str) -> tuple[int, str]:
    """Row and title of the cell that a member of the entry came from."""
    head, _, rest = path.partition("/")
    n, _, member = rest.partition("/")
    if head == "items" and n.isdecimal() and int(n) < len(stated.items):
        return stated.items[int(n)].row, BY_MEMBER[f"items.{member}"].title if member else LABEL
    column = BY_MEMBER.get(path.replace("/", "."))
    return stated.row, column.title if column else CODE
