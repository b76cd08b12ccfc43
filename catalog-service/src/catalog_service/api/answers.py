"""How the catalog answers, and as whom a token acts."""

from collections.abc import Sequence

import msgspec
from starlette.responses import Response

from catalog_service.feed.model import PLATFORM, Actor
from wire import scopes
from wire.tokens import AccessToken


def actor_of(token: AccessToken) -> Actor:
    """Operators run the system and decide nothing: the platform's own department holds no office."""
    offices = frozenset() if token.department == PLATFORM else token.scopes & frozenset(scopes.OFFICES)
    return Actor(token.client, token.department, offices)


def answer(thing: object, status: int = 200) -> Response:
    """JSON, never stored by anybody on the way."""
    return Response(msgspec.json.encode(thing), status, {"Cache-Control": "no-store"}, "application/json")


def page(things: Sequence[object], limit: int, last: str) -> Response:
    """A page of a list; `next` is what to send as `after` for the following one, null at the end."""
    return answer({"items": things, "next": last if len(things) == limit else None})
