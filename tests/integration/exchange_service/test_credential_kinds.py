"""Each kind of credential at a real server that looks at it: let in with the right one, refused with a wrong one."""

import asyncio
import base64
import hashlib
import hmac
import json
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from exchange_service.credentials.model import (
    ApiKey,
    Basic,
    Certificate,
    Credential,
    Hmac,
    OAuthClient,
    PrivateKey,
)
from exchange_service.providers.provider import Question
from exchange_service.providers.rest import RestProvider
from harness.guarded import Asked, Guarded, TokenServer, guarded, token_server
from harness.papers import Authority
from relay.egress import Egress
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Interface, Operation

pytestmark = pytest.mark.anyio
EGRESS = Egress(allow_loopback=True, forbidden_ports=frozenset())
LOOPBACK = ["127.0.0.0/8"]
AUTHORITY = Authority()
SECRET = "kanarienvogel-7f3a-4d19"


def interface(url: str, networks: list[str] = LOOPBACK) -> Interface:
    """What a provider at `url` registers: one question, and one that is posted."""
    return Interface(
        id="ins", version="v1", provider="rsj", name="ins", base_url=url, networks=networks, fields=[],
        credential="core",
        operations=[
            Operation(method="GET", path="/{id}", target="/v1/ins/{id}"),
            Operation(method="POST", path="", target="/v1/ins"),
        ],
    )  # fmt: skip


def get(number: int) -> Question:
    """One question among many."""
    asked = interface("http://unused").operations[0]
    return Question(operation=asked, values={"id": str(number)}, query="year=2026", call=f"c-{number}")


@asynccontextmanager
async def provider(url: str, credential: Credential, networks: list[str] = LOOPBACK) -> AsyncIterator[RestProvider]:
    adapter = RestProvider(interface(url, networks), EGRESS, lambda: credential)
    yield adapter
    adapter.close()


async def status_of(adapter: RestProvider, question: Question) -> int:
    """The status of the answer, or that of the refusal with its code."""
    answer = await adapter.ask(question, 5.0)
    assert await answer.body.read(1000) == b'{"name":"Zhang San"}'
    return answer.status


async def refusal_of(adapter: RestProvider, question: Question) -> Refusal:
    with pytest.raises(Refusal) as refused:
        await adapter.ask(question, 5.0)
    assert SECRET not in f"{refused.value} {refused.value.facts}"
    return refused.value


def _basic(asked: Asked) -> bool:
    scheme, _, pair = asked.fields.get(b"authorization", b"").partition(b" ")
    return scheme == b"Basic" and base64.b64decode(pair).decode() == f"同道:{SECRET}"


def _key_in_header(asked: Asked) -> bool:
    return asked.fields.get(b"x-api-key") == SECRET.encode()


def _key_in_query(asked: Asked) -> bool:
    return asked.target.endswith(b"?year=2026&apikey=" + SECRET.encode())


def _signed(asked: Asked) -> bool:
    form = rb'HMAC-(\w+) key="k1", date="(\d+)", digest="(\w+)", signature="(\w+)"'
    found = re.fullmatch(form, asked.fields.get(b"authorization", b""))
    if not found:
        return False
    suite, date, digest, signature = found[1].decode().lower(), found[2], found[3], found[4]
    said = b"\n".join((asked.method.encode(), asked.target, date, digest))
    is_body = hashlib.new(suite, asked.body).hexdigest().encode() == digest
    return is_body and hmac.new(SECRET.encode(), said, suite).hexdigest().encode() == signature


KINDS: dict[str, tuple[Callable[[Asked], bool], Credential, str]] = {
    "basic": (_basic, Basic(user="同道", password=SECRET), "password"),
    "api-key-in-header": (_key_in_header, ApiKey(value=SECRET, header="X-API-Key"), "value"),
    "api-key-in-query": (_key_in_query, ApiKey(value=SECRET, query="apikey"), "value"),
    "hmac-sha256": (_signed, Hmac(key_id="k1", secret=SECRET), "secret"),
    "hmac-sm3": (_signed, Hmac(key_id="k1", secret=SECRET, suite="sm3"), "secret"),
}


@pytest.mark.requirement("CRD-03")
@pytest.mark.parametrize("kind", KINDS)
async def test_the_right_one_is_let_in_and_a_wrong_one_is_not(kind: str) -> None:
    guard, right, member = KINDS[kind]
    wrong = msgspec.structs.replace(right, **{member: "something else entirely"})
    posted = Question(
        operation=interface("http://unused").operations[1], query="year=2026", body=b'{"id":"1"}', length=10,
        content_type="application/json", call="c-1",
    )  # fmt: skip
    async with guarded(guard) as origin:
        async with provider(origin.url, right) as adapter:
            assert await status_of(adapter, get(1)) == await status_of(adapter, posted) == 200
        async with provider(origin.url, wrong) as adapter:
            refused = await refusal_of(adapter, get(1))
    assert refused.code is codes.CREDENTIAL_REFUSED
    assert origin.refused == 1


