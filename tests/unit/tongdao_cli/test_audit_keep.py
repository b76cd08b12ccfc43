"""What the commands of keeping ask the gateway."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from runtime.http import Response
from tongdao_cli.commands import audit_keep
from tongdao_cli.home import Home

Asked = list[tuple[str, str, str, Any]]
Run = Callable[..., tuple[Any, Asked]]
REASON = ("--reason", "诉讼")


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    def run(*arguments: str, status: int = 200) -> tuple[Any, Asked]:
        asked: Asked = []

        class Gateway:
            def __init__(self, name: str) -> None:
                self._name = name

            def send(self, method: str, path: str, body: Any = None) -> Response:
                asked.append((self._name, method, path, body))
                return Response(status, json={"id": "d-1"})

        @contextmanager
        def as_client(_home: object, name: str) -> Iterator[Gateway]:
            yield Gateway(name)

        monkeypatch.setattr(audit_keep, "as_client", as_client)
        monkeypatch.setattr(audit_keep, "check_running", Home.make)
        app = typer.Typer()
        for command in audit_keep.COMMANDS:
            app.command()(command)
        return CliRunner().invoke(app, [*arguments, "--home", str(tmp_path)]), asked

    return run


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (("archive",), ("platform-operator", "GET", "/api/audit/archive", None)),
        (("archive", "--restore", "20260101-general"),
         ("platform-operator", "POST", "/api/audit/archive/20260101-general/restore", None)),
        (("hold", "--party", "民政局", "--for-case", "案-1", *REASON),
         ("platform-operator", "POST", "/api/audit/holds", {"party": "民政局", "for_case": "案-1", "reason": "诉讼"})),
        (("release", "h-1", "--as", "bo", *REASON), ("bo", "POST", "/api/audit/holds/h-1/release", {"reason": "诉讼"})),
        (("dispose", "general", "2026-03-01", "--as", "ana", *REASON),
         ("ana", "POST", "/api/audit/disposals",
          {"retention": "general", "before": "2026-03-01", "reason": "诉讼", "case": ""})),
        (("approve", "d-1", "--as", "bo"), ("bo", "POST", "/api/audit/disposals/d-1/approve", None)),
    ],
)  # fmt: skip
def test_each_command_asks_one_thing(run: Run, arguments: tuple[str, ...], asked: tuple[Any, ...]) -> None:
    done, told = run(*arguments)
    assert (done.exit_code, told) == (0, [asked]), done.output
    assert "d-1" in done.output


def test_a_keeper_is_a_client_that_may_do_nothing_else(run: Run) -> None:
    done, [(name, method, path, body)] = run("keeper", "sjj", "ana")
    assert (done.output, name, method, path) == ("ana\n", "platform-operator", "PUT", "/oauth2/clients/ana")
    assert (body["department"], body["scope"]) == ("sjj", "audit:keep")


def test_a_refusal_ends_with_1(run: Run) -> None:
    done, _ = run("approve", "d-1", status=403)
    assert done.exit_code == 1
