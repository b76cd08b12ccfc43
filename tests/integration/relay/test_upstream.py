"""The pool of connections to an origin: reuse, repetition, bounds, deadlines."""

import asyncio

import pytest

from harness.origin import GET, HOST, OK, Line, always_ok, ask, pool, says
from relay import upstream as pools
from relay.upstream import Broken, TimedOut, Unreachable, Upstream
from tongdao_cli.postgres import free_port

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("REL-07")]


async def test_a_connection_is_used_again_and_again() -> None:
    async with pool(always_ok) as (upstream, it):
        for number in range(200):
            assert await ask(upstream, b"%d" % number) == b"%d" % number
        assert len(it.lines) == 1


async def test_the_last_used_connection_is_taken_first() -> None:
    answered_by: list[int] = []

    async def script(line: Line) -> None:
        while True:
            await line.request()
            answered_by.append(line.number)
            await line.say(OK)

    async with pool(script) as (upstream, it):
        await asyncio.gather(*(ask(upstream) for _ in range(3)))
        assert len(it.lines) == 3
        answered_by.clear()
        for _ in range(5):
            await ask(upstream)
        assert len(set(answered_by)) == 1


async def close_after_one(line: Line) -> None:
    """The first connection is closed after one answer, and nobody is told; the others behave."""
    if line.number:
        return await always_ok(line)
    await line.request()
    await line.say(OK)
    await line.request()  # the next request arrives, and the connection ends without an answer
    return None


async def test_a_repeatable_request_is_repeated_once_when_its_kept_connection_was_closed() -> None:
    async with pool(close_after_one) as (upstream, it):
        assert await ask(upstream) == b"ok"
        assert await ask(upstream, b"again", repeatable=True) == b"again"
        assert len(it.lines) == 2


async def test_a_request_that_may_not_be_repeated_is_not() -> None:
    async with pool(close_after_one) as (upstream, it):
        assert await ask(upstream) == b"ok"
        with pytest.raises(Broken) as broken:
            await ask(upstream, b"once")
        assert broken.value.sent
        assert len(it.lines) == 1


async def test_a_request_is_repeated_once_and_not_twice() -> None:
    async def script(line: Line) -> None:
        await line.request()
        if line.number == 0:
            await line.say(OK)
            await line.request()

    async with pool(script) as (upstream, it):
        assert await ask(upstream) == b"ok"
        with pytest.raises(Broken):
            await ask(upstream, repeatable=True)
        assert len(it.lines) == 2


async def test_a_new_connection_that_ends_without_an_answer_is_not_repeated() -> None:
    """It was not closed before the request: the origin has seen it."""

    async def script(line: Line) -> None:
        await line.request()

    async with pool(script) as (upstream, it):
        with pytest.raises(Broken) as broken:
            await ask(upstream, repeatable=True)
        assert broken.value.sent
        assert len(it.lines) == 1


async def test_a_request_whose_answer_had_begun_is_not_repeated() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(OK)
        await line.request()
        await line.say(b"HTTP/1.1 20")

    async with pool(script) as (upstream, it):
        assert await ask(upstream) == b"ok"
        with pytest.raises(Broken):
            await ask(upstream, repeatable=True)
        assert len(it.lines) == 1


