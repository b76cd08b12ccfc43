"""Time limits over HTTP: both sides of one see it, and whoever supervises them."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response

from catalog_service.api.answers import actor_of, page
from catalog_service.api.directory import After, Filter, Limit
from catalog_service.clocks import store
from catalog_service.clocks.states import State
from catalog_service.feed.flows import Journal
from wire.tokens import AccessToken, Door


def router(door: Door, journal: Journal) -> APIRouter:
    """GET /clocks."""
    routes = APIRouter(prefix="/clocks", tags=["clocks"])
    any_token = Depends(door.needing())

    @routes.get("")
    async def some(
        state: Annotated[State | None, Query()] = None,
        responsible: Filter = "",
        after: After = "",
        limit: Limit = 100,
        token: AccessToken = any_token,
    ) -> Response:
        actor = actor_of(token)
        seen_by = None if actor.oversees else actor.side
        async with journal.database.connect() as tx:
            found = await store.page_of_clocks(
                tx, seen_by=seen_by, state=state, responsible=responsible, after=after, limit=limit
            )
        return page(found, limit, found[-1].id if found else "")

    return routes
