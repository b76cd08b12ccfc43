"""Warnings before a client's key ends: 30, 14 and 7 days before, in the log and to the client's department.

A warning is a row: whoever writes it first writes the event beside it, and it stays until the catalog has taken the
notice. So several replicas warn once, and a catalog that is away is told later.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import structlog
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Integer,
    MetaData,
    Row,
    Table,
    Text,
    delete,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from identity import events
from identity.store import client_table
from runtime.clock import Clock
from runtime.http import AsyncClient, HTTPError
from runtime.outbox import Outbox
from runtime.service_auth import ServiceKey
from wire import notices, scopes

log = structlog.get_logger()
LOOK_S = 60.0
STAGES = (7, 14, 30)
"""Days before the end at which a department is told, the last one first."""
KEPT = timedelta(days=30)
"""How long after the key's end it is remembered that it was warned of."""
warning = Table(
    "key_warning",
    MetaData(schema="identity"),
    Column("client_id", Text, primary_key=True),
    Column("kid", Text, primary_key=True),
    Column("until", BigInteger, primary_key=True),
    Column("days", Integer, primary_key=True),
    Column("warned_at", DateTime(timezone=True), nullable=False),
    Column("told", Boolean, nullable=False),
)


def stage_of(until_s: int, now_s: float) -> int:
    """The stage that a key has reached: the fewest days of STAGES that it has left at most; 0 for none, or an end."""
    left_days = (until_s - now_s) / 86400
    return next((days for days in STAGES if left_days <= days), 0) if left_days > 0 else 0


class Expiry:
    """Looks for keys that end soon."""

    def __init__(
        self, database: AsyncEngine, outbox: Outbox, catalog: AsyncClient, key: ServiceKey, clock: Clock
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._catalog = catalog
        self._key = key
        self._clock = clock

    async def tick(self) -> None:
        """Warn of what has come near, and tell what was not told yet; called every LOOK_S on every replica."""
        await self._warn()
        await self._tell()

    async def _warn(self) -> None:
        at = self._clock.now()
        async with self._database.begin() as transaction:
            forgotten = int((at - KEPT).timestamp())
            await transaction.execute(delete(warning).where(warning.c.until < forgotten))
            columns = client_table.c.client_id, client_table.c.department, client_table.c["keys"].label("jwks")
            rows = await transaction.execute(
                select(*columns).where(client_table.c.standing != "revoked").order_by(client_table.c.client_id)
            )
            for row in rows.all():
                await self._warn_of(transaction, row, at)

    async def _warn_of(self, transaction: AsyncConnection, client: Row[Any, Any, Any], at: datetime) -> None:
        for key in sorted(client.jwks, key=lambda key: str(key["kid"])):
            until = key.get("until", 0)
            days = stage_of(until, at.timestamp())
            if not days:
                continue
            row = insert(warning).values(
                client_id=client.client_id, kid=key["kid"], until=until, days=days, warned_at=at, told=False
            )
            new = await transaction.execute(row.on_conflict_do_nothing().returning(warning.c.kid))
            if new.first() is not None:
                event = events.client_key_expiring(
                    client=client.client_id, of=client.department, kid=key["kid"], until=until, days=days, at=at
                )
                await self._outbox.write(transaction, event, at)

    async def _tell(self) -> None:
        waiting = (
            select(warning, client_table.c.department)
            .join(client_table, client_table.c.client_id == warning.c.client_id)
            .where(warning.c.told.is_(False))
            .order_by(warning.c.warned_at)
        )
        async with self._database.connect() as connection:
            rows = (await connection.execute(waiting)).all()
        try:
            for row in rows:
                await self._tell_of(row)
        except HTTPError as error:
            log.warning("key_warnings.waiting", waiting=len(rows), error=type(error).__name__)

    async def _tell_of(self, row: Row[Any]) -> None:
        body = msgspec.json.encode(_told(row))
        headers = {**self._key.headers("POST", notices.PATH, body), "Content-Type": "application/json"}
        (await self._catalog.post(notices.PATH, content=body, headers=headers)).raise_for_status()
        async with self._database.begin() as transaction:
            await transaction.execute(update(warning).where(*_same(row)).values(told=True))


def _same(row: Row[Any]) -> Sequence[Any]:
    names = ("client_id", "kid", "until", "days")
    return [warning.c[name] == getattr(row, name) for name in names]


def _told(row: Row[Any]) -> notices.Told:
    ends = f"{datetime.fromtimestamp(row.until, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return notices.Told(
        key=f"key/{row.client_id}/{row.kid}/{row.until}/{row.days}", word=notices.KEY_EXPIRING,
        department=row.department, office=scopes.OFFICER, kind="client", about=row.client_id,
        facts={"client": row.client_id, "kid": row.kid, "ends": ends, "days": str(row.days)},
    )  # fmt: skip
