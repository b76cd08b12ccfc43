"""fsck names what was changed behind the log's back, and is content with everything that was not."""

import os
import subprocess
import sys

import pytest

from audit_service.fsck.check import Manner, examine
from audit_service.fsck.findings import Findings
from audit_service.fsck.searched import compare
from audit_service.fsck.walk import Leaf
from audit_service.search.indexer import Indexer
from harness.audit_log import Log, ids
from harness.merkle import Definition
from harness.postgres import Database
from harness.receipts import key, vkey
from harness.tampering import findings, undone

pytestmark = pytest.mark.anyio
FLIP = "set_byte({0}, {1}, get_byte({0}, {1}) # 1)"


def run(log: Log, *arguments: str) -> tuple[int, list[str]]:
    """Exit code and lines of the program."""
    done = subprocess.run(
        [sys.executable, "-m", "audit_service.fsck", *arguments],
        env={**os.environ, "DATABASE_URL": log.url}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.stderr.endswith(" leaves a second\n")
    assert done.stderr.count("\n") == 1
    return done.returncode, done.stdout.splitlines()


@pytest.fixture
async def small(log: Log) -> Log:
    """Eight leaves in one partial tile, in batches 0-3 and 4-7, all searchable, and a batch that waits."""
    await log.calls(4)
    await log.sequence()
    await Indexer(log.database).tick()
    await log.write((ids(1)[0], "denied"))
    return log


@pytest.mark.requirement("AUD-16")
async def test_a_log_that_nobody_touched_is_clean(small: Log, database: Database) -> None:
    assert run(small, "--vkey", small.signer.vkey) == (0, ["fsck: 8 leaves, 2 checkpoints, 1 waiting batches: clean"])
    assert run(small)[0] == 0
    as_the_service = await examine(database.url_of("audit"), Manner())
    assert as_the_service.findings.lines == []


@pytest.mark.requirement("AUD-16")
async def test_the_program_prints_what_is_wrong_and_fails(small: Log) -> None:
    await small.fetch(f"UPDATE audit.leaf SET body = {FLIP.format('body', 20)} WHERE leaf_index = 5")
    code, lines = run(small, "--vkey", small.signer.vkey)
    assert code == 1
    assert lines[0] == "leaf 5: is not the one that was hashed into the tree"
    assert lines[-1].endswith(f"{len(lines) - 1} findings")


DAMAGES = {
    "one byte of a leaf": (
        "UPDATE audit.leaf SET body = convert_to(replace(convert_from(body, 'UTF8'), '低保核查', '低保核杳'), 'UTF8') "
        "WHERE leaf_index = 5",
        ["leaf 5: is not the one that was hashed into the tree"],
    ),
    "a leaf deleted": ("DELETE FROM audit.leaf WHERE leaf_index = 4", ["leaf 4: is missing"]),
    "two leaves swapped": (
        "UPDATE audit.leaf SET leaf_index = CASE leaf_index WHEN 2 THEN 1003 ELSE 1002 END WHERE leaf_index IN (2, 3);"
        "UPDATE audit.leaf SET leaf_index = leaf_index - 1000 WHERE leaf_index > 1000",
        [
            "leaf 2: is not the one that was hashed into the tree",
            "leaf 3: is not the one that was hashed into the tree",
            "index 2: does not say what the leaf says",
            "index 3: does not say what the leaf says",
        ],
    ),
    "a leaf added behind the end": (
        "INSERT INTO audit.leaf SELECT segment, 8, body, sequenced_at FROM audit.leaf WHERE leaf_index = 7",
        ["leaf 8: is beyond the log, which has 8 leaves"],
    ),
    "a leaf that stands twice": (
        "SELECT audit.open_segment('20000101-general');"
        "INSERT INTO audit.leaf SELECT '20000101-general', 7, body, sequenced_at FROM audit.leaf WHERE leaf_index = 7",
        ["leaf 7: stands 2 times"],
    ),
    "a hash in a tile": (
        f"UPDATE audit.tile SET hashes = {FLIP.format('hashes', 64)} WHERE (level, n) = (0, 0)",
        ["tile 0/0: its hash of leaf 2 is wrong"],
    ),
    "a tile deleted": ("DELETE FROM audit.tile", ["tile 0/0: holds 0 hashes instead of 8"]),
    "a tile that is too long": (
        "UPDATE audit.tile SET hashes = hashes || sha256('')",
        ["tile 0/0: holds 9 hashes instead of 8", "tile 0/0: holds 9 hashes, of which 8 belong to it"],
    ),
    "one byte of a batch that waits": (
        f"UPDATE audit.batch SET bytes = {FLIP.format('bytes', 30)}",
        ["batch gateway-1/1/8: waits, and is damaged: the bytes are not those that were acknowledged"],
    ),
    "a batch that waits and its digest": (
        f"WITH edited AS (SELECT id, {FLIP.format('bytes', 30)} AS edit FROM audit.batch) "
        "UPDATE audit.batch b SET bytes = edit, sha256 = sha256(edit) FROM edited e WHERE e.id = b.id",
        ["batch gateway-1/1/8: waits, and is not what was acknowledged"],
    ),
    "a batch that waits deleted": (
        "DELETE FROM audit.batch",
        ["batch gateway-1/1/8: was acknowledged, and is neither in the log nor waiting for it"],
    ),
    "a salt": (
        f"UPDATE audit.erasable SET body = {FLIP.format('body', 0)} WHERE leaf_index = 6",
        ["erasable 6: is not what was written"],
    ),
    "a salt and its digest": (
        f"UPDATE audit.erasable SET body = {FLIP.format('body', 0)} WHERE leaf_index = 6;"
        "UPDATE audit.entry_index i SET private_sha256 = sha256(e.body) FROM audit.erasable e "
        "WHERE e.leaf_index = i.leaf_index AND i.leaf_index = 6",
        ["batch gateway-1/1/4: leaves 4 to 7 are not the bytes that were acknowledged"],
    ),
    "a salt deleted": ("DELETE FROM audit.erasable WHERE leaf_index = 0", ["erasable 0: is missing"]),
    "an index row deleted": ("DELETE FROM audit.entry_index WHERE leaf_index = 0", ["index 0: is missing"]),
    "an index row that points elsewhere": (
        "UPDATE audit.entry_index SET call_id = gen_random_uuid() WHERE leaf_index = 1",
        ["index 1: does not say what the leaf says"],
    ),
    "an acknowledgement deleted": (
        "DELETE FROM audit.acknowledgement WHERE first_sequence = 8",
        ["batch gateway-1/1/8: waits, and is not what was acknowledged"],
    ),
    "the newest checkpoint": (
        "UPDATE audit.checkpoint SET note = replace(note, E'\\n8\\n', E'\\n9\\n') WHERE size = 8",
        ["checkpoint 8: the signature of the note is wrong"],
    ),
    "the log cut off": (
        "DELETE FROM audit.leaf WHERE leaf_index > 3; DELETE FROM audit.entry_index WHERE leaf_index > 3;"
        "DELETE FROM audit.erasable WHERE leaf_index > 3; UPDATE audit.log_head SET size = 4",
        ["checkpoint 8: is ahead of the log, which has 4 leaves", "log_head: no checkpoint covers its 4 leaves"],
    ),
    "an open call forgotten": (
        "DELETE FROM audit.entry_index WHERE kind = 'outcome' AND leaf_index = 4",
        ["index 4: is missing", "has 1 intents and 0 outcomes, and is not open"],
    ),
}  # fmt: skip


@pytest.mark.requirement("AUD-16")
@pytest.mark.requirement("CHK-01")
async def test_every_change_is_named(small: Log) -> None:
    """One database for all: no damage outlives its transaction."""
    for name, (damage, expected) in DAMAGES.items():
        async with undone(small) as tx:
            for statement in damage.split(";"):
                await tx.execute(statement)
            found = await findings(tx, small.signer.vkey)
        assert all(any(line in finding for finding in found) for line in expected), (name, found)
    assert await small.check() == []


DERIVED = {
    "a row to search by": (
        "UPDATE audit.record SET department = '教育局', status = 500 WHERE leaf_index = 5",
        ["record 5: does not say what the leaf says: department, status"],
    ),
    "a row to search by deleted": ("DELETE FROM audit.record WHERE leaf_index = 4", ["record 4: is missing"]),
    "a row to search by for an intent": (
        "UPDATE audit.record SET leaf_index = 0 WHERE leaf_index = 4",
        ["record 0: is of a leaf that has none", "record 4: is missing"],
    ),
    "a row to search by behind the end": (
        "UPDATE audit.record SET leaf_index = 99 WHERE leaf_index = 4",
        ["record 4: is missing", "record 99: is beyond the 8 leaves that are indexed"],
    ),
    "a row to search by that stands twice": (
        "SELECT audit.make_partitions('20000101-general');CREATE TEMP TABLE r AS SELECT * FROM audit.record;"
        "UPDATE r SET segment = '20000101-general';INSERT INTO audit.record SELECT * FROM r WHERE leaf_index = 4",
        ["record 4: stands 2 times"],
    ),
    "a figure of the day": ("UPDATE audit.usage_day SET calls = calls - 1", [": is not the sum of its rows"]),
    "a figure of the day deleted": ("DELETE FROM audit.usage_day", [": is not the sum of its rows"]),
    "how far it is searchable": (
        "UPDATE audit.indexed SET size = 5",
        [f"record {n}: is beyond the 5 leaves that are indexed" for n in (5, 6, 7)],
    ),
}
KEYS = {
    "a key of somebody else": (
        f"INSERT INTO audit.log_key VALUES (1, '{vkey(private=key(3))}', now())",
        [f"key {vkey(private=key(3))} of shard 1: is in the table, and no leaf names it"],
    ),
    "a key that is none": (
        "INSERT INTO audit.log_key VALUES (1, 'nonsense', now())",
        ["key nonsense of shard 1: is not the key of a log"],
    ),
    "a key removed": (
        "UPDATE audit.log_key SET removed_at = now()",
        [f"key {vkey()} of shard 1: was removed by a leaf, or by the table, and not by both"],
    ),
    "a key deleted": ("DELETE FROM audit.log_key", ["of shard 1: signs, and is not in the table"]),
    "the name of the log": (
        "UPDATE audit.shard SET origin = 'elsewhere'",
        ["checkpoint 8: was signed for another log or another hash"],
    ),
    "the hash of the log": (
        "UPDATE audit.shard SET suite = 'SM3'",
        ["checkpoint 8: was signed for another log or another hash"],
    ),
    "where the shard begins": (
        "UPDATE audit.shard SET first = 3",
        ["log_head: is in shard 1, which is not the last one, or the first is missing"],
    ),
    "a shard that nobody opened": (
        "UPDATE audit.shard SET size = 8, frozen_at = now();"
        "INSERT INTO audit.shard (id, origin, suite, first, opened_at) VALUES (2, 'x', 'SHA-256', 8, now())",
        ["shard 2: its first leaf does not say that it follows shard 1",
         "shard 1: its last leaf does not say that it is frozen"],
    ),
    "a segment said to be disposed of": (
        "INSERT INTO audit.archive (segment, state, first_index, last_index, count, disposed_at) "
        "SELECT segment, 'disposed', 0, 7, 8, now() FROM audit.leaf WHERE leaf_index = 0;"
        "DELETE FROM audit.leaf; DELETE FROM audit.erasable; DELETE FROM audit.record",
        ["-personal: is gone, and no leaf says that it was disposed of"],
    ),
    "a segment said to be archived": (
        "INSERT INTO audit.archive (segment, state, first_index, last_index, count, sha256, manifest_sha256) "
        "SELECT segment, 'archived', 0, 7, 8, sha256(''), sha256('') FROM audit.leaf WHERE leaf_index = 0;"
        "DELETE FROM audit.leaf; DELETE FROM audit.erasable; DELETE FROM audit.record",
        ["-personal: is in the archive, and no leaf holds the hash of its manifest"],
    ),
}  # fmt: skip


@pytest.mark.requirement("CHK-07")
async def test_what_is_derived_has_to_say_what_the_leaves_say(small: Log) -> None:
    for name, (damage, expected) in DERIVED.items():
        async with undone(small) as tx:
            for statement in damage.split(";"):
                await tx.execute(statement)
            found = await findings(tx, small.signer.vkey)
        about_rows = sorted(finding for finding in found if not finding.startswith("usage ")) or found
        assert len(about_rows) == len(expected), (name, found)
        assert all(line in finding for line, finding in zip(expected, about_rows, strict=True)), (name, found)


def test_a_leaf_that_is_nested_too_deeply_to_be_read_has_no_row() -> None:
    compare({0: Leaf("s", b'{"x":' + b"[" * 200_000, None)}, [], 1, {"s"}, found := Findings())
    assert found.lines == []


@pytest.mark.requirement("CHK-05")
@pytest.mark.requirement("CHK-06")
async def test_tables_about_keys_shards_and_segments_have_to_say_what_leaves_say(small: Log) -> None:
    for name, (damage, expected) in KEYS.items():
        async with undone(small) as tx:
            for statement in damage.split(";"):
                await tx.execute(statement)
            found = await findings(tx, small.signer.vkey)
        assert all(any(line in finding for finding in found) for line in expected), (name, found)


@pytest.mark.requirement("AUD-16")
@pytest.mark.parametrize("name", ["one byte of a leaf", "a leaf deleted", "a hash in a tile"])
async def test_in_a_large_log_one_change_is_one_finding(log: Log, name: str) -> None:
    """Whole tiles and a level above them: who is wrong is decided by the hash of the tile."""
    await log.calls(300)
    await log.sequence()
    for newest, verdict in (None, "clean"), (1, "clean as far as it was looked at"):
        assert (await examine(log.url, Manner([log.signer.vkey]), newest)).summary.endswith(f": {verdict}")
    damage, expected = DAMAGES[name]
    async with undone(log) as tx:
        await tx.execute(damage)
        assert await findings(tx, log.signer.vkey) == expected


@pytest.mark.requirement("AUD-16")
async def test_a_leaf_and_all_hashes_above_it_made_to_fit_contradict_the_checkpoints(log: Log) -> None:
    await log.calls(2)
    await log.sequence()
    await log.calls(2)
    await log.sequence()
    await log.fetch(DAMAGES["one byte of a leaf"][0])
    leaves = await log.leaves()
    hashes = b"".join(Definition(leaves).leaf_hashes)
    await log.fetch("UPDATE audit.tile SET hashes = $1", hashes)
    await log.fetch("UPDATE audit.log_head SET root = $1", Definition(leaves).root(8))
    found = await log.check()
    assert "checkpoint 8: its root is not that of the leaves" in found
    assert "batch gateway-1/1/4: leaves 4 to 5 are not the bytes that were acknowledged" in found


@pytest.mark.requirement("AUD-16")
@pytest.mark.requirement("CHK-05")
async def test_a_log_signed_by_a_key_that_only_the_database_names_fails_with_the_true_one(log: Log) -> None:
    """The thief of a database signs anew with a key of his own, and writes that key into the table."""
    await log.calls(2)
    await log.sequence()
    assert run(log, "--vkey", vkey(private=key(2)))[1][:1] == [
        "checkpoint 4: is the newest, and no key that is trusted signed it"
    ]
    assert run(log, "--vkey", vkey(private=key(2)), "--vkey", log.signer.vkey)[0] == 0


async def test_a_number_that_never_came_is_a_note_and_no_finding(log: Log) -> None:
    """A gateway that died between two batches in flight leaves such a gap without anybody's fault."""
    await log.write((ids(1)[0], "denied"))
    log.next += 2
    await log.write((ids(1)[0], "denied"))
    await log.sequence()
    assert run(log, "--vkey", log.signer.vkey) == (
        0,
        [
            "note: writer gateway-1/1: sequences 1 to 2 never came",
            "fsck: 2 leaves, 2 checkpoints, 0 waiting batches: clean",
        ],
    )
