"""What the figures are reckoned from: counted in the database where it can, read from the entries where it must."""

from collections import Counter
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import (
    ColumnElement,
    DateTime,
    and_,
    case,
    cast,
    column,
    exists,
    func,
    or_,
    select,
    table,
    union,
    values,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.cases.model import Case
from catalog_service.cases.store import cases, history
from catalog_service.clocks.store import clock
from catalog_service.directory.filing_store import arrival, filing
from catalog_service.directory.freshness import CYCLE_DAYS, PATIENCE
from catalog_service.directory.index import on_shelf, resource_search, shelves_with
from catalog_service.directory.store import department, interface, resource, system
from catalog_service.grants.store import grants
from catalog_service.statistics.model import UNUSED_DAYS, Calls, Scope, Unused
from catalog_service.statistics.usage import Moment, grant_use
from wire.catalog import Department, Grant

GIVEN_UP = ("withdrawn", "rejected")
REFUSED_KINDS = ("application", "renewal")
REFUSED = "refused"
versions = table(
    "resource_version", *map(column, ("code", "n", "published_at", "share_type")), schema="catalog"
)  # fmt: skip
"""What `filing_store` writes, with what the database makes of it."""


def _within(owner: ColumnElement[str], scope: Scope) -> list[ColumnElement[bool]]:
    return [owner == scope.department] if scope.department else []


def _json(entry: ColumnElement[bytes]) -> ColumnElement[Any]:
    return cast(func.convert_from(entry, "UTF8"), JSONB)


# --- the catalog ----------------------------------------------------------------------------------------------------
async def coverage(tx: AsyncConnection, scope: Scope) -> dict[str, tuple[int, int]]:
    """Department -> (entries that are live, entries that were registered and not given up)."""
    live = resource.c.standing != "revoked"
    registered = union(
        select(filing.c.code, filing.c.provider).where(filing.c.state.not_in(GIVEN_UP)),
        select(resource.c.code, resource.c.provider).where(live),
    ).subquery()
    known = and_(resource.c.code == registered.c.code, live)
    wanted = (
        select(registered.c.provider, func.count(resource.c.code), func.count())
        .select_from(registered.outerjoin(resource, known))
        .where(*_within(registered.c.provider, scope))
        .group_by(registered.c.provider)
    )
    return {provider: (published, of) for provider, published, of in await tx.execute(wanted)}


async def names(tx: AsyncConnection, ids: Collection[str]) -> dict[str, str]:
    rows = await tx.execute(select(department.c.entry).where(department.c.id.in_(ids)))
    known = [msgspec.json.decode(entry, type=Department) for entry in rows.scalars()]
    return {one.id: one.name for one in known}


async def share_types(tx: AsyncConnection, scope: Scope) -> Counter[str]:
    """Kind of sharing -> live entries."""
    found = resource_search.c
    wanted = select(found.shelf, func.count()).where(*_within(found.department, scope)).group_by(found.shelf)
    counts: Counter[str] = Counter()
    for shelf, count in await tx.execute(wanted):
        counts[str(on_shelf(shelf)["share_type"])] += count
    return counts


async def unconditional_at(
    tx: AsyncConnection, scope: Scope, moments: Sequence[datetime]
) -> list[tuple[datetime, int, int]]:
    """For each moment: how many of the entries that were live then were shared unconditionally, and how many they were.

    A version holds until the next one, the last one until the entry was withdrawn.
    """
    if not moments:
        return []
    version = versions.c
    following = func.lead(version.published_at).over(partition_by=version.code, order_by=version.n)
    ended = cast(_json(resource.c.entry)[("state", "since")].astext, Moment)
    revoked = case((resource.c.standing == "revoked", ended))
    held = (
        select(
            version.published_at.label("since"),
            func.coalesce(following, revoked).label("until"),
            version.share_type,
        )
        .join(resource, resource.c.code == version.code)
        .where(*_within(resource.c.provider, scope))
        .subquery()
    )
    moment = values(column("at", Moment), name="moment").data([(at,) for at in moments])
    still = held.c.until.is_(None), held.c.until > moment.c.at
    wanted = (
        select(moment.c.at, func.count().filter(held.c.share_type == "unconditional"), func.count(held.c.since))
        .select_from(moment.outerjoin(held, and_(held.c.since <= moment.c.at, or_(*still))))
        .group_by(moment.c.at)
        .order_by(moment.c.at)
    )
    return [(at, unconditional, live) for at, unconditional, live in await tx.execute(wanted)]


async def stale_entries(tx: AsyncConnection, scope: Scope, now: datetime, limit: int) -> tuple[int, int, list[str]]:
    """(how many are stale, how many have a cycle, some codes of stale ones), as `freshness.is_stale` judges them."""
    found = resource_search.c
    published = func.timezone("UTC", cast(func.nullif(found.published, ""), DateTime))
    last = func.coalesce(arrival.c.data_at, published)
    of_cycle = {cycle: found.shelf.in_(shelves_with({"update_cycle": cycle})) for cycle in CYCLE_DAYS}
    stale = or_(*(and_(of_cycle[cycle], last < now - PATIENCE * timedelta(days=n)) for cycle, n in CYCLE_DAYS.items()))
    active = (resource.c.standing == "active", or_(*of_cycle.values()), *_within(found.department, scope))
    entries = resource_search.join(resource, resource.c.code == found.code)
    entries = entries.outerjoin(arrival, arrival.c.code == found.code)
    counted = select(func.count().filter(stale), func.count()).select_from(entries).where(*active)
    count, of = (await tx.execute(counted)).one()
    wanted = select(found.code).select_from(entries).where(*active, stale).order_by(found.code).limit(limit)
    return count, of, list((await tx.execute(wanted)).scalars())


# --- time limits, refusals ------------------------------------------------------------------------------------------
async def limits(tx: AsyncConnection, scope: Scope) -> list[tuple[str, str, int]]:
    """(key, state, how many) of the clocks that fell due in the scope, by whose duty they measure."""
    due = (clock.c.due_at > scope.begins, clock.c.due_at <= scope.ends)  # due_at is the midnight that ends the day
    wanted = select(clock.c.key, clock.c.state, func.count()).where(*due, *_within(clock.c.responsible, scope))
    rows = await tx.execute(wanted.group_by(clock.c.key, clock.c.state))
    return [(key, state, count) for key, state, count in rows]


async def refused(tx: AsyncConnection, scope: Scope) -> list[Case]:
    """Applications and renewals that were refused in the scope."""
    then = and_(
        history.c.case_id == cases.c.id, history.c.at >= scope.begins, history.c.at < scope.ends,
        _json(history.c.entry)["target"].astext == REFUSED,
    )  # fmt: skip
    wanted = select(cases.c.entry).where(cases.c.kind.in_(REFUSED_KINDS), exists().where(then))
    rows = await tx.execute(wanted.where(*_within(cases.c.provider, scope)).order_by(cases.c.id))
    return [msgspec.json.decode(entry, type=Case) for entry in rows.scalars()]


# --- interfaces and their use ---------------------------------------------------------------------------------------
async def interface_stages(tx: AsyncConnection, scope: Scope) -> Counter[str]:
    """Stage -> versions of interfaces; those that were revoked are gone."""
    stage = func.coalesce(_json(interface.c.entry)["stage"].astext, "online")
    wanted = select(stage, func.count()).where(interface.c.standing != "revoked")
    rows = await tx.execute(wanted.where(*_within(interface.c.provider, scope)).group_by(stage))
    return Counter(dict(tuple(row) for row in rows))


async def unused_grants(tx: AsyncConnection, scope: Scope, now: datetime, limit: int) -> tuple[int, int, list[Unused]]:
    """(how many are unused, how many stand, some of the unused ones) among the grants that a department holds."""
    since = now - timedelta(days=UNUSED_DAYS)
    open_end = or_(grants.c.not_after == 0, grants.c.not_after > now.timestamp())
    stands = (grants.c.standing == "active", open_end, *_within(system.c.department, scope))
    called = exists().where(grant_use.c.grant_id == grants.c.id, grant_use.c.last_at >= since)
    unused = and_(grants.c.id < _first_id_at(since), ~called)
    of_holder = grants.join(system, system.c.id == grants.c.system)
    counted = select(func.count().filter(unused), func.count()).select_from(of_holder).where(*stands)
    count, of = (await tx.execute(counted)).one()
    last = select(func.max(grant_use.c.last_at)).where(grant_use.c.grant_id == grants.c.id).scalar_subquery()
    wanted = select(grants.c.entry, last).select_from(of_holder).where(*stands, unused)
    rows = await tx.execute(wanted.order_by(grants.c.id).limit(limit))
    return count, of, [_unused(msgspec.json.decode(entry, type=Grant), used) for entry, used in rows]


def _first_id_at(at: datetime) -> str:
    """What ids of grants (UUID version 7) given before that moment are smaller than."""
    return str(UUID(int=int(at.timestamp() * 1000) << 80))


def _unused(grant: Grant, last_used: datetime | None) -> Unused:
    return Unused(
        grant=grant.id, department=grant.department, system=grant.system, interface=grant.interface,
        last_used=last_used,
    )  # fmt: skip


async def calls(tx: AsyncConnection, scope: Scope) -> list[Calls]:
    """Calls in the scope by version of an interface, most first."""
    of = and_(interface.c.id == grants.c.interface, interface.c.version == grants.c.version)
    total = func.sum(grant_use.c.calls)
    wanted = (
        select(interface.c.id, interface.c.version, interface.c.provider, total, func.sum(grant_use.c.errors))
        .select_from(grant_use.join(grants, grants.c.id == grant_use.c.grant_id).join(interface, of))
        .where(grant_use.c.day.between(scope.first, scope.last), *_within(interface.c.provider, scope))
        .group_by(interface.c.id, interface.c.version)
        .order_by(total.desc(), interface.c.id, interface.c.version)
    )
    return [
        Calls(interface=f"{name}/{version}", provider=provider, calls=int(count), errors=int(errors))
        for name, version, provider, count, errors in await tx.execute(wanted)
    ]
