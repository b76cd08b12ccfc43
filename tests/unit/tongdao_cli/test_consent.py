"""`tongdao consent`: what it asks for, and how; the number of a person never stands on the command line."""

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from tongdao_cli.commands.consent import consent
from tongdao_cli.home import CannotStart

GIVE = "give rsj-insurance --system zjj-housing --purpose 公租房 --field pension --as window"


def run(command: str, home: Path, said: str = "330102199003071234\n") -> Result:
    env = {"COLUMNS": "200", "TONGDAO_HOME": str(home)}
    return CliRunner().invoke(consent, command.split(), input=said, env=env)


@pytest.mark.requirement("CON-02")
def test_no_command_takes_a_number_of_a_person() -> None:
    commands = typer.main.get_group(consent).commands
    assert sorted(commands) == ["give", "revoke", "show"]
    names = {option for command in commands.values() for one in command.params for option in one.opts}
    assert not {"--subject", "--person", "--id"} & names


@pytest.mark.parametrize(
    "command", [GIVE, "show", "show 01a --as window", "revoke 01a --as window", "revoke 01a --elsewhere --as window"]
)
def test_where_nothing_runs_it_says_so(command: str, tmp_path: Path) -> None:
    done = run(command if "--as" in command else f"{command} --as window", tmp_path)
    assert isinstance(done.exception, CannotStart)
    assert "tongdao up" in str(done.exception)
    assert "3301" not in done.output


@pytest.mark.parametrize(
    "command", [f"{GIVE} --minutes 0", f"{GIVE} --minutes 1441", GIVE.replace(" --field pension", ""), "revoke 01a"]
)
def test_what_cannot_be_asked_is_not_asked(command: str, tmp_path: Path) -> None:
    assert run(command, tmp_path).exit_code == 2
