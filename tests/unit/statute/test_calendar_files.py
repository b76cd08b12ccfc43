"""Calendar files: what is wrong in one is named with its place; a year of weekdays alone is never taken."""

import json
from datetime import date

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from statute.calendar import CalendarError, read_calendar

GOOD = """
schema: dx-calendar/1
region: CN
timezone: Asia/Shanghai
note: a made-up year
years:
  2027:
    notice: 国办发明电
    status: announced
    working_days: 259
    weekdays_off: ['2027-01-01', '2027-02-08', '2027-10-01']
    weekends_worked: ['2027-02-14']
  2028: {notice: null, status: provisional, rule: computed}
"""


def test_a_good_file() -> None:
    calendar = read_calendar(GOOD)
    assert (calendar.region, sorted(calendar.years)) == ("CN", [2027])
    year = calendar.years[2027]
    assert (year.announced, year.notice) == (True, "国办发明电")
    assert year.off == {date(2027, 1, 1), date(2027, 2, 8), date(2027, 10, 1)}
    assert year.worked == {date(2027, 2, 14)}


def test_a_version_follows_from_the_days_not_from_the_writing() -> None:
    version = read_calendar(GOOD).version
    assert read_calendar(GOOD.replace("'2027-01-01', '2027-02-08'", "2027-02-08, 2027-01-01")).version == version
    assert read_calendar(GOOD.replace("a made-up year", "other words")).version == version
    assert read_calendar(GOOD.replace("region: CN", "region: CN-5323")).version != version
    fewer = GOOD.replace("'2027-02-14'", "").replace("259", "258")
    assert read_calendar(fewer).version != version
    expected = GOOD.replace("status: announced", "status: provisional")
    assert read_calendar(expected).version != version


def test_json_will_do_for_yaml() -> None:
    """Its keys are text, and years are keys."""
    written = yaml.safe_load(GOOD)
    written["years"] = {str(number): year for number, year in written["years"].items()}
    assert read_calendar(json.dumps(written)) == read_calendar(GOOD)


def test_an_expected_year_counts_as_it_is_written_and_stays_provisional() -> None:
    calendar = read_calendar(GOOD.replace("status: announced", "status: provisional"))
    found = calendar.is_workday(date(2027, 2, 14))
    assert (found.is_workday, found.provisional) == (True, True)


CHANGES = {
    "schema: dx-calendar/1": ("schema: dx-policy/1", "schema: 'dx-policy/1' is not one of dx-calendar/1"),
    "region: CN\n": ("", "region: is missing"),
    "timezone: Asia/Shanghai": ("timezone: UTC", "timezone: 'UTC' is not one of Asia/Shanghai"),
    "note: a": ("remark: a", "remark: unknown key; known are: schema, region"),
    "notice: 国": ("number: 国", "years.2027.number: unknown key; known are: notice"),
    "status: announced": ("status: rumoured", "years.2027.status: 'rumoured' is not one of announced, provisional"),
    "    status: announced\n": ("", "years.2027.status: is missing"),
    "working_days: 259": ("working_days: 260", "years.2027.working_days: 260 are told, the dates come to 259"),
    "'2027-01-01'": ("'2026-01-01'", r"years.2027.weekdays_off\[0\]: 2026-01-01 is not in 2027"),
    "'2027-02-08'": ("'2027-02-07'", r"years.2027.weekdays_off\[1\]: 2027-02-07 is a Saturday or Sunday"),
    "'2027-10-01'": ("'2027-01-01'", r"years.2027.weekdays_off\[2\]: 2027-01-01 is there twice"),
    "'2027-02-14'": ("'2027-02-15'", r"years.2027.weekends_worked\[0\]: 2027-02-15 is no Saturday or Sunday"),
    "['2027-02-14']": ("['2027-02-30']", r"years.2027.weekends_worked\[0\]: '2027-02-30' is not a date"),
    "['2027-02-14'": ("['14 February'", r"years.2027.weekends_worked\[0\]: '14 February' is not a date"),
    "'2027-02-14']": ("7]", r"years.2027.weekends_worked\[0\]: 7 is not text or a date"),
    ": ['2027-02-14']": (": '2027-02-14'", "years.2027.weekends_worked: '2027-02-14' is not a list"),
    "['2027-01-01', '2027-02-08', '2027-10-01']": ("[]", "years.2027.weekdays_off: is empty: no year "),
    "['2027-02-14']\n": ("[null]\n", r"years.2027.weekends_worked\[0\]: is null"),
    "  2028:": ("  soon:", "years.soon: is not a year"),
    "  2028": ("  10000", "years.10000: is not a year"),
    "  2028: {n": ("  999: {n", "years.999: is not a year"),
    "  2028: {no": ("  9999: {no", "years.9999: is not a year"),
    "  2028: {not": ("  2028.0: {not", "years.2028.0: is not a year"),
    "  2028: {": ("  2028: 5 #", "years.2028: 5 is not a mapping"),
    "status: provisional, rule: computed": ("status: announced", "years.2028.weekdays_off: is empty"),
    "rule: computed": ("weekends_worked: []", "years.2028.weekdays_off: is empty"),
    "note: a made-up year\nyears:": ("note:", "note: .* is not text"),
}  # fmt: skip


@pytest.mark.requirement("CAL-09")
@pytest.mark.parametrize("old", sorted(CHANGES))
def test_what_is_wrong_is_named_with_its_place(old: str) -> None:
    new, told = CHANGES[old]
    assert old in GOOD
    with pytest.raises(CalendarError, match=f"^{told}"):
        read_calendar(GOOD.replace(old, new, 1))


@pytest.mark.requirement("CAL-09")
@pytest.mark.parametrize(
    "text", ["", "7", "- a", "years: {}", "{", "a: &b c", "schema: dx-calendar/1\nregion: CN\nyears: 1"]
)
def test_text_that_is_no_calendar_is_refused(text: str) -> None:
    with pytest.raises(CalendarError):
        read_calendar(text)


@settings(max_examples=150)
@given(st.data())
def test_no_damage_to_a_file_is_anything_but_an_error_or_a_calendar(draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, len(GOOD) - 1))
    insert = draw.draw(st.text(max_size=8) | st.sampled_from(["null", "{", "]", "9999", "0001-01-01", "2027-02-30"]))
    text = GOOD[:start] + insert + GOOD[start + draw.draw(st.integers(0, 20)) :]
    try:
        told = f"{read_calendar(text).region} was read"
    except CalendarError as error:
        told = str(error)
    assert told
