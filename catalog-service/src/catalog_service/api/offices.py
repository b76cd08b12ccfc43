"""Acts that belong to an office whatever the case: who may do them."""

from collections.abc import Awaitable, Callable
from typing import Annotated

from fastapi import Depends

from catalog_service.api.answers import actor_of
from catalog_service.feed.model import Actor
from runtime.access import Rule, ruled
from runtime.errors import Refusal
from wire import codes, scopes
from wire.tokens import AccessToken, Door

Who = Callable[[AccessToken], Awaitable[Actor]]

OF_A_DEPARTMENT = (scopes.OFFICER, scopes.HEAD, scopes.AUTHORITY)
"""Whoever looks after what a department has on the platform; the authority is one of the departments."""
OF_ANYBODY = (*OF_A_DEPARTMENT, scopes.UPPER_AUTHORITY, scopes.GOVERNMENT)
"""Whoever has an inbox that notices can be sent on from."""


def writer_of(token: AccessToken) -> Actor:
    """The actor, if it may register what its department has: its data officer (景德镇 7), or a token made for that."""
    actor = actor_of(token)
    if scopes.CATALOG_WRITE not in token.scopes and scopes.OFFICER not in actor.offices:
        wanted = f"{scopes.CATALOG_WRITE} or {scopes.OFFICER}"
        raise Refusal(codes.SCOPE_MISSING, wanted, scope=scopes.CATALOG_WRITE)
    return actor


def holder_of(token: AccessToken, *offices: str) -> Actor:
    """The actor, if it holds one of these offices; raises Refusal(NOT_YOUR_STEP)."""
    actor = actor_of(token)
    check_holds(actor, *offices)
    return actor


def check_holds(actor: Actor, *offices: str) -> None:
    """Raise Refusal(NOT_YOUR_STEP) unless the actor holds one of these offices."""
    if not actor.offices & frozenset(offices):
        raise Refusal(codes.NOT_YOUR_STEP, f"this is done by {' or '.join(offices)}", roles=list(offices))


def writers(door: Door) -> Who:
    """A dependency: `writer_of` the request's token."""

    async def writer(token: Annotated[AccessToken, Depends(door.needing())]) -> Actor:
        return writer_of(token)

    return ruled(writer, Rule("token", frozenset({scopes.CATALOG_WRITE, scopes.OFFICER})))


def holders(door: Door, *offices: str) -> Who:
    """A dependency: `holder_of` the request's token."""

    async def holder(token: Annotated[AccessToken, Depends(door.needing())]) -> Actor:
        return holder_of(token, *offices)

    return ruled(holder, Rule("token", frozenset(offices)))
