"""When a clock ends, when it is looked at, and what is said then."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_service.clocks import reckon
from catalog_service.clocks.model import Clock, Subject
from catalog_service.clocks.reckon import Start
from catalog_service.notices.model import Address
from harness.law import shanghai
from statute.calendar import Year, bundled_calendar, read_calendar
from statute.model import Clock as Limit
from statute.profiles import bundled
from wire import scopes

CN = bundled_calendar("CN")
LAW = bundled().law("national", government=True)
START = Start(
    id="c1", key="share.conditional.reply", subject=Subject("case", "01a"), responsible="rsj", counterpart="zjj",
    at=shanghai("2026-02-13 10:00"),
)  # fmt: skip
MUST = Limit("k", 10, 20, "WD", "local", "art.21", "", "provider", "must", "authority", ("requester",), reason=True)


def clock(at: str = "2026-02-13 10:00", until: date | None = None, **changes: Any) -> Clock:
    start = replace(START, at=shanghai(at), until=until)
    return reckon.started(start, replace(MUST, **changes), LAW, CN)


def marks_of(one: Clock) -> list[datetime]:
    return [reckon.mark_at(one, CN, mark) for mark in one.marks]


@pytest.mark.requirement("CLK-01")
@pytest.mark.parametrize(
    ("received", "limit", "due", "ends"),
    [
        ("2026-02-13 10:00", {"base": 10}, "2026-03-05", "2026-03-06 00:00"),
        ("2026-02-13 23:59", {"base": 1}, "2026-02-14", "2026-02-15 00:00"),  # a Saturday that is worked
        ("2026-10-03 10:00", {"base": 1}, "2026-10-08", "2026-10-09 00:00"),  # received on a holiday
        ("2026-09-30 10:00", {"base": 0}, "2026-09-30", "2026-10-01 00:00"),
        ("2026-09-20 10:00", {"base": 11, "unit": "CD"}, "2026-10-08", "2026-10-09 00:00"),  # ends on a holiday
        ("2026-09-20 10:00", {"base": 10, "unit": "CD"}, "2026-09-30", "2026-10-01 00:00"),
        ("2026-09-30 22:30", {"base": 4, "unit": "hour"}, "2026-10-01", "2026-10-01 02:30"),
    ],
)
def test_a_clock_ends_at_midnight_of_the_last_day(received: str, limit: dict[str, Any], due: str, ends: str) -> None:
    one = clock(received, **{"total": 30, **limit})
    assert (str(one.due), one.due_at) == (due, shanghai(ends))
    assert one.latest_due_at == one.due_at
    assert (one.provisional, one.shown) == (False, due)


@pytest.mark.requirement("CLK-01")
def test_a_date_that_somebody_set_goes_before_the_days_of_the_law() -> None:
    one = clock("2026-03-02 00:00", until=date(2026, 3, 11), source="local")
    assert (one.source, one.due, one.due_at) == ("set", date(2026, 3, 11), shanghai("2026-03-12 00:00"))
    assert marks_of(one) == [shanghai("2026-03-07 00:00"), shanghai("2026-03-10 00:00")]


@pytest.mark.requirement("CLK-01")
@pytest.mark.parametrize(
    ("key", "until", "days"),
    [
        ("share.conditional.reply", None, 10),
        ("share.conditional.reply", date(2026, 3, 11), 0),
        ("rectification", date(2026, 3, 11), 0),
        ("rectification", None, None),
    ],
)
def test_where_nobody_gives_days_nothing_runs(key: str, until: date | None, days: int | None) -> None:
    limit = reckon.limit_of(LAW, replace(START, key=key, until=until))
    assert (limit.base if limit else None) == days


@pytest.mark.requirement("CLK-01")
def test_a_year_that_is_not_announced_is_shown_as_a_guess() -> None:
    one = clock("2026-12-25 10:00")
    assert one.provisional
    assert one.shown == f"预计 {one.due}（2027 年放假安排未公布）"


@pytest.mark.requirement("CLK-03")
def test_marks_are_shares_of_the_working_days() -> None:
    """5 and 8 of 10 working days, over a holiday."""
    assert marks_of(clock()) == [shanghai("2026-02-28 00:00"), shanghai("2026-03-04 00:00")]


# --- looking ----------------------------------------------------------------------------------------------------------
def looks(one: Clock, until: str) -> list[tuple[datetime, str, str]]:
    """Everything that is said of a clock, looked at when it wants to be, up to some moment."""
    said = []
    at: datetime | None = reckon.next_look(one, CN, one.started_at)
    while at is not None and at <= shanghai(until):
        found = reckon.look(one, CN, at)
        said.append((at, found.word, found.stage))
        one, at = found.clock, found.next_at
    return said


@pytest.mark.requirement("CLK-04")
def test_what_is_said_of_a_clock_that_nobody_stops() -> None:
    said = looks(clock(), "2026-03-20 12:00")
    assert said == [
        (shanghai("2026-02-28 00:00"), "clock.warning", "50%"),
        (shanghai("2026-03-04 00:00"), "clock.warning", "80%"),
        (shanghai("2026-03-06 00:00"), "clock.overdue", "overdue 1"),
        (shanghai("2026-03-14 00:00"), "clock.overdue", "overdue 2"),
    ]


@pytest.mark.requirement("CLK-04")
def test_reminders_end() -> None:
    said = looks(clock(), "2026-12-01 00:00")
    assert [stage for _, word, stage in said if word == "clock.overdue"] == [f"overdue {n}" for n in range(1, 14)]


@pytest.mark.requirement("CLK-05")
@pytest.mark.parametrize("binding", ["must", "in_principle"])
def test_only_a_binding_limit_makes_a_violation(binding: Any) -> None:
    """景德镇 10: 原则上一个工作日."""
    one = clock(base=1, total=1, binding=binding)
    late = reckon.look(one, CN, shanghai("2026-02-16 09:00"))
    ended = reckon.stopped(late.clock, shanghai("2026-02-16 10:00"))
    never_looked_at = reckon.stopped(one, shanghai("2026-02-16 10:00"))
    must = binding == "must"
    assert late.word == ("clock.overdue" if must else "clock.passed")
    assert late.clock.state == ("overdue" if must else "running")
    assert (late.next_at is not None) == must
    assert late.clock.violation == ended.violation == never_looked_at.violation == must
    assert ended.state == never_looked_at.state == "met_late"


def test_a_worker_that_was_away_tells_the_last_mark_only() -> None:
    found = reckon.look(clock(), CN, shanghai("2026-03-05 10:00"))
    assert (found.word, found.stage, found.next_at) == ("clock.warning", "80%", shanghai("2026-03-06 00:00"))
    assert reckon.look(clock(), CN, shanghai("2026-02-20 10:00")).word == ""


@given(st.integers(0, 430_000), st.integers(0, 40), st.sampled_from(["WD", "CD", "hour"]))
def test_looks_go_forward_and_never_past_the_end(minutes: int, days: int, unit: Any) -> None:
    at = shanghai("2026-01-01 00:00") + timedelta(minutes=minutes)
    one = reckon.started(replace(START, at=at), replace(MUST, base=days, total=days, unit=unit), LAW, CN)
    seen = [at]
    while seen[-1] < one.latest_due_at:
        seen.append(reckon.next_look(one, CN, seen[-1]))
        assert seen[-2] < seen[-1] <= one.latest_due_at
    assert len(seen) <= 4


# --- ending, extending, a new calendar --------------------------------------------------------------------------------
@pytest.mark.requirement("CLK-02")
@pytest.mark.parametrize(
    ("at", "state", "violation"),
    [("2026-03-05 23:59", "met", False), ("2026-03-06 00:00", "met_late", True)],
)
def test_the_end_of_the_last_day_divides_met_from_late(at: str, state: str, violation: bool) -> None:
    ended = reckon.stopped(clock(), shanghai(at))
    assert (ended.state, ended.violation, ended.ended_at) == (state, violation, shanghai(at))


@pytest.mark.requirement("CLK-06")
def test_marks_ahead_are_told_again_after_an_extension() -> None:
    longer = reckon.extended(clock(), CN, 10)
    assert (longer.state, str(longer.due), longer.extended_by) == ("extended", "2026-03-19", 10)
    assert reckon.next_look(longer, CN, shanghai("2026-03-04 10:00")) == shanghai("2026-03-06 00:00")
    assert reckon.next_look(longer, CN, shanghai("2026-03-06 10:00")) == shanghai("2026-03-14 00:00")


def with_days_off(*days: str) -> Any:
    """The calendar of 2026 with more days off, or as many weekend days worked ("+2026-…")."""
    year = CN.years[2026]
    off = {date.fromisoformat(day) for day in days if day[0] != "+"}
    worked = {date.fromisoformat(day[1:]) for day in days if day[0] == "+"}
    return CN.with_year(Year(2026, announced=True, notice="", off=year.off | off, worked=year.worked | worked))


@pytest.mark.requirement("CLK-07")
def test_an_end_that_moves_back_counts_from_the_one_that_was_shown() -> None:
    """Two weekend days are worked after all: the end is earlier, but 违规 is measured by the later one."""
    earlier = reckon.readjusted(clock(), with_days_off("+2026-03-01"), shanghai("2026-02-24 10:00"))
    assert (str(earlier.due), earlier.latest_due_at) == ("2026-03-04", shanghai("2026-03-06 00:00"))
    assert reckon.look(earlier, CN, shanghai("2026-03-05 10:00")).word != "clock.overdue"
    assert reckon.stopped(earlier, shanghai("2026-03-05 10:00")).state == "met"
    later = reckon.readjusted(earlier, with_days_off("2026-03-02"), shanghai("2026-02-24 10:00"))
    assert (str(later.due), later.latest_due_at) == ("2026-03-06", shanghai("2026-03-07 00:00"))


@pytest.mark.requirement("CLK-07")
@pytest.mark.parametrize(("extended_by", "state"), [(0, "running"), (2, "extended")])
def test_a_clock_that_a_new_holiday_makes_timely_is_overdue_no_more(extended_by: int, state: str) -> None:
    one = clock(base=10 - extended_by, total=20)
    if extended_by:
        one = reckon.extended(one, CN, extended_by)
    late = reckon.look(one, CN, shanghai("2026-03-06 00:00")).clock
    again = reckon.readjusted(late, with_days_off("2026-03-04", "2026-03-05"), shanghai("2026-03-06 10:00"))
    assert (again.state, again.violation, again.told, str(again.due)) == (state, False, 0, "2026-03-09")
    still = reckon.readjusted(late, with_days_off("+2026-03-01"), shanghai("2026-03-06 10:00"))
    assert (still.state, still.violation, still.told) == ("overdue", True, 1)


@pytest.mark.requirement("CLK-07")
def test_what_was_a_guess_is_certain_when_the_year_is_known() -> None:
    one = clock("2026-12-25 10:00")
    text = "schema: dx-calendar/1\nregion: CN\nyears: {2027: {status: announced, weekdays_off: ['2027-01-01']}}\n"
    known = reckon.readjusted(one, CN.with_year(read_calendar(text).years[2027]), one.started_at)
    assert (known.provisional, known.shown, known.state) == (False, str(known.due), "running")


def test_a_date_that_was_set_does_not_move_with_the_calendar() -> None:
    one = clock(until=date(2026, 3, 11))
    assert reckon.readjusted(one, with_days_off("2026-03-10"), one.started_at) == one


# --- who hears --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CLK-04")
@pytest.mark.parametrize(
    ("responsible", "counterpart", "officer", "superiors", "waiting"),
    [
        ("rsj", "zjj", Address("rsj", scopes.OFFICER), [Address("rsj", scopes.HEAD), Address("", scopes.AUTHORITY)],
         [Address("zjj", scopes.OFFICER)]),
        ("", "rsj", Address("", scopes.AUTHORITY), [Address("", scopes.AUTHORITY)], [Address("rsj", scopes.OFFICER)]),
        ("rsj", "", Address("rsj", scopes.OFFICER), [Address("rsj", scopes.HEAD), Address("", scopes.AUTHORITY)], []),
    ],
)  # fmt: skip
def test_who_hears_of_a_clock(
    responsible: str, counterpart: str, officer: Address, superiors: list[Address], waiting: list[Address]
) -> None:
    one = msgspec.structs.replace(clock(), responsible=responsible, counterpart=counterpart)
    assert (one.officer, one.superiors, one.waiting) == (officer, superiors, waiting)
