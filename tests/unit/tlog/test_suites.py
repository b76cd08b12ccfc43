"""Trees of every hash: roots, proofs and receipts hold as for SHA-256, and never for another hash."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.merkle import DIGESTS, Definition
from harness.receipts import ORIGIN, SmallLog, base64_of, file_of, key, signature_line, vkey
from tlog.checkpoint import Checkpoint, make, open_note
from tlog.hashes import SHA256, SM3, SUITES, Suite
from tlog.proofs import ProofError, verify_consistency, verify_inclusion
from tlog.receipt import parse, verify
from tlog.tree import append, consistency_proof, inclusion_proof, overlay, root

MOST = 900
LEAVES = [b"leaf %d" % n for n in range(MOST)]
TREES = {name: Definition(LEAVES, digest) for name, digest in DIGESTS.items()}
ROOT = bytes(range(32))
TEXT = f"{ORIGIN}\n42\n{base64_of(ROOT)}\n"
suites = st.sampled_from(list(SUITES.values()))


def nothing(level: int, n: int) -> bytes:
    return b""


@pytest.mark.requirement("TLG-01")
@settings(max_examples=60, deadline=None)
@given(suite=suites, size=st.integers(1, MOST), data=st.data())
def test_proofs_are_those_of_the_definition(suite: Suite, size: int, data: st.DataObject) -> None:
    tree, first = TREES[suite.name], data.draw(st.integers(0, size))
    index = data.draw(st.integers(0, size - 1))
    older = append(0, tree.leaf_hashes[:first], nothing, suite=suite)
    read = overlay(
        {**older, **append(first, tree.leaf_hashes[first:size], overlay(older, nothing), suite=suite)}, nothing
    )
    newer = tree.root(size)
    assert root(size, read, suite=suite) == newer
    path = inclusion_proof(index, size, read, suite=suite)
    assert path == tree.inclusion(index, size)
    verify_inclusion(tree.leaf_hashes[index], index, size, path, newer, suite=suite)
    proof = consistency_proof(index + 1, size, read, suite=suite)
    assert proof == tree.consistency(index + 1, size)
    verify_consistency(index + 1, size, proof, tree.root(index + 1), newer, suite=suite)


@pytest.mark.requirement("TLG-01")
@settings(max_examples=40, deadline=None)
@given(size=st.integers(2, MOST), data=st.data())
def test_no_proof_holds_under_another_hash(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 2))
    for suite, other in ((SHA256, SM3), (SM3, SHA256)):
        tree = TREES[suite.name]
        leaf, older, newer = tree.leaf_hashes[index], tree.root(index + 1), tree.root(size)
        with pytest.raises(ProofError):
            verify_inclusion(leaf, index, size, tree.inclusion(index, size), newer, suite=other)
        with pytest.raises(ProofError):
            verify_consistency(index + 1, size, tree.consistency(index + 1, size), older, newer, suite=other)


@pytest.mark.requirement("TLG-01")
def test_the_empty_tree_has_the_root_of_its_hash() -> None:
    assert {root(0, nothing, suite=suite) for suite in SUITES.values()} == {SHA256.empty, SM3.empty}


@pytest.mark.requirement("TLG-01")
def test_a_checkpoint_states_its_hash_under_the_signature() -> None:
    made = make(ORIGIN, 42, ROOT, key(), SM3)
    text = TEXT + "hash SM3\n"
    assert made == f"{text}\n{signature_line(text)}"
    assert open_note(made, vkey()) == Checkpoint(ORIGIN, 42, ROOT, SM3)
    assert open_note(make(ORIGIN, 42, ROOT, key(), SHA256), vkey()).suite == SHA256
    with pytest.raises(ProofError):
        open_note(made.replace("hash SM3\n", ""), vkey())


@pytest.mark.requirement("TLG-01")
@pytest.mark.parametrize(
    "extensions",
    ["hash SHA-256\n", "hash sm3\n", "hash MD5\n", "hash \n", "hash SM3 \n", "hash SM3\nhash SM3\n", "x\nhash SM3\n",
     "hash SM3\nhash SHA-256\n", "hash SHA-256\nhash SM3\n", "hash  SM3\n"],
)  # fmt: skip
def test_a_hash_has_one_spelling_in_one_place(extensions: str) -> None:
    text = TEXT + extensions
    with pytest.raises(ProofError, match="names its hash"):
        open_note(f"{text}\n{signature_line(text)}", vkey())


@pytest.mark.requirement("TLG-01")
@pytest.mark.parametrize("extensions", ["hash SM3\nx\n", "hash SM3\nhashes\n", "hash\n", "hashes SM3\n", " hash SM3\n"])
def test_other_extensions_are_no_hash(extensions: str) -> None:
    text = TEXT + extensions
    opened = open_note(f"{text}\n{signature_line(text)}", vkey())
    assert opened.suite == (SM3 if extensions.startswith("hash SM3") else SHA256)


@pytest.mark.requirement("TLG-01")
@pytest.mark.parametrize("size", [10, 13, 16, 17])
def test_receipts_of_an_sm3_log_hold(size: int) -> None:
    log = SmallLog(size, suite="SM3")
    assert len(verify(parse(file_of(log.receipt())), vkey())) == 2
    plain = log.text().replace("hash SM3\n", "")
    receipt = {**log.receipt(), "checkpoint": f"{plain}\n{signature_line(plain)}"}
    with pytest.raises(ProofError, match="another root"):
        verify(receipt, vkey())
