"""Records of calls: receipts for those who took part, and the schema of a receipt."""

from importlib.resources import files
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Response

from audit_service.records import Records
from wire.tokens import AccessToken, Door

NO_STORE = {"Cache-Control": "no-store"}


def router(records: Records, door: Door) -> APIRouter:
    """What needs a token, and the schema, which does not."""
    routes = APIRouter()
    schema = (files("audit_service") / "receipt.schema.json").read_bytes()

    @routes.get("/records/{call}", responses={202: {"description": "Not yet covered by a checkpoint; ask again"}})
    async def receipt(call: UUID, token: Annotated[AccessToken, Depends(door.needing())]) -> Response:
        """The receipt of one call or event (see /schema/receipt.json)."""
        found = await records.receipt(str(call), token)
        if found is None:
            accepted = msgspec.json.encode({"call": str(call), "state": "accepted"})
            return Response(accepted, 202, {**NO_STORE, "Retry-After": "1"}, "application/json")
        return Response(msgspec.json.encode(found), 200, NO_STORE, "application/json")

    @routes.get("/schema/receipt.json")
    async def receipt_schema() -> Response:
        """The JSON Schema of a receipt."""
        return Response(schema, media_type="application/schema+json")

    return routes
