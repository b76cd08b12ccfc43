"""`tongdao audit search` and `export`: what is asked, what is shown, what is written."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import typer
from typer.testing import CliRunner

from tongdao_cli.commands import audit_search

ROW = {
    "at": "2026-03-01T00:00:00Z", "department": "民政局", "system": "s-1", "provider": "公安局", "event": "",
    "interface": "i-1", "version": "v1", "case_no": "办件\x1b[2J", "kind": "outcome", "status": 404, "code": "x/y",
    "took_ms": 12, "call_id": "01931f2e-7c1a-7d4e-9b3a-5f0c2a1b4d6e", "mode": "verify", "verdict": "no_record",
}  # fmt: skip


class Asked:
    """A gateway that answers once."""

    def __init__(self, answer: httpx2.Response) -> None:
        self._answer = answer
        self.query: dict[str, list[str]] = {}

    def send(self, method: str, path: str) -> httpx2.Response:
        assert method == "GET"
        self.query = parse_qs(urlsplit(path).query)
        return self._answer


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[Any, Asked]]:
    app = typer.Typer()
    for command in audit_search.COMMANDS:
        app.command()(command)

    def run(answer: httpx2.Response, *arguments: str) -> tuple[Any, Asked]:
        asked = Asked(answer)

        @contextmanager
        def as_client(*_: object) -> Iterator[Asked]:
            yield asked

        monkeypatch.setattr(audit_search, "as_client", as_client)
        return CliRunner().invoke(app, arguments, env={"COLUMNS": "300"}), asked

    return run


@pytest.mark.requirement("SRC-24")
def test_a_search_is_asked_with_its_filters_and_shown_as_a_table(run: Callable[..., tuple[Any, Asked]]) -> None:
    answer = httpx2.Response(200, json={"records": [ROW], "next": "abc"})
    done, asked = run(answer, "search", "--case", "办件-1", "-w", "mode=verify", "--since", "2026-03-01")
    assert done.exit_code == 0, done.output
    assert asked.query == {"case": ["办件-1"], "mode": ["verify"], "since": ["2026-03-01"], "limit": ["20"]}
    assert "2026-03-01 08:00:00" in done.output
    assert "404 x/y verify no_record" in done.output
    assert "\x1b" not in done.output
    assert "--cursor abc" in done.output
    done, _ = run(httpx2.Response(200, json={"records": [ROW], "next": ""}), "search", "--json")
    assert json.loads(done.output)["records"] == [ROW]


def test_a_filter_that_there_is_not_is_said(run: Callable[..., tuple[Any, Asked]]) -> None:
    assert run(httpx2.Response(200), "search", "-w", "colour=red")[0].exit_code == 2
    assert run(httpx2.Response(200), "search", "-w", "subject=p1:0")[0].exit_code == 2
    assert run(httpx2.Response(200), "export", "-o", "x", "--format", "pdf")[0].exit_code == 2


@pytest.mark.requirement("SRC-27")
def test_an_export_is_written_or_nothing_is(run: Callable[..., tuple[Any, Asked]], tmp_path: Path) -> None:
    file = tmp_path / "rows.xlsx"
    refused = httpx2.Response(422, json={"code": "export/too-large"})
    assert run(refused, "export", "-o", str(file), "--format", "xlsx")[0].exit_code == 1
    assert not file.exists()
    answer = httpx2.Response(200, content=b"rows", headers={"Tongdao-Rows": "2"})
    done, asked = run(answer, "export", "-o", str(file), "--format", "xlsx", "--outcome", "refused")
    assert asked.query == {"format": ["xlsx"], "outcome": ["refused"]}
    assert (file.read_bytes(), file.stat().st_mode & 0o777) == (b"rows", 0o600)
    assert "2 rows" in done.output
