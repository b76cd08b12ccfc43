"""Receipts: the records of one call, each with its proof, and the signed checkpoint they lead to.

A receipt is checked offline against a key that the reader brings; nothing in the receipt can name the key. A good one
proves that the log held exactly these bytes at these places when it signed. It does not prove the salt, which stands
outside the tree: a wrong salt shows when the holder of a request or an answer recomputes its digest.
"""

import re

from tlog.checkpoint import Checkpoint, from_base64, open_checkpoint
from tlog.plain_json import json_object
from tlog.proofs import ProofError, verify_inclusion

_MEMBERS = ("v", "call", "log", "checkpoint", "records")
_RECORD_MEMBERS = ("index", "leaf", "salt", "proof")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SALT = re.compile(r"(?:[0-9a-f]{2})*")


def parse(data: bytes) -> dict[str, object]:
    """The receipt in a file, *unverified*. Raises ProofError unless it is one plain JSON object, no member twice."""
    return json_object(data, "the receipt")


def verify(receipt: dict[str, object], *vkeys: str) -> list[dict[str, object]]:
    """The leaves of a receipt, in its order, if all of it holds; else ProofError with the first reason found.

    Checked: the form, with no member too many (an unproved extra could mislead a reader); the signature by the key of
    one of the vkeys; that log, checkpoint and key have one name; each record's inclusion; that each leaf is of this
    call.
    """
    return [leaf for _, leaf in verify_exact(receipt, *vkeys)]


def verify_exact(receipt: dict[str, object], *vkeys: str) -> list[tuple[bytes, dict[str, object]]]:
    """As `verify`, with the exact bytes of each leaf."""
    checkpoint = checkpoint_of(receipt, *vkeys)
    call, records = receipt["call"], receipt["records"]
    if not isinstance(call, str) or _UUID.fullmatch(call) is None:
        raise ProofError("the receipt's call is not a UUID")
    if not isinstance(records, list) or not records:
        raise ProofError("the receipt has no list of records")
    leaves: dict[int, tuple[bytes, dict[str, object]]] = {}
    for record in records:
        index, data = _verify_record(record, checkpoint)
        leaf = json_object(data, "a record's leaf")
        if index in leaves:
            raise ProofError("two records have the same index")
        if leaf.get("call") != call:
            raise ProofError("a record is of another call")
        leaves[index] = data, leaf
    return list(leaves.values())


def note_of(receipt: dict[str, object]) -> str:
    """The signed note in a receipt, *unverified*; raises ProofError if it has none."""
    note = receipt.get("checkpoint")
    if not isinstance(note, str):
        raise ProofError("the receipt's checkpoint is not a text")
    return note


def checkpoint_of(receipt: dict[str, object], *vkeys: str) -> Checkpoint:
    """The checkpoint that the receipt's records are said to lead to, if the key of one of the vkeys signed it."""
    _check_members(receipt, _MEMBERS, "the receipt")
    if type(receipt["v"]) is not int or receipt["v"] != 1:
        raise ProofError("the receipt's version is not 1")
    checkpoint = open_checkpoint(note_of(receipt), *vkeys)
    if checkpoint.origin != receipt["log"]:
        raise ProofError("receipt and checkpoint do not name the same log")
    return checkpoint


def _verify_record(record: object, checkpoint: Checkpoint) -> tuple[int, bytes]:
    members = _check_members(record, _RECORD_MEMBERS, "a record")
    index, salt, proof = members["index"], members["salt"], members["proof"]
    if type(index) is not int:
        raise ProofError("a record's index is not a whole number")
    if not isinstance(salt, str) or _SALT.fullmatch(salt) is None:
        raise ProofError("a record's salt is not lower-case hex")
    if not isinstance(proof, list):
        raise ProofError("a record's proof is not a list")
    data = from_base64(members["leaf"], "a record's leaf")
    path = [from_base64(step, "a step of a record's proof") for step in proof]
    suite = checkpoint.suite
    verify_inclusion(suite.leaf(data), index, checkpoint.size, path, checkpoint.root, suite=suite)
    return index, data


def _check_members(value: object, names: tuple[str, ...], what: str) -> dict[str, object]:
    if not isinstance(value, dict) or value.keys() != set(names):
        raise ProofError(f"{what} is not an object with exactly the members {', '.join(names)}")
    return value
