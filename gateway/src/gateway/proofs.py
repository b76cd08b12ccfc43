"""Proofs of possession that were used: each opens one request, at whichever gateway (RFC 9449 section 11.1)."""

import asyncio
from datetime import UTC, datetime

import structlog
from sqlalchemy import Column, DateTime, LargeBinary, MetaData, Table, delete, func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as NoConnectionLeft
from sqlalchemy.ext.asyncio import AsyncEngine

from runtime.errors import Refusal
from wire import codes
from wire.dpop import Proof

log = structlog.get_logger()
FORGET_S = 60
PATIENCE_S = 2.0
used_proof = Table(
    "used_proof",
    MetaData(),
    Column("digest", LargeBinary, primary_key=True),
    Column("until", DateTime(timezone=True), nullable=False),
    schema="gateway",
)


class Proofs:
    """The table of used proofs."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database.execution_options(isolation_level="AUTOCOMMIT")

    async def use(self, proof: Proof) -> bool:
        """Put down that it was used; False where it had been. Raises Refusal(503) where nobody knows."""
        trying = asyncio.wait_for(self._insert(proof), PATIENCE_S)
        try:
            return await asyncio.ensure_future(trying)  # the fast lane has no task of its own
        except (OSError, DBAPIError, NoConnectionLeft, TimeoutError) as error:
            log.warning("proofs.database_unreachable", error=type(error).__name__)
            raise Refusal(codes.SERVICE_UNREACHABLE, "used proofs cannot be looked up", retry_after=1) from None

    async def _insert(self, proof: Proof) -> bool:
        row = {"digest": proof.digest, "until": datetime.fromtimestamp(proof.until, UTC)}
        statement = insert(used_proof).values(row).on_conflict_do_nothing().returning(used_proof.c.digest)
        async with self._database.connect() as connection:
            return (await connection.execute(statement)).first() is not None

    async def forget(self) -> None:
        """Drop what is too old to be sent again; called every FORGET_S."""
        async with self._database.connect() as connection:
            await connection.execute(delete(used_proof).where(used_proof.c.until < func.now()))
