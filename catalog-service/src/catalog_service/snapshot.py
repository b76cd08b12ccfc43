"""Everything as of one revision (wire.catalog.Snapshot), for the cold start of a gateway or an exchange.

Read in one REPEATABLE READ transaction and sent as it is read: a million grants never stand in memory at once.
"""

from collections.abc import AsyncIterator

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from catalog_service.directory import model
from catalog_service.directory import store as directory
from catalog_service.feed import store as feed
from catalog_service.grants import store as grants
from catalog_service.revocations import store as revoked

CHUNK_BYTES = 64 * 1024


async def snapshot(database: AsyncEngine) -> AsyncIterator[bytes]:
    """The JSON of a Snapshot, in chunks."""
    async with database.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        yield b'{"revision":%d' % await feed.head(connection)
        for name, things in _parts(connection):
            yield b',"%b":[' % name
            comma = b""
            async for chunk in _joined(things):
                yield comma + chunk
                comma = b","
            yield b"]"
        yield b"}"


async def pieces(database: AsyncEngine) -> AsyncIterator[bytes]:
    """The same as lines, each the JSON of a Snapshot that has a piece of everything."""
    async with database.connect() as connection:
        await connection.execution_options(isolation_level="REPEATABLE READ")
        revision = await feed.head(connection)
        for name, things in _parts(connection):
            async for chunk in _joined(things):
                yield b'{"revision":%d,"more":true,"%b":[%b]}\n' % (revision, name, chunk)
        yield b'{"revision":%d}\n' % revision


def _parts(connection: AsyncConnection) -> list[tuple[bytes, AsyncIterator[bytes]]]:
    """Grants, systems and revocations are published as they are kept: nobody decodes a million of them here."""
    departments = directory.every_entry(connection, directory.department, model.Department)
    interfaces = directory.every_entry(connection, directory.interface, model.Interface)
    return [
        (b"departments", _published(departments)),
        (b"systems", directory.every_text(connection, directory.system)),
        (b"interfaces", _served(interfaces)),
        (b"grants", directory.every_text(connection, grants.grants)),
        (b"revocations", directory.every_text(connection, revoked.revocations)),
    ]


async def _published(entries: AsyncIterator[model.Department]) -> AsyncIterator[bytes]:
    async for entry in entries:
        yield msgspec.json.encode(entry.published())


async def _served(entries: AsyncIterator[model.Interface]) -> AsyncIterator[bytes]:
    """Versions that gateways serve; the others are for the directory alone."""
    async for entry in entries:
        if entry.is_served:
            yield msgspec.json.encode(entry.published())


async def _joined(things: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """JSON values with commas between and no line end, in chunks of about CHUNK_BYTES."""
    chunk = bytearray()
    async for thing in things:
        chunk += b"," if chunk else b""
        chunk += thing
        if len(chunk) >= CHUNK_BYTES:
            yield bytes(chunk.replace(b"\n", b" "))  # in JSON a line end can only stand between words
            chunk.clear()
    if chunk:
        yield bytes(chunk.replace(b"\n", b" "))
