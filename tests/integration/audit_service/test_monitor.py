"""The continuous check: on time, in slices that a crash does not lose, telling once; and numbers that never came."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from audit_service import leases, store
from audit_service.api import monitor as routes
from audit_service.monitor import checker
from audit_service.monitor import store as sql
from audit_service.monitor.checker import CRY_EVERY, NEWEST_EVERY, PASS, PASS_EVERY, PATIENCE, STALLED, Monitor
from audit_service.monitor.figures import Figures
from audit_service.search.indexer import Indexer
from audit_service.writer import Writer
from harness.audit_archive import Hand
from harness.audit_doors import opened
from harness.audit_log import Log, ids
from runtime.errors import Refusal
from wire import codes, scopes

pytestmark = pytest.mark.anyio
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CHANGE = "UPDATE audit.leaf SET body = body || ' ' WHERE leaf_index = 5"
CHANGE_BACK = "UPDATE audit.leaf SET body = substr(body, 1, length(body) - 1) WHERE leaf_index = 5"
CHANGED = ("leaf 5", "is not the one that was hashed into the tree")


class Watched:
    """A log and its monitor, with a clock that is set by hand."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.clock = Hand(NOON)
        self.writer = Writer("audit-1", log.database, log.ingest)
        self.figures = Figures(log.database, self.clock)
        self.monitor = self.another()

    def another(self) -> Monitor:
        """A replica, or this one after it was started again."""
        return Monitor(self.log.database, self.writer, self.log.signer.vkeys, clock=self.clock)

    async def tick(self, later: timedelta = timedelta()) -> list[tuple[str, str, str]]:
        """(name, what, why) of the alarms about a place."""
        return [(line["event"], line["what"], line["why"]) for line in await self.alarms(later) if "what" in line]

    async def alarms(self, later: timedelta = timedelta()) -> list[Any]:
        """All of them."""
        self.clock.at += later
        with capture_logs() as lines:
            await self.monitor.tick()
        return [line for line in lines if line.get("alarm")]

    async def state(self) -> sql.State:
        return await sql.state(self.log.database.reader)

    async def events(self, name: str) -> list[dict[str, str]]:
        """Facts of what the log was told."""
        await self.log.sequence()
        leaves = [
            msgspec.json.decode(row[0])
            for row in await self.log.fetch("SELECT body FROM audit.leaf ORDER BY leaf_index")
        ]
        return [leaf["facts"] for leaf in leaves if leaf.get("event") == name]


@pytest.fixture
async def watched(log: Log) -> Watched:
    await log.calls(4)
    await log.sequence()
    await Indexer(log.database).tick()
    return Watched(log)


# --- on time --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CHK-08")
async def test_the_newest_leaves_are_looked_at_in_time_and_not_all_the_time(watched: Watched) -> None:
    assert timedelta(minutes=5) >= NEWEST_EVERY * 2
    await watched.tick()
    await watched.tick(NEWEST_EVERY / 2)
    state = await watched.state()
    assert (state.newest_at, state.newest_first, state.newest_end) == (NOON, 0, 8)
    await watched.log.calls(1)
    await watched.log.sequence()
    await watched.tick(NEWEST_EVERY / 2)
    state = await watched.state()
    assert (state.newest_at, state.newest_end) == (NOON + NEWEST_EVERY, 10)


@pytest.mark.requirement("CHK-08")
async def test_everything_is_looked_at_within_a_day_in_slices_that_go_on_after_a_crash(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checker, "SLICE", 1)
    await log.calls(700)
    await log.sequence()
    watched = Watched(log)
    positions = []
    while (await watched.state()).whole_at is None:
        watched.monitor = watched.another()
        await watched.tick(timedelta(hours=1))
        positions.append((await watched.state()).position)
    assert positions == [*sorted(positions[:-1]), 0]
    assert len(set(positions)) == 6
    assert len(positions) <= PASS / timedelta(hours=1) + 2
    state = await watched.state()
    assert (state.whole_size, state.position) == (1400, 0)
    assert state.whole_at is not None
    assert state.whole_at - NOON < timedelta(hours=15)


@pytest.mark.requirement("CHK-08")
async def test_one_replica_does_it_at_a_time(watched: Watched) -> None:
    async with store.turn(watched.log.database.clerk, "monitor") as connection:
        assert connection is not None
        await watched.another().tick()
        assert (await watched.state()).newest_at is None
    await watched.another().tick()
    assert (await watched.state()).newest_at == NOON