async def test_a_connection_that_the_origin_wants_to_end_is_not_used_again() -> None:
    """It says so and waits for us."""

    async def script(line: Line) -> None:
        await line.request()
        await line.say(OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        await line.closed()

    async with pool(script) as (upstream, it):
        for _ in range(3):
            assert await ask(upstream) == b"ok"
        assert len(it.lines) == 3
        await it.wait_for(lambda: it.open == 0)


async def test_a_bad_answer_on_a_kept_connection_is_not_asked_for_again() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(OK)
        await line.request()
        await line.say(b"nonsense")

    async with pool(script) as (upstream, it):
        assert await ask(upstream) == b"ok"
        with pytest.raises(Broken):
            await ask(upstream, repeatable=True)
        assert len(it.lines) == 1


async def test_a_connection_closed_while_idle_is_not_taken() -> None:
    """Not even for a request that may not be repeated."""

    async def script(line: Line) -> None:
        await line.request()
        await line.say(OK)

    async with pool(script) as (upstream, it):
        for _ in range(3):
            assert await ask(upstream, b"once") == b"ok"
            await it.wait_for(lambda: it.open == 0)
            await asyncio.sleep(0.01)
        assert len(it.lines) == 3


@pytest.mark.parametrize("said", [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 100 Continue\r\n\r\n"])
async def test_the_deadline_ends_the_request_and_its_connection(said: bytes) -> None:
    async with pool(says(said)) as (upstream, it):
        with pytest.raises(TimedOut) as late:
            await ask(upstream, timeout_s=0.1)
        assert late.value.sent
        await it.wait_for(lambda: it.open == 0)


async def test_the_deadline_holds_for_a_body_that_drips() -> None:
    """A body that is wanted whole gets no more time for each byte."""

    async def script(line: Line) -> None:
        await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while True:
            await line.say(b"x")
            await asyncio.sleep(0.02)

    async with pool(script) as (upstream, it):
        with pytest.raises(TimedOut):
            await ask(upstream, timeout_s=0.2)
        await it.wait_for(lambda: it.open == 0)


async def test_a_stream_is_limited_by_its_pauses() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        for _ in range(10):
            await line.say(b"x" * 50)
            await asyncio.sleep(0.05)
        await line.closed()

    async with pool(script) as (upstream, _):
        answer = await upstream.send(GET, timeout_s=0.3)
        received: list[bytes] = []

        async def receive() -> None:
            while chunk := await answer.body.chunk():
                received.append(chunk)

        with pytest.raises(TimedOut):
            await receive()
        assert len(b"".join(received)) == 500


async def test_nobody_there_is_unreachable() -> None:
    upstream = Upstream(HOST, free_port())
    for _ in range(3):
        with pytest.raises(Unreachable) as refused:
            await ask(upstream)
        assert not refused.value.sent
    upstream.close()


async def test_a_resolver_that_takes_too_long_is_unreachable() -> None:
    async def resolve() -> list[str]:
        await asyncio.sleep(10)
        return [HOST]

    upstream = Upstream("origin.example", 1, resolve=resolve, connect_s=0.05)
    with pytest.raises(Unreachable) as late:
        await ask(upstream)
    assert not late.value.sent
    upstream.close()


async def test_more_requests_than_connections_wait_for_their_turn() -> None:
    most = 0

    async def script(line: Line) -> None:
        nonlocal most
        while True:
            await line.request()
            most = max(most, it.open)
            await asyncio.sleep(0.002)
            await line.say(OK)

    async with pool(script, connections=3) as (upstream, it):
        answers = await asyncio.gather(*(ask(upstream) for _ in range(60)))
        assert answers == [b"ok"] * 60
        assert most == len(it.lines) == 3


async def test_waiting_for_a_turn_ends_at_the_deadline() -> None:
    async with pool(says(b""), connections=1) as (upstream, it):
        first = asyncio.ensure_future(ask(upstream, timeout_s=0.4))
        await it.wait_for(lambda: it.open == 1)
        with pytest.raises(TimedOut) as late:
            await ask(upstream, timeout_s=0.05)
        assert not late.value.sent
        with pytest.raises(TimedOut):
            await first


async def test_a_connection_that_cannot_be_made_lets_the_next_in_the_queue_try() -> None:
    gate = asyncio.Event()
    asked = 0

    async def resolve() -> list[str]:
        nonlocal asked
        asked += 1
        await gate.wait()
        return [HOST]

    upstream = Upstream(HOST, free_port(), resolve=resolve, connections=1)
    waiting = [asyncio.ensure_future(ask(upstream)) for _ in range(3)]
    await asyncio.sleep(0.01)
    gate.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(result) for result in results] == [Unreachable] * 3
    assert asked == 3
    upstream.close()


async def test_a_repeated_request_keeps_to_the_number_of_connections() -> None:
    async def script(line: Line) -> None:
        while True:
            await line.request()
            if line.number == 0 and len(it.heads) == 1:
                return
            it.heads.append(b"")
            await line.say(OK)

    async with pool(script, connections=1) as (upstream, it):
        assert await ask(upstream) == b"ok"
        assert await ask(upstream, repeatable=True) == b"ok"
        assert len(it.lines) == 2
        assert it.open == 1


async def test_idle_connections_are_ended_before_the_origin_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pools, "SWEEP_S", 0.01)
    async with pool(always_ok, idle_s=0.05) as (upstream, it):
        await asyncio.gather(*(ask(upstream, b"x") for _ in range(3)))
        assert it.open == 3
        await it.wait_for(lambda: it.open == 0)
        assert await ask(upstream, b"again") == b"again"


async def test_closing_a_pool_ends_what_is_under_way_and_takes_nothing_more() -> None:
    async with pool(says(b""), connections=1) as (upstream, it):
        waiting = [asyncio.ensure_future(ask(upstream)) for _ in range(3)]
        await it.wait_for(lambda: it.open == 1)
        upstream.close()
        results = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(result) for result in results] == [Broken, Unreachable, Unreachable]
        with pytest.raises(Unreachable):
            await ask(upstream)
        await it.wait_for(lambda: it.open == 0)
        assert len(it.lines) == 1
