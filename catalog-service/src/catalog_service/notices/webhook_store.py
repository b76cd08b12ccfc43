"""The tables of webhooks and of what is on its way to them."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Identity,
    Integer,
    LargeBinary,
    Select,
    Table,
    Text,
    and_,
    func,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.notices.model import Address, Notice
from catalog_service.notices.store import Moment, metadata, notice
from catalog_service.notices.webhook import Delivery, DeliveryState, Webhook

webhook = Table(
    "webhook",
    metadata,
    Column("id", Text, primary_key=True),
    Column("department", Text, nullable=False),
    Column("office", Text, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("entry", LargeBinary, nullable=False),
)
delivery = Table(
    "delivery",
    metadata,
    Column("n", BigInteger, Identity(always=True), primary_key=True),
    Column("webhook", Text, nullable=False),
    Column("notice", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_at", Moment, nullable=False),
    Column("leased_until", Moment),
    Column("error", Text, nullable=False),
)


# --- webhooks -------------------------------------------------------------------------------------------------------
async def find_webhook(tx: AsyncConnection, webhook_id: str, *, for_change: bool = False) -> Webhook | None:
    wanted = select(webhook.c.entry).where(webhook.c.id == webhook_id)
    entry = (await tx.execute(wanted.with_for_update() if for_change else wanted)).scalar_one_or_none()
    return None if entry is None else msgspec.json.decode(entry, type=Webhook)


async def keep_webhook(tx: AsyncConnection, one: Webhook) -> None:
    new = insert(webhook).values(
        id=one.id, department=one.department, office=one.office, active=one.active, entry=msgspec.json.encode(one)
    )
    changes = {name: new.excluded[name] for name in ("office", "active", "entry")}
    await tx.execute(new.on_conflict_do_update(index_elements=[webhook.c.id], set_=changes))


async def webhooks_of(tx: AsyncConnection, department: str, after: str, limit: int) -> list[Webhook]:
    wanted = select(webhook.c.entry).where(webhook.c.department == department, webhook.c.id > after)
    return await _webhooks(tx, wanted.order_by(webhook.c.id).limit(limit))


async def webhooks_for(tx: AsyncConnection, to: Collection[Address]) -> list[Webhook]:
    """The active ones that get what comes to any of these inboxes."""
    departments = [address.department for address in to if address.department]
    everywhere = [address.office for address in to if not address.department]
    served = or_(and_(webhook.c.office == "", webhook.c.department.in_(departments)), webhook.c.office.in_(everywhere))
    return await _webhooks(tx, select(webhook.c.entry).where(webhook.c.active, served).order_by(webhook.c.id))


async def _webhooks(tx: AsyncConnection, wanted: Select[bytes]) -> list[Webhook]:
    return [msgspec.json.decode(entry, type=Webhook) for entry in (await tx.execute(wanted)).scalars()]


# --- deliveries -----------------------------------------------------------------------------------------------------
_SHOWN = (
    delivery.c.n, delivery.c.webhook, delivery.c.notice, delivery.c.state, delivery.c.attempts, delivery.c.next_at,
    delivery.c.error,
)  # fmt: skip


def _delivery(row: Any) -> Delivery:
    return Delivery(**{column.name: getattr(row, column.name) for column in _SHOWN})


async def add_delivery(tx: AsyncConnection, webhook_id: str, notice_id: str, key: str, at: datetime) -> None:
    """One message for one event, however many of the department's inboxes it comes to."""
    row = insert(delivery).values(
        webhook=webhook_id, notice=notice_id, key=key, state="waiting", attempts=0, next_at=at, error=""
    )
    await tx.execute(row.on_conflict_do_nothing(index_elements=[delivery.c.webhook, delivery.c.key]))


def _sendable(at: datetime) -> ColumnElement[bool]:
    free = or_(delivery.c.leased_until.is_(None), delivery.c.leased_until <= at)
    return and_(delivery.c.state == "waiting", delivery.c.next_at <= at, free)


async def waiting_webhooks(tx: AsyncConnection, at: datetime, but: Collection[str], limit: int) -> list[str]:
    """Webhooks that something waits for, those that have waited longest first."""
    wanted = select(delivery.c.webhook).where(_sendable(at), delivery.c.webhook.not_in(but))
    grouped = wanted.group_by(delivery.c.webhook).order_by(func.min(delivery.c.next_at)).limit(limit)
    return list((await tx.execute(grouped)).scalars())


async def lease(tx: AsyncConnection, webhook_id: str, at: datetime, until: datetime) -> tuple[Delivery, Notice] | None:
    """The next message for a webhook, which nobody else sends before `until`."""
    first = select(delivery.c.n).where(_sendable(at), delivery.c.webhook == webhook_id).order_by(delivery.c.n).limit(1)
    taken = update(delivery).where(delivery.c.n == first.with_for_update(skip_locked=True).scalar_subquery())
    row = (await tx.execute(taken.values(leased_until=until).returning(*_SHOWN))).one_or_none()
    if row is None:
        return None
    entry = (await tx.execute(select(notice.c.entry).where(notice.c.id == row.notice))).scalar_one()
    return _delivery(row), msgspec.json.decode(entry, type=Notice)


async def settle(tx: AsyncConnection, one: Delivery, leased_until: datetime) -> None:
    """What came of an attempt, unless the lease has gone to somebody else or the webhook was revoked meanwhile."""
    mine = update(delivery).where(
        delivery.c.n == one.n, delivery.c.leased_until == leased_until, delivery.c.state == "waiting"
    )
    outcome = {"state": one.state, "attempts": one.attempts, "next_at": one.next_at, "error": one.error}
    await tx.execute(mine.values(**outcome, leased_until=None))


async def give_up(tx: AsyncConnection, webhook_id: str, error: str) -> None:
    """What still waits for a webhook waits no longer."""
    waiting = update(delivery).where(delivery.c.webhook == webhook_id, delivery.c.state == "waiting")
    await tx.execute(waiting.values(state="dead", error=error))


async def revive(tx: AsyncConnection, webhook_id: str, n: int, at: datetime) -> Delivery | None:
    """A dead letter that waits again; None if it is none."""
    dead = update(delivery).where(delivery.c.webhook == webhook_id, delivery.c.n == n, delivery.c.state == "dead")
    revived = dead.values(state="waiting", attempts=0, next_at=at, leased_until=None).returning(*_SHOWN)
    row = (await tx.execute(revived)).one_or_none()
    return None if row is None else _delivery(row)


async def deliveries_of(
    tx: AsyncConnection, webhook_id: str, state: DeliveryState | None, after: int, limit: int
) -> list[Delivery]:
    wanted = select(*_SHOWN).where(delivery.c.webhook == webhook_id, delivery.c.n > after)
    if state is not None:
        wanted = wanted.where(delivery.c.state == state)
    return [_delivery(row) for row in await tx.execute(wanted.order_by(delivery.c.n).limit(limit))]
