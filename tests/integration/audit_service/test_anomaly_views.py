"""Alerts as people get them: who sees and is told what, and how one is closed."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from audit_service.anomalies.rules import parse
from harness.audit_log import Log
from harness.endpoint import endpoint
from harness.feeds import NOON, Bench, again, alerts, bench_on, bodies, call
from wire import scopes

pytestmark = pytest.mark.anyio
READ, KEEP = scopes.AUDIT_READ, scopes.AUDIT_KEEP
FEW = "rules: [{id: same-person, kind: repeated_subject, times: 3}]"


@pytest.fixture
async def bench(log: Log) -> AsyncIterator[Bench]:
    async with bench_on(log, list(parse(FEW))) as bench:
        yield bench


# --- who sees what ----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("ANO-03")
async def test_a_department_sees_alerts_that_concern_it_and_of_their_records_its_own(log: Log) -> None:
    rules = "rules: [{id: guessing, kind: enumeration, minutes: 60, subjects: 3}]"
    async with bench_on(log, list(parse(rules))) as bench:
        parties = [("民政局", "公安局"), ("民政局", "公安局"), ("民政局", "税务局")]
        await bench.add(*[
            call(n, department=consumer, provider=provider, interface=provider)
            for n, (consumer, provider) in enumerate(parties)
        ])  # fmt: skip
        await bench.judge().tick()
        [alert] = await alerts(bench)
        assert alert["figures"]["subjects"] == 3
        path = f"/alerts/{alert['id']}"
        seen = {"民政局": [0, 1, 2], "公安局": [0, 1], "税务局": [2], "审计局": [0, 1, 2]}
        for department, mine in seen.items():
            scope = READ if department == "审计局" else "x"
            [listed] = await alerts(bench, department, scope)
            assert listed == {**alert, "figures": alert["figures"] if scope == READ else {}}
            shown = await bench.ask("GET", path, department, scope)
            assert [record["index"] for record in shown["records"]] == mine
            assert len(shown["calls"]) == len(mine)
            assert shown["figures"] == listed["figures"]
        assert await alerts(bench, "卫健委", "x") == []
        assert (await bench.doors.ask("GET", path, "卫健委")).status_code == 404
        assert (await bench.doors.ask("GET", "/alerts", "")).status_code == 401
        viewed = [(one["department"], one["facts"]["count"]) for one in await bench.told("alert.viewed")]
        assert viewed == [(department, str(len(mine))) for department, mine in seen.items()]


@pytest.mark.requirement("ANO-03")
async def test_what_is_about_one_system_and_one_interface_is_told_to_both_sides_with_its_figures(log: Log) -> None:
    rules = "rules: [{id: v, kind: volume_jump, minutes: 60, days: 7, known_days: 0, factor: 2, at_least: 3}]"
    async with bench_on(log, list(parse(rules))) as bench, endpoint() as there:
        await bench.subscribe(there, "公安局", **{"from": "now", "interface": "gaj-identity-verify"})
        await bench.add(*[call(n) for n in range(3)])
        await bench.judge().tick()
        await bench.send()
        for department in ("民政局", "公安局"):
            [alert] = await alerts(bench, department, "x")
            assert alert["figures"] == {"calls": 3, "usual": 0}
        [message] = bodies(there, "alert")
        assert message["alert"]["figures"] == alert["figures"]


@pytest.mark.requirement("ANO-03")
async def test_what_is_about_no_one_system_is_for_auditors_only(log: Log) -> None:
    rules = "rules: [{id: many, kind: repeated_subject, systems: 3, departments: 3}]"
    async with bench_on(log, list(parse(rules))) as bench, endpoint() as there:
        parties = ("民政局", "人社局", "教育局")
        for department in (*parties, "公安局"):
            await bench.subscribe(there, department, **{"from": "now"})
        await bench.add(*[
            call(n, system=f"s{n}", department=department, subject="p1:p") for n, department in enumerate(parties)
        ])  # fmt: skip
        await bench.judge().tick()
        await bench.send()
        [alert] = await alerts(bench)
        assert alert["figures"] == {"systems": 3, "departments": 3, "calls": 3}
        for department in (*parties, "公安局"):
            assert await alerts(bench, department, "x") == []
            assert (await bench.doors.ask("GET", f"/alerts/{alert['id']}", department)).status_code == 404
        assert bodies(there, "alert") == []


@pytest.mark.requirement("ANO-03")
async def test_whom_an_alert_is_about_is_told_to_who_may_look_for_persons_alone(bench: Bench) -> None:
    await again(bench, 1, 2, 3)
    [alert] = await alerts(bench)
    for scope, told in (((READ,), False), (("x",), False), ((READ, scopes.AUDIT_SUBJECT), True)):
        answer = await bench.doors.ask("GET", f"/alerts/{alert['id']}", "民政局", *scope)
        assert ("p1:p" in answer.text) == told
        assert answer.json()["filter"].get("subject") == ("p1:p" if told else None)
    assert "p1:p" not in {value for one in await bench.told() for value in one["facts"].values()}


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
            assert b"p1:p" not in body
        assert stranger.got == []


# --- closing ----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("ANO-04")
async def test_a_keeper_closes_an_alert_once_and_false_ones_are_counted(bench: Bench) -> None:
    await again(bench, 1, 2, 3)
    await again(bench, 10, 11, 12, subject="p1:q")
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
        await again(bench, *range(10 * n, 10 * n + 3), subject=f"p1:{n}")
    every = await alerts(bench)
    found: list[dict[str, Any]] = []
    after = ""
    while after is not None:
        answer = await bench.doors.ask("GET", "/alerts", "审计局", READ, params={"limit": 2, "after": after})
        found += answer.json()["items"]
        after = answer.json()["next"]
    assert found == every
    assert len(every) == 5
    for after in (
        "x",
        "2026-03-04/1",
        "2026-03-04T00:00:00/" + every[0]["id"],
        "%00",
        *[
            f"{at}/{every[0]['id']}"
            for at in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "1969-12-31T00:00:00+00:00")
        ],
    ):
        answer = await bench.doors.ask("GET", "/alerts", "审计局", READ, params={"after": after})
        assert answer.status_code == 422, after


@pytest.mark.requirement("ANO-05")
async def test_keepers_and_auditors_see_the_rules_in_force_and_nobody_else(bench: Bench) -> None:
    for scope in (READ, KEEP):
        [rule] = (await bench.ask("GET", "/alerts/rules", "审计局", scope))["rules"]
        assert (rule["id"], rule["kind"], rule["times"]) == ("same-person", "repeated_subject", 3)
    assert (await bench.doors.ask("GET", "/alerts/rules", "民政局", scopes.CALL)).status_code == 403
