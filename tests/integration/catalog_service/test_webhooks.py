"""Webhooks against real servers on this machine: what arrives, how often, and where nothing may be sent."""

import asyncio
import hashlib
import hmac
import socket
from typing import Any

import msgspec
import pytest

from catalog_service.notices import flows
from catalog_service.notices.delivering import Messenger
from catalog_service.notices.model import Address, Subject
from catalog_service.notices.webhook import Webhook
from harness.catalog import SECRET
from harness.endpoint import Endpoint, endpoint
from harness.law import OFFICER, Bench
from relay.egress import Egress
from relay.webhook import DENIED
from runtime.errors import Refusal
from runtime.service_auth import ServiceKey
from wire import codes, scopes

pytestmark = pytest.mark.anyio
KEY = ServiceKey(SECRET, "catalog")
HOME = Egress(allow_loopback=True, forbidden_ports=frozenset())
OURS = Address("zjj", scopes.OFFICER)


async def register(bench: Bench, one: Endpoint | str, webhook_id: str = "zjj-oa", **changes: Any) -> Webhook:
    url = one if isinstance(one, str) else f"http://127.0.0.1:{one.it.port}/in?from=tongdao"
    stated: dict[str, Any] = {
        "id": webhook_id, "department": "zjj", "office": "", "url": url, "networks": ["127.0.0.0/8"], "words": [],
        "generation": 0, "active": True, "registered_by": OFFICER.client, "at": bench.clock.at,
    }  # fmt: skip
    async with bench.change() as change:
        webhook, _ = await flows.put_webhook(change, Webhook(**{**stated, **changes}))
    return webhook


async def tell(bench: Bench, key: str = "k1", *to: Address, word: str = "case.submitted") -> bool:
    async with bench.change() as change:
        facts, about = {"number": "A-1"}, Subject("case", "01a")
        return await flows.notify(change, to=to or [OURS], word=word, about=about, facts=facts, key=key)


def messenger(bench: Bench, egress: Egress = HOME) -> Messenger:
    return Messenger(bench.journal, egress, KEY)


async def deliver(bench: Bench, egress: Egress = HOME) -> None:
    one = messenger(bench, egress)
    await one.tick()
    await one.idle()


async def deliveries(bench: Bench) -> list[tuple[str, int, str]]:
    rows = await bench.rows("SELECT state, attempts, error FROM catalog.delivery ORDER BY n")
    return [(row.state, row.attempts, row.error) for row in rows]


# --- what arrives -----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("NTC-03")
async def test_a_notice_arrives_signed_by_a_key_that_is_stored_nowhere(bench: Bench) -> None:
    async with endpoint() as there:
        webhook = await register(bench, there)
        await tell(bench)
        await deliver(bench)
        [(fields, body)] = there.got
    [notice] = await bench.notices()
    assert msgspec.json.decode(body) == {name: notice[name] for name in ("id", "word", "at", "about", "facts")}
    assert fields[b"request"] == b"POST /in?from=tongdao HTTP/1.1"
    assert fields[b"tongdao-notice"].decode() == notice["id"]
    assert fields[b"host"] == b"127.0.0.1:%d" % there.it.port
    at, mac = fields[b"tongdao-signature"].split(b",")
    key = KEY.derived(f"webhook/zjj-oa/{webhook.generation}")
    said = at.removeprefix(b"t=") + b"." + body
    assert mac == b"v1=" + hmac.new(key.encode(), said, hashlib.sha256).hexdigest().encode()
    assert int(at.removeprefix(b"t=")) == int(bench.clock.at.timestamp())
    for table in ("webhook", "delivery", "notice", "outbox"):
        for row in await bench.rows(f"SELECT to_jsonb(t)::text AS row FROM catalog.{table} t"):
            assert key not in row.row
            assert key.encode().hex() not in row.row  # bytea is written in hex
    assert await deliveries(bench) == [("delivered", 1, "")]


