"""Usage that is sent: in order, at least once, never to where it may not go, and figures once a day."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest

from audit_service.summary import Summary
from harness.audit_log import Log
from harness.endpoint import endpoint
from harness.feeds import NOON, Bench, bench_on, bodies, call, ids, indexes
from relay.egress import Egress
from wire.scopes import OFFICER

pytestmark = pytest.mark.anyio


@pytest.fixture
async def bench(log: Log) -> AsyncIterator[Bench]:
    async with bench_on(log) as bench:
        yield bench


async def letters(bench: Bench, one: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await bench.ask("GET", f"/subscriptions/{one['id']}/dead-letters"))["items"]
    return found


# --- sending ----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("FED-03")
@pytest.mark.requirement("JDZ-16-3-r")
async def test_records_arrive_in_order_in_batches_and_signed(bench: Bench) -> None:
    among = [call(index, department="民政局" if index % 3 else "教育局", provider="") for index in range(0, 700, 2)]
    await bench.add(*among)
    mine = [one.leaf_index for one in among if one.department == "民政局"]
    async with endpoint() as there:
        made = await bench.subscribe(there)
        await bench.send()
        assert indexes(there) == mine
        await bench.add(call(801), call(802, provider="民政局", department="教育局"))
        await bench.send()
    assert indexes(there) == [*mine, 801, 802]
    assert [len(body["records"]) for body in bodies(there)] == [100, 100, 33, 2]
    for (fields, body), stated in zip(there.got, bodies(there), strict=True):
        assert fields[b"request"] == b"POST /in?from=tongdao HTTP/1.1"
        at, mac = fields[b"tongdao-signature"].split(b",")
        said = at.removeprefix(b"t=") + b"." + body
        assert mac == b"v1=" + hmac.new(made["signing_key"].encode(), said, hashlib.sha256).hexdigest().encode()
        assert int(at.removeprefix(b"t=")) == int(NOON.timestamp())
        assert stated["id"].encode() == fields[b"tongdao-delivery"]
        assert stated["subscription"] == made["id"]
        assert (stated["from"], stated["to"]) == (stated["records"][0]["index"], stated["records"][-1]["index"])
    shown = await bench.ask("GET", f"/subscriptions/{made['id']}")
    assert shown["sent_to"] == 802


@pytest.mark.requirement("FED-03")
async def test_a_subscription_gets_the_side_the_interface_and_the_time_it_wants(bench: Bench) -> None:
    before = [call(1), call(2, department="教育局", provider="民政局"), call(3, interface="other")]
    await bench.add(*before)
    expected = {
        ("consumer", "", "beginning"): [1, 3, 5, 7], ("provider", "", "beginning"): [2, 6],
        ("both", "other", "beginning"): [3, 7], ("both", "", "now"): [5, 6, 7],
    }  # fmt: skip
    async with endpoint() as there:
        made = {
            (await bench.subscribe(there, **{"as": side, "interface": interface, "from": start}))["id"]: wanted
            for (side, interface, start), wanted in expected.items()
        }
        await bench.add(call(5), call(6, department="教育局", provider="民政局"), call(7, interface="other"))
        await bench.send()
        got: dict[str, list[int]] = {one: [] for one in made}
        for body in bodies(there):
            got[body["subscription"]] += [record["index"] for record in body["records"]]
    assert got == made


@pytest.mark.requirement("FED-03")
async def test_only_a_yes_moves_it_on_and_the_same_is_said_again(bench: Bench) -> None:
    await bench.add(call(1), call(2))
    async with endpoint() as there:
        there.answers = [b"500 Broken", b"302 Found\r\nlocation: /other", b"204 Good"]
        made = await bench.subscribe(there)
        await bench.send()
        await bench.add(call(3))  # later records wait their turn, and join no batch that was tried
        bench.clock.on(seconds=59)
        await bench.send()
        assert len(there.got) == 1
        for minutes in (1, 5):
            shown = await bench.ask("GET", f"/subscriptions/{made['id']}")
            assert shown["sent_to"] == -1
            assert [one["error"].partition(" ")[0] for one in shown["waiting"]] == ["answered"]
            bench.clock.on(minutes=minutes)
            await bench.send()
    assert indexes(there) == [1, 2, 1, 2, 1, 2, 3]
    assert len(set(ids(there))) == 2
    assert len({body for _, body in there.got[:3]}) == 1


@pytest.mark.requirement("FED-03")
async def test_a_paused_subscription_goes_on_where_it_was(bench: Bench) -> None:
    async with endpoint() as there:
        path = f"/subscriptions/{(await bench.subscribe(there))['id']}"
        await bench.add(call(1))
        await bench.send()
        await bench.ask("POST", f"{path}/pause", "民政局", OFFICER)
        await bench.add(call(2))
        await bench.send()
        assert indexes(there) == [1]
        await bench.ask("POST", f"{path}/resume", "民政局", OFFICER)
        await bench.send()
    assert indexes(there) == [1, 2]


# --- what fails -------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("FED-04")
async def test_what_is_never_taken_is_a_dead_letter_and_later_records_flow_on(bench: Bench) -> None:
    await bench.add(call(1), call(2))
    async with endpoint() as there:
        there.answers = [b"500 Broken"] * 6
        made = await bench.subscribe(there)
        await bench.send()
        for n, minutes in enumerate((1, 5, 30, 120, 720), 2):
            assert await letters(bench, made) == []
            bench.clock.on(minutes=minutes)
            await bench.send()
            assert len(there.got) == n
        assert len({body for _, body in there.got}) == len(set(ids(there))) == 1
        [letter] = await letters(bench, made)
        assert (letter["first"], letter["last"], letter["count"], letter["error"]) == (1, 2, 2, "answered 500")
        [event] = await bench.told("usage.dead_letter")
        assert event["department"] == "民政局"
        assert event["facts"] == {
            "subscription": made["id"], "delivery": str(letter["n"]), "kind": "usage", "first": "1", "last": "2",
            "error": "answered 500",
        }  # fmt: skip
        await bench.add(call(3))
        await bench.send()
        assert indexes(there)[-1:] == [3]
        path = f"/subscriptions/{made['id']}/dead-letters/{letter['n']}/retry"
        await bench.ask("POST", path, "民政局", OFFICER)
        await bench.send()
        assert indexes(there)[-2:] == [1, 2]
        assert there.got[-1][1] == there.got[0][1]
        assert await letters(bench, made) == []
        assert (await bench.doors.ask("POST", path, "民政局", OFFICER)).status_code == 404
        await bench.add(call(4))
        await bench.send()
    assert indexes(there)[-1:] == [4]
    assert (await bench.ask("GET", f"/subscriptions/{made['id']}"))["sent_to"] == 4


@pytest.mark.requirement("FED-04")
async def test_a_change_of_subscription_does_not_change_what_is_on_its_way(bench: Bench) -> None:
    await bench.add(call(1), call(2, interface="other"))
    async with endpoint() as there, endpoint() as other:
        there.answers = [b"500 Broken"]
        made = await bench.subscribe(there)
        await bench.send()
        wish = {"url": f"http://127.0.0.1:{other.it.port}/", "networks": ["127.0.0.0/8"], "as": "both",
                "interface": "other"}  # fmt: skip
        changed = await bench.ask("PUT", f"/subscriptions/{made['id']}", "民政局", OFFICER, json=wish)
        assert changed["signing_key"] != made["signing_key"]
        bench.clock.on(minutes=1)
        await bench.send()
        await bench.add(call(3), call(4, interface="other"))
        await bench.send()
    assert other.got[0][1] == there.got[0][1]
    assert [record["index"] for record in bodies(other)[1]["records"]] == [4]


# --- where to ---------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("FED-06")
@pytest.mark.parametrize(
    ("networks", "egress"),
    [
        (["10.0.0.0/8"], Egress(allow_loopback=True, forbidden_ports=frozenset())),
        (["127.0.0.0/8"], Egress(allow_loopback=False, forbidden_ports=frozenset())),
    ],
)
async def test_nothing_leaves_the_registered_networks(bench: Bench, networks: list[str], egress: Egress) -> None:
    await bench.add(call(1))
    async with endpoint() as there:
        await bench.subscribe(there, networks=networks)
        await bench.send(egress)
        assert there.it.lines == []
    [row] = await bench.log.fetch("SELECT error, attempts FROM audit.delivery")
    assert (row["error"], row["attempts"]) == ("not allowed", 1)  # and not what the name leads to


@pytest.mark.requirement("FED-06")
async def test_who_cannot_be_reached_is_told_no_more_than_that(bench: Bench) -> None:
    """Closed, silent or another protocol: which it is would let somebody look for open ports."""
    await bench.add(call(1))
    async with endpoint() as there:
        port = there.it.port
    for url in (f"http://127.0.0.1:{port}/", f"https://127.0.0.1:{port}/", "http://nowhere.invalid/"):
        await bench.subscribe(url)
    await bench.send()
    assert [row["error"] for row in await bench.log.fetch("SELECT error FROM audit.delivery")] == ["not reached"] * 3


# --- side by side -----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("FED-05")
async def test_a_slow_receiver_holds_up_no_other(bench: Bench) -> None:
    async with endpoint() as slow, endpoint() as quick:
        slow.opened.clear()
        await bench.subscribe(slow)
        await bench.subscribe(quick)
        sender = bench.sender()
        for n in range(5):
            await bench.add(call(n))
            await sender.tick()
            await quick.it.wait_for(lambda n=n: indexes(quick)[-1:] == [n])  # type: ignore[misc]
            while len(sender._serving) > 1:
                await asyncio.sleep(0.001)
        assert len(slow.got) == 1
        slow.opened.set()
        await sender.idle()
        await sender.tick()
        await sender.idle()
    assert indexes(slow) == indexes(quick) == [0, 1, 2, 3, 4]


@pytest.mark.requirement("FED-05")
async def test_one_department_takes_not_all_places_with_slow_receivers(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit_service.feeds.delivering.MOST_AT_ONCE", 6)
    await bench.add(call(1))
    async with endpoint() as slow, endpoint() as quick:
        slow.opened.clear()
        for _ in range(9):
            await bench.subscribe(slow)
        first, second = bench.sender(), bench.sender()
        await first.tick()
        await slow.it.wait_for(lambda: len(slow.got) == 4)
        await bench.subscribe(quick, "公安局")
        for sender in (first, second):  # the places are the department's, whichever replica serves it
            await sender.tick()
        await quick.it.wait_for(lambda: indexes(quick) == [1])
        assert len(slow.got) == 4
        slow.opened.set()
        for _ in range(2):
            await first.idle()
            await first.tick()
        await first.idle()
        await second.idle()
    assert len(slow.got) == 9


@pytest.mark.requirement("FED-05")
async def test_who_was_served_longest_ago_comes_first_and_nobody_for_ever(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("audit_service.feeds.delivering.MOST_AT_ONCE", 1)
    monkeypatch.setattr("audit_service.feeds.delivering.BATCH", 1)
    await bench.add(*[call(n) for n in range(12)])
    async with endpoint() as there:
        made = [(await bench.subscribe(there, department))["id"] for department in ("民政局", "公安局")]
        for _ in range(4):
            bench.clock.on(seconds=5)
            await bench.send()
        order = [body["subscription"] for body in bodies(there)]
    assert [order.count(one) for one in made] == [12, 12]
    turns = [order[:10], order[10:20], order[20:22], order[22:]]
    assert all(len(set(turn)) == 1 for turn in turns)
    assert [turn[0] for turn in turns] == [turns[0][0], turns[1][0]] * 2


@pytest.mark.requirement("FED-05")
async def test_several_replicas_send_each_batch_once(bench: Bench) -> None:
    await bench.add(*[call(n) for n in range(450)])
    async with endpoint() as there:
        await bench.subscribe(there)
        replicas = [bench.sender() for _ in range(4)]
        for _ in range(6):
            await asyncio.gather(*[one.tick() for one in replicas])
            await asyncio.gather(*[one.idle() for one in replicas])
    assert indexes(there) == list(range(450))


@pytest.mark.requirement("FED-05")
async def test_what_a_dead_replica_was_sending_is_sent_again_and_a_late_one_changes_nothing(bench: Bench) -> None:
    await bench.add(call(1))
    async with endpoint() as there:
        there.gates = [asyncio.Event(), asyncio.Event(), asyncio.Event()]
        there.answers = [b"200 OK", b"500 Broken", b"200 OK"]
        made = await bench.subscribe(there)
        dead, late, other = (bench.sender() for _ in range(3))
        await dead.tick()
        await there.it.wait_for(lambda: len(there.got) == 1)
        await dead.stop()  # as hard as a kill: nothing is settled
        await bench.send()
        assert len(there.got) == 1  # the lease still holds
        bench.clock.on(seconds=60)
        await late.tick()
        await there.it.wait_for(lambda: len(there.got) == 2)
        bench.clock.on(seconds=60)
        await other.tick()
        await there.it.wait_for(lambda: len(there.got) == 3)
        for gate in there.gates[:2]:
            gate.set()
        await late.idle()
        assert (await bench.ask("GET", f"/subscriptions/{made['id']}"))["sent_to"] == -1
        there.gates[2].set()
        await other.idle()
    assert len({body for _, body in there.got}) == len(set(ids(there))) == 1
    assert (await bench.ask("GET", f"/subscriptions/{made['id']}"))["sent_to"] == 1


# --- digests ----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("FED-07")
async def test_the_figures_of_a_day_come_once_when_the_day_is_over(bench: Bench) -> None:
    async with endpoint() as there:
        made = await bench.subscribe(there, digest=True)
        await bench.subscribe(there, digest=False)
        await bench.add(call(1), call(2, status=403, code="grant/expired"), call(3, department="教育局"))
        days: list[Summary] = [call(4, segment="20260305-general")]
        await bench.add(*days)
        for at in ("2026-03-04T23:59", "2026-03-05T00:29"):
            bench.clock.at = datetime.fromisoformat(at).replace(tzinfo=UTC)
            await bench.digest()
            await bench.send()
            assert bodies(there, "digest") == []
        for _ in range(2):
            bench.clock.at = datetime(2026, 3, 5, 0, 30, tzinfo=UTC)
            await bench.digest()
            await bench.send()
        [body] = bodies(there, "digest")
        assert (body["subscription"], body["day"]) == (made["id"], "2026-03-04")
        assert (body["since"], body["before"]) == ("2026-03-04T00:00:00Z", "2026-03-05T00:00:00Z")
        [figures] = body["figures"]["as_consumer"]
        assert (figures["provider"], figures["calls"], figures["refused"]) == ("公安局", 2, 1)
        assert body["figures"] == await bench.ask("GET", "/digest?day=2026-03-04")
        bench.clock.at = datetime(2026, 3, 8, 1, 0, tzinfo=UTC)
        await bench.digest()
        await bench.send()
    assert [body["day"] for body in bodies(there, "digest")] == [f"2026-03-0{day}" for day in (4, 5, 6, 7)]


@pytest.mark.requirement("FED-07")
async def test_no_figures_while_some_of_the_day_are_not_counted(bench: Bench) -> None:
    async with endpoint() as there:
        await bench.subscribe(there, digest=True)
        await bench.log.calls(1)
        await bench.log.sequence()
        [row] = await bench.log.fetch("SELECT max(sequenced_at) AS at FROM audit.leaf")
        bench.clock.at = row["at"].replace(hour=1)
        bench.clock.on(days=1)
        await bench.digest()
        await bench.send()
        assert there.got == []
        await bench.log.fetch("UPDATE audit.indexed SET size = (SELECT count(*) FROM audit.leaf)")
        await bench.digest()
        for _ in range(4):
            await bench.send()
        assert {body["day"] for body in bodies(there, "digest")} >= {f"{row['at']:%Y-%m-%d}"}
