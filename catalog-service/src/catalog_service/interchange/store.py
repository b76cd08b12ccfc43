"""What the directory has live, in one order, read as it goes."""

from collections.abc import AsyncIterator, Sequence
from typing import TypeVar

import msgspec
from sqlalchemy import ColumnElement, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.directory import store
from catalog_service.directory.entry import Resource
from catalog_service.directory.model import SERVED, Department, Interface
from wire.catalog import System

T = TypeVar("T")


async def _stream(
    tx: AsyncConnection, table: Table, of: type[T], order: Sequence[ColumnElement[str]], provider: str, owner: str
) -> AsyncIterator[T]:
    wanted = select(table.c.entry).where(table.c.standing != "revoked").order_by(*order)
    if provider:
        wanted = wanted.where(table.c[owner] == provider)
    async with tx.stream(wanted) as rows:
        async for row in rows:
            yield msgspec.json.decode(row.entry, type=of)


def departments(tx: AsyncConnection, only: str = "") -> AsyncIterator[Department]:
    return _stream(tx, store.department, Department, (store.department.c.id,), only, "id")


def systems(tx: AsyncConnection, provider: str = "") -> AsyncIterator[System]:
    return _stream(tx, store.system, System, (store.system.c.id,), provider, "department")


def resources(tx: AsyncConnection, provider: str = "") -> AsyncIterator[Resource]:
    return _stream(tx, store.resource, Resource, (store.resource.c.code,), provider, "provider")


async def interfaces(tx: AsyncConnection, provider: str = "") -> AsyncIterator[Interface]:
    """Versions that are in use: the others are still, or again, work of their department."""
    order = (store.interface.c.id, store.interface.c.version)
    async for interface in _stream(tx, store.interface, Interface, order, provider, "provider"):
        if interface.stage in SERVED:
            yield interface


async def page_of_published(tx: AsyncConnection, provider: str, after: str, limit: int) -> list[Resource]:
    """Entries in good standing, by code."""
    table = store.resource
    wanted = select(table.c.entry).where(table.c.standing == "active", table.c.code > after).order_by(table.c.code)
    rows = await tx.execute((wanted.where(table.c.provider == provider) if provider else wanted).limit(limit))
    return [msgspec.json.decode(entry, type=Resource) for entry in rows.scalars()]


async def served_interfaces_of(tx: AsyncConnection, codes: Sequence[str]) -> list[Interface]:
    """Versions that open these entries and may be used, by id."""
    table = store.interface
    wanted = select(table.c.entry).where(table.c.resource.in_(codes), table.c.standing == "active")
    rows = await tx.execute(wanted.order_by(table.c.id, table.c.version))
    found = [msgspec.json.decode(entry, type=Interface) for entry in rows.scalars()]
    return [one for one in found if one.is_served and one.standing.standing == "active"]


async def listed(things: AsyncIterator[T]) -> list[T]:
    return [thing async for thing in things]


async def names_of_resources(tx: AsyncConnection, provider: str) -> dict[str, str]:
    """code -> name of a department's live entries."""
    return {resource.code: resource.name async for resource in resources(tx, provider)}


async def last_version_before(tx: AsyncConnection, interface_id: str, version: str) -> Interface | None:
    """The version that is registered under this number, or the highest below it."""
    wanted = select(store.interface.c.entry).where(store.interface.c.id == interface_id)
    known = [msgspec.json.decode(entry, type=Interface) for entry in (await tx.execute(wanted)).scalars()]
    number = int(version.removeprefix("v"))
    earlier = [one for one in known if int(one.version.removeprefix("v")) <= number]
    return max(earlier, key=lambda one: int(one.version.removeprefix("v")), default=None)
