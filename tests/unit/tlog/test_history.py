"""Two checkpoints of one log: the same, grown, not proven, not grown, gone back, forked."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.merkle import DIGESTS, Definition
from harness.receipts import ORIGIN, SmallLog, base64_of, key, leaf_of, signature_line, vkey
from tlog.checkpoint import Checkpoint, make
from tlog.hashes import SHA256, SM3, SUITES
from tlog.history import Fork, Trees, Verdict, compare, parse_proof
from tlog.proofs import ProofError

MOST = 40
LEAVES = [b"leaf %d" % n for n in range(MOST)]
TREES = {name: Definition(LEAVES, digest) for name, digest in DIGESTS.items()}
OTHER = Definition([b"other", *LEAVES[1:]])


def note(size: int, tree: Definition = TREES["SHA-256"], suite: str = "SHA-256", origin: str = ORIGIN) -> str:
    return make(origin, size, tree.root(size), key(), SUITES[suite])


@pytest.mark.requirement("TLG-04")
@pytest.mark.parametrize("suite", DIGESTS)
def test_every_growth_is_consistent_by_its_proof_and_by_no_other(suite: str) -> None:
    tree = TREES[suite]
    for older in range(1, MOST):
        first = note(older, tree, suite)
        assert compare(first, first, vkey()) is Verdict.SAME
        for newer in range(older + 1, MOST, 5):
            second, proof = note(newer, tree, suite), tree.consistency(older, newer)
            assert compare(first, second, vkey(), proof=proof) is Verdict.CONSISTENT
            assert compare(first, second, vkey()) is Verdict.UNPROVEN
            assert compare(second, first, vkey(), proof=proof) is Verdict.ROLLBACK
            for wrong in (proof[1:], [*proof, proof[0]], [bytes(32), *proof[1:]], []):
                assert compare(first, second, vkey(), proof=wrong) is Verdict.INCONSISTENT


@pytest.mark.requirement("TLG-04")
def test_two_signed_trees_of_one_size_are_a_fork() -> None:
    assert compare(note(9), note(9, OTHER), vkey()) is Verdict.FORK
    assert compare(note(9), note(9, OTHER), vkey(), proof=[]) is Verdict.FORK
    assert compare(note(9), note(9, TREES["SM3"], "SM3"), vkey()) is Verdict.FORK
    for proof in (OTHER.consistency(9, 12), TREES["SHA-256"].consistency(9, 12)):
        assert compare(note(9), note(12, OTHER), vkey(), proof=proof) is Verdict.INCONSISTENT


@pytest.mark.requirement("TLG-04")
def test_what_nobody_signed_is_no_evidence() -> None:
    forged = note(9, OTHER).split("\n\n", maxsplit=1)[0] + "\n\n" + note(9).split("\n\n")[1]
    stranger = make(ORIGIN, 9, OTHER.root(9), key(2))
    for pair in ((note(9), forged), (forged, note(9)), (note(9), stranger), (stranger, note(9))):
        with pytest.raises(ProofError):
            compare(*pair, vkey())
    assert compare(note(9), stranger, vkey(), vkey(ORIGIN, key(2))) is Verdict.FORK
    with pytest.raises(ProofError, match="different logs"):
        compare(note(9), note(9, origin="other.example"), vkey(), vkey("other.example"))


@pytest.mark.requirement("TLG-04")
def test_everything_grows_out_of_the_empty_log_unless_that_was_not_empty() -> None:
    assert compare(note(0), note(9), vkey()) is Verdict.CONSISTENT
    not_empty = make(ORIGIN, 0, bytes(32), key())
    assert compare(not_empty, note(9), vkey()) is Verdict.INCONSISTENT
    assert compare(note(0), not_empty, vkey()) is Verdict.FORK


@pytest.mark.requirement("TLG-04")
def test_a_log_does_not_change_its_hash() -> None:
    later = note(12, TREES["SM3"], "SM3")
    for proof in (None, TREES["SM3"].consistency(9, 12), TREES["SHA-256"].consistency(9, 12)):
        assert compare(note(9), later, vkey(), proof=proof) is Verdict.INCONSISTENT


@pytest.mark.requirement("TLG-04")
def test_trees_that_were_met_remember_where() -> None:
    trees = Trees()
    for size, suite, origin in ((9, SHA256, "a"), (9, SHA256, "b"), (10, SHA256, "a"), (9, SHA256, "a")):
        trees.add(Checkpoint(origin, size, bytes(32), suite), f"{origin}{size}")
    with pytest.raises(Fork, match=r"^a9 and later: two trees of size 9, both signed by a; keep both$"):
        trees.add(Checkpoint("a", 9, bytes([1] * 32)), "later")
    with pytest.raises(Fork):
        trees.add(Checkpoint("b", 9, bytes(32), SM3), "later")


@pytest.mark.requirement("TLG-04")
def test_the_answer_of_the_log_is_read_with_and_without_sizes() -> None:
    steps = TREES["SHA-256"].consistency(9, 12)
    proof = [base64_of(step) for step in steps]
    for members in ({}, {"from": 9}, {"to": 12}, {"from": 9, "to": 12}, {"from": 9, "to": 12, "log": "x"}):
        assert parse_proof(json.dumps({"proof": proof, **members}).encode(), 9, 12) == steps
    bad = [{}, {"proof": "x"}, {"proof": None}, {"proof": ["x"]}, {"proof": [1]}, {"proof": proof, "from": 8},
           {"proof": proof, "to": 13}, {"proof": proof, "to": "12"}, []]  # fmt: skip
    for value in bad:
        with pytest.raises(ProofError):
            parse_proof(json.dumps(value).encode(), 9, 12)


@pytest.mark.requirement("LOG-06")
@given(st.binary())
def test_any_file_is_a_proof_or_a_proof_error(data: bytes) -> None:
    with pytest.raises(ProofError):
        parse_proof(data, 1, 2)


@pytest.mark.requirement("TLG-04")
def test_a_database_put_back_and_filled_anew_is_found() -> None:
    """What a department kept before is signed; so is what the log says after it lost its newest records."""
    kept = SmallLog(13)
    restored = SmallLog(10)
    refilled = SmallLog(16, replaced={11: leaf_of("01931f2e-7c1a-7d4e-9b3a-222222222222", "intent", 11)})
    assert compare(kept.note(), restored.note(), vkey()) is Verdict.ROLLBACK
    proof = refilled.tree().consistency(13, 16)
    assert compare(kept.note(), refilled.note(), vkey(), proof=proof) is Verdict.INCONSISTENT
    honest = SmallLog(16)
    assert compare(kept.note(), honest.note(), vkey(), proof=honest.tree().consistency(13, 16)) is Verdict.CONSISTENT
    unsigned = kept.note(signature_line(kept.text(), ORIGIN, key(5)))
    with pytest.raises(ProofError):
        compare(unsigned, honest.note(), vkey())
