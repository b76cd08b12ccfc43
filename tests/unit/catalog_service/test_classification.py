"""Codes of the 1272 guide, and how fresh data have to be."""

from datetime import UTC, datetime, timedelta
from typing import get_args

import pytest

from catalog_service.directory.classification import GUIDE, mistakes_in_code, theme_of
from catalog_service.directory.contract import mistakes_in_resource
from catalog_service.directory.entry import Cycle
from catalog_service.directory.freshness import CYCLE_DAYS, due, is_stale
from harness.entries import changed
from tongdao_cli import demo

MONDAY = datetime(2026, 10, 12, tzinfo=UTC)


@pytest.mark.requirement("DIR-11")
@pytest.mark.parametrize(
    ("code", "theme"),
    [
        ("1019900100001/000001", "人口"),
        ("1059900100001/000001", "电子证照"),
        ("2129900100001/000001", "应急维稳"),
        ("2139900100001/000001", "交通出行"),
        ("3079900100001/000001", "省（自治区、直辖市）及以下"),
        ("1069900100001/000001", ""),
        ("1009900100001/000001", ""),
        ("2149900100001/000001", ""),
        ("3099900100001/000001", ""),
        ("3139900100001/000001", ""),
        ("4019900100001/000001", ""),
    ],
)
def test_a_code_begins_with_a_class_and_an_item_of_the_guide(code: str, theme: str) -> None:
    assert theme_of(code) == theme
    assert [path for path, _ in mistakes_in_code(code)] == ([] if theme else ["code"])


@pytest.mark.requirement("DIR-11")
def test_the_guide_has_its_twenty_five_items_and_every_demo_entry_has_one_of_them() -> None:
    assert [len(kind.items) for kind in GUIDE.values()] == [5, 12, 8]
    codes = [
        message.path.removeprefix("/resources/") for message in demo.messages("http://x", "file:///files").resources
    ]
    assert len(codes) > 20
    assert [code for code in codes if list(mistakes_in_code(code))] == []


@pytest.mark.requirement("DIR-05")
def test_nothing_secret_is_imported_either() -> None:
    assert [path for path, _ in mistakes_in_resource(changed(secret=True))] == ["secret"]


@pytest.mark.requirement("DIR-12")
@pytest.mark.parametrize("cycle", get_args(Cycle))
def test_data_are_stale_a_cycle_and_a_fifth_after_they_last_came(cycle: Cycle) -> None:
    expected = due(cycle, MONDAY)
    if cycle == "实时":
        assert expected is None
        assert not is_stale(cycle, MONDAY, "", MONDAY + timedelta(days=10_000))
        return
    assert expected == MONDAY + timedelta(days=CYCLE_DAYS[cycle] * 1.2)
    assert not is_stale(cycle, MONDAY, "", expected)
    assert is_stale(cycle, MONDAY, "", expected + timedelta(seconds=1))


@pytest.mark.requirement("DIR-12")
def test_the_day_of_publication_stands_in_where_nobody_ever_said_that_data_came() -> None:
    assert is_stale("每日", None, "2026-10-01", MONDAY)
    assert not is_stale("每月", None, "2026-10-01", MONDAY)
    assert not is_stale("每日", None, "", MONDAY)
    assert not is_stale("每日", MONDAY, "2020-01-01", MONDAY)
