"""What two signed checkpoints of one log say about its history: the same tree, growth, or proof of two histories.

Whoever keeps a checkpoint can hold the log to it. Two different trees of one size, both signed by the log's key, are
evidence against whoever has the key: no honest log can have signed both.
"""

from collections.abc import Sequence
from enum import StrEnum

from tlog.checkpoint import Checkpoint, from_base64, open_checkpoint
from tlog.plain_json import json_object
from tlog.proofs import ProofError, verify_consistency


class Verdict(StrEnum):
    """Of an older and a newer checkpoint of one log."""

    SAME = "same tree"
    CONSISTENT = "consistent"
    """The older tree is the beginning of the newer one, by the proof."""
    UNPROVEN = "not proven"
    """The newer tree is larger, and nobody has shown that it begins with the older one."""
    INCONSISTENT = "NOT consistent"
    """The proof does not lead from one to the other: ask the log for a proof again, then suspect the log."""
    ROLLBACK = "NOT consistent: the newer tree is smaller"
    """The log was put back to an earlier state, or the two were given in the wrong order."""
    FORK = "FORK"
    """Two trees of one size, both signed: the two notes are the evidence."""


class Fork(ProofError):
    """Two trees of one size, both signed by the log's key."""


class Trees:
    """The signed trees met so far, and where each was met."""

    def __init__(self) -> None:
        self._met: dict[tuple[str, int], tuple[Checkpoint, str]] = {}

    def add(self, checkpoint: Checkpoint, where: str) -> None:
        """Raises Fork if another tree of this log and size was met; the checkpoint must have been verified."""
        other, other_place = self._met.setdefault((checkpoint.origin, checkpoint.size), (checkpoint, where))
        if other != checkpoint:
            raise Fork(
                f"{other_place} and {where}: two trees of size {checkpoint.size}, both signed by {checkpoint.origin};"
                " keep both"
            )


def compare(older: str, newer: str, *vkeys: str, proof: Sequence[bytes] | None = None) -> Verdict:
    """What holds between two signed notes, of which the reader got `older` first.

    proof   hashes of the consistency proof from the size of the older to that of the newer one (RFC 9162 2.1.4)
    Raises ProofError if one of them is not signed by the key of a vkey, or if they are of two logs.
    """
    first, second = open_checkpoint(older, *vkeys), open_checkpoint(newer, *vkeys)
    if first.origin != second.origin:
        raise ProofError("the two checkpoints are of different logs")
    if first.size == second.size:
        return Verdict.SAME if first == second else Verdict.FORK
    if first.size > second.size:
        return Verdict.ROLLBACK
    return _growth(first, second, proof)


def _growth(first: Checkpoint, second: Checkpoint, proof: Sequence[bytes] | None) -> Verdict:
    if first.suite != second.suite:
        return Verdict.INCONSISTENT
    if first.size == 0:  # every tree begins with the empty one
        return Verdict.CONSISTENT if first.root == first.suite.empty else Verdict.INCONSISTENT
    if proof is None:
        return Verdict.UNPROVEN
    try:
        verify_consistency(first.size, second.size, proof, first.root, second.root, suite=first.suite)
    except ProofError:
        return Verdict.INCONSISTENT
    return Verdict.CONSISTENT


def parse_proof(data: bytes, size1: int, size2: int) -> list[bytes]:
    """The hashes in a log's answer to `/proof/consistency`.

    Raises ProofError if it has no list of hashes, or says that it is about other sizes.
    """
    members = json_object(data, "the consistency proof")
    if (members.get("from", size1), members.get("to", size2)) != (size1, size2):
        raise ProofError(f"the consistency proof is not from {size1} to {size2}")
    steps = members.get("proof")
    if not isinstance(steps, list):
        raise ProofError("the consistency proof has no list of hashes")
    return [from_base64(step, "a step of the consistency proof") for step in steps]
