"""Receipts: the records of one call, each with its proof, and the signed checkpoint they lead to.

A receipt is checked offline against a key that the reader brings; nothing in the receipt can name the key. A good one
proves that the log held exactly these bytes at these places when it signed. It does not prove the salt, which stands
outside the tree: a wrong salt shows when the holder of a request or an answer recomputes its digest.
"""

import json
import re
from typing import NoReturn

from tlog.checkpoint import Checkpoint, from_base64, open_note, parse_vkey
from tlog.hashes import leaf_hash
from tlog.proofs import ProofError, verify_inclusion

_MEMBERS = ("v", "call", "log", "checkpoint", "records")
_RECORD_MEMBERS = ("index", "leaf", "salt", "proof")
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_SALT = re.compile(r"(?:[0-9a-f]{2})*")


def parse(data: bytes) -> dict[str, object]:
    """The receipt in a file, *unverified*. Raises ProofError unless it is one plain JSON object, no member twice."""
    return _json_object(data, "the receipt")


def verify(receipt: dict[str, object], vkey: str) -> list[dict[str, object]]:
    """The leaves of a receipt, in its order, if all of it holds; else ProofError with the first reason found.

    Checked: the form, with no member too many (an unproved extra could mislead a reader); the signature by the key of
    `vkey`; that log, checkpoint and key have one name; each record's inclusion; that each leaf is of this call.
    """
    checkpoint = _open(receipt, vkey)
    call, records = receipt["call"], receipt["records"]
    if not isinstance(call, str) or _UUID.fullmatch(call) is None:
        raise ProofError("the receipt's call is not a UUID")
    if not isinstance(records, list) or not records:
        raise ProofError("the receipt has no list of records")
    leaves: dict[int, dict[str, object]] = {}
    for record in records:
        index, leaf = _verify_record(record, checkpoint)
        if index in leaves:
            raise ProofError("two records have the same index")
        if leaf.get("call") != call:
            raise ProofError("a record is of another call")
        leaves[index] = leaf
    return list(leaves.values())


def _open(receipt: dict[str, object], vkey: str) -> Checkpoint:
    _check_members(receipt, _MEMBERS, "the receipt")
    if type(receipt["v"]) is not int or receipt["v"] != 1:
        raise ProofError("the receipt's version is not 1")
    note = receipt["checkpoint"]
    if not isinstance(note, str):
        raise ProofError("the receipt's checkpoint is not a text")
    checkpoint = open_note(note, vkey)
    if not checkpoint.origin == parse_vkey(vkey).name == receipt["log"]:
        raise ProofError("receipt, checkpoint and vkey do not name the same log")
    return checkpoint


def _verify_record(record: object, checkpoint: Checkpoint) -> tuple[int, dict[str, object]]:
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
    verify_inclusion(leaf_hash(data), index, checkpoint.size, path, checkpoint.root)
    return index, _json_object(data, "a record's leaf")


def _check_members(value: object, names: tuple[str, ...], what: str) -> dict[str, object]:
    if not isinstance(value, dict) or value.keys() != set(names):
        raise ProofError(f"{what} is not an object with exactly the members {', '.join(names)}")
    return value


def _json_object(data: bytes, what: str) -> dict[str, object]:
    """JSON in UTF-8, without what two readers could read differently: double members, fractions, half characters."""
    refuse = _not_a_whole_number
    try:
        value = json.loads(data.decode(), object_pairs_hook=_object, parse_float=refuse, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()  # fails on an escaped half of a surrogate pair
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise ProofError(f"{what} is not a plain JSON object")
    return value


def _object(members: list[tuple[str, object]]) -> dict[str, object]:
    result = dict(members)
    if len(result) != len(members):
        raise ValueError("a member stands twice")
    return result


def _not_a_whole_number(text: str) -> NoReturn:
    raise ValueError("not a whole number")
