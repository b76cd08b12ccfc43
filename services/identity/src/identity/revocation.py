"""A client gives a token back before its end (RFC 7009): gateways refuse it within a second.

The client it was issued to may do so, and the system that it was issued for. A token that is not ours, or has run out,
is as good as revoked: the answer is the same.
"""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from identity import events
from identity.asking import Asking
from identity.introspection import is_of
from identity.revoking import Revoking, of_token, revoke
from identity.server import NO_STORE, error_answer
from identity.store import Client
from runtime.clock import Clock
from runtime.outbox import Outbox
from wire.front import Front
from wire.tokens import AccessToken

ENDPOINT = "revocation"


class RevocationEndpoint:
    """Answers revocation requests."""

    def __init__(self, asking: Asking, revoking: Revoking, outbox: Outbox, clock: Clock) -> None:
        self._asking = asking
        self._revoking = revoking
        self._outbox = outbox
        self._clock = clock

    async def answer(self, form: Mapping[str, str], authorization: str, front: Front) -> Response:
        """An empty 200, or an OAuth error."""
        response = await self._asking(form, authorization, front, ENDPOINT, self._revoke)
        if response.status_code == 200:
            await self._revoking.deliver()
        return response

    async def _revoke(self, transaction: AsyncConnection, client: Client, token: AccessToken | None) -> Response:
        if token is not None and not is_of(client, token):
            return error_answer("invalid_grant", description="token: was issued to another client")
        if token is not None:
            at = self._clock.now()
            await revoke(transaction, of_token(token.id, token.expires), at=at)
            event = events.token_revoked(client=client.id, department=client.department, token_id=token.id, at=at)
            await self._outbox.write(transaction, event, at)
        return Response(status_code=200, headers=NO_STORE)
