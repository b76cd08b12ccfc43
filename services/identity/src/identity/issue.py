"""One token request from form to answer: decide, commit, record, answer.

The used assertion and the record of the token are committed together, then the record is carried to the log, and only
then the token leaves. A log that cannot be reached means no token; the record then says that a token was made which
nobody has seen, and that is the side to err on.
"""

from collections.abc import Mapping

import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from identity import events
from identity.refusals import Refusals
from identity.server import Server, TokenRequest
from identity.store import forget_assertions
from runtime.clock import Clock
from runtime.errors import Refusal
from runtime.outbox import Outbox
from wire import codes

log = structlog.get_logger()


class Issuing:
    """Answers token requests and keeps the log told about them."""

    def __init__(
        self, database: AsyncEngine, server: Server, outbox: Outbox, *, token_endpoint: str, clock: Clock
    ) -> None:
        self._database = database
        self._server = server
        self._outbox = outbox
        self._token_endpoint = token_endpoint
        self._clock = clock
        self._refusals = Refusals()

    async def answer(self, form: Mapping[str, str], authorization: str) -> Response:
        """Token or OAuth error; raises Refusal(AUDIT_UNAVAILABLE) when the token cannot be recorded."""
        try:
            async with self._database.begin() as transaction:
                request, response = await transaction.run_sync(self._decide, form, authorization)
                await self._write_issued(transaction, request)
        except (OSError, DBAPIError, NoConnectionLeft) as error:
            log.warning("token.database_unreachable", error=type(error).__name__)
            raise Refusal(codes.AUDIT_UNAVAILABLE, "the database does not answer") from None
        if request.suspect is not None:
            self._refusals.note(*request.suspect)
        if request.issued is not None:
            await self._outbox.flush()
        return response

    def _decide(
        self, transaction: Connection, form: Mapping[str, str], authorization: str
    ) -> tuple[TokenRequest, Response]:
        request = TokenRequest(
            form, authorization, address=self._token_endpoint, transaction=transaction, at=self._clock.now()
        )
        return request, self._server.answer(request)

    async def _write_issued(self, transaction: AsyncConnection, request: TokenRequest) -> None:
        if request.issued is None:
            return
        event = events.token_issued(
            client=request.client.id, department=request.client.department, scope=request.issued.scope,
            token_id=request.issued.token_id, method=request.auth_method, at=request.at,
        )  # fmt: skip
        await self._outbox.write(transaction, event, request.at)

    async def deliver(self) -> None:
        """Write counted refusals and carry everything that waits to the log; called every second."""
        await self._write_refusals()
        try:
            await self._outbox.flush()
        except Refusal as refusal:
            log.warning("outbox.waiting", code=refusal.code.name, detail=refusal.detail)

    async def _write_refusals(self) -> None:
        taken = self._refusals.take()
        if not taken:
            return
        at = self._clock.now()
        try:
            async with self._database.begin() as transaction:
                for client_id, count in taken.items():
                    event = events.client_refused(
                        client=client_id, department=count.department, reason=count.reason, count=count.times, at=at
                    )
                    await self._outbox.write(transaction, event, at)
        except Exception:
            self._refusals.put_back(taken)
            raise

    async def forget(self) -> None:
        """Drop used assertions that have expired; called every minute."""
        async with self._database.begin() as transaction:
            await transaction.execute(forget_assertions(self._clock.now()))
