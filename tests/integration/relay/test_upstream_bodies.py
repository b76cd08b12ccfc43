"""Bodies on their way to an origin and from it: streamed, cut off, held back."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from harness.origin import GET, OK, Line, always_ok, ask, pool, says
from relay.heads import chunked, request_head
from relay.upstream import Answer

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("REL-05")]


async def parts(*chunks: bytes, then: Callable[[], Exception] | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunked(chunk)
        await asyncio.sleep(0)
    if then is not None:
        raise then()
    yield chunked(b"")


STREAMED = request_head(b"POST", b"/", b"origin", [], None)


async def test_a_streamed_request_arrives_and_its_connection_is_kept() -> None:
    async with pool(always_ok) as (upstream, it):
        for _ in range(2):
            answer = await upstream.send(STREAMED, parts(b"one ", b"two"), timeout_s=5)
            assert await answer.body.read(100) == b"one two"
        assert len(it.lines) == 1


async def test_a_streamed_request_waits_for_an_origin_that_is_slow() -> None:
    given = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal given
        for _ in range(100):
            given += 1
            yield chunked(b"x" * 500_000)
        yield chunked(b"")

    go_on = asyncio.Event()

    async def script(line: Line) -> None:
        await go_on.wait()
        await line.request()
        await line.say(OK)

    async with pool(script) as (upstream, it):
        asking = asyncio.ensure_future(upstream.send(STREAMED, body(), timeout_s=5))
        await it.wait_for(lambda: given > 0)
        await asyncio.sleep(0.05)
        assert given < 60  # some 20 MB at most are in the sockets' own buffers
        go_on.set()
        answer = await asking
        assert await answer.body.read(10) == b"ok"
        assert given == 100


async def test_a_request_that_breaks_off_ends_its_connection() -> None:
    """Its sender fails: the origin must not take what it has for the whole, nor the next request for the rest."""
    async with pool(always_ok, connections=1) as (upstream, it):
        with pytest.raises(RuntimeError):
            await upstream.send(STREAMED, parts(b"one", then=lambda: RuntimeError("gone")), timeout_s=5)
        assert await ask(upstream, b"next") == b"next"
        assert len(it.lines) == 2


async def test_an_answer_before_the_end_of_a_streamed_request_ends_the_sending_and_the_connection() -> None:
    async def script(line: Line) -> None:
        if line.number:
            return await always_ok(line)
        await line.reader.readuntil(b"\r\n\r\n")
        await line.say(b"HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno")
        return await line.closed()

    async def endless() -> AsyncIterator[bytes]:
        while True:
            yield chunked(b"x" * 1000)
            await asyncio.sleep(0.001)

    async with pool(script, connections=1) as (upstream, it):
        answer = await upstream.send(STREAMED, endless(), timeout_s=5)
        assert (answer.status, await answer.body.read(10)) == (413, b"no")
        assert await ask(upstream, b"next") == b"next"
        assert len(it.lines) == 2


async def test_a_client_that_pauses_is_not_the_origins_delay() -> None:
    async def slow() -> AsyncIterator[bytes]:
        for _ in range(3):
            yield chunked(b"x")
            await asyncio.sleep(0.2)
        yield chunked(b"")

    async with pool(always_ok) as (upstream, _):
        answer = await upstream.send(STREAMED, slow(), timeout_s=0.15)
        assert await answer.body.read(10) == b"xxx"


async def test_an_answer_that_nobody_reads_holds_the_origin_back_until_it_is_discarded() -> None:
    written = 0

    async def script(line: Line) -> None:
        nonlocal written
        if line.number:
            return await always_ok(line)
        await line.request()
        await line.say(b"HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(100):
            await line.say(b"x" * 1_000_000)
            written += 1
        return None

    async with pool(script, connections=1) as (upstream, it):
        answer = await upstream.send(GET, timeout_s=0.2)
        await asyncio.sleep(0.4)  # longer than the time-out: it is our reader that is behind
        assert written < 60
        assert len(await answer.body.chunk()) > 0
        answer.discard()
        assert await ask(upstream, b"next") == b"next"
        assert len(it.lines) == 2


async def test_a_small_answer_that_nobody_reads_does_not_cost_a_connection() -> None:
    async with pool(says(OK), connections=1) as (upstream, _):
        answer: Answer = await upstream.send(GET, timeout_s=5)
        answer.discard()
        assert await answer.body.read(10) == b"ok"


async def test_a_large_answer_is_read_whole_and_its_connection_kept() -> None:
    async with pool(always_ok) as (upstream, it):
        body = bytes(range(256)) * 20_000
        for _ in range(3):
            assert await ask(upstream, body) == body
        assert len(it.lines) == 1
