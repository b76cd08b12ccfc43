"""The departments as a process of their own, on a free port."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.http import Client, HTTPError, sync_client
from tongdao_cli.postgres import free_port

PATIENCE_S = 60


@dataclass
class Departments:
    """The process, where it listens and where it keeps its journal."""

    process: subprocess.Popen[bytes]
    port: int
    journal: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self) -> Client:
        return sync_client(self.url)


@pytest.fixture(scope="session")
def departments(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Departments]:
    """One process for all tests here, with faults open."""
    yield from run(tmp_path_factory.mktemp("sample"), faults="true")


@pytest.fixture
def closed_departments(tmp_path: Path) -> Iterator[Departments]:
    """A process as `tongdao up` starts it: without the switches for faults."""
    yield from run(tmp_path, faults="false")


@pytest.fixture
def doomed_departments(tmp_path: Path) -> Iterator[Departments]:
    """A process for a test that kills it."""
    yield from run(tmp_path, faults="true")


def run(folder: Path, faults: str) -> Iterator[Departments]:
    """Start, wait until ready, end."""
    port, journal = free_port(), folder / "journal"
    settings = {"PORT": str(port), "FAULTS": faults, "JOURNAL": str(journal)}
    environment = {**os.environ, **{f"TONGDAO_SAMPLE_{name}": value for name, value in settings.items()}}
    process = subprocess.Popen([sys.executable, "-m", "sample_providers.app"], env=environment)
    try:
        there = Departments(process, port, journal)
        wait_until_ready(there)
        yield there
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def wait_until_ready(there: Departments) -> None:
    """Poll the health address; the process ending or PATIENCE_S passing is an error."""
    deadline = time.monotonic() + PATIENCE_S
    with there.client() as client:
        while time.monotonic() < deadline and there.process.poll() is None:
            try:
                if client.get("/health/ready").status_code == 200:
                    return
            except HTTPError:
                time.sleep(0.05)
    raise RuntimeError("the sample departments did not start")
