"""The tables of health: what each exchange said last, calls by day, and which drift was told."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    LargeBinary,
    MetaData,
    Table,
    Text,
    delete,
    func,
    select,
    tuple_,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.directory.health.model import Seen
from catalog_service.directory.model import Interface
from catalog_service.directory.store import interface
from wire.health import Drift

metadata = MetaData(schema="catalog")
Key = tuple[str, str]
"""Id and version."""
health_report = Table(
    "health_report", metadata, Column("exchange", Text, primary_key=True), Column("until", BigInteger, nullable=False)
)
interface_health = Table(
    "interface_health",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("exchange", Text, primary_key=True),
    Column("heard_ms", BigInteger, nullable=False),
    Column("entry", LargeBinary, nullable=False),
)
interface_day = Table(
    "interface_day",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("failures", BigInteger, nullable=False),
)
interface_drift = Table(
    "interface_drift",
    metadata,
    Column("id", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("contract", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("path", Text, primary_key=True),
    Column("told_at", DateTime(timezone=True), nullable=False),
)


async def is_news(tx: AsyncConnection, exchange: str, until_ms: int) -> bool:
    """Whether the exchange told nothing later yet; from now on it has told this."""
    new = insert(health_report).values(exchange=exchange, until=until_ms)
    newer = new.on_conflict_do_update(
        index_elements=[health_report.c.exchange], set_={"until": new.excluded.until},
        where=health_report.c.until < new.excluded.until,
    )  # fmt: skip
    return (await tx.execute(newer.returning(health_report.c.until))).first() is not None


async def interfaces_of(tx: AsyncConnection, keys: Iterable[Key]) -> dict[Key, Interface]:
    """Those of them that there are, in the order of their keys."""
    c = interface.c
    wanted = select(c.entry).where(tuple_(c.id, c.version).in_(list(keys))).order_by(c.id, c.version)
    found = [msgspec.json.decode(entry, type=Interface) for entry in (await tx.execute(wanted)).scalars()]
    return {(one.id, one.version): one for one in found}


async def seen_of(tx: AsyncConnection, keys: Iterable[Key]) -> dict[Key, dict[str, Seen]]:
    """Interface -> exchange -> what it said, of those of which anybody ever said anything."""
    c = interface_health.c
    wanted = select(c.id, c.version, c.exchange, c.entry).where(tuple_(c.id, c.version).in_(list(keys)))
    found: dict[Key, dict[str, Seen]] = {}
    for row in await tx.execute(wanted.order_by(c.exchange)):
        found.setdefault((row.id, row.version), {})[row.exchange] = msgspec.json.decode(row.entry, type=Seen)
    return found


async def keep_seen(tx: AsyncConnection, exchange: str, seen: Mapping[Key, Seen]) -> None:
    rows = [
        {
            "id": one, "version": version, "exchange": exchange, "heard_ms": view.heard_ms,
            "entry": msgspec.json.encode(view),
        }
        for (one, version), view in seen.items()
    ]  # fmt: skip
    new = insert(interface_health).values(rows)
    key = [interface_health.c.id, interface_health.c.version, interface_health.c.exchange]
    replaced = {name: new.excluded[name] for name in ("heard_ms", "entry")}
    await tx.execute(new.on_conflict_do_update(index_elements=key, set_=replaced))


async def forget(tx: AsyncConnection, before_ms: int) -> None:
    """What exchanges said that nobody heard of since: each start of a replica may bring a new name."""
    await tx.execute(delete(interface_health).where(interface_health.c.heard_ms < before_ms))


async def count(tx: AsyncConnection, day: date, counted: Mapping[Key, tuple[int, int]]) -> None:
    """Add (calls, failures) to the day; in the order of the keys, so that no two reports wait for each other."""
    rows = [
        {"id": one, "version": version, "day": day, "calls": calls, "failures": failures}
        for (one, version), (calls, failures) in sorted(counted.items())
    ]
    new, c = insert(interface_day).values(rows), interface_day.c
    added = {name: c[name] + new.excluded[name] for name in ("calls", "failures")}
    await tx.execute(new.on_conflict_do_update(index_elements=[c.id, c.version, c.day], set_=added))


async def counts_since(tx: AsyncConnection, keys: Iterable[Key], first: date) -> dict[Key, tuple[int, int]]:
    """Interface -> (calls, failures) from that day on, of those that were called."""
    c = interface_day.c
    wanted = (
        select(c.id, c.version, func.sum(c.calls), func.sum(c.failures))
        .where(tuple_(c.id, c.version).in_(list(keys)), c.day >= first)
        .group_by(c.id, c.version)
    )
    return {(row[0], row[1]): (int(row[2]), int(row[3])) for row in await tx.execute(wanted)}


async def told_drift(tx: AsyncConnection, key: Key, contract: str) -> list[tuple[str, str]]:
    """Places (path, kind) of this contract that were told."""
    c = interface_drift.c
    wanted = select(c.path, c.kind).where(c.id == key[0], c.version == key[1], c.contract == contract)
    return [(row.path, row.kind) for row in await tx.execute(wanted)]


async def keep_told(tx: AsyncConnection, key: Key, contract: str, drift: Sequence[Drift], at: datetime) -> None:
    one, version = key
    rows = [
        {"id": one, "version": version, "contract": contract, "kind": place.kind, "path": place.path, "told_at": at}
        for place in drift
    ]
    await tx.execute(insert(interface_drift).values(rows).on_conflict_do_nothing())
