"""Feeds over HTTP: a department pulls its own usage, or has it sent (景德镇 16)."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from fastapi import APIRouter, Depends, Path, Query, Response
from pydantic import Field, StringConstraints
from pydantic.functional_validators import AfterValidator

from audit_service.api.search import Day
from audit_service.api.strict import NO_STORE, Strict, answer
from audit_service.feeds.flows import Feeds, Wish
from audit_service.feeds.model import Delivery, Side, Subscription
from runtime.access import Rule, ruled
from runtime.errors import Refusal
from runtime.service_auth import ServiceKey
from wire import codes, scopes
from wire.tokens import AccessToken, Door


def readable(text: str) -> str:
    """No control characters, which a database has no room for."""
    if any(c < " " or c == "\x7f" for c in text):
        raise ValueError("control characters are not allowed")
    return text


Name = Annotated[str, StringConstraints(max_length=200), AfterValidator(readable)]
Address = Annotated[str, StringConstraints(max_length=1000)]
Limit = Annotated[int, Field(ge=1, le=1000)]
Number = Annotated[int, Path(ge=0, lt=2**63)]


class UsageQuery(Strict):
    after: Annotated[str, StringConstraints(max_length=40)] = ""
    limit: Limit = 100
    side: Annotated[Side, Field(alias="as")] = "both"
    interface: Name = ""


class DigestQuery(Strict):
    day: Day


class DeadLetterQuery(Strict):
    after: Annotated[int, Field(ge=0, lt=2**63)] = 0
    limit: Limit = 100


class WishBody(Strict):
    """What a department states about a subscription."""

    url: Address
    networks: Annotated[list[Name], Field(max_length=100)]
    side: Annotated[Side, Field(alias="as")]
    interface: Name = ""
    digest: bool = False

    def wish(self) -> Wish:
        return Wish(self.url, self.networks, self.side, self.interface, self.digest)


class SubscribeBody(WishBody):
    start: Annotated[Literal["now", "beginning"], Field(alias="from")] = "now"


def router(feeds: Feeds, key: ServiceKey, door: Door) -> APIRouter:
    """Everything is the caller's own department's; its officer or head decides where it is sent, and gets the key.

    key  from which signing keys are derived, as the sender does
    """
    routes = APIRouter(tags=["feeds"])
    routes.include_router(_pulling(feeds, door))
    routes.include_router(_subscriptions(feeds, key, door))
    routes.include_router(_dead_letters(feeds, door))
    return routes


def _pulling(feeds: Feeds, door: Door) -> APIRouter:
    routes = APIRouter()
    any_token = Depends(door.needing())

    @routes.get("/usage")
    async def usage(query: Annotated[UsageQuery, Query()], token: AccessToken = any_token) -> Response:
        """The caller's own records in the order of the log, without gaps; go on with `next`."""
        return answer(await feeds.pull(token, query.side, query.interface, query.after, query.limit))

    @routes.get("/digest")
    async def digest(query: Annotated[DigestQuery, Query()], token: AccessToken = any_token) -> Response:
        """The caller's own figures of a day."""
        return answer(await feeds.digest(token, query.day))

    return routes


def _subscriptions(feeds: Feeds, key: ServiceKey, door: Door) -> APIRouter:
    routes = APIRouter(prefix="/subscriptions")
    any_token = Depends(door.needing())
    office = Depends(_office(door))

    @routes.post("", status_code=201)
    async def subscribe(body: SubscribeBody, token: AccessToken = office) -> Response:
        made = await feeds.subscribe(token, body.wish(), from_beginning=body.start == "beginning")
        return answer(_with_key(made, key), 201)

    @routes.get("")
    async def some(token: AccessToken = any_token) -> Response:
        return answer({"items": [_shown(one) for one in await feeds.all(token)]})

    @routes.get("/{subscription}")
    async def one(subscription: UUID, token: AccessToken = any_token) -> Response:
        found, waiting = await feeds.one(token, str(subscription))
        return answer({**_shown(found), "waiting": [_letter(one) for one in waiting]})

    @routes.put("/{subscription}")
    async def change(subscription: UUID, body: WishBody, token: AccessToken = office) -> Response:
        return answer(_with_key(await feeds.change(token, str(subscription), body.wish()), key))

    @routes.post("/{subscription}/pause")
    async def pause(subscription: UUID, token: AccessToken = office) -> Response:
        return answer(_shown(await feeds.switch(token, str(subscription), active=False)))

    @routes.post("/{subscription}/resume")
    async def resume(subscription: UUID, token: AccessToken = office) -> Response:
        return answer(_shown(await feeds.switch(token, str(subscription), active=True)))

    @routes.delete("/{subscription}", status_code=204)
    async def remove(subscription: UUID, token: AccessToken = office) -> Response:
        await feeds.remove(token, str(subscription))
        return Response(status_code=204, headers=NO_STORE)

    return routes


def _dead_letters(feeds: Feeds, door: Door) -> APIRouter:
    routes = APIRouter(prefix="/subscriptions/{subscription}/dead-letters")
    any_token = Depends(door.needing())
    office = Depends(_office(door))

    @routes.get("")
    async def some(
        subscription: UUID, query: Annotated[DeadLetterQuery, Query()], token: AccessToken = any_token
    ) -> Response:
        found = await feeds.dead_letters(token, str(subscription), query.after, query.limit)
        last = found[-1].n if len(found) == query.limit else None
        return answer({"items": [_letter(one) for one in found], "next": last})

    @routes.post("/{n}/retry", status_code=202)
    async def retry(subscription: UUID, n: Number, token: AccessToken = office) -> Response:
        return answer(_letter(await feeds.retry(token, str(subscription), n)), 202)

    return routes


def _office(door: Door) -> Callable[[AccessToken], Awaitable[AccessToken]]:
    """A dependency for what only an officer or the head of a department may do: a vendor's system has a token of the
    department too, and must not have its usage sent elsewhere."""

    async def token_of(token: Annotated[AccessToken, Depends(door.needing())]) -> AccessToken:
        if not token.scopes & {scopes.OFFICER, scopes.HEAD}:
            raise Refusal(codes.SCOPE_MISSING, f"scope {scopes.OFFICER} or {scopes.HEAD}", scope=scopes.OFFICER)
        return token

    return ruled(token_of, Rule("token", frozenset({scopes.OFFICER, scopes.HEAD})))


def _shown(one: Subscription) -> dict[str, Any]:
    members = msgspec.structs.asdict(one)
    side, position = members.pop("side"), members.pop("position")
    return {**members, "as": side, "sent_to": position}


def _with_key(one: Subscription, key: ServiceKey) -> dict[str, Any]:
    """With the key that its messages are signed with: the one time that anybody sees it."""
    return {**_shown(one), "signing_key": key.derived(one.purpose)}


def _letter(one: Delivery) -> dict[str, Any]:
    names = ("n", "kind", "first", "last", "count", "attempts", "error", "made_at", "next_at")
    return {"id": one.id} | {name: getattr(one, name) for name in names}
