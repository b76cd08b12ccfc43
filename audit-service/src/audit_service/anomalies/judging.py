"""The judge: looks at what is new in the log, once, and raises an alert for what breaks a rule.

A step is one transaction: counting, judging, alerts, messages about them and how far it has got, or nothing of it. An
alert's id follows from what it is about, so that a step which is done again after a crash tells the same.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import structlog
from msgspec.structs import replace

from audit_service import store as log_store
from audit_service.anomalies import store
from audit_service.anomalies.model import MOST_CALLS, Alert, Unusual, figure, told
from audit_service.anomalies.queries import MOST
from audit_service.anomalies.rules import MOST_DAYS, NightUse, Rule
from audit_service.feeds import store as feeds
from audit_service.feeds.model import alert_body, event_of
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from wire.audit import Event

log = structlog.get_logger()
STEP = 20_000
"""Leaf indexes of one step."""
SMALLEST = 1_000
"""Of a step in which a rule took too long, so that it was tried again in smaller ones."""
MOST_STEPS = 20
MOST_TIME = timedelta(seconds=10)
"""Of one rule in one step."""
HORIZON = timedelta(days=7)
"""What ended longer ago than this when it comes is not judged."""
KEPT = timedelta(days=MOST_DAYS + 2)
JUDGE = "log-judge"


class _TooLong(Exception):
    """A rule took too long; the step, of so many indexes, is undone."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class Judge:
    """One replica at a time; `tick` once a minute."""

    def __init__(
        self, database: log_store.Database, writer: Writer, rules: Sequence[Rule], clock: Clock | None = None
    ) -> None:
        self._database = database
        self._writer = writer
        self._rules = rules
        self._clock = clock or SystemClock()

    async def tick(self) -> None:
        """Judge what is there."""
        async with log_store.turn(self._database.clerk, "anomalies") as connection:
            if connection is None:
                return
            size = STEP
            for _ in range(MOST_STEPS):
                try:
                    if not await self._step(connection, size):
                        break
                except _TooLong as slow:
                    size = max(SMALLEST, slow.size // 2)
            await store.forget(connection, self._clock.now() - KEPT)

    async def _step(self, connection: Any, size: int) -> bool:
        """Whether there is more. Raises _TooLong: nothing was done, a smaller step may do."""
        now = self._clock.now()
        async with connection.transaction():
            start, indexed = await store.lock_judged(connection)
            end = min(indexed, start + size)
            if end <= start:
                return False
            await store.count(connection, start, end, now - HORIZON)
            raised: list[Event] = []
            for rule in self._rules:
                raised += await self._judged(connection, rule, start, end, now)
            await store.set_judged(connection, end)
            if raised:  # on record before anybody is told
                await self._writer.write(raised)
        return end < indexed

    async def _judged(self, tx: Any, rule: Rule, start: int, end: int, now: datetime) -> list[Event]:
        """One rule; if that fails, or takes too long in the smallest step, the others go on. Raises _TooLong."""
        try:
            async with tx.transaction():
                await store.limit_time(tx, MOST_TIME)
                found = await store.unusual(tx, rule, start, end, now - HORIZON)
                if len(found) > MOST:
                    log.critical("rule.cut", rule=rule.id, first=start, end=end, most=MOST, alarm=True)
                raised = [await self._noted(tx, rule, one, end, now) for one in found[:MOST]]
                await store.limit_time(tx, timedelta(0))
        except asyncpg.PostgresError as error:
            if isinstance(error, asyncpg.QueryCanceledError) and end - start > SMALLEST:
                log.warning("rule.slow", rule=rule.id, first=start, end=end)
                raise _TooLong(end - start) from None
            log.critical("rule.failed", rule=rule.id, first=start, end=end, error=repr(error), alarm=True)
            return []
        return [event for event in raised if event]

    async def _noted(self, tx: Any, rule: Rule, found: Unusual, end: int, now: datetime) -> Event | None:
        """Raise an alert, or prolong the one that runs; the event if it is new. What somebody has closed stays closed
        as long as its window lasts."""
        known = await store.running(tx, found)
        if known is not None and known.state == "closed":
            return None
        about: Any = {"personal": isinstance(rule, NightUse), "but_not": rule.but_not}
        parties = await store.parties(tx, found, end, **about)
        calls = known.calls if known else []
        if len(calls) < MOST_CALLS:
            calls = list(dict.fromkeys([*calls, *await store.first_calls(tx, found, end, **about)]))[:MOST_CALLS]
        if known is not None:
            alert = _prolonged(known, found, calls, parties, now)
            await store.prolong(tx, alert)
            await _tell(tx, alert, set(alert.departments) - set(known.departments),
                        set(alert.providers) - set(known.providers), now)  # fmt: skip
            return None
        alert = _new(found, calls, parties, now)
        await store.add(tx, alert)
        await _tell(tx, alert, set(alert.departments), set(alert.providers), now)
        log.warning("alert.raised", alert=alert.id, rule=alert.rule)
        return event_of(
            "alert.raised", now, JUDGE, "", alert=alert.id, rule=alert.rule, interface=alert.interface,
            since=alert.since.isoformat(), until=alert.until.isoformat(),
        )  # fmt: skip


def _new(found: Unusual, calls: list[str], parties: store.Parties, now: datetime) -> Alert:
    return Alert(
        id=found.id, rule=found.rule, kind=found.kind, system=found.system, interface=found.interface,
        subject=found.subject, since=found.since, until=found.until, raised_at=now, prolonged_at=now,
        figures=found.figures, calls=calls, departments=parties.departments, providers=parties.providers, state="open",
        finding="", note="", closed_by="", closed_at=None,
    )  # fmt: skip


def _prolonged(known: Alert, found: Unusual, calls: list[str], parties: store.Parties, now: datetime) -> Alert:
    return replace(
        known, since=min(known.since, found.since), until=max(known.until, found.until), prolonged_at=now, calls=calls,
        figures=max(known.figures, found.figures, key=figure),
        departments=sorted({*known.departments, *parties.departments}),
        providers=sorted({*known.providers, *parties.providers}),
    )  # fmt: skip


async def _tell(tx: Any, alert: Alert, consumers: set[str], providers: set[str], at: datetime) -> None:
    """A message for each subscription of departments that have just come to take part in the calls of one system."""
    if not alert.system or not (consumers or providers):
        return
    for one in await feeds.concerned(tx, consumers, providers, alert.interface):
        body = alert_body(one.id, told(alert))
        await feeds.add_message(tx, one.id, "alert", alert.id, body, at)
