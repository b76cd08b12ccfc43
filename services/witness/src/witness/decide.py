"""Whether to cosign: what was asked, what is known of the log, and the answer.

Pure: the same function serves the witness and the simulations of a log that has one. A witness cosigns a tree only if
it has grown from the one that it cosigned last, so nobody can show it two pasts.
Source: C2SP tlog-witness, add-checkpoint. Two roots for one size are answered 422, as sunlight and the OmniWitness do
(the first edition said 409, which a client could not tell from a size that moved on).
"""

import re
from dataclasses import dataclass
from typing import NamedTuple

from tlog import cosignature
from tlog.checkpoint import Checkpoint, Note, VerifierKey, check_signature, from_base64, parse, parse_vkey, split_note
from tlog.hashes import HASH_BYTES
from tlog.proofs import ProofError, verify_consistency

MOST_PROOF_LINES = 63
_OLD = re.compile(r"old (0|[1-9][0-9]{0,19})")


class Malformed(ValueError):
    """The request does not have the form of an add-checkpoint request; the message says where."""


class Request(NamedTuple):
    """`proof`: hashes from the tree of `old` leaves to the checkpoint; `note`: the checkpoint as it was sent."""

    old: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint


@dataclass(frozen=True, slots=True)
class State:
    """What a witness knows of one log.

    vkeys   keys that may sign for it, any of them
    own     vkeys of the witness itself
    held    the checkpoint that it cosigned last, None before the first
    """

    vkeys: tuple[str, ...]
    own: tuple[str, ...] = ()
    held: Checkpoint | None = None


class Accept(NamedTuple):
    """Cosign `text`, after `held` has been kept. `lines` are the signatures by keys of the log, all verified."""

    held: Checkpoint
    text: str
    lines: tuple[tuple[str, bytes, bytes], ...]


class Deny(NamedTuple):
    """The HTTP status, why, and with 409 the size that the witness holds."""

    status: int
    reason: str
    size: int = 0


Verdict = Accept | Deny


def read(body: bytes) -> Request:
    """The request in a body; raises Malformed."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        raise Malformed("the request is not UTF-8") from None
    head, gap, note = text.partition("\n\n")
    first, *proof = head.split("\n")
    old = _OLD.fullmatch(first)
    if not gap or old is None:
        raise Malformed("the request does not begin with `old N`, proof lines and an empty line")
    if len(proof) > MOST_PROOF_LINES:
        raise Malformed(f"there are more than {MOST_PROOF_LINES} proof lines")
    try:
        return request(int(old[1]), [from_base64(line, "a proof line") for line in proof], note)
    except ProofError as error:
        raise Malformed(str(error)) from None


def request(old: int, proof: list[bytes], note: str) -> Request:
    """A request from its parts; raises ProofError for what is no checkpoint or no proof."""
    if any(len(step) != HASH_BYTES for step in proof):
        raise ProofError("a proof line is not a hash")
    opened = split_note(note)
    return Request(old, tuple(proof), opened, parse(opened.text))


def decide(state: State | None, asked: Request) -> Verdict:
    """What to answer. `state` is None for a log that the witness does not know. Checks in the order of the source."""
    if state is None:
        return Deny(404, "this witness does not know the log")
    try:
        lines = lines_of_the_log(asked.note, state)
    except ProofError as error:
        return Deny(403, str(error))
    tree, held = asked.checkpoint, state.held
    if asked.old > tree.size:
        return Deny(400, "the old size is larger than the checkpoint's")
    size = held.size if held else 0
    if asked.old != size:
        return Deny(409, "another size was cosigned last", size)
    try:
        _check_growth(held, asked)
    except ProofError as error:
        return Deny(422, str(error))
    return Accept(tree, asked.note.text, lines)


def lines_of_the_log(note: Note, state: State) -> tuple[tuple[str, bytes, bytes], ...]:
    """The lines by keys of the log, each once; lines of keys that are not known here are passed over.

    Raises ProofError if there is none, or if one of them, or one in our own name, is wrong.
    """
    for key in map(cosignature.parse_vkey, state.own):
        for raw in dict.fromkeys(note.by(key)):
            _check_own(note.text, raw, key)
    lines = []
    for key in map(parse_vkey, state.vkeys):
        for raw in dict.fromkeys(note.by(key)):
            check_signature(key.public, raw, note.text.encode())
            lines.append((key.name, key.key_id, raw))
    if not lines:
        raise ProofError("the checkpoint carries no signature by a key of the log")
    return tuple(lines)


def _check_own(text: str, raw: bytes, key: VerifierKey) -> None:
    """A cosignature in our name that we never made must not travel on with ours beside it."""
    at_s = int.from_bytes(raw[:8])
    check_signature(key.public, raw[8:], cosignature.message(text, at_s))


def _check_growth(held: Checkpoint | None, asked: Request) -> None:
    """Raises ProofError unless the checkpoint's tree begins with the held one."""
    tree = asked.checkpoint
    if held is not None and held.suite.name != tree.suite.name:
        raise ProofError("the log hashes otherwise than before")
    if asked.old:
        root = held.root if held else b""
        verify_consistency(asked.old, tree.size, asked.proof, root, tree.root, suite=tree.suite)
    elif asked.proof:
        raise ProofError("from size 0 there is nothing to prove, the proof has to be empty")
    elif tree.size == 0 and tree.root != tree.suite.empty:
        raise ProofError("the root of the empty tree is another one")
