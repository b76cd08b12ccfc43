"""How long what is kept, held to the words of the law."""

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit_service.archive.periods import FLOOR_DAYS, MOST_MONTHS, Periods, check_periods, kept_until, plus_months
from audit_service.keeping.law import under
from statute.model import UnknownKey
from statute.profiles import bundled

DAYS = st.dates(date(2000, 1, 1), date(2200, 1, 1))
MONTHS = st.integers(1, 240)


@pytest.mark.requirement("KEP-01")
@pytest.mark.parametrize(
    ("day", "months", "until"),
    [
        (date(2026, 8, 31), 6, date(2027, 3, 3)),
        (date(2026, 3, 1), 6, date(2026, 9, 1)),
        (date(2026, 2, 28), 6, date(2026, 8, 31)),
        (date(2024, 2, 29), 36, date(2027, 2, 28)),
        (date(2026, 12, 31), 6, date(2027, 7, 3)),
    ],
)
def test_a_record_is_kept_for_its_months_and_never_less_than_184_days(day: date, months: int, until: date) -> None:
    assert kept_until(day, months) == until


@pytest.mark.requirement("KEP-01")
def test_months_end_where_the_shorter_month_ends() -> None:
    assert plus_months(date(2026, 8, 31), 6) == date(2027, 2, 28)
    assert plus_months(date(2027, 8, 31), 6) == date(2028, 2, 29)
    assert plus_months(date(2026, 11, 30), 1) == date(2026, 12, 30)


@given(DAYS, MONTHS)
def test_a_later_record_is_never_due_earlier(day: date, months: int) -> None:
    assert kept_until(day, months) <= kept_until(day + timedelta(days=1), months)
    assert kept_until(day, months) <= kept_until(day, months + 1)


@given(DAYS, MONTHS)
def test_months_are_natural_months(day: date, months: int) -> None:
    later = plus_months(day, months)
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == months
    assert later.day == day.day or (later.day < day.day and (later + timedelta(days=1)).day == 1)


@pytest.mark.requirement("KEP-01")
@given(DAYS, st.integers(6, 60), st.integers(36, 120))
def test_a_segment_is_due_only_when_all_of_it_is(day: date, general: int, personal: int) -> None:
    periods = Periods(general, personal)
    ends = {name: periods.kept_until(f"{day:%Y%m%d}-{name}") for name in ("general", "personal", "permanent")}
    assert ends["permanent"] is None
    assert not periods.is_due(f"{day:%Y%m%d}-permanent", date.max)
    for name, months in (("general", general), ("personal", personal)):
        until = ends[name]
        assert until is not None
        assert until >= max(plus_months(day, months), day + timedelta(days=FLOOR_DAYS))
        assert not periods.is_due(f"{day:%Y%m%d}-{name}", until)
        assert periods.is_due(f"{day:%Y%m%d}-{name}", until + timedelta(days=1))


@pytest.mark.requirement("KEP-01")
@pytest.mark.parametrize(
    ("general", "personal", "told"), [(5, 36, "general"), (6, 35, "personal"), (-1, 36, "general")]
)
def test_less_than_the_law_is_refused_at_start(general: int, personal: int, told: str) -> None:
    with pytest.raises(ValueError, match=rf"^records of class {told} are kept for \d+ months or longer, not for"):
        check_periods(general, personal)
    with pytest.raises(ValueError, match=told):
        Periods(general, personal)


def test_longer_is_possible_and_for_ever_is_not() -> None:
    check_periods(7, MOST_MONTHS)
    assert Periods(MOST_MONTHS, MOST_MONTHS).kept_until("29991231-general") == date(3100, 1, 1)
    with pytest.raises(ValueError, match=r"^records of class general are kept for 1200 months at most, not for 1201"):
        check_periods(MOST_MONTHS + 1, 36)


@pytest.mark.requirement("KEP-01")
def test_a_mixed_day_is_kept_as_a_personal_one() -> None:
    segment, mixed = "20260102-general", {"20260102-general"}
    assert Periods().kept_until(segment, mixed) == Periods().kept_until("20260102-personal") == date(2029, 1, 3)
    assert not Periods().is_due(segment, date(2029, 1, 3), mixed)
    assert Periods().is_due(segment, date(2029, 1, 4), mixed)
    assert Periods().kept_until("20260101-general", mixed) == Periods().kept_until("20260101-general")


@pytest.mark.requirement("KEP-01")
@pytest.mark.parametrize("profile", bundled().ids())
def test_no_law_shortens_what_is_kept(profile: str) -> None:
    periods = under(profile)
    assert periods.general_months >= 6
    assert periods.personal_months >= 36
    assert under(profile, 24, 60) == Periods(24, 60)
    with pytest.raises(ValueError, match="6 months or longer"):
        under(profile, 5)


def test_a_profile_that_is_not_there_is_no_profile() -> None:
    with pytest.raises(UnknownKey):
        under("atlantis")
