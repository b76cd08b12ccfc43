"""What is unusual in the log: an ordinary week raises nothing, each misuse one alert, and who sees of it what."""

import itertools
import random
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from audit_service.anomalies import judging, queries
from audit_service.anomalies.rules import parse
from audit_service.summary import Filter, Summary
from audit_service.writer import Writer
from harness import city_week
from harness.audit_log import Log
from harness.city_week import MONDAY, misuse, moment, numbered, ordinary
from harness.endpoint import endpoint
from harness.feeds import NOON, Bench, bench_on, call
from runtime.errors import Refusal
from wire import codes, scopes

pytestmark = pytest.mark.anyio
READ, KEEP = scopes.AUDIT_READ, scopes.AUDIT_KEEP
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


async def alerts(bench: Bench, department: str = "审计局", *scopes: str, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await bench.ask("GET", f"/alerts{query}", department, *(scopes or (READ,))))["items"]
    return found


async def again(bench: Bench, *indexes: int, **members: Any) -> None:
    """Calls about the same person, judged a minute later."""
    await bench.add(*[call(index, **{"subject": "p", **members}) for index in indexes])
    bench.clock.on(minutes=1)
    await bench.judge().tick()


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
    shown = await bench.ask("GET", f"/alerts/{alert['id']}", "审计局", READ)
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
        await bench.add(*[call(index, subject="p") for index in (1, 2, 3)])
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
async def test_the_oddest_rows_and_texts_stop_nothing(log: Log) -> None:
    async with bench_on(log) as bench:
        odd = "甲\U0001f600" * 100
        await bench.add(
            call(1, at=datetime(1970, 1, 1, tzinfo=UTC)), call(2, at=datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
            call(3, system=odd, interface=odd, department=odd, provider=odd, subject=odd),
            *[call(10 + n, system=odd, interface=odd, department=odd, provider=odd, subject=odd) for n in range(40)],
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


# --- who sees what ----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("ANO-03")
async def test_a_department_sees_alerts_that_concern_it_and_of_their_records_its_own(log: Log) -> None:
    rules = "rules: [{id: many, kind: repeated_subject, systems: 3, departments: 3}]"
    async with bench_on(log, list(parse(rules))) as bench:
        parties = [("民政局", "公安局"), ("人社局", "公安局"), ("教育局", "税务局")]
        await bench.add(*[
            call(n, system=f"s{n}", department=consumer, provider=provider, subject="p")
            for n, (consumer, provider) in enumerate(parties)
        ])  # fmt: skip
        await bench.judge().tick()
        [alert] = await alerts(bench)
        assert alert["figures"] == {"systems": 3, "departments": 3, "calls": 3}
        path = f"/alerts/{alert['id']}"
        seen = {"民政局": [0], "公安局": [0, 1], "税务局": [2], "审计局": [0, 1, 2]}
        for department, mine in seen.items():
            scope = (READ,) if department == "审计局" else ()
            assert [one["id"] for one in await alerts(bench, department, *(scope or ("x",)))] == [alert["id"]]
            shown = await bench.ask("GET", path, department, *scope)
            assert [record["index"] for record in shown["records"]] == mine
            assert len(shown["calls"]) == len(mine)
            assert ("subject" in shown["filter"]) == bool(scope)
        assert await alerts(bench, "卫健委", "x") == []
        assert (await bench.doors.ask("GET", path, "卫健委")).status_code == 404
        assert (await bench.doors.ask("GET", "/alerts", "")).status_code == 403
        viewed = [(one["department"], one["facts"]["count"]) for one in await bench.told("alert.viewed")]
        assert viewed == [(department, str(len(mine))) for department, mine in seen.items()]
        assert "p" not in {value for one in await bench.told() for value in one["facts"].values()}


@pytest.mark.requirement("ANO-03")
async def test_subscribers_are_told_of_alerts_that_concern_them(bench: Bench) -> None:
    async with endpoint() as consumer, endpoint() as provider, endpoint() as stranger:
        await bench.subscribe(consumer, **{"from": "now"})
        await bench.subscribe(provider, "公安局", **{"from": "now"})
        await bench.subscribe(provider, "公安局", **{"from": "now", "as": "consumer"})
        await bench.subscribe(stranger, "教育局", **{"from": "now"})
        await again(bench, 1, 2, 3)
        await again(bench, 4)
        await bench.log.fetch("UPDATE audit.subscription SET position = 10")
        await bench.send()
        await bench.send()
        [alert] = await alerts(bench)
        for there in (consumer, provider):
            [(_, body)] = there.got
            message = msgspec.json.decode(body)
            assert (message["kind"], message["alert"]["id"], message["alert"]["rule"]) == (
                "alert", alert["id"], "same-person",
            )  # fmt: skip
            assert b'"p"' not in body
        assert stranger.got == []


# --- closing ----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("ANO-04")
async def test_a_keeper_closes_an_alert_once_and_false_ones_are_counted(bench: Bench) -> None:
    await again(bench, 1, 2, 3)
    await again(bench, 10, 11, 12, subject="q")
    first, second = await alerts(bench)
    body = {"finding": "false_alarm", "note": "批量核对"}
    tries: list[tuple[tuple[str, ...], int]] = [((), 403), ((READ,), 403), ((KEEP,), 200), ((KEEP,), 409)]
    for scope, status in tries:
        answer = await bench.doors.ask("POST", f"/alerts/{first['id']}/close", "档案局", *scope, json=body)
        assert answer.status_code == status
    assert answer.json()["finding"] == "false_alarm"
    for wrong in ({"finding": "other", "note": "x"}, {"finding": "misuse", "note": ""}, {**body, "more": 1}):
        answer = await bench.doors.ask("POST", f"/alerts/{second['id']}/close", "档案局", KEEP, json=wrong)
        assert answer.status_code == 422
    missing = await bench.doors.ask("POST", f"/alerts/{first['id'][:-4]}0000/close", "档案局", KEEP, json=body)
    assert missing.status_code == 404
    assert await bench.ask("GET", "/alerts/counts", "档案局", KEEP) == {"same-person": {"false_alarm": 1, "open": 1}}
    assert [one["id"] for one in await alerts(bench, query="?finding=false_alarm")] == [first["id"]]
    assert [one["id"] for one in await alerts(bench, query="?state=open&rule=same-person")] == [second["id"]]
    [event] = await bench.told("alert.closed")
    assert event["facts"] == {"alert": first["id"], "rule": "same-person", "finding": "false_alarm"}


@pytest.mark.requirement("ANO-04")
async def test_what_is_closed_is_not_raised_again_within_its_window(bench: Bench) -> None:
    await again(bench, 1, 2, 3)
    [alert] = await alerts(bench)
    await bench.ask("POST", f"/alerts/{alert['id']}/close", "档案局", KEEP, json={"finding": "explained", "note": "n"})
    await again(bench, 4, 5, 6)
    assert [one["state"] for one in await alerts(bench)] == ["closed"]
    await again(bench, 10, 11, 12, at=NOON + timedelta(days=1))
    assert [one["state"] for one in await alerts(bench)] == ["open", "closed"]


async def test_alerts_come_in_pages_newest_first(bench: Bench) -> None:
    for n in range(5):
        await again(bench, *range(10 * n, 10 * n + 3), subject=f"p{n}")
    every = await alerts(bench)
    found: list[dict[str, Any]] = []
    after = ""
    while after is not None:
        answer = await bench.doors.ask("GET", "/alerts", "审计局", READ, params={"limit": 2, "after": after})
        found += answer.json()["items"]
        after = answer.json()["next"]
    assert found == every
    assert len(every) == 5
    for after in ("x", "2026-03-04/1", "2026-03-04T00:00:00/" + every[0]["id"], "%00"):
        answer = await bench.doors.ask("GET", "/alerts", "审计局", READ, params={"after": after})
        assert answer.status_code == 422, after


@pytest.mark.requirement("ANO-05")
async def test_keepers_and_auditors_see_the_rules_in_force_and_nobody_else(bench: Bench) -> None:
    for scope in (READ, KEEP):
        [rule] = (await bench.ask("GET", "/alerts/rules", "审计局", scope))["rules"]
        assert (rule["id"], rule["kind"], rule["times"]) == ("same-person", "repeated_subject", 3)
    assert (await bench.doors.ask("GET", "/alerts/rules", "民政局", scopes.CALL)).status_code == 403
