"""Reading what is only in the archive."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

import structlog

from audit_service import store
from audit_service.archive.archiving import opened, trouble
from audit_service.archive.objects import Objects
from audit_service.archive.store import Archived, archived_one, disposed
from audit_service.summary import Filter, Summary
from runtime.errors import Refusal
from wire import codes

if TYPE_CHECKING:
    from audit_service.archive.parquet import Reading

log = structlog.get_logger()
_OPEN_S = 900.0
"""So long a file stays open at most: what was disposed of elsewhere is then gone here too."""
_FETCH_S, _LEAST_BYTES_A_S = 20.0, 4 << 20
_FETCHES = 8


class Cold:
    """Leaves and rows of archived segments, by way of a small cache of whole, verified files.

    most_bytes  of all open files together
    """

    def __init__(self, database: store.Database, objects: Objects, most_bytes: int = 1 << 30) -> None:
        self._database = database
        self._objects = objects
        self._most_bytes = most_bytes
        self._open: OrderedDict[str, tuple[float, Reading]] = OrderedDict()
        self._fetching: dict[str, asyncio.Task[Reading]] = {}
        self._places = asyncio.Semaphore(_FETCHES)

    async def leaves(self, segment: str, indexes: Sequence[int] | range) -> list[store.Kept]:
        """Those of the leaves (index through all shards) that the segment has, by index.

        Raises Refusal: ARCHIVE_AWAY, DISPOSED, NOT_FOUND for a segment that was never archived.
        """
        reading = await self._reading(segment)
        return await asyncio.to_thread(reading.leaves, indexes)

    async def rows(
        self, segment: str, wanted: Filter, *, before: int, after: int, limit: int, newest_first: bool
    ) -> list[Summary]:
        """Rows that `wanted` matches with after < leaf_index < before, at most `limit`, in the order asked for.

        Raises Refusal: ARCHIVE_AWAY, DISPOSED, NOT_FOUND for a segment that was never archived.
        """
        reading = await self._reading(segment)
        return await asyncio.to_thread(
            reading.rows, wanted, before=before, after=after, limit=limit, newest_first=newest_first
        )

    async def tidy(self) -> None:
        """Close what has been open for long. Called every minute or so, in each replica."""
        oldest = time.monotonic() - _OPEN_S
        for segment in [segment for segment, (since, _) in self._open.items() if since < oldest]:
            self.forget(segment)

    def forget(self, segment: str) -> None:
        """Close a file."""
        self._open.pop(segment, None)

    async def _reading(self, segment: str) -> "Reading":
        kept = await self._where(segment)
        known = self._open.get(segment)
        if known is None:
            return await asyncio.shield(self._fetching.get(segment) or self._begun(kept))
        self._open.move_to_end(segment)
        return known[1]

    def _begun(self, kept: Archived) -> "asyncio.Task[Reading]":
        """One for each file, and it goes on when nobody waits any more: who asks again finds it open."""
        task = self._fetching[kept.segment] = asyncio.create_task(self._fetched(kept))
        task.add_done_callback(self._ended)
        task.set_name(kept.segment)
        return task

    def _ended(self, task: "asyncio.Task[Reading]") -> None:
        segment = task.get_name()
        del self._fetching[segment]
        if not task.cancelled() and task.exception() is None:
            self._open[segment] = (time.monotonic(), task.result())
            self._make_room()

    async def _where(self, segment: str) -> Archived:
        async with store.answering("archive"):
            kept = await archived_one(self._database.reader, segment)
        if kept is None:
            raise Refusal(codes.NOT_FOUND, f"{segment} is not in the archive")
        if kept.state == "disposed":
            self.forget(segment)
            raise disposed(kept)
        return kept

    async def _fetched(self, kept: Archived) -> "Reading":
        try:
            async with self._places, asyncio.timeout(_FETCH_S + kept.bytes / _LEAST_BYTES_A_S):
                return await opened(self._objects, kept.segment, kept.object, kept.sha256)
        except trouble() as error:
            log.critical("archive.away", segment=kept.segment, error=f"{type(error).__name__}: {error}", alarm=True)
            raise Refusal(codes.ARCHIVE_AWAY, type(error).__name__) from None

    def _make_room(self) -> None:
        while len(self._open) > 1 and sum(reading.bytes for _, reading in self._open.values()) > self._most_bytes:
            self._open.popitem(last=False)
