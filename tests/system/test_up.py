"""`tongdao up` from the outside: one start, a call as a department makes it, kills, a second start."""

import json
import os
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import pytest

from harness.platform import COMMAND, Platform, processes_of, started
from runtime.http import HTTPError
from tlog import receipt as receipts
from tongdao_cli.governed import Question, outcome_of
from tongdao_cli.home import CannotStart
from tongdao_cli.postgres import free_port

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("platform")]
VEHICLE = Question(
    interface="gaj-vehicle-info/v1", query=[("plate_no", "云A12345"), ("plate_type", "02")], case="YJ2026-000007"
)
PROGRAMS = {
    "postgres", "sample-providers", "audit-service", "identity", "catalog-service", "exchange-service", "gateway",
}  # fmt: skip


@pytest.mark.requirement("CLI-10")
def test_every_program_is_a_process_of_its_own(platform: Platform) -> None:
    pids = platform.pids()
    assert pids.keys() == PROGRAMS
    assert len(set(pids.values())) == len(PROGRAMS)
    for pid in pids.values():
        assert os.getsid(pid) == pid  # so that a terminal's Ctrl-C does not reach it


@pytest.mark.requirement("CLI-10")
def test_the_start_shows_a_call_with_its_verified_receipt(platform: Platform) -> None:
    said = platform.said()
    assert "200 OK" in said
    assert "receipt: verified" in said
    assert platform.gateway in said
    assert platform.facts["ready_s"] > 0


@pytest.mark.requirement("CLI-11")
@pytest.mark.requirement("CD-19-20", "JDZ-16-2", "JDZ-16-3")
def test_a_call_from_the_command_line_keeps_a_receipt_that_verifies_offline(platform: Platform, tmp_path: Path) -> None:
    kept = tmp_path / "receipt.json"
    done = platform.tongdao(
        "call", "gaj-vehicle-info", "--query", "plate_no=云A12345", "--query", "plate_type=02",
        "--case", "YJ2026-000002", "--receipt", str(kept),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("200 OK\n")
    record = json.loads(kept.read_text())["call"]
    assert f"tongdao-record: {record}" in done.stdout
    key = platform.tongdao("audit", "key").stdout.strip()
    assert key == platform.vkey
    verify = [*COMMAND, "audit", "verify", "--vkey", key, str(kept)]
    verified = subprocess.run(verify, capture_output=True, text=True)
    assert (verified.returncode, verified.stderr) == (0, "")
    assert ": verified: 2 records system=sthjj-emission interface=gaj-vehicle-info status=200" in verified.stdout

    forged = json.loads(kept.read_text())
    forged["records"][1]["leaf"] = forged["records"][0]["leaf"]
    kept.write_text(json.dumps(forged))
    refused = subprocess.run(verify, capture_output=True, text=True)
    assert refused.returncode == 1
    assert "NOT verified" in refused.stdout


@pytest.mark.requirement("CLI-11")
def test_a_refusal_is_shown_with_its_code_and_fails_the_command(platform: Platform) -> None:
    done = platform.tongdao("call", "gaj-vehicle-info", "--query", "plate_no=1", "--query", "plate_type=02")
    assert done.returncode == 1
    assert "case/missing" in done.stdout
    assert "tongdao-fault: consumer" in done.stdout


def test_a_receipt_can_be_fetched_later(platform: Platform) -> None:
    with platform.consumer("sthjj-emission") as consumer:
        record = consumer.ask(VEHICLE).record
        consumer.receipt(record)
    done = platform.tongdao("audit", "receipt", record)
    leaves = receipts.verify(receipts.parse(done.stdout.encode()), platform.vkey)
    assert outcome_of(leaves)["fields_masked"] == 1


def test_a_token_can_be_had_for_other_tools(platform: Platform) -> None:
    token = platform.tongdao("token", "--system", "xzspj-one-thing").stdout.strip()
    with platform.client() as client:
        answer = client.get("/x/mzj-admin-divisions/v1/110101", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    assert answer.json()["name"] == "东城区"


@pytest.mark.requirement("CLI-03")
def test_a_second_start_on_the_same_home_is_refused_in_one_line(platform: Platform) -> None:
    done = platform.tongdao("up")
    assert done.returncode == 2
    assert (
        done.stderr == f"tongdao: {platform.home.root} is in use by another tongdao; stop it or choose another --home\n"
    )


@pytest.mark.requirement("CLI-01")
def test_a_start_on_a_taken_port_is_refused_before_anything_is_started(platform: Platform, tmp_path: Path) -> None:
    other = tmp_path / "other"
    command = [*COMMAND, "up", "--home", str(other), "--port", str(platform.port)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == (
        f"tongdao: port {platform.port} is taken by another program; stop it or choose another with --port\n"
    )
    assert not (other / "postgres").exists()
    assert not list((other / "logs").iterdir())


@pytest.mark.requirement("CLI-07")
@pytest.mark.parametrize("program", ["gateway", "exchange-service", "catalog-service", "identity", "audit-service"])
def test_a_killed_service_comes_back_and_calls_work_again(platform: Platform, program: str) -> None:
    old = platform.pids()[program]
    os.kill(old, signal.SIGKILL)
    platform.wait_for_restart(program, old)
    assert status_in_the_end(platform) == 200


@pytest.mark.requirement("CLI-07")
def test_a_killed_database_comes_back_with_everything_in_it(platform: Platform) -> None:
    with platform.consumer("sthjj-emission") as consumer:
        record = consumer.ask(VEHICLE).record
        old = platform.pids()["postgres"]
        os.kill(old, signal.SIGKILL)
        platform.wait_for_restart("postgres", old)
        assert status_in_the_end(platform) == 200
        assert consumer.receipt(record, patience_s=30)["call"] == record


def status_in_the_end(platform: Platform) -> int:
    """Status of a call once the services have found each other again; 0 if not even a token was to be had."""
    deadline = time.monotonic() + 30
    status = 0
    while status != 200 and time.monotonic() < deadline:
        with platform.consumer("sthjj-emission") as consumer, suppress(HTTPError, CannotStart):
            status = consumer.ask(VEHICLE).response.status_code
        time.sleep(0.2)
    return status


@pytest.mark.requirement("CLI-12")
def test_a_second_start_keeps_what_was_there(open_path: Path) -> None:
    home = open_path / "home"
    with started(home) as first:
        with first.consumer("sthjj-emission") as consumer:
            record = consumer.ask(VEHICLE).record
            consumer.receipt(record)
        before = first.facts
    with started(home) as second:
        assert "demo city is there" in second.said()
        assert second.vkey == before["vkey"]
        assert {name: service["url"] for name, service in second.facts["services"].items() if name != "gateway"} == {
            name: service["url"] for name, service in before["services"].items() if name != "gateway"
        }
        with second.consumer("sthjj-emission") as consumer:
            assert outcome_of(receipts.verify(consumer.receipt(record), before["vkey"]))["status"] == 200
            assert consumer.ask(VEHICLE).response.status_code == 200


@pytest.mark.requirement("CLI-08")
def test_a_broken_setting_is_told_in_one_line_that_names_it(open_path: Path) -> None:
    command = [*COMMAND, "up", "--home", str(open_path / "home"), "--port", str(free_port())]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "TONGDAO_GATEWAY_MAX_STALENESS_S": "soon"}
    )
    assert done.returncode == 1
    assert done.stderr.startswith("tongdao: setting TONGDAO_GATEWAY_MAX_STALENESS_S: ")
    assert done.stderr.count("\n") == 1
    assert not processes_of(open_path / "home")
