"""Which requests reached a department, written down before they are answered: what fault tests compare the log with."""

import time
from collections import deque
from collections.abc import Collection
from pathlib import Path

import msgspec
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

KEPT = 1000


class Line(msgspec.Struct, frozen=True):
    """One request. `at` is Unix seconds; `call` is the header Tongdao-Call, "" where there is none."""

    at: float
    method: str
    path: str
    traceparent: str
    call: str


class Journal:
    """The newest KEPT lines in memory, and every line in a file where one is given.

    A line is handed to the operating system before the request goes on: it outlives this process, not the machine.
    """

    def __init__(self, path: Path | None) -> None:
        self.newest: deque[Line] = deque(maxlen=KEPT)
        self._file = path.open("ab", buffering=0) if path else None

    def write(self, line: Line) -> None:
        self.newest.append(line)
        if self._file:
            self._file.write(msgspec.json.encode(line) + b"\n")

    def close(self) -> None:
        if self._file:
            self._file.close()


class Journaled:
    """ASGI middleware: a request to one of `departments` is written down, then passed on."""

    def __init__(self, app: ASGIApp, journal: Journal, departments: Collection[str]) -> None:
        self._app = app
        self._journal = journal
        self._departments = departments

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].split("/")[1] in self._departments:
            self._journal.write(_line(scope))
        await self._app(scope, receive, send)


def _line(scope: Scope) -> Line:
    headers = Headers(scope=scope)
    return Line(
        time.time(), scope["method"], scope["path"], headers.get("traceparent", ""), headers.get("tongdao-call", "")
    )
