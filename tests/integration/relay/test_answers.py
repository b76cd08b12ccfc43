"""Answers of origins, good and bad: what is taken, what is a fault, and that nothing reaches the wrong caller."""

import asyncio

import pytest

from harness.origin import GET, OK, Line, Origin, always_ok, ask, pool, says
from relay.heads import request_head
from relay.upstream import Broken, Unreachable, Upstream

pytestmark = pytest.mark.anyio
HEAD = request_head(b"HEAD", b"/", b"origin", [], 0)
FINAL = b"HTTP/1.1 200 OK\r\n"


GOOD = {
    "length": (FINAL + b"Content-Length: 2\r\n\r\nok", False),
    "chunks": (FINAL + b"Transfer-Encoding: chunked\r\n\r\n1\r\no\r\n1;x=y\r\nk\r\n0\r\n\r\n", False),
    "trailer": (FINAL + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nContent-Type: a/b\r\n\r\n", False),
    "until close": (FINAL + b"\r\nok", True),
    "until close, 1.0": (b"HTTP/1.0 200 OK\r\n\r\nok", True),
    "close": (FINAL + b"Connection: close\r\nContent-Length: 2\r\n\r\nok", True),
    "no phrase": (b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", False),
    "early hints": (b"HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\n" * 3 + OK, False),
}


@pytest.mark.requirement("REL-08")
@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("piecemeal", [False, True])
async def test_plain_answers_are_read_however_they_come(name: str, piecemeal: bool) -> None:
    said, then_close = GOOD[name]

    async def script(line: Line) -> None:
        await line.request()
        for at in range(0, len(said), 1 if piecemeal else len(said)):
            await line.say(said[at : at + (1 if piecemeal else len(said))])
            await asyncio.sleep(0)
        if not then_close:
            await always_ok(line)

    async with pool(script, connections=1) as (upstream, it):
        answer = await upstream.send(GET, timeout_s=5)
        assert (answer.status, await answer.body.read(10)) == (200, b"ok")
        assert b"link" not in answer.headers
        assert b"content-type" not in answer.headers
        await (await upstream.send(GET, timeout_s=5, repeatable=True)).body.read(10)
        assert len(it.lines) == (2 if then_close else 1)


BAD = {
    "garbage": b"nonsense\r\n\r\n",
    "no status line": b"Content-Length: 2\r\n\r\nok",
    "another protocol": b"ICY 200 OK\r\n\r\nok",
    "version": b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "version 0.9": b"HTTP/0.9 200 OK\r\nContent-Length: 2\r\n\r\nok",
    "status 99": b"HTTP/1.1 099 No\r\nContent-Length: 2\r\n\r\nok",
    "status 999": b"HTTP/1.1 999 No\r\nContent-Length: 2\r\n\r\nok",
    "two lengths": FINAL + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nokk",
    "two equal lengths": FINAL + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nok",
    "list of lengths": FINAL + b"Content-Length: 2, 2\r\n\r\nok",
    "length and chunks": FINAL + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": FINAL + b"Transfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n0\r\n\r\n",
    "length no number": FINAL + b"Content-Length: two\r\n\r\nok",
    "coding": FINAL + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "coding until close": FINAL + b"Transfer-Encoding: gzip\r\n\r\nok",
    "chunks in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
    "two types": FINAL + b"Content-Type: a/b\r\nContent-Type: c/d\r\nContent-Length: 2\r\n\r\nok",
    "obs-fold": FINAL + b"X: a\r\n b\r\nContent-Length: 2\r\n\r\nok",
    "bare LF": b"HTTP/1.1 200 OK\nContent-Length: 2\n\nok",
    "bare CR in a value": FINAL + b"X: a\rY: b\r\nContent-Length: 2\r\n\r\nok",
    "NUL in a value": FINAL + b"X: a\x00b\r\nContent-Length: 2\r\n\r\nok",
    "chunk size": FINAL + b"Transfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n",
    "head too large": FINAL + b"X: " + b"a" * 33_000 + b"\r\nContent-Length: 2\r\n\r\nok",
    "head never ends": FINAL + b"X: y\r\n" * 100_000,
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: Upgrade\r\n\r\n",
    "interim flood": b"HTTP/1.1 102 Processing\r\n\r\n" * 1000 + OK,
    "two answers": OK + OK,
    "more than announced": OK + b"xyz",
    "204 with a body": b"HTTP/1.1 204 No Content\r\n\r\nbody",
    "trailer flood": FINAL + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX: " + b"a" * 600_000,
}
CUT = {
    "in the status": b"HTTP/1.1 20",
    "in the head": FINAL + b"Content-Le",
    "in the body": FINAL + b"Content-Length: 3\r\n\r\nok",
    "in a chunk": FINAL + b"Transfer-Encoding: chunked\r\n\r\n3\r\nok",
    "before the last chunk": FINAL + b"Transfer-Encoding: chunked\r\n\r\n2\r\nok\r\n",
}


async def expect_broken(upstream: Upstream, it: Origin) -> None:
    with pytest.raises(Broken) as broken:
        await ask(upstream)
    assert broken.value.sent
    await it.wait_for(lambda: it.open == 0)
    assert len(it.lines) == 1


@pytest.mark.requirement("REL-08")
@pytest.mark.parametrize("name", BAD)
async def test_a_bad_answer_is_broken_and_ends_its_connection(name: str) -> None:
    async with pool(says(BAD[name]), connections=1) as (upstream, it):
        await expect_broken(upstream, it)


@pytest.mark.requirement("REL-08")
@pytest.mark.parametrize("name", CUT)
@pytest.mark.parametrize("reset", [False, True])
async def test_a_cut_answer_is_broken(name: str, reset: bool) -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(CUT[name])
        await asyncio.sleep(0.01)
        if reset:
            line.reset()

    async with pool(script, connections=1) as (upstream, it):
        await expect_broken(upstream, it)


@pytest.mark.requirement("REL-08")
async def test_an_answer_without_length_that_is_reset_is_not_taken_for_whole() -> None:
    async def script(line: Line) -> None:
        await line.request()
        await line.say(FINAL + b"\r\nok")
        await asyncio.sleep(0.01)
        line.reset()

    async with pool(script, connections=1) as (upstream, it):
        await expect_broken(upstream, it)


@pytest.mark.requirement("REL-08")
async def test_a_connection_that_ends_at_once_is_a_fault_and_no_time_out() -> None:
    async def script(line: Line) -> None:
        line.reset()

    async with pool(script, connections=1) as (upstream, _):
        for _ in range(5):
            with pytest.raises((Broken, Unreachable)):
                await upstream.send(GET, timeout_s=5)


@pytest.mark.requirement("REL-08")
@pytest.mark.parametrize(
    "said", [FINAL + b"Content-Length: 1000\r\n\r\n", FINAL + b"Transfer-Encoding: chunked\r\n\r\n", FINAL + b"\r\n"]
)
async def test_the_answer_to_head_has_no_body_whatever_it_announces(said: bytes) -> None:
    async def script(line: Line) -> None:
        head, _ = await line.request()
        await line.say(said if head.startswith(b"HEAD") else OK)
        await line.closed()

    async with pool(script, connections=1) as (upstream, _):
        answer = await upstream.send(HEAD, timeout_s=5, is_head=True)
        assert (answer.status, await answer.body.read(10), answer.body.announced) == (200, b"", None)
        assert await (await upstream.send(GET, timeout_s=5)).body.read(10) == b"ok"


@pytest.mark.requirement("REL-08")
@pytest.mark.parametrize("status", [204, 304])
async def test_statuses_without_a_body_keep_the_connection(status: int) -> None:
    async def script(line: Line) -> None:
        while True:
            await line.request()
            await line.say(b"HTTP/1.1 %d X\r\n\r\n" % status)

    async with pool(script, connections=1) as (upstream, it):
        for _ in range(3):
            answer = await upstream.send(GET, timeout_s=5)
            assert (answer.status, await answer.body.read(10)) == (status, b"")
        assert len(it.lines) == 1


@pytest.mark.requirement("REL-09")
@pytest.mark.parametrize("behind", [b"x", b"\r\n", OK, b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart"])
@pytest.mark.parametrize("at_once", [True, False])
async def test_bytes_behind_an_answer_never_reach_the_next_caller(behind: bytes, at_once: bool) -> None:
    """Every caller gets a canary of its own; a poisoned connection would give it to the next one."""
    first = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\ncanary"

    async def script(line: Line) -> None:
        if line.number:
            return await always_ok(line)
        await line.request()
        await line.say(first + (behind if at_once else b""))
        if not at_once:
            await asyncio.sleep(0.01)
            await line.say(behind)
        return await always_ok(line)

    async with pool(script, connections=1) as (upstream, it):
        try:
            answer = await upstream.send(GET, timeout_s=5)
            assert await answer.body.read(100) == b"canary"
        except Broken:
            assert at_once
        await asyncio.sleep(0.03)
        for number in range(3):
            mine = b"caller %d" % number
            head = request_head(b"POST", b"/", b"origin", [], len(mine))
            answer = await upstream.send(head, mine, timeout_s=5)
            assert await answer.body.read(100) == mine
        assert len(it.lines) == (1 if at_once and behind == b"\r\n" else 2)
