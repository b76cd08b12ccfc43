"""A day that is over goes into the archive, and later out of the database; on demand it comes back for a while.

Each step leaves something that the next one finds, and may be repeated: closed (nothing is added any more) -> file and
manifest in the store, read back and held to the tree -> sealed -> the manifest's hash is a published leaf -> after the
hot window the partitions go. Objects are named by their content, so a crash before `sealed` leaves nothing wrong.
"""

import asyncio
import hashlib
import tempfile
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import structlog

from audit_service import store
from audit_service.archive import manifest
from audit_service.archive import store as sql
from audit_service.archive.objects import Away, Objects
from audit_service.archive.periods import Periods
from audit_service.archive.proving import Damaged, prove
from audit_service.archive.rows import GROUP_BYTES, GROUP_ROWS, SCHEMA_VERSION, Row, digest_of
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from runtime.errors import Refusal
from wire.audit import new_event

if TYPE_CHECKING:
    from audit_service.archive.parquet import Reading, Writing

log = structlog.get_logger()
GRACE = timedelta(hours=1)
"""How long after midnight (UTC) a day is over."""
HOT_DAYS, RESTORED_DAYS = 30, 7


class Archive:
    """`tick` is called every minute or so."""

    def __init__(
        self,
        database: store.Database,
        writer: Writer,
        objects: Objects,
        periods: Periods,
        *,
        clock: Clock | None = None,
        hot_days: int = HOT_DAYS,
        restored_days: int = RESTORED_DAYS,
    ) -> None:
        self._database = database
        self._writer = writer
        self._objects = objects
        self._periods = periods
        self._clock = clock or SystemClock()
        self._hot = timedelta(days=hot_days)
        self._restored = timedelta(days=restored_days)

    async def tick(self) -> None:
        """All that is to be done now. What fails is alarmed and left as it is; the rest goes on."""
        async with store.turn(self._database.archivist, "archive") as connection:
            if connection is None:
                return
            now = self._clock.now().astimezone(UTC)
            over, cold = _day(now - GRACE), _day(now - self._hot)
            await self._each(connection, "restore", await sql.to_restore(connection), self._restore)  # somebody waits
            await self._each(connection, "seal", await sql.to_seal(connection, over), self._seal)
            events = dict(await sql.untold(connection))
            await self._each(connection, "tell", events, lambda c, segment: self._tell(c, segment, events[segment]))
            due = await sql.to_retire(connection, cold, now - self._restored)
            await self._each(connection, "retire", due, self._retire)

    async def _each(
        self, connection: Any, what: str, segments: Iterable[str], work: Callable[[Any, str], Awaitable[None]]
    ) -> None:
        for segment in segments:
            try:
                await work(connection, segment)
            except asyncpg.LockNotAvailableError:
                log.info("archive.postponed", segment=segment, during=what)  # somebody reads; next time
                return  # readers are held up while a lock is waited for: once a tick, not for every segment
            except (*trouble(), Refusal, asyncpg.PostgresError) as error:
                name = "archive.damaged" if isinstance(error, Damaged) else "archive.failed"
                log.critical(name, segment=segment, during=what, error=f"{type(error).__name__}: {error}", alarm=True)
                if isinstance(error, Away):
                    return  # the others would wait for the same store

    # --- into the store
    async def _seal(self, connection: Any, segment: str) -> None:
        await sql.close(connection, segment)
        extent = await sql.extent(connection, segment)
        if extent is None or not await sql.is_ready(connection, extent.last):
            return
        name, size, sha256 = await self._put_file(connection, segment)
        root, leaves = await self._verify(connection, segment, name, sha256)
        if leaves != extent.leaves:
            raise Damaged(f"{leaves} leaves in the file, {extent.leaves} in the database")
        until = self._periods.kept_until(segment, await sql.mixed(connection))
        told = manifest.encode(manifest.Manifest(
            segment=segment, retention=segment[9:], shards=await _parts(connection, extent), first=extent.first,
            last=extent.last, count=leaves, root=root.hex(), object=name, sha256=sha256.hex(), bytes=size,
            schema=SCHEMA_VERSION, kept_until=until.isoformat() if until else "",
        ))  # fmt: skip
        manifest_name = manifest.manifest_name(segment, told)
        await self._objects.put(manifest_name, told)
        if await self._objects.get(manifest_name) != told:
            raise Damaged("another manifest came back than was stored")
        sealed = sql.Sealed(root, name, size, sha256, manifest_name, hashlib.sha256(told).digest())
        await sql.seal(connection, segment, extent, sealed)
        log.info("segment.sealed", segment=segment, leaves=leaves, bytes=size)

    async def _put_file(self, connection: Any, segment: str) -> tuple[str, int, bytes]:
        """Name, bytes and SHA-256 of the segment's file, which is in the store now."""
        with nameless() as path:
            await self._write(connection, segment, path)
            sha256 = await asyncio.to_thread(digest_of, path)
            name = manifest.name_of(segment, sha256, "parquet")
            await self._objects.put(name, path)
            return name, path.stat().st_size, sha256

    async def _write(self, connection: Any, segment: str, path: Path) -> None:
        writing = await asyncio.to_thread(_begun, path)
        try:
            group: list[Row] = []
            async for page in sql.rows(connection, segment):
                group += page
                if len(group) >= GROUP_ROWS or sum(len(row.leaf) for row in group) >= GROUP_BYTES:
                    await asyncio.to_thread(writing.add, group)
                    group = []
            if group:
                await asyncio.to_thread(writing.add, group)
        finally:
            await asyncio.to_thread(writing.close)

    async def _verify(self, connection: Any, segment: str, name: str, sha256: bytes) -> tuple[bytes, int]:
        """Read an object back; root and number of its leaves, each of which stands in the tree."""
        shards, tree, count = await store.shards(connection), manifest.Frontier(), 0
        reading = await opened(self._objects, segment, name, sha256)
        pages = reading.pages()
        while page := await asyncio.to_thread(next, pages, None):
            for leaf_hash in await prove(connection, shards, page):
                tree.add(leaf_hash)
            count += len(page)
        return tree.root(), count

    # --- into the log
    async def _tell(self, connection: Any, segment: str, event: str) -> None:
        """Unless the log knows: crashed or not, there is one event of this id, or two that say the same."""
        if await sql.is_sequenced(connection, event):
            await sql.confirm(connection, segment)
            return
        if await store.batches_with(connection, event):
            return
        kept = await sql.archived_one(connection, segment)
        if kept is None:
            return
        await self._write_event("segment.archived", event, {
            "segment": segment, "manifest": kept.manifest_sha256.hex(), "object": kept.object,
            "sha256": kept.sha256.hex(), "first": str(kept.first_index), "last": str(kept.last_index),
            "count": str(kept.count),
        })  # fmt: skip

    async def _write_event(self, event: str, number: str, facts: dict[str, str]) -> None:
        await self._writer.write([new_event(event, self._clock.now(), "archive", "", facts, number)])

    # --- out of the database, and back
    async def _retire(self, connection: Any, segment: str) -> None:
        """Not before the file was found whole once more: a month may lie between."""
        kept = await sql.archived_one(connection, segment)
        if kept is None:
            return
        await opened(self._objects, segment, kept.object, kept.sha256)
        await sql.retire(connection, segment)
        log.info("segment.retired", segment=segment)

    async def _restore(self, connection: Any, segment: str) -> None:
        kept = await sql.archived_one(connection, segment)
        if kept is None:
            return
        shards = await store.shards(connection)
        pages = (await opened(self._objects, segment, kept.object, kept.sha256)).pages()
        await sql.reopen(connection, segment)
        async with connection.transaction():
            while page := await asyncio.to_thread(next, pages, None):
                await prove(connection, shards, page)
                await sql.put_back(connection, segment, page)
            await sql.restored(connection, segment)
            await self._write_event("segment.restored", "", {"segment": segment, "count": str(kept.count)})
        log.info("segment.restored", segment=segment, leaves=kept.count)


