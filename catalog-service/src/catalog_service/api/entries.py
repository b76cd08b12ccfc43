"""Catalog entries over HTTP: what is live, its versions, what changed between them, and whether data still arrive."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Response

from catalog_service.api.answers import actor_of, answer, page
from catalog_service.api.bodies import Classification, Code, Number
from catalog_service.api.directory import After, Filter, Limit
from catalog_service.api.entry_bodies import ArrivalBody, ResourceBody
from catalog_service.api.offices import writers
from catalog_service.directory import arrivals, filing_store, flows, store
from catalog_service.directory.difference import differences
from catalog_service.directory.entry import Resource
from catalog_service.directory.freshness import is_stale
from catalog_service.feed.flows import Journal
from catalog_service.feed.model import Actor
from runtime.documents import MADE
from runtime.errors import Refusal
from wire import codes, scopes
from wire.tokens import AccessToken, Door

VersionNumber = Annotated[int, Query(ge=1, le=2**31 - 1)]
VersionPath = Annotated[int, Path(ge=1, le=2**31 - 1)]
FromNumber = Annotated[int, Query(alias="from", ge=1, le=2**31 - 1)]


def router(door: Door, journal: Journal) -> APIRouter:
    """All routes of the entries. What follows a code comes first: a bare code would swallow it."""
    routes = APIRouter()
    routes.include_router(_versions(door, journal))
    routes.include_router(_live(door, journal))
    return routes


def _versions(door: Door, journal: Journal) -> APIRouter:
    routes = APIRouter(prefix="/resources", tags=["resources"])
    any_token, writer = Depends(door.needing()), Depends(writers(door))
    database = journal.database

    @routes.get("/{classification}/{number}/versions", dependencies=[any_token])
    async def versions(classification: Classification, number: Number) -> Response:
        async with database.connect() as tx:
            found = await filing_store.versions_of(tx, f"{classification}/{number}")
        items = [{**msgspec.structs.asdict(one), "entry": one.entry.name} for one in found]
        return answer({"items": items, "next": None})

    @routes.get("/{classification}/{number}/versions/{n}", dependencies=[any_token])
    async def version(classification: Classification, number: Number, n: VersionPath) -> Response:
        [found] = await _numbered(journal, f"{classification}/{number}", n)
        return answer(found)

    @routes.get("/{classification}/{number}/diff", dependencies=[any_token])
    async def diff(classification: Classification, number: Number, from_: FromNumber, to: VersionNumber) -> Response:
        old, new = await _numbered(journal, f"{classification}/{number}", from_, to)
        return answer({"from": from_, "to": to, "items": differences(old.entry, new.entry)})

    @routes.post("/{classification}/{number}/heartbeat")
    async def arrived(
        classification: Classification, number: Number, body: ArrivalBody, actor: Actor = writer
    ) -> Response:
        async with journal.change(actor) as change:
            entry = await arrivals.report(change, f"{classification}/{number}", body.at)
        return answer(await _shown(journal, entry))

    return routes


async def _numbered(journal: Journal, code: str, *numbers: int) -> list[filing_store.Version]:
    """These versions, in this order."""
    async with journal.database.connect() as tx:
        found = {one.n: one for one in await filing_store.versions_of(tx, code, numbers)}
    if missing := [n for n in numbers if n not in found]:
        raise Refusal(codes.NOT_FOUND, f"version {missing[0]} of resource {code}")
    return [found[n] for n in numbers]


def _live(door: Door, journal: Journal) -> APIRouter:
    routes = APIRouter(prefix="/resources", tags=["resources"])
    any_token, writer = Depends(door.needing()), Depends(door.needing(scopes.CATALOG_WRITE))
    database = journal.database

    @routes.put("/{code:path}", responses=MADE)
    async def register(code: Code, body: ResourceBody, token: AccessToken = writer) -> Response:
        async with journal.change(actor_of(token)) as change:
            stated = msgspec.convert({**body.model_dump(), "code": code}, Resource)
            resource, created = await flows.register_resource(change, stated)
        return answer(resource, 201 if created else 200)

    @routes.get("/{code:path}", dependencies=[any_token])
    async def one(code: Code) -> Response:
        async with database.connect() as tx:
            resource = await store.find_resource(tx, code)
        if resource is None:
            raise Refusal(codes.NOT_FOUND, f"resource {code}")
        return answer(await _shown(journal, resource))

    @routes.get("", dependencies=[any_token])
    async def some(provider: Filter = "", after: After = "", limit: Limit = 100) -> Response:
        async with database.connect() as tx:
            found = await store.page_of_resources(tx, provider, after, limit)
        return page(found, limit, found[-1].code if found else "")

    return routes


async def _shown(journal: Journal, entry: Resource) -> dict[str, Any]:
    """The entry, and whether data still arrive as often as it promises."""
    async with journal.database.connect() as tx:
        last = (await filing_store.last_arrivals(tx, [entry.code])).get(entry.code)
    stale = is_stale(entry.update_cycle, last, entry.published, journal.now())
    return {**msgspec.structs.asdict(entry), "last_data_at": last, "stale": stale}
