"""fsck over a log that forgets: archived days are read where they are, disposed ones are held to what the log said."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from audit_service.archive.objects import Objects
from audit_service.fsck.check import Check, Manner
from audit_service.keeping.disposals import Wish
from harness.audit_archive import Keeping, days_ago, folder_store
from harness.audit_log import Log
from harness.tampering import consistency, note, receipt, undone, verified
from runtime.errors import Refusal
from wire import codes, scopes
from wire.tokens import AccessToken

pytestmark = pytest.mark.anyio


@pytest.fixture
async def forgetful(log: Log, tmp_path: Path) -> Keeping:
    """Leaves 0 to 5 of a class general, 220 days ago, and 6 to 9 personal; both archived."""
    keeping = Keeping(log, days_ago(220), folder_store(tmp_path))
    await keeping.calls(3, "general")
    await keeping.calls(2, "personal")
    await keeping.settle()
    keeping.pass_days(219)
    await keeping.tick()
    await keeping.settle()
    assert [state for segment, state in (await keeping.states()).items() if "permanent" not in segment] == [
        "archived"
    ] * 2
    return keeping


async def checked(keeping: Keeping, objects: Objects | None, deed: str = "SELECT 1") -> tuple[list[str], list[str]]:
    """Findings and notes, after somebody did something."""
    async with undone(keeping.log) as tx:
        await tx.execute(deed)
        check = Check(tx, Manner([keeping.log.signer.vkey], objects=objects))
        await check.whole()
        return check.findings.lines, check.findings.notes


async def disposed(keeping: Keeping) -> None:
    """Two people give up what is older than half a year."""
    proposing, approving = (
        AccessToken(name, "数据局", frozenset({scopes.AUDIT_KEEP}), 0, "t") for name in ("ana", "bo")
    )
    wish = Wish("general", (keeping.clock.at - timedelta(days=200)).date(), "保存期满")
    shown = await keeping.disposals.propose(wish, proposing)
    with pytest.raises(Refusal) as refused:
        await keeping.disposals.approve(shown.disposal.id, proposing)
    assert refused.value.code is codes.FOUR_EYES
    await keeping.disposals.approve(shown.disposal.id, approving)
    await keeping.carry_out()


@pytest.mark.requirement("CHK-06")
async def test_leaves_in_the_archive_are_checked_there(forgetful: Keeping) -> None:
    assert await checked(forgetful, forgetful.objects) == ([], [])
    findings, notes = await checked(forgetful, None)
    assert findings == []
    assert sum("which was not named; only its hashes are checked" in line for line in notes) == 2


@pytest.mark.requirement("CHK-06")
async def test_a_file_of_the_archive_that_was_changed_or_is_missing_is_named(
    forgetful: Keeping, tmp_path: Path
) -> None:
    for file in (tmp_path / "archive").rglob("*.parquet"):
        if "general" in str(file):
            file.chmod(0o644)
            file.write_bytes(file.read_bytes()[:-1] + b"x")
        else:
            file.unlink()
    findings, _ = await checked(forgetful, forgetful.objects)
    assert len(findings) == 2
    assert any("-general: in the archive: " in line and line.endswith("is not what was stored") for line in findings)
    assert any("-personal: in the archive: " in line and line.endswith("is not in the store") for line in findings)


@pytest.mark.requirement("CHK-06")
@pytest.mark.parametrize(
    ("deed", "named"),
    [
        ("UPDATE audit.archive SET manifest_sha256 = sha256('') WHERE segment LIKE '%-general'",
         "is in the archive, and no leaf holds the hash of its manifest"),
        ("UPDATE audit.archive SET state = 'disposed' WHERE segment LIKE '%-general'",
         "is gone, and no leaf says that it was disposed of"),
        ("DELETE FROM audit.archive WHERE segment LIKE '%-general'", "leaf 0: is missing"),
        ("DELETE FROM audit.entry_index WHERE leaf_index = 3", "index 3: is missing"),
        ("UPDATE audit.tile SET hashes = set_byte(hashes, 40, 255 - get_byte(hashes, 40))",
         "its hash of leaf 1 is wrong"),
    ],
)  # fmt: skip
async def test_what_the_tables_say_of_the_archive_is_held_to_the_leaves(
    forgetful: Keeping, deed: str, named: str
) -> None:
    findings, _ = await checked(forgetful, forgetful.objects, deed)
    assert any(named in finding for finding in findings), findings


@pytest.mark.requirement("CHK-06")
async def test_tm_8_what_two_people_disposed_of_is_no_finding_and_the_rest_is_proved_as_before(
    forgetful: Keeping, tmp_path: Path
) -> None:
    before, proof, told = tmp_path / "before.note", tmp_path / "proof.json", tmp_path / "told.json"
    async with undone(forgetful.log) as tx:
        before.write_text(await note(tx))
        old = await tx.fetchval("SELECT size FROM audit.log_head")
    await disposed(forgetful)
    async with undone(forgetful.log) as tx:
        [event] = await forgetful.said("disposal.executed")
        told.write_bytes(await receipt(tx, event["call"]))
        proof.write_bytes(await consistency(tx, old, await tx.fetchval("SELECT size FROM audit.log_head")))
    code, said = verified(forgetful.log.signer.vkey, "--checkpoint", before, "--consistency", proof, told)
    assert code == 0, said
    findings, notes = await checked(forgetful, forgetful.objects)
    assert findings == []
    assert any(line.endswith("-general: was disposed of; only its hashes are checked") for line in notes)
    shorter, _ = await checked(
        forgetful, forgetful.objects, "UPDATE audit.entry_index SET segment = 'x' WHERE leaf_index = 2"
    )
    assert "leaf 2: is missing" in shorter
    assert any("other leaves are gone than the log said" in line for line in shorter)


@pytest.mark.requirement("CHK-06")
async def test_the_program_reads_the_archive_that_is_named(forgetful: Keeping, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "audit_service.fsck", "--vkey", forgetful.log.signer.vkey,
         "--archive", folder_store(tmp_path)],
        env={**os.environ, "DATABASE_URL": forgetful.log.url}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    assert "note:" not in done.stdout
