"""Our HTTP clients: what one answer said is not told with another request."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from runtime.http import client, sync_client

COOKIES = ("a=secret", "b=secret; Path=/", "c=secret; Domain=127.0.0.1", "d=secret; Domain=localhost; Max-Age=99")


class _Baker(BaseHTTPRequestHandler):
    """Sets cookies, and answers with those that came."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.headers.get("Cookie", "none").encode()
        self.send_response(303 if self.path == "/elsewhere" else 200)
        for cookie in COOKIES:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(params=["127.0.0.1", "localhost"])
def baker(request: pytest.FixtureRequest) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Baker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://{request.param}:{server.server_port}"
        server.shutdown()


@pytest.mark.anyio
@pytest.mark.requirement("FRO-09")
async def test_no_cookie_of_one_answer_goes_with_another_request(baker: str) -> None:
    async with client(baker) as line:
        for path in ("/", "/", "/elsewhere", "/"):
            assert (await line.get(path)).text == "none"
        async with line.stream("GET", "/") as answer:
            assert await answer.aread() == b"none"
        assert (await line.get("/", headers={"Cookie": "mine=1"})).text == "mine=1"
        assert (await line.get("/")).text == "none"
        assert len(answer.headers.get_list("set-cookie")) == len(COOKIES)


@pytest.mark.requirement("FRO-09")
def test_nor_do_the_tools_keep_any(baker: str) -> None:
    with sync_client(baker) as line:
        assert [line.get(path).text for path in ("/", "/elsewhere", "/")] == ["none"] * 3
        assert not line.cookies