@pytest.mark.requirement("CRD-03")
async def test_an_interface_that_names_none_shows_none() -> None:
    async with guarded(lambda asked: b"authorization" not in asked.fields) as origin:
        named = msgspec.structs.replace(interface(origin.url), credential="")
        adapter = RestProvider(named, EGRESS, lambda: None)
        assert await status_of(adapter, get(1)) == 200
        adapter.close()


@pytest.mark.requirement("CRD-03")
async def test_a_kind_for_other_servers_is_not_shown_to_one_of_http() -> None:
    async with guarded(lambda _: True) as origin, provider(origin.url, PrivateKey(user="u", key="k")) as adapter:
        refused = await refusal_of(adapter, get(1))
    assert refused.code is codes.CREDENTIAL_MISSING
    assert not origin.asked


# --- mutual TLS -----------------------------------------------------------------------------------------------------
def _certificate(name: str, authority: Authority = AUTHORITY) -> Certificate:
    paper = authority.paper(name)
    return Certificate(certificate=paper.certificate, key=paper.key, authorities=AUTHORITY.pem)


def _name(asked: Asked) -> str:
    return str(asked.certificate["subject"][0][0][1])


@pytest.mark.requirement("CRD-03")
async def test_the_right_certificate_is_let_in() -> None:
    async with (
        guarded(lambda asked: _name(asked) == "exchange", tls=AUTHORITY.server(clients_need_one=True)) as origin,
        provider(origin.url.replace("http:", "https:"), _certificate("exchange")) as adapter,
    ):
        await adapter.probe(5.0)
        assert await status_of(adapter, get(1)) == 200


@pytest.mark.requirement("CRD-03")
async def test_the_certificate_of_a_strangers_authority_is_refused_by_the_server() -> None:
    stranger = _certificate("exchange", Authority("another"))
    async with (
        guarded(lambda _: True, tls=AUTHORITY.server(clients_need_one=True)) as origin,
        provider(origin.url.replace("http:", "https:"), stranger) as adapter,
    ):
        refused = await refusal_of(adapter, get(1))
    assert refused.code in (codes.PROVIDER_UNREACHABLE, codes.PROVIDER_CUT, codes.PROVIDER_BROKEN_ANSWER)
    assert not origin.asked


@pytest.mark.requirement("CRD-03")
async def test_a_server_that_nobody_vouches_for_sees_no_question() -> None:
    other = Authority("somebody")
    async with (
        guarded(lambda _: True, tls=other.server()) as origin,
        provider(origin.url.replace("http:", "https:"), _certificate("exchange")) as adapter,
    ):
        refused = await refusal_of(adapter, get(1))
    assert refused.code is codes.PROVIDER_UNREACHABLE
    assert not origin.asked


# --- tokens ---------------------------------------------------------------------------------------------------------
@asynccontextmanager
async def with_tokens(**more: Any) -> AsyncIterator[tuple[TokenServer, Guarded]]:
    """An authorization server, and a provider that takes its tokens."""
    async with token_server("tongdao", SECRET, **more) as server, guarded(server.lets_in) as origin:
        yield server, origin


def _client(server: TokenServer, **changed: Any) -> OAuthClient:
    named = OAuthClient(token_url=server.token_url, client_id="tongdao", client_secret=SECRET, scope="read")
    return msgspec.structs.replace(named, **changed)


@pytest.mark.requirement("CRD-03")
@pytest.mark.parametrize("sends", ["basic", "form"])
async def test_a_client_gets_a_token_and_is_let_in(sends: str) -> None:
    async with (
        with_tokens(sends=sends) as (server, origin),
        provider(origin.url, _client(server, sends=sends)) as adapter,
    ):
        assert await status_of(adapter, get(1)) == await status_of(adapter, get(2)) == 200
    assert len(server.asked) == 1
    assert (b"client_secret" in server.asked[0].body) == (sends == "form")
    assert b"scope=read" in server.asked[0].body


@pytest.mark.requirement("CRD-04")
async def test_all_who_wait_share_one_fetch() -> None:
    async with with_tokens() as (server, origin), provider(origin.url, _client(server)) as adapter:
        answers = await asyncio.gather(*(status_of(adapter, get(n)) for n in range(40)))
    assert answers == [200] * 40
    assert len(server.asked) == 1


@pytest.mark.requirement("CRD-04")
async def test_one_who_waits_no_longer_takes_nothing_from_the_others() -> None:
    async with with_tokens() as (server, origin), provider(origin.url, _client(server)) as adapter:
        impatient = asyncio.create_task(adapter.ask(get(1), 5.0))
        patient = asyncio.create_task(status_of(adapter, get(2)))
        await asyncio.sleep(0)
        impatient.cancel()
        assert await patient == 200
    assert len(server.asked) == 1


