"""The continuous check: the newest leaves every few minutes, all of them within a day, and numbers that never came.

One replica does it at a time. It reads what `fsck` reads, through the same code, in slices between which the database
is left alone, and remembers in the database how far it has got. What it finds is kept, and told: once by each process
as an alarm, whatever the database says, and once as an event in the log itself.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from audit_service import store as log_store
from audit_service.archive.objects import Objects
from audit_service.fsck.check import Check, Manner
from audit_service.fsck.findings import Findings, Progress
from audit_service.fsck.told import Memory
from audit_service.monitor import store
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from runtime.errors import Refusal
from tlog.tiles import TILE_WIDTH
from wire.audit import new_event

log = structlog.get_logger()
TICK_S = 10.0
NEWEST = 100_000
NEWEST_EVERY = timedelta(seconds=150)
"""Half of what is promised (P6), so that a late turn still keeps it."""
PASS = timedelta(hours=12)
"""How long a pass over the whole log takes; again half of what is promised."""
PASS_EVERY = timedelta(hours=13)
SLICE = 4096
MOST_IN_A_TURN = 1 << 18
PATIENCE = timedelta(minutes=1)
"""How long a number may be missing before anybody is told: batches in flight overtake each other."""
MOST_FINDINGS = 200
"""Kept word for word from one check; there are more only where somebody has wrecked the whole log."""
STALLED = timedelta(seconds=60)
"""Longer than this no batch waits for its place, and no leaf for a checkpoint."""
CRY_EVERY = timedelta(minutes=5)
_MOST_TOLD = 50
_MOST_REMEMBERED = 10_000
_STRETCH, _PAUSE_S = 4 * TILE_WIDTH, 0.01


class Monitor:
    """`tick` is called every TICK_S seconds. `vkeys` tells the keys of an origin as this process has them, which no
    database can replace; `witnesses` are keys from the settings."""

    def __init__(
        self,
        database: log_store.Database,
        writer: Writer,
        vkeys: Callable[[str], Sequence[str]],
        witnesses: Sequence[str] = (),
        objects: Objects | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._database = database
        self._writer = writer
        self._vkeys = vkeys
        self._witnesses = witnesses
        self._objects = objects
        self._clock = clock or SystemClock()
        self._memory: Memory = {}
        self._alarmed: set[tuple[str, str]] = set()
        self._cried: dict[str, datetime] = {}

    async def tick(self) -> None:
        """Whatever is due, if it is our turn. What fails is alarmed, and does not keep the rest from being done."""
        async with log_store.turn(self._database.clerk, "monitor") as connection:
            if connection is None:
                return
            for part in (self._watch, self._expect_progress, self._newest_in_time, self._go_on, self._tell):
                await self._guarded(part, connection)

    async def _guarded(self, part: Callable[[Any, datetime], Awaitable[None]], connection: Any) -> None:
        try:
            await part(connection, self._clock.now())
        except Exception as error:
            if connection.is_closed():
                raise  # the database is away: nothing else could be done either
            name = part.__name__.strip("_")
            self._cry("monitor.failed", name, part=name, error=repr(error)[:500])

    # --- watching
    async def _watch(self, connection: Any, now: datetime) -> None:
        """Numbers of writers."""
        await store.watch_writers(connection, now)
        await self._tell_gaps(connection)

    async def _expect_progress(self, connection: Any, now: datetime) -> None:
        """Whoever sequences and signs is there, and gets on."""
        await store.watch_waiting(connection, now)
        since = (await store.state(connection)).waiting_since
        leaves, signed, *_ = await store.sizes(connection)
        at = await store.sequenced_at(connection, signed) if signed < leaves else None
        waits = since is not None and not -STALLED <= now - since <= STALLED
        if waits or (at is not None and now - at > STALLED):
            self._cry("log.stalled", "", waiting_since=str(since), unsigned_since=str(at))

    # --- checking
    async def _newest_in_time(self, connection: Any, now: datetime) -> None:
        if not _is_recent((await store.state(connection)).newest_at, now, NEWEST_EVERY):
            await self.newest(connection)

    async def newest(self, connection: Any) -> None:
        """The newest leaves, and everything that waits."""
        findings = Findings(MOST_FINDINGS)
        async with log_store.snapshot(connection):
            manner = await self._manner(connection)
            check = Check(connection, manner, findings)
            first = await check.newest(NEWEST)
        now = self._clock.now()
        await self._keep(connection, findings, now)
        await store.newest_checked(connection, first, check.size, manner.progress.took_s, now)

    async def _go_on(self, connection: Any, now: datetime) -> None:
        """The next slice of the pass over everything: as much as the time since its beginning asks for."""
        state = await store.state(connection)
        if state.pass_began_at is None:
            if _is_recent(state.whole_began_at, now, PASS_EVERY):
                return
            await store.began_pass(connection, now)
        size = (await store.sizes(connection))[0]
        elapsed = now - (state.pass_began_at or now)
        due = int(size * (elapsed / PASS)) - state.position
        await self.slice(connection, state.position, min(max(due, SLICE), MOST_IN_A_TURN))

    async def slice(self, connection: Any, start: int, leaves: int) -> None:
        """Check some leaves; behind the last one also what belongs to no leaf, and the pass has ended."""
        findings = Findings(MOST_FINDINGS)
        async with log_store.snapshot(connection):
            check = Check(connection, await self._manner(connection), findings)
            end = await check.slice(start, leaves)
            is_last = end >= check.size
            if is_last:
                await check.remainder()
        now = self._clock.now()
        async with connection.transaction():
            await self._keep(connection, findings, now)
            await (store.ended_pass(connection, end, now) if is_last else store.advanced(connection, end))
        if is_last:
            log.info("log.checked", leaves=end)

    async def _manner(self, connection: Any) -> Manner:
        origins = [shard.origin for shard in await log_store.shards(connection) if shard.origin]
        vkeys = [vkey for origin in origins for vkey in self._vkeys(origin)]
        return Manner(vkeys, self._witnesses, self._objects, Progress(), _STRETCH, _PAUSE_S, self._memory)

    # --- telling
    async def _keep(self, connection: Any, findings: Findings, now: datetime) -> None:
        for what, why in findings.told:
            self._alarm("log.damaged", what, why)
        await store.keep(connection, findings.told, now)

    async def _tell(self, connection: Any, now: datetime) -> None:
        """What is kept and was not told in the log yet, by whatever process it was found."""
        found = [(row["what"], row["why"]) for row in await store.untold(connection, _MOST_TOLD)]
        if not found:
            return
        for what, why in found:
            self._alarm("log.damaged", what, why)
        if await self._write("log.damage_found", [{"what": what, "why": why} for what, why in found]):
            await store.told(connection, found, now)

    async def _tell_gaps(self, connection: Any) -> None:
        due = await store.due_gaps(connection, self._clock.now(), PATIENCE, _MOST_TOLD)
        if not due:
            return
        facts = [{"gateway": gap["gateway"], "epoch": str(gap["epoch"]), "first": str(gap["first"]),
                  "last": str(gap["last"])} for gap in due]  # fmt: skip
        for gap in facts:
            self._alarm("log.numbers_missing", f"{gap['gateway']}/{gap['epoch']}", f"{gap['first']} to {gap['last']}")
        if await self._write("log.gap_found", facts):
            await store.told_gaps(connection, due, self._clock.now())

    def _alarm(self, name: str, what: str, why: str) -> None:
        """Once in the life of this process: what the database says of having been told may have been put there."""
        if len(self._alarmed) >= _MOST_REMEMBERED:
            self._alarmed.clear()
        if (what, why) not in self._alarmed:
            self._alarmed.add((what, why))
            log.critical(name, what=what, why=why, alarm=True)

    def _cry(self, name: str, key: str, **facts: str) -> None:
        """Again and again, but not every few seconds."""
        if not _is_recent(self._cried.get(f"{name} {key}"), self._clock.now(), CRY_EVERY):
            self._cried[f"{name} {key}"] = self._clock.now()
            log.critical(name, alarm=True, **facts)

    async def _write(self, event: str, facts: list[dict[str, str]]) -> bool:
        told = [new_event(event, self._clock.now(), "monitor", "", one) for one in facts]
        try:
            await self._writer.write(told)
        except Refusal as refusal:
            log.warning("monitor.untold", event_name=event, reason=str(refusal))
            return False
        return True


def _is_recent(at: datetime | None, now: datetime, every: timedelta) -> bool:
    """Whether something was done already; not at a moment that has yet to come, which somebody may have put there."""
    return at is not None and timedelta(0) <= now - at < every
