"""Grants over HTTP."""

import msgspec
from fastapi import APIRouter, Depends, Response

from catalog_service.api.answers import actor_of, answer, page
from catalog_service.api.bodies import GrantBody, Id, ReasonBody
from catalog_service.api.directory import After, Filter, Limit
from catalog_service.directory.model import Act
from catalog_service.feed.flows import Journal
from catalog_service.grants import flows, store
from runtime.errors import Refusal
from runtime.ids import uuid7
from wire import codes, scopes
from wire.catalog import Grant
from wire.tokens import AccessToken, Door


def router(door: Door, journal: Journal) -> APIRouter:
    """All routes of the grants."""
    routes = APIRouter(prefix="/grants", tags=["grants"])
    any_token, writer = Depends(door.needing()), Depends(door.needing(scopes.GRANT_WRITE))

    @routes.post("", status_code=201)
    async def give(body: GrantBody, token: AccessToken = writer) -> Response:
        # department and revision are found out in the flow
        stated = {**body.model_dump(), "id": str(uuid7()), "department": "", "revision": 0}
        async with journal.change(actor_of(token)) as change:
            grant = await flows.give_grant(change, msgspec.convert(stated, Grant))
        return answer(grant, 201)

    @routes.post("/{grant_id}/{act}")
    async def move(grant_id: Id, act: Act, body: ReasonBody, token: AccessToken = writer) -> Response:
        async with journal.change(actor_of(token)) as change:
            grant = await flows.move_grant(change, grant_id, act, body.reason)
        return answer(grant)

    @routes.get("/{grant_id}", dependencies=[any_token])
    async def one(grant_id: Id) -> Response:
        async with journal.database.connect() as connection:
            grant = await store.find_grant(connection, grant_id)
        if grant is None:
            raise Refusal(codes.NOT_FOUND, f"grant {grant_id}")
        return answer(grant)

    @routes.get("", dependencies=[any_token])
    async def some(system: Filter = "", interface: After = "", after: After = "", limit: Limit = 100) -> Response:
        async with journal.database.connect() as connection:
            found = await store.page_of_grants(connection, system, interface, after, limit)
        return page(found, limit, found[-1].id if found else "")

    return routes
