"""How the log is: what was checked when, what was found, what is missing or behind. For auditors."""

from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Response

from audit_service.api.strict import no_query
from audit_service.monitor.figures import Figures
from wire import scopes
from wire.tokens import AccessToken, Door


def router(figures: Figures, door: Door) -> APIRouter:
    """One address."""
    routes = APIRouter(dependencies=[Depends(no_query)])

    @routes.get("/monitor")
    async def monitor(_token: Annotated[AccessToken, Depends(door.needing(scopes.AUDIT_READ))]) -> Response:
        """The state of the continuous check (scope audit:read)."""
        told = msgspec.json.encode(await figures.report())
        return Response(told, headers={"Cache-Control": "no-store"}, media_type="application/json")

    return routes
