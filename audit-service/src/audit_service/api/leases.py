"""`POST /leases`: start, renew each second, drain."""

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from audit_service import leases, store
from audit_service.entry import is_name
from audit_service.sequencing.step import WRITER
from runtime.documents import JSON_TEXT, body_of, schema_of
from runtime.errors import INVALID_REQUEST, Refusal
from runtime.service_auth import ServiceKey, only_services
from wire.lease import LeaseAnswer, LeaseRequest


def router(database: store.Database, key: ServiceKey) -> APIRouter:
    """For services only."""
    routes = APIRouter()
    caller: Callable[[Request], Awaitable[str]] = only_services(key)

    @routes.post("/leases", tags=["internal"], openapi_extra=body_of(JSON_TEXT, schema_of(LeaseRequest)))
    async def lease(request: Request, _service: Annotated[str, Depends(caller)]) -> Response:
        wanted = _parsed(await request.body())
        epoch = await _acted(database, wanted)
        return Response(msgspec.json.encode(LeaseAnswer(epoch)), media_type="application/json")

    return routes


def _parsed(body: bytes) -> LeaseRequest:
    try:
        wanted = msgspec.json.decode(body, type=LeaseRequest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(INVALID_REQUEST, str(error)) from None
    if not is_name(wanted.gateway):
        raise Refusal(INVALID_REQUEST, "a writer's name is letters, digits, '.', '_' and '-', at most 100")
    if wanted.gateway == WRITER:
        raise Refusal(INVALID_REQUEST, f"{WRITER} is the log's own name")
    return wanted


async def _acted(database: store.Database, wanted: LeaseRequest) -> int:
    match wanted.action:
        case "start":
            return await leases.start(database.ingest, wanted.gateway)
        case "renew":
            await leases.renew(database.ingest, wanted.gateway, wanted.epoch)
        case "drain":
            await leases.drain(database.ingest, wanted.gateway, wanted.epoch)
        case _:
            raise Refusal(INVALID_REQUEST, "action is start, renew or drain")
    return wanted.epoch
