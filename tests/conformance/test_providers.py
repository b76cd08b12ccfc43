"""One suite for all adapters, each against a real server: what every provider does, whatever it speaks."""

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_network

import msgspec
import pytest

from conformance.stand import HOME, Fact, Stand, read
from conformance.stands.all import CONNECTED, NARROWING
from exchange_service.providers.provider import Provider
from harness.names import name_server
from harness.origin import HOST
from relay.egress import Egress
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Files, Interface

pytestmark = pytest.mark.anyio
PATIENCE_S = 20.0
NAME = "localhost"
"""A name for every stand: of others moto takes the first label for a bucket. Our server alone is asked for it."""
HOSTILE = {
    "quote": "' OR '1'='1",
    "double-quote": '" OR ""="',
    "statement": "x'; DROP TABLE person; --",
    "union": "0 UNION SELECT password FROM secrets",
    "like": "%",
    "backslash": "\\' OR 1=1 -- ",
    "climbing": "../../../../etc/passwd",
    "climbing-encoded": "..%2f..%2fetc%2fpasswd",
    "markup": "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><x>&y;</x>",
    "lines": "a\r\nHost: evil.example\r\n\r\nGET /",
    "format": "{0.__class__} %s %(x)s ${jndi:ldap://127.0.0.1/x}",
    "chinese": "张三丰",
    "long": "9" * 4000,
    "nul": "a\x00b",
}


@asynccontextmanager
async def opened(provider: Provider) -> AsyncIterator[Provider]:
    try:
        async with asyncio.timeout(PATIENCE_S):
            yield provider
    finally:
        provider.close()
        await asyncio.sleep(0)


@contextmanager
def listener() -> Iterator[tuple[int, socket.socket]]:
    """A port that takes connections and never says a word."""
    with socket.socket() as listening:
        listening.bind((HOST, 0))
        listening.listen(16)
        listening.setblocking(False)
        yield listening.getsockname()[1], listening


async def told(provider: Provider, fact: Fact) -> None:
    """The provider answers what it has to."""
    answer = await provider.ask(fact.question, 10)
    content = b""
    while chunk := await answer.body.chunk():
        content += chunk
    assert answer.status == fact.status
    assert fact.content is ... or read(content, fact) == fact.content
    assert {name: answer.headers.get(name) for name in fact.headers} == fact.headers


@pytest.mark.requirement("ADP-01")
async def test_what_is_asked_is_answered(stand: Stand) -> None:
    async with opened(stand.provider()) as provider:
        for fact in [*stand.facts, stand.facts[0]]:
            await told(provider, fact)


@pytest.mark.requirement("ADP-01")
async def test_many_at_once_get_each_their_own(stand: Stand) -> None:
    async with opened(stand.provider()) as provider:
        await asyncio.gather(*(told(provider, fact) for fact in stand.facts * 8))


@pytest.mark.requirement("ADP-02")
@pytest.mark.parametrize("stand", NARROWING, indirect=True)
async def test_a_provider_that_can_be_asked_for_less_tells_less(stand: Stand) -> None:
    assert stand.narrow is not None
    async with opened(stand.provider()) as provider:
        await told(provider, stand.narrow)


@pytest.mark.requirement("ADP-03")
@pytest.mark.parametrize("stand", CONNECTED, indirect=True)
async def test_a_provider_that_is_down_is_unreachable(stand: Stand) -> None:
    assert stand.at is not None
    with listener() as (port, _):
        pass  # closed: nobody listens there now
    async with opened(stand.provider(stand.at(port))) as provider:
        for asking in (provider.ask(stand.facts[0].question, 5), provider.probe(5)):
            with pytest.raises(Refusal) as refused:
                await asking
            assert refused.value.code is codes.PROVIDER_UNREACHABLE


