"""The tables of filings, versions, stages and arrivals. What was done and what was published is only ever added to."""

from collections.abc import Iterable, Mapping
from datetime import datetime

import msgspec
from sqlalchemy import (
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    column,
    func,
    insert,
    select,
    table,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.directory import store
from catalog_service.directory.entry import Resource
from catalog_service.directory.evidence import Evidence
from catalog_service.directory.filing import Filing
from wire.catalog import Grant

metadata = MetaData(schema="catalog")
Moment = DateTime(timezone=True)
filing = Table(
    "filing",
    metadata,
    Column("code", Text, primary_key=True),
    Column("provider", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("entry", LargeBinary, nullable=False),
)
filing_step = Table(
    "filing_step",
    metadata,
    Column("code", Text, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("entry", LargeBinary, nullable=False),
)
resource_version = Table(
    "resource_version",
    metadata,
    Column("code", Text, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("published_at", Moment, nullable=False),
    Column("published_by", Text, nullable=False),
    Column("step", Integer, nullable=False),
    Column("entry", LargeBinary, nullable=False),
)
arrival = Table(
    "arrival",
    metadata,
    Column("code", Text, primary_key=True),
    Column("data_at", Moment, nullable=False),
    Column("reported_at", Moment, nullable=False),
    Column("reported_by", Text, nullable=False),
)
interface_step = Table(
    "interface_step",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("at", Moment, nullable=False),
    Column("entry", LargeBinary, nullable=False),
)
_grants = table("grants", column("interface"), column("version"), column("standing"), column("entry"), schema="catalog")
"""Grants are a higher slice's; whoever ends a service has to know whom it serves."""


class Step(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that was done: by whom, as what, from where to where, on which ground, under which law."""

    n: int
    at: datetime
    event: str
    source: str
    target: str
    client: str
    department: str
    role: str
    article: str
    evidence: Evidence = Evidence()
    profile: str = ""
    profile_version: str = ""


class Version(msgspec.Struct, frozen=True, kw_only=True):
    """One text that was published; `step` is the number of the step that did it, 0 where there was none."""

    n: int
    published_at: datetime
    published_by: str
    step: int
    entry: Resource


# --- filings --------------------------------------------------------------------------------------------------------
async def find_filing(tx: AsyncConnection, code: str, *, for_change: bool = False) -> Filing | None:
    wanted = select(filing.c.entry).where(filing.c.code == code)
    entry = (await tx.execute(wanted.with_for_update() if for_change else wanted)).scalar_one_or_none()
    return None if entry is None else msgspec.json.decode(entry, type=Filing)


async def keep_filing(tx: AsyncConnection, one: Filing) -> None:
    row = {"code": one.code, "provider": one.provider, "state": one.state, "entry": msgspec.json.encode(one)}
    new = upsert(filing).values(**row)
    replaced = {name: new.excluded[name] for name in row if name != "code"}
    await tx.execute(new.on_conflict_do_update(index_elements=[filing.c.code], set_=replaced))


async def page_of_filings(
    tx: AsyncConnection, wanted: Mapping[str, str], seen_by: str | None, after: str, limit: int
) -> list[Filing]:
    """wanted: column -> value; seen_by: the department that asks, None for those who see all."""
    question = select(filing.c.entry).where(filing.c.code > after).order_by(filing.c.code).limit(limit)
    for name, value in wanted.items():
        question = question.where(filing.c[name] == value)
    if seen_by is not None:
        question = question.where(filing.c.provider == seen_by)
    entries = (await tx.execute(question)).scalars()
    return [msgspec.json.decode(entry, type=Filing) for entry in entries]


async def add_step(tx: AsyncConnection, code: str, step: Step) -> None:
    row = {"code": code, "n": step.n, "at": step.at, "entry": msgspec.json.encode(step)}
    await tx.execute(insert(filing_step).values(row))


async def steps_of(tx: AsyncConnection, code: str) -> list[Step]:
    wanted = select(filing_step.c.entry).where(filing_step.c.code == code).order_by(filing_step.c.n)
    return [msgspec.json.decode(entry, type=Step) for entry in (await tx.execute(wanted)).scalars()]


# --- versions -------------------------------------------------------------------------------------------------------
async def last_version(tx: AsyncConnection, code: str) -> int:
    """The number of the newest version, 0 where nothing was published."""
    newest = select(func.max(resource_version.c.n)).where(resource_version.c.code == code)
    return (await tx.execute(newest)).scalar_one() or 0


async def add_version(tx: AsyncConnection, version: Version) -> None:
    await tx.execute(
        insert(resource_version).values(
            code=version.entry.code, n=version.n, published_at=version.published_at,
            published_by=version.published_by, step=version.step, entry=msgspec.json.encode(version.entry),
        )
    )  # fmt: skip


async def versions_of(tx: AsyncConnection, code: str, numbers: Iterable[int] = ()) -> list[Version]:
    """These versions of an entry, or all; the oldest first."""
    c = resource_version.c
    question = select(c.n, c.published_at, c.published_by, c.step, c.entry).where(c.code == code).order_by(c.n)
    if wanted := list(numbers):
        question = question.where(c.n.in_(wanted))
    return [
        Version(
            n=row.n, published_at=row.published_at, published_by=row.published_by, step=row.step,
            entry=msgspec.json.decode(row.entry, type=Resource),
        )
        for row in await tx.execute(question)
    ]  # fmt: skip


# --- arrivals -------------------------------------------------------------------------------------------------------
async def keep_arrival(tx: AsyncConnection, code: str, data_at: datetime, at: datetime, by: str) -> None:
    """New data came; an older date than the one that is known says nothing new."""
    new = upsert(arrival).values(code=code, data_at=data_at, reported_at=at, reported_by=by)
    replaced = {name: new.excluded[name] for name in ("data_at", "reported_at", "reported_by")}
    later = arrival.c.data_at < new.excluded.data_at
    await tx.execute(new.on_conflict_do_update(index_elements=[arrival.c.code], set_=replaced, where=later))


async def last_arrivals(tx: AsyncConnection, codes: Iterable[str]) -> dict[str, datetime]:
    """Code -> when data last arrived, for those of which somebody ever said so."""
    wanted = select(arrival.c.code, arrival.c.data_at).where(arrival.c.code.in_(list(codes)))
    return {row.code: row.data_at for row in await tx.execute(wanted)}


# --- interfaces -----------------------------------------------------------------------------------------------------
async def add_interface_step(tx: AsyncConnection, interface_id: str, version: str, step: Step) -> None:
    row = {"id": interface_id, "version": version, "n": step.n, "at": step.at, "entry": msgspec.json.encode(step)}
    await tx.execute(insert(interface_step).values(row))


async def interface_steps_of(tx: AsyncConnection, interface_id: str, version: str) -> list[Step]:
    c = interface_step.c
    wanted = select(c.entry).where(c.id == interface_id, c.version == version).order_by(c.n)
    return [msgspec.json.decode(entry, type=Step) for entry in (await tx.execute(wanted)).scalars()]


async def subscribers_of_resource(tx: AsyncConnection, code: str, at: datetime) -> frozenset[str]:
    """Departments with a grant on any interface of the entry that can be used, or could if nothing were suspended."""
    of_it = (store.interface.c.id == _grants.c.interface) & (store.interface.c.version == _grants.c.version)
    wanted = select(_grants.c.entry).join(store.interface, of_it).where(store.interface.c.resource == code)
    return await _holders(tx, wanted, at)


async def subscribers_of_interface(
    tx: AsyncConnection, interface_id: str, version: str, at: datetime
) -> frozenset[str]:
    """The same for one version of an interface."""
    wanted = select(_grants.c.entry).where(_grants.c.interface == interface_id, _grants.c.version == version)
    return await _holders(tx, wanted, at)


async def _holders(tx: AsyncConnection, wanted: Select[bytes], at: datetime) -> frozenset[str]:
    rows = (await tx.execute(wanted.where(_grants.c.standing != "revoked"))).scalars()
    grants = [msgspec.json.decode(entry, type=Grant) for entry in rows]
    return frozenset(one.department for one in grants if not one.not_after or one.not_after > at.timestamp())
