"""The day and the month in which quotas count: of the calendar in Asia/Shanghai. Pure."""

from dataclasses import dataclass
from datetime import datetime, timezone
from functools import lru_cache
from typing import Literal

from gateway.policy.conditions import CHINA_TIME

Kind = Literal["day", "month"]
SHANGHAI = timezone(CHINA_TIME, "Asia/Shanghai")
DAY_S = 86_400


@dataclass(frozen=True, slots=True)
class Period:
    """One day or month. `name` is "2026-11-22" or "2026-11"; `until` does not belong to it."""

    kind: Kind
    name: str
    begins: datetime
    until: datetime

    @property
    def length_s(self) -> int:
        return int((self.until - self.begins).total_seconds())

    def left_s(self, at: float) -> int:
        """Whole seconds from the Unix second `at` until it is over, at least 1."""
        return max(1, int(self.until.timestamp() - at) + 1)


def periods_at(at: float) -> dict[Kind, Period]:
    """Day and month of a moment in Unix seconds."""
    return _of_day((int(at) + int(CHINA_TIME.total_seconds())) // DAY_S)


@lru_cache(maxsize=4)
def _of_day(number: int) -> dict[Kind, Period]:
    """Of the day that is so many days after 1970-01-01 in Asia/Shanghai."""
    begins, tomorrow = ((datetime.fromtimestamp(n * DAY_S, SHANGHAI) - CHINA_TIME) for n in (number, number + 1))
    first = begins.replace(day=1)
    next_first = first.replace(year=first.year + first.month // 12, month=first.month % 12 + 1)
    return {
        "day": Period("day", f"{begins:%Y-%m-%d}", begins, tomorrow),
        "month": Period("month", f"{begins:%Y-%m}", first, next_first),
    }