@pytest.mark.requirement("ADP-03")
@pytest.mark.parametrize("stand", CONNECTED, indirect=True)
async def test_a_provider_that_is_silent_costs_the_deadline_and_no_more(stand: Stand) -> None:
    assert stand.at is not None
    with listener() as (port, _):
        async with opened(stand.provider(stand.at(port))) as provider:
            with pytest.raises(Refusal) as refused:
                await provider.ask(stand.facts[0].question, 0.3)
            assert refused.value.code in (codes.PROVIDER_TIMEOUT, codes.PROVIDER_UNREACHABLE)


@pytest.mark.requirement("ADP-04")
@pytest.mark.parametrize("stand", CONNECTED, indirect=True)
@pytest.mark.parametrize("why", ["network", "loopback", "port", "forbidden"])
async def test_no_connection_is_made_to_a_forbidden_address(stand: Stand, why: str) -> None:
    assert stand.at is not None
    with listener() as (port, listening):
        interface = stand.at(port)
        egress = {
            "loopback": Egress(allow_loopback=False, forbidden_ports=frozenset()),
            "port": Egress(allow_loopback=True, forbidden_ports=frozenset({port})),
            "forbidden": Egress(True, frozenset(), tuple(map(ip_network, ("127.0.0.0/8",)))),
        }.get(why, HOME)
        if why == "network":
            interface = msgspec.structs.replace(interface, networks=["10.0.0.0/8"])
        async with opened(stand.provider(interface, egress)) as provider:
            for asking in (provider.ask(stand.facts[0].question, 5), provider.probe(5)):
                with pytest.raises(Refusal) as refused:
                    await asking
                assert refused.value.code is codes.PROVIDER_FORBIDDEN_ADDRESS
        with pytest.raises(BlockingIOError):
            listening.accept()


@pytest.mark.requirement("EGR-03")
@pytest.mark.parametrize("stand", CONNECTED, indirect=True)
@pytest.mark.parametrize("row", ["S-16"])
async def test_a_name_is_resolved_once_and_the_checked_address_is_connected_to(stand: Stand, row: str) -> None:
    """Asked once more the name server gives another address: nobody asks it between a check and a connection."""
    with name_server({NAME: [["127.0.0.1"]] * stand.connections + [["127.0.0.77"]]}) as names:
        egress = Egress(True, frozenset(), resolver=names.addresses)
        async with opened(stand.provider(renamed(stand.interface, NAME), egress)) as provider:
            await told(provider, stand.facts[0])
            assert names.asked == [NAME] * stand.connections


def renamed(interface: Interface, host: str) -> Interface:
    """The same provider under a name."""
    adapter = interface.adapter
    if isinstance(adapter, Files):
        adapter = msgspec.structs.replace(adapter, endpoint=adapter.endpoint.replace(HOST, host))
    return msgspec.structs.replace(interface, base_url=interface.base_url.replace(HOST, host), adapter=adapter)


@pytest.mark.requirement("ADP-05")
@pytest.mark.parametrize("value", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_value_is_a_value_and_nothing_else(stand: Stand, value: str) -> None:
    """It is found nowhere, comes back as it is, or is refused as what the consumer sent; and no harm is done."""
    async with opened(stand.provider()) as provider:
        status, content = stand.echo(value)
        try:
            await told(provider, Fact(stand.hostile(value), content, status))
        except Refusal as refused:
            fault, said = refused.code.fault, str(refused)
            assert fault == "consumer"
            assert value not in said
        await told(provider, stand.facts[0])


@pytest.mark.requirement("ADP-06")
async def test_a_probe_finds_the_provider_and_leaves_nothing_behind(stand: Stand) -> None:
    async with opened(stand.provider()) as provider:
        await provider.probe(5)
        await told(provider, stand.facts[0])
        await provider.probe(5)


@pytest.mark.requirement("ADP-06")
async def test_after_closing_nothing_is_open(stand: Stand) -> None:
    """Closing twice does no harm, and a call that comes late is refused or answered, never left waiting."""
    async with opened(stand.provider()) as provider:
        await told(provider, stand.facts[0])
        provider.close()
        try:
            await told(provider, stand.facts[0])
        except Refusal as refused:
            code = refused.code
            assert code is codes.PROVIDER_UNREACHABLE
