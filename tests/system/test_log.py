"""The log as an auditor, two departments, a keeper and a witness meet it: through the gateway and the command."""

import csv
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness.checks import PERSON
from harness.members import Authority, Member
from harness.platform import COMMAND, Platform, started
from harness.standalone import SCRIPT
from runtime.http import sync_client
from tongdao_cli.home import Home
from tongdao_cli.keys import Secrets
from tongdao_cli.postgres import free_port

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
CHECKED = {"Tongdao-Case": "YJ2026-900001"}


def until(wanted: Callable[[], Any], limit_s: float = 20) -> Any:
    """What is indexed, or cosigned, a moment later."""
    deadline = time.monotonic() + limit_s
    while not (found := wanted()):
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.1)
    return found


@pytest.fixture(scope="module")
def record(member: Member) -> str:
    """A call about a person."""
    answer = member.call("POST", "gaj-identity-verify/v1", CHECKED, json=PERSON)
    assert answer.status_code == 200, answer.text
    return answer.headers["tongdao-record"]


def said(platform: Platform, *arguments: str) -> str:
    done = platform.tongdao("audit", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def found(platform: Platform, *more: str) -> list[dict[str, Any]]:
    return list(json.loads(said(platform, "search", "--case", CHECKED["Tongdao-Case"], "--json", *more))["records"])


@pytest.mark.requirement("LOG-31")
def test_a_call_is_found_exported_and_packed(platform: Platform, record: str, tmp_path: Path) -> None:
    [row] = until(lambda: found(platform))
    assert (row["call_id"], row["department"], row["provider"], row["status"]) == (record, "sthjj", "gaj", 200)

    file = tmp_path / "export.csv"
    said(platform, "export", "--case", CHECKED["Tongdao-Case"], "-o", str(file))
    with file.open(encoding="utf-8-sig", newline="") as opened:
        lines = list(csv.reader(opened))
    assert len(lines) == 2
    assert record in lines[1]

    package = tmp_path / "evidence.zip"
    said(platform, "evidence", "--case", CHECKED["Tongdao-Case"], "-o", str(package))
    command = [sys.executable, str(SCRIPT), "--vkey", platform.vkey, str(package)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert record in done.stdout
    assert PERSON["id_card"].encode() not in package.read_bytes()

    events = json.loads(said(platform, "search", "-w", "event=record.searched", "--json"))["records"]
    assert events, "a search is a record itself"


@pytest.mark.requirement("LOG-31")
def test_departments_see_their_own(platform: Platform, authority: Authority, member: Member, record: str) -> None:
    until(lambda: found(platform))
    path = f"/api/audit/search?case={CHECKED['Tongdao-Case']}"
    stranger = authority.system("log-stranger", "jtj")
    provider = authority.system("log-provider", "gaj")
    assert [row["call_id"] for row in member.ask("GET", path).json()["records"]] == [record]
    assert [row["call_id"] for row in provider.ask("GET", path).json()["records"]] == [record]
    assert stranger.ask("GET", path).json()["records"] == []
    assert stranger.ask("GET", f"/api/audit/evidence?call={record}").status_code == 403
    pulled = provider.ask("GET", "/api/audit/usage?as=provider&limit=1000").json()
    assert record in [row["call_id"] for row in pulled["items"]]


@pytest.mark.requirement("LOG-31")
def test_who_asked_about_a_person(platform: Platform, record: str) -> None:
    until(lambda: found(platform))
    command = [*COMMAND, "audit", "subject", "--reason", "当事人查询", "--home", str(platform.home.root)]
    done = subprocess.run(command, input=PERSON["id_card"] + "\n", capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr
    assert record in done.stdout
    assert PERSON["id_card"] not in done.stdout
    events = json.loads(said(platform, "search", "-w", "event=subject.looked_up", "--json"))["records"]
    assert events


@pytest.mark.requirement("LOG-31")
def test_what_is_kept_and_watched(platform: Platform, record: str) -> None:
    until(lambda: found(platform))
    assert "general" in said(platform, "archive")
    said(platform, "keeper", "dsjj", "log-keeper-1")
    hold = json.loads(said(platform, "hold", "--reason", "监督检查", "--call", record, "--as", "log-keeper-1"))
    refused = platform.tongdao("audit", "release", hold["id"], "--reason", "结束", "--as", "log-keeper-1")
    assert refused.returncode == 1
    said(platform, "release", hold["id"], "--reason", "结束")
    today = time.strftime("%Y-%m-%d", time.gmtime())
    early = platform.tongdao("audit", "dispose", "general", today, "--reason", "空间不足")
    assert early.returncode == 1
    assert '"until"' in early.stdout + early.stderr
    assert "volume" in said(platform, "rules")
    said(platform, "alerts")
    said(platform, "monitor")


@contextmanager
def witness(home: Path, vkey: str) -> Iterator[str]:
    """`tongdao witness` as a department runs it; the setting that it tells to hand on."""
    command = [*COMMAND, "witness", "--log", vkey, "--name", "rsj.example/witness", "--home", str(home)]
    process = subprocess.Popen([*command, "--port", str(free_port())], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield next(line for line in process.stdout if "TONGDAO_AUDIT_WITNESSES" in line).partition("=")[2].strip(" '\n")
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.mark.requirement("LOG-32")
def test_a_department_witnesses_the_log(open_path: Path, tmp_path: Path) -> None:
    home = Home(open_path / "home")
    home.make()
    secrets = Secrets(home)
    secrets.make()
    with (
        witness(open_path / "witness", secrets.vkey()) as setting,
        started(home.root, TONGDAO_AUDIT_WITNESSES=setting) as platform,
    ):
        called = platform.tongdao("call", "mzj-admin-divisions", "--path", "/110101")
        record = called.stdout.partition("tongdao-record: ")[2].split()[0]
        note = until(lambda: _witnessed(platform))
        assert "rsj.example/witness" in note
        until(lambda: "rsj.example" in said(platform, "receipt", record))
        receipt = tmp_path / "receipt.json"
        said(platform, "receipt", record, "-o", str(receipt))
        outsider = json.loads(setting)[0]["vkey"]
        arguments = ("audit", "verify", "--vkey", platform.vkey, "--witness", outsider, str(receipt))
        verified = platform.tongdao_alone(*arguments)
        assert verified.returncode == 0, verified.stdout
        assert "witnessed by rsj.example/witness" in verified.stdout


def _witnessed(platform: Platform) -> str:
    with sync_client(platform.gateway) as client:
        answer = client.get("/api/audit/checkpoint/witnessed")
        return answer.text if answer.status_code == 200 else ""
