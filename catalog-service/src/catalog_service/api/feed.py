"""What gateways and exchanges follow: the feed and the snapshot, for our own services only."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import StreamingResponse
from sqlalchemy.ext.asyncio import AsyncEngine

from catalog_service.api.answers import answer
from catalog_service.feed.bell import Bell
from catalog_service.feed.flows import changes_after, farewell, heard_of
from catalog_service.snapshot import pieces as in_pieces
from catalog_service.snapshot import snapshot
from runtime.service_auth import ServiceKey, only_services

LONGEST_HOLD_MS = 2000
Revision = Annotated[int, Query(ge=0, le=2**62)]
HoldMs = Annotated[int, Query(ge=0, le=LONGEST_HOLD_MS)]
Follower = Annotated[str, Query(max_length=200, pattern=r"^[^\x00]*$")]
"""The name of a gateway, "" for those whose progress nobody waits for."""


def router(key: ServiceKey, database: AsyncEngine, bell: Bell) -> APIRouter:
    """All routes."""
    routes = APIRouter(tags=["internal"], dependencies=[Depends(only_services(key))])

    @routes.get("/feed")
    async def feed(after: Revision, hold_ms: HoldMs = 0, follower: Follower = "") -> Response:
        if follower:
            await heard_of(database, follower, after)
        return answer(await changes_after(database, bell, after, hold_ms / 1000))

    @routes.delete("/feed", status_code=204)
    async def leave(follower: Follower) -> None:
        await farewell(database, follower)

    @routes.get("/snapshot")
    async def everything(pieces: bool = False) -> StreamingResponse:
        if pieces:
            return StreamingResponse(in_pieces(database), media_type="application/x-ndjson")
        return StreamingResponse(snapshot(database), media_type="application/json")

    return routes
