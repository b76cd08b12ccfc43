"""Working days: which days count, and when a time limit ends.

The State Council's office announces each year which weekdays are off and which weekend days are worked; that table is
data. A year that is not announced is computed from 全国年节及纪念日放假办法 (2024), and an answer that touched it is
provisional. A year that cannot be computed either is an error: weekdays alone are never taken for working days.

How days count: 民法典 201 (the first day does not), 203 (the last ends at 24:00; a last day off gives way to the next
working day).
"""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from functools import cache
from importlib import resources
from typing import Any, TypeVar

from statute.model import Unit
from statute.shapes import Misfit, fit, known, mapping, require
from statute.strict_yaml import BadYaml, load

Instant = TypeVar("Instant", date, datetime)
SHANGHAI = timezone(timedelta(hours=8), "Asia/Shanghai")  # no summer time since 1991
DAY = timedelta(days=1)
FESTIVALS = "festivals_"

_YEAR: dict[str, Any] = {
    "notice": str, "status": frozenset({"announced", "provisional"}), "rule": str, "working_days": int,
    "weekdays_off": [(str, date)], "weekends_worked": [(str, date)],
}  # fmt: skip
_FILE: dict[str, Any] = {
    "schema": frozenset({"dx-calendar/1"}), "region": str, "timezone": frozenset({"Asia/Shanghai"}), "note": str,
}  # fmt: skip


class CalendarError(Exception):
    """A calendar file is wrong, naming the place; or nobody knows the year that is asked for."""


@dataclass(frozen=True, slots=True)
class Day:
    """Whether a day is worked, and whether that may still change."""

    is_workday: bool
    provisional: bool


@dataclass(frozen=True, slots=True)
class Due:
    """The last day of a time limit."""

    date: date
    provisional: bool


@dataclass(frozen=True, slots=True)
class DueAt:
    """The instant at which a time limit ends, in UTC."""

    at: datetime
    provisional: bool


@dataclass(frozen=True, slots=True)
class Year:
    """Exceptions to Monday to Friday in one year."""

    number: int
    announced: bool
    notice: str
    off: frozenset[date]
    worked: frozenset[date]

    def is_workday(self, day: date) -> bool:
        return day in self.worked if _is_weekend(day) else day not in self.off


@dataclass(frozen=True, slots=True)
class Calendar:
    """The years of one region. `version` follows from the content: the same table has the same version everywhere."""

    region: str
    version: str
    years: Mapping[int, Year] = field(hash=False)

    def with_year(self, year: Year) -> "Calendar":
        """The same with `year` added or, since an arrangement may be changed, in the place of the one before it."""
        return _calendar(self.region, {**self.years, year.number: year})

    def is_workday(self, day: date) -> Day:
        """Whether `day` is worked. Raises CalendarError if nobody knows its year."""
        year = self.years.get(day.year) or computed(day.year)
        return Day(year.is_workday(day), not year.announced)

    def due(self, received: date, days: int) -> Due:
        """The n-th working day after `received`; what arrives on a day off counts as received then.

        0 days end with the day of receipt itself, whatever day that is.
        """
        _not_negative(days)
        day, provisional = received, False
        while days:
            day = _later(day, DAY)
            found = self.is_workday(day)
            provisional |= found.provisional
            days -= found.is_workday
        return Due(day, provisional)

    def due_at(self, received: datetime, n: int, unit: Unit = "WD") -> DueAt:
        """24:00 of the last day, Shanghai time. Calendar days (CD) that end on a day off end on the next one worked."""
        if unit == "hour":
            _not_negative(n)
            return DueAt(_later(received.astimezone(UTC), timedelta(hours=n)), False)
        last = self.due(_local(received), n) if unit == "WD" else self._calendar_days(_local(received), n)
        return DueAt(_end_of(last.date), last.provisional)

    def mark_at(self, received: datetime, n: int, fraction: float, unit: Unit = "WD") -> datetime:
        """The instant at which `fraction` of the time is used up.

        Whole days are whole working days, the rest is a share of the 24 hours of the next one: half of 5 working days
        is noon of the third.
        """
        part = Decimal(str(fraction)) * n
        if unit == "hour":
            return _later(received.astimezone(UTC), timedelta(hours=float(part)))
        whole, rest = divmod(part, 1)
        if unit == "CD":
            return _later(_end_of(_local(received)), timedelta(days=float(part)))
        if not rest:
            return self.due_at(received, int(whole)).at
        return self.due_at(received, int(whole) + 1).at - timedelta(days=float(1 - rest))

    def _calendar_days(self, received: date, n: int) -> Due:
        """The n-th day itself if it is worked, else the first one worked after it."""
        _not_negative(n)
        return self.due(_later(received, (n - 1) * DAY), 1) if n else Due(received, False)


def regions() -> tuple[str, ...]:
    """Regions whose calendar comes with the package."""
    names = (file.name for file in (resources.files("statute") / "calendars").iterdir())
    return tuple(sorted(n.removesuffix(".yaml") for n in names if n.endswith(".yaml") and not n.startswith(FESTIVALS)))


@cache
def bundled_calendar(region: str) -> Calendar:
    """The calendar of `region` that comes with the package."""
    if region not in regions():
        raise CalendarError(f"no calendar for region {region}; there are: {', '.join(regions())}")
    return read_calendar(_text(f"{region}.yaml"))


