"""TM-1 to TM-9: whatever somebody with all rights on the database changes is found, with its place named.

Without the signing key: by fsck. With it, everything can be made to fit, and fsck has nothing to say; then it is found
by whoever kept a receipt or a checkpoint, offline, with the stand-alone verifier. TM-7 (no role of the service may do
any of this) is `test_roles.py`.
"""

from pathlib import Path
from typing import Any, NamedTuple

import pytest

from audit_service.search.indexer import Indexer
from harness.audit_log import Log, ids, record
from harness.receipts import key
from harness.tampering import consistency, findings, forge, note, receipt, undone, verified
from tlog import cosignature
from tlog.checkpoint import split_note

pytestmark = pytest.mark.anyio
WITNESS = "witness.example/w1"
FLIP = "set_byte({0}, {1}, get_byte({0}, {1}) # 1)"
VICTIM = 9


class Case(NamedTuple):
    """`sql` is the deed; `named` what fsck says of it, all of it and nothing else; `whole` only from the whole log."""

    sql: list[str]
    named: list[str]
    whole: tuple[str, ...] = ()


OTHER_WORD = "convert_to(replace(convert_from(body, 'UTF8'), '低保核查', '低保核杳'), 'UTF8')"
SWAP = ["UPDATE audit.leaf SET leaf_index = CASE leaf_index WHEN 9 THEN 1010 ELSE 1009 END WHERE leaf_index IN (9, 10)",
        "UPDATE audit.leaf SET leaf_index = leaf_index - 1000 WHERE leaf_index > 1000"]  # fmt: skip
NOT_HASHED = "is not the one that was hashed into the tree"
CASES = {
    "TM-1 one byte of a body": Case(
        [f"UPDATE audit.leaf SET body = {OTHER_WORD} WHERE leaf_index = 9"], [f"leaf 9: {NOT_HASHED}"]
    ),
    "TM-2 a row deleted": Case(["DELETE FROM audit.leaf WHERE leaf_index = 9"], ["leaf 9: is missing"]),
    "TM-3 a row with a forged index": Case(
        ["SELECT audit.open_segment('20000101-general')",
         "INSERT INTO audit.leaf SELECT '20000101-general', 9, $1, sequenced_at FROM audit.leaf WHERE leaf_index = 9"],
        ["leaf 9: stands 2 times"],
    ),
    "TM-4 two swapped": Case(
        SWAP,
        [f"leaf 9: {NOT_HASHED}", f"leaf 10: {NOT_HASHED}", "index 9: does not say what the leaf says",
         "index 10: does not say what the leaf says"],
    ),
    "TM-5 the tail cut off": Case(
        ["DELETE FROM audit.leaf WHERE leaf_index > 7"], [f"leaf {n}: is missing" for n in range(8, 12)],
        ("batch gateway-1/1/8: was acknowledged, and is neither in the log nor waiting for it",),
    ),
}  # fmt: skip


@pytest.fixture
async def kept(log: Log) -> Log:
    """Twelve leaves under checkpoints of 8 and 12, all of them searchable."""
    await log.calls(4)
    await log.sequence()
    await log.write(*((call, "denied") for call in ids(4)))
    await log.sequence()
    await Indexer(log.database).tick()
    return log


async def do(tx: Any, case: Case) -> None:
    """As the superuser."""
    for statement in case.sql:
        await tx.execute(statement, *[forged_leaf()] * statement.count("$1"))


def forged_leaf() -> bytes:
    """A denial that nobody wrote."""
    return record(ids(1)[0], "gateway-9", 1, 0, "denied")[0]


async def call_at(tx: Any, place: int) -> str:
    found: str = await tx.fetchval("SELECT call_id::text FROM audit.entry_index WHERE leaf_index = $1", place)
    return found


@pytest.mark.requirement("CHK-01")
@pytest.mark.parametrize("name", CASES)
async def test_every_deed_is_named_by_fsck_with_index_and_kind(kept: Log, name: str) -> None:
    vkey = kept.signer.vkey
    async with undone(kept) as tx:
        assert await findings(tx, vkey) == []
        await do(tx, CASES[name])
        assert sorted(await findings(tx, vkey)) == sorted([*CASES[name].named, *CASES[name].whole])
        assert sorted(await findings(tx, vkey, newest=4)) == sorted(CASES[name].named)


@pytest.mark.requirement("CHK-02")
@pytest.mark.parametrize("name", CASES)
async def test_a_deed_signed_with_the_true_key_is_found_by_what_was_kept_before(
    kept: Log, name: str, tmp_path: Path
) -> None:
    """fsck has nothing to say: all fits, and the key is the right one. An old receipt and an old checkpoint do."""
    old, old_note, fresh, proof = (tmp_path / file for file in ("old.json", "old.note", "fresh.json", "proof.json"))
    async with undone(kept) as tx:
        old.write_bytes(await receipt(tx, await call_at(tx, VICTIM)))
        old_note.write_text(await note(tx))
        await do(tx, CASES[name])
        await forge(tx, kept)
        assert await findings(tx, kept.signer.vkey) == []
        fresh.write_bytes(await receipt(tx, await call_at(tx, 0)))
        size = await tx.fetchval("SELECT size FROM audit.log_head")
        proof.write_bytes(await consistency(tx, *sorted((size, 12))))
    for file in (old, fresh):
        code, said = verified(kept.signer.vkey, file)
        assert code == 0, said
    code, said = verified(kept.signer.vkey, "--checkpoint", old_note, "--consistency", proof, fresh)
    assert code == 1
    assert said.startswith("FORK: " if size == 12 else "NOT verified: ")
    if size == 12:
        assert f"{old}" in verified(kept.signer.vkey, old, fresh)[1]


