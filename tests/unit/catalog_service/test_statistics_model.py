"""How figures are reckoned: months, rates, time limits."""

from datetime import date, datetime

import pytest

from catalog_service.statistics.model import LIMITS, Rate, Scope, limits_of, rate
from harness.law import shanghai
from statute.model import CLOCK_KEYS

pytestmark = pytest.mark.requirement("STA-01")


def test_a_rate_of_nothing_has_no_ratio() -> None:
    assert rate(0, 0) == Rate(0, 0, None)
    assert rate(1, 3) == Rate(1, 3, 0.3333)


@pytest.mark.parametrize(
    ("first", "last", "now", "ends"),
    [
        (date(2026, 1, 1), date(2026, 3, 31), shanghai("2027-01-01 00:00"), ["02-01", "03-01", "04-01"]),
        (date(2026, 1, 15), date(2026, 2, 10), shanghai("2027-01-01 00:00"), ["02-01", "02-11"]),
        (date(2026, 12, 31), date(2026, 12, 31), shanghai("2027-01-01 00:00"), ["01-01"]),
        (date(2026, 1, 1), date(2026, 12, 31), shanghai("2026-02-01 00:00"), ["02-01"]),
        (date(2026, 5, 1), date(2026, 12, 31), shanghai("2026-02-01 00:00"), []),
    ],
)
def test_months_end_where_they_end_in_shanghai(first: date, last: date, now: datetime, ends: list[str]) -> None:
    found = Scope(first, last).month_ends(now)
    assert found == [shanghai(f"{2027 if end == '01-01' else 2026}-{end} 00:00") for end in ends]


def test_the_running_month_ends_now() -> None:
    now = shanghai("2026-02-10 15:00")
    assert Scope(date(2026, 1, 1), date(2026, 12, 31)).month_ends(now) == [shanghai("2026-02-01 00:00"), now]


def test_every_time_limit_of_the_law_is_assessed_once() -> None:
    assessed = [key for keys in LIMITS.values() for key in keys]
    assert sorted(assessed) == sorted(CLOCK_KEYS)


def test_limits_are_summed_by_what_is_assessed_and_only_what_is_over_is_judged() -> None:
    assessed, by_key = limits_of(
        [
            ("share.conditional.reply", "met", 3), ("share.conditional.reply", "overdue", 1),
            ("demand.reply", "met_late", 1), ("demand.reply", "extended", 2), ("demand.reply", "running", 1),
            ("correction.by_subject", "cancelled", 9), ("a.plain.word", "met", 1),
        ]
    )  # fmt: skip
    reply = assessed["reply"]
    assert (reply.on_time, reply.met, reply.met_late, reply.overdue, reply.open) == (Rate(3, 5, 0.6), 3, 1, 1, 3)
    assert assessed["correction"].on_time == assessed["update"].on_time == Rate(0, 0, None)
    assert list(by_key) == ["a.plain.word", "correction.by_subject", "demand.reply", "share.conditional.reply"]
    assert by_key["demand.reply"].on_time == Rate(0, 1, 0.0)
