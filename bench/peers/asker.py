"""Closed loop where there is no wrk: connections that ask again as soon as they are answered.

Takes more processor time than wrk: a fast contender may show less than it can do.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import uvloop

LAST_S = 30
"""How long the last answers are waited for."""


class Asker(asyncio.Protocol):
    """One connection. ask  makes the next question; took  is told status and seconds of each answer"""

    def __init__(self, ask: Callable[[], bytes], took: Callable[[int, float], None]) -> None:
        self._ask, self._took = ask, took
        self._buffer = b""
        self.going = True
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._next()

    def _next(self) -> None:
        self._asked = time.perf_counter()
        self._transport.write(self._ask())

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not (status := status_of(self._buffer)):
            return
        self._buffer = b""
        self._took(status, time.perf_counter() - self._asked)
        if self.going:
            self._next()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended.set_result(None)


def status_of(received: bytes) -> int:
    """The status of an answer that is whole, 0 before. Answers say their length."""
    head, end, body = received.partition(b"\r\n\r\n")
    length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
    return int(head[9:12]) if end and len(body) >= int(length or 0) else 0


def ask_again(
    port: int, ask: Callable[[], bytes], connections: int, seconds: float
) -> tuple[list[tuple[int, float]], float]:
    """(status, seconds) of every answer, and how long it took. port  on 127.0.0.1"""
    answers: list[tuple[int, float]] = []

    async def run() -> float:
        loop = asyncio.get_running_loop()
        began = time.perf_counter()
        made = [
            await loop.create_connection(lambda: Asker(ask, lambda *told: answers.append(told)), "127.0.0.1", port)
            for _ in range(connections)
        ]
        await asyncio.sleep(seconds)
        for _, asker in made:
            asker.going = False
        elapsed = time.perf_counter() - began
        await asyncio.wait([asker.ended for _, asker in made], timeout=LAST_S)
        return elapsed

    return answers, uvloop.run(run())
