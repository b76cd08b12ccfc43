"""`tongdao provider`: what it sends, and that no secret has to stand on the command line."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
from typer.testing import CliRunner, Result

from exchange_service.credentials.model import Credential
from runtime.http import Response
from tongdao_cli.commands import provider, provider_stages
from tongdao_cli.commands.provider import KINDS, SECRETS
from tongdao_cli.home import CannotStart

CANARY = "kanarienvogel-7f3a"
REPORT = {
    "call": "1", "interface": "ins/v1", "ok": True, "status": 200, "content_type": "application/json", "bytes": 10,
    "steps": [{"step": "contract", "ok": True, "ms": 3, "code": "", "detail": ""}],
    "fields": [
        {"name": "name", "mask": "name_first", "found": 1, "types": ["string"], "lengths": [2, 2], "value": "李*"},
        {"name": "id_card", "mask": "", "found": 1, "types": ["string"], "lengths": [18, 18], "value": None},
    ],
    "drift": [{"path": "more", "kind": "new"}],
}  # fmt: skip


class Sent:
    """What went to the platform, and what it answers."""

    def __init__(self) -> None:
        self.said: tuple[str, str, Any] = ("", "", None)
        self.answer = Response(200, json=REPORT)

    def send(self, method: str, path: str, body: Any = None) -> Response:
        self.said = (method, path, body)
        return self.answer


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """The gateway's place is taken: what is sent there is what these tests are about."""
    one = Sent()

    @contextmanager
    def as_client(_home: object, name: str) -> Iterator[Sent]:
        assert name == "rsj-officer"
        yield one

    for module in (provider, provider_stages):
        monkeypatch.setattr(module, "as_client", as_client)
    return one


def run(command: str, said: str = "") -> Result:
    return CliRunner().invoke(provider.provider, command.split(), input=said, env={"COLUMNS": "200"})


def test_a_credential_is_put_with_its_secret_from_standard_input(sent: Sent) -> None:
    command = "credential put rsj/core --kind basic --set user=tongdao --from password=- --as rsj-officer"
    assert run(command, f"{CANARY}\n").exit_code == 0
    body = {"kind": "basic", "user": "tongdao", "password": CANARY}
    assert sent.said == ("PUT", "/api/exchange/credentials/rsj/core", body)


def test_a_certificate_is_put_from_files(sent: Sent, tmp_path: Path) -> None:
    for member in ("certificate", "key"):
        (tmp_path / member).write_text(f"-- {member}\n{CANARY}\n")
    files = " ".join(f"--from {member}={tmp_path / member}" for member in ("certificate", "key"))
    assert run(f"credential put rsj/core --kind mtls {files} --as rsj-officer").exit_code == 0
    assert sent.said[2] == {
        "kind": "mtls", "certificate": f"-- certificate\n{CANARY}", "key": f"-- key\n{CANARY}",
    }  # fmt: skip


@pytest.mark.requirement("CRD-06")
@pytest.mark.parametrize("member", SECRETS)
def test_a_secret_on_the_command_line_is_refused(sent: Sent, member: str) -> None:
    done = run(f"credential put rsj/core --kind basic --set {member}={CANARY} --as rsj-officer")
    assert done.exit_code == 2
    assert sent.said[0] == ""
    assert CANARY not in done.output


@pytest.mark.parametrize(
    "command",
    [
        pytest.param("credential put rsj --kind basic", id="one-word"),
        pytest.param("credential put rsj/a?b --kind basic", id="odd-name"),
        pytest.param("credential put rsj/core --kind other", id="kind"),
        pytest.param("credential put rsj/core --kind basic --set user", id="no-value"),
        pytest.param("credential put rsj/core --kind basic --from key=/no/such/file", id="no-file"),
        pytest.param("test rsj-insurance", id="no-version"),
        pytest.param("test rsj-insurance/v1 --data /no/such/file", id="no-body"),
    ],
)
def test_what_cannot_be_sent_is_not_sent(sent: Sent, command: str) -> None:
    assert run(f"{command} --as rsj-officer").exit_code == 2
    assert sent.said[0] == ""


def test_credentials_are_listed_and_deleted(sent: Sent) -> None:
    assert run("credential list rsj --as rsj-officer").exit_code == 0
    assert sent.said == ("GET", "/api/exchange/credentials?department=rsj", None)
    sent.answer = Response(204)
    assert run("credential delete rsj/core --as rsj-officer").exit_code == 0
    assert sent.said == ("DELETE", "/api/exchange/credentials/rsj/core", None)


def test_a_trial_tells_steps_and_fields(sent: Sent, tmp_path: Path) -> None:
    (tmp_path / "body").write_text('{"a": 1}')
    command = f"test ins/v1 --path /{{id}} --value id=- --query y=1 --data {tmp_path / 'body'} --as rsj-officer"
    done = run(command, "330102199003071234\n")
    assert done.exit_code == 0
    body = {
        "method": "GET",
        "path": "/{id}",
        "values": {"id": "330102199003071234"},
        "query": "y=1",
        "request": {"a": 1},
    }
    assert sent.said == ("POST", "/api/exchange/interfaces/ins/v1/test", body)
    for told in ("contract", "李*", "18", "more (new)"):
        assert told in done.output
    assert json.loads(run("test ins/v1 --json --as rsj-officer").output) == REPORT


