"""Consents over HTTP: an office gives and takes them back for the person, gateways use them."""

from dataclasses import replace
from typing import Annotated, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Path, Request, Response
from pydantic import Field, StringConstraints

from catalog_service.api.answers import actor_of, answer, page
from catalog_service.api.bodies import Body, Id, Name
from catalog_service.api.directory import After, Filter, Limit
from catalog_service.api.offices import holders
from catalog_service.consents import flows, store
from catalog_service.consents.flows import Office, Wish
from catalog_service.consents.model import Held, Release, Use
from catalog_service.feed.flows import Journal
from catalog_service.feed.model import PLATFORM, Actor
from runtime.access import PUBLIC
from runtime.documents import JSON_TEXT, body_of, content, schema_of
from runtime.errors import INVALID_REQUEST, Refusal
from runtime.service_auth import ServiceKey, only_services
from wire import scopes
from wire.tokens import AccessToken, Door

ConsentId = Annotated[str, Path(pattern=r"^[0-9a-f-]{1,36}$")]
KEY_SET = "application/jwk-set+json"
T = TypeVar("T")


class ConsentBody(Body):
    """subject: the identity number, which is turned into a pseudonym and kept nowhere."""

    subject: Name
    system: Id
    interface: Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]+/v[0-9]+$", max_length=80)]
    purpose: Name
    fields: Annotated[list[Name], Field(min_length=1, max_length=200)]
    minutes: Annotated[int, Field(ge=1, le=1440)]


class PersonBody(Body):
    """Whose consents are looked for. A number never stands in an address, which is logged along the way."""

    subject: Name


class RevocationBody(Body):
    """subject: the identity number, at another office than the one where the consent was given."""

    subject: Name | None = None


HERE = RevocationBody()
"""At the office where it was given, a revocation may come without a body."""


def router(door: Door, journal: Journal, key: ServiceKey, office: Office) -> APIRouter:
    """All routes of the consents. What stands at a fixed path comes before what is found by id."""
    routes = APIRouter()
    routes.include_router(_public(office))
    routes.include_router(_for_people(door, journal, office))
    routes.include_router(_for_gateways(journal, key))
    return routes


def _public(office: Office) -> APIRouter:
    routes = APIRouter(prefix="/consents", tags=["consents"])

    @routes.get("/jwks", dependencies=[PUBLIC], responses={200: content(KEY_SET)})
    async def jwks() -> Response:
        """Public keys (RFC 7517) by which tokens of consent are verified; without a token."""
        return Response(msgspec.json.encode(office.signer.public()), media_type=KEY_SET)

    return routes


def _for_people(door: Door, journal: Journal, office: Office) -> APIRouter:
    routes = APIRouter(prefix="/consents", tags=["consents"])
    any_token, subject = Depends(door.needing()), Depends(holders(door, scopes.SUBJECT))

    @routes.post("", status_code=201)
    async def give(body: ConsentBody, actor: Actor = subject) -> Response:
        """`token` is shown this once. Whoever gives it holds the office of the person concerned (`office:subject`)."""
        wish = Wish(**{**body.model_dump(), "subject": office.pseudonym(body.subject)})
        async with journal.change(actor) as change:
            held, consent_token = await flows.give(change, office.signer, wish)
        return answer({**held.shown(change.at), "token": consent_token}, 201)

    @routes.post("/search")
    async def of_person(body: PersonBody, after: After = "", limit: Limit = 100, actor: Actor = subject) -> Response:
        """What this person consented to, wherever; each look is recorded."""
        async with journal.change(actor) as change:
            found = await flows.of_person(change, office.pseudonym(body.subject), after, limit)
        return _page(found, limit, journal)

    @routes.get("")
    async def some(
        system: Filter = "", after: After = "", limit: Limit = 100, token: AccessToken = any_token
    ) -> Response:
        """Those that the asker's department may use, or was given; all of them for those who oversee."""
        async with journal.database.connect() as tx:
            found = await store.page_for(tx, actor_of(token), system, after, limit)
        return _page(found, limit, journal)

    @routes.get("/{consent_id}")
    async def one(consent_id: ConsentId, token: AccessToken = any_token) -> Response:
        async with journal.change(actor_of(token)) as change:
            held = await flows.show(change, consent_id)
        return answer(held.shown(change.at))

    @routes.post("/{consent_id}/revoke")
    async def revoke(consent_id: ConsentId, body: RevocationBody = HERE, actor: Actor = subject) -> Response:
        whom = "" if body.subject is None else office.pseudonym(body.subject)
        async with journal.change(actor) as change:
            held = await flows.revoke(change, consent_id, whom)
        return answer(held.shown(change.at))

    return routes


def _page(found: list[Held], limit: int, journal: Journal) -> Response:
    at = journal.now()
    return page([held.shown(at) for held in found], limit, found[-1].consent.id if found else "")


def _for_gateways(journal: Journal, key: ServiceKey) -> APIRouter:
    """A refusal is 409 here, whatever it is for the consumer: the gateway is at no fault."""
    routes = APIRouter(prefix="/consents", tags=["internal"])
    service = Depends(only_services(key))

    @routes.post("/{consent_id}/use", status_code=204, openapi_extra=body_of(JSON_TEXT, schema_of(Use)))
    async def use(consent_id: ConsentId, request: Request, caller: str = service) -> Response:
        """`consents.model.Use`; 204 for exactly one call."""
        asked = await _read(request, Use)
        try:
            async with journal.change(Actor(caller, PLATFORM)) as change:
                await flows.use(change, consent_id, asked)
        except Refusal as refusal:
            raise Refusal(replace(refusal.code, status=409), refusal.detail, **refusal.facts) from None
        return Response(status_code=204)

    @routes.post("/{consent_id}/release", status_code=204, openapi_extra=body_of(JSON_TEXT, schema_of(Release)))
    async def release(consent_id: ConsentId, request: Request, caller: str = service) -> Response:
        """`consents.model.Release`; 204 if the consent was this call's and is free again."""
        said = await _read(request, Release)
        async with journal.change(Actor(caller, PLATFORM)) as change:
            await flows.release(change, consent_id, said.call)
        return Response(status_code=204)

    return routes


async def _read(request: Request, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(await request.body(), type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Refusal(INVALID_REQUEST, str(error), errors=[{"path": "/body", "error": str(error)}]) from None
