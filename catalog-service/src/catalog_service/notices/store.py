"""The table of notices. Columns hold what the database has to know; `entry` is the whole."""

from datetime import datetime

import msgspec
from sqlalchemy import Column, ColumnElement, DateTime, LargeBinary, MetaData, Table, Text, and_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.feed.model import Actor
from catalog_service.notices.model import Notice, Received

metadata = MetaData(schema="catalog")
Moment = DateTime(timezone=True)
notice = Table(
    "notice",
    metadata,
    Column("id", Text, primary_key=True),
    Column("department", Text, nullable=False),
    Column("office", Text, nullable=False),
    Column("client", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("read_at", Moment),
    Column("entry", LargeBinary, nullable=False),
)


async def add_notice(tx: AsyncConnection, one: Notice, key: str) -> bool:
    """False if this inbox has had a message of that key."""
    row = insert(notice).values(
        id=one.id, department=one.to.department, office=one.to.office, client=one.to.client, key=key,
        entry=msgspec.json.encode(one),
    )  # fmt: skip
    return (await tx.execute(row.on_conflict_do_nothing().returning(notice.c.id))).first() is not None


def _readable(actor: Actor) -> ColumnElement[bool]:
    """The same as `model.may_read`, where the rows are."""
    return and_(
        notice.c.department.in_((actor.department, "")),
        notice.c.office.in_(("", *actor.offices)),
        notice.c.client.in_((actor.client, "")),
    )


async def inbox(tx: AsyncConnection, actor: Actor, *, unread: bool, after: str, limit: int) -> list[Received]:
    """What the actor may read, oldest first."""
    wanted = select(notice.c.entry, notice.c.read_at).where(_readable(actor), notice.c.id > after)
    if unread:
        wanted = wanted.where(notice.c.read_at.is_(None))
    rows = await tx.execute(wanted.order_by(notice.c.id).limit(limit))
    return [Received(notice=_notice(row.entry), read_at=row.read_at) for row in rows]


async def mark_read(tx: AsyncConnection, actor: Actor, notice_id: str, at: datetime) -> Received | None:
    """The notice, read now or before; None if there is none that the actor may read."""
    mine = and_(notice.c.id == notice_id, _readable(actor))
    await tx.execute(update(notice).where(mine, notice.c.read_at.is_(None)).values(read_at=at))
    row = (await tx.execute(select(notice.c.entry, notice.c.read_at).where(mine))).one_or_none()
    return None if row is None else Received(notice=_notice(row.entry), read_at=row.read_at)


def _notice(entry: bytes) -> Notice:
    return msgspec.json.decode(entry, type=Notice)
