"""One connection and the requests on it, in order, out of order, and with the other side gone."""

import asyncio
import socket
import struct
import threading

import pytest

from harness.lanes import Client, Lanes, echo, get, post, until
from relay.call import Call, ClientGone
from runtime import http

pytestmark = pytest.mark.requirement("REL-04")
LANES = pytest.mark.parametrize("path", [b"/", b"/x/"])


def test_a_thousand_requests_on_one_connection(lanes: Lanes) -> None:
    with Client(lanes.port) as client:
        for number in range(1000):
            body = b"%d" % number
            client.send(post(b"/x/", body))
            assert client.answer()[::2] == (200, body)


def test_both_lanes_alternate_on_one_connection(lanes: Lanes) -> None:
    with Client(lanes.port) as client:
        for number in range(100):
            body = b"%d" % number
            client.send(post((b"/x/", b"/other")[number % 2], body))
            assert client.answer()[::2] == (200, body)


def test_an_ordinary_client_is_served_by_both_lanes(lanes: Lanes) -> None:
    async def ask() -> None:
        async with http.AsyncClient(base_url=f"http://127.0.0.1:{lanes.port}") as client:
            for path in ("/x/", "/", "/x/"):
                answer = await client.post(path, content=b"hello")
                assert (answer.status_code, answer.content) == (200, b"hello")
                assert "date" in answer.headers

    asyncio.run(ask())


@pytest.mark.parametrize("path", [b"/gate", b"/x/gate"])
@pytest.mark.parametrize("behind", [get(b"/x/second"), get(b"/second"), b"nonsense \x00"])
@pytest.mark.parametrize("at_once", [True, False])
def test_what_comes_before_the_answer_is_not_executed(lanes: Lanes, path: bytes, behind: bytes, at_once: bool) -> None:
    """One answer and the end of the connection: the client may ask again on another one."""
    with Client(lanes.port) as client:
        if at_once:
            client.send(get(path) + behind)
        else:
            client.send(get(path))
            assert lanes.gate_reached.wait(10)
            client.send(behind)
        with Client(lanes.port) as other:  # by the time that it is answered, the bytes before it have been read
            other.send(get(b"/x/other"))
            assert other.answer()[0] == 200
        lanes.gate_open.set()
        assert client.statuses() == [200]
    assert not any(b"second" in target for target in lanes.seen)


@LANES
def test_garbage_behind_a_request_with_close_does_not_harm_it(lanes: Lanes, path: bytes) -> None:
    with Client(lanes.port) as client:
        client.send(get(path, b"Connection: close\r\n"))
        client.try_send(b"\r\n\r\n")
        status, headers, _ = client.answer()
        assert (status, headers["connection"]) == (200, "close")
        assert client.rest() == b""


@LANES
def test_head_gets_the_head_alone(lanes: Lanes, path: bytes) -> None:
    with Client(lanes.port) as client:
        for _ in range(2):
            client.send(get(path).replace(b"GET", b"HEAD"))
            status, headers, _ = client.answer(to_head=True)
            assert (status, headers["content-length"]) == (200, "5")


@pytest.mark.parametrize("method", [b"GET", b"HEAD"])
@pytest.mark.parametrize(("status", "length"), [(204, None), (304, None), (204, 5), (200, 5), (200, None)])
def test_answers_without_a_body_leave_the_connection_in_step(
    lanes: Lanes, method: bytes, status: int, length: int | None
) -> None:
    async def parts(call: Call) -> None:
        call.start(status, b"", length)
        await call.send(b"hello")
        call.finish()

    lanes.on(b"/x/parts", parts)
    with Client(lanes.port) as client:
        for _ in range(3):
            client.send(get(b"/x/parts").replace(b"GET", method))
            answered, headers, body = client.answer(to_head=method == b"HEAD")
            assert answered == status
            assert body == (b"hello" if status == 200 and method == b"GET" else b"")
            assert status == 200 or not {"content-length", "transfer-encoding"} & headers.keys()


def test_http_1_0_is_answered_without_chunks_and_closed(lanes: Lanes) -> None:
    async def parts(call: Call) -> None:
        call.start(200, b"", None)
        await call.send(b"one ")
        await call.send(b"two")
        call.finish()

    lanes.on(b"/x/parts", parts)
    for path, expected in ((b"/x/", b"empty"), (b"/", b"empty"), (b"/x/parts", b"one two")):
        with Client(lanes.port) as client:
            client.send(b"GET %b HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n" % path)
            head, _, body = client.rest().partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200 ")
        assert b"chunked" not in head
        assert body == expected


def test_unusual_statuses_are_passed_on(lanes: Lanes) -> None:
    async def strange(call: Call) -> None:
        call.answer(499, b"strange")

    lanes.on(b"/x/strange", strange)
    with Client(lanes.port) as client:
        client.send(get(b"/x/strange"))
        assert client.answer()[::2] == (499, b"strange")


