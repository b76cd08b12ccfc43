"""Who already provides what a department wants to register: nothing that can be shared is collected twice.

Source: 国务院令第809号 19, 常德 8, 云南 19, 淄博 11.
"""

import math
from collections.abc import Collection

import msgspec
from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.directory import store
from catalog_service.directory.entry import Item, Resource
from catalog_service.directory.index import resource_search as found
from catalog_service.directory.index import telling_items

ENOUGH = 5
"""So many items in common are told however large an entry is."""
MOST_LOOKED_AT = 200
MOST_TOLD = 20


class Alike(msgspec.Struct, frozen=True, kw_only=True):
    """A live entry of another department. common: labels of the items that both have; share: of the asker's, 0 to 1."""

    code: str
    name: str
    provider: str
    common: list[str]
    share: float


def needed(telling: int) -> int:
    """Of `telling` items, how many in common make two entries alike: a third of them, but two, and at most `ENOUGH`."""
    return min(telling, ENOUGH, max(2, math.ceil(telling / 3)))


async def alike(tx: AsyncConnection, resource: Resource) -> list[Alike]:
    """Live entries of other departments that provide the same information items on the same kind of subject."""
    telling = telling_items(resource.items)
    if not telling:
        return []
    subjects = identifiers(resource.items)
    told = []
    for entry in await _candidates(tx, resource, telling):
        common = [telling[key] for key in telling_items(entry.items) if key in telling]
        if same_subject(subjects, identifiers(entry.items)):
            share = round(len(common) / len(telling), 2)
            told.append(Alike(code=entry.code, name=entry.name, provider=entry.provider, common=common, share=share))
    return told[:MOST_TOLD]


def identifiers(items: list[Item]) -> set[str]:
    """By what the records are told apart (云南 20): 公民身份号码, 统一社会信用代码 and the like."""
    return {item.identifier for item in items if item.identifier}


def same_subject(some: Collection[str], others: Collection[str]) -> bool:
    """A status of persons is not one of companies; where one of both does not say, they may be the same."""
    return not some or not others or not set(some).isdisjoint(others)


async def _candidates(tx: AsyncConnection, resource: Resource, telling: Collection[str]) -> list[Resource]:
    """Entries with enough items in common, most first."""
    theirs = func.unnest(found.c.telling).table_valued("item").render_derived()
    common = select(func.count()).select_from(theirs).where(theirs.c.item.in_(telling)).scalar_subquery()
    wanted = (
        select(store.resource.c.entry)
        .join(found, found.c.code == store.resource.c.code)
        .where(found.c.telling.overlap(list(telling)), found.c.department != resource.provider)
        .where(common >= needed(len(telling)))
        .order_by(common.desc(), found.c.code)
        .limit(MOST_LOOKED_AT)
    )
    return [msgspec.json.decode(entry, type=Resource) for entry in (await tx.execute(wanted)).scalars()]
