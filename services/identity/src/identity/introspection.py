"""What a token says and whether it still counts (RFC 7662), for the client that has it and for those with the scope.

Everybody else is told `active: false`, as of a token that is not ours: who asks learns nothing that it may not know.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from identity.asking import Asking
from identity.revoking import revoked
from identity.server import NO_STORE
from identity.standing import Standings
from identity.store import Client
from wire import scopes
from wire.front import Front
from wire.tokens import AccessToken

ENDPOINT = "introspection"


class Introspection:
    """Answers introspection requests: what a gateway would refuse for who uses it is not active."""

    def __init__(self, asking: Asking, standings: Standings) -> None:
        self._asking = asking
        self._standings = standings

    async def answer(self, form: Mapping[str, str], authorization: str, front: Front) -> Response:
        """`active` and the claims, or an OAuth error."""
        return await self._asking(form, authorization, front, ENDPOINT, self._tell)

    async def _tell(self, transaction: AsyncConnection, client: Client, token: AccessToken | None) -> Response:
        told: dict[str, Any] = {"active": False}
        if token is not None and may_know(client, token) and await self._counts(transaction, token):
            told = claims_of(token)
        return Response(msgspec.json.encode(told), 200, NO_STORE, "application/json")

    async def _counts(self, transaction: AsyncConnection, token: AccessToken) -> bool:
        if await transaction.run_sync(revoked, token):
            return False
        return await transaction.run_sync(self._standings.barring, token) is None


def may_know(client: Client, token: AccessToken) -> bool:
    """Whether it is the client's own, or the client may ask about all."""
    return scopes.TOKEN_INTROSPECT in client.scopes or is_of(client, token)


def is_of(client: Client, token: AccessToken) -> bool:
    """Whether the token was issued to the client, or for it to somebody who acts for it."""
    return client.id in (token.client, token.actor, token.through)


def claims_of(token: AccessToken) -> dict[str, Any]:
    """The members of RFC 7662 section 2.2, and the department."""
    told: dict[str, Any] = {
        "active": True, "iss": token.issuer, "sub": token.client, "department": token.department,
        "client_id": token.actor or token.through or token.client, "scope": " ".join(sorted(token.scopes)),
        "iat": token.issued, "exp": token.expires, "jti": token.id, "token_type": "DPoP" if token.jkt else "Bearer",
    }  # fmt: skip
    if token.actor:
        told["act"] = {"sub": token.actor}
    bound = {"jkt": token.jkt, "x5t#S256": token.x5t}
    if any(bound.values()):
        told["cnf"] = {name: value for name, value in bound.items() if value}
    return told
