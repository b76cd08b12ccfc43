"""`tongdao audit fsck` and `monitor`: what the program is told, and what people are shown."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import typer
from typer.testing import CliRunner

from tongdao_cli import database
from tongdao_cli.commands import audit_fsck

TOLD: dict[str, Any] = {
    "leaves": 12,
    "newest": {"at": "2026-11-22T12:00:00Z", "first": 0, "end": 12, "took_s": 0.1, "leaves_per_s": 120},
    "whole": {"began_at": None, "position": 0, "checked_at": "2026-11-22T12:00:00Z", "checked_leaves": 12},
    "findings": [], "standing_findings": 0, "past_findings": 1,
    "gaps": [{"gateway": "gateway-1", "epoch": 3, "first": 8, "last": 10, "seen_at": "2026-11-22T12:00:00Z"}],
    "lags": {"waiting_batches": 1, "waiting_records": 4, "waiting_s": 0.5, "unpublished_leaves": 0,
             "unpublished_s": 0.0, "unsearchable_leaves": 2, "unsearchable_s": 1.0,
             "unwitnessed_leaves": 12, "unwitnessed_since": None},
}  # fmt: skip
SEEN = {"first_seen_at": "2026-11-22T12:00:00Z", "last_seen_at": "2026-11-22T12:00:00Z"}
FOUND = {"what": "leaf 5", "why": "is missing", **SEEN}


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    app = typer.Typer()
    for command in audit_fsck.COMMANDS:
        app.command()(command)

    def run(answer: httpx2.Response, *arguments: str) -> Any:
        class Asked:
            def send(self, method: str, path: str) -> httpx2.Response:
                assert (method, path) == ("GET", "/api/audit/monitor")
                return answer

        @contextmanager
        def as_client(*_: object) -> Iterator[Asked]:
            yield Asked()

        monkeypatch.setattr(audit_fsck, "as_client", as_client)
        return CliRunner().invoke(app, arguments)

    return run


@pytest.mark.requirement("CHK-10")
def test_how_the_log_stands_is_shown_and_a_finding_makes_it_fail(run: Callable[..., Any]) -> None:
    done = run(httpx2.Response(200, json=TOLD), "monitor")
    assert done.exit_code == 0
    assert "newest checked        0 to 12 at 2026-11-22T12:00:00Z, 120 a second" in done.output
    assert "findings              0, and 1 that have passed" in done.output
    assert "missing numbers       gateway-1/3: 8 to 10" in done.output
    done = run(httpx2.Response(200, json={**TOLD, "findings": [FOUND], "standing_findings": 1}), "monitor")
    assert done.exit_code == 1
    assert "leaf 5: is missing" in done.output
    assert run(httpx2.Response(403, text="no"), "monitor").exit_code == 1


@pytest.mark.requirement("CHK-04")
def test_the_program_gets_the_keys_the_archive_of_the_home_and_how_much(
    run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    started: list[list[str]] = []

    def start(command: list[str], **_: object) -> subprocess.CompletedProcess[bytes]:
        started.append(command[3:])
        return subprocess.CompletedProcess(command, 1)

    @contextmanager
    def opened(*_: object) -> Iterator[str]:
        yield "postgresql://x@127.0.0.1/x"

    monkeypatch.setattr(subprocess, "run", start)
    monkeypatch.setattr(database, "opened", opened)
    (tmp_path / "archive").mkdir()
    done = run(
        httpx2.Response(200), "fsck", "--home", str(tmp_path), "--database-url", "postgresql://x@127.0.0.1/x",
        "--vkey", "a", "--vkey", "b", "--witness", "w", "--newest", "100",
    )  # fmt: skip
    assert done.exit_code == 1
    archive = (tmp_path / "archive").as_uri()
    assert started == [["--vkey", "a", "--vkey", "b", "--witness", "w", "--archive", archive, "--newest", "100"]]
