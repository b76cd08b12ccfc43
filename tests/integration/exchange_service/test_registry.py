"""Registrations as they change under calls: what is carried over, what ends, and what a hostile one can do."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest

from harness.exchange import Running, interface, message, running
from harness.origin import Line, origin
from harness.postgres import Cluster, Database
from wire.calls import Obligations
from wire.catalog import Entry, Field, MaskRule, Operation, Soap, Table

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("exchange_service", "exchange")) as lent:
        yield lent


@pytest.fixture
async def exchange(database: Database) -> AsyncIterator[Running]:
    async with running(database) as it:
        yield it


ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 19\r\n\r\n{"a":"12345","b":2}'


async def answering(line: Line) -> None:
    while True:
        await line.request()
        await line.say(ANSWER)


SCHEMA = {
    "type": "object", "required": ["a", "b"],
    "properties": {"a": {"type": "string", "minLength": 12}, "b": {"type": "integer"}},
}  # fmt: skip
deep: dict[str, Any] = {}
for _ in range(3000):
    deep = {"properties": {"a": deep}}
HOSTILE: dict[str, dict[str, Any]] = {
    "scheme": {"base_url": "ftp://127.0.0.1/"},
    "no address": {"base_url": ""},
    "port": {"base_url": "http://127.0.0.1:99999"},
    "brackets": {"base_url": "http://[::1"},
    "letters": {"base_url": "http://例子.example"},
    "network": {"networks": ["everywhere"]},
    "schema": {"response": {"type": "nonsense"}},
    "deep schema": {"response": deep},
    "mask": {"fields": [Field(name="a", mask="none such")]},
    "own mask": {"masks": [MaskRule(name="not-ours")]},
    "field": {"fields": [Field(name="a..b")]},
    "wsdl": {"adapter": Soap(wsdl="<a>")},
    "table": {"adapter": Table(engine="postgresql", relation="x; drop table y")},
    "target": {"operations": [Operation(method="GET", path="", target="/{name}")]},
}


@pytest.mark.requirement("EXC-31")
@pytest.mark.parametrize("what", HOSTILE)
async def test_a_registration_that_cannot_be_used_harms_itself_alone(exchange: Running, what: str) -> None:
    async with origin(answering) as it:
        exchange.serve(interface(it.port, id="bad", **HOSTILE[what]), interface(it.port))
        assert (await exchange.ask())[0].status == 200
        reply, content = await exchange.ask(key="bad/v1")
    assert content == b""
    assert reply.code


@pytest.mark.requirement("EXC-31")
async def test_a_registration_that_is_mended_is_used_again(exchange: Running) -> None:
    async with origin(answering) as it:
        exchange.serve(interface(it.port, response={"type": "nonsense"}))
        assert (await exchange.ask())[0].code == "interface/unusable"
        exchange.serve(interface(it.port))
        assert (await exchange.ask())[0].code == ""
        exchange.serve()
        assert (await exchange.ask())[0].code == "exchange/behind"


@pytest.mark.requirement("EXC-31")
async def test_what_is_known_of_a_provider_outlives_its_registration(exchange: Running) -> None:
    async with origin(answering) as it:
        exchange.serve(interface(it.port))
        await exchange.ask()
        old = exchange.served()
        exchange.serve(interface(it.port, name="新名"))
        new = exchange.served()
        assert new is not old
        assert (new.breaker, new.pulse, new.compartment) == (old.breaker, old.pulse, old.compartment)
        assert it.open == 1
        exchange.serve(interface(1))
        assert exchange.served().breaker is not old.breaker


GONE = Entry(revision=2, kind="interface", id="thing/v1")
ENDS: dict[str, Callable[[Running, int], None]] = {
    "registered anew": lambda exchange, port: exchange.serve(interface(port, name="新名")),
    "at another address": lambda exchange, _: exchange.serve(interface(1)),
    "with a mistake": lambda exchange, port: exchange.serve(interface(port, response={"type": "nonsense"})),
    "no longer there": lambda exchange, _: exchange.serve(),
    "removed": lambda exchange, _: exchange.exchange.registry.apply([GONE]),
}


@pytest.mark.requirement("EXC-31")
@pytest.mark.parametrize("how", ENDS)
async def test_a_registration_that_has_gone_leaves_no_connection_open(
    exchange: Running, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """The call that is under way gets its answer first."""
    monkeypatch.setattr("exchange_service.providers.rest.IDLE_S", 3600.0)  # nothing ends of itself
    monkeypatch.setattr("exchange_service.registry.LINGER_S", 0.0)
    held = asyncio.Event()

    async def script(line: Line) -> None:
        await line.request()
        await held.wait()
        await line.say(ANSWER)
        await line.closed()

    async with origin(script) as it:
        exchange.serve(interface(it.port))
        old, under_way = exchange.served(), asyncio.create_task(exchange.ask())
        await it.wait_for(lambda: len(it.lines) == 1)
        ENDS[how](exchange, it.port)
        await it.wait_for(lambda: old._is_ended)
        assert it.open == 1
        held.set()
        assert (await under_way)[0].status == 200
        await it.wait_for(lambda: it.open == 0)


@pytest.mark.requirement("EXC-31")
async def test_connections_of_an_exchange_end_with_it(exchange: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exchange_service.providers.rest.IDLE_S", 3600.0)
    async with origin(answering) as it:
        exchange.serve(interface(it.port))
        await exchange.ask()
        exchange.exchange.registry.close()
        await it.wait_for(lambda: it.open == 0)


@pytest.mark.requirement("EXC-01")
async def test_what_a_consent_narrows_is_narrowed_for_that_call_alone(exchange: Running) -> None:
    async with origin(answering) as it:
        exchange.serve(interface(it.port))
        both, one = Obligations(["a", "b"]), Obligations(["b"])
        for obligations, narrowed, expected in (
            (one, True, b'{"b":2}'), (both, False, b'{"a":"12345","b":2}'), (one, True, b'{"b":2}'),
        ):  # fmt: skip
            _, content = await exchange.ask(message(obligations=obligations, narrowed=narrowed))
            assert content == expected


@pytest.mark.requirement("EXC-32")
async def test_a_pseudonym_belongs_to_the_department_that_asks(exchange: Running) -> None:
    async with origin(answering) as it:
        exchange.serve(interface(it.port, fields=[Field(name="a", mask="pseudonym")]))
        asked = [
            message(grant=grant, consumer=consumer, obligations=Obligations(["a"]))
            for grant, consumer in (("g1", "xzspj"), ("g2", "rsj"), ("g3", "xzspj"))
        ]
        seen = [(await exchange.ask(one))[1] for one in asked]
    assert seen[0] == seen[2] != seen[1]
    assert b"12345" not in b"".join(seen)


@pytest.mark.requirement("EXC-33")
async def test_the_sandbox_asks_nobody_and_masks_as_always(exchange: Running) -> None:
    async with origin(answering) as it:
        exchange.serve(
            interface(
                it.port, fields=[Field(name="a", mask="mid4"), Field(name="b")],
                response=SCHEMA,
            )
        )  # fmt: skip
        reply, content = await exchange.ask(message(sandbox=True, grant="", idempotency_key="k"))
        assert (reply.status, reply.masked, reply.asked_ms) == (200, ["a"], 0)
        assert b"****" in content
        assert not it.lines
        assert exchange.served().pulse.calls == 0


@pytest.mark.requirement("EXC-26")
async def test_the_provider_is_told_how_long_anybody_waits(exchange: Running) -> None:
    heads: list[bytes] = []

    async def script(line: Line) -> None:
        head, _ = await line.request()
        heads.append(head)
        await line.say(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with origin(script) as it:
        exchange.serve(interface(it.port))
        await exchange.ask(message(within_s=2))
    told = dict(line.split(b": ", 1) for line in heads[0].split(b"\r\n")[1:] if line)
    assert 0 < int(told[b"tongdao-timeout-ms"]) <= 2000


@pytest.mark.requirement("EXC-31")
async def test_what_only_calls_need_is_made_before_the_first(exchange: Running) -> None:
    async with origin(answering) as it:
        exchange.serve(
            interface(it.port), interface(it.port, id="never"), interface(it.port, id="bad", **HOSTILE["schema"])
        )
        usable = {served.key: served for served in exchange.exchange.registry.usable()}
        assert [served.is_compiled for served in usable.values()] == [False, False, False]
        for _ in range(2):
            assert (await exchange.ask())[0].status == 200
            assert (await exchange.ask(key="bad/v1"))[0].code == "interface/unusable"
        assert {key for key, served in usable.items() if served.is_compiled} == {"thing/v1"}
        assert {served.key for served in exchange.exchange.registry.usable()} == {"thing/v1", "never/v1"}
