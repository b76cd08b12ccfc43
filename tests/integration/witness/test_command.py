"""`tongdao witness` as a department starts it."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.receipts import vkey
from harness.witnessed import START_S, Tree
from runtime.http import sync_client
from tlog import cosignature
from tongdao_cli.commands.witness import witness
from tongdao_cli.home import CannotStart
from tongdao_cli.postgres import free_port

PROGRAM = "import typer; from tongdao_cli.commands.witness import witness; typer.run(witness)"
TREE = Tree(9)


def started(home: Path, port: int, *more: str) -> tuple["subprocess.Popen[str]", list[str]]:
    """The command and what it said until it was ready."""
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, "--log", vkey(), "--home", str(home), "--port", str(port), *more],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    said: list[str] = []
    deadline = time.monotonic() + START_S
    while not said or "Ctrl-C" not in said[-1]:
        said.append(process.stdout.readline())
        assert said[-1], said
        assert time.monotonic() < deadline
    return process, said


@pytest.mark.requirement("WIT-11")
def test_one_command_makes_a_witness_that_goes_on_after_a_restart(tmp_path: Path) -> None:
    port, keys = free_port(), []
    for more, old, size in ((("--name", "rsj.example/witness"), 0, 5), ((), 5, 9)):
        process, said = started(tmp_path / "home", port, *more)
        [entry] = json.loads(next(line for line in said if "WITNESSES" in line).partition("'")[2].rstrip("'\n"))
        keys.append(entry["vkey"])
        with sync_client(entry["url"]) as client:
            answer = client.post("/add-checkpoint", content=TREE.body(old, size))
        assert cosignature.verify(TREE.note(size) + answer.text, entry["vkey"])
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=START_S)[0].endswith("stopped\n")
        assert process.returncode == 0
    assert keys[0] == keys[1]
    assert cosignature.parse_vkey(keys[0]).name == "rsj.example/witness"
    with pytest.raises(CannotStart, match="is called rsj"):
        witness([vkey()], name="other", home=tmp_path / "home", port=free_port())


def test_what_is_wrong_is_said_before_anything_starts(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="not the key of a log"):
        witness(["x"], home=tmp_path, port=free_port())
    (tmp_path / "file").touch()
    with pytest.raises(CannotStart, match="--home"):
        witness([vkey()], home=tmp_path / "file", port=free_port())
