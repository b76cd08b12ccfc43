"""`tongdao audit verify` and `compare`: what they print and how they end."""

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from harness.packages import DAMAGES, FIRST, good_files, package_of
from harness.receipts import (
    ORIGIN,
    WITNESS,
    SmallLog,
    base64_of,
    cosignature_line,
    file_of,
    key,
    leaf_of,
    signature_line,
    vkey,
    witness_vkey,
)
from tongdao_cli.commands.audit_verify import COMMANDS

app = typer.Typer()
for command in COMMANDS:
    app.command()(command)
LOG = SmallLog()
TEXT = LOG.text()
FORGED = SmallLog(replaced={9: leaf_of("01931f2e-7c1a-7d4e-9b3a-5f0c2a1b4d6e", "denied", 9)})


def told(*arguments: object) -> tuple[int, list[str]]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments], env={"COLUMNS": "200"})
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output.splitlines()


def file(folder: Path, name: str, content: bytes | str) -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.requirement("TLG-05")
def test_each_file_gets_its_line(tmp_path: Path) -> None:
    good = file(tmp_path, "good.json", file_of(LOG.receipt()))
    bad = file(tmp_path, "bad.json", file_of({**LOG.receipt(), "v": 2}))
    packed = file(tmp_path, "good.zip", package_of(good_files()))
    assert told("verify", "--vkey", vkey(), good, bad, packed, tmp_path / "absent.json") == (1, [
        f"{good}: verified: 2 records",
        f"{bad}: NOT verified: the receipt's version is not 1",
        f"{packed}: verified: 2 receipts, 4 records; not proven: README.txt application.json",
        f"{tmp_path}/absent.json: cannot be read: No such file or directory",
    ])  # fmt: skip
    assert told("verify", "--vkey", vkey(), good, packed)[0] == 0


@pytest.mark.requirement("TLG-05")
def test_the_facts_of_a_call_are_told(tmp_path: Path) -> None:
    leaf = json.dumps({"call": "01931f2e-7c1a-7d4e-9b3a-5f0c2a1b4d6e", "phase": "outcome", "system": "mz-1",
                       "interface": "hj", "status": 200, "code": ""}).encode()  # fmt: skip
    good = file(tmp_path, "good.json", file_of(SmallLog(replaced={9: leaf}).receipt()))
    assert told("verify", "--vkey", vkey(), good) == (
        0, [f"{good}: verified: 2 records system=mz-1 interface=hj status=200"]
    )  # fmt: skip


@pytest.mark.requirement("TLG-05", "YN-29-3")
def test_how_a_call_was_asked_is_told_where_it_is_not_the_usual_way(tmp_path: Path) -> None:
    call = "01931f2e-7c1a-7d4e-9b3a-5f0c2a1b4d6e"
    usual = {"call": call, "phase": "outcome", "mode": "query", "verdict": "", "consent": "", "status": 200}
    odd = {**usual, "mode": "verify", "verdict": "no\x1b", "consent": call}
    files = [
        file(tmp_path, f"{n}.json", file_of(SmallLog(replaced={9: json.dumps(leaf).encode()}).receipt()))
        for n, leaf in enumerate((usual, odd))
    ]
    for one, facts in zip(files, ("", f" mode=verify verdict=no\ufffd consent={call}"), strict=True):
        assert told("verify", "--vkey", vkey(), one) == (0, [f"{one}: verified: 2 records status=200{facts}"])


@pytest.mark.requirement("TLG-05")
def test_a_damaged_package_says_where(tmp_path: Path) -> None:
    files = good_files()
    DAMAGES["a receipt changed"](files)
    bad = file(tmp_path, "bad.zip", package_of(files))
    assert told("verify", "--vkey", vkey(), bad) == (
        1, [f"{bad}: NOT verified: the inclusion proof leads to another root (in {FIRST})"]
    )  # fmt: skip


