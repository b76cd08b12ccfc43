"""A provider that answers everything with the same, and keeps what it was asked."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = b'{"status":"1"}'


class Stub:
    """The address, and every request that came whole: its first line and its header fields, as they came.

    begun  how many requests came at all; one that is streamed may break off
    """

    def __init__(self, port: int) -> None:
        self.port = port
        self.begun = 0
        self.seen: list[tuple[str, list[tuple[str, str]]]] = []

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextmanager
def stub() -> Iterator[Stub]:
    """A running provider."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 10

        def handle_one_request(self) -> None:
            self.raw_requestline = self.rfile.readline(65537)
            if not self.raw_requestline or not self.parse_request():
                self.close_connection = True
                return
            it.begun += 1
            if not self._has_body():
                self.close_connection = True
                return
            it.seen.append((self.requestline, self.headers.items()))
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(ANSWER)))
            self.end_headers()
            self.wfile.write(ANSWER)

        def _has_body(self) -> bool:
            """Read it; False where it breaks off."""
            if self.headers.get("transfer-encoding") is None:
                length = int(self.headers.get("content-length") or 0)
                return len(self.rfile.read(length)) == length
            while size := int(self.rfile.readline() or b"-1", 16):
                if len(self.rfile.read(max(size, 0) + 2)) != size + 2:
                    return False
            return self.rfile.readline() == b"\r\n"

        def log_message(self, *_arguments: object) -> None:
            """Nothing: it would stand among the test's own output."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        it = Stub(server.server_address[1])
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield it
        finally:
            server.shutdown()
            thread.join(10)
