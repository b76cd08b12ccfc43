"""What a contender takes: processor time per call by part, and memory.

Processor time is what the kernel's scheduler counted for all threads, user and system, in nanoseconds. Work that a
contender puts off until the load has ended is counted too: a round ends when its processes are quiet.
"""

import os
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from peers.contender import Contender
from peers.load import Answers
from peers.processes import family

TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
QUIET, LOOK_S, QUIET_WITHIN_S = 0.08, 0.2, 20
"""Share of a core below which processes are quiet, how long that is looked at, how long it is waited for."""


@dataclass(frozen=True)
class Sample:
    """One round of one contender. cpu_us, apart_us  part -> microseconds per call; busy  share of the measured core"""

    answers: Answers
    cpu_us: dict[str, float]
    apart_us: dict[str, float]
    busy: float


def measured(contender: Contender, load: Callable[[], Answers]) -> Sample:
    """A round: the load, and what it took of the processor until all that it caused was done."""
    parts, apart = _times(contender.parts), _times(contender.apart)
    answers = load()
    during = _spent(parts, contender.parts)
    settle(contender)
    calls = max(1, answers.calls + answers.failed)
    return Sample(
        answers,
        {name: ns / calls / 1e3 for name, ns in _spent(parts, contender.parts).items()},
        {name: ns / calls / 1e3 for name, ns in _spent(apart, contender.apart).items()},
        sum(during.values()) / answers.seconds / 1e9,
    )


def settle(contender: Contender) -> None:
    """Wait until the parts of it rest, at most QUIET_WITHIN_S."""
    deadline = time.monotonic() + QUIET_WITHIN_S
    pids = [pid for family_ in contender.parts.values() for pid in family_]
    while time.monotonic() < deadline:
        before = cpu_ns(pids)
        time.sleep(LOOK_S)
        if cpu_ns(pids) - before < QUIET * LOOK_S * 1e9:
            return


def _times(parts: Mapping[str, Sequence[int]]) -> dict[str, int]:
    return {name: cpu_ns(pids) for name, pids in parts.items()}


def _spent(before: Mapping[str, int], parts: Mapping[str, Sequence[int]]) -> dict[str, int]:
    return {name: now - before[name] for name, now in _times(parts).items()}


def cpu_ns(pids: Collection[int]) -> int:
    """Processor time of these processes so far, with their descendants, those included that have ended."""
    return sum(_running_ns(pid) + _ended_ns(pid) for pid in family(pids))


def _running_ns(pid: int) -> int:
    total = 0
    for thread in Path(f"/proc/{pid}/task").glob("*/schedstat"):
        with suppress(OSError):  # it has just ended
            total += int(thread.read_text().split()[0])
    return total


def _ended_ns(pid: int) -> int:
    """That of its children which it has waited for."""
    with suppress(OSError):
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[13]) + int(fields[14])) * TICK_NS
    return 0


class Foreign:
    """How much of the machine is used by processes that are not ours, from when this was made."""

    def __init__(self) -> None:
        self._began, self._all, self._own = time.monotonic(), _machine_ns(), cpu_ns([os.getpid()])

    def cores(self) -> float:
        """On average; figures of a run beside much else are not worth much."""
        used = _machine_ns() - self._all - (cpu_ns([os.getpid()]) - self._own)
        return max(0.0, used / (time.monotonic() - self._began) / 1e9)


def _machine_ns() -> int:
    """Time that all processors spent on any process so far."""
    user, nice, system = Path("/proc/stat").read_text().split(maxsplit=4)[1:4]
    return (int(user) + int(nice) + int(system)) * TICK_NS


def rss_mb(pids: Collection[int]) -> float:
    """Resident memory of these processes with their descendants. What they share is counted in each."""
    return sum(_kib(pid, "status", "VmRSS:") for pid in family(pids)) / 1024


def peak_mb(pids: Collection[int]) -> float:
    """The most that each of these processes had resident since it was started."""
    return sum(_kib(pid, "status", "VmHWM:") for pid in family(pids)) / 1024


def pss_mb(pids: Collection[int]) -> float:
    """The same with what is shared by n processes counted as an n-th in each."""
    return sum(_kib(pid, "smaps_rollup", "Pss:") for pid in family(pids)) / 1024


def _kib(pid: int, file: str, name: str) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/{file}").read_text().splitlines():
            if line.startswith(name):
                return int(line.split()[1])
    return 0
