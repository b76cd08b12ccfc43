"""Processes of a bench: started, waited for, pinned to cores, stopped."""

import os
import socket
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

HERE = Path(__file__).parents[1]
START_S, STOP_S = 60, 60


class DidNotStart(Exception):
    """A process of the bench ended, or never listened; the message has the end of its words."""


@contextmanager
def running(
    command: Sequence[str | Path], output: Path | None = None, **environment: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A process that is stopped at the end. output  where its words go, nowhere for None"""
    paths = os.pathsep.join(filter(None, (str(HERE), os.environ.get("PYTHONPATH"))))
    with (output or Path(os.devnull)).open("ab") as words:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=words, stderr=words,
            env={**os.environ, "PYTHONPATH": paths, **environment},
        )  # fmt: skip
    try:
        yield process
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
        process.kill()
        process.wait()


def listening(process: subprocess.Popen[bytes], port: int, output: Path | None = None) -> None:
    """Wait until it takes connections at 127.0.0.1; raises DidNotStart."""
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline and process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    said = output.read_text(errors="replace")[-1000:] if output else ""
    raise DidNotStart(f"{process.args!r}: {said}")


@cache
def cores() -> tuple[set[int], set[int]]:
    """The core of what is measured, and those of everything else; the same one where there is only one.

    As they were when first asked for: later on the bench may keep to the others itself.
    """
    first, *others = sorted(os.sched_getaffinity(0))
    return {first}, set(others) or {first}


def family(pids: Collection[int]) -> list[int]:
    """These processes with all their descendants, as far as they still run."""
    found: list[int] = []
    todo = list(pids)
    while todo:
        pid = todo.pop()
        found.append(pid)
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            with suppress(OSError):  # the thread or its process has just ended
                todo += map(int, children.read_text().split())
    return found


def pin(pids: Collection[int], allowed: Collection[int]) -> None:
    """Keep processes, their descendants and all their threads on the `allowed` cores."""
    for pid in family(pids):
        for thread in Path(f"/proc/{pid}/task").glob("*"):
            with suppress(OSError):  # it has just ended
                os.sched_setaffinity(int(thread.name), allowed)


def pids_of(facts: Mapping[str, object], names: Collection[str]) -> dict[str, list[int]]:
    """Name -> process ids of those of our services that run, from the facts of a `tongdao up`."""
    services = facts["services"]
    assert isinstance(services, dict)
    return {name: [service["pid"]] for name, service in services.items() if name in names}
