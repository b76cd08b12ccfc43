"""The tables of the law in force and of working-day calendars; both only grow."""

from collections.abc import Mapping

import msgspec
from sqlalchemy import BigInteger, Column, Identity, LargeBinary, MetaData, Table, Text, insert, select
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.policy.model import Activation, Import

metadata = MetaData(schema="catalog")
CALENDARS = "calendars"
"""Name of the lock on all calendars (`Change.lock`)."""
profile_text = Table(
    "profile_text",
    metadata,
    Column("profile", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("texts", LargeBinary, nullable=False),
)
activation = Table(
    "activation",
    metadata,
    Column("n", BigInteger, Identity(always=True), primary_key=True),
    Column("profile", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("entry", LargeBinary, nullable=False),
)
calendar = Table(
    "calendar",
    metadata,
    Column("n", BigInteger, Identity(always=True), primary_key=True),
    Column("region", Text, nullable=False),
    Column("version", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("entry", LargeBinary, nullable=False),
)


async def in_force(tx: AsyncConnection) -> Activation | None:
    """The last activation, None before the first."""
    wanted = select(activation.c.entry).order_by(activation.c.n.desc()).limit(1)
    entry = (await tx.execute(wanted)).scalar_one_or_none()
    return None if entry is None else msgspec.json.decode(entry, type=Activation)


async def activations(tx: AsyncConnection) -> list[Activation]:
    """All, newest first."""
    entries = (await tx.execute(select(activation.c.entry).order_by(activation.c.n.desc()))).scalars()
    return [msgspec.json.decode(entry, type=Activation) for entry in entries]


async def keep_activation(tx: AsyncConnection, one: Activation, texts: Mapping[str, str]) -> None:
    """Add an activation, and the texts if this version was never in force."""
    kept = upsert(profile_text).values(profile=one.profile, version=one.version, texts=msgspec.json.encode(texts))
    await tx.execute(kept.on_conflict_do_nothing())
    row = {"profile": one.profile, "version": one.version, "entry": msgspec.json.encode(one)}
    await tx.execute(insert(activation).values(**row))


async def texts_of(tx: AsyncConnection, profile: str, version: str) -> dict[str, str] | None:
    """The texts of a version that was in force once."""
    wanted = select(profile_text.c.texts).where(profile_text.c.profile == profile, profile_text.c.version == version)
    texts = (await tx.execute(wanted)).scalar_one_or_none()
    return None if texts is None else msgspec.json.decode(texts, type=dict[str, str])


async def calendar_version(tx: AsyncConnection, region: str) -> str | None:
    """The newest version of a region's calendar."""
    wanted = select(calendar.c.version).where(calendar.c.region == region).order_by(calendar.c.n.desc()).limit(1)
    return (await tx.execute(wanted)).scalar_one_or_none()


async def calendar_text(tx: AsyncConnection, region: str, version: str) -> str | None:
    wanted = select(calendar.c.text).where(calendar.c.region == region, calendar.c.version == version).limit(1)
    return (await tx.execute(wanted)).scalar_one_or_none()


async def keep_calendar(tx: AsyncConnection, one: Import, text: str) -> None:
    row = {"region": one.region, "version": one.version, "text": text, "entry": msgspec.json.encode(one)}
    await tx.execute(insert(calendar).values(**row))


async def imports(tx: AsyncConnection, region: str) -> list[Import]:
    """What was imported for a region, newest first."""
    wanted = select(calendar.c.entry).where(calendar.c.region == region).order_by(calendar.c.n.desc())
    return [msgspec.json.decode(entry, type=Import) for entry in (await tx.execute(wanted)).scalars()]