@pytest.mark.requirement("TLG-02", "TLG-03")
def test_several_keys_and_witnesses(tmp_path: Path) -> None:
    note = LOG.note(signature_line(TEXT, ORIGIN, key(2)), cosignature_line(TEXT))
    receipt = file(tmp_path, "r.json", file_of({**LOG.receipt(), "checkpoint": note}))
    keys = ["--vkey", vkey(), "--vkey", vkey(ORIGIN, key(2))]
    other = ["--witness", witness_vkey("w2.example", key(8))]
    assert told("verify", *keys, receipt)[0] == 0
    assert told("verify", *keys[:2], receipt)[0] == 1
    assert told("verify", *keys, "--witness", witness_vkey(), receipt) == (
        0, [f"{receipt}: verified: 2 records, witnessed by {WITNESS} at 2026-09-21T14:13:20Z"]
    )  # fmt: skip
    assert told("verify", *keys, "--witness", witness_vkey(), *other, receipt) == (
        1, [f"{receipt}: NOT verified: of 2 witnesses needed 1 signed"]
    )  # fmt: skip
    assert told("verify", *keys, "--witness", witness_vkey(), *other, "--quorum", 1, receipt)[0] == 0


@pytest.mark.requirement("TLG-04")
def test_two_receipts_of_a_fork(tmp_path: Path) -> None:
    one, two = (file(tmp_path, f"{n}.json", file_of(log.receipt())) for n, log in enumerate((LOG, FORGED)))
    status, lines = told("verify", "--vkey", vkey(), one, two)
    assert (status, lines[1]) == (1, f"FORK: {one} and {two}: two trees of size 13, both signed by {ORIGIN}; keep both")


@pytest.mark.requirement("TLG-04")
def test_compare_holds_the_log_to_what_was_kept(tmp_path: Path) -> None:
    older, newer = file(tmp_path, "old.txt", LOG.note()), file(tmp_path, "new.txt", SmallLog(20).note())
    steps = [base64_of(step) for step in SmallLog(20).tree().consistency(13, 20)]
    right = file(tmp_path, "right.json", json.dumps({"from": 13, "to": 20, "proof": steps}))
    wrong = file(tmp_path, "wrong.json", json.dumps({"proof": steps[1:]}))
    other = file(tmp_path, "other.json", json.dumps({"from": 12, "to": 20, "proof": steps}))
    forged = file(tmp_path, "forged.txt", FORGED.note())
    sizes = f"log {ORIGIN}, {older} has size 13, {newer} has size 20"
    assert told("compare", "--vkey", vkey(), older, older)[0] == 0
    assert told("compare", "--vkey", vkey(), "--consistency", right, older, newer) == (0, [f"consistent: {sizes}"])
    assert told("compare", "--vkey", vkey(), "--consistency", wrong, older, newer) == (1, [f"NOT consistent: {sizes}"])
    assert told("compare", "--vkey", vkey(), "--consistency", other, older, newer) == (
        1, ["NOT verified: the consistency proof is not from 13 to 20"]
    )  # fmt: skip
    assert told("compare", "--vkey", vkey(), older, newer) == (
        1, [f"not proven: {sizes}; ask the log for /proof/consistency?from=13&to=20 and give it with --consistency"]
    )  # fmt: skip
    assert told("compare", "--vkey", vkey(), newer, older)[1][0].startswith(
        "NOT consistent: the newer tree is smaller: "
    )
    assert told("compare", "--vkey", vkey(), older, forged) == (1, [
        f"FORK: log {ORIGIN}, {older} has size 13, {forged} has size 13; two trees of one size, both signed: keep both "
        "files"
    ])  # fmt: skip


@pytest.mark.requirement("TLG-04")
def test_compare_refuses_what_it_cannot_judge(tmp_path: Path) -> None:
    good, broken = file(tmp_path, "good.txt", LOG.note()), file(tmp_path, "broken.txt", b"\xff")
    unsigned = file(tmp_path, "unsigned.txt", LOG.note(signature_line(TEXT, ORIGIN, key(2))))
    for bad in (broken, unsigned, tmp_path / "absent.txt"):
        for pair in ((good, bad), (bad, good)):
            status, lines = told("compare", "--vkey", vkey(), *pair)
            assert status == 1
            assert lines[0].startswith("NOT verified: ")
    assert told("compare", "--vkey", vkey(), "--consistency", tmp_path / "absent", good, good)[0] == 1
