"""The table of grants. Columns hold what the database has to know; `entry` is the whole grant as published."""

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    and_,
    case,
    or_,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.directory.store import interface as interfaces
from wire.catalog import Grant

metadata = MetaData(schema="catalog")
grants = Table(
    "grants",
    metadata,
    Column("id", Text, primary_key=True),
    Column("system", Text, nullable=False),
    Column("interface", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("standing", Text, nullable=False),
    Column("not_after", BigInteger, nullable=False),
    Column("reminded_days", Integer),
    Column("entry", LargeBinary, nullable=False),
)


async def find_grant(tx: AsyncConnection, grant_id: str, *, for_change: bool = False) -> Grant | None:
    wanted = select(grants.c.entry).where(grants.c.id == grant_id)
    entry = (await tx.execute(wanted.with_for_update() if for_change else wanted)).scalar_one_or_none()
    return None if entry is None else msgspec.json.decode(entry, type=Grant)


async def hold_grants_of_system(tx: AsyncConnection, system: str) -> list[Grant]:
    """All that the system was ever given, held in the order in which everybody holds them."""
    wanted = select(grants.c.entry).where(grants.c.system == system).order_by(grants.c.id).with_for_update()
    return [msgspec.json.decode(entry, type=Grant) for entry in (await tx.execute(wanted)).scalars()]


async def keep_grant(tx: AsyncConnection, grant: Grant) -> None:
    """Insert the grant, or its new standing and term: nothing else of a grant ever changes."""
    interface_id, _, version = grant.interface.partition("/")
    new = insert(grants).values(
        id=grant.id, system=grant.system, interface=interface_id, version=version,
        standing=grant.state.standing, not_after=grant.not_after, entry=msgspec.json.encode(grant),
    )  # fmt: skip
    same_term = grants.c.not_after == new.excluded.not_after
    replaced = {
        "standing": new.excluded.standing, "not_after": new.excluded.not_after, "entry": new.excluded.entry,
        "reminded_days": case((same_term, grants.c.reminded_days), else_=None),
    }  # fmt: skip
    await tx.execute(new.on_conflict_do_update(index_elements=[grants.c.id], set_=replaced))


async def page_of_grants(tx: AsyncConnection, system: str, interface: str, after: str, limit: int) -> list[Grant]:
    """system, interface ("id/v1"): "" for all"""
    wanted = select(grants.c.entry).where(grants.c.id > after).order_by(grants.c.id).limit(limit)
    if system:
        wanted = wanted.where(grants.c.system == system)
    if interface:
        interface_id, _, version = interface.partition("/")
        wanted = wanted.where(grants.c.interface == interface_id, grants.c.version == version)
    entries = (await tx.execute(wanted)).scalars()
    return [msgspec.json.decode(entry, type=Grant) for entry in entries]


async def take_ending_grants(tx: AsyncConnection, now: int, days: int, limit: int) -> list[Grant]:
    """Grants in force that end within so many days and were not yet told so; they count as told from now on."""
    soon = grants.c.not_after.between(now + 1, now + days * 86_400)
    untold = or_(grants.c.reminded_days.is_(None), grants.c.reminded_days > days)
    wanted = select(grants.c.id).where(grants.c.standing == "active", soon, untold).order_by(grants.c.not_after)
    free = wanted.limit(limit).with_for_update(skip_locked=True)
    told = update(grants).where(grants.c.id.in_(free)).values(reminded_days=days).returning(grants.c.entry)
    return [msgspec.json.decode(entry, type=Grant) for entry in (await tx.execute(told)).scalars()]


async def grants_on_resource(tx: AsyncConnection, code: str, now: int) -> list[Grant]:
    """Grants on any interface that opens the resource which can be used at the Unix second `now`, or will be."""
    opens_it = and_(interfaces.c.id == grants.c.interface, interfaces.c.version == grants.c.version)
    lasting = or_(grants.c.not_after == 0, grants.c.not_after > now)
    wanted = select(grants.c.entry).join(interfaces, opens_it).where(interfaces.c.resource == code)
    in_force = wanted.where(grants.c.standing == "active", lasting).order_by(grants.c.id)
    return [msgspec.json.decode(entry, type=Grant) for entry in (await tx.execute(in_force)).scalars()]
