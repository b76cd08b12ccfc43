"""Keeps a set of child programs running: started, waited for, started again when one dies, stopped in reverse order.

Children get a session of their own, so the Ctrl-C of a terminal reaches only the supervisor, which then stops them in
order; `child.command` binds them to its life. Everything runs in the main thread (see `child`).
"""

import asyncio
import os
import signal
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from runtime.env import WRONG_SETTINGS
from tongdao_cli import child

READY_S = 60.0
POLL_S = 0.05
STOP_S = 35.0
"""Longer than a service drains (`runtime.server.DRAIN_S`)."""
MOST_RESTARTS = 5
WITHIN_S = 60.0
FIRST_PAUSE_S = 0.2


class GivenUp(Exception):
    """A child cannot be kept running; the message is one line and names the log."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """One program to keep running.

    ready        whether it can do its work now
    stop_signal  asks it to end in good order
    user         (uid, gid) to run as, or None for our own
    """

    name: str
    command: Sequence[str]
    ready: Callable[[], Awaitable[bool]]
    environment: Mapping[str, str]
    stop_signal: signal.Signals = signal.SIGTERM
    user: tuple[int, int] | None = None
    cwd: Path | None = None


class Supervisor:
    """The children of one home. `changed` is told name -> process id after every start."""

    def __init__(self, logs: Path, changed: Callable[[dict[str, int]], None] = lambda _pids: None) -> None:
        self._logs = logs
        self._logs.mkdir(parents=True, exist_ok=True)
        self._changed = changed
        self._children: list[_Child] = []

    @property
    def pids(self) -> dict[str, int]:
        """Process id of every running child."""
        return {c.program.name: c.process.pid for c in self._children if c.process and c.process.returncode is None}

    async def start(self, *programs: Program) -> None:
        """Start all at once and return when each is ready; raises GivenUp."""
        children = [_Child(program, self._logs / f"{program.name}.log", self._announce) for program in programs]
        self._children += children
        for one in children:
            await one.wait_until_ready()

    def _announce(self) -> None:
        self._changed(self.pids)

    async def watch(self) -> None:
        """Return never; raises GivenUp when a child cannot be kept running."""
        done, _ = await asyncio.wait([one.keeping for one in self._children], return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()

    async def stop(self) -> None:
        """Stop all, the last started first."""
        while self._children:
            await self._children[-1].stop()
            self._children.pop()


class _Child:
    """One program, its present process and the moments it died."""

    def __init__(self, program: Program, log: Path, started: Callable[[], None]) -> None:
        self.program = program
        self.process: asyncio.subprocess.Process | None = None
        self._log = log
        self._log_start = 0
        self._started = started
        self._deaths: deque[float] = deque()
        self._was_ready = False
        self.keeping = asyncio.create_task(self._keep(), name=f"keep {program.name}")

    async def _keep(self) -> None:
        """Start the program again and again; ends only by raising GivenUp or by being cancelled."""
        while True:
            process = await self._launch()
            code = await process.wait()
            if code == WRONG_SETTINGS and not self._was_ready:
                raise GivenUp(self.last_words())
            await asyncio.sleep(self._pause_after_death())

    async def _launch(self) -> asyncio.subprocess.Process:
        program = self.program
        with self._log.open("ab") as log:
            self._log_start = log.tell()
            self.process = await asyncio.create_subprocess_exec(
                *child.command(program.command, program.stop_signal, program.user),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                env=dict(program.environment), cwd=program.cwd, start_new_session=True,
            )  # fmt: skip
        self._started()
        return self.process

    def _pause_after_death(self) -> float:
        """Seconds to wait before the next start, doubling with every death of the last minute; raises GivenUp."""
        now = time.monotonic()
        self._deaths.append(now)
        while self._deaths[0] < now - WITHIN_S:
            self._deaths.popleft()
        if len(self._deaths) > MOST_RESTARTS:
            raise GivenUp(f"{self.program.name} ended {len(self._deaths)} times within a minute: {self.last_words()}")
        return float(FIRST_PAUSE_S * 2 ** (len(self._deaths) - 1))

    def last_words(self) -> str:
        """The last line the present process wrote, with the place of the log."""
        with self._log.open("rb") as log:
            log.seek(self._log_start)
            lines = [line for line in log.read().decode(errors="replace").splitlines() if line.strip()]
        return f"{lines[-1].strip() if lines else 'it said nothing'} (see {self._log})"

    async def wait_until_ready(self) -> None:
        deadline = time.monotonic() + READY_S
        while not await self.program.ready():
            if self.keeping.done():
                self.keeping.result()
            if time.monotonic() > deadline:
                raise GivenUp(f"{self.program.name} was not ready after {READY_S:.0f} s: {self.last_words()}")
            await asyncio.sleep(POLL_S)
        self._was_ready = True

    async def stop(self) -> None:
        """End the program in good order, by force after STOP_S."""
        self.keeping.cancel()
        with suppress(asyncio.CancelledError, GivenUp):
            await self.keeping
        if self.process is None or self.process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            self.process.send_signal(self.program.stop_signal)
        try:
            await asyncio.wait_for(self.process.wait(), STOP_S)
        except TimeoutError:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            await self.process.wait()
