"""What a witness answers to every kind of request, without a process: the statuses of C2SP tlog-witness."""

import itertools
import json
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from harness.receipts import ORIGIN, base64_of, key, signature_line, vkey
from harness.witnessed import WITNESS, Tree, body
from tlog import cosignature
from tlog.checkpoint import Checkpoint, format_vkey, make, parse, parse_vkey, split_note
from tlog.checkpoint import signature_line as line_of
from tlog.hashes import EMPTY_ROOT, SM3
from tlog.proofs import ProofError, verify_consistency
from tlog.tree import append, consistency_proof, root
from witness.decide import Accept, Deny, Malformed, State, Verdict, decide, read

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "add-checkpoint-vectors.json").read_text())
TREE, FORK = Tree(), Tree(forked=3)
OWN = cosignature.format_vkey(WITNESS, key(7).public_key())
KEYS = (vkey(),)


def held(size: int, tree: Tree = TREE) -> Checkpoint | None:
    """What a witness holds after `size` leaves; None before the first checkpoint."""
    return parse(tree.text(size)) if size >= 0 else None


def answer(held_size: int, request: bytes, vkeys: tuple[str, ...] = KEYS) -> Verdict:
    return decide(State(vkeys, (OWN,), held(held_size)), read(request))


def status(held_size: int, request: bytes, vkeys: tuple[str, ...] = KEYS) -> int:
    try:
        verdict = answer(held_size, request, vkeys)
    except Malformed:
        return 400
    return verdict.status if isinstance(verdict, Deny) else 200


@pytest.mark.requirement("WIT-01")
def test_the_published_requests_get_the_published_answers() -> None:
    public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(VECTORS["public_key"]))
    vkeys, last = (format_vkey(VECTORS["origin"], public),), None
    for vector in VECTORS["requests"]:
        try:
            asked = read(vector["body"].encode())
            verdict = decide(State(vkeys, (), last) if asked.checkpoint.origin == VECTORS["origin"] else None, asked)
        except Malformed:
            verdict = Deny(400, "")
        if isinstance(verdict, Accept):
            last = verdict.held
            assert vector["status"] == 200, vector["name"]
        elif vector["name"].startswith("invalid signature"):
            assert verdict.status == 400, "we are stricter: a base64 that has two spellings is none"
        else:
            assert (verdict.status, f"{verdict.size}\n" if verdict.size else "") == (vector["status"], vector["size"])
    assert last is not None
    assert last.size == 5


NOTE = TREE.note(5)
EMPTY_OF_OTHER_ROOT = TREE.text(0).replace(base64_of(EMPTY_ROOT), base64_of(bytes(32)))
BODIES: dict[str, tuple[int, int, bytes]] = {  # name -> held size (-1: nothing yet), status, request
    "first": (-1, 200, TREE.body(0, 5)),
    "first, the empty tree": (-1, 200, TREE.body(0, 0)),
    "grown from the empty tree": (0, 200, TREE.body(0, 5)),
    "grown": (5, 200, TREE.body(5, 300)),
    "the same again": (5, 200, TREE.body(5, 5)),
    "the empty tree again": (0, 200, TREE.body(0, 0)),
    "old over size": (6, 400, body(6, [], NOTE)),
    "no old line": (-1, 400, NOTE.encode()),
    "old with a zero in front": (5, 400, body("05", [], NOTE)),
    "old with a plus": (5, 400, body("+5", [], NOTE)),
    "old negative": (5, 400, body("-5", [], NOTE)),
    "old in other digits": (5, 400, body("٥", [], NOTE)),
    "no empty line": (-1, 400, b"old 0\n" + NOTE.encode()),
    "line ends of another system": (-1, 400, TREE.body(0, 5).replace(b"\n", b"\r\n")),
    "proof line that is no base64": (5, 400, body(5, [], TREE.note(6)).replace(b"old 5\n", b"old 5\n!\n")),
    "proof line of 31 bytes": (5, 400, body(5, [bytes(31)], TREE.note(6))),
    "64 proof lines": (5, 400, body(5, [bytes(32)] * 64, TREE.note(6))),
    "63 proof lines": (5, 422, body(5, [bytes(32)] * 63, TREE.note(6))),
    "not UTF-8": (-1, 400, TREE.body(0, 5) + b"\xff"),
    "no signature at all": (-1, 400, body(0, [], TREE.text(5))),
    "something behind the signatures": (-1, 400, TREE.body(0, 5) + b"x"),
    "two lines of checkpoint": (-1, 400, body(0, [], f"{ORIGIN}\n5\n\n{signature_line(TREE.text(5))}")),
    "size beyond 64 bits": (-1, 400, body(0, [], NOTE.replace("\n5\n", f"\n{2**64 + 1}\n"))),
    "nothing": (-1, 400, b""),
    "signed by another key": (-1, 403, body(0, [], TREE.note(5, key(2)))),
    "signed by another key in the log's name and id": (
        -1, 403, body(0, [], f"{TREE.text(5)}\n{line_of(ORIGIN, parse_vkey(vkey()).key_id, bytes(64))}"),
    ),
    "right line and wrong line of one key": (-1, 403, body(0, [], NOTE + signature_line(TREE.text(6)))),
    "a changed size under the signature": (-1, 403, body(0, [], NOTE.replace("\n5\n", "\n6\n"))),
    "held more": (300, 409, TREE.body(5, 6)),
    "held less": (5, 409, TREE.body(6, 7)),
    "held nothing": (-1, 409, TREE.body(5, 6)),
    "asked anew": (5, 409, TREE.body(0, 300)),
    "no proof": (5, 422, body(5, [], TREE.note(6))),
    "proof of other sizes": (5, 422, body(5, TREE.proof(6, 9), TREE.note(9))),
    "proof too long": (5, 422, body(5, [*TREE.proof(5, 9), bytes(32)], TREE.note(9))),
    "a fork": (5, 422, FORK.body(5, 9)),
    "same size, other root": (5, 422, FORK.body(5, 5)),
    "same size with a proof": (5, 422, body(5, [bytes(32)], NOTE)),
    "from nothing with a proof": (-1, 422, body(0, [bytes(32)], NOTE)),
    "from the empty tree with a proof": (0, 422, body(0, [bytes(32)], NOTE)),
    "empty tree of another root": (
        -1, 422, body(0, [], f"{EMPTY_OF_OTHER_ROOT}\n{signature_line(EMPTY_OF_OTHER_ROOT)}"),
    ),
    "empty tree of another root after the right one": (
        0, 422, body(0, [], f"{EMPTY_OF_OTHER_ROOT}\n{signature_line(EMPTY_OF_OTHER_ROOT)}"),
    ),
}  # fmt: skip


