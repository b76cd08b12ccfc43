"""When a clock ends, when it is looked at, what is said then. Pure; the days are those of `statute.calendar`.

Source: 民法典 201, 203 (how days count), A.3 (binding, extension), B.16 (marks, 督办, recomputation).
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from msgspec.structs import replace

from catalog_service.clocks.model import Clock
from catalog_service.clocks.states import next_state
from catalog_service.notices.model import Subject
from statute.calendar import SHANGHAI, Calendar
from statute.model import CLOCK_KEYS
from statute.model import Clock as Limit
from statute.resolve import Law

DAY = timedelta(days=1)
REMIND_EVERY_WD = 5
MOST_REMINDERS = 12
"""When the end has passed: at once, then each week for a quarter. After that B.12 (整改) has to help, not more mail."""
NO_LIMIT = Limit("", 0, 0, "CD", "platform", "", "", "", "must", "", (), reason=False)
"""What the law says of a date that somebody set: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """What starts a clock."""

    id: str
    key: str
    subject: Subject
    responsible: str
    counterpart: str
    at: datetime
    until: date | None = None
    """A day that somebody set within their power; it goes before what the law says."""


def limit_of(law: Law, start: Start) -> Limit | None:
    """Which time limit applies; None: the law gives no days and nobody set a date."""
    if start.until is not None:
        return NO_LIMIT
    return law.clock(start.key) if start.key in CLOCK_KEYS else None


def started(start: Start, limit: Limit, law: Law, calendar: Calendar) -> Clock:
    """The clock as it begins to run."""
    end = end_of_day(start.until) if start.until else start.at
    clock = Clock(
        id=start.id, subject=start.subject, key=start.key, state=next_state("", "start"),
        responsible=start.responsible, counterpart=start.counterpart,
        profile=law.profile.id, profile_version=law.profile.version, region=calendar.region, calendar=calendar.version,
        source="set" if start.until else limit.source, cite=limit.cite, binding=limit.binding, unit=limit.unit,
        base=limit.base, total=limit.total, started_at=start.at,
        due=last_day(end), due_at=end, latest_due_at=end, provisional=False, shown=str(last_day(end)),
        approve_by=limit.approve_by, notify=list(limit.notify), reason_needed=limit.reason,
        marks=_list(law, "reminders.warn_at_fraction"), escalate_to=_list(law, "reminders.overdue_escalate_to"),
    )  # fmt: skip
    return reckoned(clock, calendar)


def _list(law: Law, key: str) -> list[Any]:
    found = law.value(key).value
    return list(found) if isinstance(found, list | tuple) else []


def reckoned(clock: Clock, calendar: Calendar) -> Clock:
    """The clock with its end by this calendar. An earlier end is shown, the latest one ever shown counts."""
    if clock.source == "set":
        return clock
    end = calendar.due_at(clock.started_at, clock.base + clock.extended_by, clock.unit)
    day = last_day(end.at)
    shown = f"预计 {day}（{day.year} 年放假安排未公布）" if end.provisional else str(day)
    return replace(
        clock, calendar=calendar.version, due=day, due_at=end.at, latest_due_at=max(clock.latest_due_at, end.at),
        provisional=end.provisional, shown=shown,
    )  # fmt: skip


def last_day(end: datetime) -> date:
    """The day that this instant ends or lies in: 24:00 belongs to the day before."""
    return (end - timedelta(microseconds=1)).astimezone(SHANGHAI).date()


def end_of_day(day: date) -> datetime:
    """24:00 Shanghai time."""
    return datetime.combine(day + DAY, time(), SHANGHAI).astimezone(UTC)


# --- looking at it ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Look:
    """What the worker finds: the clock after it, what to tell ("" nothing) under which name, when to look again."""

    clock: Clock
    word: str
    stage: str
    next_at: datetime | None


def look(clock: Clock, calendar: Calendar, at: datetime) -> Look:
    """What there is to say at the moment `at`. Of several marks that passed meanwhile only the last is told."""
    if at >= clock.latest_due_at:
        return _past_the_end(clock, calendar, at)
    passed = [mark for mark in clock.marks if mark_at(clock, calendar, mark) <= at]
    word, stage = ("clock.warning", f"{max(passed):.0%}") if passed else ("", "")
    return Look(clock, word, stage, next_look(clock, calendar, at))


def _past_the_end(clock: Clock, calendar: Calendar, at: datetime) -> Look:
    told = replace(clock, told=clock.told + 1)
    if clock.binding == "in_principle":  # A.3: warns, but marks no 违规
        return Look(told, "clock.passed", "passed", None)
    if clock.state != "overdue":
        told = replace(told, state=next_state(clock.state, "pass", {"must"}), violation=True)
    last = told.told > MOST_REMINDERS
    again = None if last else calendar.due_at(at, REMIND_EVERY_WD).at
    return Look(told, "clock.overdue", f"overdue {told.told}", again)


def next_look(clock: Clock, calendar: Calendar, after: datetime) -> datetime:
    """The next mark that lies ahead, else the end."""
    ahead = [at for mark in clock.marks if after < (at := mark_at(clock, calendar, mark)) < clock.latest_due_at]
    return min(ahead, default=clock.latest_due_at)


def mark_at(clock: Clock, calendar: Calendar, fraction: float) -> datetime:
    """The instant at which this share of the time is used up."""
    if clock.source == "set":
        return clock.started_at + fraction * (clock.due_at - clock.started_at)
    return calendar.mark_at(clock.started_at, clock.base + clock.extended_by, fraction, clock.unit)


# --- ending and moving it ---------------------------------------------------------------------------------------------
def stopped(clock: Clock, at: datetime) -> Clock:
    """What was due is done."""
    in_time = at < clock.latest_due_at
    state = next_state(clock.state, "stop", {"in_time"} if in_time else ())
    return replace(clock, state=state, ended_at=at, violation=not in_time and clock.binding == "must")


def cancelled(clock: Clock, at: datetime) -> Clock:
    """What was due is no longer owed."""
    return replace(clock, state=next_state(clock.state, "cancel"), ended_at=at)


def extended(clock: Clock, calendar: Calendar, days: int) -> Clock:
    """Later by `days`; whether the law allows it is `flows.extend_clock`'s question."""
    longer = replace(clock, state=next_state(clock.state, "extend"), extended_by=clock.extended_by + days)
    return reckoned(longer, calendar)


def readjusted(clock: Clock, calendar: Calendar, at: datetime) -> Clock:
    """The clock by a new calendar. One that was overdue by the old one alone runs again, as if it had never been."""
    moved = reckoned(clock, calendar)
    if moved.state != "overdue" or moved.latest_due_at <= at:
        return moved
    state = next_state(moved.state, "postpone", {"was_extended"} if moved.extended_by else ())
    return replace(moved, state=state, violation=False, told=0)
