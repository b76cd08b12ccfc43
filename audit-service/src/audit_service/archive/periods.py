"""How long what is kept. Pure.

Six natural months are 181 to 184 days: a general record is kept for both. What provides personal or important data, or
says who was allowed what, is kept for three years. What the log says of itself is kept for ever.

Source: 网络安全法 23; 景德镇 16 (six months); 国务院令第809号 29; 网络数据安全管理条例 12; 个人信息保护法 56 (three
years).
"""

import calendar
from collections.abc import Container
from dataclasses import dataclass
from datetime import date, timedelta

YEAR = 12
GENERAL_MONTHS, PERSONAL_MONTHS = 6, 36
MOST_MONTHS = 1200
FLOOR_DAYS = 184
"""The longest that six natural months can be; also compiled into the database (migration 0004)."""


def plus_months(day: date, months: int) -> date:
    """The same day of the month so many months later, or the last day of that month where it has no such day."""
    years, month = divmod(day.month - 1 + months, YEAR)
    year = day.year + years
    return date(year, month + 1, min(day.day, calendar.monthrange(year, month + 1)[1]))


def kept_until(day: date, months: int) -> date:
    """The last day on which a record of `day` has to be there."""
    return max(plus_months(day, months), day + timedelta(days=FLOOR_DAYS))


def check_periods(general_months: int, personal_months: int) -> None:
    """Raises ValueError with one line for an installation that would forget sooner than the law allows."""
    for name, months, least in (
        ("general", general_months, GENERAL_MONTHS),
        ("personal", personal_months, PERSONAL_MONTHS),
    ):
        if months < least:
            raise ValueError(f"records of class {name} are kept for {least} months or longer, not for {months}")
        if months > MOST_MONTHS:
            raise ValueError(f"records of class {name} are kept for {MOST_MONTHS} months at most, not for {months}")


@dataclass(frozen=True, slots=True)
class Periods:
    """Months for which each class is kept. Raises ValueError, see `check_periods`."""

    general_months: int = GENERAL_MONTHS
    personal_months: int = PERSONAL_MONTHS

    def __post_init__(self) -> None:
        check_periods(self.general_months, self.personal_months)

    def months(self, retention: str) -> int | None:
        """None stands for ever."""
        return {"general": self.general_months, "personal": self.personal_months}.get(retention)

    def kept_until(self, segment: str, mixed: Container[str] = ()) -> date | None:
        """The last day (UTC) on which all of a segment has to be there, None for ever.

        A segment is a day of UTC. Its last records are of the next day by the clocks of this country, so that one
        counts. Segments that are `mixed` hold personal records, whatever their name says.
        """
        day, retention = parts_of(segment)
        months = self.months("personal" if segment in mixed else retention)
        return None if months is None else kept_until(day + timedelta(days=1), months)

    def is_due(self, segment: str, today: date, mixed: Container[str] = ()) -> bool:
        """Whether a segment may be disposed of on a day (UTC)."""
        until = self.kept_until(segment, mixed)
        return until is not None and today > until


def parts_of(segment: str) -> tuple[date, str]:
    """Day and retention class of a segment."""
    day, _, retention = segment.partition("-")
    return date(int(day[:4]), int(day[4:6]), int(day[6:])), retention
