"""fsck over a log that forgets: archived days are read where they are, disposed ones are held to what the log said."""

import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from audit_service.archive.objects import Objects
from audit_service.fsck.check import Check, Manner
from audit_service.fsck.told import Told
from audit_service.keeping.disposals import Wish
from audit_service.keeping.events import told_by_us
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
        ("UPDATE audit.archive a SET object = b.object, sha256 = b.sha256 FROM audit.archive b "
         "WHERE a.segment LIKE '%-general' AND b.segment LIKE '%-personal'",
         "is in the archive, and no leaf holds the hash of its manifest"),
        ("DELETE FROM audit.archive WHERE segment LIKE '%-general'", "leaf 0: is missing"),
        ("DELETE FROM audit.entry_index WHERE leaf_index = 3", "index 3: is missing"),
        ("UPDATE audit.tile SET hashes = set_byte(hashes, 40, 255 - get_byte(hashes, 40))",
         "its hash of leaf 1 is wrong"),
        ("UPDATE audit.leaf SET body = convert_to('{\"x\":' || repeat('[', 200000), 'UTF8') "
         "WHERE segment LIKE '%-permanent'", "is in the archive, and no leaf holds the hash of its manifest"),
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


MOVED = [
    "UPDATE audit.entry_index SET segment = '{segment}' WHERE leaf_index = {leaf}",
    *(f"DELETE FROM audit.{table} WHERE leaf_index = {{leaf}}" for table in ("leaf", "erasable", "record")),
]
"""A leaf that somebody wants to be gone is said to belong to a segment that went."""


@pytest.mark.requirement("CHK-06")
@pytest.mark.parametrize("at_hand", [True, False])
async def test_a_leaf_that_is_said_to_be_in_the_archive_has_to_be_there(forgetful: Keeping, at_hand: bool) -> None:
    [segment] = [name for name in await forgetful.states() if name.endswith("-general")]
    await forgetful.calls(1, "general")
    await forgetful.settle()
    [[leaf]] = await forgetful.log.fetch("SELECT min(leaf_index) FROM audit.leaf WHERE segment LIKE '%-general'")
    async with undone(forgetful.log) as tx:
        for deed in MOVED:
            await tx.execute(deed.format(segment=segment, leaf=leaf))
        check = Check(tx, Manner([forgetful.log.signer.vkey], objects=forgetful.objects if at_hand else None))
        await check.newest(100)
    assert f"leaf {leaf}: is missing" in check.findings.lines


@pytest.mark.requirement("CHK-06")
@pytest.mark.parametrize("gone", [True, False])
async def test_a_leaf_moved_into_the_range_of_a_segment_that_went_is_one_too_many(
    log: Log, tmp_path: Path, gone: bool
) -> None:
    """Seen by the monitor, too, which reads in slices; and missing in the file, where there is one."""
    keeping = Keeping(log, days_ago(220), folder_store(tmp_path))
    segment = f"{keeping.today}-general"
    for retention in ("general", "personal", "general"):
        await keeping.calls(1, retention)
    await keeping.settle()
    keeping.pass_days(219)
    await (disposed(keeping) if gone else keeping.tick())
    await keeping.settle()
    async with undone(log) as tx:
        for deeds in [], MOVED:
            for deed in deeds:
                await tx.execute(deed.format(segment=segment, leaf=2))
            check = Check(tx, Manner([log.signer.vkey], objects=keeping.objects))
            await check.slice(0, 1000)
            await check.remainder()
            assert bool(check.findings.lines) == bool(deeds)
    named = f"segment {segment}: is not in the database; of its 4 leaves the index names 5"
    assert {named, "leaf 2: is missing"} - set(check.findings.lines) == ({"leaf 2: is missing"} if gone else set())


def test_only_a_leaf_that_cannot_be_read_may_say_anything() -> None:
    told = Told([], [(10, 20)])
    assert told.says(10, "disposal.executed", {})
    assert not any(told.says(index, "disposal.executed", {}) for index in (None, 9, 21, 999_999_999))


KEPT = "had to be kept longer"
UNLAWFUL = [
    ("general", 219, ("ana", "bo"), []),
    ("general", 219, ("ana", "ana"), ["not two people decided it"]),
    ("general", 219, ("", "bo"), ["not two people decided it"]),
    ("general", 184, ("ana", "bo"), [KEPT]),
    ("personal", 219, ("ana", "bo"), [KEPT]),
    ("permanent", 4000, ("ana", "bo"), [KEPT]),
    ("mixed", 219, ("ana", "bo"), [KEPT]),
    ("unapproved", 219, ("ana", "bo"), ["no leaf before says that two people approved it"]),
]


@pytest.mark.requirement("CHK-06")
@pytest.mark.parametrize(("kind", "days", "people", "expected"), UNLAWFUL)
async def test_a_disposal_that_the_law_does_not_allow_is_a_finding_whoever_wrote_that_it_happened(
    log: Log, tmp_path: Path, kind: str, days: int, people: tuple[str, str], expected: list[str]
) -> None:
    keeping = Keeping(log, days_ago(1), folder_store(tmp_path))
    day = f"{keeping.clock.at - timedelta(days=days):%Y%m%d}"
    segment = f"{day}-{kind if kind in ('personal', 'permanent') else 'general'}"
    facts = {"disposal": "d1", "segment": segment, "first": "0", "last": "1", "count": "2",
             "proposed_by": people[0], "approved_by": people[1]}  # fmt: skip
    if kind != "unapproved":
        await keeping.writer.write([told_by_us("disposal.approved", keeping.clock.at, facts)])
    await keeping.writer.write([told_by_us("disposal.executed", keeping.clock.at, facts)])
    await keeping.settle()
    async with undone(log) as tx:
        await tx.execute(
            "INSERT INTO audit.archive (segment, state, first_index, last_index, count, disposal_leaf) "
            "SELECT $1, 'disposed', 0, 1, 2, max(leaf_index) FROM audit.leaf",
            segment,
        )
        if kind == "mixed":
            await tx.execute("INSERT INTO audit.mixed_segment VALUES ($1)", segment)
        check = Check(tx, Manner([log.signer.vkey]))
        await check.begin()
    assert check.findings.lines == [f"segment {segment}: is gone, and {line}" for line in expected]


@pytest.mark.requirement("CHK-06")
async def test_the_program_reads_the_archive_that_is_named_and_says_when_it_did_not(
    forgetful: Keeping, tmp_path: Path
) -> None:
    for options, verdict, noted in (
        (["--archive", folder_store(tmp_path)], ": clean", False),
        ([], ": clean as far as it was looked at", True),
    ):
        done = subprocess.run(
            [sys.executable, "-m", "audit_service.fsck", "--vkey", forgetful.log.signer.vkey, *options],
            env={**os.environ, "DATABASE_URL": forgetful.log.url}, capture_output=True, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        assert ("note:" in done.stdout) == noted
        assert done.stdout.endswith(f"{verdict}\n")