@pytest.mark.requirement("WIT-01")
@pytest.mark.parametrize("name", BODIES)
def test_every_kind_of_request_gets_its_status(name: str) -> None:
    held_size, expected, request = BODIES[name]
    assert status(held_size, request) == expected


@pytest.mark.requirement("WIT-01")
def test_a_log_that_is_not_known_is_not_cosigned() -> None:
    denied = decide(None, read(TREE.body(0, 5)))
    assert isinstance(denied, Deny)
    assert denied.status == 404


@pytest.mark.requirement("WIT-01")
def test_whoever_asks_with_another_size_is_told_the_right_one() -> None:
    assert answer(5, TREE.body(0, 300)) == Deny(409, "another size was cosigned last", 5)


@pytest.mark.requirement("WIT-04")
def test_lines_of_unknown_keys_are_passed_over() -> None:
    text = TREE.text(5)
    strangers = signature_line(text, ORIGIN, key(3)) + signature_line("x\n", "another.example", key(4))
    own_name_other_key = cosignature.sign(text, WITNESS, key(8), 1)
    accepted = answer(-1, body(0, [], f"{text}\n{strangers}{signature_line(text)}{own_name_other_key}"))
    assert isinstance(accepted, Accept)
    assert [line_of(*line) for line in accepted.lines] == [signature_line(text)]
    assert accepted.text == text


@pytest.mark.requirement("WIT-04")
def test_a_line_forged_in_the_witness_own_name_is_refused() -> None:
    text, own = TREE.text(5), cosignature.parse_vkey(OWN)
    real = cosignature.sign(text, WITNESS, key(7), 1)
    assert status(-1, body(0, [], NOTE + real)) == 200
    for forged in (bytes(72), bytes(8), b"x", split_note(f"{text}\n{real}").by(own)[0][:-1] + b"\0"):
        assert status(-1, body(0, [], NOTE + line_of(WITNESS, own.key_id, forged))) == 403
    assert status(-1, body(0, [], NOTE + cosignature.sign(TREE.text(6), WITNESS, key(7), 1))) == 403


@pytest.mark.requirement("WIT-05")
def test_while_a_log_changes_its_key_either_signs() -> None:
    both = (vkey(), vkey(ORIGIN, key(2)))
    for keys in ((key(),), (key(2),), (key(), key(2))):
        accepted = answer(5, body(5, TREE.proof(5, 9), TREE.note(9, *keys)), both)
        assert isinstance(accepted, Accept)
        assert len(accepted.lines) == len(keys)
    assert status(5, body(5, TREE.proof(5, 9), TREE.note(9, key())), both[1:]) == 403


@pytest.mark.requirement("WIT-05")
def test_a_log_in_sm3_is_cosigned_and_may_not_change_its_hash() -> None:
    stored = append(0, [SM3.leaf(b"%d" % i) for i in range(9)], lambda _level, _n: b"", suite=SM3)

    def look(level: int, n: int) -> bytes:
        return stored[level, n]

    notes = {size: make(ORIGIN, size, root(size, look, suite=SM3), key(), SM3) for size in (5, 9)}
    first = decide(State(KEYS), read(body(0, [], notes[5])))
    assert isinstance(first, Accept)
    proof = consistency_proof(5, 9, look, suite=SM3)
    second = decide(State(KEYS, (), first.held), read(body(5, proof, notes[9])))
    assert isinstance(second, Accept)
    assert second.held.suite.name == "SM3"
    for last, request in ((first.held, TREE.body(5, 5)), (held(0), body(0, [], notes[9]))):
        refused = decide(State(KEYS, (), last), read(request))
        assert isinstance(refused, Deny)
        assert refused.status == 422


@pytest.mark.requirement("WIT-01")
@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12), st.booleans()), max_size=12))
def test_no_history_of_requests_gets_two_pasts_cosigned(asked: list[tuple[int, int, bool]]) -> None:
    state, cosigned = State(KEYS), []
    for old, size, forked in asked:
        tree = FORK if forked else TREE
        verdict = decide(state, read(tree.body(old, size)))
        if isinstance(verdict, Accept):
            state = State(KEYS, (), verdict.held)
            cosigned.append(verdict.held)
    for older, newer in itertools.pairwise(cosigned):
        assert older.size <= newer.size
        assert any(_is_prefix(tree, older, newer) for tree in (TREE, FORK))


def _is_prefix(tree: Tree, older: Checkpoint, newer: Checkpoint) -> bool:
    try:
        if older.size == 0:
            return True
        verify_consistency(older.size, newer.size, tree.proof(older.size, newer.size), older.root, newer.root)
    except ProofError:
        return False
    return True
