"""What the monitor tells people: what was checked when, what was found, what is missing, what is behind."""

from datetime import datetime
from typing import Any

import msgspec

from audit_service import store as log_store
from audit_service.monitor import store
from runtime.clock import Clock, SystemClock

_MOST_LISTED = 100


class Newest(msgspec.Struct, frozen=True):
    """The last check of the newest leaves, `first` to `end` (not included)."""

    at: datetime | None
    first: int
    end: int
    took_s: float
    leaves_per_s: int


class Whole(msgspec.Struct, frozen=True):
    """The pass over the whole log: where it is, and the last one that ended."""

    began_at: datetime | None
    position: int
    checked_at: datetime | None
    checked_leaves: int


class Finding(msgspec.Struct, frozen=True):
    """One thing that is not as it was."""

    what: str
    why: str
    first_seen_at: datetime
    last_seen_at: datetime


class Gap(msgspec.Struct, frozen=True):
    """Numbers of a writer that never came, while later ones did."""

    gateway: str
    epoch: int
    first: int
    last: int
    seen_at: datetime


class Lags(msgspec.Struct, frozen=True):
    """How far things are behind. Seconds are those of the oldest thing; 0 where nothing is behind. Unwitnessed is what
    no outsider has cosigned of what is published in the current shard."""

    waiting_batches: int
    waiting_records: int
    waiting_s: float
    unpublished_leaves: int
    unpublished_s: float
    unsearchable_leaves: int
    unsearchable_s: float
    unwitnessed_leaves: int
    unwitnessed_since: datetime | None


class Report(msgspec.Struct, frozen=True):
    """Answer of GET /monitor. `past_findings` were not seen any more by the last pass over everything."""

    leaves: int
    newest: Newest
    whole: Whole
    findings: list[Finding]
    standing_findings: int
    past_findings: int
    gaps: list[Gap]
    lags: Lags


class Figures:
    """Reads the monitor's tables and the log's own."""

    def __init__(self, database: log_store.Database, clock: Clock | None = None) -> None:
        self._database = database
        self._clock = clock or SystemClock()

    async def report(self) -> Report:
        """Raises Refusal(AUDIT_UNAVAILABLE)."""
        async with (
            log_store.answering("monitor"),
            self._database.reader.acquire() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return await self._report(connection)

    async def _report(self, tx: Any) -> Report:
        state = await store.state(tx)
        standing, ever = await store.count_findings(tx, state.whole_began_at)
        rows = await store.standing(tx, state.whole_began_at, _MOST_LISTED)
        took = max(state.newest_s, 1e-3)
        return Report(
            leaves=(await store.sizes(tx))[0],
            newest=Newest(state.newest_at, state.newest_first, state.newest_end, round(state.newest_s, 3),
                          round((state.newest_end - state.newest_first) / took)),
            whole=Whole(state.pass_began_at, state.position, state.whole_at, state.whole_size),
            findings=[Finding(*row) for row in rows],
            standing_findings=standing,
            past_findings=ever - standing,
            gaps=[Gap(*row) for row in await store.gaps(tx, _MOST_LISTED)],
            lags=await self._lags(tx, state),
        )  # fmt: skip

    async def _lags(self, tx: Any, state: store.State) -> Lags:
        leaves, published, searchable, shard, first = await store.sizes(tx)
        witnessed = await store.witnessed(tx, shard)
        batches, records = await store.waiting(tx)
        return Lags(
            waiting_batches=batches,
            waiting_records=records,
            waiting_s=self._since(state.waiting_since) if batches else 0.0,
            unpublished_leaves=max(0, leaves - published),
            unpublished_s=await self._age(tx, published, leaves),
            unsearchable_leaves=max(0, leaves - searchable),
            unsearchable_s=await self._age(tx, searchable, leaves),
            unwitnessed_leaves=max(0, published - first - witnessed),
            unwitnessed_since=await store.signed_after(tx, shard, witnessed),
        )

    async def _age(self, tx: Any, leaf: int, leaves: int) -> float:
        """Seconds since that leaf was sequenced, if there is one."""
        return self._since(await store.sequenced_at(tx, leaf)) if leaf < leaves else 0.0

    def _since(self, at: datetime | None) -> float:
        return round(max(0.0, (self._clock.now() - at).total_seconds()), 3) if at else 0.0
