"""The door of our own API: what was revoked, and whoever is suspended, opens nothing here either.

At /oauth2 the gateway refuses tokens that it knows to be revoked, or to be bound to somebody else. It asks neither how
old its knowledge is nor who is suspended: those get their answer from us. A token that opens nothing else must not be
able to add a key, or to register a client, with which its holder comes back.
"""

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.requests import Request

from identity.revoking import revoked
from identity.standing import Standings
from runtime.errors import Refusal
from runtime.service_auth import ServiceKey
from wire import challenges, codes
from wire.tokens import AccessToken, Door, InvalidToken, Verifier, presented

log = structlog.get_logger()


class OwnDoor(Door):
    """A door that looks into our own register as well."""

    def __init__(self, verifier: Verifier, key: ServiceKey, database: AsyncEngine, standings: Standings) -> None:
        super().__init__(verifier, key)
        self._database = database
        self._standings = standings

    async def caller(self, request: Request) -> AccessToken:
        """Whose token came along; raises Refusal (400, 401, 403)."""
        token = await super().caller(request)
        async with self._database.connect() as connection:
            by = await connection.run_sync(revoked, token)
            unusual = await connection.run_sync(self._standings.barring, token)
        if by:
            log.info("token.refused", reason=f"revoked: {by}")
            scheme = presented(request.headers.getlist("authorization")).scheme
            raise challenges.invalid_token(InvalidToken("revoked", "revoked"), scheme)
        if unusual:
            code = codes.SYSTEM_SUSPENDED if unusual.what == "system" else codes.DEPARTMENT_SUSPENDED
            raise Refusal(code, unusual.state.reason, since=unusual.state.since, by=unusual.state.by)
        return token
