"""One server with two ports: both answer, both are closed, and one that is taken ends the process."""

import json
import re
import socket
import ssl
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.certificates import Authority
from harness.lanes import HOST, until
from runtime.http import sync_client
from runtime.server import STARTUP_FAILURE
from tongdao_cli.postgres import free_port

pytestmark = pytest.mark.requirement("FRO-01")
PROGRAM = """
import sys
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from relay.crowd import Crowd
from relay.protocol import call_protocol
from runtime import server
from runtime.server import Encrypted, serve
from runtime.tls import TlsFiles


@asynccontextmanager
async def lifespan(app):
    yield
    print("stopped", flush=True)


async def handle(call):
    body = await call.read(100 * 1024 * 1024 if call.target == b"/x/all" else 1000)
    call.answer(200, b"%d %d" % (call.secure, len(body)))


if __name__ == "__main__":
    file = Path(sys.argv[3])
    server.HANDSHAKE_S = float(sys.argv[4])
    app = FastAPI(lifespan=lifespan, openapi_url=None)
    encrypted = Encrypted(int(sys.argv[2]), TlsFiles(file, file))
    protocol = call_protocol(b"/x/", handle, crowd=Crowd(3))
    serve(app, "127.0.0.1", int(sys.argv[1]), protocol, encrypted=encrypted)
"""


class Two:
    """A process with a plain port and one with TLS."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.plain, self.secure = free_port(), free_port()
        self._file = self.authority.server_file("gateway.example")

    def start(self, handshake_s: float = 30) -> "subprocess.Popen[bytes]":
        told = (str(self.plain), str(self.secure), str(self._file), str(handshake_s))
        command = ["prlimit", "--nofile=256:2000", sys.executable, "-c", PROGRAM, *told]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)

    def line(self) -> ssl.SSLSocket:
        raw = socket.create_connection((HOST, self.secure), timeout=10)
        return self.authority.trusting().wrap_socket(raw, server_hostname=HOST)


@pytest.fixture
def two(tmp_path: Path) -> Two:
    return Two(tmp_path)


def takes_connections(port: int) -> bool:
    with socket.socket() as line:
        return line.connect_ex((HOST, port)) == 0


def asked(line: socket.socket, request: bytes) -> bytes:
    """Everything that comes back."""
    line.sendall(request)
    said = b""
    while data := line.recv(65536):
        said += data
    return said


def test_both_ports_answer_and_both_end_with_the_process(two: Two) -> None:
    process = two.start()
    until(lambda: takes_connections(two.secure), limit_s=20)
    request = b"GET /x/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
    with socket.create_connection((HOST, two.plain), timeout=10) as line:
        assert asked(line, request).endswith(b"\r\n\r\n0 0")
    with two.line() as encrypted:
        assert asked(encrypted, request).endswith(b"\r\n\r\n1 0")
        assert encrypted.version() == "TLSv1.3"
    process.terminate()
    assert b"stopped" in process.communicate(timeout=20)[0]
    assert not takes_connections(two.secure)


def test_a_large_body_over_tls_arrives_and_its_refusal_can_be_read(two: Two) -> None:
    process = two.start()
    until(lambda: takes_connections(two.secure), limit_s=20)
    size = 3 * 1024 * 1024
    try:
        for path, end in ((b"/x/all", b"1 %d" % size), (b"/x/", b"internal error\n")):
            with two.line() as line:
                head = b"POST %b HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % (path, size)
                assert asked(line, head + b"x" * size).endswith(end)
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.requirement("FRO-06")
@pytest.mark.parametrize("said", [b"", b"\x16\x03\x01\x02\x00\x01"], ids=["D-1 nothing", "D-1 a part"])
def test_a_handshake_that_does_not_come_is_ended(two: Two, said: bytes) -> None:
    process = two.start(handshake_s=0.2)
    until(lambda: takes_connections(two.secure), limit_s=20)
    try:
        with socket.create_connection((HOST, two.secure), timeout=10) as line:
            assert asked(line, said) == b""
    finally:
        process.terminate()
        process.communicate(timeout=20)


@pytest.mark.requirement("FRO-06")
@pytest.mark.parametrize("row", ["D-1"])
def test_an_address_holds_so_many_connections_and_the_process_all_files_that_it_may(two: Two, row: str) -> None:
    process = two.start()
    until(lambda: takes_connections(two.secure), limit_s=20)
    try:
        with ExitStack() as held:
            for _ in range(3):
                held.enter_context(socket.create_connection((HOST, two.plain), timeout=10))
            with socket.create_connection((HOST, two.plain), timeout=10) as line:
                assert line.recv(1000).startswith(b"HTTP/1.1 429 ")
        until(lambda: is_welcome(two), limit_s=20)  # their places are free
        assert re.search(r"Max open files +2000 +2000", Path(f"/proc/{process.pid}/limits").read_text())
    finally:
        process.terminate()
        process.communicate(timeout=20)


def is_welcome(two: Two) -> bool:
    """Whether a connection with TLS is answered."""
    try:
        with two.line() as line:
            return asked(line, b"GET /x/ HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").endswith(b"1 0")
    except OSError:
        return False


def test_a_port_that_is_taken_ends_the_process(two: Two) -> None:
    with socket.socket() as other:
        other.bind((HOST, two.secure))
        other.listen()
        with two.start() as process:
            try:
                said, _ = process.communicate(timeout=20)
            finally:
                process.kill()
    assert process.returncode == STARTUP_FAILURE
    assert b"stopped" in said
    assert not takes_connections(two.plain)


LEFT = """
import sys
from contextlib import asynccontextmanager

