"""`tongdao audit usage`, `subscribe`, `alerts` and `rules`: what is asked, and what is printed."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
import typer
from typer.testing import CliRunner

from tongdao_cli.commands import audit_feeds

Run = Callable[..., tuple[Any, list[tuple[str, str, Any]]]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run a command against a gateway that gives these answers, one after the other; what it was asked."""
    app = typer.Typer()
    for command in audit_feeds.COMMANDS:
        app.command()(command)

    def run(answers: list[httpx2.Response], *arguments: str) -> tuple[Any, list[tuple[str, str, Any]]]:
        asked: list[tuple[str, str, Any]] = []

        class Gateway:
            def send(self, method: str, path: str, body: Any = None) -> httpx2.Response:
                asked.append((method, path, body))
                return answers[len(asked) - 1]

        @contextmanager
        def as_client(*_: object) -> Iterator[Gateway]:
            yield Gateway()

        monkeypatch.setattr(audit_feeds, "as_client", as_client)
        return CliRunner().invoke(app, arguments), asked

    return run


@pytest.mark.requirement("FED-01")
def test_usage_is_pulled_page_by_page_as_lines(run: Run) -> None:
    pages = [{"items": [{"index": 1}, {"index": 2}], "next": "u3", "more": True},
             {"items": [{"index": 5, "case_no": "办件"}], "next": "u6", "more": False}]  # fmt: skip
    done, asked = run([httpx2.Response(200, json=page) for page in pages], "usage", "--as", "mzj", "--after", "u1")
    assert done.exit_code == 0, done.output
    assert [json.loads(line)["index"] for line in done.stdout.splitlines()] == [1, 2, 5]
    assert "办件" in done.stdout
    assert done.stderr.strip() == "--after u6"
    assert [path for _, path, _ in asked] == [
        f"/api/audit/usage?after={after}&as=both&interface=&limit=1000" for after in ("u1", "u3")
    ]


def test_a_refusal_ends_it_and_is_shown(run: Run) -> None:
    done, _ = run([httpx2.Response(403, json={"code": "request/not-yours"})], "usage", "--as", "mzj")
    assert done.exit_code == 1
    assert "request/not-yours" in done.stderr
    assert done.stdout == ""
    for command in (["usage"], ["subscribe", "http://x/", "--network", "10.0.0.0/8"]):
        done, asked = run([], *command, "--as", "mzj", "--side", "all")
        assert (done.exit_code, asked) == (2, [])


def test_a_subscription_is_stated_and_its_key_printed(run: Run) -> None:
    made = httpx2.Response(201, json={"id": "1", "signing_key": "ab"})
    done, [(method, path, body)] = run([made], "subscribe", "http://oa/", "--network", "10.1.0.0/16", "--as",
                                       "mzj-officer", "--digest", "--side", "provider", "--from-beginning")  # fmt: skip
    assert json.loads(done.stdout)["signing_key"] == "ab"
    assert (method, path) == ("POST", "/api/audit/subscriptions")
    assert body == {"url": "http://oa/", "networks": ["10.1.0.0/16"], "as": "provider", "interface": "", "digest": True,
                    "from": "beginning"}  # fmt: skip


def test_the_help_says_who_may_subscribe(run: Run) -> None:
    done, _ = run([], "subscribe", "--help")
    assert "tongdao office mzj officer" in " ".join(done.output.split())


@pytest.mark.parametrize(
    ("arguments", "path"),
    [
        (["alerts"], "/api/audit/alerts?"),
        (["alerts", "--state", "open", "--rule", "night-use"], "/api/audit/alerts?state=open&rule=night-use"),
        (["alerts", "0193"], "/api/audit/alerts/0193"),
        (["rules"], "/api/audit/alerts/rules"),
    ],
)
def test_alerts_and_rules_are_asked_for(run: Run, arguments: list[str], path: str) -> None:
    done, asked = run([httpx2.Response(200, json={"items": []})], *arguments)
    assert done.exit_code == 0, done.output
    assert asked == [("GET", path, None)]
