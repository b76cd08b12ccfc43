"""Clients that take their time: constants are shrunk, the order of events is what counts."""

import threading

import pytest

from harness.lanes import Client, Lanes, get, post, until
from relay import protocol
from relay.call import Call, ClientGone, RequestCut


def on_both(row: str = "") -> pytest.MarkDecorator:
    """The path of each lane; the ids begin with the row that the test stands for."""
    return pytest.mark.parametrize("path", [b"/", b"/x/"], ids=[f"{row}fastapi", f"{row}call"])


LANES = on_both()
pytestmark = pytest.mark.requirement("REL-02")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = {"IDLE_S": 0.3, "HEAD_S": 0.2, "BODY_S": 0.2, "LINGER_S": 0.2, "STUCK_S": 0.3, "SWEEP_S": 0.02}
    for name, limit in limits.items():
        monkeypatch.setattr(protocol, name, limit)


@on_both("D-1 ")
def test_a_head_that_does_not_end_is_408(lanes: Lanes, path: bytes) -> None:
    with Client(lanes.port) as client:
        client.send(get(path)[:-4])
        assert client.statuses() == [408]
    assert not lanes.seen


def test_a_head_that_drips_is_408_all_the_same(lanes: Lanes) -> None:
    with Client(lanes.port) as client:
        client.send(get(b"/")[:-2])
        client.socket.settimeout(0.02)
        for _ in range(100):
            client.try_send(b"X: y\r\n")
            try:
                if not client.more():
                    break
            except TimeoutError:
                continue
        assert client.buffer.startswith(b"HTTP/1.1 408 ")


@on_both("D-2 ")
def test_a_body_that_does_not_come_is_408(lanes: Lanes, path: bytes) -> None:
    with Client(lanes.port) as client:
        client.send(post(path, b"half a body")[:-3])
        assert client.statuses() == [408]


def test_the_handler_that_reads_learns_that_the_body_does_not_come(lanes: Lanes) -> None:
    raised: list[Exception] = []

    async def read(call: Call) -> None:
        try:
            await call.read(100)
        except RequestCut as cut:
            raised.append(cut)
            call.answer(cut.status, b"in its own words")

    lanes.on(b"/x/slow", read)
    with Client(lanes.port) as client:
        client.send(post(b"/x/slow", b"half a body")[:-3])
        assert client.answer()[::2] == (408, b"in its own words")
        assert client.rest() == b""
    assert len(raised) == 1
    assert isinstance(raised[0], ClientGone)  # a handler that cares for nothing else may treat it as that


def test_a_body_that_is_taken_in_chunks_is_limited_by_its_pauses(lanes: Lanes) -> None:
    sizes: list[int] = []

    async def count(call: Call) -> None:
        while chunk := await call.chunk():
            sizes.append(len(chunk))
        call.answer(200)

    lanes.on(b"/x/parts", count)
    pause = threading.Event()
    with Client(lanes.port) as client:
        client.send(post(b"/x/parts", b"abcdefgh")[:-8])
        for letter in b"abcdefgh":
            pause.wait(0.06)
            client.send(bytes((letter,)))
        assert client.answer()[0] == 200
    assert sum(sizes) == 8


def test_an_answer_given_before_the_body_came_is_the_only_one(lanes: Lanes) -> None:
    """FastAPI answers early and the rest of the body never comes: no 408 may follow the answer."""
    with Client(lanes.port) as client:
        client.send(post(b"/early", b"half a body")[:-3])
        assert client.statuses() == [403]


@on_both("D-4 ")
def test_an_idle_connection_is_closed(lanes: Lanes, path: bytes) -> None:
    with Client(lanes.port) as client:
        client.send(get(path))
        assert client.answer()[0] == 200
        assert client.rest() == b""


def test_a_connection_is_idle_when_the_body_that_nobody_waited_for_has_come(lanes: Lanes) -> None:
    with Client(lanes.port) as client:
        request = post(b"/early", b"half a body")
        client.send(request[:-3])
        assert client.answer()[0] == 403
        client.send(request[-3:])
        assert client.rest() == b""


@LANES
def test_a_connection_whose_body_came_after_the_answer_takes_another_request(lanes: Lanes, path: bytes) -> None:
    with Client(lanes.port) as client:
        request = post(b"/early", b"half a body")
        client.send(request[:-3])
        assert client.answer()[0] == 403
        client.send(request[-3:] + get(path))
        assert client.answer()[0] == 200


def test_a_connection_that_never_speaks_is_closed(lanes: Lanes) -> None:
    with Client(lanes.port) as client:
        assert client.rest() == b""


def test_a_client_that_never_reads_is_cut_off(lanes: Lanes) -> None:
    ended = threading.Event()

    async def pour(call: Call) -> None:
        call.start(200, b"", None)
        try:
            while True:
                await call.send(b"x" * 65536)
        except ClientGone:
            ended.set()

    lanes.on(b"/x/pour", pour)
    with Client(lanes.port, receive_bytes=4096) as client:
        client.send(get(b"/x/pour"))
        assert ended.wait(10)
        assert not client.rest().endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("path", [b"/stream", b"/x/big"], ids=["D-3 fastapi", "D-3 call"])
@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"], ids=["", "close"])
def test_answers_that_nobody_takes_are_given_up(lanes: Lanes, path: bytes, more: bytes) -> None:
    async def big(call: Call) -> None:
        call.answer(200, b"x" * 20_000_000)

    lanes.on(b"/x/big", big)
    with Client(lanes.port, receive_bytes=4096) as client:
        client.send(get(path, more))
        client.until(b"\r\n\r\n")
        assert lanes.connections == 1
        until(lambda: lanes.connections == 0)


@pytest.mark.parametrize("more", [b"", b"Connection: close\r\n"])
def test_a_slow_reader_gets_all_of_it(lanes: Lanes, more: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes longer than any limit, but it reads."""
    monkeypatch.setattr(protocol, "STUCK_S", 1.0)  # the kernel may wait for some tenths before it fills a window again

    async def big(call: Call) -> None:
        call.answer(200, b"x" * 8_000_000)

    lanes.on(b"/x/big", big)
    pause = threading.Event()
    with Client(lanes.port, receive_bytes=65536) as client:
        client.send(get(b"/x/big", more))
        _, headers = client.head()
        size = int(headers["content-length"])
        for _ in range(16):
            pause.wait(0.08)
            size -= len(client.exactly(400_000))
        assert len(client.exactly(size)) == size


@LANES
def test_many_slow_clients_keep_nobody_else_waiting(lanes: Lanes, path: bytes) -> None:
    slow = [Client(lanes.port) for _ in range(200)]
    for client in slow:
        client.send(b"GET / HTTP/1.1\r\nX-")
    with Client(lanes.port) as client:
        client.send(get(path))
        assert client.answer()[0] == 200
    assert all(client.statuses() == [408] for client in slow)
    for client in slow:
        client.socket.close()