def test_a_client_that_goes_while_its_handler_waits_harms_nobody(lanes: Lanes) -> None:
    with Client(lanes.port) as client:
        client.send(get(b"/x/gate", b"Connection: close\r\n"))
        assert lanes.gate_reached.wait(10)
    with Client(lanes.port) as other:
        for _ in range(2):
            other.send(get(b"/x/"))
            assert other.answer()[0] == 200
            lanes.gate_open.set()
    until(lambda: lanes.connections == 0)


@pytest.mark.parametrize("way", ["read", "chunk"])
def test_a_client_that_goes_in_the_middle_of_its_body_is_noticed(lanes: Lanes, way: str) -> None:
    noticed = threading.Event()

    async def take(call: Call) -> None:
        try:
            await call.read(1000)
        except ClientGone:
            call.answer(400, b"to nobody")
            noticed.set()

    async def take_parts(call: Call) -> None:
        try:
            while await call.chunk():
                pass
        except ClientGone:
            noticed.set()

    lanes.on(b"/x/take", take if way == "read" else take_parts)
    with Client(lanes.port) as client:
        client.send(post(b"/x/take", b"half a body")[:-3])
        until(lambda: lanes.seen)
    assert noticed.wait(10)


def test_a_client_that_is_reset_while_its_handler_waits_harms_nobody(lanes: Lanes) -> None:
    calls: list[Call] = []
    left = threading.Event()

    async def keep(call: Call) -> None:
        calls.append(call)
        call.answer(200, b"to nobody")
        left.set()

    lanes.on(b"/x/gate", keep)
    with Client(lanes.port) as client:
        client.send(get(b"/x/gate"))
        assert lanes.gate_reached.wait(10)
        client.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close() resets
    until(lambda: lanes.connections == 0)
    lanes.gate_open.set()
    assert left.wait(10)
    assert calls[0].gone


def test_a_call_whose_client_only_stops_sending_is_answered(lanes: Lanes) -> None:
    with Client(lanes.port) as client:
        client.send(get(b"/x/gate"))
        client.socket.shutdown(socket.SHUT_WR)
        assert lanes.gate_reached.wait(10)
        lanes.gate_open.set()
        assert client.answer()[::2] == (200, b"empty")
        assert client.rest() == b""
    until(lambda: lanes.connections == 0)


@pytest.mark.requirement("REL-11")
@pytest.mark.parametrize("waits", [True, False])
def test_a_handler_that_fails_is_500_and_the_server_goes_on(lanes: Lanes, waits: bool) -> None:
    async def fail(call: Call) -> None:
        if waits:
            await asyncio.sleep(0)
        raise RuntimeError("a bug")

    lanes.on(b"/x/fail", fail)
    with Client(lanes.port) as client:
        client.send(get(b"/x/fail"))
        assert client.answer()[0] == 500
        client.send(get(b"/x/"))
        assert client.answer()[0] == 200


@pytest.mark.requirement("REL-11")
def test_a_handler_that_fails_after_its_answer_does_not_touch_the_next_call(lanes: Lanes) -> None:
    """The next call on the same connection is under way when the one before it crashes."""
    proceed = threading.Event()

    async def late(call: Call) -> None:
        call.answer(200, b"first")
        await asyncio.get_running_loop().run_in_executor(None, proceed.wait, 10)
        raise RuntimeError("a bug")

    lanes.on(b"/x/late", late)
    with Client(lanes.port) as client:
        client.send(get(b"/x/late"))
        assert client.answer()[::2] == (200, b"first")
        client.send(get(b"/x/gate"))
        assert lanes.gate_reached.wait(10)
        proceed.set()
        lanes.gate_open.set()
        assert client.answer()[::2] == (200, b"empty")


@pytest.mark.requirement("REL-11")
def test_a_handler_that_forgets_to_answer_is_500(lanes: Lanes) -> None:
    async def forget(call: Call) -> None:
        await call.read(10)

    lanes.on(b"/x/forget", forget)
    with Client(lanes.port) as client:
        client.send(get(b"/x/forget"))
        assert client.answer()[0] == 500


@pytest.mark.requirement("REL-11")
@pytest.mark.parametrize("given", [b"too little", b"more than was announced"])
def test_an_answer_of_the_wrong_length_breaks_the_connection_off(lanes: Lanes, given: bytes) -> None:
    async def wrong(call: Call) -> None:
        call.start(200, b"", 12)
        await call.send(given)
        call.finish()

    lanes.on(b"/x/wrong", wrong)
    with Client(lanes.port) as client:
        client.send(get(b"/x/wrong"))
        _, _, body = client.rest().partition(b"\r\n\r\n")
    assert len(body) < 12


def test_a_second_answer_is_not_given(lanes: Lanes) -> None:
    async def twice(call: Call) -> None:
        call.answer(200, b"once")
        call.answer(500, b"twice")
        call.start(500, b"", 3)
        call.finish()
        call.abort()

    lanes.on(b"/x/twice", twice)
    lanes.on(b"/x/next", echo)
    with Client(lanes.port) as client:
        client.send(get(b"/x/twice"))
        assert client.answer()[::2] == (200, b"once")
        client.send(get(b"/x/next"))
        assert client.answer()[::2] == (200, b"empty")
