"""A real server with both lanes: FastAPI, and calls below /x/ whose handlers the test gives.

`Lanes` runs it in a thread of the test. `python -m harness.lanes PORT` runs it as a process, as a service would.
"""

import asyncio
import re
import socket
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

import uvicorn
from fastapi import FastAPI, Request, Response
from starlette.responses import StreamingResponse

from relay.call import BodyTooLarge, Call, ClientGone
from relay.protocol import Handler, call_protocol
from runtime.server import serve
from tongdao_cli.postgres import free_port

HOST = "127.0.0.1"
BODY_LIMIT = 1024 * 1024
CHUNK = b"0123456789abcdef" * 4096
METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"]


class Lanes:
    """The server, what its handlers saw, and a way to talk to it."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.handlers: dict[bytes, Handler] = {}
        self.gate_reached = threading.Event()
        self.gate_open = threading.Event()
        self.port = free_port()
        config = uvicorn.Config(
            self._app(), host=HOST, port=self.port, http=call_protocol(b"/x/", self._handle), loop="uvloop",
            lifespan="off", ws="none", log_config=None, access_log=False, server_header=False, proxy_headers=False,
            timeout_keep_alive=10, timeout_graceful_shutdown=10,
        )  # fmt: skip
        self.server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self.server.run, daemon=True)

    def __enter__(self) -> "Lanes":
        self._thread.start()
        until(lambda: self.server.started)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.server.should_exit = True
        self._thread.join(20)
        assert not self._thread.is_alive()

    @property
    def ended(self) -> bool:
        return not self._thread.is_alive()

    @property
    def connections(self) -> int:
        return len(self.server.server_state.connections)

    def clear(self) -> None:
        self.seen.clear()
        self.handlers.clear()
        self.gate_reached.clear()
        self.gate_open.clear()

    def on(self, path: bytes, handler: Callable[[Call], Coroutine[Any, Any, None]]) -> None:
        """Calls of `path` go to `handler`."""
        self.handlers[path] = handler

    async def _handle(self, call: Call) -> None:
        self.seen.append(call.target)
        if call.target == b"/x/gate":
            await self._gate()
        await self.handlers.get(call.target, echo)(call)

    async def _gate(self) -> None:
        """Both lanes wait here until the test opens it."""
        self.gate_reached.set()
        while not self.gate_open.is_set():
            await asyncio.sleep(0.002)

    def _app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)
        seen = self.seen

        @app.get("/gate")
        async def gate() -> Response:
            await self._gate()
            return Response("empty")

        @app.api_route("/early", methods=["POST"])
        async def early() -> Response:
            return Response("refused", 403)

        @app.api_route("/stream", methods=["GET"])
        async def stream() -> Response:
            async def endless() -> Any:
                while True:
                    yield CHUNK
                    await asyncio.sleep(0)

            return StreamingResponse(endless())

        @app.api_route("/{path:path}", methods=METHODS)
        async def whatever(request: Request, path: str) -> Response:
            seen.append(request.scope["raw_path"])
            body = await request.body()
            headers = {"tongdao-authorization": request.headers.get("authorization", "")}
            return Response(body or b"empty", headers=headers)

        return app


async def echo(call: Call) -> None:
    """What most tests need of a handler: the body back, with limits."""
    try:
        body = await call.read(BODY_LIMIT)
    except ClientGone:
        return
    except BodyTooLarge as large:
        call.answer(413, b"%d" % large.limit)
        return
    lines = b"tongdao-authorization: %b\r\n" % call.headers.get(b"authorization", b"")
    call.answer(200, body or b"empty", lines)


class Client:
    """A raw connection. Its `answers` are parsed with a plain eye: status, headers, body by length or chunks."""

    def __init__(self, port: int, *, receive_bytes: int | None = None) -> None:
        self.socket = socket.socket()
        if receive_bytes is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.settimeout(10)
        try:
            self.socket.connect((HOST, port))
        except OSError:
            self.socket.close()
            raise
        self.buffer = b""

    def __enter__(self) -> "Client":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def try_send(self, data: bytes) -> None:
        """Send to a server that may have closed already."""
        try:
            self.socket.sendall(data)
        except OSError:
            return

    def more(self) -> bool:
        """Receive something; False at the end of the connection, however it came."""
        try:
            data = self.socket.recv(256 * 1024)
        except ConnectionError:
            return False
        self.buffer += data
        return bool(data)

    def until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            assert self.more(), self.buffer
        found, _, self.buffer = self.buffer.partition(mark)
        return found + mark

    def exactly(self, size: int) -> bytes:
        while len(self.buffer) < size:
            assert self.more(), (size, len(self.buffer))
        found, self.buffer = self.buffer[:size], self.buffer[size:]
        return found

    def head(self) -> tuple[int, dict[str, str]]:
        lines = self.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
        status = int(lines[0].split(" ")[1])
        return status, dict(line.lower().split(": ", 1) for line in lines[1:] if line)

    def answer(self, *, to_head: bool = False) -> tuple[int, dict[str, str], bytes]:
        """One answer with a body of known length, or in chunks."""
        status, headers = self.head()
        if to_head or status in (100, 204, 304):
            return status, headers, b""
        if headers.get("transfer-encoding") == "chunked":
            return status, headers, self._chunks()
        return status, headers, self.exactly(int(headers["content-length"]))

    def _chunks(self) -> bytes:
        body = b""
        while size := int(self.until(b"\r\n"), 16):
            body += self.exactly(size)
            assert self.exactly(2) == b"\r\n"
        assert self.exactly(2) == b"\r\n"
        return body

    def rest(self) -> bytes:
        """Everything until the server closes."""
        while self.more():
            pass
        return self.buffer

    def statuses(self) -> list[int]:
        """Statuses of everything that comes until the server closes."""
        return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3})", self.rest())]


def get(path: bytes, more: bytes = b"") -> bytes:
    return b"GET %b HTTP/1.1\r\nHost: a\r\n%b\r\n" % (path, more)


def post(path: bytes, body: bytes, more: bytes = b"") -> bytes:
    return b"POST %b HTTP/1.1\r\nHost: a\r\n%bContent-Length: %d\r\n\r\n%b" % (path, more, len(body), body)


def until(condition: Callable[[], Any], limit_s: float = 10) -> None:
    """Wait for what another thread or process is about to do."""
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def listens(port: int) -> bool:
    """Whether somebody takes connections there."""
    try:
        with Client(port):
            return True
    except ConnectionError:
        return False


# --- as a process
async def pour(call: Call) -> None:
    """As many bytes down as the path asks for, in chunks."""
    left = int(call.target.rpartition(b"/")[2])
    call.start(200, b"", None)
    try:
        while left > 0:
            await call.send(CHUNK[:left])
            left -= len(CHUNK)
    except ClientGone:
        return
    call.finish()


async def swallow(call: Call) -> None:
    """Count a body that is streamed up, slower than it comes."""
    size = 0
    while chunk := await call.chunk():
        size += len(chunk)
        await asyncio.sleep(0.003)
    call.answer(200, b"%d" % size)


async def nap(call: Call) -> None:
    await asyncio.sleep(0.5)
    call.answer(200, b"rested")


async def dispatch(call: Call) -> None:
    ways: dict[bytes, Handler] = {b"pour": pour, b"swallow": swallow, b"nap": nap}
    await ways[call.target.split(b"/")[2]](call)


def main(port: int) -> None:
    app = FastAPI(openapi_url=None)

    @app.get("/nap")
    async def nap_slowly() -> str:
        await asyncio.sleep(0.5)
        return "rested"

    serve(app, HOST, port, call_protocol(b"/x/", dispatch))


if __name__ == "__main__":
    main(int(sys.argv[1]))
