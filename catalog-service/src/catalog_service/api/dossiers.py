"""Why a grant was given, for the audit service: the grant, what it opens, the application and how it was decided.

It becomes a part of evidence packages, so it is what both sides of the grant may see: papers by name and digest, never
where a provider's systems stand. Whoever asks the audit service for one is checked there, and on record there.
"""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Response
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from catalog_service.api.answers import answer
from catalog_service.cases import store
from catalog_service.cases.model import Case
from catalog_service.directory import store as directory
from catalog_service.grants.store import find_grant
from runtime.errors import Refusal
from runtime.service_auth import ServiceKey, only_services
from wire import codes

GrantId = Annotated[str, Path(pattern=r"^[0-9a-f-]{1,36}$")]
TOLD = ("application", "renewal")
"""Kinds of cases from which a grant comes, and by which its term goes on."""


def router(key: ServiceKey, database: AsyncEngine) -> APIRouter:
    """For services only."""
    routes = APIRouter(prefix="/dossiers", tags=["internal"], dependencies=[Depends(only_services(key))])

    @routes.get("/{grant_id}")
    async def dossier(grant_id: GrantId) -> Response:
        async with database.connect() as tx:
            return answer(await _dossier(tx, grant_id))

    return routes


async def _dossier(tx: AsyncConnection, grant_id: str) -> dict[str, Any]:
    """Grant, interface and the cases that led to it, in the order of their opening; none where it was given directly.

    Raises Refusal(NOT_FOUND).
    """
    grant = await find_grant(tx, grant_id)
    if grant is None:
        raise Refusal(codes.NOT_FOUND, f"grant {grant_id}")
    interface_id, _, version = grant.interface.partition("/")
    interface = await directory.find_interface(tx, interface_id, version)
    cases = [await _told(tx, case) for case in await store.cases_of_grant(tx, grant_id, TOLD)]
    return {"grant": grant, "interface": interface.for_others() if interface else None, "cases": cases}


async def _told(tx: AsyncConnection, case: Case) -> dict[str, Any]:
    return {**msgspec.structs.asdict(case), "history": await store.history_of(tx, case.id)}
