"""`tongdao keys`: what leaves this machine, what is kept, and what happens when it is interrupted."""

import json
from pathlib import Path

import pytest
import typer
from joserfc.jwk import ECKey
from typer.testing import CliRunner, Result

from tongdao_cli.commands.keys import keys
from tongdao_cli.home import CannotStart, Home
from tongdao_cli.key_files import KeyFile, read
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


# --- away from the home ---------------------------------------------------------------------------------------------
KEY = ECKey.generate_key("P-256", {"kid": "ours-1", "use": "sig", "alg": "ES256"})


def in_form(form: str, *, private: bool) -> str:
    jwk = KEY.as_dict(private=private)
    texts = {"JWK": jwk, "set": {"keys": [jwk]}}
    return KEY.as_pem(private=private).decode() if form == "PEM" else json.dumps(texts[form])


@pytest.mark.requirement("IDK-06")
@pytest.mark.parametrize("form", ["JWK", "set", "PEM"])
@pytest.mark.parametrize("private", [False, True], ids=["public", "private"])
def test_a_key_is_read_in_every_form(form: str, private: bool, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(in_form(form, private=private))
    key = read(file)
    assert (key["x"], key["kid"]) == (KEY.as_dict()["x"], KEY.thumbprint() if form == "PEM" else "ours-1")
    assert ("d" in key) is private
    assert read(file, "named")["kid"] == "named"


@pytest.mark.parametrize(
    "content",
    [
        json.dumps({"keys": []}),
        json.dumps({"keys": [KEY.as_dict(private=False)] * 2}),
        json.dumps({"keys": [1]}),
        json.dumps({"keys": None}),
        ECKey.generate_key("P-384").as_pem(private=False).decode(),
        "-----BEGIN PUBLIC KEY-----",
    ],
    ids=["no key", "two keys", "a number", "nothing", "P-384", "half a PEM"],
)
def test_what_is_not_one_key_is_refused_with_what_is_wanted(content: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(content)
    with pytest.raises(CannotStart, match="a key of P-256 is wanted"):
        read(file)


@pytest.mark.requirement("IDK-10")
@pytest.mark.parametrize("form", ["JWK", "PEM"])
def test_a_key_in_a_file_is_followed_by_one_in_the_same_form(form: str, tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(in_form(form, private=True))
    ring = KeyFile(file, "told-1")
    assert ring.key_of("any")["kid"] == "told-1"
    following = ring.next_key("any")
    assert ring.next_key("any") == following
    ring.take_next("any")
    assert ring.key_of("any") == following
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().startswith("{") == (form == "JWK")


def test_a_public_key_signs_nothing(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(in_form("PEM", private=False))
    with pytest.raises(CannotStart, match="public key"):
        KeyFile(file).key_of("any")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ("--gateway http://share.example", "not encrypted"),
        ("--gateway share.example", "a scheme"),
        ("--gateway http://127.0.0.1:9 --ca /there/is/none.pem", "no certificates that can be read"),
        ("--gateway http://127.0.0.1:9 --key /there/is/none.pem", "cannot read"),
        ("--gateway http://127.0.0.1:9", "no key of zjj-housing"),
    ],
)
def test_no_home_is_needed_and_what_is_missing_is_named(words: str, reason: str, tmp_path: Path) -> None:
    refused = run(f"list zjj-housing {words}", tmp_path / "none").exception
    assert isinstance(refused, CannotStart)
    assert reason in str(refused)
