"""Framed connections between two services: who may, what happens to calls under way, and what is never taken."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from harness.hops import (
    GATEWAY,
    LIMIT_BYTES,
    Answering,
    answering,
    ask,
    asking,
    asks,
    between,
    said,
    until,
)
from harness.origin import HOST, Line, origin
from relay.heads import request_head
from relay.hop import answerer, asker, pool
from relay.hop.frames import ENOUGH_BYTES, PART_BYTES, Outgoing, Question
from relay.hop.greeting import PREFACE, Proof, Welcome, accept, hello, packed, taken
from relay.upstream import Broken, Cut, TimedOut, Unreachable, Upstream
from runtime.service_auth import ServiceKey
from tongdao_cli.postgres import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("REL-13")]


# --- what it is for
async def test_many_calls_share_one_connection_and_each_gets_its_own_reply() -> None:
    async with answering() as server, asking(server.port) as hop:
        await asks(hop, {"n": -1})
        replies = await asyncio.gather(*(asks(hop, {"n": n}, b"%d" % n) for n in range(500)))
        assert [(said(reply)["n"], reply.body) for reply in replies] == [(n, b"%d" % n) for n in range(500)]
        assert server.connections == 1


async def test_target_and_trace_arrive() -> None:
    async with answering() as server, asking(server.port) as hop:
        await asks(hop, {})
        assert (server.asked[0].target, server.asked[0].trace) == ("thing/v1", b"00-trace")


async def test_http_is_served_on_the_same_port() -> None:
    async with answering() as server, asking(server.port) as hop:
        await asks(hop, {})
        upstream = Upstream(HOST, server.port)
        answer = await upstream.send(request_head(b"GET", b"/x/1", b"here", [], 0), timeout_s=5)
        assert await answer.body.read(100) == b"over HTTP"
        upstream.close()


async def test_bodies_of_any_size_pass_in_both_directions() -> None:
    sizes = [0, 1, PART_BYTES - 1, PART_BYTES, PART_BYTES + 1, ENOUGH_BYTES, LIMIT_BYTES - 1, LIMIT_BYTES]
    async with answering() as server, asking(server.port) as hop:
        await asks(hop, {})
        bodies = [bytes([n]) * size for n, size in enumerate(sizes)]
        replies = await asyncio.gather(*(asks(hop, {"n": n}, body) for n, body in enumerate(bodies)))
        assert [reply.body for reply in replies] == bodies


async def test_a_small_call_does_not_wait_for_large_ones() -> None:
    order: list[str] = []

    async with answering() as server, asking(server.port) as hop:
        await asks(hop, {})

        async def one(name: str, size: int) -> None:
            await asks(hop, {"size": size})
            order.append(name)

        large = [asyncio.create_task(one("large", LIMIT_BYTES)) for _ in range(8)]
        await asyncio.sleep(0)
        await one("small", 1)
        await asyncio.gather(*large)
    assert order[0] == "small"


async def test_a_body_beyond_the_limit_comes_cut_and_still_too_long() -> None:
    async with answering() as server, asking(server.port) as hop:
        reply = await asks(hop, {"size": LIMIT_BYTES * 3})
        assert LIMIT_BYTES < len(reply.body) <= LIMIT_BYTES + PART_BYTES
        await asks(hop, {}, b"q" * (LIMIT_BYTES * 3))
        assert LIMIT_BYTES < len(server.asked[-1].body) <= LIMIT_BYTES + PART_BYTES


# --- who may
async def test_without_the_secret_nothing_is_asked_and_nothing_answered() -> None:
    stranger = ServiceKey(b"another secret, just as long as ours", "gateway")
    async with answering() as server, asking(server.port, stranger) as hop:
        await asyncio.sleep(0.1)
        assert ask(hop, {}) is None
    async with answering(stranger) as server, asking(server.port) as hop:
        await asyncio.sleep(0.1)
        assert ask(hop, {}) is None
        assert server.asked == []


@asynccontextmanager
async def opened(port: int) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection whose bytes are the test's."""
    reader, writer = await asyncio.open_connection(HOST, port)
    try:
        yield reader, writer
    finally:
        writer.transport.abort()
        await asyncio.sleep(0.01)


async def ended(reader: asyncio.StreamReader) -> bytes:
    """What still comes until the other side ends the connection."""
    heard = b""
    with suppress(ConnectionError):
        while data := await asyncio.wait_for(reader.read(1000), 10):
            heard += data
    return heard


