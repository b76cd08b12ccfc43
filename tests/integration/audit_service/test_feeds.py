"""A department's own usage: pulled in the order of the log, without gaps; subscriptions that are its own."""

import asyncio
import random
from collections.abc import AsyncIterator
from typing import Any

import pytest

from audit_service.search.indexer import Indexer
from harness.audit_log import Log
from harness.endpoint import endpoint
from harness.feeds import Bench, bench_on, bodies, call
from harness.log_rows import rows as random_rows
from wire.scopes import CALL, HEAD, OFFICER, SUBJECT

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(log: Log) -> AsyncIterator[Bench]:
    async with bench_on(log) as bench:
        yield bench


async def pulled(bench: Bench, query: str = "", department: str = "民政局") -> list[int]:
    """All that a poller gets, page by page."""
    found: list[int] = []
    after = ""
    while True:
        page = await bench.ask("GET", f"/usage?after={after}&limit=7{query}", department)
        found += [item["index"] for item in page["items"]]
        if not page["more"]:
            assert (await bench.ask("GET", f"/usage?after={page['next']}{query}", department))["items"] == []
            return found
        after = page["next"]


# --- pulling ----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("FED-01")
@pytest.mark.requirement("JDZ-16-3-r")
@pytest.mark.parametrize(
    ("query", "sides"),
    [("", {"department", "provider"}), ("&as=consumer", {"department"}), ("&as=provider", {"provider"})],
)
async def test_a_poller_gets_each_of_its_own_records_once_in_the_order_of_the_log(
    bench: Bench, query: str, sides: set[str]
) -> None:
    segments = [f"2026030{day}-{kept}" for day in (1, 2, 3) for kept in ("general", "personal")]
    among = random_rows(random.Random(3), 240, segments)
    await bench.add(*among)
    for department in ("民政局", "公安局"):
        mine = [one for one in among if one.kind != "event" and department in {getattr(one, side) for side in sides}]
        assert await pulled(bench, query, department) == [one.leaf_index for one in mine]
        some = [one.leaf_index for one in mine if one.interface == "i-1"]
        assert await pulled(bench, f"{query}&interface=i-1", department) == some
    assert await pulled(bench, query, "教育局") == []


@pytest.mark.requirement("FED-01")
async def test_a_poller_goes_on_where_it_was_and_gets_what_is_new(bench: Bench) -> None:
    first = await bench.ask("GET", "/usage")
    assert (first["items"], first["more"]) == ([], False)
    seen: list[int] = []
    after = first["next"]
    for start in (0, 5, 9):
        await bench.add(*[call(index) for index in range(start, start + 3)])
        page = await bench.ask("GET", f"/usage?after={after}&limit=100")
        seen += [item["index"] for item in page["items"]]
        after = page["next"]
    assert seen == [0, 1, 2, 5, 6, 7, 9, 10, 11]


@pytest.mark.requirement("FED-01")
async def test_a_pull_is_on_record_and_is_itself_never_fed(bench: Bench) -> None:
    await bench.add(call(3), call(8))
    page = await bench.ask("GET", "/usage")
    await bench.ask("GET", f"/usage?after={page['next']}")
    [event] = await bench.told()
    assert (event["event"], event["department"], event["actor"]) == ("record.pulled", "民政局", "c-1")
    assert event["facts"] == {"first": "3", "last": "8", "count": "2"}
    own = [call(index, kind="event", event="record.pulled", provider="") for index in range(9, 9 + 900)]
    await bench.add(*own, call(1000))
    after, found = page["next"], []
    for _ in range(12):
        page = await bench.ask("GET", f"/usage?after={after}&limit=100")
        found += [item["index"] for item in page["items"]]
        after = page["next"]
        if not page["more"]:
            break
    assert found == [1000]
    assert len(await bench.told()) == 2


@pytest.mark.requirement("FED-01")
async def test_a_record_tells_its_parties_all_but_whom_it_was_about(bench: Bench) -> None:
    await bench.add(call(3, mode="verify", verdict="no", consent="c-1"))
    [item] = (await bench.ask("GET", "/usage", "公安局"))["items"]
    assert (item["mode"], item["verdict"], item["consent"]) == ("verify", "no", "c-1")
    assert item["index"] == 3
    assert (item["system"], item["case_no"], item["status"]) == ("mzj-relief", "办件-3", 200)
    assert not {"subject", "segment"} & item.keys()


async def test_a_crooked_question_is_refused(bench: Bench) -> None:
    for query in ("after=x", "after=u-1", "after=u01", "after=u99999999999999999999", "limit=0", "limit=1001", "as=all",
                  "of=x", "interface=%00", "interface=" + "x" * 201):  # fmt: skip
        answer = await bench.doors.ask("GET", f"/usage?{query}", "民政局")
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), query


@pytest.mark.requirement("JDZ-16-3-r")
async def test_calls_reach_both_sides_through_the_whole_log(bench: Bench) -> None:
    """Ingest, sequencer, indexer, feed: what the gateway recorded is what provider and user get."""
    async with endpoint() as there:
        await bench.subscribe(there, "公安局", **{"as": "provider"})
        calls = await bench.log.calls(3)
        await bench.log.sequence()
        await Indexer(bench.log.database).tick()
        await bench.send()
        sent = [record["call_id"] for body in bodies(there) for record in body["records"]]
    for department in ("民政局", "公安局"):
        assert [item["call_id"] for item in (await bench.ask("GET", "/usage", department))["items"]] == calls
    assert sent == calls


