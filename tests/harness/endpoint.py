"""The server that a webhook leads to."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from harness.origin import Line, Origin, origin


class Endpoint:
    """Somebody's server: keeps what it got, answers as the test says, or waits."""

    def __init__(self) -> None:
        self.got: list[tuple[dict[bytes, bytes], bytes]] = []
        self.answers: list[bytes] = []
        self.opened = asyncio.Event()
        self.opened.set()
        self.gates: list[asyncio.Event] = []
        """One for each of the first requests, instead of `opened`."""
        self.it: Origin

    async def script(self, line: Line) -> None:
        head, body = await line.request()
        fields = dict(field.lower().split(b": ", 1) for field in head.split(b"\r\n")[1:] if field)
        self.got.append(({**fields, b"request": head.split(b"\r\n")[0]}, body))
        await (self.gates[len(self.got) - 1] if self.gates else self.opened).wait()
        answer = self.answers.pop(0) if self.answers else b"200 OK"
        await line.say(b"HTTP/1.1 " + answer + b"\r\ncontent-length: 0\r\n\r\n")

    @property
    def ids(self) -> list[str]:
        return [fields[b"tongdao-notice"].decode() for fields, _ in self.got]


@asynccontextmanager
async def endpoint() -> AsyncIterator[Endpoint]:
    one = Endpoint()
    async with origin(one.script) as one.it:
        yield one
        one.opened.set()