async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Outgoing:
    """What an asking end does, by hand."""
    own = hello(GATEWAY, time.time())
    writer.write(PREFACE + packed(own))
    heard = bytearray()
    while (welcome := taken(heard, Welcome)) is None:
        heard += await reader.read(1000)
    proof, secrets = accept(GATEWAY, own, welcome, time.time())
    writer.write(packed(proof))
    return Outgoing(secrets.key_of("asker"))


async def test_records_before_the_proof_end_the_connection() -> None:
    async with answering() as server, opened(server.port) as (reader, writer):
        writer.write(PREFACE + packed(hello(GATEWAY, time.time())) + packed(Proof("0" * 64)))
        await ended(reader)
        assert server.connections == 0


async def test_records_under_another_key_end_the_connection() -> None:
    async with answering() as server, opened(server.port) as (reader, writer):
        await greet(reader, writer)
        forged = Outgoing(bytes(32))
        forged.add(Question(1, "thing/v1", {}))
        writer.write(forged.seal())
        assert await ended(reader) == b""
        assert server.asked == []


async def test_a_recorded_connection_played_again_is_refused() -> None:
    async with answering() as server, between(server.port) as middle:
        spoken: list[bytes] = []

        def record(data: bytes) -> bytes:
            spoken.append(data)
            return data

        middle.change = record
        async with asking(middle.port) as hop:
            await asks(hop, {"n": 1})
        assert len(server.asked) == 1
        async with opened(server.port) as (reader, writer):
            writer.write(b"".join(spoken))
            await ended(reader)
        assert len(server.asked) == 1


@pytest.mark.parametrize("side", ["change", "change_back"])
async def test_a_byte_changed_on_the_way_fails_the_calls_and_mixes_up_none(side: str) -> None:
    async with answering() as server, between(server.port) as middle, asking(middle.port) as hop:
        await asks(hop, {})
        setattr(middle, side, lambda data: data[:-1] + bytes([data[-1] ^ 1]))
        with pytest.raises(Cut) as cut:
            await asks(hop, {"n": 1})
        assert cut.value.sent
        setattr(middle, side, lambda data: data)
        assert said(await asks(hop, {"n": 2}))["n"] == 2


async def test_another_preface_is_not_answered() -> None:
    async with answering() as server, opened(server.port) as (reader, writer):
        writer.write(b"\0tongdao-other/9\n" + bytes(40))
        assert await ended(reader) == b""


async def test_a_greeting_that_is_not_finished_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answerer, "GREETING_S", 0.3)
    async with answering() as server, opened(server.port) as (reader, writer):
        writer.write(PREFACE)
        assert await ended(reader) == b""
        assert server.connections == 0


