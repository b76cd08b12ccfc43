"""Load on one contender, and what came of it.

Closed loop: wrk (or, without it, a loop of ours), each connection asks again as soon as it is answered. Open loop:
ours, so many calls a second whatever happens, each timed from the moment when it should have begun, so that a server
that stands still cannot hide it.
"""

import json
import os
import random
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from math import ceil
from pathlib import Path
from select import select
from socket import create_connection
from time import perf_counter

from peers.asker import ask_again, status_of
from peers.contender import CALLS, numbered
from peers.tools import Tool

SCRIPT = Path(__file__).with_name("wrk.lua")
LATE_S, LINES_AT_MOST = 30, 512
"""Seconds after which a call has failed; connections of the open loop."""


class NoLoad(Exception):
    """The load could not be made; the message says why."""


@dataclass(frozen=True)
class Answers:
    """What came back within `seconds`: so many `calls` were answered with 200, so many `failed`."""

    calls: int
    failed: int
    seconds: float
    p50_ms: float
    p99_ms: float

    @property
    def calls_per_s(self) -> float:
        return self.calls / self.seconds


def closed(wrk: Tool | None, port: int, question: str, connections: int, seconds: float) -> Answers:
    """As many calls as `connections` make that never wait. seconds  whole ones count, at least 1"""
    if wrk is None:
        numbers = count(anywhere())
        answers, elapsed = ask_again(port, lambda: numbered(question, next(numbers)), connections, seconds)
        return among(answers, elapsed)
    command = [str(wrk.program), "-t1", f"-c{connections}", f"-d{max(1, round(seconds))}s", f"--timeout={LATE_S}s"]
    environment = {**os.environ, **wrk.environment, "QUESTION": question, "FIRST": str(anywhere())}
    done = subprocess.run(
        [*command, "-s", str(SCRIPT), f"http://127.0.0.1:{port}/"], env=environment, capture_output=True, check=False
    )
    said = done.stdout.splitlines()
    if done.returncode or not said or not said[-1].startswith(b"{"):
        raise NoLoad(f"wrk: {(done.stdout + done.stderr).decode(errors='replace')[-500:]}")
    return read(said[-1])


def read(line: bytes) -> Answers:
    """The figures of wrk.lua."""
    told = json.loads(line)
    failed = told["refused"] + told["broken"] + told["late"]
    calls = told["answered"] - told["refused"]
    return Answers(calls, failed, told["micros"] / 1e6, told["p50_us"] / 1e3, told["p99_us"] / 1e3)


def among(answers: Sequence[tuple[int, float]], seconds: float) -> Answers:
    """The figures of (status, seconds) of some calls."""
    took_s = sorted(took for status, took in answers if status == 200)
    failed = len(answers) - len(took_s)
    return Answers(len(took_s), failed, seconds, percentile(took_s, 0.5) * 1e3, percentile(took_s, 0.99) * 1e3)


def anywhere() -> int:
    """A number to begin with: two runs shall not ask the same."""
    return random.randrange(CALLS)  # noqa: S311  # nobody has to be unable to guess it


class Line:
    """A connection of the open loop, with at most one call under way."""

    def __init__(self, port: int) -> None:
        self._socket = create_connection(("127.0.0.1", port), LATE_S)
        self._buffer = b""
        self.due = 0.0

    def fileno(self) -> int:
        return self._socket.fileno()

    def ask(self, question: bytes, due: float) -> None:
        """Send a call that should have begun at `due` (perf_counter)."""
        self.due = due
        self._buffer = b""
        self._socket.sendall(question)

    def answer(self) -> int:
        """Read what is there: the status of an answer that is whole, or 0. Raises OSError if it cannot become that."""
        if not (data := self._socket.recv(65536)):
            raise ConnectionResetError
        self._buffer += data
        return status_of(self._buffer)

    def close(self) -> None:
        self._socket.close()


def opened(port: int, question: str, calls_per_s: int, seconds: float) -> Answers:
    """`calls_per_s` for so long, then the answers to the last of them."""
    return among(Schedule(port, question, calls_per_s, ceil(calls_per_s * seconds)).run(), seconds)


class Schedule:
    """Calls with the moments at which they have to begin."""

    def __init__(self, port: int, question: str, calls_per_s: int, calls: int) -> None:
        self._port, self._question, self._calls = port, question, calls
        self._gap_s = 1 / calls_per_s
        self._first = anywhere()
        self._begun = 0
        self._idle: list[Line] = []
        self._busy: list[Line] = []
        self._answers: list[tuple[int, float]] = []

    def run(self) -> list[tuple[int, float]]:
        """To its end: status and seconds of every call, status 0 of those that were not answered."""
        start = perf_counter()
        end = start + self._calls * self._gap_s + LATE_S
        while (self._begun < self._calls or self._busy) and perf_counter() < end:
            due = start + self._begun * self._gap_s
            if self._begun < self._calls and due <= perf_counter() and len(self._busy) < LINES_AT_MOST:
                self._begin(due)
                continue
            pause = due - perf_counter() if self._begun < self._calls else LATE_S
            for line in select(self._busy, [], [], max(0.0, pause))[0]:
                self._read(line)
        for line in self._idle + self._busy:
            line.close()
        return self._answers + [(0, 0.0)] * (self._calls - len(self._answers))

    def _begin(self, due: float) -> None:
        line = self._idle.pop() if self._idle else Line(self._port)
        line.ask(numbered(self._question, self._first + self._begun), due)
        self._begun += 1
        self._busy.append(line)

    def _read(self, line: Line) -> None:
        try:
            status = line.answer()
        except OSError:
            self._busy.remove(line)
            line.close()
            return
        if status:
            self._answers.append((status, perf_counter() - line.due))
            self._busy.remove(line)
            self._idle.append(line)


def percentile(ordered: Sequence[float], share: float) -> float:
    """The value that `share` (0 to 1) of the ordered ones do not exceed; 0 of none."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0
