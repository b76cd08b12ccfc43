"""The indexer: every leaf that ends something becomes one row, whatever stands in it, whoever dies meanwhile."""

from datetime import UTC, datetime, timedelta
from typing import Any

import anyio
import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from audit_service.entry import batch_of
from audit_service.search import store
from audit_service.search.indexer import Indexer, figures
from audit_service.summary import COLUMNS, Summary, summary_of
from harness.audit_log import Log, ids, record
from harness.leaves import leaves
from wire.audit import Leaf, encode

pytestmark = pytest.mark.anyio


async def rows_of(log: Log) -> list[Summary]:
    found = await log.fetch(f"SELECT {', '.join(COLUMNS)} FROM audit.record ORDER BY leaf_index")
    return [Summary(**{**dict(row), "call_id": str(row["call_id"])}) for row in found]


async def expected(log: Log) -> list[Summary]:
    """The rows of all leaves, and that the daily figures are those of these rows."""
    kept = await log.fetch("SELECT segment, leaf_index, body FROM audit.leaf ORDER BY leaf_index")
    rows = [row for one in kept if (row := summary_of(*one)) is not None]
    told = await log.fetch(f"SELECT {', '.join(store.USAGE)} FROM audit.usage_day")
    assert {tuple(row) for row in told} == set(figures(rows))
    return rows


async def take(log: Log, some: list[Leaf]) -> None:
    """Through the same door as everybody."""
    for number, leaf in enumerate(some, log.next):
        leaf.epoch, leaf.sequence = log.epoch, number
    await log.ingest.take(batch_of("gateway-1", log.epoch, log.next, [(encode(leaf), b"") for leaf in some]))
    log.next += len(some)
    await log.sequence()


@pytest.mark.requirement("SRC-21")
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(some=st.lists(leaves, min_size=1, max_size=12))
async def test_every_leaf_that_ingest_takes_becomes_searchable(log: Log, some: list[Leaf]) -> None:
    await take(log, some)
    await Indexer(log.database, tail=log.tail).tick()
    assert await rows_of(log) == await expected(log)
    [(indexed, size)] = await log.fetch("SELECT i.size, h.size FROM audit.indexed i, audit.log_head h")
    assert indexed == size


@pytest.mark.requirement("SRC-21")
async def test_sums_that_no_column_holds_stay_at_the_largest(log: Log) -> None:
    for _ in range(3):
        await log.write((ids(1)[0], "outcome"), answer_bytes=2**63 - 1)
        await log.sequence()
        await Indexer(log.database).tick()
    [(calls, total)] = await log.fetch("SELECT calls, answer_bytes FROM audit.usage_day")
    assert (calls, total) == (3, 2**63 - 1)


@pytest.mark.requirement("SRC-21")
async def test_what_is_damaged_or_gone_does_not_hold_up_the_rest(log: Log) -> None:
    await log.calls(6)
    await log.sequence()
    await log.fetch("UPDATE audit.leaf SET body = '{\"kind\":' WHERE leaf_index = 7")
    await log.fetch("DELETE FROM audit.leaf WHERE leaf_index = 9")
    await Indexer(log.database).tick()
    assert [row.leaf_index for row in await rows_of(log)] == [6, 8, 10, 11]
    await log.calls(1)
    await log.sequence()
    await Indexer(log.database).tick()
    assert (await rows_of(log))[-1].leaf_index == 13


