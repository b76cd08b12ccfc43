"""A call is the same whichever way it comes: in frames with many others, or over HTTP by itself."""

from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest

from harness.exchange import ALL, LIMIT_BYTES, Running, interface, message, running
from harness.origin import Line, Origin, origin
from harness.postgres import Cluster, Database
from wire import codes
from wire.calls import ReplyMessage

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("REL-13")]
TRACE = b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("exchange_service", "exchange")) as lent:
        yield lent


@pytest.fixture
async def provider() -> AsyncIterator[Origin]:
    """It answers with what it was asked."""
    it: Origin

    async def script(line: Line) -> None:
        while True:
            head, body = await line.request()
            it.heads.append(head)
            said = body or b'{"a":1,"b":2,"c":3}'
            await line.say(
                b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b" % (len(said), said)
            )

    async with origin(script) as it:
        yield it


@pytest.fixture
async def exchange(provider: Origin, database: Database) -> AsyncIterator[Running]:
    file = interface(provider.port, id="file", format="binary", fields=[], request=None)
    async with running(database, interface(provider.port), file) as it:
        yield it


def alike(reply: ReplyMessage) -> dict[str, Any]:
    """What does not differ from call to call."""
    told = msgspec.to_builtins(reply)
    return {name: value for name, value in told.items() if name not in ("call", "asked_ms", "answered_ms")}


@pytest.mark.parametrize(
    ("changes", "body", "key"),
    [
        ({}, b"", "thing/v1"),
        ({"obligations": msgspec.structs.replace(ALL, fields=["a"])}, b"", "thing/v1"),
        ({"method": "POST"}, b'{"a":5,"b":7}', "thing/v1"),
        ({"method": "POST"}, b'{"a":"' + b"x" * 300_000 + b'"}', "thing/v1"),
        ({"method": "POST"}, b'{"a":', "thing/v1"),
        ({"method": "POST"}, b"x" * (LIMIT_BYTES + 1), "thing/v1"),
        ({"within_s": -1}, b"", "thing/v1"),
        ({}, b"", "unknown/v1"),
        ({"sandbox": True}, b"", "thing/v1"),
    ],
)
async def test_both_ways_lead_to_the_same(exchange: Running, changes: Any, body: bytes, key: str) -> None:
    framed, framed_body = await exchange.ask_in_frames(message(**changes), body, key)
    reply, reply_body = await exchange.ask_over_http(message(**changes), body, key)
    assert alike(framed) == alike(reply)
    assert framed_body == reply_body


async def test_the_trace_reaches_the_provider_both_ways(exchange: Running, provider: Origin) -> None:
    await exchange.ask_in_frames(message(), trace=TRACE)
    await exchange.ask_over_http(message(), trace=TRACE)
    assert [b"traceparent: " + TRACE in head for head in provider.heads] == [True, True]


@pytest.mark.parametrize("trace", [b"00\r\nx: y", b"00\tab", b"00-\xe9"])
async def test_a_trace_that_could_be_more_than_a_field_is_refused(
    exchange: Running, provider: Origin, trace: bytes
) -> None:
    """A gateway passes none on that is of another form than a trace, whatever its client sends."""
    reply, _ = await exchange.ask_in_frames(message(), trace=trace)
    assert reply.code == codes.NOT_ONE_OF_US.name
    assert provider.heads == []


async def test_what_passes_through_does_not_come_in_frames(exchange: Running, provider: Origin) -> None:
    reply, body = await exchange.ask_in_frames(message(), key="file/v1")
    assert reply.code == codes.NOT_ONE_OF_US.name
    assert (body, provider.heads) == (b"", [])
    streamed, _ = await exchange.stream(message(), key="file/v1")
    assert streamed.code == ""


async def test_a_message_that_cannot_be_read_fails_its_own_call(exchange: Running) -> None:
    reply, _ = await exchange.ask_in_frames({"call": 5})
    assert reply.code == codes.NOT_ONE_OF_US.name
    assert (await exchange.ask_in_frames(message()))[0].status == 200
