"""Framed connections as they grow old: long calls, slow readers, addresses that go, and those that fail."""

import asyncio
import time
from typing import Any

import pytest
import uvicorn
from fastapi import FastAPI
from structlog.testing import capture_logs

from harness.hops import EXCHANGE, GATEWAY, LIMIT_BYTES, answering, ask, asking, asks, between, said, until
from harness.origin import HOST, Line, origin
from relay.call import Call
from relay.crowd import Crowd
from relay.hop import answerer, asker, pool
from relay.hop.answerer import Answerer, Asked, frames_beside
from relay.hop.asker import Pending
from relay.hop.greeting import PREFACE, hello, packed
from relay.protocol import call_protocol
from relay.upstream import Cut, TimedOut
from runtime.service_auth import WINDOW_S, ServiceKey
from tongdao_cli.postgres import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("REL-13")]


async def test_replies_that_trickle_keep_a_connection_on_which_nothing_new_is_asked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asker, "PING_S", 0.15)
    monkeypatch.setattr(answerer, "SILENT_S", 0.4)
    async with answering() as server, asking(server.port) as hop:
        await asks(hop, {})
        replies = await asyncio.gather(*(asks(hop, {"n": n, "after_s": n / 10}) for n in range(15)))
        assert [said(reply)["n"] for reply in replies] == list(range(15))
        assert server.connections == 1


async def test_an_address_that_the_name_lost_is_asked_nothing_new(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "RESOLVE_S", 0.02)
    async with answering() as server, asking(server.port) as hop:
        waiting = asyncio.create_task(asks(hop, {"wait": True, "n": 1}))
        await until(lambda: len(server.asked) == 1)

        async def resolve() -> None:
            hop._addresses = ["127.0.0.2"]

        monkeypatch.setattr(hop, "_resolve", resolve)
        await until(lambda: ask(hop, {"late": True}) is None)
        server.go_on.set()
        assert said(await waiting)["n"] == 1  # what was asked before is answered
        await until(lambda: not hop._lines)


async def test_what_waits_for_an_end_that_does_not_read_is_bounded() -> None:
    async with answering() as server, between(server.port) as middle, asking(middle.port) as hop:
        await asks(hop, {})
        middle.held = asyncio.Event()
        waiting: list[Pending] = []
        while (pending := ask(hop, {}, b"q" * LIMIT_BYTES)) is not None and len(waiting) < 50:
            waiting.append(pending)
            await asyncio.sleep(0.02)
        assert 0 < len(waiting) < 20
        middle.held.set()
        middle.held = None
        for asked in waiting:
            assert len((await asked).body) == LIMIT_BYTES
        await asks(hop, {})
        assert server.connections == 1


# --- those that fail
async def test_one_that_fails_when_it_is_told_keeps_no_other_waiting() -> None:
    async with answering() as server, asking(server.port) as hop:
        await asks(hop, {})

        def crash(_: Any) -> None:
            raise RuntimeError("a fault of who waits")

        def ask_some(timeout_s: float) -> list[Pending]:
            found = [ask(hop, {"wait": True}, timeout_s=each) for each in (timeout_s, timeout_s, timeout_s * 2)]
            pending = [each for each in found if each is not None]
            pending[0].add_done_callback(crash)
            return pending

        late = ask_some(0.1)
        await until(lambda: all(each.done for each in late))
        with pytest.raises(TimedOut):
            late[2].result()
        cut = ask_some(60)
        hop._lines[0].abort()
        await until(lambda: all(each.done for each in cut))
        with pytest.raises(Cut):
            cut[2].result()


async def test_a_greeting_that_is_refused_is_logged_and_not_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Answerer, "_next_refused", 0.0)
    stranger = ServiceKey(b"another secret, just as long as ours", "gateway")
    with capture_logs() as logged:
        async with answering() as server, asking(server.port, stranger):
            await asyncio.sleep(0.5)
            early = packed(hello(GATEWAY, time.time() - WINDOW_S - 5))
            await greeted_with(server.port, early)
            refused = [line for line in logged if line["event"] == "frames.refused"]
            assert len(refused) <= 1
            monkeypatch.setattr(Answerer, "_next_refused", 0.0)
            await greeted_with(server.port, early)
    refused = [line for line in logged if line["event"] == "frames.refused"]
    assert refused[-1]["address"] == HOST
    assert any("clocks" in line["reason"] for line in refused)


async def greeted_with(port: int, words: bytes) -> bytes:
    """What the answering end says to this until it ends the connection."""
    reader, writer = await asyncio.open_connection(HOST, port)
    writer.write(PREFACE + words)
    try:
        return await asyncio.wait_for(reader.read(), 5)
    except ConnectionError:
        return b""
    finally:
        writer.transport.abort()


async def test_an_end_that_does_not_greet_is_logged_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "CONNECT_S", 0.05)

    async def script(line: Line) -> None:
        await line.reader.read()

    with capture_logs() as logged:
        async with origin(script) as silent, asking(silent.port):
            await asyncio.sleep(0.2)
    told = [line["error"] for line in logged if line["event"] == "frames.no_connection"]
    assert told == ["TimeoutError"]


async def test_who_is_one_too_many_is_not_let_in_by_the_preface() -> None:
    async def handle(call: Call) -> None:
        call.answer(200, b"")

    async def framed(asked: Asked) -> None:
        asked.answer({})

    protocol = frames_beside(call_protocol(b"/x/", handle, crowd=Crowd(1)), EXCHANGE, framed, LIMIT_BYTES)
    server = uvicorn.Server(
        uvicorn.Config(
            FastAPI(), host=HOST, port=free_port(), http=protocol, lifespan="off", ws="none", log_config=None
        )
    )
    running = asyncio.create_task(server.serve())
    await until(lambda: server.started)
    _, first = await asyncio.open_connection(HOST, server.config.port)
    await until(lambda: len(server.server_state.connections) == 1)
    reader, second = await asyncio.open_connection(HOST, server.config.port)
    second.write(PREFACE + packed(hello(GATEWAY, time.time())))
    assert (await asyncio.wait_for(reader.read(), 5)).startswith(b"HTTP/1.1 429")
    await asyncio.sleep(0.1)
    assert not [one for one in server.server_state.connections if isinstance(one, Answerer)]
    second.transport.abort()
    first.transport.abort()
    server.should_exit = True
    await running
