"""Carries out what two people approved: tell, then delete. One replica at a time, each step safe to repeat.

For each segment: closed -> the leaf of the approval is published -> no hold fits -> a leaf tells what goes (range,
count, root, digest of the figures, who proposed, who approved, why) -> published, and still no hold fits, or another
leaf tells that it stopped -> the partitions go -> the objects go. Tiles, index, figures stay, so every other proof
verifies as before, and whoever has a receipt can still prove that the record was there.
"""

import hashlib
from datetime import UTC
from typing import Any

import asyncpg
import msgspec
import structlog

from audit_service import store as log_store
from audit_service.archive import manifest
from audit_service.archive import store as archive_store
from audit_service.archive.cold import Cold
from audit_service.archive.objects import Away, Objects
from audit_service.archive.periods import Periods
from audit_service.archive.proving import Damaged, prove
from audit_service.archive.store import Extent
from audit_service.keeping import store
from audit_service.keeping.events import told_by_us
from audit_service.keeping.holds import Holds
from audit_service.keeping.store import Disposal, Due
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from runtime.errors import Refusal

log = structlog.get_logger()
_TROUBLE = (Away, Damaged, Refusal, OSError, asyncpg.PostgresError)


class Disposing:
    """`tick` is called every minute or so."""

    def __init__(
        self,
        database: log_store.Database,
        writer: Writer,
        holds: Holds,
        periods: Periods,
        objects: Objects,
        cold: Cold,
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
        """All that can be done now. What cannot says why, is alarmed, and is tried again. Where somebody reads it ends
        for this time: each attempt to get past him makes the sequencer wait as well."""
        async with log_store.turn(self._database.archivist, "archive") as connection:
            if connection is None:
                return
            for disposal in await store.disposals(connection, "approved"):
                for due in await store.dues(connection, disposal.id):
                    if due.objects_deleted_at is None and not await self._guarded(connection, disposal, due):
                        return
                await store.finish(connection, disposal.id)

    async def _guarded(self, connection: Any, disposal: Disposal, due: Due) -> bool:
        """Whether nobody was in the way."""
        try:
            trouble = await self._next(connection, disposal, due)
        except asyncpg.LockNotAvailableError:
            return False
        except _TROUBLE as error:
            trouble = f"{type(error).__name__}: {error}"[:500]
            log.critical("disposal.failed", segment=due.segment, disposal=disposal.id, error=trouble, alarm=True)
        if trouble != due.trouble:
            await store.set_trouble(connection, disposal.id, due.segment, trouble)
        return True

    async def _next(self, connection: Any, disposal: Disposal, due: Due) -> str:
        """As far as it gets; why it waits, "" if only for the log."""
        if due.executed_at is None:
            if waits := await self._waits(connection, disposal, due):
                return waits
            if not await store.confirm(connection, disposal.id, due.segment):
                await self._tell(connection, disposal, due)
                return ""
            await store.dispose(connection, disposal.id, due.segment)
            log.info("segment.disposed", segment=due.segment, disposal=disposal.id)
        if left := await self._delete_objects(connection, disposal, due.segment):
            return f"can still be read: {', '.join(left)}"[:500]
        await store.objects_deleted(connection, disposal.id, due.segment, self._clock.now())
        return ""

    async def _waits(self, connection: Any, disposal: Disposal, due: Due) -> str:
        """What for, "" if for nothing. Leaves are looked for first: while a hold stands they may go to the archive."""
        today, mixed = self._clock.now().astimezone(UTC).date(), await archive_store.mixed(connection)
        if not self._periods.is_due(due.segment, today, mixed):
            return f"kept until {self._periods.kept_until(due.segment, mixed)}"
        if not await store.confirm_approval(connection, disposal.id):
            return "no published leaf tells of the approval yet"
        is_told = await store.confirm(connection, disposal.id, due.segment)
        await archive_store.close(connection, due.segment)
        held = await self._holds.judge(connection, due.segment)
        if held is None:
            return "not all of it can be searched yet"
        if not held:
            return ""
        waits = f"{'stopped, ' if is_told else ''}held by {', '.join(held)}"
        if is_told and waits != due.trouble:
            facts = {"disposal": disposal.id, "segment": due.segment, "holds": " ".join(held)}
            await self._writer.write([told_by_us("disposal.stopped", self._clock.now(), facts)])
        return waits

    # --- telling
    async def _tell(self, connection: Any, disposal: Disposal, due: Due) -> None:
        """Unless the log knows: there is one event of this id, or two that say the same."""
        if await archive_store.is_sequenced(connection, due.event):
            return
        if await log_store.batches_with(connection, due.event):
            return
        extent, root = await self._extent(connection, due.segment)
        await store.begin(connection, disposal.id, due.segment, extent, root)
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
    async def _delete_objects(self, connection: Any, disposal: Disposal, segment: str) -> list[str]:
        """Every file of a segment, also what a crash left there; what can still be read, as versions of a bucket that
        locks them. The manifest stays: it tells nothing of any record, and where it is, the store is the right one and
        answers. Raises Damaged for what this disposal has not taken out of the database: that alone was checked."""
        kept = await archive_store.archived_one(connection, segment)
        if kept is None or (kept.state, kept.disposal) != ("disposed", disposal.id):
            raise Damaged(f"{segment} was not disposed of by {disposal.id}")
        self._cold.forget(segment)
        if manifest_object := await store.manifest_object(connection, segment):
            await self._objects.get(manifest_object)
        return await self._objects.clear(manifest.folder_of(segment))


def encoded(figures: list[tuple[Any, ...]]) -> bytes:
    """Figures of a day as the bytes whose digest is told: JSON, a list for each row, in the order of their keys."""
    return msgspec.json.encode(figures)
