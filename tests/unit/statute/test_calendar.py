"""Working days against golden cases and two independent packages; what is not announced is said to be provisional."""

from datetime import UTC, date, datetime, timedelta, timezone
from functools import cache

import chinese_calendar
import holidays
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statute.calendar import CalendarError, Due, Year, bundled_calendar, computed, regions

CN = bundled_calendar("CN")
DAY = timedelta(days=1)
FIRST, LAST = date(2024, 1, 1), date(2026, 12, 31)
SHANGHAI = timezone(timedelta(hours=8))


@cache
def other() -> holidays.HolidayBase:
    return holidays.country_holidays("CN", years=range(2024, 2051))


def days_of(first: date, last: date) -> list[date]:
    return [first + n * DAY for n in range((last - first).days + 1)]


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI)


@pytest.mark.requirement("CAL-01")
@pytest.mark.parametrize(
    ("received", "days", "due"),
    [
        ("2026-02-13", 1, "2026-02-14"),
        ("2026-02-13", 10, "2026-03-05"),
        ("2026-09-18", 1, "2026-09-20"),
        ("2026-09-30", 1, "2026-10-08"),
        ("2026-09-30", 5, "2026-10-13"),
        ("2026-09-24", 10, "2026-10-15"),
        ("2026-04-30", 2, "2026-05-07"),
        ("2026-11-20", 10, "2026-12-04"),
    ],
)
def test_golden_cases(received: str, days: int, due: str) -> None:
    assert CN.due(date.fromisoformat(received), days) == Due(date.fromisoformat(due), provisional=False)


@pytest.mark.requirement("CAL-02")
def test_a_time_that_runs_into_an_unannounced_year_is_provisional() -> None:
    assert CN.due(date(2026, 12, 31), 1) == Due(date(2027, 1, 4), provisional=True)
    assert CN.due(date(2026, 12, 30), 1) == Due(date(2026, 12, 31), provisional=False)
    assert CN.due(date(2026, 12, 25), 10).provisional
    assert CN.is_workday(date(2026, 10, 10)).provisional is False
    assert CN.is_workday(date(2027, 3, 1)).provisional is True
    assert CN.due_at(at("2026-12-31T10:00"), 1).provisional
    assert CN.due_at(at("2026-12-30T10:00"), 5, "CD").provisional
    assert not CN.due_at(at("2026-12-30T10:00"), 1, "CD").provisional
    assert not CN.due_at(at("2026-12-31T10:00"), 40, "hour").provisional


@pytest.mark.requirement("CAL-03")
def test_every_announced_day_is_what_two_other_sources_say() -> None:
    for day in days_of(FIRST, LAST):
        ours = CN.is_workday(day).is_workday
        assert ours == chinese_calendar.is_workday(day), day
        assert ours == other().is_working_day(day), day


@pytest.mark.requirement("CAL-03")
@given(st.dates(FIRST, date(2026, 9, 1)), st.integers(1, 60))
def test_a_due_date_has_so_many_working_days_before_it(received: date, days: int) -> None:
    due = CN.due(received, days)
    between = days_of(received + DAY, due.date)
    assert not due.provisional
    assert sum(map(chinese_calendar.is_workday, between)) == days
    assert chinese_calendar.is_workday(due.date)
    assert sum(map(other().is_working_day, between)) == days


@pytest.mark.requirement("CAL-04")
@pytest.mark.parametrize("year", range(2027, 2051))
def test_a_computed_year_is_what_another_source_computes(year: int) -> None:
    """It gives no day for 中秋 within 国庆; in 2020, when that happened, a day was given."""
    overlap = {date(2028, 10, 5), date(2031, 10, 6)}
    found = computed(year)
    assert not found.announced
    differs = [
        day for day in days_of(date(year, 1, 1), date(year, 12, 31))
        if found.is_workday(day) != other().is_working_day(day)
    ]  # fmt: skip
    assert differs == sorted(day for day in overlap if day.year == year)


@pytest.mark.requirement("CAL-04")
@pytest.mark.parametrize(
    ("year", "off"),
    [
        (2027, "01-01 02-05 02-08 02-09 02-10 04-05 05-03 05-04 06-09 09-15 10-01 10-04 10-05"),
        (2028, "01-03 01-25 01-26 01-27 01-28 04-04 05-01 05-02 05-29 10-02 10-03 10-04 10-05"),
    ],
)
def test_statutory_days_on_a_weekend_are_made_up_for(year: int, off: str) -> None:
    """元旦 1, 春节 4 from the eve, 清明 1, 劳动节 2, 端午 1, 中秋 1, 国庆 3: thirteen days in all."""
    assert sorted(f"{day:%m-%d}" for day in computed(year).off) == off.split()
    assert len(computed(year).off) == 13


