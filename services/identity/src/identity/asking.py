"""What introspection and revocation have in common: a client proves who it is and shows a token."""

from collections.abc import Awaitable, Callable, Mapping

from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from identity.presented import Presented
from identity.refusals import Refusals
from identity.server import Server, TokenRequest
from identity.store import Client
from identity.throttle import Throttle
from runtime.clock import Clock
from wire.front import Front
from wire.tokens import AccessToken

Act = Callable[[AsyncConnection, Client, AccessToken | None], Awaitable[Response]]
"""What to do for a client with a token, None for one that is not ours or has run out."""


class Asking:
    """Lets clients in to endpoints beside the token endpoint, whose `address` it uses."""

    def __init__(
        self, database: AsyncEngine, server: Server, presented: Presented, throttle: Throttle, refusals: Refusals, *,
        address: str, clock: Clock,
    ) -> None:  # fmt: skip
        self._database = database
        self._server = server
        self._presented = presented
        self._throttle = throttle
        self._refusals = refusals
        self._address = address
        self._clock = clock

    async def __call__(
        self, form: Mapping[str, str], authorization: str, front: Front, endpoint: str, act: Act
    ) -> Response:
        """What `act` answers, or an OAuth error where no client proved to be one."""

        async def work() -> Response:
            token = await self._presented.read(form.get("token"))
            async with self._database.begin() as transaction:
                client = await transaction.run_sync(self._client, form, authorization, front, endpoint)
                return client if isinstance(client, Response) else await act(transaction, client, token)

        return await self._throttle.guard(form, authorization, front, work)

    def _client(
        self, transaction: Connection, form: Mapping[str, str], authorization: str, front: Front, endpoint: str
    ) -> Client | Response:
        at = self._clock.now()
        request = TokenRequest(form, authorization, address=self._address, transaction=transaction, at=at, front=front)
        client = self._server.client_of(request, endpoint)
        if request.suspect is not None:
            self._refusals.note(*request.suspect)
        return client
