"""Bodies of requests: how large, when they are asked for, what happens to those that nobody wants."""

import pytest

from harness.lanes import BODY_LIMIT, Client, Lanes, get, post, until
from relay import protocol
from relay.call import LONG_BYTES, BodyTooLarge, Call
from relay.inflow import HIGH_WATER_BYTES

pytestmark = pytest.mark.requirement("REL-03")
CHUNKED = b"POST %b HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"


def test_a_body_at_the_limit_is_taken_and_given_back_byte_for_byte(lanes: Lanes) -> None:
    body = bytes(range(256)) * (BODY_LIMIT // 256)
    with Client(lanes.port) as client:
        client.send(post(b"/x/", body))
        assert client.answer()[::2] == (200, body)
        client.send(CHUNKED % b"/x/" + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
        assert client.answer()[::2] == (200, body)


def test_an_announced_body_over_the_limit_is_refused_before_it_comes(lanes: Lanes) -> None:
    with Client(lanes.port) as client:
        client.send(b"POST /x/ HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (BODY_LIMIT + 1))
        status, headers, _ = client.answer()
        assert (status, headers["connection"]) == (413, "close")
        assert client.rest() == b""


def test_a_body_that_grows_over_the_limit_is_refused_and_the_refusal_can_be_read(lanes: Lanes) -> None:
    """The client sends on for a while: a connection closed with unread bytes would lose the answer."""
    with Client(lanes.port) as client:
        client.send(CHUNKED % b"/x/")
        for _ in range(40):
            client.try_send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert client.statuses() == [413]


@pytest.mark.parametrize("announced", [True, False])
def test_the_other_lane_has_a_limit_too(lanes: Lanes, announced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protocol, "OTHER_BODY_BYTES", 100_000)
    with Client(lanes.port) as client:
        if announced:
            client.send(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100001\r\n\r\n")
        else:
            client.send(CHUNKED % b"/" + b"10000\r\n" + b"x" * 65536 + b"\r\n")
            client.try_send(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        assert client.statuses() == [413]


def test_a_body_in_pieces_of_one_byte_arrives(lanes: Lanes) -> None:
    with Client(lanes.port) as client:
        client.send(CHUNKED % b"/x/" + b"1\r\na\r\n" * 20_000 + b"0\r\n\r\n")
        assert client.answer()[::2] == (200, b"a" * 20_000)


@pytest.mark.parametrize("path", [b"/x/", b"/"])
def test_100_continue_is_sent_when_the_body_is_wanted(lanes: Lanes, path: bytes) -> None:
    with Client(lanes.port) as client:
        request = post(path, b"hello", b"Expect: 100-continue\r\n")
        client.send(request[:-5])
        assert client.until(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b"hello")
        assert client.answer()[::2] == (200, b"hello")


def test_no_100_when_the_body_is_here_already(lanes: Lanes) -> None:
    with Client(lanes.port) as client:
        client.send(post(b"/x/", b"hello", b"Expect: 100-continue\r\n"))
        assert client.answer()[::2] == (200, b"hello")


@pytest.mark.parametrize("row", ["H-85"])
def test_no_100_when_the_handler_refuses_without_reading(lanes: Lanes, row: str) -> None:
    async def refuse(call: Call) -> None:
        call.answer(401, b"who are you")

    lanes.on(b"/x/refuse", refuse)
    with Client(lanes.port) as client:
        client.send(b"POST /x/refuse HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n")
        status, headers, body = client.answer()
        assert (status, headers["connection"], body) == (401, "close", b"who are you")
        assert client.rest() == b""


def test_an_answer_before_the_body_ends_the_connection_but_reaches_the_client(lanes: Lanes) -> None:
    async def refuse(call: Call) -> None:
        call.answer(401, b"who are you")

    lanes.on(b"/x/refuse", refuse)
    with Client(lanes.port) as client:
        client.send(post(b"/x/refuse", b"x" * 10_000_000)[:200_000])
        for _ in range(50):
            client.try_send(b"x" * 65536)
        status, headers, body = client.answer()
    assert (status, headers["connection"], body) == (401, "close", b"who are you")


def test_an_answer_at_the_first_chunk_is_the_only_one(lanes: Lanes) -> None:
    async def hasty(call: Call) -> None:
        await call.chunk()
        call.answer(200, b"enough")

    lanes.on(b"/x/hasty", hasty)
    with Client(lanes.port) as client:
        client.send(CHUNKED % b"/x/hasty")
        client.send(b"5\r\nhello\r\n")
        client.try_send(b"5\r\nhello\r\n0\r\n\r\n" + get(b"/x/"))
        assert client.statuses() == [200]
    assert lanes.seen == [b"/x/hasty"]


def test_a_large_body_that_nobody_reads_does_not_stop_the_connection(lanes: Lanes) -> None:
    """Reading was paused for it; the next request is read all the same."""

    async def ignore(call: Call) -> None:
        try:
            await call.read(0)
        except BodyTooLarge:
            call.answer(200, b"ignored")

    lanes.on(b"/x/ignore", ignore)
    with Client(lanes.port) as client:
        client.send(CHUNKED % b"/x/ignore" + b"%x\r\n" % (2 * HIGH_WATER_BYTES))
        client.try_send(b"x" * (2 * HIGH_WATER_BYTES) + b"\r\n0\r\n\r\n")
        assert client.answer()[::2] == (200, b"ignored")


@pytest.mark.parametrize("damage", [b"XX\r\n", b"5\r\nhelloXX"])
def test_a_body_that_breaks_off_into_nonsense_is_refused_once(lanes: Lanes, damage: bytes) -> None:
    with Client(lanes.port) as client:
        client.send(CHUNKED % b"/x/" + b"5\r\nhello\r\n")
        until(lambda: lanes.seen)
        client.send(damage)
        assert client.statuses() == [400]


@pytest.mark.parametrize(
    ("request_bytes", "length", "passed_on"),
    [
        (post(b"/x/parts", b"hello"), 5, b"hello"),
        (CHUNKED % b"/x/parts" + b"5\r\nhello\r\n0\r\n\r\n", None, b"5\r\nhello\r\n0\r\n\r\n"),
        (get(b"/x/parts"), 0, b""),
    ],
)
def test_a_body_is_passed_on_framed_as_it_came(
    lanes: Lanes, request_bytes: bytes, length: int | None, passed_on: bytes
) -> None:
    lengths: list[int | None] = []

    async def pass_on(call: Call) -> None:
        lengths.append(call.length)
        call.answer(200, b"".join([part async for part in call.parts()]))

    lanes.on(b"/x/parts", pass_on)
    with Client(lanes.port) as client:
        client.send(request_bytes)
        assert client.answer()[2] == passed_on
    assert lengths == [length]


@pytest.mark.parametrize("size", [LONG_BYTES - 1, LONG_BYTES, 5_000_000])
def test_an_answer_of_any_size_arrives_whole_and_its_connection_goes_on(lanes: Lanes, size: int) -> None:
    content = bytes(range(256)) * (size // 256 + 1)

    async def whole(call: Call) -> None:
        call.answer(200, content[:size], b"x-a: b\r\n")

    lanes.on(b"/x/whole", whole)
    with Client(lanes.port, receive_bytes=4096) as client:
        for _ in range(2):
            client.send(b"GET /x/whole HTTP/1.1\r\nHost: a\r\n\r\n")
            status, headers, body = client.answer()
            assert (status, headers["x-a"], headers["content-length"]) == (200, "b", str(size))
            assert body == content[:size]
        client.send(b"HEAD /x/whole HTTP/1.1\r\nHost: a\r\n\r\n")
        status, headers = client.head()
        assert (status, headers["content-length"]) == (200, str(size))
