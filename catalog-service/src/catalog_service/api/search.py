"""Searching the directory over HTTP."""

from typing import Annotated, Any, Literal, get_args

from fastapi import APIRouter, Depends, Query, Response
from sqlalchemy.ext.asyncio import AsyncEngine

from catalog_service.api.answers import answer
from catalog_service.api.bodies import Level
from catalog_service.directory.entry import Cycle, Resource, ShareType
from catalog_service.directory.search import FACETS, START, Found, Place, Question, place_of, search
from catalog_service.directory.words import NOTHING, Term, terms_of
from catalog_service.interchange.table import FORMATS
from catalog_service.policy.flows import Lawbook
from runtime.errors import INVALID_REQUEST, Refusal
from statute.resolve import Law
from wire.tokens import Door

MOST_TERMS = 8
SNIPPET = 160
Labels = dict[tuple[str, str | int], str]
"""(facet, value) -> what people call it."""

Words = Annotated[str, Query(max_length=100, pattern=r"^[^\x00-\x1f\x7f]*$")]
Value = Annotated[str, Query(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]
Format = Annotated[int | None, Query(ge=1, le=7)]
Cursor = Annotated[str, Query(max_length=80)]
Limit = Annotated[int, Query(ge=1, le=100)]


def router(door: Door, database: AsyncEngine, lawbook: Lawbook) -> APIRouter:
    """The one route."""
    routes = APIRouter(tags=["search"])

    @routes.get("/search", dependencies=[Depends(door.needing())])
    async def find(
        q: Words = "",
        department: Value = "",
        topic: Value = "",
        share_type: ShareType | Literal[""] = "",
        level: Level | Literal[""] = "",
        update_cycle: Cycle | Literal[""] = "",
        format: Format = None,  # noqa: A002  # the member's name
        after: Cursor = "",
        limit: Limit = 20,
    ) -> Response:
        """`q`: words that all have to be there, "…" for a phrase, pinyin or its initials. The rest: facets."""
        values = (department, topic, share_type, level, update_cycle, format)
        chosen = {facet: value for facet, value in zip(FACETS, values, strict=True) if value}
        question = Question(terms=_terms(q), chosen=chosen, after=_place(after), limit=limit)
        async with database.connect() as connection:
            found = await search(connection, question)
            law = await lawbook.law(connection, government=True)
        return answer(_shown(found, law))

    return routes


def _terms(q: str) -> list[Term]:
    terms = terms_of(q) or [NOTHING] * bool(q.strip())
    if len(terms) > MOST_TERMS:
        raise _invalid("q", f"at most {MOST_TERMS} terms")
    return terms


def _place(after: str) -> Place:
    try:
        return place_of(after) if after else START
    except ValueError as error:
        raise _invalid("after", str(error)) from None


def _invalid(name: str, error: str) -> Refusal:
    return Refusal(INVALID_REQUEST, error, errors=[{"path": f"/query/{name}", "error": error}])


def _shown(found: Found, law: Law) -> dict[str, Any]:
    labels = _labels(found.names, law)
    facets = {
        facet: [
            {"value": value, "label": labels.get((facet, value), str(value)), "count": count}
            for value, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            if value != ""
        ]
        for facet, counts in found.facets.items()
    }
    items = [_item(entry, labels) for entry in found.entries]
    return {"items": items, "next": found.next and str(found.next), "total": found.total, "facets": facets}


def _labels(names: dict[str, str], law: Law) -> Labels:
    """What people call the values; the kinds of sharing as the profile in force does (有条件共享, 受限共享)."""
    labels: Labels = {("department", department): name for department, name in names.items()}
    for kind in get_args(ShareType):
        labels["share_type", kind] = law.term(f"share.{kind}")
    for number, name in FORMATS.words.items():
        labels["format", number] = name
    return labels


def _item(entry: Resource, labels: Labels) -> dict[str, Any]:
    cut = len(entry.summary) > SNIPPET
    return {
        "code": entry.code, "name": entry.name, "provider": entry.provider,
        "provider_name": labels.get(("department", entry.provider), entry.provider),
        "summary": f"{entry.summary[:SNIPPET]}…" if cut else entry.summary, "topic": entry.topic,
        "share_type": entry.share.type, "share_label": labels["share_type", entry.share.type],
        "level": entry.security_level, "update_cycle": entry.update_cycle, "format": entry.format,
        "format_label": labels["format", entry.format], "suspended": entry.state.standing == "suspended",
    }  # fmt: skip
