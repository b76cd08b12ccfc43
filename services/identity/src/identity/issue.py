"""One token request from form to answer: decide, commit, record, answer.

The used assertion and the record of the token are committed together, then the record is carried to the log, and only
then the token leaves. A log that cannot be reached means no token; the record then says that a token was made which
nobody has seen, and that is the side to err on. What it was asked for with may then be used again (`undo`).
"""

from collections.abc import Callable, Mapping, Sequence

import structlog
from sqlalchemy.engine import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from starlette.responses import Response

from identity import events
from identity.presented import Presented
from identity.refusals import Refusals
from identity.server import NOWHERE, Server, TokenRequest
from identity.store import forget_assertions
from identity.throttle import Throttle
from runtime.clock import Clock
from runtime.errors import Refusal
from runtime.outbox import Outbox
from wire import codes
from wire.front import Front

log = structlog.get_logger()


class Issuing:
    """Answers token requests and keeps the log told about them."""

    def __init__(
        self, database: AsyncEngine, server: Server, outbox: Outbox, presented: Presented, throttle: Throttle,
        refusals: Refusals, *, token_endpoint: str, clock: Clock,
    ) -> None:  # fmt: skip
        self._database = database
        self._server = server
        self._outbox = outbox
        self._presented = presented
        self._token_endpoint = token_endpoint
        self._clock = clock
        self._refusals = refusals
        self._throttle = throttle

    async def answer(
        self, form: Mapping[str, str], authorization: str, front: Front = NOWHERE, proofs: Sequence[str] = ()
    ) -> Response:
        """Token or OAuth error; raises Refusal(AUDIT_UNAVAILABLE) when the token cannot be recorded.

        front  the other end of the line    proofs  the DPoP headers
        """

        async def work() -> Response:
            return await self._answer(form, authorization, front, proofs)

        return await self._throttle.guard(form, authorization, front, work)

    async def _answer(
        self, form: Mapping[str, str], authorization: str, front: Front, proofs: Sequence[str]
    ) -> Response:
        subject_token = await self._presented.read(form.get("subject_token"))

        def asked(transaction: Connection) -> TokenRequest:
            return TokenRequest(
                form, authorization, address=self._token_endpoint, transaction=transaction, at=self._clock.now(),
                front=front, proofs=proofs, subject_token=subject_token,
            )  # fmt: skip

        try:
            async with self._database.begin() as transaction:
                request, response = await transaction.run_sync(self._decide, asked)
                for more in request.also:
                    await more(transaction)
                await self._write_issued(transaction, request)
        except (OSError, DBAPIError, NoConnectionLeft) as error:
            log.warning("token.database_unreachable", error=type(error).__name__)
            raise Refusal(codes.AUDIT_UNAVAILABLE, "the database does not answer") from None
        if request.suspect is not None:
            self._refusals.note(*request.suspect)
        if request.issued is not None:
            await self._record(request)
        return response

    async def _record(self, request: TokenRequest) -> None:
        """Have the token in the log before it leaves; where that cannot be, as if it had never been asked for."""
        try:
            await self._outbox.flush()
        except Refusal:
            try:
                async with self._database.begin() as transaction:
                    for each in request.undo:
                        await each(transaction)
            except (OSError, DBAPIError, NoConnectionLeft) as error:
                log.warning("token.not_undone", error=type(error).__name__)
            raise

    def _decide(
        self, transaction: Connection, asked: Callable[[Connection], TokenRequest]
    ) -> tuple[TokenRequest, Response]:
        request = asked(transaction)
        return request, self._server.answer(request)

    async def _write_issued(self, transaction: AsyncConnection, request: TokenRequest) -> None:
        if request.issued is None:
            return
        issued = request.issued
        event = events.token_issued(
            holder=issued.holder, scope=issued.scope, token_id=issued.token_id, method=request.auth_method,
            bound=request.bound, exchanged=issued.exchanged, at=request.at,
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
