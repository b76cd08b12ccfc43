"""Children are kept running, given up with a reason, stopped in order, and never outlive their parent."""

import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from integration.tongdao_cli.programs import ending, exists, server
from tongdao_cli import supervisor as module
from tongdao_cli.postgres import free_port
from tongdao_cli.supervisor import GivenUp, Supervisor

pytestmark = pytest.mark.anyio
PATIENCE_S = 20.0


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.02)


@pytest.mark.requirement("CLI-07")
async def test_a_child_that_dies_is_started_again(tmp_path: Path) -> None:
    announced: list[dict[str, int]] = []
    supervisor = Supervisor(tmp_path, announced.append)
    one = server("one", free_port(), tmp_path / "diary")
    await supervisor.start(one)
    try:
        first = supervisor.pids["one"]
        os.kill(first, signal.SIGKILL)
        await until(lambda: supervisor.pids.get("one", first) != first)
        await until(lambda: announced[-1] == supervisor.pids)
        for _ in range(200):
            if await one.ready():
                break
            await asyncio.sleep(0.05)
        assert await one.ready()
    finally:
        await supervisor.stop()


@pytest.mark.requirement("CLI-07")
async def test_one_that_keeps_dying_is_given_up_with_its_last_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.001)
    starts: list[dict[str, int]] = []
    supervisor = Supervisor(tmp_path, starts.append)
    with pytest.raises(GivenUp) as given_up:
        await supervisor.start(ending("weak", 1, "no room on the disk"))
    assert str(given_up.value) == (
        f"weak ended 6 times within a minute: no room on the disk (see {tmp_path / 'weak.log'})"
    )
    assert len(starts) == 1 + module.MOST_RESTARTS
    await supervisor.stop()


@pytest.mark.requirement("CLI-07")
async def test_deaths_of_long_ago_are_forgiven(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_S", 0.001)
    monkeypatch.setattr(module, "WITHIN_S", 0.0)  # every earlier death is long ago
    starts: list[dict[str, int]] = []
    supervisor = Supervisor(tmp_path, starts.append)
    starting = asyncio.create_task(supervisor.start(ending("weak", 1, "")))
    await until(lambda: len(starts) > module.MOST_RESTARTS + 2)
    assert not starting.done()
    starting.cancel()
    await supervisor.stop()


@pytest.mark.requirement("CLI-08")
async def test_a_wrong_setting_is_told_at_once_and_not_tried_again(tmp_path: Path) -> None:
    starts: list[dict[str, int]] = []
    supervisor = Supervisor(tmp_path, starts.append)
    with pytest.raises(GivenUp, match="setting TONGDAO_X_PORT: not a number"):
        await supervisor.start(ending("misled", 2, "setting TONGDAO_X_PORT: not a number"))
    assert len(starts) == 1
    await supervisor.stop()


async def test_one_that_never_gets_ready_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "READY_S", 0.2)
    supervisor = Supervisor(tmp_path)
    slow = server("slow", free_port(), tmp_path / "diary")

    async def never() -> bool:
        return False

    with pytest.raises(GivenUp, match="slow was not ready after"):
        await supervisor.start(module.Program(**{**vars(slow), "ready": never}))
    await supervisor.stop()


@pytest.mark.requirement("CLI-09")
async def test_children_are_stopped_in_reverse_order(tmp_path: Path) -> None:
    diary = tmp_path / "diary"
    supervisor = Supervisor(tmp_path / "logs")
    await supervisor.start(server("database", free_port(), diary))
    await supervisor.start(*(server(name, free_port(), diary) for name in ("log", "door")))
    pids = supervisor.pids
    await supervisor.stop()
    assert diary.read_text().split("\n") == ["door SIGTERM", "log SIGTERM", "database SIGTERM", ""]
    assert not [pid for pid in pids.values() if exists(pid)]
    assert supervisor.pids == {}


@pytest.mark.requirement("CLI-09")
async def test_one_that_does_not_listen_is_ended_by_force(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "STOP_S", 0.2)
    supervisor = Supervisor(tmp_path)
    await supervisor.start(server("deaf", free_port(), tmp_path / "diary"))
    pid = supervisor.pids["deaf"]
    await supervisor.stop()
    assert not exists(pid)


PARENT = """
import asyncio, sys
from pathlib import Path
from integration.tongdao_cli.programs import server
from tongdao_cli.home import write_private
from tongdao_cli.supervisor import Supervisor
from tongdao_cli.up import run

async def main(folder, ports):
    supervisor = Supervisor(folder / "logs")
    try:
        await supervisor.start(*(server(f"child{port}", port, folder / "diary") for port in ports))
        write_private(folder / "pids.json", supervisor.pids)
        await supervisor.watch()
    finally:
        await supervisor.stop()

try:
    run(main(Path(sys.argv[1]), [int(port) for port in sys.argv[2:]]))
except asyncio.CancelledError:
    print("stopped")
"""


class Parent:
    """A supervisor in a process of its own, with two children."""

    def __init__(self, folder: Path) -> None:
        tests = Path(__file__).parents[2]
        self.diary = folder / "diary"
        self._pids = folder / "pids.json"
        self.process = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(folder), str(free_port()), str(free_port())],
            env={**os.environ, "PYTHONPATH": str(tests)}, stdout=subprocess.PIPE, start_new_session=True,
        )  # fmt: skip

    async def children(self) -> list[int]:
        await until(lambda: self._pids.exists() or self.process.poll() is not None)
        return list(json.loads(self._pids.read_text()).values())


@pytest.mark.requirement("CLI-09")
async def test_no_child_outlives_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = Parent(tmp_path)
    children = await parent.children()
    parent.process.kill()
    parent.process.communicate()
    await until(lambda: not [pid for pid in children if exists(pid)])
    assert sorted({line.split()[1] for line in parent.diary.read_text().splitlines()}) == ["SIGTERM"]


@pytest.mark.requirement("CLI-09")
async def test_ctrl_c_reaches_the_supervisor_alone_and_a_second_one_does_not_hurry_it(tmp_path: Path) -> None:
    parent = Parent(tmp_path)
    children = await parent.children()
    os.killpg(parent.process.pid, signal.SIGINT)  # as a terminal does
    os.killpg(parent.process.pid, signal.SIGINT)
    said, _ = await asyncio.to_thread(parent.process.communicate)
    assert said.decode().strip() == "stopped"
    assert parent.process.returncode == 0
    assert {line.split()[1] for line in parent.diary.read_text().splitlines()} == {"SIGTERM"}
    assert not [pid for pid in children if exists(pid)]