@pytest.mark.requirement("CHK-08")
async def test_a_moment_that_has_yet_to_come_does_not_switch_it_off(watched: Watched) -> None:
    await watched.tick()
    await watched.log.fetch("UPDATE audit.monitor SET newest_at = '2199-01-01', whole_began_at = '2199-01-01'")
    await watched.tick(NEWEST_EVERY)
    state = await watched.state()
    assert state.newest_at == state.whole_began_at == state.whole_at == NOON + NEWEST_EVERY


# --- stalled --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CHK-08")
async def test_a_log_that_stands_still_is_alarmed_after_a_minute_and_every_five(watched: Watched) -> None:
    await watched.log.write((ids(1)[0], "denied"))
    times = [STALLED / 2, STALLED / 2, STALLED / 2, CRY_EVERY / 2, CRY_EVERY / 2]
    seen = [len(await watched.alarms(later)) for later in (timedelta(), *times)]
    assert seen == [0, 0, 0, 1, 0, 1]
    await watched.log.fetch("UPDATE audit.monitor SET waiting_since = '2199-01-01'")
    assert [line["event"] for line in await watched.alarms(CRY_EVERY)] == ["log.stalled"]
    await watched.log.sequence()
    assert await watched.alarms(CRY_EVERY) == []


@pytest.mark.requirement("CHK-08")
async def test_leaves_that_nobody_signs_are_alarmed_after_a_minute(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SETTLE_S", 0.0)
    await watched.log.resign()
    await watched.log.fetch("DELETE FROM audit.checkpoint WHERE size > 0")
    watched.clock.at = datetime.now(UTC)
    assert "log.stalled" not in [line["event"] for line in await watched.alarms()]
    assert "log.stalled" in [line["event"] for line in await watched.alarms(STALLED + timedelta(seconds=9))]


# --- telling --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CHK-08")
async def test_damage_is_alarmed_once_by_each_process_kept_and_told_in_the_log_once(watched: Watched) -> None:
    assert await watched.tick() == []
    await watched.log.fetch(CHANGE)
    assert await watched.tick(NEWEST_EVERY) == [("log.damaged", *CHANGED)]
    assert await watched.tick(NEWEST_EVERY) == []
    watched.monitor = watched.another()
    assert await watched.tick(NEWEST_EVERY) == [("log.damaged", *CHANGED)]
    assert await watched.tick(NEWEST_EVERY) == []
    assert await watched.events("log.damage_found") == [{"what": CHANGED[0], "why": CHANGED[1]}]
    report = await watched.figures.report()
    assert [(one.what, one.why) for one in report.findings] == [CHANGED]
    assert report.findings[0].last_seen_at - report.findings[0].first_seen_at == 3 * NEWEST_EVERY


@pytest.mark.requirement("CHK-08")
async def test_a_finding_that_was_put_in_as_told_is_alarmed_all_the_same(watched: Watched) -> None:
    await watched.log.fetch("INSERT INTO audit.finding VALUES ($1, $2, now(), now(), now())", *CHANGED)
    await watched.log.fetch(CHANGE)
    assert await watched.tick() == [("log.damaged", *CHANGED)]


@pytest.mark.requirement("CHK-08")
async def test_what_was_repaired_is_past_after_the_next_pass(watched: Watched) -> None:
    await watched.log.fetch(CHANGE)
    await watched.tick()
    await watched.log.fetch(CHANGE_BACK)
    await watched.tick(PASS_EVERY)
    report = await watched.figures.report()
    assert (report.findings, report.standing_findings, report.past_findings) == ([], 0, 1)


@pytest.mark.requirement("CHK-08")
async def test_the_alarm_does_not_wait_for_a_log_that_takes_nothing(
    watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(_events: Any) -> None:
        raise Refusal(codes.AUDIT_UNAVAILABLE, "away")

    await watched.log.fetch(CHANGE)
    with monkeypatch.context() as broken:
        broken.setattr(watched.writer, "write", refuse)
        assert await watched.tick() == [("log.damaged", *CHANGED)]
        assert await watched.tick(NEWEST_EVERY) == []
    assert await watched.events("log.damage_found") == []
    await watched.tick(NEWEST_EVERY)
    assert len(await watched.events("log.damage_found")) == 1


@pytest.mark.requirement("CHK-11")
@pytest.mark.parametrize(
    "deed",
    [
        "UPDATE audit.leaf SET body = convert_to(replace(convert_from(body, 'UTF8'), '\"gateway-1\"', '\"\\u0000' || "
        "repeat('x', 5000) || '\"'), 'UTF8')",
        "UPDATE audit.leaf SET body = '\\xff'",
        "UPDATE audit.leaf SET body = convert_to(regexp_replace(convert_from(body, 'UTF8'), '\"sequence\":\\d+', "
        "'\"sequence\":99999999999999999999'), 'UTF8')",
        "UPDATE audit.checkpoint SET note = E'\\u2028\\n\\n— '",
        "UPDATE audit.log_head SET size = 9999",
        "UPDATE audit.log_head SET shard = 1, size = 0",
        "UPDATE audit.acknowledgement SET count = 2000000000",
        "UPDATE audit.tile SET level = 70",
        "UPDATE audit.shard SET size = 3, frozen_at = now()",
        "DELETE FROM audit.log_head",
        "DELETE FROM audit.indexed",
    ],
)
async def test_whatever_was_done_to_the_tables_the_monitor_goes_on(
    watched: Watched, deed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SETTLE_S", 0.0)  # nobody is there who would sign what is not signed
    await watched.log.resign()
    await watched.log.fetch(deed)
    await watched.tick()
    await watched.tick(PASS_EVERY)
    assert (await watched.state()).newest_at == NOON + PASS_EVERY
    assert (await watched.figures.report()).standing_findings > 0


@pytest.mark.requirement("CHK-11")
@pytest.mark.parametrize(
    ("deed", "part"),
    [("UPDATE audit.shard SET first = 9223372036854775807", "newest_in_time"),
     ("UPDATE audit.acknowledgement SET first_sequence = 9223372036854775807 WHERE first_sequence = 4", ""),
     ("DELETE FROM audit.monitor", "go_on")],
)  # fmt: skip
async def test_what_fails_is_alarmed_and_the_rest_goes_on(
    watched: Watched, deed: str, part: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "SETTLE_S", 0.0)
    await watched.log.resign()
    await watched.tick()
    await with_gap(watched.log)
    await watched.log.fetch(deed)
    failed = {line["part"] for line in await watched.alarms(NEWEST_EVERY) if line["event"] == "monitor.failed"}
    assert ({part} if part else set()) <= failed
    assert bool(part) == bool(failed)
    assert ("log.numbers_missing", "gateway-1/1", "8 to 10") in await watched.tick(PATIENCE * 2)


# --- numbers that never came ----------------------------------------------------------------------------------------
async def with_gap(log: Log) -> None:
    """Numbers 8 to 10 of gateway-1 are missing."""
    log.next += 3
    await log.write((ids(1)[0], "denied"))


@pytest.mark.requirement("CHK-09")
async def test_a_number_that_never_came_is_alarmed_after_a_minute(watched: Watched) -> None:
    await with_gap(watched.log)
    assert await watched.tick() == []
    assert await watched.tick(PATIENCE / 2) == []
    assert await watched.tick(PATIENCE) == [("log.numbers_missing", "gateway-1/1", "8 to 10")]
    watched.monitor = watched.another()
    assert await watched.tick(PATIENCE) == []
    told = {"gateway": "gateway-1", "epoch": "1", "first": "8", "last": "10"}
    assert await watched.events("log.gap_found") == [told]
    [gap] = (await watched.figures.report()).gaps
    assert (gap.gateway, gap.epoch, gap.first, gap.last, gap.seen_at) == ("gateway-1", 1, 8, 10, NOON)


@pytest.mark.requirement("CHK-09")
async def test_a_batch_that_was_overtaken_fills_its_gap(watched: Watched) -> None:
    late = watched.log.batch(*((call, "denied") for call in ids(2)))
    await watched.log.write((ids(1)[0], "denied"))
    assert await watched.tick() == []
    assert len((await watched.figures.report()).gaps) == 1
    await watched.log.ingest.take(late)
    assert await watched.tick(PATIENCE * 2) == []
    assert (await watched.figures.report()).gaps == []


@pytest.mark.requirement("CHK-09")
async def test_an_epoch_that_is_closed_with_a_gap_is_alarmed_at_once(watched: Watched) -> None:
    await with_gap(watched.log)
    await watched.log.sequence()
    await leases.drain(watched.log.database.ingest, "gateway-1", 1)
    await watched.log.reaper.close_fenced()
    assert await watched.tick() == [("log.numbers_missing", "gateway-1/1", "8 to 10")]
    rows = await watched.log.fetch("SELECT up_to, done FROM audit.watched_writer WHERE gateway = 'gateway-1'")
    assert [tuple(row) for row in rows] == [(12, True)]


@pytest.mark.requirement("CHK-09")
async def test_the_first_numbers_may_be_missing_too_and_each_tick_reads_only_what_is_new(watched: Watched) -> None:
    await watched.log.start()
    watched.log.next = 1
    await watched.log.write((ids(1)[0], "denied"))
    await watched.tick()
    await watched.log.write((ids(1)[0], "denied"))
    await watched.tick()
    rows = await watched.log.fetch("SELECT epoch, first, last FROM audit.gap")
    assert [tuple(row) for row in rows] == [(2, 0, 0)]
    assert (await watched.log.fetch("SELECT up_to FROM audit.watched_writer WHERE epoch = 2"))[0][0] == 3


@pytest.mark.requirement("CHK-09")
async def test_a_batch_that_waited_and_was_removed_with_its_promise_is_found(watched: Watched) -> None:
    """Also while another one of the same writer is late, and comes in two parts."""
    late = [watched.log.batch((ids(1)[0], "denied")) for _ in range(2)]
    for _ in range(3):
        await watched.log.write((ids(1)[0], "denied"))
    await watched.tick()
    await watched.log.ingest.take(late[0])
    assert await watched.tick(PASS_EVERY) == [("log.numbers_missing", "gateway-1/1", "8 to 9")]
    await watched.log.fetch("DELETE FROM audit.acknowledgement WHERE first_sequence = 11")
    await watched.log.fetch("DELETE FROM audit.batch WHERE first_sequence = 11")
    lost = ("log.damaged", "writer gateway-1/1", "1 of its numbers were acknowledged, and are so no more")
    assert await watched.tick(PASS_EVERY) == [lost]
    await watched.log.ingest.take(late[1])
    assert await watched.tick(PASS_EVERY) == []


# --- telling people -------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CHK-10")
async def test_auditors_see_how_the_log_is(watched: Watched) -> None:
    await watched.tick()
    await watched.log.write((ids(1)[0], "denied"))
    await watched.tick(timedelta(seconds=5))
    watched.clock.at += timedelta(seconds=4)
    async with opened(lambda door: routes.router(watched.figures, door)) as doors:
        assert (await doors.ask("GET", "/monitor", "审计局")).status_code == 403
        answer = await doors.ask("GET", "/monitor", "审计局", scopes.AUDIT_READ)
        assert (await doors.ask("GET", "/monitor?x=1", "审计局", scopes.AUDIT_READ)).status_code == 422
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    told = answer.json()
    assert told["leaves"] == 8
    assert told["newest"] == {**told["newest"], "at": "2026-01-01T12:00:00Z", "first": 0, "end": 8}
    assert told["whole"] == {**told["whole"], "checked_at": "2026-01-01T12:00:00Z", "checked_leaves": 8}
    assert (told["findings"], told["gaps"]) == ([], [])
    lags = told["lags"]
    assert (lags["waiting_batches"], lags["waiting_records"], lags["waiting_s"]) == (1, 1, 4.0)
    assert (lags["unpublished_leaves"], lags["unsearchable_leaves"], lags["unwitnessed_leaves"]) == (0, 0, 8)
    assert lags["unwitnessed_since"] is not None


@pytest.mark.requirement("CHK-10")
async def test_what_is_behind_is_counted(watched: Watched) -> None:
    await watched.log.calls(3)
    await watched.log.sequence()
    await watched.log.fetch("DELETE FROM audit.checkpoint WHERE size > 8")
    watched.clock.at = datetime.now(UTC) + timedelta(seconds=100)
    lags = (await watched.figures.report()).lags
    assert (lags.unpublished_leaves, lags.unsearchable_leaves) == (6, 6)
    assert 100 <= lags.unpublished_s < 200
    assert 100 <= lags.unsearchable_s < 200