@pytest.mark.requirement("CRD-04")
async def test_a_token_near_its_end_is_not_used() -> None:
    async with with_tokens(life_s=-1) as (server, origin), provider(origin.url, _client(server)) as adapter:
        assert await status_of(adapter, get(1)) == await status_of(adapter, get(2)) == 200
    assert len(server.asked) == 2


@pytest.mark.requirement("CRD-04")
async def test_a_token_that_was_ended_early_is_fetched_anew_once() -> None:
    async with with_tokens() as (server, origin), provider(origin.url, _client(server)) as adapter:
        assert await status_of(adapter, get(0)) == 200
        server.end_tokens()
        answers = await asyncio.gather(*(status_of(adapter, get(n)) for n in range(1, 20)))
    assert answers == [200] * 19
    assert len(server.asked) == 2


@pytest.mark.requirement("CRD-04")
async def test_a_provider_that_takes_no_token_does_not_make_us_ask_for_ever_more() -> None:
    async with with_tokens() as (server, origin):
        origin.guard = lambda _: False
        async with provider(origin.url, _client(server)) as adapter:
            for number in range(6):
                assert (await refusal_of(adapter, get(number))).code is codes.CREDENTIAL_REFUSED
    assert len(server.asked) <= 3
    assert len(origin.asked) <= 8


def _said(status: int, body: bytes, *, missing: int = 0) -> bytes:
    """An answer, `missing` bytes of whose body never come."""
    return b"HTTP/1.1 %d -\r\ncontent-length: %d\r\n\r\n%b" % (status, len(body) + missing, body)


@pytest.mark.requirement("CRD-04")
@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        pytest.param(_said(200, b"{}"), "answered 200 and no bearer token", id="no-token"),
        pytest.param(_said(200, b"null"), "no bearer token", id="null"),
        pytest.param(_said(200, b'{"x":' + b"[" * 5000), "no bearer token", id="deep"),
        pytest.param(_said(200, b'{"access_token":"a\\r\\nx: y"}'), "no bearer token", id="token-with-line-end"),
        pytest.param(_said(200, b'{"access_token":"a","token_type":"mac"}'), "no bearer token", id="other-type"),
        pytest.param(_said(302, b""), "answered 302", id="redirect"),
        pytest.param(_said(500, b""), "answered 500", id="error-500"),
        pytest.param(_said(200, b" " * 70_000), "", id="too-large"),
        pytest.param(b"nonsense\r\n\r\n", "", id="not-http"),
    ],
)
async def test_an_authorization_server_that_answers_nonsense(spoiled: bytes, said: str) -> None:
    async with with_tokens() as (server, origin), provider(origin.url, _client(server)) as adapter:
        server.spoiled = spoiled
        refused = await refusal_of(adapter, get(1))
        assert refused.code is codes.PROVIDER_BROKEN_ANSWER
        assert said in refused.detail
        server.spoiled = b""
        assert await status_of(adapter, get(1)) == 200
    assert len(origin.asked) == 1


@pytest.mark.requirement("CRD-04")
async def test_what_stands_in_the_place_of_an_error_is_repeated_only_if_it_is_one() -> None:
    async with with_tokens() as (server, origin), provider(origin.url, _client(server)) as adapter:
        for error, said in (("invalid_scope", ", invalid_scope"), (f"no {SECRET}", "")):
            server.spoiled = _said(400, json.dumps({"error": error}).encode())
            refused = await refusal_of(adapter, get(1))
            assert refused.code is codes.CREDENTIAL_REFUSED
            assert refused.detail == f"the provider's authorization server answered 400{said}"


@pytest.mark.requirement("CRD-04")
async def test_a_client_that_the_server_does_not_know_is_told_so() -> None:
    async with (
        with_tokens() as (server, origin),
        provider(origin.url, _client(server, client_secret="another")) as adapter,
    ):
        refused = await refusal_of(adapter, get(1))
    assert refused.code is codes.CREDENTIAL_REFUSED
    assert "invalid_client" in refused.detail
    assert not origin.asked


@pytest.mark.requirement("CRD-04")
async def test_a_token_address_outside_the_registered_networks_is_not_connected_to() -> None:
    async with with_tokens() as (server, origin):
        inside = Egress(allow_loopback=True, forbidden_ports=frozenset({server.it.port}))
        for egress, networks in ((inside, LOOPBACK), (EGRESS, ["10.0.0.0/8"])):
            adapter = RestProvider(interface(origin.url, networks), egress, lambda: _client(server))
            refused = await refusal_of(adapter, get(1))
            assert refused.code is codes.PROVIDER_FORBIDDEN_ADDRESS
            assert "authorization server" in refused.detail
            adapter.close()
    assert not server.asked
