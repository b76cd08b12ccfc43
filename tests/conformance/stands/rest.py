"""Stands that speak HTTP: httpbin, and an origin of our own with facts about a person."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import quote, unquote

import httpbin as bin_of_http
import msgspec
import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from conformance.stand import Fact, Stand
from exchange_service.providers.provider import Question
from wire.catalog import Field, Interface, Operation, Rest

PERSON = {"id_card": "11010519491231002X", "name": "张三", "height": 1.80}


def interface(port: int, *operations: Operation, adapter: Rest = Rest()) -> Interface:  # noqa: B008  # frozen
    return Interface(
        id="gaj-person", version="v1", provider="gaj", name="人口", base_url=f"http://127.0.0.1:{port}/base",
        networks=["127.0.0.0/8"], operations=list(operations), fields=[Field(name=name) for name in PERSON],
        adapter=adapter,
    )  # fmt: skip


class _Quiet(BaseHTTPRequestHandler):
    """Facts about one person; an echo of what else is asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:  # the library's name
        name = unquote(self.path.rpartition("/")[2], errors="strict")
        if name == PERSON["id_card"]:
            self._say(200, PERSON)
        else:
            self._say(404, {"asked": name})

    def do_POST(self) -> None:  # the library's name
        body = self.rfile.read(int(self.headers["content-length"]))
        self._say(200, {"body": body.decode(), "type": self.headers["content-type"]})

    def _say(self, status: int, content: Any) -> None:
        body = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not among the test's words."""


@contextmanager
def ours(_request: pytest.FixtureRequest) -> Iterator[Stand]:
    """Our own origin."""
    read = Operation(method="GET", path="/{id_card}", target="/person/{id_card}")
    write = Operation(method="POST", path="", target="/find", repeatable=True)
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Quiet)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()

    def asked(value: str) -> Question:
        return Question(operation=read, values={"id_card": value})

    def at(port: int) -> Interface:
        return interface(port, read, write)

    body = '{"id_card":"11010519491231002X"}'
    posted = Question(operation=write, body=body.encode(), length=len(body), content_type="application/json")
    yield Stand(
        interface=at(server.server_port), at=at, hostile=asked, echo=lambda value: (404, {"asked": _said(value)}),
        facts=[
            Fact(asked(PERSON["id_card"]), PERSON),  # type: ignore[arg-type]  # a str
            Fact(posted, {"body": body, "type": "application/json"}),
        ],
    )  # fmt: skip
    server.shutdown()
    server.server_close()


def _said(value: str) -> str:
    return unquote(quote(value, safe=""), errors="strict")


class _NoLog(WSGIRequestHandler):
    def log(self, *_: Any, **__: Any) -> None:
        """Not among the test's words."""


@contextmanager
def httpbin(_request: pytest.FixtureRequest) -> Iterator[Stand]:
    """httpbin's echo of a query, of a form and of bytes."""
    server = make_server("127.0.0.1", 0, bin_of_http.app, threaded=True, request_handler=_NoLog)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    numbers = Operation(method="GET", path="/stream/{n}", target="/range/{n}")
    put = Operation(method="PUT", path="", target="/status/201")

    def at(port: int) -> Interface:
        return msgspec.structs.replace(interface(port, numbers, put), base_url=f"http://127.0.0.1:{port}")

    def asked(value: str) -> Question:
        return Question(operation=numbers, values={"n": value})

    yield Stand(
        interface=at(server.server_port), at=at, hostile=asked, echo=lambda _: (404, ...),
        facts=[
            Fact(asked("26"), b"abcdefghijklmnopqrstuvwxyz"),
            Fact(Question(operation=put, body=b"{}", length=2, content_type="application/json"), b"", 201),
        ],
    )  # fmt: skip
    server.shutdown()
    server.server_close()
