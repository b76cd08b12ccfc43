"""Questions to the directory: words and facets in, a page of entries and counts out.

An entry whose title has all that was asked for comes before one that has it anywhere; among these the shorter name
first, so that 社会保险 stands before 社会保险缴费基数核定. Without words, entries come in the order of their codes,
which is that of the classification (类、项、目、细目).
"""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

import msgspec
from sqlalchemy import ColumnElement, FromClause, Select, and_, exists, func, or_, select, text, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.directory import store
from catalog_service.directory.entry import Resource
from catalog_service.directory.index import SHELF, on_shelf, shelves_with
from catalog_service.directory.index import resource_search as found
from catalog_service.directory.words import Term
from wire.catalog import Department

FACETS = ("department", "topic", *SHELF)
COLUMNS = ("department", "topic", "shelf")
Counts = dict[str, Counter[str | int]]
"""Facet -> value -> how many entries have it."""
_CURSOR = re.compile(r"([01])\.(\d{1,4})\.([0-9A-Za-z_/]{1,64})")
PLANNING = text(
    "SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true),"
    " set_config('plan_cache_mode', 'force_custom_plan', true)"
)
"""The planner does not know what it costs to fetch words from out of line, and would read all of them where a word is
common; and it must not plan for an average word."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where in the order an entry stands; `str` of it is the cursor that continues behind it."""

    tier: int = 0
    length: int = -1
    code: str = ""

    def __str__(self) -> str:
        return f"{self.tier}.{self.length}.{self.code}"


START = Place()


def place_of(cursor: str) -> Place:
    """Raises ValueError for what was no cursor of ours."""
    parts = _CURSOR.fullmatch(cursor)
    if parts is None:
        raise ValueError("not a `next` of an earlier answer")
    return Place(int(parts[1]), int(parts[2]), parts[3])


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """terms: all of them have to be there; chosen: facet -> the one value that is wanted."""

    terms: list[Term] = field(default_factory=list)
    chosen: Mapping[str, str | int] = field(default_factory=dict)
    after: Place = START
    limit: int = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """entries: a page of what was found; total: how many there are in all; names: of departments.

    A facet with a chosen value is counted as if none was chosen, so that another one can be.
    """

    entries: list[Resource]
    total: int
    facets: Counts
    names: dict[str, str]
    next: Place | None


async def search(tx: AsyncConnection, question: Question) -> Found:
    """One page, and counts that are exact: nothing is capped or estimated."""
    if question.terms:
        await tx.execute(PLANNING)
    facets = await _counts(tx, question, COLUMNS)
    total = facets["department"].total()
    for facet in question.chosen:
        others = {other: value for other, value in question.chosen.items() if other != facet}
        column = facet if facet in COLUMNS else "shelf"
        facets[facet] = (await _counts(tx, replace(question, chosen=others), (column,)))[facet]
    places = await _places(tx, question)
    return Found(
        entries=await _entries(tx, [place.code for place in places]),
        total=total,
        facets=facets,
        names=await _names(tx, facets["department"]),
        next=places[-1] if len(places) == question.limit else None,
    )


async def _counts(tx: AsyncConnection, question: Question, columns: tuple[str, ...]) -> Counts:
    """How many entries have which value, for every facet in these columns, in one pass over what matches."""
    sets = func.grouping_sets(*(tuple_(found.c[column]) for column in columns))
    wanted = select(*(found.c[column] for column in columns), func.count()).where(*_matching(question)).group_by(sets)
    counts: Counts = {facet: Counter() for facet in FACETS}
    for *values, count in (await tx.execute(wanted)).all():
        for column, value in zip(columns, values, strict=True):
            if value is not None:  # null where the row counts another column
                for facet, what in (on_shelf(value) if column == "shelf" else {column: value}).items():
                    counts[facet][what] += count
    return counts


async def _places(tx: AsyncConnection, question: Question) -> list[Place]:
    """The next entries in the order; the second tier is asked only where the first does not fill the page."""
    places: list[Place] = []
    for tier in range(question.after.tier, 2 if question.terms else 1):
        after = question.after if question.after.tier == tier else Place(tier)
        wanted = _tier(question, after).limit(question.limit - len(places))
        places += [Place(tier, length, code) for length, code in await tx.execute(wanted)]
        if len(places) == question.limit:
            break
    return places


def _tier(question: Question, after: Place) -> Select[int, str]:
    """The title says it (0), or not the title but the rest (1). Only one index is asked: a second condition on words
    would be tried row by row, which is what they are stored out of line for."""
    wanted = select(found.c.length, found.c.code).where(*_chosen(question))
    if not question.terms:
        return wanted.where(found.c.code > after.code).order_by(found.c.code)
    if after.tier == 0:
        wanted = wanted.where(*_having(found, "title", question.terms))
    else:
        titled = found.alias()
        by_title = and_(titled.c.code == found.c.code, *_having(titled, "title", question.terms))
        wanted = wanted.where(*_having(found, "everything", question.terms), ~exists().where(by_title))
    order = (found.c.length, found.c.code)
    return wanted.where(tuple_(*order) > tuple_(after.length, after.code)).order_by(*order)


def _matching(question: Question) -> list[ColumnElement[bool]]:
    return [*_having(found, "everything", question.terms), *_chosen(question)]


def _chosen(question: Question) -> list[ColumnElement[bool]]:
    """What the chosen values mean for the columns."""
    shelved = {facet: value for facet, value in question.chosen.items() if facet in SHELF}
    others = [found.c[facet] == value for facet, value in question.chosen.items() if facet not in SHELF]
    if shelved:
        others.append(found.c.shelf.in_(shelves_with(shelved)))
    return others


def _having(table: FromClause, column: Literal["title", "everything"], terms: list[Term]) -> list[ColumnElement[bool]]:
    """Every term; those that can be said in one way only are asked for at once."""
    plain = {word for term in terms if len(term) == 1 for word in term[0]}
    read = [or_(*(table.c[column].contains(list(way)) for way in term)) for term in terms if len(term) > 1]
    return ([table.c[column].contains(sorted(plain))] if plain else []) + read


async def _entries(tx: AsyncConnection, codes: list[str]) -> list[Resource]:
    """The entries themselves, in this order."""
    rows = await tx.execute(select(store.resource.c.entry).where(store.resource.c.code.in_(codes)))
    known = {entry.code: entry for entry in (msgspec.json.decode(row, type=Resource) for row in rows.scalars().all())}
    return [known[code] for code in codes]


async def _names(tx: AsyncConnection, departments: Iterable[str | int]) -> dict[str, str]:
    """What the departments are called."""
    rows = await tx.execute(select(store.department.c.entry).where(store.department.c.id.in_(departments)))
    known = [msgspec.json.decode(row, type=Department) for row in rows.scalars().all()]
    return {department.id: department.name for department in known}
