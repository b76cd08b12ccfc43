"""`tongdao doctor` as a whole: every step once, and what it says of what it was not told."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from harness.origin import HOST
from runtime.http import sync_client
from tongdao_cli.commands.doctor import doctor
from tongdao_cli.doctor.examine import Subject, examine
from tongdao_cli.doctor.model import STEPS
from tongdao_cli.home import CannotStart
from tongdao_cli.postgres import free_port

NOW = 1_795_000_000.0
pytestmark = pytest.mark.requirement("CLI2-02")


def test_every_step_is_told_of_once_even_where_nobody_is_there(tmp_path: Path) -> None:
    gateway = f"http://{HOST}:{free_port()}"
    subject = Subject(gateway=gateway, system="sys", key=tmp_path / "none", interface="a/v1")
    found = {one.step: one.state for one in examine(subject, lambda: sync_client(gateway), lambda: NOW, "en")}
    assert found.keys() == STEPS.keys()
    assert [step for step, state in found.items() if state == "wrong"] == ["tcp", "key"]


def told(*words: str) -> Result:
    """The command itself, in English."""
    command = typer.Typer()
    command.command()(doctor)
    return CliRunner().invoke(command, [*words], env={"LC_ALL": "C", "COLUMNS": "200", "TONGDAO_HOME": ""})


def test_the_command_says_what_it_was_not_told(tmp_path: Path) -> None:
    home = ["--system", "sys", "--home", str(tmp_path)]
    gateway = ["--gateway", f"http://{HOST}:{free_port()}"]
    for words, reason in (
        (home, "--gateway"),
        ([*home, *gateway], "--key"),
        ([*home, *gateway, "--key", "k", "--ca", str(tmp_path / "none.pem")], "--ca"),
    ):
        refused = told(*words).exception
        assert isinstance(refused, CannotStart)
        assert reason in str(refused)


def test_the_command_ends_with_one_where_something_is_wrong(tmp_path: Path) -> None:
    done = told("--system", "sys", "--gateway", f"http://{HOST}:{free_port()}/", "--key", str(tmp_path / "none"))
    assert done.exit_code == 1
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("wrong")] == ["tcp", "key"]
    assert done.stdout.count("→") == 2
