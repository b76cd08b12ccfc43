"""Notices over HTTP: the inbox, and the webhooks that they are sent to."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Request, Response

from catalog_service.api.answers import actor_of, answer, page
from catalog_service.api.bodies import Id, ReasonBody
from catalog_service.api.directory import After, Limit
from catalog_service.api.notice_bodies import WebhookBody
from catalog_service.api.offices import OF_A_DEPARTMENT, OF_ANYBODY, check_holds, holders
from catalog_service.feed.flows import Journal
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.machine import Machine
from catalog_service.notices import flows, store, webhook_store
from catalog_service.notices.model import Address, Received, Subject
from catalog_service.notices.webhook import DeliveryState, Webhook
from catalog_service.notices.words import rendered
from runtime.documents import MADE
from runtime.errors import INVALID_REQUEST, Refusal
from runtime.service_auth import ServiceKey, only_services
from wire import codes
from wire.notices import PATH, Told
from wire.tokens import AccessToken, Door

Number = Annotated[int, Query(ge=0, le=2**62)]
PathNumber = Annotated[int, Path(ge=0, le=2**62)]


def router(door: Door, journal: Journal, key: ServiceKey, machines: Mapping[str, Machine]) -> APIRouter:
    """All routes of inboxes and webhooks. machines: by the first part of the words that they tell"""
    routes = APIRouter()
    routes.include_router(_inbox(door, journal, machines))
    routes.include_router(_webhooks(door, journal, key))
    routes.include_router(_deliveries(door, journal))
    routes.include_router(_told(journal, key))
    return routes


def _inbox(door: Door, journal: Journal, machines: Mapping[str, Machine]) -> APIRouter:
    routes = APIRouter(prefix="/inbox", tags=["notices"])
    any_token = Depends(door.needing())

    @routes.get("")
    async def some(
        unread: bool = False, after: After = "", limit: Limit = 100, token: AccessToken = any_token
    ) -> Response:
        async with journal.database.connect() as tx:
            found = await store.inbox(tx, actor_of(token), unread=unread, after=after, limit=limit)
        return page([_shown(one, machines) for one in found], limit, found[-1].notice.id if found else "")

    @routes.post("/{notice_id}/read")
    async def read(notice_id: Id, token: AccessToken = any_token) -> Response:
        async with journal.change(actor_of(token)) as change:
            found = await store.mark_read(change.tx, change.actor, notice_id, change.at)
        if found is None:
            raise Refusal(codes.NOT_FOUND, f"notice {notice_id}")
        return answer(_shown(found, machines))

    return routes


def _told(journal: Journal, key: ServiceKey) -> APIRouter:
    """What other services have to tell a department."""
    routes = APIRouter(tags=["internal"])
    service = Depends(only_services(key))

    @routes.post(PATH, status_code=204)
    async def told(request: Request, sender: str = service) -> Response:
        """`wire.notices.Told` of identity."""
        if sender != "identity":
            raise Refusal(codes.NOT_ONE_OF_US, f"{sender} tells departments nothing")
        try:
            one = msgspec.json.decode(await request.body(), type=Told)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refusal(INVALID_REQUEST, str(error), errors=[{"path": "/body", "error": str(error)}]) from None
        to, about = Address(one.department, one.office), Subject(one.kind, one.about)
        async with journal.change(Actor(sender, PLATFORM)) as change:
            await flows.notify(change, to=[to], word=one.word, about=about, facts=one.facts, key=one.key)
        return Response(status_code=204)

    return routes


def _shown(received: Received, machines: Mapping[str, Machine]) -> dict[str, Any]:
    notice = received.notice
    text = rendered(notice.word, notice.facts, notice.about.kind, machines.get(notice.word.partition(".")[0]))
    return {**msgspec.to_builtins(notice), "read_at": received.read_at, "text": text}


def _webhooks(door: Door, journal: Journal, key: ServiceKey) -> APIRouter:
    routes = APIRouter(prefix="/webhooks", tags=["notices"])
    office, any_office = Depends(holders(door, *OF_A_DEPARTMENT)), Depends(holders(door, *OF_ANYBODY))

    @routes.put("/{webhook_id}", responses=MADE)
    async def put(webhook_id: Id, body: WebhookBody, actor: Actor = any_office) -> Response:
        check_holds(actor, *([body.office] if body.office else OF_A_DEPARTMENT))
        stated = _stated(webhook_id, body, actor, journal.now())
        async with journal.change(actor) as change:
            webhook, new_key = await flows.put_webhook(change, stated)
        shown = msgspec.structs.asdict(webhook)
        if new_key:  # the one time that anybody sees it
            shown["signing_key"] = key.derived(webhook.purpose)
        return answer(shown, 201 if webhook.generation == 1 and new_key else 200)

    @routes.post("/{webhook_id}/revoke")
    async def revoke(webhook_id: Id, body: ReasonBody, actor: Actor = office) -> Response:
        async with journal.change(actor) as change:
            webhook = await flows.revoke_webhook(change, webhook_id, body.reason)
        return answer(webhook)

    @routes.get("/{webhook_id}")
    async def one(webhook_id: Id, actor: Actor = office) -> Response:
        return answer(await _own(journal, actor, webhook_id))

    @routes.get("")
    async def some(after: After = "", limit: Limit = 100, actor: Actor = office) -> Response:
        async with journal.database.connect() as tx:
            found = await webhook_store.webhooks_of(tx, actor.department, after, limit)
        return page(found, limit, found[-1].id if found else "")

    return routes


def _stated(webhook_id: str, body: WebhookBody, actor: Actor, at: datetime) -> Webhook:
    return Webhook(
        **body.model_dump(), id=webhook_id, department=actor.department, generation=0, active=True,
        registered_by=actor.client, at=at,
    )  # fmt: skip


async def _own(journal: Journal, actor: Actor, webhook_id: str) -> Webhook:
    async with journal.database.connect() as tx:
        webhook = await webhook_store.find_webhook(tx, webhook_id)
    if webhook is None or webhook.department != actor.department:
        raise Refusal(codes.NOT_FOUND, f"webhook {webhook_id}")
    return webhook


def _deliveries(door: Door, journal: Journal) -> APIRouter:
    routes = APIRouter(prefix="/webhooks/{webhook_id}/deliveries", tags=["notices"])
    office = Depends(holders(door, *OF_A_DEPARTMENT))

    @routes.get("")
    async def some(
        webhook_id: Id,
        state: Annotated[DeliveryState | None, Query()] = None,
        after: Number = 0,
        limit: Limit = 100,
        actor: Actor = office,
    ) -> Response:
        webhook = await _own(journal, actor, webhook_id)
        async with journal.database.connect() as tx:
            found = await webhook_store.deliveries_of(tx, webhook.id, state, after, limit)
        return page(found, limit, str(found[-1].n) if found else "")

    @routes.post("/{n}/retry")
    async def retry(webhook_id: Id, n: PathNumber, actor: Actor = office) -> Response:
        async with journal.change(actor) as change:
            delivery = await flows.retry_delivery(change, webhook_id, n)
        return answer(delivery)

    return routes
