"""Acts that belong to an office whatever the case: who may do them."""

from catalog_service.api.answers import actor_of
from catalog_service.feed.model import Actor
from runtime.errors import Refusal
from wire import codes, scopes
from wire.tokens import AccessToken

OF_A_DEPARTMENT = (scopes.OFFICER, scopes.HEAD, scopes.AUTHORITY)
"""Whoever looks after what a department has on the platform; the authority is one of the departments."""


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
    if not actor.offices & frozenset(offices):
        raise Refusal(codes.NOT_YOUR_STEP, f"this is done by {' or '.join(offices)}", roles=list(offices))
    return actor