@pytest.mark.requirement("NTC-03")
async def test_a_change_makes_a_new_key_and_the_same_again_does_not(bench: Bench) -> None:
    generations = []
    for words in ([], [], ["case.*"], ["case.*"]):
        generations.append((await register(bench, "http://oa.example/in", words=words)).generation)
    async with bench.change() as change:
        await flows.revoke_webhook(change, "zjj-oa", "leaked")
    generations.append((await register(bench, "http://oa.example/in", words=["case.*"])).generation)
    assert generations == [1, 1, 2, 2, 3]
    assert len({KEY.derived(f"webhook/zjj-oa/{n}") for n in (1, 2, 3)}) == 3
    told = [event for event in await bench.told() if event.event.startswith("webhook.")]
    verbs = ["webhook.registered", "webhook.registered", "webhook.revoked", "webhook.registered"]
    assert [event.event for event in told] == verbs
    assert {event.facts["host"] for event in told} == {"oa.example"}  # the path may be a secret of theirs
    assert not any("/in" in value for event in told for value in event.facts.values())


@pytest.mark.requirement("NTC-01")
async def test_one_event_is_one_message_however_often_and_wherever_it_is_told(bench: Bench) -> None:
    async with endpoint() as there:
        await register(bench, there)
        both = [OURS, Address("zjj", scopes.HEAD), OURS]
        assert await tell(bench, "k1", *both)
        assert not await tell(bench, "k1", *both)
        assert await tell(bench, "k1", *both, Address("rsj", scopes.OFFICER))
        for _ in range(3):
            await deliver(bench)
        assert len(there.got) == 1
    assert len(await bench.notices()) == 3


@pytest.mark.requirement("NTC-01")
async def test_of_two_who_tell_the_same_at_once_one_is_heard(bench: Bench) -> None:
    async with endpoint() as there:
        await register(bench, there)
        assert sorted(await asyncio.gather(*[tell(bench) for _ in range(5)])) == [False] * 4 + [True]
        await deliver(bench)
        assert len(there.got) == 1


@pytest.mark.requirement("NTC-02")
async def test_a_webhook_gets_what_its_department_or_its_office_gets(bench: Bench) -> None:
    async with endpoint() as there, endpoint() as authority:
        await register(bench, there)
        await register(bench, authority, "dsjj-oa", department="dsjj", office=scopes.AUTHORITY, words=["clock.*"])
        await tell(bench, "k1", OURS, Address("rsj", scopes.OFFICER))
        await tell(bench, "k2", Address("", scopes.AUTHORITY))
        await tell(bench, "k3", Address("", scopes.AUTHORITY), Address("rsj", ""), word="clock.overdue")
        await tell(bench, "k4", Address("zjj", scopes.SUBJECT, "a person"))
        await deliver(bench)
        keys = {one["id"]: one["word"] for one in await bench.notices()}
        assert [keys[notice] for notice in there.ids] == ["case.submitted"]
        assert [keys[notice] for notice in authority.ids] == ["clock.overdue"]


# --- what fails -------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("NTC-04")
async def test_what_is_not_taken_is_sent_again_and_at_last_is_a_dead_letter(bench: Bench) -> None:
    moments = ["10:00", "10:01", "10:06", "10:36", "12:36", "00:36"]
    async with endpoint() as there:
        there.answers = [b"500 Broken"] * 6
        await register(bench, there)
        await tell(bench)
        for n, moment in enumerate(moments, 1):
            day = "2026-02-14" if n == 6 else "2026-02-13"
            if n > 1:
                await deliver(bench)  # too early: nothing is sent
            bench.clock.set(f"{day} {moment}")
            await deliver(bench)
            assert len(there.got) == n
        assert await deliveries(bench) == [("dead", 6, "answered 500")]
        assert len(set(there.ids)) == 1
        [dead] = await bench.notices("webhook.dead")
        said = {"webhook": "zjj-oa", "error": "answered 500", "error_zh": "对方应答 500"}
        assert (dead["to"]["department"], dead["facts"]) == ("zjj", said)
        bench.clock.set("2026-02-20 10:00")
        await deliver(bench)
        assert len(there.got) == 6
        async with bench.change() as change:
            [row] = await bench.rows("SELECT n FROM catalog.delivery")
            again = await flows.retry_delivery(change, "zjj-oa", row.n)
        assert (again.state, again.attempts) == ("waiting", 0)
        await deliver(bench)
        assert (len(there.got), len(set(there.ids))) == (7, 1)
    assert await deliveries(bench) == [("delivered", 1, "")]


