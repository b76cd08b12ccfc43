"""What a provider's refusal, or its odd words, lead to: at the breaker, at the consumer, at who may put credentials."""

import base64
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import msgspec
import pytest

from exchange_service.credentials.model import Basic, OAuthClient
from harness.credential_office import office
from harness.exchange import Running, interface, message, running
from harness.origin import Line, origin, says
from harness.postgres import Cluster, Database
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Department, Entry, Rest, Snapshot, State

pytestmark = pytest.mark.anyio
OLD, NEW = Basic(user="u", password="old"), Basic(user="u", password="new")
LINE = b"authorization: Basic " + base64.b64encode(b"u:new")
ANSWER = b'HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 7\r\n\r\n{"a":1}'
NO = b"HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("exchange_service", "exchange")) as lent:
        yield lent


@pytest.fixture
async def exchange(database: Database) -> AsyncIterator[Running]:
    async with running(database) as it:
        yield it


def put(exchange: Running, credential: Any) -> None:
    exchange.keychain._credentials["gaj", "c"] = credential


async def looking(line: Line) -> None:
    while True:
        head, _ = await line.request()
        await line.say(ANSWER if LINE.lower() in head.lower() else NO)


@pytest.mark.requirement("CRD-05")
async def test_a_new_credential_is_shown_at_once_to_a_provider_that_rests(exchange: Running) -> None:
    async with origin(looking) as it:
        put(exchange, OLD)
        exchange.serve(interface(it.port, credential="c"))
        said = [(await exchange.ask())[0].code for _ in range(7)]
        assert said == [codes.CREDENTIAL_REFUSED.name] * 5 + [codes.PROVIDER_RESTING.name] * 2
        exchange.serve(interface(it.port, credential="c", name="registered anew"))
        assert (await exchange.ask())[0].code == codes.PROVIDER_RESTING.name
        put(exchange, NEW)
        reply, content = await exchange.ask()
        assert (reply.code, content) == ("", b'{"a":1}')
        assert exchange.served().breaker.state(0.0) == "closed"


@pytest.mark.requirement("CRD-05")
async def test_a_credential_that_was_taken_away_makes_nobody_ask(exchange: Running) -> None:
    async with origin(looking) as it:
        put(exchange, OLD)
        exchange.serve(interface(it.port, credential="c"))
        for _ in range(5):
            await exchange.ask()
        exchange.keychain._credentials.clear()
        assert (await exchange.ask())[0].code == codes.PROVIDER_RESTING.name


# --- a provider's own words
STREAMED: dict[str, Any] = {"format": "binary", "adapter": Rest(request_format="binary")}


@pytest.mark.requirement("EXC-31")
@pytest.mark.parametrize(
    "kind", [b"text/plain; x=" + b"a" * 200, b"\xe9" * 20, b"a\tb", b"x" * 30_000], ids=["long", "latin", "tab", "huge"]
)
async def test_a_streamed_answer_of_a_kind_that_is_none(exchange: Running, kind: bytes) -> None:
    async with origin(says(b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\ncontent-length: 2\r\n\r\nok")) as it:
        exchange.serve(interface(it.port, **STREAMED))
        reply, content = await exchange.stream()
    assert (reply.code, content) == (codes.PROVIDER_BROKEN_ANSWER.name, b"")


@pytest.mark.requirement("EXC-31")
async def test_a_streamed_answer_of_a_usual_kind(exchange: Running) -> None:
    kind = b"text/csv; charset=utf-8"
    async with origin(says(b"HTTP/1.1 200 OK\r\ncontent-type: " + kind + b"\r\ncontent-length: 2\r\n\r\nok")) as it:
        exchange.serve(interface(it.port, **STREAMED))
        reply, content = await exchange.stream()
    assert (reply.content_type, content) == (kind.decode(), b"ok")


async def silent(line: Line) -> None:
    await line.request()
    await line.say(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{")
    await line.closed()


def garbage(body: bytes) -> Callable[[Line], Any]:
    return says(b"HTTP/1.1 400 Bad\r\ncontent-length: %d\r\n\r\n" % len(body) + body)


@pytest.mark.requirement("CRD-04")
@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        (garbage(b'{"error":"\xff"}'), codes.CREDENTIAL_REFUSED, "answered 400"),
        (garbage(b"\xff\xfe"), codes.CREDENTIAL_REFUSED, "answered 400"),
        (silent, codes.PROVIDER_TIMEOUT, "slow"),
    ],
    ids=["not UTF-8", "no JSON", "silent"],
)
async def test_what_an_authorization_server_does_is_told_as_it_is(
    exchange: Running, monkeypatch: pytest.MonkeyPatch, script: Any, code: Any, words: str
) -> None:
    monkeypatch.setattr("exchange_service.credentials.oauth.FETCH_S", 0.2)
    async with origin(script) as it:
        client = OAuthClient(token_url=f"http://127.0.0.1:{it.port}/t", client_id="c", client_secret="s")
        put(exchange, client)
        exchange.serve(interface(1, credential="c"))
        reply, _ = await exchange.ask(message())
    assert reply.code == code.name
    assert words in reply.detail


# --- whose officers may do something
def department(standing: Any) -> Department:
    return Department(id="gaj", name="市公安局", state=State(standing=standing))


@pytest.mark.requirement("CRD-07")
@pytest.mark.parametrize("standing", ["suspended", "revoked"])
async def test_the_exchange_knows_who_may_not_take_part(exchange: Running, standing: str) -> None:
    registry = exchange.exchange.registry
    departments = registry._platform.departments
    snapshot = Snapshot(revision=1, departments=[department(standing)], systems=[], interfaces=[], grants=[])

    def told(body: bytes) -> Entry:
        return Entry(revision=2, kind="department", id="gaj", body=msgspec.Raw(body))

    def is_barred() -> bool:
        try:
            departments.check_active("gaj")
        except Refusal:
            return True
        return False

    registry.replace(snapshot)
    assert is_barred()
    registry.apply([told(msgspec.json.encode(department("active")))])
    assert not is_barred()
    registry.apply([told(msgspec.json.encode(department(standing)))])
    assert is_barred()
    registry.replace(msgspec.structs.replace(snapshot, departments=[department("active")]))
    assert not is_barred()
    registry.apply([told(b"null")])
    assert is_barred()


@pytest.mark.requirement("CRD-07")
async def test_officers_of_a_suspended_department_change_nothing(database: Database) -> None:
    async with office(database) as one:
        assert (await one.put("core", OLD)).status_code == 200
        one.departments.replace([msgspec.structs.replace(department("suspended"), id="rsj")])
        asked = [
            await one.put("core", NEW), await one.ask("GET", "/rsj/core"), await one.ask("GET", ""),
            await one.ask("DELETE", "/rsj/core"),
        ]  # fmt: skip
        assert {answer.json()["code"] for answer in asked} == {codes.DEPARTMENT_SUSPENDED.name}
        assert (await one.put("core", NEW, "gaj")).status_code == 200
        assert one.keychain.of("rsj", "core") == OLD