def test_a_trial_that_fails_ends_with_1(sent: Sent) -> None:
    step = {"step": "address", "ok": False, "ms": 1, "code": "provider/forbidden-address", "detail": "outside"}
    sent.answer = Response(200, json={**REPORT, "ok": False, "steps": [step], "fields": [], "drift": []})
    done = run("test ins/v1 --as rsj-officer")
    assert done.exit_code == 1
    assert "provider/forbidden-address" in done.output


def test_where_nothing_runs_it_says_so(tmp_path: Path) -> None:
    done = run(f"credential list --home {tmp_path} --as rsj-officer")
    assert isinstance(done.exception, CannotStart)


def test_every_kind_can_be_put(sent: Sent) -> None:
    for kind in KINDS:
        assert run(f"credential put rsj/core --kind {kind} --as rsj-officer").exit_code == 0
        assert sent.said[2] == {"kind": kind}


# --- what a provider sends is neither markup nor steers the terminal -------------------------------------------------
ODD = "[/b][oracle][red]\x1b[31m\x9b2J"


def test_what_a_provider_says_is_shown_as_it_is(sent: Sent) -> None:
    step = {"step": "answer", "ok": False, "ms": 1, "code": ODD, "detail": f"status {ODD}"}
    field = {"name": ODD, "mask": ODD, "found": 1, "types": [ODD], "lengths": [1, 2], "value": ODD}
    drift = {"path": ODD, "kind": "new"}
    sent.answer = Response(200, json={**REPORT, "ok": False, "steps": [step], "fields": [field], "drift": [drift]})
    done = run("test ins/v1 --as rsj-officer")
    assert isinstance(done.exception, SystemExit), done.exception
    assert done.output.count("[/b][oracle][red]") == 7
    assert not {"\x1b", "\x9b"} & set(done.output)


@pytest.mark.parametrize(
    ("content", "member"),
    [
        pytest.param(b'{"a": 1}', {"request": {"a": 1}}, id="json"),
        pytest.param(b"name=li\n", {"request": "name=li\n"}, id="form"),
        pytest.param(b"\xff\xfe\x00", {"request_base64": "//4A"}, id="bytes"),
    ],
)
def test_a_body_goes_along_whatever_it_is(sent: Sent, tmp_path: Path, content: bytes, member: Any) -> None:
    (tmp_path / "body").write_bytes(content)
    assert run(f"test ins/v1 --data {tmp_path / 'body'} --as rsj-officer").exit_code == 0
    assert sent.said[2] == {"method": "GET", "path": "", "values": {}, "query": "", **member}


def test_the_kinds_are_those_of_the_exchange_and_help_names_their_members(sent: Sent) -> None:
    tags = {str(one.__struct_config__.tag): one.__struct_fields__ for one in get_args(Credential)}
    assert tags.keys() == KINDS.keys()
    helped = " ".join(run("credential put --help").output.split())
    for kind, members in tags.items():
        assert all(member in KINDS[kind] for member in members)
        assert kind in helped
    assert "client_secret" in helped


# --- stages and maintenance -------------------------------------------------------------------------------------------
V1 = "/api/catalog/interfaces/ins/versions/v1"


def test_an_interface_goes_a_step_further(sent: Sent, tmp_path: Path) -> None:
    (tmp_path / "sample").write_text('{"name": "x"}')
    sent.answer = Response(200, json={"stage": "tested"})
    done = run(f"step ins/v1 test --sample {tmp_path / 'sample'} --as rsj-officer")
    assert (done.exit_code, done.output) == (0, "ins/v1: tested\n")
    assert sent.said == ("POST", f"{V1}/steps/test", {"sample": {"name": "x"}})
    assert run("step ins/v1 open --as rsj-officer").exit_code == 0
    assert sent.said == ("POST", f"{V1}/steps/open", {})


def test_maintenance_is_announced_in_the_time_of_china_and_called_off(sent: Sent) -> None:
    times = "--begins 2026-12-01T22:00 --until 2026-12-01T16:00:00Z"
    assert run(f"maintenance ins/v1 {times} --reason upgrade --as rsj-officer").exit_code == 0
    window = {"begins": 1796133600, "until": 1796140800, "reason": "upgrade"}
    assert sent.said == ("PUT", f"{V1}/maintenance", {"windows": [window]})
    assert run("maintenance ins/v1 --as rsj-officer").exit_code == 0
    assert sent.said[2] == {"windows": []}


@pytest.mark.parametrize(
    "command", ["step ins test", "step ins/v1 test --sample /no/such", "maintenance ins/v1 --begins 2026-12-01T22:00"]
)
def test_a_step_that_cannot_be_sent_is_not_sent(sent: Sent, command: str) -> None:
    assert run(f"{command} --as rsj-officer").exit_code == 2
    assert sent.said[0] == ""