@pytest.mark.requirement("CAL-04")
def test_every_computable_year_gives_all_statutory_days() -> None:
    assert {year: len(computed(year).off) for year in range(2024, 2051)} == dict.fromkeys(range(2024, 2051), 13)


@pytest.mark.requirement("CAL-05")
def test_a_year_that_nobody_knows_is_an_error_that_names_it() -> None:
    for ask in (
        lambda: CN.due(date(2050, 12, 30), 5),
        lambda: CN.is_workday(date(2051, 1, 1)),
        lambda: CN.due(date(2026, 1, 1), 9999),
        lambda: CN.due_at(at("2050-12-31T10:00"), 1, "CD"),
    ):
        with pytest.raises(CalendarError, match="the working days of 2051 are not known; years 2024 to 2050 are"):
            ask()
    with pytest.raises(CalendarError, match="working days of 2023"):
        CN.due(date(2023, 1, 1), 1)


@pytest.mark.requirement("CAL-05")
def test_the_ends_of_time_are_no_other_error() -> None:
    last = datetime(9999, 12, 31, 23, tzinfo=UTC)
    for ask in (
        lambda: CN.due(date.max, 1),
        lambda: CN.due_at(last, 1),
        lambda: CN.due_at(last, 9999, "hour"),
        lambda: CN.due_at(datetime(9999, 12, 31, tzinfo=SHANGHAI), 0),
        lambda: CN.due_at(datetime(9999, 12, 30, tzinfo=SHANGHAI), 5, "CD"),
        lambda: CN.mark_at(datetime(9999, 12, 31, tzinfo=SHANGHAI), 5, 0.5, "CD"),
        lambda: CN.mark_at(last, 9999, 0.5, "hour"),
    ):
        with pytest.raises(CalendarError, match=r"nobody knows"):
            ask()


@pytest.mark.requirement("CAL-06")
def test_the_day_of_receipt_does_not_count() -> None:
    """民法典 201."""
    for received in ("2026-11-23T00:00", "2026-11-23T23:59"):
        assert CN.due_at(at(received), 1).at == at("2026-11-25T00:00")


@pytest.mark.requirement("CAL-06")
def test_what_arrives_on_a_day_off_counts_as_received_then() -> None:
    """Saturday or Sunday, day one is Monday all the same; before a Saturday that is worked, it is that Saturday."""
    for received in (date(2026, 11, 20), date(2026, 11, 21), date(2026, 11, 22)):
        assert CN.due(received, 1).date == date(2026, 11, 23)
    assert CN.due(date(2026, 2, 27), 1).date == date(2026, 2, 28)


@pytest.mark.requirement("CAL-06")
def test_a_time_ends_at_midnight_in_shanghai() -> None:
    """民法典 203: 24:00 of the last day, whatever zone the instant of receipt is written in."""
    due = CN.due_at(at("2026-02-13T09:30"), 10)
    assert due.at == datetime(2026, 3, 5, 16, tzinfo=UTC)
    assert due.at.tzinfo is UTC
    assert CN.due_at(datetime(2026, 2, 12, 16, tzinfo=UTC), 10) == due  # midnight in Shanghai already
    assert CN.due_at(datetime(2026, 2, 12, 15, 59, tzinfo=UTC), 10).at == datetime(2026, 3, 4, 16, tzinfo=UTC)


@pytest.mark.requirement("CAL-06")
def test_no_days_at_all_end_with_the_day_of_receipt() -> None:
    assert CN.due(date(2026, 11, 22), 0) == Due(date(2026, 11, 22), provisional=False)  # a Sunday
    assert CN.due(date(2099, 1, 1), 0) == Due(date(2099, 1, 1), provisional=False)
    assert CN.due_at(at("2026-11-22T23:00"), 0).at == at("2026-11-23T00:00")
    assert CN.due_at(at("2026-11-22T23:00"), 0, "CD").at == at("2026-11-23T00:00")
    assert not CN.due_at(at("2027-11-21T23:00"), 0, "CD").provisional


@pytest.mark.parametrize(
    ("received", "n", "unit", "due"),
    [
        ("2026-11-20T09:00", 3, "CD", "2026-11-24T00:00"),
        ("2026-11-20T09:00", 1, "CD", "2026-11-24T00:00"),  # ends on a Saturday: the Monday after
        ("2026-09-25T09:00", 10, "CD", "2026-10-09T00:00"),  # ends within 国庆: the first day worked after it
        ("2026-11-20T09:00", 4, "hour", "2026-11-20T13:00"),
        ("2026-11-20T22:30", 4, "hour", "2026-11-21T02:30"),
    ],
)
def test_other_units(received: str, n: int, unit: str, due: str) -> None:
    assert CN.due_at(at(received), n, unit).at == at(due)  # type: ignore[arg-type]


