"""Carries out what two people approved: tell, then delete. One replica at a time, each step safe to repeat.

For each segment: closed -> no hold fits -> a leaf tells what goes (range, count, root, digest of the figures, who
proposed, who approved, why) -> published -> the partitions go -> the objects go. Tiles, index, figures stay, so every
other proof verifies as before, and whoever has a receipt can still prove that the record was there.
"""

import hashlib
from contextlib import suppress
from datetime import UTC
from typing import Any

import asyncpg
import msgspec
import structlog

from audit_service import store as log_store
from audit_service.archive import manifest
from audit_service.archive import store as archive_store
from audit_service.archive.cold import Cold
from audit_service.archive.objects import Away, Missing, Objects
from audit_service.archive.proving import Damaged, prove
from audit_service.archive.store import Extent
from audit_service.keeping import store
from audit_service.keeping.events import told_by_us
from audit_service.keeping.holds import Holds
from audit_service.keeping.periods import Periods
from audit_service.keeping.store import Disposal, Due
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from runtime.errors import Refusal

log = structlog.get_logger()
_TROUBLE = (Away, Damaged, Refusal, asyncpg.PostgresError)


class Disposing:
    """`tick` is called every minute or so. `objects` and `cold` are None where there is no archive."""

    def __init__(
        self,
        database: log_store.Database,
        writer: Writer,
        holds: Holds,
        periods: Periods,
        objects: Objects | None,
        cold: Cold | None,
        clock: Clock | None = None,
    ) -> None:
        self._database = database
        self._writer = writer
        self._holds = holds
        self._periods = periods
        self._objects = objects
        self._cold = cold
        self._clock = clock or SystemClock()

    async def tick(self) -> None:
        """All that can be done now. What cannot says why, is alarmed, and is tried again."""
        async with log_store.turn(self._database.archivist, "archive") as connection:
            if connection is None:
                return
            for disposal in await store.disposals(connection, "approved"):
                for due in await store.dues(connection, disposal.id):
                    if due.objects_deleted_at is None:
                        await self._guarded(connection, disposal, due)
                await store.finish(connection, disposal.id, self._clock.now())

    async def _guarded(self, connection: Any, disposal: Disposal, due: Due) -> None:
        try:
            trouble = await self._next(connection, disposal, due)
        except asyncpg.LockNotAvailableError:
            return  # somebody reads; next time
        except _TROUBLE as error:
            trouble = f"{type(error).__name__}: {error}"[:500]
            log.critical("disposal.failed", segment=due.segment, disposal=disposal.id, error=trouble, alarm=True)
        if trouble != due.trouble:
            await store.set_trouble(connection, disposal.id, due.segment, trouble)

    async def _next(self, connection: Any, disposal: Disposal, due: Due) -> str:
        """As far as it gets; why it waits, "" if only for the log."""
        if due.executed_at is None:
            if not self._periods.is_due(due.segment, self._clock.now().astimezone(UTC).date()):
                return f"kept until {self._periods.kept_until(due.segment)}"
            await archive_store.close(connection, due.segment)
            if held := await self._holds.judge(connection, due.segment):
                return f"held by {', '.join(held)}"
            if not await store.confirm(connection, disposal.id, due.segment):
                await self._tell(connection, disposal, due)
                return ""
            await store.dispose(connection, disposal.id, due.segment, self._clock.now())
            log.info("segment.disposed", segment=due.segment, disposal=disposal.id)
        await self._delete_objects(connection, due.segment)
        await store.objects_deleted(connection, disposal.id, due.segment, self._clock.now())
        return ""

    # --- telling
    async def _tell(self, connection: Any, disposal: Disposal, due: Due) -> None:
        """Unless the log knows: there is one event of this id, or two that say the same."""
        if await archive_store.is_sequenced(connection, due.event):
            return
        if await log_store.batches_with(connection, due.event):
            return
        extent, root = await self._extent(connection, due.segment)
        await store.set_extent(connection, disposal.id, due.segment, extent, root)
        figures = await store.figures(connection, due.segment)
        facts = {
            "disposal": disposal.id, "segment": due.segment, "first": str(extent.first), "last": str(extent.last),
            "count": str(extent.leaves), "root": root.hex(), "figures": hashlib.sha256(encoded(figures)).hexdigest(),
            "proposed_by": disposal.proposed_by, "approved_by": disposal.decided_by or "",
            "before": disposal.before.isoformat(), "reason": disposal.reason, "case": disposal.case,
        }  # fmt: skip
        await self._writer.write([told_by_us("disposal.executed", self._clock.now(), facts, due.event)])

    async def _extent(self, connection: Any, segment: str) -> tuple[Extent, bytes]:
        """Range, number and root of a segment's leaves, from the archive or, if it never got there, from the rows."""
        known = await store.archived_extent(connection, segment)
        if known is not None:
            return known
        extent = await archive_store.extent(connection, segment)
        if extent is None:
            raise Damaged(f"nothing of {segment} is there")
        shards, tree = await log_store.shards(connection), manifest.Frontier()
        async for page in archive_store.rows(connection, segment):
            for leaf_hash in await prove(connection, shards, page):
                tree.add(leaf_hash)
        return extent, tree.root()

    # --- deleting
    async def _delete_objects(self, connection: Any, segment: str) -> None:
        """Every file of a segment, also what a crash left there. The manifest stays: it tells nothing of any record,
        and where it is, the store is the right one and answers. Raises Away while the store does not let go."""
        if self._cold is not None:
            self._cold.forget(segment)
        if self._objects is None:
            return
        if manifest_object := await store.manifest_object(connection, segment):
            await self._objects.get(manifest_object)
        folder = manifest.folder_of(segment)
        for name in await self._files(folder):
            with suppress(Missing):
                await self._objects.remove(name)
        if left := await self._files(folder):
            raise Away(f"{len(left)} objects are still there")

    async def _files(self, folder: str) -> list[str]:
        names = await self._objects.names(folder) if self._objects else []
        return [name for name in names if name.endswith(".parquet")]


def encoded(figures: list[tuple[Any, ...]]) -> bytes:
    """Figures of a day as the bytes whose digest is told: JSON, a list for each row, in the order of their keys."""
    return msgspec.json.encode(figures)
