"""The indexer follows the tree: for each leaf that ends something a row to search by, and the day's figures.

A step is one transaction over the next leaves by index: rows, figures, segments and how far it has got, or nothing of
it. Whoever holds the row of audit.indexed is the indexer; another replica finds it locked and leaves.
"""

import asyncio
import hashlib
from collections.abc import Sequence
from datetime import UTC, timedelta
from typing import Any
from uuid import UUID

import msgspec
import structlog

from audit_service import store as log_store
from audit_service.archive.store import archived
from audit_service.fresh import Ended, Tail
from audit_service.search import store
from audit_service.search.sieve import Sieve
from audit_service.summary import Summary, row_of, summary_of
from runtime.clock import Clock, SystemClock

log = structlog.get_logger()
STEP_LEAVES = 2048
"""Leaves of one transaction: 128 MiB at the very most."""
SETTLED = timedelta(hours=1)
"""How long after the end of its day a segment gets its sieve."""
_MOST = 2**63 - 1


class Indexer:
    """Makes rows, and sieves of the days that are over. `tail` is what the sequencer of this process placed last."""

    def __init__(self, database: log_store.Database, clock: Clock | None = None, tail: Tail | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()
        self._tail = tail or Tail()

    async def tick(self) -> None:
        """Everything that is sequenced and not yet searchable."""
        while await self.step():
            pass

    async def step(self) -> int:
        """The next leaves; how many. 0 if there are none, or another replica is at it."""
        async with self._database.indexer.acquire() as connection, connection.transaction():
            start = await store.lock_indexed(connection)
            if start is None:
                return 0
            end, leaves = await self._next(connection, start)
            if end <= start:
                return 0
            rows = _rows(leaves)
            if rows:
                await store.add_rows(connection, rows)
                await store.add_figures(connection, figures(rows))
                await store.add_spans(connection, spans(rows))
            await store.set_indexed(connection, end)
        log.debug("log.indexed", leaves=end - start, rows=len(rows))
        return end - start

    async def _next(self, connection: Any, start: int) -> tuple[int, Sequence[Ended]]:
        """Where the next step ends, and what ended in it."""
        sequenced = await store.sequenced(connection)
        known = self._tail.take(start, sequenced)
        if known is not None:
            return known
        end = min(sequenced, start + STEP_LEAVES)
        return end, await store.ended(connection, start, end) if start < end else ()

    async def sift(self) -> None:
        """Make the sieves of days that are over, drop those of what was deleted. Whatever comes late makes a sieve
        stale, and that is seen."""
        settled = (self._clock.now() - SETTLED).astimezone(UTC).strftime("%Y%m%d")
        async with log_store.turn(self._database.indexer, "sieve") as connection:
            if connection is None:
                return
            states = await archived(connection)
            await store.drop_sieves(connection, [one for one, of in states.items() if of.state == "disposed"])
            for segment, last, count in await store.without_sieve(connection, settled):
                await self._sieve(connection, segment, last, count)

    async def _sieve(self, connection: Any, segment: str, last: int, count: int) -> None:
        sieve = Sieve(count)
        async with connection.transaction():
            async for rows in store.sieve_members(connection, segment, last):
                await asyncio.to_thread(sieve.add, rows)
            await store.put_sieve(connection, segment, last, sieve)
        log.info("segment.sieved", segment=segment, rows=count)


def _rows(leaves: Sequence[Ended]) -> list[Summary]:
    rows: list[Summary] = []
    for segment, index, leaf in leaves:
        try:
            row = summary_of(segment, index, leaf) if isinstance(leaf, bytes) else row_of(segment, index, leaf)
        except (msgspec.DecodeError, UnicodeDecodeError):
            log.critical("leaf.unreadable", index=index, alarm=True)  # changed in storage: fsck says how
            continue
        if row is not None:
            rows.append(row)
    return rows


def figures(rows: Sequence[Summary]) -> list[tuple[Any, ...]]:
    """Rows of usage_day (in the order of store.USAGE) for some rows of record."""
    sums: dict[tuple[Any, ...], list[int]] = {}
    for row in rows:
        which = (row.segment, row.department, row.provider, row.system, row.interface, row.version, row.grant_id,
                 row.kind, row.status, row.code, row.event, row.mode)  # fmt: skip
        at = sums.get(which)
        if at is None:
            at = sums[which] = [0, 0, 0, 0, 0, 0, 0, row.leaf_index, row.leaf_index]
        at[0] += 1
        at[1] += row.took_ms
        at[2] = max(at[2], row.took_ms)
        at[3] += row.request_bytes
        at[4] += row.answer_bytes
        at[5] += row.fields_returned
        at[6] += row.fields_masked
        at[7] = min(at[7], row.leaf_index)
        at[8] = max(at[8], row.leaf_index)
    return [(which[0], key_of(which[1:]), *which[1:], *(min(n, _MOST) for n in at)) for which, at in sums.items()]


def key_of(combination: tuple[Any, ...]) -> UUID:
    """A short name for what rows have in common; texts are too long together for a key of the database. What asks in
    the usual mode has the key that it had before there were others."""
    told = msgspec.json.encode(combination[:-1] if combination[-1] == "query" else combination)
    return UUID(bytes=hashlib.blake2b(told, digest_size=16).digest())


def spans(rows: Sequence[Summary]) -> list[tuple[Any, ...]]:
    """(segment, first, last, rows, earliest, latest) for each segment among some rows."""
    by_segment: dict[str, list[Summary]] = {}
    for row in rows:
        by_segment.setdefault(row.segment, []).append(row)
    return [
        (segment, min(row.leaf_index for row in of), max(row.leaf_index for row in of), len(of),
         min(row.at for row in of), max(row.at for row in of))
        for segment, of in by_segment.items()
    ]  # fmt: skip