async def test_a_service_that_speaks_http_alone_is_found_out_and_left_alone() -> None:
    async def script(line: Line) -> None:
        assert (await line.reader.read(18)).startswith(PREFACE[:5])
        await line.say(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

    async with origin(script) as old, asking(old.port) as hop:
        await asyncio.sleep(0.4)
        assert ask(hop, {}) is None
        assert len(old.lines) == 1
        assert hop._not_before[HOST] > asyncio.get_running_loop().time() + pool.OLD_S - 5


# --- what happens to calls under way
async def test_a_lost_connection_fails_what_was_asked_and_a_new_one_is_made() -> None:
    async with answering() as server, between(server.port) as middle, asking(middle.port) as hop:
        await asks(hop, {})
        waiting = [asyncio.create_task(asks(hop, {"wait": True, "n": n})) for n in range(20)]
        await until(lambda: len(server.asked) == 21)
        middle.cut()
        for result in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(result, Cut)
            assert result.sent
        server.go_on.set()
        assert said(await asks(hop, {"n": 99}))["n"] == 99


async def test_a_late_reply_is_dropped_and_the_connection_goes_on() -> None:
    async with answering() as server, asking(server.port) as hop:
        await asks(hop, {})
        with pytest.raises(TimedOut) as late:
            await asks(hop, {"wait": True}, timeout_s=0.05)
        assert late.value.sent
        server.go_on.set()
        assert said(await asks(hop, {"n": 5}))["n"] == 5
        assert server.connections == 1


@pytest.mark.parametrize("message", [{"fail": 1}, {"silent": 1}])
async def test_a_handler_that_fails_or_forgets_to_answer_fails_its_call_alone(message: dict[str, int]) -> None:
    async with answering() as server, asking(server.port) as hop:
        with pytest.raises(Broken, match="no reply") as broken:
            await asks(hop, message)
        assert broken.value.sent
        assert said(await asks(hop, {"n": 5}))["n"] == 5
        assert server.connections == 1


async def test_a_server_that_ends_answers_what_is_under_way_and_gets_nothing_new() -> None:
    async with asking(port := free_port()) as hop:
        async with answering(port=port) as server:
            await asks(hop, {})
            waiting = [asyncio.create_task(asks(hop, {"wait": True, "n": n}, b"b" * PART_BYTES * 3)) for n in range(9)]
            await until(lambda: len(server.asked) == 10)
            server.server.should_exit = True
            await until(lambda: ask(hop, {"late": 1}) is None)
            server.go_on.set()
            replies = await asyncio.gather(*waiting)
            assert [said(reply)["n"] for reply in replies] == list(range(9))
            assert {len(reply.body) for reply in replies} == {PART_BYTES * 3}
        async with answering(port=port):
            assert said(await asks(hop, {"n": 7}))["n"] == 7


async def test_an_end_that_says_nothing_any_more_is_asked_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asker, "PING_S", 0.05)
    monkeypatch.setattr(asker, "SILENT_S", 0.3)
    monkeypatch.setattr(pool, "CONNECT_S", 0.2)
    async with answering() as server, between(server.port) as middle, asking(middle.port) as hop:
        await asks(hop, {})
        await asyncio.sleep(0.5)  # idle, and kept: it answers pings
        assert server.connections == 1
        pending = ask(hop, {"n": 1}, timeout_s=5)
        assert pending is not None
        await pending
        middle.held = asyncio.Event()
        stuck = ask(hop, {"n": 2}, timeout_s=1.5)
        assert stuck is not None
        await until(lambda: ask(hop, {"n": 3}, timeout_s=1) is None)
        with pytest.raises((TimedOut, Cut)):
            await stuck


async def test_more_than_may_be_under_way_are_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asker, "MOST_UNDER_WAY", 3)
    async with answering() as server, asking(server.port) as hop:
        await asks(hop, {})
        waiting = [ask(hop, {"wait": True}) for _ in range(4)]
        assert [pending is None for pending in waiting] == [False, False, False, True]
        server.go_on.set()
        for pending in waiting[:3]:
            assert pending is not None
            await pending


async def test_an_answering_end_with_too_much_to_do_says_that_it_did_not_begin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answerer, "MOST_UNDER_WAY", 2)
    async with answering() as server, asking(server.port) as hop:
        await asks(hop, {})
        waiting = [ask(hop, {"wait": True}) for _ in range(2)]
        with pytest.raises(Unreachable) as refused:
            await asks(hop, {}, b"q" * PART_BYTES * 2)
        assert not refused.value.sent
        server.go_on.set()
        for pending in waiting:
            assert pending is not None
            await pending
        await asks(hop, {}, b"q" * PART_BYTES * 2)


async def test_the_least_busy_of_several_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering() as server, asking(server.port) as hop:
        await asks(hop, {})
        hop._addresses.append("127.0.0.2")
        monkeypatch.setattr(pool, "RESOLVE_S", 1e9)
        monkeypatch.setattr(hop, "_resolve_at", 1e12)
        second = Answering(port=server.port)
        second.server.config.host = "127.0.0.2"
        running = asyncio.create_task(second.server.serve())
        await until(lambda: len(hop._lines) == 2)
        waiting = [ask(hop, {"wait": True}) for _ in range(10)]
        await until(lambda: len(server.asked) == 6 and len(second.asked) == 5)
        for each in (server, second):
            each.go_on.set()
        for pending in waiting:
            assert pending is not None
            await pending
        second.server.should_exit = True
        await running


async def test_who_does_not_take_replies_asks_nothing_new_either() -> None:
    """Replies that nobody takes are bounded: their end is not read from while they wait."""
    async with answering() as server, opened(server.port) as (reader, writer):
        out = await greet(reader, writer)

        async def flood() -> None:
            for number in range(1, 4000):
                out.add(Question(number, "thing/v1", {"size": PART_BYTES}))
                writer.write(out.seal())
                await writer.drain()

        flooding = asyncio.create_task(flood())
        await asyncio.sleep(1)
        asked = len(server.asked)
        await asyncio.sleep(0.3)
        assert len(server.asked) == asked < 3999
        flooding.cancel()
        writer.transport.abort()