@pytest.mark.parametrize("day", ["9999-12-31", "1969-12-31", "0001-01-01", "2026-02-30"])
async def test_the_figures_of_a_day_that_the_log_cannot_have_are_refused(bench: Bench, day: str) -> None:
    answer = await bench.doors.ask("GET", f"/digest?day={day}", "民政局")
    assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid")


async def test_who_has_no_department_has_no_usage(bench: Bench) -> None:
    for method, path, body in (("GET", "/usage", None), ("GET", "/digest?day=2026-03-03", None)):
        assert (await bench.doors.ask(method, path, "", json=body)).status_code == 401


# --- subscriptions ----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("FED-02")
async def test_a_subscription_is_its_departments_and_its_key_is_shown_once(bench: Bench) -> None:
    made = await bench.subscribe("http://oa.example/in?secret=1")
    path = f"/subscriptions/{made['id']}"
    assert len(made.pop("signing_key")) == 64
    assert await bench.ask("GET", path) == {**made, "waiting": []}
    assert (await bench.ask("GET", "/subscriptions"))["items"] == [made]
    assert (await bench.ask("GET", "/subscriptions", "公安局"))["items"] == []
    wish = {"url": "http://oa.example/2", "networks": ["10.0.0.0/8"], "as": "provider"}
    for method, where, body in (
        ("GET", "", None), ("PUT", "", wish), ("DELETE", "", None), ("POST", "/pause", None), ("POST", "/resume", None),
        ("GET", "/dead-letters", None), ("POST", "/dead-letters/1/retry", None),
    ):  # fmt: skip
        assert (await bench.doors.ask(method, path + where, "公安局", OFFICER, json=body)).status_code == 404
    changed = await bench.ask("PUT", path, "民政局", OFFICER, json=wish)
    assert (changed["generation"], changed["as"], changed["url"]) == (2, "provider", "http://oa.example/2")
    for verb, active in (("pause", False), ("pause", False), ("resume", True)):
        assert (await bench.ask("POST", f"{path}/{verb}", "民政局", HEAD))["active"] is active
    await bench.ask("DELETE", path, "民政局", OFFICER)
    assert (await bench.doors.ask("GET", path, "民政局")).status_code == 404
    told = await bench.told()
    assert [one["event"] for one in told] == [
        f"subscription.{verb}" for verb in ("made", "changed", "paused", "resumed", "removed")
    ]
    assert [one["facts"] for one in told] == [{"subscription": made["id"], "host": "oa.example"}] * 5


@pytest.mark.requirement("FED-02")
async def test_only_an_officer_or_the_head_decides_where_usage_is_sent(bench: Bench) -> None:
    """A system's token is the department's too, and may be in a vendor's hands: it reads, without the key."""
    made = await bench.subscribe("http://oa.example/in")
    path = f"/subscriptions/{made['id']}"
    wish = {"url": "http://vendor.example/", "networks": ["10.0.0.0/8"], "as": "both"}
    for method, where, body in (
        ("POST", "/subscriptions", wish), ("PUT", path, wish), ("DELETE", path, None), ("POST", f"{path}/pause", None),
        ("POST", f"{path}/resume", None), ("POST", f"{path}/dead-letters/1/retry", None),
    ):  # fmt: skip
        answer = await bench.doors.ask(method, where, "民政局", CALL, SUBJECT, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "token/insufficient-scope"), where
    for where in ("/subscriptions", path, f"{path}/dead-letters"):
        answer = await bench.doors.ask("GET", where, "民政局", CALL)
        assert answer.status_code == 200
        assert made["signing_key"] not in answer.text
    assert [one["event"] for one in await bench.told()] == ["subscription.made"]


@pytest.mark.requirement("FED-02")
async def test_a_subscription_that_makes_no_sense_is_refused(bench: Bench) -> None:
    wishes: list[dict[str, Any]] = [
        {"url": "ftp://x/"}, {"url": "http://a:b@x/"}, {"networks": []}, {"networks": ["all"]}, {"as": "any"},
        {"networks": ["0.0.0.0/7"]}, {"networks": ["10.0.0.0/8", "::/0"]}, {"networks": ["fd00::/15"]},
        {"networks": ["::/16"]}, {"networks": ["::ffff:0:0/96"]},
        {"more": 1}, {"interface": "a\0"}, {"from": "then"}, {"url": "http://x/" + "y" * 1000},
    ]  # fmt: skip
    for wrong in wishes:
        body = {"url": "http://oa.example/", "networks": ["10.0.0.0/8"], "as": "both", **wrong}
        answer = await bench.doors.ask("POST", "/subscriptions", "民政局", OFFICER, json=body)
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), wrong
    assert await bench.told() == []
    narrow = ["10.0.0.0/8", "fd00::/16", "::1/128", "::ffff:10.0.0.0/104"]
    assert (await bench.subscribe("http://oa.example/", networks=narrow))["networks"] == narrow


@pytest.mark.requirement("FED-02")
async def test_a_department_has_a_limited_number_of_subscriptions(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit_service.feeds.flows.MOST_SUBSCRIPTIONS", 2)
    body = {"url": "http://oa.example/", "networks": ["10.0.0.0/8"], "as": "both"}
    several = [bench.doors.ask("POST", "/subscriptions", "民政局", OFFICER, json=body) for _ in range(4)]
    assert sorted(answer.status_code for answer in await asyncio.gather(*several)) == [201, 201, 409, 409]
    assert (await bench.doors.ask("POST", "/subscriptions", "公安局", OFFICER, json=body)).status_code == 201
