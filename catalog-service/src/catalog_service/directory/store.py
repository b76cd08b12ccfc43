"""The tables of the directory. Columns hold what the database has to know; `entry` is the whole as JSON bytes."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal, TypeVar

import msgspec
from sqlalchemy import Column, LargeBinary, MetaData, Select, Table, Text, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.directory import index
from catalog_service.directory.entry import Resource
from catalog_service.directory.model import Department, Interface
from wire.catalog import System

metadata = MetaData(schema="catalog")
T = TypeVar("T")
AT_ONCE = 1000
"""Rows that are fetched together; without a number all of them are."""
Hold = Literal["", "share", "update"]
"""Until the transaction ends: nothing, keep it as it is for all who rest on it, or be the only one to change it."""


def _table(name: str, *columns: str, key: Sequence[str] = ("id",)) -> Table:
    texts = [Column(column, Text, primary_key=column in key, nullable=False) for column in columns]
    return Table(name, metadata, *texts, Column("entry", LargeBinary, nullable=False))


department = _table("department", "id", "standing")
system = _table("system", "id", "department", "standing")
resource = _table("resource", "code", "provider", "standing", key=("code",))
interface = _table("interface", "id", "version", "provider", "resource", "standing", key=("id", "version"))


# --- one of them ----------------------------------------------------------------------------------------------------
async def _one(tx: AsyncConnection, wanted: Select[bytes], of: type[T], hold: Hold) -> T | None:
    held = wanted.with_for_update(read=hold == "share") if hold else wanted
    entry = (await tx.execute(held)).scalar_one_or_none()
    return None if entry is None else msgspec.json.decode(entry, type=of)


async def find_department(tx: AsyncConnection, department_id: str, *, hold: Hold = "") -> Department | None:
    return await _one(tx, select(department.c.entry).where(department.c.id == department_id), Department, hold)


async def find_system(tx: AsyncConnection, system_id: str, *, hold: Hold = "") -> System | None:
    return await _one(tx, select(system.c.entry).where(system.c.id == system_id), System, hold)


async def find_resource(tx: AsyncConnection, code: str, *, hold: Hold = "") -> Resource | None:
    return await _one(tx, select(resource.c.entry).where(resource.c.code == code), Resource, hold)


async def find_interface(tx: AsyncConnection, interface_id: str, version: str, *, hold: Hold = "") -> Interface | None:
    wanted = select(interface.c.entry).where(interface.c.id == interface_id, interface.c.version == version)
    return await _one(tx, wanted, Interface, hold)


async def provider_of_interface(tx: AsyncConnection, interface_id: str) -> str | None:
    """The department that holds the interface's id, whatever the version."""
    wanted = select(interface.c.provider).where(interface.c.id == interface_id).limit(1)
    return (await tx.execute(wanted)).scalar_one_or_none()


async def interfaces_of_resource(tx: AsyncConnection, code: str) -> list[Interface]:
    """All versions of all interfaces that open a resource, held for change."""
    wanted = select(interface.c.entry).where(interface.c.resource == code).order_by(interface.c.id, interface.c.version)
    rows = await tx.execute(wanted.with_for_update())
    return [msgspec.json.decode(row.entry, type=Interface) for row in rows]


# --- keeping them ---------------------------------------------------------------------------------------------------
async def keep_department(tx: AsyncConnection, thing: Department) -> None:
    await _keep(tx, department, {"id": thing.id, "standing": thing.state.standing, "entry": _bytes(thing)})
    await index.rename_provider(tx, thing)


async def keep_system(tx: AsyncConnection, thing: System) -> None:
    row = {"id": thing.id, "department": thing.department, "standing": thing.state.standing, "entry": _bytes(thing)}
    await _keep(tx, system, row)


async def keep_resource(tx: AsyncConnection, thing: Resource) -> None:
    row = {"code": thing.code, "provider": thing.provider, "standing": thing.state.standing, "entry": _bytes(thing)}
    await _keep(tx, resource, row)
    await index.keep_words(tx, thing)


async def keep_interface(tx: AsyncConnection, thing: Interface) -> None:
    row = {"id": thing.id, "version": thing.version, "provider": thing.provider, "resource": thing.resource}
    await _keep(tx, interface, {**row, "standing": thing.state.standing, "entry": _bytes(thing)})


def _bytes(thing: msgspec.Struct) -> bytes:
    return msgspec.json.encode(thing)


async def _keep(tx: AsyncConnection, table: Table, row: Mapping[str, object]) -> None:
    """Insert or replace by primary key."""
    new = insert(table).values(**row)
    replaced = {name: new.excluded[name] for name in row if not table.c[name].primary_key}
    await tx.execute(new.on_conflict_do_update(index_elements=list(table.primary_key), set_=replaced))


# --- all of them ----------------------------------------------------------------------------------------------------
async def page_of_departments(tx: AsyncConnection, after: str, limit: int) -> list[Department]:
    wanted = select(department.c.entry).where(department.c.id > after).order_by(department.c.id)
    return await _page(tx, wanted, limit, Department)


async def page_of_systems(tx: AsyncConnection, of_department: str, after: str, limit: int) -> list[System]:
    wanted = select(system.c.entry).where(system.c.id > after).order_by(system.c.id)
    return await _page(
        tx, wanted.where(system.c.department == of_department) if of_department else wanted, limit, System
    )


async def page_of_resources(tx: AsyncConnection, provider: str, after: str, limit: int) -> list[Resource]:
    wanted = select(resource.c.entry).where(resource.c.code > after).order_by(resource.c.code)
    return await _page(tx, wanted.where(resource.c.provider == provider) if provider else wanted, limit, Resource)


async def page_of_interfaces(tx: AsyncConnection, provider: str, after: str, limit: int) -> list[Interface]:
    """`after` is an id with its version, "gaj-household-info/v1"."""
    last_id, _, last_version = after.partition("/")
    order = (interface.c.id, interface.c.version)
    wanted = select(interface.c.entry).where(tuple_(*order) > tuple_(last_id, last_version)).order_by(*order)
    return await _page(tx, wanted.where(interface.c.provider == provider) if provider else wanted, limit, Interface)


async def _page(tx: AsyncConnection, wanted: Select[bytes], limit: int, of: type[T]) -> list[T]:
    rows = (await tx.execute(wanted.limit(limit))).scalars()
    return [msgspec.json.decode(entry, type=of) for entry in rows]


async def every_entry(tx: AsyncConnection, table: Table, of: type[T]) -> AsyncIterator[T]:
    """All of a table, in no order, without holding them all at once."""
    async with tx.stream(select(table.c.entry)) as rows:
        async for row in rows:
            yield msgspec.json.decode(row.entry, type=of)


async def every_text(tx: AsyncConnection, table: Table) -> AsyncIterator[bytes]:
    """The same as the JSON that is kept."""
    async with tx.stream_scalars(select(table.c.entry)) as entries:
        async for some in entries.partitions(AT_ONCE):
            for entry in some:
                yield entry
