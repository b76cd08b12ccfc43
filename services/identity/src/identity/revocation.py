"""A client gives a token back before its end (RFC 7009): gateways refuse it within a second.

With a refresh token goes the whole authorization that it came of, access tokens too (section 2.1).
The client it was issued to may do so, and the system that it was issued for. A token that is not ours, or has run out,
is as good as revoked: the answer is the same.
"""

from collections.abc import Mapping

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.responses import Response

from identity import events
from identity.asking import Asking
from identity.introspection import is_of
from identity.people import events as of_people
from identity.people import sessions, store
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

        async def act(transaction: AsyncConnection, client: Client, token: AccessToken | None) -> Response:
            if token is not None:
                return await self._revoke(transaction, client, token)
            return await self._give_back(transaction, client, form.get("token", ""))

        response = await self._asking(form, authorization, front, ENDPOINT, act)
        if response.status_code == 200:
            await self._revoking.deliver()
        return response

    async def _revoke(self, transaction: AsyncConnection, client: Client, token: AccessToken) -> Response:
        if not is_of(client, token):
            return error_answer("invalid_grant", description="token: was issued to another client")
        at = self._clock.now()
        await revoke(transaction, of_token(token.id, token.expires), at=at)
        event = events.token_revoked(client=client.id, department=client.department, token_id=token.id, at=at)
        await self._outbox.write(transaction, event, at)
        return Response(status_code=200, headers=NO_STORE)

    async def _give_back(self, transaction: AsyncConnection, client: Client, token: str) -> Response:
        at = self._clock.now()
        owner = await sessions.give_back(transaction, token, client.id, at)
        person = await store.load_person(transaction, owner) if owner else None
        if person is not None:
            name, by = "person.authorization_revoked", {"actor": client.id, "department": client.department}
            await self._outbox.write(transaction, of_people.of_person(name, person, at, **by), at)
        return Response(status_code=200, headers=NO_STORE)
