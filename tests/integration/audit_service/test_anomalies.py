"""What is unusual in the log: an ordinary week raises nothing, each misuse one alert, and who sees of it what."""

import itertools
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
import structlog

from audit_service.anomalies import judging, queries, store
from audit_service.anomalies.rules import parse
from audit_service.summary import Filter, Summary
from audit_service.writer import Writer
from harness import city_week
from harness.audit_log import Log
from harness.city_week import MONDAY, misuse, moment, numbered, ordinary
from harness.endpoint import endpoint
from harness.feeds import NOON, Bench, again, alerts, bench_on, call
from runtime.errors import Refusal
from wire import codes, scopes

pytestmark = pytest.mark.anyio
READ = scopes.AUDIT_READ
SLOW = """SELECT pg_sleep(5) WHERE $1::bigint + $2::bigint > 0 AND $3::timestamptz IS NOT NULL
          AND $4::text[] || $5::text[] || $6::text[] IS NOT NULL"""
FEW = """
rules:
  - {id: same-person, kind: repeated_subject, times: 3}
"""


@pytest.fixture
async def bench(log: Log) -> AsyncIterator[Bench]:
    async with bench_on(log, list(parse(FEW))) as bench:
        yield bench


def days(number: int) -> list[Summary]:
    chance = random.Random(20260302)
    return [row for n in range(number) for row in ordinary(chance, MONDAY + timedelta(days=n))]


