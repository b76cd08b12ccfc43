"""Starting, stopping and extending clocks, inside the transaction of what starts, stops or extends them."""

from collections.abc import Collection, Sequence
from datetime import date

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.clocks import reckon, store
from catalog_service.clocks.model import Clock
from catalog_service.clocks.reckon import Start
from catalog_service.feed.flows import Change
from catalog_service.notices.flows import notify
from catalog_service.notices.model import Subject
from catalog_service.policy.flows import Lawbook, import_year
from runtime.errors import INVALID_REQUEST, Refusal
from runtime.ids import uuid7
from statute.calendar import Year, bundled_calendar, regions
from statute.model import Clock as Limit
from statute.resolve import Law
from wire import codes


async def start_clock(
    change: Change,
    lawbook: Lawbook,
    law: Law,
    key: str,
    subject: Subject,
    *,
    responsible: str,
    counterpart: str = "",
    until: date | None = None,
    limit: Limit | None = None,
) -> Clock | None:
    """The clock that now runs; None where the law gives no days and nobody set a date (`until`).

    A limit of the law that runs already goes on as it is; a date that is set anew replaces the one before.
    limit  what applies where no text gives days under this key: the platform's own, as plain values of a profile
    """
    start = Start(
        id=str(uuid7(int(change.at.timestamp() * 1000))), key=key, subject=subject, responsible=responsible,
        counterpart=counterpart, at=change.at, until=until,
    )  # fmt: skip
    limit = limit or reckon.limit_of(law, start)
    if limit is None:
        return None
    await store.hold_calendars(change.tx)
    for running in await store.running_of(change.tx, subject, [key]):
        if until is None:
            return running
        await store.keep_clock(change.tx, reckon.cancelled(running, change.at), None)
    calendar = await lawbook.calendar(change.tx)
    clock = reckon.started(start, limit, law, calendar)
    await store.keep_clock(change.tx, clock, reckon.next_look(clock, calendar, change.at))
    return clock


async def stop_clocks(change: Change, subject: Subject, keys: Collection[str] = ()) -> list[Clock]:
    """What was due is done, in time or late. keys (): all that run"""
    await store.hold_calendars(change.tx)
    ended = [reckon.stopped(clock, change.at) for clock in await store.running_of(change.tx, subject, keys)]
    for clock in ended:
        await store.keep_clock(change.tx, clock, None)
    return ended


async def cancel_clocks(change: Change, subject: Subject) -> list[Clock]:
    """Nothing is owed any longer: no clock runs on a closed case."""
    await store.hold_calendars(change.tx)
    ended = [reckon.cancelled(clock, change.at) for clock in await store.running_of(change.tx, subject)]
    for clock in ended:
        await store.keep_clock(change.tx, clock, None)
    return ended


async def extend_clock(change: Change, lawbook: Lawbook, subject: Subject, key: str, days: int, reason: str) -> Clock:
    """Later by `days`, once or several times, never past the total that the law allows.

    Whether the actor may agree to it is the caller's question; the clock says who may (`approve_by`).
    Raises Refusal. Source: 国务院令第809号 17, 21; 常德 14; 云南 22.
    """
    await store.hold_calendars(change.tx)
    clock = next(iter(await store.running_of(change.tx, subject, [key])), None)
    if clock is None or clock.state == "overdue":
        raise Refusal(codes.NO_CLOCK, f"{key} of {subject.kind} {subject.id}", key=key)
    _check_extension(clock, days, reason)
    calendar = await lawbook.calendar(change.tx)
    longer = reckon.extended(clock, calendar, days)
    await store.keep_clock(change.tx, longer, reckon.next_look(longer, calendar, change.at))
    await _tell_extension(change, clock, longer, reason)
    return longer


def _check_extension(clock: Clock, days: int, reason: str) -> None:
    if days < 1:
        raise _invalid("days", "at least one day")
    if clock.reason_needed and not reason.strip():
        raise _invalid("reason", f"required by {clock.cite}")
    if clock.base + clock.extended_by + days > clock.total:
        detail = f"{clock.key} is {clock.base} {clock.unit}, with every extension {clock.total}"
        facts = {"longest": clock.total, "extended_by": clock.extended_by, "article": clock.cite}
        raise Refusal(codes.NOT_EXTENDABLE, detail, **facts)


def _invalid(path: str, error: str) -> Refusal:
    return Refusal(INVALID_REQUEST, error, errors=[{"path": f"/body/{path}", "error": error}])


async def _tell_extension(change: Change, before: Clock, after: Clock, reason: str) -> None:
    """Into the log always; to the side that waits where the law says so."""
    facts = {**facts_of(after), "before": before.shown, "reason": reason}
    await change.tell("clock.extended", after, **facts)
    if after.notify:
        key = f"clock/{after.id}/extended/{after.extended_by}"
        await notify(change, to=after.waiting, word="clock.extended", about=after.subject, facts=facts, key=key)


async def clocks_of(tx: AsyncConnection, subjects: Sequence[Subject]) -> list[Clock]:
    """All clocks of these subjects, ended ones too."""
    return await store.of_subjects(tx, subjects)


def facts_of(clock: Clock) -> dict[str, str]:
    """What notices and the log say of a clock."""
    return {
        "clock": clock.id, "key": clock.key, "subject": f"{clock.subject.kind}/{clock.subject.id}",
        "responsible": clock.responsible, "due": clock.shown, "cite": clock.cite, "profile": clock.profile,
        "profile_version": clock.profile_version,
    }  # fmt: skip


# --- a new year of the calendar ---------------------------------------------------------------------------------------
class Adopted(msgspec.Struct, frozen=True):
    """A year that was imported, and the clocks that end on another day by it."""

    region: str
    year: int
    version: str
    moved: list[Clock]


async def adopt_bundled_years(change: Change, lawbook: Lawbook) -> None:
    """Years that came with the release and that this installation does not know yet."""
    if lawbook.region in regions():
        known = await lawbook.calendar(change.tx)
        for number, year in bundled_calendar(lawbook.region).years.items():
            if year.announced and (number not in known.years or not known.years[number].announced):
                await adopt_year(change, lawbook, lawbook.region, year)


async def adopt_year(change: Change, lawbook: Lawbook, region: str, year: Year) -> Adopted:
    """Import a year and reckon every running clock of the region anew (B.16)."""
    calendar = await import_year(change, lawbook, region, year)
    moved = []
    for clock in await store.running_in(change.tx, region):
        after = reckon.readjusted(clock, calendar, change.at)
        if after.latest_due_at <= change.at:
            await store.keep_passed(change.tx, after)
        else:
            await store.keep_clock(change.tx, after, reckon.next_look(after, calendar, change.at))
        if after.due_at != clock.due_at:
            await _tell_move(change, clock, after)
            moved.append(after)
    return Adopted(region, year.number, calendar.version, moved)


async def _tell_move(change: Change, before: Clock, after: Clock) -> None:
    """Old and new end into the log, and to both sides."""
    facts = {**facts_of(after), "before": before.shown, "latest": str(reckon.last_day(after.latest_due_at))}
    await change.tell("clock.recomputed", after, **facts)
    key = f"clock/{after.id}/recomputed/{after.calendar}"
    to = [after.officer, *after.waiting]
    await notify(change, to=to, word="clock.recomputed", about=after.subject, facts=facts, key=key)