@pytest.mark.requirement("SRC-22")
async def test_two_indexers_and_steps_that_fail_make_each_row_once(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit_service.search.indexer.STEP_LEAVES", 7)
    await log.calls(60)
    await log.sequence()
    failures = iter([True, False, True, True, False, False, True])
    real = store.set_indexed

    async def set_indexed(tx: Any, end: int) -> None:
        await real(tx, end)
        if next(failures, False):
            raise ConnectionError

    monkeypatch.setattr(store, "set_indexed", set_indexed)

    async def work(indexer: Indexer) -> None:
        for _ in range(30):
            try:
                await indexer.tick()
            except ConnectionError:
                continue

    async with anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(work, Indexer(log.database))
    assert await rows_of(log) == await expected(log)
    assert len(await rows_of(log)) == 60


@pytest.mark.requirement("SRC-22")
async def test_rows_are_the_same_whether_leaves_were_kept_or_are_read(log: Log) -> None:
    following = Indexer(log.database, tail=log.tail)
    for _ in range(3):
        await log.calls(5)
        await log.sequence()
    await following.tick()
    await log.resign()  # the next office says something of its own accord, or nothing: either way there is no gap
    await log.calls(5)
    await log.sequence()
    await Indexer(log.database).tick()
    await log.calls(5)
    await log.sequence()
    await following.tick()
    assert await rows_of(log) == await expected(log)
    assert len(await rows_of(log)) == 25


@pytest.mark.requirement("SRC-22")
async def test_leaves_of_many_days_are_followed(log: Log) -> None:
    """Days come from the partitions; one of another class comes between."""
    await log.write((ids(1)[0], "outcome"), retention="general")
    await log.sequence()
    await log.calls(2)
    await log.sequence()
    await Indexer(log.database).tick()
    spans = await log.fetch("SELECT segment, first_index, last_index, rows FROM audit.indexed_segment ORDER BY segment")
    assert [tuple(span)[1:] for span in spans] == [(0, 0, 1), (3, 4, 2)]
    assert await rows_of(log) == await expected(log)


@pytest.mark.requirement("SRC-23")
async def test_a_day_gets_its_sieve_when_it_is_over_and_a_new_one_when_something_came_late(log: Log) -> None:
    await log.calls(3)
    await log.sequence()
    indexer = Indexer(log.database)
    await indexer.tick()
    await indexer.sift()
    assert await log.fetch("SELECT * FROM audit.sieve") == []

    class Tomorrow:
        def now(self) -> datetime:
            return datetime.now(UTC) + timedelta(days=2)

    await Indexer(log.database, Tomorrow()).sift()
    [(sieved, last)] = await log.fetch("SELECT sieved_to, last_index FROM audit.indexed_segment")
    assert (sieved, last) == (5, 5)
    await log.calls(1)
    await log.sequence()
    await indexer.tick()
    [(sieved, last)] = await log.fetch("SELECT sieved_to, last_index FROM audit.indexed_segment")
    assert (sieved, last) == (5, 7)
    await Indexer(log.database, Tomorrow()).sift()
    [(sieved, blocks, kept)] = await log.fetch(
        "SELECT sieved_to, sieve_blocks, (SELECT count(*) FROM audit.sieve) FROM audit.indexed_segment"
    )
    assert (sieved, blocks) == (7, kept)


@pytest.mark.requirement("SRC-22")
async def test_an_intent_gives_no_row(log: Log) -> None:
    assert await Indexer(log.database).step() == 0
    await log.write((ids(1)[0], "intent"))
    await log.sequence()
    assert await Indexer(log.database).step() == 1
    assert await rows_of(log) == []
    leaf, _ = record(ids(1)[0], "gateway-1", 1, 1, "intent")
    assert summary_of("20260701-general", 0, leaf) is None
    assert msgspec.json.decode(leaf)["phase"] == "intent"


@pytest.mark.requirement("SRC-23")
async def test_of_what_was_disposed_of_no_sieve_is_left_to_guess_with(log: Log) -> None:
    class Tomorrow:
        def now(self) -> datetime:
            return datetime.now(UTC) + timedelta(days=2)

    await log.calls(1)
    await log.sequence()
    indexer = Indexer(log.database, Tomorrow())
    await indexer.tick()
    await indexer.sift()
    [(segment,)] = await log.fetch("SELECT DISTINCT segment FROM audit.sieve")
    await log.fetch(
        "INSERT INTO audit.archive (segment, state, first_index, last_index, count) VALUES ($1, 'disposed', 0, 1, 1)",
        segment,
    )
    await indexer.sift()
    assert await log.fetch("SELECT * FROM audit.sieve") == []
