"""Where a pool connects to: the addresses that its resolver gives, and in TLS nobody but the origin of that name."""

import asyncio
import ssl
from pathlib import Path

import pytest

from harness.certificates import Authority
from harness.origin import OK, Line, always_ok, origin, says
from relay.heads import request_head
from relay.upstream import Unreachable, Upstream

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("REL-10")]
NAME = "origin.example"
GET = request_head(b"GET", b"/", NAME.encode(), [], 0)


async def ask(upstream: Upstream) -> bytes:
    answer = await upstream.send(GET, timeout_s=5)
    return await answer.body.read(100)


async def test_every_new_connection_asks_the_resolver_and_goes_where_it_says() -> None:
    """The name exists nowhere; 127.0.0.2 and 127.0.0.3 are two machines behind it."""
    asked: list[str] = []

    async with origin(
        says(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n2"), host="127.0.0.2"
    ) as a:

        async def resolve() -> list[str]:
            asked.append("127.0.0.2")
            return asked[-1:]

        upstream = Upstream(NAME, a.port, resolve=resolve)
        for _ in range(3):
            assert await ask(upstream) == b"2"
        assert len(asked) == len(a.lines) == 3
        upstream.close()


async def test_a_kept_connection_is_not_resolved_again() -> None:
    asked = 0

    async with origin(always_ok) as it:

        async def resolve() -> list[str]:
            nonlocal asked
            asked += 1
            return ["127.0.0.1"]

        upstream = Upstream(NAME, it.port, resolve=resolve)
        for _ in range(3):
            assert await ask(upstream) == b""
        assert asked == 1
        upstream.close()


async def test_the_second_address_is_tried_when_the_first_refuses() -> None:
    async with origin(says(OK), host="127.0.0.3") as it:

        async def resolve() -> list[str]:
            return ["127.0.0.2", "127.0.0.3"]

        upstream = Upstream(NAME, it.port, resolve=resolve)
        assert await ask(upstream) == b"ok"
        upstream.close()


async def test_what_the_resolver_refuses_is_told_as_it_is() -> None:
    class ForbiddenError(Exception):
        pass

    async def resolve() -> list[str]:
        raise ForbiddenError

    async def nowhere() -> list[str]:
        return []

    with pytest.raises(ForbiddenError):
        await ask(Upstream(NAME, 1, resolve=resolve))
    with pytest.raises(Unreachable, match="no address"):
        await ask(Upstream(NAME, 1, resolve=nowhere))


# --- TLS
async def loopback() -> list[str]:
    return ["127.0.0.1"]


async def with_tls(port: int, context: ssl.SSLContext) -> bytes:
    upstream = Upstream(NAME, port, resolve=loopback, tls=context)
    try:
        answers = [await ask(upstream) for _ in range(3)]
    finally:
        upstream.close()
        await asyncio.sleep(0.01)
    return b"".join(answers)


async def test_tls_goes_to_the_resolved_address_under_the_name_of_the_origin(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    asked_for: list[str | None] = []
    context = authority.server(NAME)
    context.set_servername_callback(lambda _socket, name, _context: asked_for.append(name))

    async def script(line: Line) -> None:
        while True:
            await line.request()
            await line.say(OK)

    async with origin(script, tls=context) as it:
        assert await with_tls(it.port, authority.trusting()) == b"okokok"
        assert len(it.lines) == 1
    assert asked_for == [NAME]


@pytest.mark.filterwarnings(
    "ignore::ResourceWarning"
)  # asyncio's own TLS server leaves a refused socket to the collector
async def test_a_certificate_of_another_name_or_authority_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    authority, other = Authority(tmp_path), Authority(tmp_path / "other")
    for server, trusted in ((authority.server("another.example"), authority), (other.server(NAME), authority)):
        async with origin(says(OK), tls=server) as it:
            with pytest.raises(Unreachable) as refused:
                await with_tls(it.port, trusted.trusting())
            assert not refused.value.sent
            assert not it.heads