@pytest.mark.requirement("CHK-02")
async def test_a_change_without_the_key_makes_receipts_that_do_not_verify(kept: Log, tmp_path: Path) -> None:
    file = tmp_path / "fresh.json"
    async with undone(kept) as tx:
        await do(tx, CASES["TM-1 one byte of a body"])
        file.write_bytes(await receipt(tx, await call_at(tx, VICTIM)))
    assert verified(kept.signer.vkey, file) == (1, "NOT verified: a record is not in the tree that was signed\n")


@pytest.mark.requirement("CHK-01")
async def test_tm_6_an_older_checkpoint_in_the_place_of_the_newest_is_named(kept: Log) -> None:
    async with undone(kept) as tx:
        await tx.execute(
            "UPDATE audit.checkpoint c SET note = o.note FROM audit.checkpoint o WHERE c.size = 12 AND o.size = 8"
        )
        assert await findings(tx, kept.signer.vkey) == ["checkpoint 12: was signed for 8 leaves"]


@pytest.mark.requirement("CHK-02")
async def test_tm_6_a_log_that_went_back_and_on_another_way_contradicts_a_kept_checkpoint(
    kept: Log, tmp_path: Path
) -> None:
    """A restored backup of eight leaves is whole in itself; what is written after it is another history."""
    old_note, fresh, proof = tmp_path / "old.note", tmp_path / "fresh.json", tmp_path / "proof.json"
    async with undone(kept) as tx:
        old_note.write_text(await note(tx))
        await do(tx, CASES["TM-5 the tail cut off"])
        for n in range(6):
            await tx.execute(
                "INSERT INTO audit.leaf SELECT segment, $1, $2, sequenced_at FROM audit.leaf WHERE leaf_index = 0",
                8 + n, record(ids(1)[0], "gateway-1", 2, n, "denied")[0],
            )  # fmt: skip
        await forge(tx, kept)
        fresh.write_bytes(await receipt(tx, await call_at(tx, 13)))
        proof.write_bytes(await consistency(tx, 12, 14))
    code, said = verified(kept.signer.vkey, "--checkpoint", old_note, "--consistency", proof, fresh)
    assert (code, "leads to other roots" in said) == (1, True)


@pytest.mark.requirement("CHK-02")
async def test_tm_9_two_trees_of_one_size_are_named_both(kept: Log, tmp_path: Path) -> None:
    """Two clients were shown different logs: each receipt verifies, and together they are the evidence."""
    ours, theirs = tmp_path / "ours.json", tmp_path / "theirs.json"
    async with undone(kept) as tx:
        ours.write_bytes(await receipt(tx, await call_at(tx, VICTIM)))
        await do(tx, CASES["TM-1 one byte of a body"])
        await forge(tx, kept)
        theirs.write_bytes(await receipt(tx, await call_at(tx, VICTIM)))
    code, said = verified(kept.signer.vkey, ours, theirs)
    assert code == 1
    [fork] = [line for line in said.splitlines() if line.startswith("FORK: ")]
    assert str(ours) in fork
    assert str(theirs) in fork


@pytest.mark.requirement("CHK-02")
@pytest.mark.parametrize("name", ["TM-1 one byte of a body", "TM-5 the tail cut off"])
async def test_what_a_witness_signed_gives_a_forgery_away_to_fsck_itself(kept: Log, name: str) -> None:
    """Key and database stolen, everything made to fit: the outsider's line does not."""
    outsider = cosignature.format_vkey(WITNESS, key(7).public_key())
    async with undone(kept) as tx:
        await tx.execute("SET LOCAL session_replication_role = replica")  # no foreign keys
        text = split_note(await note(tx)).text
        line = cosignature.sign(text, WITNESS, key(7), 1_800_000_000)
        await tx.execute("INSERT INTO audit.cosignature VALUES (1, 12, $1, $2, now())", WITNESS, line)
        assert await findings(tx, kept.signer.vkey, witnesses=[outsider]) == []
        await do(tx, CASES[name])
        await forge(tx, kept)
        [found] = await findings(tx, kept.signer.vkey, witnesses=[outsider])
    assert found.startswith(f"cosignature 12 of shard 1 by {WITNESS}: ")


@pytest.mark.requirement("CHK-02")
async def test_a_witness_that_signed_a_smaller_tree_later_is_named(kept: Log) -> None:
    outsider = cosignature.format_vkey(WITNESS, key(7).public_key())
    async with undone(kept) as tx:
        for size, note_text, at in await tx.fetch("SELECT size, note, 2000000000 - size FROM audit.checkpoint"):
            line = cosignature.sign(split_note(note_text).text, WITNESS, key(7), at)
            await tx.execute("INSERT INTO audit.cosignature VALUES (1, $1, $2, $3, now())", size, WITNESS, line)
        await tx.execute("UPDATE audit.cosignature SET witness = 'other' WHERE size = 0")
        assert await findings(tx, kept.signer.vkey, witnesses=[outsider]) == [
            "cosignature 0 of shard 1 by other: is not a line of that witness",
            f"cosignature 12 of shard 1 by {WITNESS}: was given before one of a smaller tree",
        ]
