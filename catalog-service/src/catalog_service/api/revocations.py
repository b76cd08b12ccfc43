"""POST /revocations: what the authorization server revoked, from it alone."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from catalog_service.feed.flows import Journal
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.revocations import flows
from runtime.documents import JSON_TEXT, body_of, schema_of
from runtime.errors import INVALID_REQUEST, NOT_ONE_OF_US, Refusal
from runtime.service_auth import ServiceKey, only_services
from wire.catalog import Revocation

SENDER = "identity"


def router(journal: Journal, key: ServiceKey) -> APIRouter:
    """For the authorization server only."""
    routes = APIRouter(tags=["internal"])
    services = only_services(key)

    @routes.post("/revocations", status_code=204, openapi_extra=body_of(JSON_TEXT, schema_of(list[Revocation])))
    async def take(request: Request, sender: Annotated[str, Depends(services)]) -> Response:
        if sender != SENDER:
            raise Refusal(NOT_ONE_OF_US, f"only {SENDER} revokes")
        try:
            revocations = msgspec.json.decode(await request.body(), type=list[Revocation])
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Refusal(INVALID_REQUEST, "not a list of revocations") from None
        async with journal.change(Actor(SENDER, PLATFORM)) as change:
            await flows.take(change, revocations)
        return Response(status_code=204)

    return routes