def read_calendar(text: str) -> Calendar:
    """A calendar file. Raises CalendarError("<place>: what is wrong")."""
    try:
        written = mapping(load(text), "the file")
        known(written, (*_FILE, "years"), "")
        for key, shape in _FILE.items():
            fit(shape, written.get(key), key)
        require(written, ("schema", "region", "years"), "")
        years = [_read_year(number, year) for number, year in mapping(written["years"], "years").items()]
    except BadYaml as error:
        raise CalendarError(str(error)) from None
    except Misfit as misfit:
        raise CalendarError(str(misfit)) from None
    return _calendar(written["region"], {year.number: year for year in years if year})


def _read_year(name: object, written: object) -> Year | None:
    """The year, or None if it says of itself that nothing is known yet. `name` is a number in YAML, text in JSON."""
    where = f"years.{name}"
    if not re.fullmatch("(?!9999)[1-9][0-9]{3}", str(name)):  # 9999 has no year after it to end in
        raise Misfit(where, "is not a year")
    number = int(str(name))
    members = mapping(written, where)
    fit(_YEAR, members, where)
    require(members, ("status",), where)
    announced = members["status"] == "announced"
    if not announced and not {"weekdays_off", "weekends_worked"} & members.keys():
        return None
    off = _dates(members, "weekdays_off", number, where, weekend=False)
    worked = _dates(members, "weekends_worked", number, where, weekend=True)
    if not off:
        raise Misfit(f"{where}.weekdays_off", "is empty: no year is without holidays")
    year = Year(number, announced, members.get("notice") or "", off, worked)
    _check_total(year, members.get("working_days"), where)
    return year


def _dates(members: Mapping[str, Any], key: str, year: int, where: str, *, weekend: bool) -> frozenset[date]:
    found: set[date] = set()
    for n, written in enumerate(members.get(key) or ()):
        place = f"{where}.{key}[{n}]"
        day = _date(written, place)
        if day.year != year:
            raise Misfit(place, f"{day} is not in {year}")
        if _is_weekend(day) != weekend:
            raise Misfit(place, f"{day} is {'no' if weekend else 'a'} Saturday or Sunday")
        if day in found:
            raise Misfit(place, f"{day} is there twice")
        found.add(day)
    return frozenset(found)


def _date(written: date | str, place: str) -> date:
    if not isinstance(written, str):
        return written
    try:
        return date.fromisoformat(written)
    except ValueError:
        raise Misfit(place, f"{written!r:.60} is not a date") from None


def _check_total(year: Year, told: int | None, where: str) -> None:
    first = date(year.number, 1, 1)
    days = [first + n * DAY for n in range((date(year.number + 1, 1, 1) - first).days)]
    total = sum(year.is_workday(day) for day in days)
    if told is not None and told != total:
        raise Misfit(f"{where}.working_days", f"{told} are told, the dates come to {total}")


def _calendar(region: str, years: Mapping[int, Year]) -> Calendar:
    content = [
        [number, year.announced, sorted(map(str, year.off)), sorted(map(str, year.worked))]
        for number, year in sorted(years.items())
    ]
    version = hashlib.sha256(json.dumps([region, content]).encode()).hexdigest()[:12]
    return Calendar(region, version, dict(sorted(years.items())))


@cache
def computed(number: int) -> Year:
    """A year by weekends and statutory days alone; a statutory day on a weekend is made up for (办法 art.2, 6)."""
    feasts = _festivals().get(number)
    if feasts is None:
        first, last = min(_festivals()), max(_festivals())
        raise CalendarError(f"the working days of {number} are not known; years {first} to {last} are, import {number}")
    off: set[date] = set()
    for start, length in sorted(_statutory(number, feasts)):
        days = [start + n * DAY for n in range(length)]
        owed = sum(_is_weekend(day) or day in off for day in days)  # 中秋 within 国庆 is made up for too, as in 2020
        off.update(days)
        day = days[-1]
        while owed:
            day += DAY
            if not _is_weekend(day) and day not in off:
                off.add(day)
                owed -= 1
    return Year(number, False, "", frozenset(day for day in off if not _is_weekend(day)), frozenset())


def _statutory(number: int, feasts: Mapping[str, date]) -> list[tuple[date, int]]:
    """First day and length of each statutory holiday (办法 art.2)."""
    return [
        (date(number, 1, 1), 1), (feasts["春节"] - DAY, 4), (feasts["清明"], 1), (date(number, 5, 1), 2),
        (feasts["端午"], 1), (feasts["中秋"], 1), (date(number, 10, 1), 3),
    ]  # fmt: skip


@cache
def _festivals() -> dict[int, dict[str, date]]:
    years: dict[int, dict[str, date]] = load(_text(f"{FESTIVALS}CN.yaml"))["years"]
    return years


def _text(name: str) -> str:
    return (resources.files("statute") / "calendars" / name).read_text("utf-8")


def _is_weekend(day: date) -> bool:
    return day.weekday() >= 5


def _local(received: datetime) -> date:
    if received.tzinfo is None:
        raise CalendarError(f"{received} has no time zone")
    try:
        return received.astimezone(SHANGHAI).date()
    except OverflowError:
        raise CalendarError(f"{received}: nobody knows that year") from None


def _end_of(day: date) -> datetime:
    return datetime.combine(_later(day, DAY), time(), SHANGHAI).astimezone(UTC)


def _later(start: Instant, by: timedelta) -> Instant:
    try:
        return start + by
    except OverflowError:
        raise CalendarError(f"what starts at {start} ends in a year that nobody knows") from None


def _not_negative(n: int) -> None:
    if n < 0:
        raise CalendarError(f"{n} days: a time limit cannot end before it starts")
