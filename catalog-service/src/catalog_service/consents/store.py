"""The table of consents. What becomes of one is decided by single statements, so that no two callers both have it."""

from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    Column,
    ColumnElement,
    DateTime,
    LargeBinary,
    MetaData,
    Row,
    Select,
    Table,
    Text,
    delete,
    false,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.consents.model import Consent, Held, Use
from catalog_service.feed.model import Actor
from wire import scopes

metadata = MetaData(schema="catalog")
Moment = DateTime(timezone=True)
consents = Table(
    "consent",
    metadata,
    Column("id", Text, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("system", Text, nullable=False),
    Column("department", Text, nullable=False),
    Column("interface", Text, nullable=False),
    Column("office", Text, nullable=False),
    Column("expires_at", Moment, nullable=False),
    Column("call", Text, nullable=False),
    Column("used_at", Moment),
    Column("revoked_at", Moment),
    Column("entry", LargeBinary, nullable=False),
)
c = consents.c
_SHOWN = (c.call, c.used_at, c.revoked_at, c.entry)


def _held(row: Row[*tuple[Any, ...]]) -> Held:
    used, revoked = (int(at.timestamp()) if at else 0 for at in (row.used_at, row.revoked_at))
    return Held(msgspec.json.decode(row.entry, type=Consent), row.call, used, revoked)


async def keep(tx: AsyncConnection, consent: Consent, expires_at: datetime) -> None:
    same = ("id", "subject", "system", "department", "interface", "office")
    row = {name: getattr(consent, name) for name in same}
    await tx.execute(insert(consents).values(**row, expires_at=expires_at, call="", entry=msgspec.json.encode(consent)))


# --- reading --------------------------------------------------------------------------------------------------------
async def find(tx: AsyncConnection, consent_id: str) -> Held | None:
    row = (await tx.execute(select(*_SHOWN).where(c.id == consent_id))).one_or_none()
    return None if row is None else _held(row)


async def page_of_person(tx: AsyncConnection, subject: str, after: str, limit: int) -> list[Held]:
    """subject: a pseudonym"""
    return await _page(tx, select(*_SHOWN).where(c.subject == subject), after, limit)


async def page_for(tx: AsyncConnection, actor: Actor, system: str, after: str, limit: int) -> list[Held]:
    """What the actor may see (`model.may_see`). system: "" for all"""
    wanted = select(*_SHOWN).where(_seen_by(actor))
    return await _page(tx, wanted.where(c.system == system) if system else wanted, after, limit)


def _seen_by(actor: Actor) -> ColumnElement[bool]:
    through_here = c.office == actor.department if scopes.SUBJECT in actor.offices else false()
    return c.id.is_not(None) if actor.oversees else or_(c.department == actor.department, through_here)


async def _page(tx: AsyncConnection, wanted: Select[Any], after: str, limit: int) -> list[Held]:
    rows = await tx.execute(wanted.where(c.id > after).order_by(c.id).limit(limit))
    return [_held(row) for row in rows]


# --- what becomes of it ---------------------------------------------------------------------------------------------
async def take(tx: AsyncConnection, consent_id: str, use: Use, at: datetime) -> bool:
    """Whether the call has it from now on: not one that is used, taken back, at its end, or for something else."""
    free = (c.call == "", c.revoked_at.is_(None), c.expires_at > at)
    fits = (c.system == use.system, c.interface == use.interface)
    taken = update(consents).where(c.id == consent_id, *free, *fits).values(call=use.call, used_at=at)
    return (await tx.execute(taken.returning(c.id))).first() is not None


async def give_back(tx: AsyncConnection, consent_id: str, call: str) -> bool:
    """Whether it was this call's, and is nobody's now."""
    freed = update(consents).where(c.id == consent_id, c.call == call, c.call != "").values(call="", used_at=None)
    return (await tx.execute(freed.returning(c.id))).first() is not None


async def revoke(tx: AsyncConnection, consent_id: str, at: datetime) -> bool:
    """Whether this was the first time."""
    ended = update(consents).where(c.id == consent_id, c.revoked_at.is_(None)).values(revoked_at=at)
    return (await tx.execute(ended.returning(c.id))).first() is not None


async def forget(tx: AsyncConnection, before: datetime, limit: int) -> int:
    """How many of those that ended before that moment are gone now."""
    old = select(c.id).where(c.expires_at < before).limit(limit).with_for_update(skip_locked=True)
    gone = await tx.execute(delete(consents).where(c.id.in_(old)).returning(c.id))
    return len(gone.all())