@pytest.mark.requirement("NTC-04")
@pytest.mark.parametrize("n", [0, 1, 2**40])
async def test_only_a_dead_letter_is_sent_again(bench: Bench, n: int) -> None:
    await register(bench, "http://127.0.0.1:1/")
    await tell(bench)
    async with bench.change() as change:
        with pytest.raises(Refusal) as refused:
            await flows.retry_delivery(change, "zjj-oa", n)
    assert refused.value.code is codes.NOT_FOUND


@pytest.mark.requirement("NTC-04")
async def test_nothing_is_sent_to_a_revoked_webhook(bench: Bench) -> None:
    async with endpoint() as there:
        await register(bench, there)
        await tell(bench, "k1")
        async with bench.change() as change:
            revoked = await flows.revoke_webhook(change, "zjj-oa", "leaked")
        await tell(bench, "k2")
        await deliver(bench)
        assert (there.got, revoked.active, revoked.reason) == ([], False, "leaked")
    assert await deliveries(bench) == [("dead", 0, "the webhook was revoked")]


@pytest.mark.requirement("NTC-04")
@pytest.mark.parametrize(
    ("answer", "error"),
    [(b"301 Moved\r\nlocation: /other", "answered 301"), (b"410 Gone", "answered 410"), (b"nonsense", "Broken")],
)
async def test_only_a_yes_counts_and_no_redirect_is_followed(bench: Bench, answer: bytes, error: str) -> None:
    async with endpoint() as there:
        there.answers = [answer]
        await register(bench, there)
        await tell(bench)
        await deliver(bench)
        assert len(there.got) == 1
    [(state, attempts, told)] = await deliveries(bench)
    assert (state, attempts) == ("waiting", 1)
    assert told.startswith(error)


@pytest.mark.requirement("NTC-04")
async def test_an_endpoint_that_never_answers_has_not_taken_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("catalog_service.notices.delivering.TIMEOUT_S", 0.2)
    async with endpoint() as there:
        there.opened.clear()
        await register(bench, there)
        await tell(bench)
        await deliver(bench)
    assert await deliveries(bench) == [("waiting", 1, "TimedOut: no answer in time")]


@pytest.mark.requirement("NTC-04")
async def test_where_nobody_listens_it_is_tried_again(bench: Bench) -> None:
    async with endpoint() as gone:
        await register(bench, gone)
    await tell(bench)
    await deliver(bench)
    assert await deliveries(bench) == [("waiting", 1, "Unreachable: no connection: ConnectionRefusedError")]


# --- where to ---------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("NTC-05")
async def test_nothing_leaves_the_registered_networks(bench: Bench) -> None:
    async with endpoint() as there:
        await register(bench, there, networks=["10.0.0.0/8"])
        await register(bench, there, "other", networks=["127.0.0.0/8"])
        await tell(bench)
        await deliver(bench, Egress(allow_loopback=False, forbidden_ports=frozenset()))
        bench.clock.set("2026-02-13 11:00")
        await deliver(bench, Egress(allow_loopback=True, forbidden_ports=frozenset({there.it.port})))
        assert there.it.lines == []
    [first, second] = [error for _, _, error in await deliveries(bench)]
    assert first == second == f"{DENIED}port {there.it.port} belongs to the platform"


