"""What entries are found by: a row of `catalog.resource_search` for every live entry, written with the entry itself.

The columns with words are stored out of line (see the migration), so that a look at fifty thousand rows of the rest
stays cheap. `search` asks by title (code, names, provider) and by everything, `duplicates` by the telling items.
"""

from collections.abc import Mapping
from functools import cache
from itertools import product
from typing import Any, get_args

import msgspec
from sqlalchemy import Column, MetaData, SmallInteger, Table, Text, column, delete, exists, select, table
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from catalog_service.directory import words
from catalog_service.directory.entry import Cycle, Item, Resource, ShareType
from catalog_service.directory.model import Department

BATCH = 200
MOST_WORDS = 50_000
"""An entry of two thousand items has fewer; without an end, one of nonsense could keep the index busy for minutes."""
resource_search = Table(
    "resource_search",
    MetaData(schema="catalog"),
    Column("code", Text, primary_key=True),
    *(Column(name, Text, nullable=False) for name in ("department", "provider_name", "topic", "published")),
    *(Column(name, SmallInteger, nullable=False) for name in ("shelf", "length", "edition")),
    *(Column(name, ARRAY(Text), nullable=False) for name in ("title", "everything", "telling")),
)
"""shelf: see `SHELF`; length: characters of the name; edition: of `words`, when the row was written."""
_resource = table("resource", column("code"), column("standing"), column("entry"), schema="catalog")
_department = table("department", column("id"), column("entry"), schema="catalog")

SHELF: dict[str, tuple[str | int, ...]] = {
    "share_type": get_args(ShareType),
    "level": ("L1", "L2", "L3", "L4"),
    "update_cycle": get_args(Cycle),
    "format": (1, 2, 3, 4, 5, 6, 7),
}
"""Attributes with few values, kept as one number with a digit for each, so that all are counted at once. New values go
to the end; raise the edition for any other change."""
_ELSEWHERE = 9

IDENTIFYING = frozenset({
    "姓名", "名称", "企业名称", "单位名称", "机构名称", "公民身份号码", "身份证号", "身份证号码", "证件号码",
    "证件类型", "统一社会信用代码", "组织机构代码", "联系电话", "手机号码", "序号", "备注", "更新时间",
})  # fmt: skip
"""Labels that say whom a record is about, or nothing; sharing them makes no two entries alike."""


def telling_items(items: list[Item]) -> dict[str, str]:
    """Key -> label of the items that carry information of their own: neither keys nor what merely identifies."""
    keys = {words.label_key(item.label): item.label for item in items if not item.key and not item.identifier}
    return {key: label for key, label in keys.items() if key and key not in IDENTIFYING}


def shelf_of(*values: str | int) -> int:
    """Where an entry with these attributes stands."""
    pairs = zip(SHELF.values(), values, strict=True)
    digits = [known.index(value) if value in known else _ELSEWHERE for known, value in pairs]
    return int("".join(map(str, digits)))


@cache
def on_shelf(shelf: int) -> Mapping[str, str | int]:
    """The attributes of what stands there."""
    pairs = zip(SHELF.items(), map(int, f"{shelf:0{len(SHELF)}}"), strict=True)
    return {name: known[digit] if digit != _ELSEWHERE else "" for (name, known), digit in pairs}


def shelves_with(chosen: Mapping[str, str | int]) -> list[int]:
    """All places where things with these attributes stand, whatever the others."""
    values = [[chosen[name]] if name in chosen else [*known, ""] for name, known in SHELF.items()]
    return [shelf_of(*combination) for combination in product(*values)]


def row_of(entry: Resource, provider_name: str) -> dict[str, Any]:
    """The row of an entry. Pure."""
    names = (entry.name, entry.alias, provider_name)
    title = words.words(entry.code, entry.provider, entry.name_en, *names) | words.sounds(*names)
    labels = [text for item in entry.items for text in (item.label, item.name, item.name_en)]
    everything = set(title)
    for text in (entry.summary, entry.topic, entry.data_class, entry.data_subject, *labels):
        if len(everything) < MOST_WORDS:
            everything |= words.words(text)
    return {
        "code": entry.code, "department": entry.provider, "provider_name": provider_name, "topic": entry.topic,
        "shelf": shelf_of(entry.share.type, entry.security_level, entry.update_cycle, entry.format),
        "published": entry.published, "length": len(entry.name), "edition": words.EDITION,
        "title": sorted(title), "everything": sorted(everything), "telling": sorted(telling_items(entry.items)),
    }  # fmt: skip


async def keep_words(tx: AsyncConnection, entry: Resource) -> None:
    """Let the entry be found as it now is; one that was withdrawn no more."""
    if entry.state.standing == "revoked":
        await tx.execute(delete(resource_search).where(resource_search.c.code == entry.code))
        return
    named = select(_department.c.entry).where(_department.c.id == entry.provider)
    provider = (await tx.execute(named.with_for_update(read=True))).scalar_one()  # nobody renames it meanwhile
    await _keep(tx, row_of(entry, msgspec.json.decode(provider, type=Department).name))


async def rename_provider(tx: AsyncConnection, department: Department) -> None:
    """Let the department's entries be found by its name as it now is."""
    wanted = (
        select(_resource.c.entry)
        .join(resource_search, resource_search.c.code == _resource.c.code)
        .where(resource_search.c.department == department.id, resource_search.c.provider_name != department.name)
    )
    for entry in (await tx.execute(wanted)).scalars().all():
        await _keep(tx, row_of(msgspec.json.decode(entry, type=Resource), department.name))


async def _keep(tx: AsyncConnection, row: Mapping[str, Any]) -> None:
    new = insert(resource_search).values(**row)
    replaced = {name: new.excluded[name] for name in row if name != "code"}
    await tx.execute(new.on_conflict_do_update(index_elements=[resource_search.c.code], set_=replaced))


async def catch_up(database: AsyncEngine) -> int:
    """Index what has no row of this edition: entries older than the index or than its words. Answers how many."""
    done, last = 0, ""
    while True:
        async with database.begin() as tx:
            entries = await _behind(tx, last)
            for entry in entries:
                await keep_words(tx, entry)
        if not entries:
            return done
        done, last = done + len(entries), entries[-1].code


async def _behind(tx: AsyncConnection, after: str) -> list[Resource]:
    """The next of them, held so that nobody changes them meanwhile; whoever is changing one writes its words."""
    known = (resource_search.c.code == _resource.c.code) & (resource_search.c.edition == words.EDITION)
    live = (_resource.c.standing != "revoked", _resource.c.code > after)
    wanted = select(_resource.c.entry).where(*live, ~exists().where(known))
    held = wanted.order_by(_resource.c.code).limit(BATCH).with_for_update(read=True, skip_locked=True)
    rows = await tx.execute(held)
    return [msgspec.json.decode(entry, type=Resource) for entry in rows.scalars()]