async def opened(objects: Objects, segment: str, name: str, sha256: bytes) -> "Reading":
    """A segment's file, once all of it was found to be what was stored. Raises Away, Damaged; OSError for a full disk,
    ArrowException for what is no such file."""
    with nameless() as path:
        with path.open("wb") as file:
            fetched = await objects.fetch(name, file)
        if fetched != sha256:
            raise Damaged(f"{name} is not what was stored")
        return await asyncio.to_thread(_read, path, segment)


def trouble() -> tuple[type[Exception], ...]:
    """What reading a file may raise."""
    from pyarrow import ArrowException  # see archive/parquet.py; an `except` asks only once something was raised

    return (Away, Damaged, OSError, ArrowException)


def _begun(path: Path) -> "Writing":
    from audit_service.archive.parquet import Writing  # 45 MB that a log whose first day is not over does without

    return Writing(path)


def _read(path: Path, segment: str) -> "Reading":
    from audit_service.archive.parquet import Reading  # as above

    return Reading(path, segment)


@contextmanager
def nameless() -> Iterator[Path]:
    """Path of an empty file that has no name in any folder: nothing of it is left, whenever the process is killed."""
    with tempfile.TemporaryFile() as file:
        yield Path(f"/dev/fd/{file.fileno()}")


def _day(moment: datetime) -> str:
    return f"{moment:%Y%m%d}"


async def _parts(connection: Any, extent: sql.Extent) -> list[manifest.Part]:
    """The shards that leaves of a range are in."""
    shards = await store.shards(connection)
    first = store.shard_at(shards, extent.first)
    return [
        manifest.Part(origin=shard.origin, suite=shard.suite, first=shard.first)
        for shard in shards
        if shard.id >= first.id and shard.first <= extent.last
    ]
