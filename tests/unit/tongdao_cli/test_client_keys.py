"""`tongdao keys`: what leaves this machine, what is kept, and what happens when it is interrupted."""

import json
from pathlib import Path

import pytest
import typer
from joserfc.jwk import ECKey
from typer.testing import CliRunner, Result

from tongdao_cli.commands.keys import keys
from tongdao_cli.home import CannotStart, Home
from tongdao_cli.keys import OPERATOR, Secrets


def run(command: str, home: Path) -> Result:
    return CliRunner().invoke(keys, command.split(), env={"COLUMNS": "200", "TONGDAO_HOME": str(home)})


def secrets_of(folder: Path) -> Secrets:
    home = Home(folder)
    home.make()
    secrets = Secrets(home)
    secrets.make()
    secrets.system("zjj-housing")
    return secrets


@pytest.mark.parametrize(
    "command",
    ["list zjj-housing", "remove zjj-housing k1", "rotate zjj-housing", "rotate-signing --reason a --at-once"],
)
def test_where_nothing_runs_it_says_so(command: str, tmp_path: Path) -> None:
    done = run(command, tmp_path)
    assert isinstance(done.exception, CannotStart)
    assert "tongdao up" in str(done.exception)


def test_a_reason_has_to_be_given(tmp_path: Path) -> None:
    assert sorted(typer.main.get_group(keys).commands) == ["add", "list", "remove", "rotate", "rotate-signing"]
    assert run("rotate-signing", tmp_path).exit_code == 2


@pytest.mark.parametrize("content", ["private", "", "[", None])
def test_a_private_key_does_not_leave_this_machine(content: str | None, tmp_path: Path) -> None:
    file = tmp_path / "key.json"
    if content is not None:
        private = ECKey.generate_key("P-256", {"kid": "k"}).as_dict(private=True)
        file.write_text(json.dumps(private) if content == "private" else content)
    done = run(f"add zjj-housing {file}", tmp_path)
    assert isinstance(done.exception, CannotStart)
    assert str(file) in str(done.exception)
    assert "tongdao up" not in str(done.exception)


@pytest.mark.requirement("IDK-10")
@pytest.mark.parametrize("client", ["zjj-housing", OPERATOR])
def test_the_next_key_is_the_same_until_it_is_taken(client: str, tmp_path: Path) -> None:
    secrets = secrets_of(tmp_path)
    old = secrets.key_of(client)
    following = secrets.next_key(client)
    assert following["kid"] != old["kid"]
    assert secrets.next_key(client) == following  # a command that was interrupted goes on with it
    assert secrets.key_of(client) == old
    secrets.take_next(client)
    assert secrets.key_of(client) == following
    assert secrets.file_of(client).stat().st_mode & 0o777 == 0o600
    assert secrets.next_key(client) != following


def test_who_has_no_key_here_gets_no_next_one(tmp_path: Path) -> None:
    with pytest.raises(CannotStart, match="no key of"):
        secrets_of(tmp_path).next_key("../operator")