from fastapi import Request

from relay.protocol import call_protocol
from runtime.logs import configure
from runtime.server import make_app, serve


@asynccontextmanager
async def lifespan(app):
    yield


async def ready():
    pass


async def handle(call):
    call.answer(200)


if __name__ == "__main__":
    app = make_app("left", lifespan, ready, docs=False)

    @app.post("/body")
    async def body(request: Request):
        print("waiting", flush=True)
        return {"size": len(await request.body())}

    @app.get("/broken")
    async def broken():
        raise ValueError("x" * 100_000)

    configure("left")
    serve(app, "127.0.0.1", int(sys.argv[1]), call_protocol(b"/x/", handle))
"""


@pytest.mark.requirement("FRO-06")
@pytest.mark.parametrize("row", ["D-2"])
def test_a_client_that_leaves_makes_no_line_in_the_log(row: str) -> None:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", LEFT, str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    until(lambda: takes_connections(port), limit_s=20)
    assert process.stdout is not None
    for _ in range(3):
        with socket.create_connection((HOST, port), timeout=10) as line:
            line.sendall(b"POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc")
            assert process.stdout.readline() == b"waiting\n"
    process.terminate()
    assert process.communicate(timeout=20)[1] == b""


@pytest.mark.requirement("FRO-08")
@pytest.mark.parametrize("row", ["H-95"])
def test_a_failure_of_ours_is_one_line_and_leaves_the_connection(row: str) -> None:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-c", LEFT, str(port)], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        until(lambda: takes_connections(port), limit_s=20)
        with sync_client(f"http://{HOST}:{port}") as client, client.stream("GET", "/health/live") as first:
            first.read()
            line = first.extensions["network_stream"].get_extra_info("client_addr")
            for path, status in (("/broken", 500), ("/health/live", 200)) * 5:
                with client.stream("GET", path) as answer:
                    answer.read()
                    assert answer.status_code == status
                    assert answer.extensions["network_stream"].get_extra_info("client_addr") == line
                    assert status == 200 or answer.json()["code"] == "exchange/internal-error", answer.text
    finally:
        process.terminate()
        said = process.communicate(timeout=20)[1].splitlines()
    assert [json.loads(line)["event"] for line in said] == ["request.crashed"] * 5
    assert all(len(line) < 10_000 for line in said)
