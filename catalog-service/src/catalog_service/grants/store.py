"""The table of grants. Columns hold what the database has to know; `entry` is the whole grant as published."""

import msgspec
from sqlalchemy import Column, LargeBinary, MetaData, Table, Text, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

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
    Column("entry", LargeBinary, nullable=False),
)


async def find_grant(tx: AsyncConnection, grant_id: str, *, for_change: bool = False) -> Grant | None:
    wanted = select(grants.c.entry).where(grants.c.id == grant_id)
    entry = (await tx.execute(wanted.with_for_update() if for_change else wanted)).scalar_one_or_none()
    return None if entry is None else msgspec.json.decode(entry, type=Grant)


async def keep_grant(tx: AsyncConnection, grant: Grant) -> None:
    """Insert the grant, or its new standing: nothing else of a grant ever changes."""
    interface_id, _, version = grant.interface.partition("/")
    new = insert(grants).values(
        id=grant.id, system=grant.system, interface=interface_id, version=version,
        standing=grant.state.standing, entry=msgspec.json.encode(grant),
    )  # fmt: skip
    replaced = {"standing": new.excluded.standing, "entry": new.excluded.entry}
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
