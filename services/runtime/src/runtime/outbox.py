"""Events that must not be lost: written in your transaction, delivered after it, kept until they are taken.

Delivery is at least once; every event carries its own id, so that a second delivery can be told.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from sqlalchemy import BigInteger, Column, DateTime, Identity, LargeBinary, MetaData, Table, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

BATCH = 256
Deliver = Callable[[Sequence[bytes]], Awaitable[None]]


def outbox_table(metadata: MetaData, schema: str, name: str = "outbox") -> Table:
    """An outbox of one service's schema; `name` is that of its table."""
    return Table(
        name,
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("event", LargeBinary, nullable=False),
        Column("written_at", DateTime(timezone=True), nullable=False),
        schema=schema,
    )


class Outbox:
    """One service's outbox and the function that carries its events away."""

    def __init__(self, database: AsyncEngine, table: Table, deliver: Deliver) -> None:
        self._database = database
        self._table = table
        self._deliver = deliver
        self._one_at_a_time = asyncio.Lock()

    async def write(self, transaction: AsyncConnection, event: bytes, at: datetime) -> None:
        """Put an event beside the change that it tells of."""
        await transaction.execute(insert(self._table).values(event=event, written_at=at))

    async def flush(self) -> None:
        """Deliver everything that is committed; raises what `deliver` raises, and then keeps the events.

        Whoever returns from here knows that all events committed before have been taken: rows that another replica
        is delivering are waited for, not skipped.
        """
        async with self._one_at_a_time:
            while await self._flush_once() == BATCH:
                pass

    async def _flush_once(self) -> int:
        table = self._table
        async with self._database.begin() as transaction:
            waiting = select(table.c.id, table.c.event).order_by(table.c.id).limit(BATCH)
            rows = (await transaction.execute(waiting.with_for_update())).all()
            if rows:
                await self._deliver([row.event for row in rows])
                await transaction.execute(delete(table).where(table.c.id.in_([row.id for row in rows])))
        return len(rows)