def test_a_time_cannot_end_before_it_starts_nor_start_nowhere() -> None:
    for ask in (
        lambda: CN.due(date(2026, 1, 1), -1),
        lambda: CN.due_at(at("2026-01-01T00:00"), -1, "CD"),
        lambda: CN.due_at(at("2026-01-01T00:00"), -1, "hour"),
    ):
        with pytest.raises(CalendarError, match="cannot end before it starts"):
            ask()
    with pytest.raises(CalendarError, match="has no time zone"):
        CN.due_at(datetime(2026, 1, 1), 1)  # noqa: DTZ001  # that is the point


@pytest.mark.requirement("CAL-07")
@pytest.mark.parametrize(
    ("received", "n", "fraction", "mark"),
    [
        ("2026-11-23T09:00", 10, 0.5, "2026-12-01T00:00"),  # whole days: the end of the fifth
        ("2026-11-23T09:00", 5, 0.5, "2026-11-26T12:00"),  # noon of the third
        ("2026-11-23T09:00", 1, 0.5, "2026-11-24T12:00"),
        ("2026-11-23T09:00", 1, 0.8, "2026-11-24T19:12"),
        ("2026-11-20T09:00", 3, 0.5, "2026-11-24T12:00"),  # Friday: noon of the Tuesday
        ("2026-11-23T09:00", 15, 0.8, "2026-12-10T00:00"),
        ("2026-11-23T09:00", 0, 0.5, "2026-11-24T00:00"),
    ],
)
def test_a_share_of_the_time(received: str, n: int, fraction: float, mark: str) -> None:
    assert CN.mark_at(at(received), n, fraction) == at(mark)


@pytest.mark.requirement("CAL-07")
@given(
    st.datetimes(datetime(2024, 1, 1), datetime(2026, 6, 1), timezones=st.just(UTC)),  # noqa: DTZ001  # zone follows
    st.integers(1, 40),
    st.floats(0.01, 1),
    st.floats(0.01, 1),
)
def test_marks_come_in_order_and_all_of_the_time_is_the_due_date(
    received: datetime, n: int, one: float, two: float
) -> None:
    first, second = sorted((one, two))
    assert received < CN.mark_at(received, n, first) <= CN.mark_at(received, n, second) <= CN.due_at(received, n).at
    assert CN.mark_at(received, n, 1.0) == CN.due_at(received, n).at
    day = (CN.mark_at(received, n, first) - timedelta(microseconds=1)).astimezone(SHANGHAI).date()
    assert CN.is_workday(day).is_workday


def test_a_share_of_other_units() -> None:
    assert CN.mark_at(at("2026-11-20T09:00"), 4, 0.5, "hour") == at("2026-11-20T11:00")
    assert CN.mark_at(at("2026-11-20T09:00"), 5, 0.5, "CD") == at("2026-11-23T12:00")
    assert CN.mark_at(at("2026-11-20T09:00"), 4, 0.5, "CD") == at("2026-11-23T00:00")


@pytest.mark.requirement("CAL-08")
def test_a_new_year_makes_a_new_version_and_new_dates() -> None:
    """What was provisional is settled; the old calendar stays as it was."""
    before = CN.due(date(2027, 2, 12), 3)
    off = frozenset(computed(2027).off | {date(2027, 2, 11), date(2027, 2, 12), date(2027, 2, 15)})
    after = CN.with_year(Year(2027, True, "国办发明电", off, frozenset({date(2027, 2, 14)})))
    assert before == Due(date(2027, 2, 17), provisional=True)
    assert after.due(date(2027, 2, 12), 3) == Due(date(2027, 2, 17), provisional=False)
    assert after.due(date(2027, 2, 12), 1) == Due(date(2027, 2, 14), provisional=False)
    assert CN.due(date(2027, 2, 12), 3) == before
    assert after.version != CN.version
    assert after.region == CN.region
    assert after.with_year(CN.years[2026]) == after
    assert after.with_year(CN.years[2026]).version == after.version


@pytest.mark.requirement("CAL-08")
def test_an_announced_year_can_be_changed_again() -> None:
    """It happened in 2019 and 2020."""
    old = CN.years[2026]
    changed = CN.with_year(Year(2026, True, "", old.off | {date(2026, 5, 6)}, old.worked))
    assert changed.due(date(2026, 4, 30), 2).date == date(2026, 5, 8)
    assert changed.version != CN.version
    assert len(changed.years) == len(CN.years)


def test_an_unknown_region_is_told_those_that_there_are() -> None:
    assert regions() == ("CN",)
    for region in ("XX", "festivals_CN", "../CN", ""):
        with pytest.raises(CalendarError, match=r"; there are: CN$"):
            bundled_calendar(region)
