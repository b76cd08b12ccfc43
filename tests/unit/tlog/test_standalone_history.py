"""The single-file verifier on keys, hashes, witnesses, kept checkpoints and packages, beside the library."""

import json
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from harness.merkle import DIGESTS, Definition
from harness.packages import BAD_NAMES, DAMAGES, FIRST, FORKS, HARMFUL, good_files, manifest_of, package_of, zipped
from harness.receipts import (
    AT_S,
    CALL,
    ORIGIN,
    OTHER_CALL,
    TAMPERINGS,
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
from harness.standalone import ALONE, run_here, same_judgement
from tlog.checkpoint import Checkpoint, make
from tlog.hashes import SHA256, SM3, SUITES, Suite
from tlog.history import Verdict, compare
from tlog.package import Trust
from tlog.proofs import ProofError, verify_consistency

LOG = SmallLog()
TEXT = LOG.text()
OLD, NEW, STRANGER = (vkey(ORIGIN, key(seed)) for seed in (1, 2, 3))
YES, NO = "verified", "NOT verified"
judged = partial(same_judgement, runner=run_here)


def receipt_with(*lines: str, log: SmallLog = LOG) -> bytes:
    return file_of({**log.receipt(), "checkpoint": log.note(*lines)})


@pytest.mark.requirement("TLG-02", "TLG-06")
def test_both_accept_any_key_of_the_reader(tmp_path: Path) -> None:
    old, new = signature_line(TEXT), signature_line(TEXT, ORIGIN, key(2))
    forged = signature_line(TEXT + "x\n", ORIGIN, key(2))
    elsewhere = signature_line(TEXT, "other.example", key(9))
    files = [receipt_with(*lines) for lines in ((old,), (old, new), (new,), (old, forged), (elsewhere,))]
    for vkeys, expected in {
        (OLD,): [YES, YES, NO, YES, NO],
        (NEW,): [NO, YES, YES, NO, NO],
        (OLD, NEW): [YES, YES, YES, NO, NO],
        (STRANGER, OLD): [YES, YES, NO, YES, NO],
        (OLD, vkey("other.example", key(9))): [YES, YES, NO, YES, NO],
        (OLD, NEW[:-1]): [NO] * 5,
        (OLD, witness_vkey()): [NO] * 5,
    }.items():
        assert judged(tmp_path, files, Trust(vkeys)) == expected


@pytest.mark.requirement("TLG-01", "TLG-06")
def test_both_check_sm3_logs(tmp_path: Path) -> None:
    sizes = (10, 13, 14, 16, 17, 33)
    files = [file_of(SmallLog(size, suite="SM3").receipt()) for size in sizes]
    assert judged(tmp_path, files, Trust([OLD])) == [YES] * len(files)
    texts = [SmallLog(40 + n, suite="SM3").text() for n in range(9)]
    endings = ["hash SM3\n", "", "hash SHA-256\n", "hash sm3\n", "hash SM3\nhash SM3\n", "x\nhash SM3\n",
               "hash SM3\nx\n", "hash SM3\nhash\n", "hash SM3\nhash x\n"]  # fmt: skip
    files = []
    for n, (text, ending) in enumerate(zip(texts, endings, strict=True)):
        changed = text.replace("hash SM3\n", ending)
        note = f"{changed}\n{signature_line(changed)}"
        files.append(file_of({**SmallLog(40 + n, suite="SM3").receipt(), "checkpoint": note}))
    assert judged(tmp_path, files, Trust([OLD])) == [YES, NO, NO, NO, NO, NO, YES, YES, NO]


@pytest.mark.requirement("TLG-01", "TLG-06")
def test_both_refuse_every_tampering_of_an_sm3_receipt(tmp_path: Path) -> None:
    files = []
    for n, change in enumerate(TAMPERINGS.values()):
        receipt = SmallLog(20 + n, suite="SM3").receipt()
        change(receipt)
        files.append(file_of(receipt))
    words = judged(tmp_path, files, Trust([OLD]))
    assert set(words) == {NO}


@pytest.mark.requirement("TLG-03", "TLG-06")
def test_both_count_witnesses_alike(tmp_path: Path) -> None:
    ours = signature_line(TEXT)
    one, two = cosignature_line(TEXT), cosignature_line(TEXT, "w2.example", key(8), AT_S + 60)
    renewed = cosignature_line(TEXT, WITNESS, key(6), AT_S + 5)
    odd = base64_of(bytes.fromhex(witness_vkey().split("+")[1]) + b"\xff" * 72)
    files = [
        receipt_with(*lines)
        for lines in (
            (ours,), (ours, one), (ours, one, two), (two, one, ours), (one, two), (ours, renewed), (ours, one, renewed),
            (ours, cosignature_line(TEXT, at_s=0)), (ours, cosignature_line(TEXT, at_s=253_402_300_799)),
            (ours, cosignature_line(TEXT, at_s=253_402_300_800)), (ours, cosignature_line(TEXT, at_s=2**64 - 1)),
            (ours, cosignature_line(TEXT + "x\n")), (ours, one, cosignature_line(TEXT + "x\n")),
            (ours, cosignature_line(TEXT, WITNESS, key(8))), (ours, cosignature_line(TEXT, "w3.example")),
            (ours, f"— {WITNESS} {odd}\n"), (ours, f"— {WITNESS} {odd[:12]}\n"), (ours, one[:-3] + "\n"),
            (ours, one + one),
        )
    ]  # fmt: skip
    first, second, newer = witness_vkey(), witness_vkey("w2.example", key(8)), witness_vkey(WITNESS, key(6))
    counts = []
    for witnesses, quorum in [
        ([first], None), ([first], 0), ([first], 1), ([first], 2), ([first], -1), ([first, second], None),
        ([first, second], 1), ([first, newer], None), ([first, first], None), ([], None), ([], 1), ([OLD], None),
        ([first, "x"], 0),
    ]:  # fmt: skip
        counts.append(judged(tmp_path, files, Trust([OLD], witnesses, quorum)).count(YES))
    assert counts[0] == counts[2] == counts[8] == 7
    assert [counts[n] for n in (3, 4, 10, 11, 12)] == [0] * 5
    assert counts[5] == 2
    assert counts[6] > counts[5]


@pytest.mark.requirement("TLG-06")
def test_it_says_who_witnessed_when(tmp_path: Path) -> None:
    lines = [signature_line(TEXT), cosignature_line(TEXT, "w2.example", key(8), 0), cosignature_line(TEXT)]
    options = ["--vkey", OLD, "--witness", witness_vkey(), "--witness", witness_vkey("w2.example", key(8))]
    assert run_here(tmp_path, [receipt_with(*lines)], *options) == (0, [
        f"verified: call {CALL}, 2 records, log {ORIGIN} size 13, witnessed by w2.example at 1970-01-01T00:00:00Z, "
        f"witnessed by {WITNESS} at 2026-09-21T14:13:20Z"
    ])  # fmt: skip
    assert run_here(tmp_path, [receipt_with(*lines[:2])], *options) == (
        1, ["NOT verified: of 2 witnesses needed 1 signed"]
    )  # fmt: skip


# --- kept checkpoints -----------------------------------------------------------------------------------------------


def kept(folder: Path, log: SmallLog, *lines: str, name: str = "kept.txt") -> list[str]:
    path = folder / name
    path.write_text(log.note(*lines), "utf-8")
    return ["--checkpoint", str(path)]


def proof_file(folder: Path, value: object, name: str = "proof.json") -> list[str]:
    path = folder / name
    path.write_text(json.dumps(value))
    return ["--consistency", str(path)]


def holds(older: Checkpoint, newer: Checkpoint, steps: list[bytes]) -> bool:
    """The script's judgement of a consistency proof between a kept checkpoint and that of a receipt."""
    trees = [ALONE.Tree(one.origin, one.size, one.root, one.suite.name, {}, "") for one in (older, newer)]
    for kept, tree in (trees, trees[::-1]):  # it makes no difference which of the two was kept
        reader = ALONE.Reader({}, 0, [{"proof": [base64_of(step) for step in steps]}], [kept], {})
        try:
            ALONE.check_kept(tree, reader)
        except ALONE.Bad:
            return False
    return True


@pytest.mark.requirement("TLG-04", "TLG-06")
@pytest.mark.parametrize("suite", SUITES.values(), ids=list(SUITES))
def test_it_judges_growth_as_the_library_does(suite: Suite) -> None:
    leaves = [b"%d" % n for n in range(40)]
    tree, other = (Definition(row, DIGESTS[suite.name]) for row in (leaves, [b"x", *leaves[1:]]))
    for older, newer in combinations(range(1, 40), 2):
        first, second, proof = tree.root(older), tree.root(newer), tree.consistency(older, newer)
        flipped = [bytes([proof[-1][0] ^ 1]) + proof[-1][1:]]
        wrong = [proof[1:], proof[:-1], [*proof, proof[0]], [*proof[:-1], *flipped], other.consistency(older, newer)]
        for n, steps in enumerate([proof, *wrong]):
            roots = [(first, second)] if n else [(first, second), (other.root(older), second), (second, first)]
            for pair in roots:
                try:
                    verify_consistency(older, newer, steps, *pair, suite=suite)
                    expected = True
                except ProofError:
                    expected = False
                one, two = Checkpoint(ORIGIN, older, pair[0], suite), Checkpoint(ORIGIN, newer, pair[1], suite)
                assert holds(one, two, steps) is expected is (steps == proof and pair == (first, second))


@pytest.mark.requirement("TLG-04", "TLG-06")
def test_a_log_that_hashes_otherwise_and_an_empty_tree_with_a_root_are_no_beginnings() -> None:
    """The root of the old tree is a node of the new one, whatever it was hashed with."""
    leaf = SHA256.leaf(b"c")
    old = SM3.node(SM3.leaf(b"a"), SM3.leaf(b"b"))
    newer = (3, SHA256.node(old, leaf), SHA256)
    for older in ((2, old, SHA256), (2, old, SM3), (0, SHA256.empty, SHA256), (0, bytes(32), SHA256)):
        notes = [make(ORIGIN, size, root, key(), suite) for size, root, suite in (older, newer)]
        verdict = compare(*notes, vkey(), proof=[leaf])
        assert holds(Checkpoint(ORIGIN, *older), Checkpoint(ORIGIN, *newer), [leaf]) is (verdict == Verdict.CONSISTENT)
        assert (verdict == Verdict.CONSISTENT) is (older in ((2, old, SHA256), (0, SHA256.empty, SHA256)))


@pytest.mark.requirement("TLG-04", "TLG-06")
def test_a_kept_checkpoint_of_another_size_needs_the_proof_of_these_sizes(tmp_path: Path) -> None:
    steps = [base64_of(step) for step in SmallLog(20).tree().consistency(13, 20)]
    receipt = [file_of(SmallLog(20).receipt())]
    options = ["--vkey", OLD, *kept(tmp_path, LOG)]
    needed = (1, ["NOT verified: a proof from 13 to 20 is needed, given with --consistency"])
    assert run_here(tmp_path, receipt, *options) == needed
    sizes: dict[str, Any]
    for sizes in ({"from": 12}, {"to": 21}, {"from": 20, "to": 13}, {"from": "13"}):
        assert run_here(tmp_path, receipt, *options, *proof_file(tmp_path, {"proof": steps, **sizes})) == needed
    for sizes in ({}, {"from": 13}, {"from": 13, "to": 20}, {"from": 13, "to": 20, "log": "x"}):
        assert run_here(tmp_path, receipt, *options, *proof_file(tmp_path, {"proof": steps, **sizes}))[0] == 0
    several = proof_file(tmp_path, {"proof": [], "from": 1, "to": 2}) + proof_file(
        tmp_path, {"from": 13, "to": 20, "proof": steps}, "right.json"
    )
    assert run_here(tmp_path, receipt, *options, *several)[0] == 0
    bads: list[Any] = [{}, {"proof": "x"}, {"proof": [1]}, {"proof": ["AA=="]}, [], {"proof": None}]
    for bad in bads:
        status, lines = run_here(tmp_path, receipt, *options, *proof_file(tmp_path, bad))
        assert status == 1
        assert lines[0].startswith("NOT verified: ")


@pytest.mark.requirement("TLG-04", "TLG-06")
def test_a_fork_names_both_files(tmp_path: Path) -> None:
    forged = SmallLog(replaced={9: leaf_of(CALL, "denied", 9)})
    option = kept(tmp_path, LOG)
    said = f"two trees of size 13, both signed by {ORIGIN}; keep both"
    assert run_here(tmp_path, [file_of(forged.receipt())], "--vkey", OLD, *option) == (
        1, [f"FORK: {tmp_path}/kept.txt and {tmp_path}/0: {said}"]
    )  # fmt: skip
    status, lines = run_here(tmp_path, [file_of(LOG.receipt()), file_of(forged.receipt())], "--vkey", OLD)
    assert (status, lines[1]) == (1, f"FORK: {tmp_path}/0 and {tmp_path}/1: {said}")
    both = kept(tmp_path, LOG) + kept(tmp_path, forged, name="other.txt")
    status, lines = run_here(tmp_path, [file_of(LOG.receipt())], "--vkey", OLD, *both)
    assert (status, lines) == (1, [f"FORK: {tmp_path}/kept.txt and {tmp_path}/other.txt: {said}"])
    sm3 = kept(tmp_path, SmallLog(suite="SM3"))
    assert run_here(tmp_path, [file_of(LOG.receipt())], "--vkey", OLD, *sm3)[1][0].startswith("FORK: ")


@pytest.mark.requirement("TLG-04", "TLG-06")
def test_a_signed_checkpoint_is_evidence_in_the_worst_of_receipts(tmp_path: Path) -> None:
    forged = SmallLog(replaced={9: leaf_of(CALL, "denied", 9)}).receipt()
    good = file_of(LOG.receipt())
    for bad in (
        {**forged, "log": "x"},
        {**forged, "v": 2},
        {"checkpoint": forged["checkpoint"]},
        {**forged, "call": 1},
    ):
        assert judged(tmp_path, [file_of(bad), good], Trust([OLD])) == [NO, "FORK"]


@pytest.mark.requirement("TLG-04", "TLG-06")
def test_a_kept_checkpoint_counts_only_if_it_is_of_this_log_and_signed(tmp_path: Path) -> None:
    receipt = [file_of(LOG.receipt())]
    unsigned = kept(tmp_path, LOG, signature_line(TEXT, ORIGIN, key(2)))
    assert run_here(tmp_path, receipt, "--vkey", OLD, *unsigned)[0] == 1
    for content in (b"", b"\xff\xfe", TEXT.encode(), LOG.note().encode() + b"\xff"):
        (tmp_path / "kept.txt").write_bytes(content)
        assert run_here(tmp_path, receipt, "--vkey", OLD, *unsigned)[0] == 1
    absent = ["--checkpoint", str(tmp_path / "absent.txt")]
    assert run_here(tmp_path, receipt, "--vkey", OLD, *absent)[1][0].startswith("NOT verified: cannot be read")
    text = TEXT.replace(ORIGIN, "other.example")
    (tmp_path / "kept.txt").write_text(f"{text}\n{signature_line(text, 'other.example')}", "utf-8")
    status, lines = run_here(tmp_path, receipt, "--vkey", OLD, "--vkey", vkey("other.example"), *unsigned)
    assert (status, lines) == (1, ["NOT verified: no checkpoint that was kept is of this log"])


@pytest.mark.requirement("TLG-04", "TLG-06")
def test_a_smaller_tree_that_was_witnessed_later_is_a_log_that_went_back(tmp_path: Path) -> None:
    steps = [base64_of(step) for step in SmallLog(20).tree().consistency(13, 20)]
    proof = proof_file(tmp_path, {"proof": steps})
    options = ["--vkey", OLD, "--witness", witness_vkey(), *proof]

    def lines_of(log: SmallLog, at_s: int) -> tuple[str, str]:
        return signature_line(log.text()), cosignature_line(log.text(), at_s=at_s)

    large, small = SmallLog(20), LOG
    for first, then, at_s, status in [
        (large, small, AT_S + 1, 1), (large, small, AT_S - 1, 0), (large, small, AT_S, 0),
        (small, large, AT_S + 1, 0), (small, large, AT_S - 1, 1),
    ]:  # fmt: skip
        kept_option = kept(tmp_path, first, *lines_of(first, AT_S))
        found, lines = run_here(tmp_path, [receipt_with(*lines_of(then, at_s), log=then)], *options, *kept_option)
        assert found == status, lines
        assert found == 0 or "the log went back" in lines[0]


# --- packages -------------------------------------------------------------------------------------------------------


@pytest.mark.requirement("TLG-05", "TLG-06")
def test_both_judge_damaged_packages_alike(tmp_path: Path) -> None:
    files, forks = [package_of(good_files()), package_of(good_files(SmallLog(15, suite="SM3")))], set()
    for name, change in DAMAGES.items():
        content = good_files()
        change(content)
        forks |= {len(files)} if name in FORKS else set()
        files.append(package_of(content))
    files += [package_of({**good_files(), name: b"x"}) for name in BAD_NAMES]
    files += [harmful() for harmful in HARMFUL.values()]
    words = judged(tmp_path, files, Trust([OLD]))
    assert words[:2] == [YES, YES]
    assert YES not in words[2:]
    assert {n for n, word in enumerate(words) if word == "FORK"} == forks


@pytest.mark.requirement("TLG-05", "TLG-06")
def test_both_judge_every_odd_manifest_alike(tmp_path: Path) -> None:
    good = good_files()
    manifest = manifest_of(good)
    odd = [
        b"", b"{}", b"[]", b"\xff", b'{"files": []}', manifest[:-1], manifest + b" ", manifest.upper(),
        manifest.replace(b'{"files"', b'{"x": 1, "files"'), manifest.replace(b'{"files"', b'{"x": 1.5, "files"'),
        manifest.replace(b'{"files"', b'{"files": 1, "files"'), manifest_of({**good, "manifest.json": b""}),
        manifest_of({**good, "more.txt": b""}),
    ]  # fmt: skip
    files = [zipped({"manifest.json": one, **good}) for one in odd] + [zipped(good)]
    files += [zipped({**good, "manifest.json": manifest}), zipped({"manifest.json": manifest, **good, "x.txt": b""})]
    words = judged(tmp_path, files, Trust([OLD]))
    assert [n for n, word in enumerate(words) if word == YES] == [6, 8, 14]


@pytest.mark.requirement("TLG-05", "TLG-06")
def test_both_judge_changed_bytes_of_a_package_alike(tmp_path: Path) -> None:
    good = package_of(good_files())
    step = max(1, len(good) // 600)
    files = [good[:at] + bytes([good[at] ^ (1 << at % 8)]) + good[at + 1 :] for at in range(0, len(good), step)]
    files += [good[:at] for at in range(0, len(good), len(good) // 40)]
    words = judged(tmp_path, files, Trust([OLD]))
    assert words.count(YES) < len(words) // 4  # times and attributes of the zip are nobody's business


@pytest.mark.requirement("TLG-05", "TLG-06")
def test_its_words_about_a_package(tmp_path: Path) -> None:
    data = package_of(good_files())
    assert run_here(tmp_path, [data], "--vkey", OLD) == (0, [
        f"verified: call {OTHER_CALL}, 2 records, log {ORIGIN} size 13",
        f"verified: call {CALL}, 2 records, log {ORIGIN} size 13",
        "verified: package of 2 receipts, 4 records; not proven: README.txt application.json",
    ])  # fmt: skip
    bad = good_files()
    DAMAGES["a receipt changed"](bad)
    assert run_here(tmp_path, [package_of(bad)], "--vkey", OLD) == (
        1, [f"NOT verified: a record is not in the tree that was signed (in {FIRST})"]
    )  # fmt: skip
    fork = good_files()
    DAMAGES["a checkpoint of a fork"](fork)
    status, lines = run_here(tmp_path, [package_of(fork)], "--vkey", OLD)
    assert (status, len(lines)) == (1, 1)
    assert lines[0].startswith(f"FORK: {tmp_path}/0/checkpoints/1.txt and {tmp_path}/0/checkpoints/3.txt: two trees")


@pytest.mark.requirement("TLG-06")
def test_a_package_is_held_to_kept_checkpoints(tmp_path: Path) -> None:
    data = [package_of(good_files())]
    assert run_here(tmp_path, data, "--vkey", OLD, *kept(tmp_path, LOG))[0] == 0
    status, lines = run_here(tmp_path, data, "--vkey", OLD, *kept(tmp_path, SmallLog(16)))
    assert (status, lines[0].split(" (in")[0]) == (
        1, "NOT verified: a proof from 13 to 16 is needed, given with --consistency"
    )  # fmt: skip
    steps = [base64_of(step) for step in SmallLog(16).tree().consistency(13, 16)]
    option = proof_file(tmp_path, {"from": 13, "to": 16, "proof": steps})
    assert run_here(tmp_path, data, "--vkey", OLD, *kept(tmp_path, SmallLog(16)), *option)[0] == 0
