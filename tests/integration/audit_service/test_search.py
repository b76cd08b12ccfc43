"""Searching rows: the database, the archive and `Filter.matches` give the same answers, page by page."""

import random
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from audit_service.search import finder as finding
from audit_service.search import rows as rows_module
from audit_service.search.finder import Finder
from audit_service.search.indexer import Indexer
from audit_service.search.rows import BEYOND
from audit_service.summary import Filter, Summary
from harness.audit_log import Log
from harness.log_rows import keep, rows, wanted
from runtime.errors import Refusal
from wire import codes, scopes
from wire.tokens import AccessToken

pytestmark = pytest.mark.anyio
SEGMENTS = [f"2026030{day}-{retention}" for day in range(1, 7) for retention in ("general", "personal")]
AUDITOR = AccessToken("c-1", "审计局", frozenset({scopes.AUDIT_READ}), 0, "t")
OURS = AccessToken("c-2", "民政局", frozenset(), 0, "t")


class Later:
    """A clock after all those days."""

    def now(self) -> datetime:
        return datetime(2026, 3, 20, tzinfo=UTC)


class Shelf:
    """The archive: rows of segments that the database does not have any more."""

    def __init__(self, among: Sequence[Summary]) -> None:
        self.among = among
        self.read: list[str] = []

    async def rows(
        self, segment: str, wanted: Filter, *, before: int, after: int, limit: int, newest_first: bool
    ) -> list[Summary]:
        self.read.append(segment)
        found = [row for row in self.among if row.segment == segment and wanted.matches(row)]
        found = [row for row in found if after < row.leaf_index < before]
        return sorted(found, key=lambda row: row.leaf_index, reverse=newest_first)[:limit]


async def put_away(log: Log, state: str, *segments: str) -> None:
    """The archive's word on segments; the rows of what is only there, or nowhere, are gone."""
    for segment in segments:
        await log.fetch(
            "INSERT INTO audit.archive (segment, state, first_index, last_index, count) VALUES ($1, $2, 0, 1, 1)",
            segment, state,
        )  # fmt: skip
    if state in ("archived", "disposed"):
        await log.fetch("DELETE FROM audit.record WHERE segment = ANY ($1)", list(segments))


async def walked(finder: Finder, asked: Filter, limit: int, token: AccessToken = AUDITOR) -> list[Summary]:
    """All pages one after the other."""
    found: list[Summary] = []
    cursor = ""
    while True:
        page = await finder.page(asked, cursor, limit, token)
        assert len(page.rows) <= limit
        found += page.rows
        cursor = page.next
        if not cursor:
            return found


