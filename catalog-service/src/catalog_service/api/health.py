"""How interfaces are: health and maintenance over HTTP, and what exchanges tell and ask about them."""

import msgspec
from fastapi import APIRouter, Depends, Request, Response

from catalog_service.api.answers import actor_of, answer
from catalog_service.api.bodies import Id, MaintenanceBody, Version
from catalog_service.api.offices import writers
from catalog_service.directory import filing_store, store
from catalog_service.directory.health.flows import described, known_of, take_report
from catalog_service.directory.maintenance import announce
from catalog_service.feed.flows import Journal
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.policy.flows import Lawbook
from runtime.documents import JSON_TEXT, body_of, schema_of
from runtime.errors import INVALID_REQUEST, Refusal
from runtime.service_auth import ServiceKey, only_services
from wire import codes
from wire.catalog import Window
from wire.health import HealthReport
from wire.tokens import AccessToken, Door

LARGEST_REPORT = 8 * 1024 * 1024


def router(door: Door, journal: Journal) -> APIRouter:
    """What people and systems see of it, and what a provider announces."""
    routes = APIRouter(prefix="/interfaces", tags=["interfaces"])
    any_token, writer = Depends(door.needing()), Depends(writers(door))

    @routes.get("/{interface_id}/versions/{version}/health")
    async def health(interface_id: Id, version: Version, token: AccessToken = any_token) -> Response:
        """To everybody; where answers differ from the contract, to its provider, its users and those who oversee."""
        now, actor = journal.now(), actor_of(token)
        async with journal.database.connect() as tx:
            interface = await store.find_interface(tx, interface_id, version)
            if interface is None:
                raise Refusal(codes.UNKNOWN_INTERFACE, f"interface {interface_id}/{version}")
            known = (await known_of(tx, [interface], now))[interface.key]
            users = await filing_store.subscribers_of_interface(tx, interface_id, version, now)
        concerned = actor.oversees or actor.department in {interface.provider, PLATFORM, *users}
        return answer(described(interface, known, now, with_drift=concerned))

    @routes.put("/{interface_id}/versions/{version}/maintenance")
    async def maintenance(interface_id: Id, version: Version, body: MaintenanceBody, actor: Actor = writer) -> Response:
        windows = msgspec.convert([one.model_dump() for one in body.windows], list[Window])
        async with journal.change(actor) as change:
            interface = await announce(change, interface_id, version, windows)
        return answer({"windows": interface.maintenance})

    return routes


def internal(journal: Journal, lawbook: Lawbook, key: ServiceKey) -> APIRouter:
    """For our own services: reports of exchanges, and registrations whether they are open yet or not."""
    routes = APIRouter(tags=["internal"], dependencies=[Depends(only_services(key))])

    @routes.post("/health", max_body_size=LARGEST_REPORT, openapi_extra=body_of(JSON_TEXT, schema_of(HealthReport)))
    async def report(request: Request) -> Response:
        """`wire.health.HealthReport` of an exchange."""
        try:
            told = msgspec.json.decode(await request.body(), type=HealthReport)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refusal(INVALID_REQUEST, str(error), errors=[{"path": "/body", "error": str(error)}]) from None
        return answer({"counted": await take_report(journal, lawbook, told)})

    @routes.get("/registrations/{interface_id}/{version}")
    async def registration(interface_id: Id, version: Version) -> Response:
        """`wire.catalog.Interface`, as it would be published."""
        async with journal.database.connect() as tx:
            interface = await store.find_interface(tx, interface_id, version)
        if interface is None:
            raise Refusal(codes.UNKNOWN_INTERFACE, f"interface {interface_id}/{version}")
        return answer(interface.published())

    return routes
