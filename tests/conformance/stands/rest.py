"""Stands that speak HTTP: httpbin, and an origin of our own with facts about a person."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote, urlencode

import httpbin as bin_of_http
import msgspec
import pytest
from werkzeug.serving import WSGIRequestHandler, make_server

from conformance.stand import Fact, Stand
from exchange_service.providers.provider import Question
from wire.catalog import Field, Interface, Operation, Rest

PAIRS = {"姓名": "张三", "a": "1 & 2=3", "b": ""}
FORM = urlencode(PAIRS).encode()
BYTES = "data:application/octet-stream;base64,/wA="
"""How httpbin says bytes that are no text."""
TEMPLATES = Path(bin_of_http.__file__).parent / "templates"
XML = (TEMPLATES / "sample.xml").read_bytes().removesuffix(b"\n")
PICTURE = (TEMPLATES / "images/pig_icon.png").read_bytes()
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
    """httpbin: letters, a document in XML, a picture, and its echo of a query, a form, XML, JSON and bytes."""
    letters = Operation(method="GET", path="/stream/{n}", target="/range/{n}")
    document = Operation(method="GET", path="/xml", target="/xml")
    picture = Operation(method="GET", path="/picture", target="/image/png")
    echo = Operation(method="POST", path="/echo", target="/post", repeatable=True)
    put = Operation(method="PUT", path="", target="/status/201")

    def at(port: int) -> Interface:
        made = interface(port, letters, document, picture, echo, put)
        return msgspec.structs.replace(made, base_url=f"http://127.0.0.1:{port}")

    def asked(value: str) -> Question:
        return Question(operation=letters, values={"n": value})

    def sent(body: bytes, kind: str, operation: Operation = echo) -> Question:
        return Question(operation=operation, query="b=1&c=%E5%BC%A0", body=body, length=len(body), content_type=kind)

    said = {"args": {"b": "1", "c": "张"}, "data": "", "form": {}, "json": None}
    with running_httpbin() as port:
        yield Stand(
            interface=at(port), at=at, hostile=asked, echo=lambda _: (404, ...),
            facts=[
                Fact(asked("26"), b"abcdefghijklmnopqrstuvwxyz"),
                Fact(Question(operation=document), XML, headers={b"content-type": b"application/xml"}),
                Fact(Question(operation=picture), PICTURE, headers={b"content-type": b"image/png"}),
                Fact(sent(FORM, "application/x-www-form-urlencoded"), {**said, "form": PAIRS}, among=True),
                Fact(sent(b"<a>1</a>", "application/xml"), {**said, "data": "<a>1</a>"}, among=True),
                Fact(sent(b'{"n":1}', "application/json"), {**said, "data": '{"n":1}', "json": {"n": 1}}, among=True),
                Fact(sent(b"\xff\x00", "application/octet-stream"), {**said, "data": BYTES}, among=True),
                Fact(sent(b"{}", "application/json", put), b"", 201),
            ],
        )  # fmt: skip


@contextmanager
def running_httpbin() -> Iterator[int]:
    """httpbin on a port of its own, in threads."""
    server = make_server("127.0.0.1", 0, bin_of_http.app, threaded=True, request_handler=_NoLog)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port
    server.shutdown()
    server.server_close()