@pytest.mark.requirement("SRC-23")
@pytest.mark.parametrize("seed", range(2))
async def test_pages_hold_each_row_that_a_filter_matches_once_and_in_order(
    log: Log, monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    """Random rows and filters; of six days two are archived, one is restored, one was disposed of, all but the last
    have a sieve."""
    monkeypatch.setattr(finding, "FIRST_LOOK", 1 + 2 * seed)  # also where two classes of one day are looked at apart
    chance = random.Random(seed)  # not a secret
    among = rows(chance, 900, SEGMENTS)
    await keep(log.url, among)
    await Indexer(log.database, Later()).sift()
    late = rows(chance, 30, SEGMENTS[-2:])
    offset = among[-1].leaf_index + 1
    late = [msgspec.structs.replace(row, leaf_index=row.leaf_index + offset) for row in late]
    await keep(log.url, late)
    among += late
    cold, gone = ["20260301-personal", "20260302-general", "20260302-personal", "20260304-general"], "20260303-general"
    await put_away(log, "archived", *cold)
    await put_away(log, "disposed", gone)
    await put_away(log, "restored", "20260305-general")
    await put_away(log, "sealed", "20260305-personal")
    shelf: Any = Shelf(among)
    finder = Finder(log.database, shelf)
    left = sorted((row for row in among if row.segment != gone), key=lambda row: -row.leaf_index)
    for _ in range(60):
        asked = wanted(chance, among)
        expected = [row for row in left if asked.matches(row)]
        assert await walked(finder, asked, chance.choice([1, 3, 20, 2000]) if len(expected) < 40 else 50) == expected
        assert await finder.after(asked, -1, 10_000) == expected[::-1]


@pytest.mark.requirement("SRC-23")
async def test_a_feed_goes_on_after_an_index_oldest_first(log: Log) -> None:
    chance = random.Random(7)
    among = rows(chance, 300, SEGMENTS)
    await keep(log.url, among)
    nowhere: Any = None
    finder = Finder(log.database, nowhere)
    found: list[Summary] = []
    while more := await finder.after(Filter(party="民政局"), found[-1].leaf_index if found else -1, 7):
        found += more
    assert found == [row for row in among if "民政局" in (row.department, row.provider)]


@pytest.mark.requirement("SRC-24")
async def test_a_department_sees_only_calls_in_which_it_took_part(log: Log) -> None:
    chance = random.Random(8)
    among = rows(chance, 300, SEGMENTS)
    await keep(log.url, among)
    nowhere: Any = None
    finder = Finder(log.database, nowhere)
    for _ in range(60):
        asked = wanted(chance, among)
        if asked.party not in ("", "民政局"):
            with pytest.raises(Refusal) as refused:
                await finder.page(asked, "", 400, OURS)
            assert refused.value.code is codes.NOT_YOURS
            continue
        found = await walked(finder, asked, 400, OURS)
        assert all("民政局" in (row.department, row.provider) for row in found)
        assert {row.leaf_index for row in found} == {
            row.leaf_index for row in among if asked.matches(row) and "民政局" in (row.department, row.provider)
        }
    with pytest.raises(Refusal):
        await finder.page(Filter(), "", 5, AccessToken("c-3", "", frozenset(), 0, "t"))


@pytest.mark.requirement("SRC-23")
async def test_a_page_that_would_open_too_many_files_ends_early_and_goes_on(log: Log) -> None:
    chance = random.Random(9)
    among = rows(chance, 300, SEGMENTS)
    await keep(log.url, among)
    await put_away(log, "archived", *SEGMENTS)
    shelf: Any = Shelf(among)
    finder = Finder(log.database, shelf)
    asked = Filter(system="s-1", since=among[0].at)
    page = await finder.page(asked, "", 2000, AUDITOR)
    assert len(shelf.read) == finding.MOST_COLD
    assert page.next
    assert [*page.rows, *await _rest(finder, asked, page.next)] == [
        row for row in reversed(among) if asked.matches(row)
    ]
    shelf.read.clear()
    assert await walked(finder, Filter(system="never"), 10) == []
    assert shelf.read == []


async def _rest(finder: Finder, asked: Filter, cursor: str) -> list[Summary]:
    found: list[Summary] = []
    while cursor:
        page = await finder.page(asked, cursor, 2000, AUDITOR)
        found += page.rows
        cursor = page.next
    return found


@pytest.mark.requirement("SRC-25")
async def test_a_cursor_goes_with_one_search_of_one_department(log: Log) -> None:
    await keep(log.url, rows(random.Random(3), 200, SEGMENTS))
    nowhere: Any = None
    finder = Finder(log.database, nowhere)
    cursor = (await finder.page(Filter(), "", 5, AUDITOR)).next
    assert (await finder.page(Filter(), cursor, 5, AUDITOR)).rows
    other = "A" if cursor[3] != "A" else "B"
    for asked, changed, token in (
        (Filter(kind="event"), cursor, AUDITOR), (Filter(), cursor, OURS),
        (Filter(), cursor[:3] + other + cursor[4:], AUDITOR),
        (Filter(), cursor[:-1], AUDITOR), (Filter(), cursor + "A", AUDITOR), (Filter(), "é" * 24, AUDITOR),
        (Filter(), "=" * 24, AUDITOR), (Filter(), " " * 24, AUDITOR), (Filter(), "0", AUDITOR),
    ):  # fmt: skip
        with pytest.raises(Refusal) as refused:
            await finder.page(asked, changed, 5, token)
        assert refused.value.code.status == 422


ODD: list[dict[str, Any]] = [
    {"department": "\0"}, {"case_no": "x\0"}, {"trace": "\ud800"}, {"call_id": "no uuid"}, {"call_id": "A" * 32},
    {"system": "x" * 5000}, {"outcome": "9" * 5000}, {"outcome": "٣"}, {"outcome": "-1"}, {"kind": "'"},
    {"interface": "{}"}, {"version": "$1"}, {"since": datetime.max.replace(tzinfo=UTC)},
    {"before": datetime.min.replace(tzinfo=UTC)},
]  # fmt: skip


@pytest.mark.requirement("SRC-25")
async def test_no_filter_is_more_than_a_filter(log: Log) -> None:
    await keep(log.url, rows(random.Random(3), 60, SEGMENTS))
    nowhere: Any = None
    finder = Finder(log.database, nowhere)
    for members in ODD:
        assert await finder.page(Filter(**members), "", 5, AUDITOR) == ([], ""), members
        assert await finder.after(Filter(**members), 0, 5) == []
    assert await finder.after(Filter(), BEYOND, 5) == []


@pytest.mark.requirement("SRC-23")
async def test_what_moves_to_the_archive_while_it_is_read_is_read_there(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    among = rows(random.Random(5), 100, SEGMENTS[:2])
    await keep(log.url, among)
    shelf: Any = Shelf(among)
    real, moved = rows_module.matching, False

    async def matching(*arguments: Any) -> list[Summary]:
        nonlocal moved
        if not moved:
            moved = True
            await put_away(log, "archived", *SEGMENTS[:2])
        return await real(*arguments)

    monkeypatch.setattr(rows_module, "matching", matching)
    found = await Finder(log.database, shelf).page(Filter(), "", 200, AUDITOR)
    assert found.rows == among[::-1]
    assert sorted(shelf.read) == SEGMENTS[:2]
