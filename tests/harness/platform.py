"""The whole platform as real processes: one `tongdao up` per test run, stopped and looked after at the end."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from runtime.http import Client, sync_client
from tongdao_cli.governed import Consumer
from tongdao_cli.home import Home
from tongdao_cli.keys import Secrets
from tongdao_cli.postgres import free_port

START_S = 120
STOP_S = 90
COMMAND = (sys.executable, "-m", "tongdao_cli.main")


class Platform:
    """One running `tongdao up`; `facts` is what it said in its ready file."""

    def __init__(self, home: Path, port: int, **environment: str) -> None:
        self.home = Home(home)
        self.port = port
        self.secrets = Secrets(self.home)
        self._environment = {**os.environ, **environment}
        self._ready_file = home.parent / f"{home.name}.ready.json"
        self._output = home.parent / f"{home.name}.output"
        self.facts: dict[str, Any] = {}
        self.process: subprocess.Popen[bytes]

    def start(self) -> None:
        """Start it and wait until it says that everything is ready."""
        arguments = ("up", "--home", str(self.home.root), "--port", str(self.port))
        with self._output.open("ab") as output:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments, "--ready-file", str(self._ready_file)],
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=self._environment, start_new_session=True,
            )  # fmt: skip
        deadline = time.monotonic() + START_S
        while not self._ready_file.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the platform did not start:\n{self.said()}\n{self._logs()}")
            time.sleep(0.05)
        self.facts = json.loads(self._ready_file.read_text())

    def stop(self, with_signal: signal.Signals = signal.SIGINT) -> int:
        """Stop it and answer its exit code; fails if a process of it is left."""
        pids = list(self.pids().values())
        if self.process.poll() is None:
            self.process.send_signal(with_signal)
        code = self.process.wait(STOP_S)
        self._ready_file.unlink(missing_ok=True)
        assert not [pid for pid in pids if is_running(pid)]
        assert not (left := processes_of(self.home.root)), f"left behind: {left}"
        return code

    @property
    def gateway(self) -> str:
        return str(self.facts["gateway"])

    @property
    def database_url(self) -> str:
        """The superuser's address."""
        return str(self.facts["database_url"])

    @property
    def vkey(self) -> str:
        return str(self.facts["vkey"])

    def url(self, service: str) -> str:
        """Address of one service, for tests that go past the gateway."""
        return str(self.facts["services"][service]["url"])

    def pids(self) -> dict[str, int]:
        """Process id of every program by name, as of the last restart; without the supervisor's own."""
        services = self.home.running().get("services", {})
        return {name: service["pid"] for name, service in services.items()}

    def wait_for_restart(self, service: str, old_pid: int) -> None:
        """Wait until another process does the work of the one that was `old_pid`."""
        deadline = time.monotonic() + START_S
        while self.pids().get(service, old_pid) == old_pid or not self._is_ready(service):
            assert time.monotonic() < deadline, f"{service} did not come back"
            time.sleep(0.05)

    def _is_ready(self, service: str) -> bool:
        if service == "postgres":
            return True
        with suppress(OSError), sync_client(self.url(service), timeout_s=3) as client, suppress(Exception):
            return client.get("/health/ready").status_code == 200
        return False

    @contextmanager
    def consumer(self, system: str) -> Iterator[Consumer]:
        """A demo system, or platform-operator, at the gateway."""
        with self.client() as client:
            yield Consumer(client, self.gateway, self.secrets, system)

    def client(self) -> Client:
        """A client at the gateway without a token."""
        return sync_client(self.gateway, timeout_s=30)

    def tongdao(self, *arguments: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
        """Run another `tongdao` command on this home; `typed` is what the person types."""
        return subprocess.run(
            [*COMMAND, *arguments, "--home", str(self.home.root)],
            capture_output=True, text=True, env=self._environment, timeout=START_S, input=typed,
        )  # fmt: skip

    def tongdao_alone(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        """Run a `tongdao` command that needs no home."""
        return subprocess.run(
            [*COMMAND, *arguments], capture_output=True, text=True, env=self._environment, timeout=START_S
        )

    def said(self) -> str:
        """What the command printed so far."""
        return self._output.read_text(errors="replace")

    def _logs(self) -> str:
        logs = sorted(self.home.logs.glob("*.log"))
        return "\n".join(f"--- {log.name}\n{log.read_text(errors='replace')[-1500:]}" for log in logs)


def is_running(pid: int) -> bool:
    """Whether a process runs; one that only waits to be collected does not."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def processes_of(home: Path) -> list[str]:
    """Command lines of processes that name a place in `home`, or work with a secret of it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        if int(folder.name) == os.getpid():
            continue
        with suppress(OSError):
            command = (folder / "cmdline").read_bytes()
            if str(home).encode() + b"/" in command + (folder / "environ").read_bytes():
                found.append(command.replace(b"\0", b" ").decode(errors="replace"))
    return found


@contextmanager
def started(home: Path, **environment: str) -> Iterator[Platform]:
    """A platform on a free port, stopped at the end."""
    platform = Platform(home, free_port(), **environment)
    try:
        platform.start()
        yield platform
    finally:
        platform.stop()


@contextmanager
def open_folder() -> Iterator[Path]:
    """A temporary folder that root's PostgreSQL, which runs as somebody else, can enter.

    Not in pytest's own folder: another run that starts meanwhile closes that.
    """
    with tempfile.TemporaryDirectory(prefix="tongdao-test-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def open_path() -> Iterator[Path]:
    """The same for one test."""
    with open_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def platform() -> Iterator[Platform]:
    """The platform that all system tests share; its sample departments can be broken and keep a journal."""
    with open_folder() as folder:
        environment = {"TONGDAO_SAMPLE_FAULTS": "true", "TONGDAO_SAMPLE_JOURNAL": str(folder / "journal")}
        with started(folder / "home", **environment) as running:
            yield running