@pytest.mark.requirement("NTC-05")
async def test_a_name_is_asked_for_once_and_the_checked_address_is_used(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever answers for the name changes their mind after the check: the connection goes where the check was."""
    asked: list[str] = []

    def resolver(host: str | bytes, port: int, *_: Any, **__: Any) -> list[Any]:
        if host != "oa.example":
            return real(host, port, *_, **__)
        asked.append(host)
        address = "127.0.0.1" if len(asked) == 1 else "169.254.169.254"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    real = socket.getaddrinfo
    monkeypatch.setattr(socket, "getaddrinfo", resolver)
    async with endpoint() as there:
        await register(bench, f"http://oa.example:{there.it.port}/")
        await tell(bench, "k1")
        await deliver(bench)
        assert there.got[0][0][b"host"] == b"oa.example:%d" % there.it.port
        await tell(bench, "k2")
        await deliver(bench)
        assert len(there.got) == 1
    denied = f"{DENIED}the name leads outside the registered networks"
    assert [error for _, _, error in await deliveries(bench)] == ["", denied]


# --- side by side -----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("NTC-06")
async def test_a_slow_endpoint_holds_up_no_other(bench: Bench) -> None:
    async with endpoint() as slow, endpoint() as quick:
        slow.opened.clear()
        await register(bench, slow, "slow")
        await register(bench, quick, "quick")
        one = messenger(bench)
        for n in range(5):
            await tell(bench, f"k{n}")
            await one.tick()
            await quick.it.wait_for(lambda n=n: len(quick.got) == n + 1)  # type: ignore[misc]
        assert len(slow.got) == 1
        slow.opened.set()
        await one.idle()
        await one.tick()
        await one.idle()
        assert len(slow.got) == len(set(slow.ids)) == 5
        assert sorted(slow.ids) == sorted(quick.ids)


@pytest.mark.requirement("NTC-06")
async def test_two_workers_never_send_the_same_message_at_the_same_time(bench: Bench) -> None:
    async with endpoint() as there:
        there.opened.clear()
        await register(bench, there)
        for n in range(6):
            await tell(bench, f"k{n}")
        workers = [messenger(bench) for _ in range(4)]
        await asyncio.gather(*[one.tick() for one in workers])
        await there.it.wait_for(lambda: len(there.got) == 4)
        assert len(set(there.ids)) == 4
        there.opened.set()
        await asyncio.gather(*[one.idle() for one in workers])
        assert len(there.ids) == len(set(there.ids)) == 6
    assert await deliveries(bench) == [("delivered", 1, "")] * 6


@pytest.mark.requirement("NTC-06")
async def test_what_a_dead_worker_was_sending_is_sent_by_another_under_the_same_id(bench: Bench) -> None:
    async with endpoint() as there:
        there.opened.clear()
        await register(bench, there)
        await tell(bench)
        first = messenger(bench)
        await first.tick()
        await there.it.wait_for(lambda: len(there.got) == 1)
        await first.stop()  # as hard as a kill: nothing is settled
        there.opened.set()
        bench.clock.set("2026-02-13 10:00")
        await deliver(bench)
        assert len(there.got) == 1  # the lease still holds
        bench.clock.set("2026-02-13 10:01")
        await deliver(bench)
        assert (len(there.got), len(set(there.ids))) == (2, 1)
    assert await deliveries(bench) == [("delivered", 1, "")]


@pytest.mark.requirement("NTC-06")
async def test_a_worker_that_comes_back_too_late_changes_nothing(bench: Bench) -> None:
    async with endpoint() as there:
        there.gates = [asyncio.Event(), asyncio.Event()]
        there.answers = [b"500 Broken", b"200 OK"]
        await register(bench, there)
        await tell(bench)
        late, other = messenger(bench), messenger(bench)
        await late.tick()
        await there.it.wait_for(lambda: len(there.got) == 1)
        bench.clock.set("2026-02-13 10:01")
        await other.tick()
        await there.it.wait_for(lambda: len(there.got) == 2)
        there.gates[0].set()
        await late.idle()
        assert await deliveries(bench) == [("waiting", 0, "")]
        there.gates[1].set()
        await other.idle()
    assert await deliveries(bench) == [("delivered", 1, "")]


async def test_a_fault_of_ours_is_logged_and_leaves_the_message_waiting(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with endpoint() as there:
        await register(bench, there)
        await tell(bench)
        with monkeypatch.context() as patch:
            patch.setattr("catalog_service.notices.delivering.signature", None)
            await deliver(bench)
        assert there.got == []
        bench.clock.set("2026-02-13 10:01")
        await deliver(bench)
        assert len(there.got) == 1
