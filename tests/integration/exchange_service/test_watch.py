"""Health: from real calls and probes to the report that the catalog gets."""

import time
from collections.abc import AsyncIterator, Iterator

import msgspec
import pytest

from exchange_service.health import IDLE_S, Watch
from harness.exchange import SECRET, Running, interface, message, running
from harness.origin import Line, origin
from harness.postgres import Cluster, Database
from runtime import http
from runtime.service_auth import ServiceKey
from wire.catalog import Entry, Field, Grant, State
from wire.health import HealthReport

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("EXC-29")]
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "string"}}, "required": ["a"]}


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("exchange_service", "exchange")) as lent:
        yield lent


@pytest.fixture
async def exchange(database: Database) -> AsyncIterator[Running]:
    async with running(database) as it:
        yield it


def watch(exchange: Running, catalog: str = "http://127.0.0.1:1") -> Watch:
    return Watch("exchange-1", exchange.exchange.registry.usable, http.client(catalog), ServiceKey(SECRET, "exchange"))


def granted(exchange: Running, *keys: str) -> None:
    for key in keys:
        grant = Grant(
            id=key, interface=key, revision=1, system="s", department="d", purpose="p", fields=["*"]
        )  # fmt: skip
        body = msgspec.Raw(msgspec.json.encode(grant))
        exchange.exchange.registry.apply([Entry(revision=1, kind="grant", id=key, body=body)])


async def answering(line: Line) -> None:
    while True:
        await line.request()
        content = b'{"a":"1","c":2,"990101199003070218":3}'
        await line.say(
            b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (len(content), content)
        )


async def test_calls_are_told_with_what_differs_from_the_registration(exchange: Running) -> None:
    async with origin(answering) as it:
        exchange.serve(interface(it.port, fields=[Field(name="a"), Field(name="b")]))
        for _ in range(3):
            assert (await exchange.ask())[0].status == 200
        exchange.serve(interface(it.port, response=SCHEMA, fields=[Field(name="a"), Field(name="b")]))
        assert (await exchange.ask())[0].code == "provider/broken-answer"
        health = watch(exchange).report(time.monotonic()).interfaces["thing/v1"]
    assert (health.calls, health.failures, health.breaker) == (4, 1, "closed")
    assert health.last_success_ms
    assert "99010" not in str(health)


async def test_drift_names_places_and_never_numbers(exchange: Running) -> None:
    async with origin(answering) as it:
        exchange.serve(interface(it.port, fields=[Field(name="a", mask="mid4"), Field(name="b")]))
        await exchange.ask()
        health = watch(exchange).report(time.monotonic()).interfaces["thing/v1"]
    assert {(drift.path, drift.kind) for drift in health.drift} >= {("*", "new")}
    assert "99010" not in str(health)


async def test_idle_interfaces_that_are_used_are_probed_without_a_question(exchange: Running) -> None:
    async def silent(line: Line) -> None:
        assert await line.reader.read() == b""

    async with origin(silent) as it:
        exchange.serve(
            interface(it.port, id="there"), interface(it.port, id="beside"), interface(1, id="away"),
            interface(it.port, id="unused"),
            interface(it.port, id="suspended", state=State(standing="suspended")),
        )  # fmt: skip
        granted(exchange, "there/v1", "beside/v1", "away/v1", "suspended/v1")
        watching = watch(exchange)
        await watching.probe(time.monotonic())
        await it.wait_for(lambda: len(it.lines) == 1 and it.open == 0)  # one for both that lie there
        told = watching.report(time.monotonic()).interfaces
        assert {key: (health.reachable, health.last_success_ms) for key, health in told.items()} == {
            "there/v1": (True, 0), "beside/v1": (True, 0), "away/v1": (False, 0),
        }  # fmt: skip
        await watching.probe(time.monotonic())
        assert len(it.lines) == 1  # a probe counts as being asked


async def test_a_provider_that_answers_with_errors_has_had_no_success_when_a_probe_reaches_it(
    exchange: Running,
) -> None:
    async def failing(line: Line) -> None:
        while True:
            await line.request()
            await line.say(b"HTTP/1.1 500 No\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}")

    async with origin(failing) as it:
        exchange.serve(interface(it.port))
        for _ in range(3):
            assert (await exchange.ask())[0].status == 500
        watching = watch(exchange)
        await watching.probe(time.monotonic() + IDLE_S + 1)
        health = watching.report(time.monotonic()).interfaces["thing/v1"]
    assert (health.calls, health.failures, health.reachable, health.last_success_ms) == (3, 3, True, 0)


async def test_the_catalog_gets_a_signed_report(exchange: Running) -> None:
    got: list[tuple[bytes, bytes]] = []

    async def catalog(line: Line) -> None:
        got.append(await line.request())
        await line.say(b"HTTP/1.1 204 No Content\r\n\r\n")

    async with origin(catalog) as it:
        exchange.serve(interface(1))
        watching = watch(exchange, f"http://127.0.0.1:{it.port}")
        await watching.tick()
        assert not got  # nothing happened, nothing is told
        assert (await exchange.ask())[0].code == "provider/unreachable"
        await watching.tick()
    (head, body), *more = got
    assert not more
    assert head.startswith(b"POST /health HTTP/1.1\r\n")
    fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
    ServiceKey(SECRET, "catalog").check(fields[b"tongdao-service"], b"POST", b"/health", body)
    report = msgspec.json.decode(body, type=HealthReport)
    assert (report.exchange, report.interfaces["thing/v1"].failures) == ("exchange-1", 1)
    assert report.since < report.until


async def test_a_catalog_that_is_away_costs_one_span(exchange: Running) -> None:
    exchange.serve(interface(1))
    await exchange.ask(message(method="POST"))
    watching = watch(exchange)
    await watching.tick()
    assert watching.report(time.monotonic()).interfaces == {}
