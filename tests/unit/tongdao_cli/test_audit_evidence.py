"""`tongdao audit evidence` and `subject`: what is asked, what is written, and that no number is an argument."""

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import typer
from typer.testing import CliRunner

from runtime.http import Response
from tongdao_cli.commands import audit_evidence

NUMBER = "99010019900307013X"
ZIP = {"content-type": "application/zip", "content-disposition": 'attachment; filename="../evidence-1.zip"'}
Sent = list[tuple[str, str, Any]]
Run = Callable[..., tuple[Any, Sent]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    app = typer.Typer()
    for command in audit_evidence.COMMANDS:
        app.command()(command)
    monkeypatch.setattr(audit_evidence, "POLL_S", 0)

    def run(answers: list[Response], *arguments: str, stdin: str = "") -> tuple[Any, Sent]:
        sent: Sent = []

        class Gateway:
            def send(self, method: str, path: str, body: Any = None) -> Response:
                sent.append((method, path, body))
                return answers[min(len(sent), len(answers)) - 1]

        @contextmanager
        def as_client(*_: object) -> Iterator[Gateway]:
            yield Gateway()

        monkeypatch.setattr(audit_evidence, "as_client", as_client)
        return CliRunner().invoke(app, arguments, input=stdin), sent

    return run


@pytest.mark.requirement("EVI-01")
def test_a_package_is_waited_for_and_written_for_its_owner_alone(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done, sent = run([Response(202), Response(200, content=b"PK", headers=ZIP)], "evidence", "--case", "办件 1&x")
    assert (done.exit_code, done.stdout) == (0, "evidence-1.zip\n"), done.output
    assert (tmp_path / "evidence-1.zip").read_bytes() == b"PK"
    assert stat.S_IMODE((tmp_path / "evidence-1.zip").stat().st_mode) == 0o600
    assert len(sent) == 2
    assert parse_qs(urlsplit(sent[0][1]).query) == {"case": ["办件 1&x"]}
    narrowed = ("evidence", "--grant", "x", "--department", "民政局", "-o", "mine.zip")
    done, sent = run([Response(200, content=b"PK2", headers=ZIP)], *narrowed)
    assert parse_qs(urlsplit(sent[0][1]).query) == {"grant": ["x"], "department": ["民政局"]}
    assert (tmp_path / "mine.zip").read_bytes() == b"PK2"


@pytest.mark.requirement("EVI-02")
def test_a_refusal_is_told_and_writes_nothing(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    done, _ = run([Response(403, json={"code": "request/not-yours"})], "evidence", "--grant", "g")
    assert (done.exit_code, "request/not-yours" in done.stderr) == (1, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.requirement("SUB-06")
def test_the_number_is_read_from_standard_input_and_nowhere_shown(run: Run) -> None:
    answer = Response(200, json={"subject": "p1:0", "items": [], "next": None})
    done, sent = run([answer], "subject", "--reason", "当事人申请", "--case", "SQ-1", stdin=NUMBER + "\n")
    assert done.exit_code == 0, done.output
    assert NUMBER not in done.output
    assert sent == [
        ("POST", "/api/audit/subjects/search", {"number": NUMBER, "reason": "当事人申请", "case": "SQ-1"})
    ]  # fmt: skip
    refused, _ = run([Response(422, json={"code": "request/invalid"})], "subject", "--reason", "x", stdin=NUMBER)
    assert (refused.exit_code, NUMBER in refused.output) == (1, False)
    assert run([answer], "subject", NUMBER, "--reason", "x")[0].exit_code == 2