async def lived(bench: Bench, rows: Sequence[Summary], hours: float) -> None:
    """Let rows come as time goes by, judged every so many hours."""
    width = timedelta(hours=hours).total_seconds()
    for _, some in itertools.groupby(rows, lambda row: row.at.timestamp() // width):
        part = list(some)
        await bench.add(*part)
        bench.clock.at = max(row.at for row in part) + timedelta(seconds=30)
        await bench.judge().tick()


# --- the week ---------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("ANO-01")
async def test_an_ordinary_week_raises_nothing_and_each_misuse_exactly_one_alert(log: Log) -> None:
    async with bench_on(log) as bench:
        week = numbered(days(7), 0)
        await lived(bench, week, 4)
        assert await alerts(bench) == []
        planted = misuse(MONDAY + timedelta(days=7))
        chance = random.Random(1)
        rest = [row for n in (7, 8) for row in ordinary(chance, MONDAY + timedelta(days=n))]
        every = numbered([*rest, *itertools.chain.from_iterable(planted.values())], week[-1].leaf_index + 1)
        await lived(bench, every, 1)
        found = {(one["rule"], one["system"]): one for one in await alerts(bench)}
        assert sorted(found) == sorted(planted)
        assert len(await alerts(bench)) == len(planted)
        told = await bench.told("alert.raised")
        assert sorted(one["facts"]["alert"] for one in told) == sorted(one["id"] for one in found.values())
        for key, calls in planted.items():
            await _expect_its_records(bench, found[key], calls, every)


async def _expect_its_records(bench: Bench, alert: dict[str, Any], calls: list[Summary], every: list[Summary]) -> None:
    """An alert holds up to a hundred of the calls, and the search that finds all of them."""
    shown = await bench.ask("GET", f"/alerts/{alert['id']}", "审计局", READ, scopes.AUDIT_SUBJECT)
    planted = {(row.at, row.system, row.subject) for row in calls}
    wanted = msgspec.convert(shown["filter"], Filter)
    matching = [row for row in every if wanted.matches(row)]
    assert planted <= {(row.at, row.system, row.subject) for row in matching}
    assert set(shown["calls"]) <= {row.call_id for row in matching}
    assert len(shown["calls"]) == min(100, len(matching)) or alert["rule"] == "night-use"
    assert [record["call_id"] for record in shown["records"]] == shown["calls"]


@pytest.mark.requirement("ANO-01")
async def test_what_comes_all_at_once_after_an_outage_raises_the_same(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(judging, "STEP", 9_000)
    async with bench_on(log) as bench:
        planted = misuse(MONDAY + timedelta(days=4))
        every = numbered([*days(6), *itertools.chain.from_iterable(planted.values())], 0)
        await bench.add(*every)
        bench.clock.at = every[-1].at
        await bench.judge().tick()
        assert sorted((one["rule"], one["system"]) for one in await alerts(bench)) == sorted(planted)
        [row] = await log.fetch("SELECT size FROM audit.judged")
        assert row["size"] == every[-1].leaf_index + 1
        assert await log.fetch("SELECT FROM audit.traffic")
        bench.clock.on(days=60)
        await bench.judge().tick()
        assert not await log.fetch("SELECT FROM audit.traffic")


@pytest.mark.requirement("ANO-01")
async def test_who_is_always_busy_is_compared_with_the_same_hours_of_its_own_days(log: Log) -> None:
    """After a week-end too; who is new is not judged yet."""
    rules = "rules: [{id: v, kind: volume_jump, minutes: 60, days: 14, known_days: 3, factor: 4, at_least: 20}]"
    async with bench_on(log, list(parse(rules))) as bench:
        every = days(9)
        habit = city_week.HABITS[8]
        every += [city_week.call(moment(MONDAY + timedelta(days=8), f"10:{n % 60:02}"), habit, "") for n in range(240)]
        newcomer = habit._replace(system="new")
        every += [
            city_week.call(moment(MONDAY + timedelta(days=8), f"14:{n % 60:02}"), newcomer, "") for n in range(240)
        ]
        await lived(bench, numbered(every, 0), 12)
        [alert] = await alerts(bench)
        assert (alert["system"], alert["interface"]) == (habit.system, habit.interface)
        assert alert["figures"]["calls"] >= 240
        assert 15 < alert["figures"]["usual"] < 60


# --- once -------------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("ANO-02")
async def test_what_goes_on_prolongs_its_alert_and_a_new_day_is_a_new_one(bench: Bench) -> None:
    await again(bench, 1, 2)
    assert await alerts(bench) == []
    await again(bench, 3)
    await again(bench, 4, 5)
    [alert] = await alerts(bench)
    assert alert["figures"] == {"calls": 5}
    shown = await bench.ask("GET", f"/alerts/{alert['id']}", "审计局", READ)
    assert len(shown["calls"]) == 5
    assert shown["prolonged_at"] > shown["raised_at"]
    await again(bench, 10, 11, 12, at=NOON + timedelta(days=1))
    assert len(await alerts(bench)) == len(await bench.told("alert.raised")) == 2


@pytest.mark.requirement("ANO-02")
async def test_a_window_that_slides_is_one_alert_as_long_as_it_goes_on(log: Log) -> None:
    rules = "rules: [{id: v, kind: volume_jump, minutes: 60, days: 7, known_days: 0, factor: 2, at_least: 10}]"
    async with bench_on(log, list(parse(rules))) as bench:
        for n in range(30):  # five hours of it
            bench.clock.at = NOON + timedelta(minutes=10 * n)
            await bench.add(*[call(100 * n + i, at=bench.clock.at) for i in range(10)])
            await bench.judge().tick()
        [alert] = await alerts(bench)
        assert (alert["since"], alert["until"]) == ("2026-03-04T03:10:00Z", "2026-03-04T09:00:00Z")
        assert alert["figures"] == {"calls": 60, "usual": 0}
        late = NOON + timedelta(hours=8)
        bench.clock.at = late
        await bench.add(*[call(9000 + i, at=late) for i in range(10)])
        await bench.judge().tick()
        assert len(await alerts(bench)) == 2


@pytest.mark.requirement("ANO-02")
async def test_a_judge_that_dies_before_it_is_done_raises_the_same_alert_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with endpoint() as there:
        await bench.subscribe(there, **{"from": "now"})
        await bench.add(*[call(index, subject="p1:p") for index in (1, 2, 3)])
        heard: list[str] = []

        async def fails(_self: Writer, events: Sequence[Any]) -> None:
            heard.extend(event.facts["alert"] for event in events)
            raise Refusal(codes.AUDIT_UNAVAILABLE)

        with monkeypatch.context() as patch:
            patch.setattr(Writer, "write", fails)
            with pytest.raises(Refusal):
                await bench.judge().tick()
        assert await alerts(bench) == []
        assert await bench.log.fetch("SELECT FROM audit.traffic") == []
        for _ in range(2):
            await bench.judge().tick()
        [alert] = await alerts(bench)
        assert heard == [alert["id"]] == [one["facts"]["alert"] for one in await bench.told("alert.raised")]
        await bench.send()
        assert [msgspec.json.decode(body)["kind"] for _, body in there.got] == ["alert", "usage"]


@pytest.mark.requirement("ANO-02")
async def test_a_rule_that_fails_or_takes_too_long_stops_no_other(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    several = FEW + "  - {id: other, kind: repeated_subject, times: 2}\n"
    bench.rules = list(parse(several))
    monkeypatch.setattr(judging, "MOST_TIME", timedelta(milliseconds=300))
    real = queries.query_of

    def slow(rule: Any) -> Any:
        return (SLOW, ()) if rule.id == "same-person" else real(rule)

    monkeypatch.setattr("audit_service.anomalies.store.query_of", slow)
    await again(bench, 1, 2, 3)
    assert [one["rule"] for one in await alerts(bench)] == ["other"]


@pytest.mark.requirement("ANO-02")
async def test_a_rule_that_takes_too_long_is_tried_again_in_smaller_steps(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which find all of it; only the smallest goes on without, and says so."""
    monkeypatch.setattr(judging, "MOST_TIME", timedelta(milliseconds=300))
    monkeypatch.setattr(judging, "SMALLEST", 10)
    real, stood = store.unusual, []

    async def heavy(tx: Any, rule: Any, start: int, end: int, horizon: datetime) -> Any:
        stood.append((start, end))
        if end - start > 20 or start == 60:
            await tx.execute("SELECT pg_sleep(5)")
        return await real(tx, rule, start, end, horizon)

    monkeypatch.setattr(store, "unusual", heavy)
    with structlog.testing.capture_logs() as logged:
        await bench.add(*[call(n, subject=f"p1:{n // 4}") for n in range(80)])
        await bench.judge().tick()
    assert stood == [(0, 80), (0, 40), (0, 20), (20, 40), (40, 60), (60, 80), (60, 70), (70, 80)]
    alarms = [one for one in logged if one.get("alarm")]
    assert [(one["event"], one["first"], one["end"]) for one in alarms] == [("rule.failed", 60, 70)]
    assert len(await alerts(bench)) == 18


@pytest.mark.requirement("ANO-02")
async def test_more_findings_than_a_step_may_have_are_an_alarm(bench: Bench) -> None:
    await bench.add(*[call(n, subject=f"p1:{n // 3}") for n in range(3 * queries.MOST)])
    with structlog.testing.capture_logs() as logged:
        await bench.judge().tick()
    assert not [one for one in logged if one.get("alarm")]
    await bench.add(*[call(2000 + n, subject=f"p1:q{n // 3}") for n in range(3 * queries.MOST + 3)])
    with structlog.testing.capture_logs() as logged:
        await bench.judge().tick()
    [alarm] = [one for one in logged if one.get("alarm")]
    assert (alarm["event"], alarm["rule"], alarm["most"]) == ("rule.cut", "same-person", queries.MOST)
    assert [row["count"] for row in await bench.log.fetch("SELECT count(*) FROM audit.alert")] == [2 * queries.MOST]


@pytest.mark.requirement("ANO-02")
async def test_invented_names_of_interfaces_hide_nobody(log: Log) -> None:
    """Twenty thousand refusals, each of another interface, in one step with somebody else's jump."""
    rules = "rules: [{id: v, kind: volume_jump, minutes: 60, days: 14, known_days: 0, factor: 5, at_least: 1000}]"
    async with bench_on(log, list(parse(rules))) as bench:
        invented = [
            call(n, kind="denied", status=404, code="interface/unknown", fault="consumer", interface=f"inv-{n}",
                 provider="", subject="")
            for n in range(18_500)
        ]  # fmt: skip
        await bench.add(*invented, *[call(18_500 + n, system="other") for n in range(1_200)])
        with structlog.testing.capture_logs() as logged:
            await bench.judge().tick()
        assert not [one for one in logged if one["event"].startswith("rule.")]
        [alert] = await alerts(bench)
        assert (alert["system"], alert["figures"]["calls"]) == ("other", 1200)


@pytest.mark.requirement("ANO-02")
async def test_only_pseudonyms_are_persons(log: Log) -> None:
    """What a clock is about is called a subject too."""
    rules = """
rules:
  - {id: same, kind: repeated_subject, times: 3}
  - {id: sides, kind: repeated_subject, systems: 1, departments: 1}
  - {id: many, kind: enumeration, minutes: 60, subjects: 3}
"""
    async with bench_on(log, list(parse(rules))) as bench:
        await bench.add(*[call(n, subject="case/7", kind="event", event="clock.due") for n in range(4)])
        await bench.add(*[call(10 + n, subject="case/7") for n in range(4)])
        await bench.add(*[call(20 + n, subject=f"case/{n}") for n in range(4)])
        await bench.judge().tick()
        assert await alerts(bench) == []


@pytest.mark.requirement("ANO-01", "YN-29-3")
async def test_who_guesses_by_verifying_is_seen_and_the_sandbox_is_not(log: Log) -> None:
    rules = """
rules:
  - {id: misses, kind: enumeration, minutes: 60, questions: 4, miss_share: 0.5}
  - {id: persons, kind: enumeration, minutes: 60, subjects: 8}
  - {id: same, kind: repeated_subject, times: 5}
"""
    async with bench_on(log, list(parse(rules))) as bench:
        tried: dict[str, Any] = {"mode": "sandbox", "provider": "", "status": 404}
        await bench.add(
            *[call(n, **tried) for n in range(10)], *[call(20 + n, **tried, subject="p1:a") for n in range(6)]
        )
        await bench.judge().tick()
        assert await alerts(bench) == []
        verdicts = ["yes", "yes", "no", "no_record"]
        await bench.add(*[call(40 + n, mode="verify", verdict=one) for n, one in enumerate(verdicts)])
        await bench.judge().tick()
        [alert] = await alerts(bench)
        assert (alert["rule"], alert["figures"]["questions"], alert["figures"]["misses"]) == ("misses", 4, 2)
        shown = await bench.ask("GET", f"/alerts/{alert['id']}", "审计局", READ)
        assert [record["verdict"] for record in shown["records"]] == verdicts


@pytest.mark.requirement("ANO-02")
async def test_the_oddest_rows_and_texts_stop_nothing(log: Log) -> None:
    async with bench_on(log) as bench:
        odd = "甲\U0001f600" * 100
        name = "p1:" + odd[3:]
        await bench.add(
            call(1, at=datetime(1970, 1, 1, tzinfo=UTC)), call(2, at=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
            call(3, system=odd, interface=odd, department=odd, provider=odd, subject=name),
            *[call(10 + n, system=odd, interface=odd, department=odd, provider=odd, subject=name) for n in range(40)],
            call(90, system=""), call(91, status=32767, took_ms=2**31 - 1),
        )  # fmt: skip
        await bench.judge().tick()
        [alert] = await alerts(bench)
        assert (alert["rule"], alert["system"]) == ("same-person", odd)


@pytest.mark.requirement("ANO-02")
async def test_a_rule_is_not_about_what_it_excepts(log: Log) -> None:
    rules = """
rules:
  - {id: a, kind: repeated_subject, times: 3, but_not: {systems: [mzj-relief]}}
  - {id: b, kind: repeated_subject, times: 3, but_not: {departments: [民政局]}}
  - {id: c, kind: enumeration, minutes: 60, subjects: 1, but_not: {interfaces: [gaj-identity-verify]}}
  - {id: d, kind: night_use, from: "00:00", to: "13:00", at_least: 1, but_not: {systems: [other]}}
"""
    async with bench_on(log, list(parse(rules))) as bench:
        await again(bench, 1, 2, 3)
        assert [one["rule"] for one in await alerts(bench)] == ["d"]
