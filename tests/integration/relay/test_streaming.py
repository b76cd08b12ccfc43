"""Large bodies in both directions, against a server in a process of its own, whose memory can be watched."""

import asyncio
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.lanes import CHUNK, Client, Lanes, get, listens, until
from relay.call import Call, ClientGone
from tongdao_cli.postgres import free_port

MB = 1024 * 1024
SIZE = 50 * MB
TESTS = Path(__file__).parents[2]


class Process:
    """The server as a service runs it."""

    def __init__(self) -> None:
        self.port = free_port()
        self.popen = subprocess.Popen([sys.executable, "-m", "harness.lanes", str(self.port)], cwd=TESTS)
        until(lambda: listens(self.port), limit_s=20)

    def memory_bytes(self) -> int:
        size: int = psutil.Process(self.popen.pid).memory_info().rss
        return size


@pytest.fixture(scope="module")
def shared_process() -> Iterator[Process]:
    process = Process()
    yield process
    process.popen.kill()
    process.popen.wait(10)


@pytest.fixture
def own_process() -> Iterator[Process]:
    process = Process()
    yield process
    process.popen.kill()
    process.popen.wait(10)


@pytest.mark.requirement("REL-05")
def test_a_large_answer_waits_for_its_reader_in_flat_memory(shared_process: Process) -> None:
    with Client(shared_process.port, receive_bytes=65536) as client:
        client.send(get(b"/x/pour/%d" % SIZE))
        _, headers = client.head()
        assert headers["transfer-encoding"] == "chunked"
        before = most = shared_process.memory_bytes()
        received = 0
        while size := int(client.until(b"\r\n"), 16):
            assert client.exactly(size + 2) == CHUNK[:size] + b"\r\n"
            received += size
            if received % (2 * MB) < len(CHUNK):
                threading.Event().wait(0.01)  # the reader is slower than the server
                most = max(most, shared_process.memory_bytes())
    assert received == SIZE
    assert most - before < 30 * MB


@pytest.mark.requirement("REL-05")
@pytest.mark.parametrize("announced", [True, False])
def test_a_large_body_waits_for_its_handler_in_flat_memory(shared_process: Process, announced: bool) -> None:
    part, parts = b"x" * MB, SIZE // MB
    framing = b"Content-Length: %d" % SIZE if announced else b"Transfer-Encoding: chunked"
    with Client(shared_process.port) as client:
        before = most = shared_process.memory_bytes()
        client.send(b"POST /x/swallow HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n" % framing)
        for _ in range(parts):
            client.send(part if announced else b"%x\r\n%b\r\n" % (MB, part))
            most = max(most, shared_process.memory_bytes())
        client.send(b"" if announced else b"0\r\n\r\n")
        assert client.answer()[::2] == (200, b"%d" % SIZE)
    assert most - before < 30 * MB


@pytest.mark.requirement("REL-05")
@pytest.mark.parametrize("length", [None, 1_000_000])
def test_an_answer_that_is_broken_off_can_be_told_from_a_whole_one(lanes: Lanes, length: int | None) -> None:
    async def break_off(call: Call) -> None:
        call.start(200, b"", length)
        await call.send(b"so far")
        call.abort()

    lanes.on(b"/x/broken", break_off)
    with Client(lanes.port) as client:
        client.send(get(b"/x/broken"))
        everything = client.rest()
    assert not everything.endswith(b"0\r\n\r\n")
    assert everything.count(b"HTTP/1.1") <= 1


@pytest.mark.requirement("REL-05")
def test_both_directions_at_once(lanes: Lanes) -> None:
    async def mirror(call: Call) -> None:
        call.start(200, b"", None)
        while chunk := await call.chunk():
            await call.send(chunk)
        call.finish()

    lanes.on(b"/x/mirror", mirror)
    with Client(lanes.port) as client:
        client.send(b"POST /x/mirror HTTP/1.1\r\nHost: a\r\nContent-Length: 300\r\n\r\n")
        client.head()
        for number in range(3):
            client.send(b"%d" % number * 100)
            assert client.until(b"\r\n") == b"64\r\n"
            assert client.exactly(102) == b"%d" % number * 100 + b"\r\n"
        assert client.until(b"\r\n") == b"0\r\n"


@pytest.mark.requirement("REL-05")
def test_a_sender_learns_that_its_client_has_gone(lanes: Lanes) -> None:
    told = threading.Event()

    async def pour(call: Call) -> None:
        call.start(200, b"", None)
        try:
            while True:
                await call.send(CHUNK)
        except ClientGone:
            told.set()

    lanes.on(b"/x/pour", pour)
    with Client(lanes.port) as client:
        client.send(get(b"/x/pour"))
        client.exactly(1000)
    assert told.wait(10)


@pytest.mark.requirement("REL-06")
def test_sigterm_lets_calls_on_both_lanes_end_and_the_process_too(own_process: Process) -> None:
    with Client(own_process.port) as call, Client(own_process.port) as request, Client(own_process.port) as idle:
        for client in (call, request, idle):
            client.send(get(b"/x/pour/3"))
            assert client.answer()[::2] == (200, CHUNK[:3])
        call.send(get(b"/x/nap"))
        request.send(get(b"/nap"))
        with Client(own_process.port) as other:  # answered: what was sent before it has been read
            other.send(get(b"/x/pour/3"))
            assert other.answer()[0] == 200
        own_process.popen.send_signal(signal.SIGTERM)
        assert idle.rest() == b""
        for client in (call, request):
            status, headers, body = client.answer()
            assert (status, headers["connection"]) == (200, "close")
            assert b"rested" in body
            assert client.rest() == b""
    assert own_process.popen.wait(10) in (0, -signal.SIGTERM)
    assert not listens(own_process.port)


@pytest.mark.requirement("REL-06")
def test_a_server_that_drains_finishes_streams() -> None:
    with Lanes() as lanes, Client(lanes.port) as client:

        async def pour(call: Call) -> None:
            call.start(200, b"", None)
            for _ in range(5):
                await lanes_pause(lanes)
                await call.send(b"part ")
            call.finish()

        lanes.on(b"/x/stream", pour)
        client.send(get(b"/x/stream"))
        client.head()
        lanes.server.should_exit = True
        until(lambda: not listens(lanes.port))
        lanes.gate_open.set()
        assert client.rest().count(b"part ") == 5
        assert client.buffer.endswith(b"0\r\n\r\n")
        until(lambda: lanes.ended)


async def lanes_pause(lanes: Lanes) -> None:
    """Wait until the test has seen the server drain."""
    while not lanes.gate_open.is_set():
        await asyncio.sleep(0.002)
