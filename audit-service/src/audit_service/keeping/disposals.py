"""Disposals: one person proposes what has been kept long enough, another one approves it. `disposing` carries it out.

Source: 网络安全法 23; 景德镇 16; 国务院令第809号 29; 个人信息保护法 56; security P24 (two persons, itself audited).
"""

from dataclasses import dataclass
from datetime import UTC, date, timedelta
from typing import Any

from audit_service import store as log_store
from audit_service.archive import store as archive_store
from audit_service.archive.periods import Periods
from audit_service.keeping import store
from audit_service.keeping.events import told
from audit_service.keeping.holds import Holds
from audit_service.keeping.store import Disposal, Due, State
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from runtime.errors import Refusal
from runtime.ids import uuid7
from wire import codes
from wire.tokens import AccessToken


@dataclass(frozen=True, slots=True)
class Wish:
    """All segments of a class on days before `before` (UTC, excluded). `case` is where it was decided, if anywhere."""

    retention: str
    before: date
    reason: str
    case: str = ""


@dataclass(frozen=True, slots=True)
class Shown:
    """A disposal with its segments."""

    disposal: Disposal
    segments: list[Due]

    @property
    def state(self) -> str:
        """`waiting` while all is done but objects that the store does not let go yet."""
        if self.disposal.state == "approved" and all(due.executed_at for due in self.segments):
            return "waiting"
        return self.disposal.state


class Disposals:
    """Proposing and deciding."""

    def __init__(
        self,
        database: log_store.Database,
        writer: Writer,
        holds: Holds,
        periods: Periods,
        clock: Clock | None = None,
    ) -> None:
        self._database = database
        self._writer = writer
        self._holds = holds
        self._periods = periods
        self._clock = clock or SystemClock()

    async def all(self) -> list[Shown]:
        """Newest first."""
        async with log_store.answering("disposals"), self._database.clerk.acquire() as connection:
            found = await store.disposals(connection)
            return [Shown(disposal, await store.dues(connection, disposal.id)) for disposal in found]

    async def one(self, number: str) -> Shown:
        """Raises Refusal(NOT_FOUND)."""
        async with log_store.answering("disposals"), self._database.clerk.acquire() as connection:
            return await _shown(connection, number)

    async def propose(self, wish: Wish, token: AccessToken) -> Shown:
        """Raises Refusal: TOO_EARLY if the class is kept longer, NOT_FOUND if there is nothing to dispose of."""
        now = self._clock.now()
        today = now.astimezone(UTC).date()
        self._expect_due(wish, today)
        disposal = Disposal(
            str(uuid7(int(now.timestamp() * 1000))), wish.retention, wish.before, wish.reason, wish.case, "proposed",
            token.client, token.department, now,
        )  # fmt: skip
        async with log_store.answering("disposal"), self._database.clerk.acquire() as tx, tx.transaction():
            await store.one_proposal_at_a_time(tx)
            segments = await self._due(tx, wish, today)
            if not segments:
                raise Refusal(codes.NOT_FOUND, "nothing is left that could be disposed of")
            await store.add_disposal(tx, disposal, segments)
            facts = {"disposal": disposal.id, "retention": wish.retention, "before": wish.before.isoformat(),
                     "segments": str(len(segments)), "reason": wish.reason, "case": wish.case}  # fmt: skip
            await self._writer.write([told("disposal.proposed", now, token, facts)])
            return await _shown(tx, disposal.id)

    def _expect_due(self, wish: Wish, today: date) -> None:
        """What is asked for is what can be done: no day of it may still have to be kept."""
        newest = f"{wish.before - timedelta(days=1):%Y%m%d}-{wish.retention}"
        if not self._periods.is_due(newest, today):
            until = self._periods.kept_until(newest)
            raise Refusal(
                codes.TOO_EARLY, f"the newest is kept until {until}", until=until.isoformat() if until else ""
            )

    async def _due(self, tx: Any, wish: Wish, today: date) -> list[str]:
        """Segments in the database and in the archive, but for those that somebody is at already, or that are kept for
        longer than their class."""
        mixed = await archive_store.mixed(tx)
        archived = await archive_store.archived(tx)
        there = {name for name, kept in archived.items() if kept.state != "disposed"}
        there |= set(await archive_store.hot(tx)) - archived.keys()
        taken = await store.decided_on(tx)
        return sorted(
            segment
            for segment in there - taken
            if segment[9:] == wish.retention
            and segment[:8] < f"{wish.before:%Y%m%d}"
            and self._periods.is_due(segment, today, mixed)
        )

    async def approve(self, number: str, token: AccessToken) -> Shown:
        """By another person. Raises Refusal: NOT_FOUND, FOUR_EYES, NOT_IN_THIS_STATE."""
        return await self._decide(number, "approved", "", token)

    async def reject(self, number: str, reason: str, token: AccessToken) -> Shown:
        """By anybody, its author too, and also once it is approved, until it has begun. Raises Refusal: NOT_FOUND,
        NOT_IN_THIS_STATE."""
        return await self._decide(number, "rejected", reason, token)

    async def _decide(self, number: str, state: State, reason: str, token: AccessToken) -> Shown:
        now = self._clock.now()
        async with log_store.answering("disposal"), self._database.clerk.acquire() as tx, tx.transaction():
            done = await store.decide(tx, number, state, token.client, token.department)
            shown = await _shown(tx, number)
            if not done:
                raise _not_decided(shown.disposal)
            of = shown.disposal
            facts = {"disposal": number, "reason": reason, "proposed_by": of.proposed_by, "retention": of.retention,
                     "before": of.before.isoformat()}  # fmt: skip
            event = of.approval if state == "approved" else ""  # by its id the database finds the leaf
            await self._writer.write([told(f"disposal.{state}", now, token, facts, event)])
        return shown


async def _shown(connection: Any, number: str) -> Shown:
    disposal = await store.disposal(connection, number)
    if disposal is None:
        raise Refusal(codes.NOT_FOUND, f"no disposal {number}")
    return Shown(disposal, await store.dues(connection, number))


def _not_decided(disposal: Disposal) -> Refusal:
    if disposal.state != "proposed":
        return Refusal(codes.NOT_IN_THIS_STATE, f"it is {disposal.state}", state=disposal.state, possible=[])
    return Refusal(codes.FOUR_EYES, "whoever proposed it does not approve it")
