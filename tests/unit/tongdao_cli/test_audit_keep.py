"""What the commands of keeping ask the gateway."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from runtime.http import Response
from tongdao_cli.commands import audit_desk, audit_keep
from tongdao_cli.home import CannotStart, Home

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
                if (method, path) == ("GET", "/oauth2/clients/taken"):
                    return Response(200, json={"department": "gaj", "scope": "call"})
                if method == "GET" and path in ("/oauth2/clients/ana", "/api/catalog/departments/nobody"):
                    return Response(404)
                return Response(status, json={"id": "d-1"})

        @contextmanager
        def as_client(_home: object, name: str) -> Iterator[Gateway]:
            yield Gateway(name)

        app = typer.Typer()
        for matter in (audit_keep, audit_desk):
            monkeypatch.setattr(matter, "as_client", as_client)
            for command in matter.COMMANDS:
                app.command()(command)
        Home(tmp_path).make()
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
        (("reject", "d-1", *REASON),
         ("platform-operator", "POST", "/api/audit/disposals/d-1/reject", {"reason": "诉讼"})),
        (("disposals",), ("platform-operator", "GET", "/api/audit/disposals", None)),
        (("holds", "--as", "ana"), ("ana", "GET", "/api/audit/holds", None)),
        (("close", "a-1", "--finding", "misuse", "--note", "x"),
         ("platform-operator", "POST", "/api/audit/alerts/a-1/close", {"finding": "misuse", "note": "x"})),
        (("subscriptions", "--as", "ana", "--pause", "s-1"),
         ("ana", "POST", "/api/audit/subscriptions/s-1/pause", None)),
        (("dead-letters", "s-1", "--as", "ana", "--retry", "3"),
         ("ana", "POST", "/api/audit/subscriptions/s-1/dead-letters/3/retry", None)),
    ],
)  # fmt: skip
def test_each_command_asks_one_thing(run: Run, arguments: tuple[str, ...], asked: tuple[Any, ...]) -> None:
    done, told = run(*arguments)
    assert (done.exit_code, told) == (0, [asked]), done.output
    assert "d-1" in done.output


def test_a_keeper_is_a_client_that_may_do_nothing_else(run: Run) -> None:
    done, asked = run("keeper", "sjj", "ana")
    name, method, path, body = asked[-1]
    assert (done.output, name, method, path) == ("ana\n", "platform-operator", "PUT", "/oauth2/clients/ana")
    assert (body["department"], body["scope"]) == ("sjj", "audit:keep")
    assert run("keeper", "sjj", "ana", "--duty", "read")[1][-1][3]["scope"] == "audit:read"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [(("nobody", "ana"), "no department"), (("sjj", "taken"), "there already"), (("sjj", "a b"), "name")],
)
def test_no_keeper_takes_the_name_of_somebody_else(run: Run, arguments: tuple[str, ...], said: str) -> None:
    done, asked = run("keeper", *arguments)
    assert isinstance(done.exception, CannotStart)
    assert said in str(done.exception)
    assert not [one for one in asked if one[1] == "PUT"]


def test_a_refusal_ends_with_1(run: Run) -> None:
    done, _ = run("approve", "d-1", status=403)
    assert done.exit_code == 1
