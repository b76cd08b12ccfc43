#!/usr/bin/env python3
"""Checks receipts of a Tongdao log. One file, to be read in full by whoever relies on it.

    python verify_receipt.py --vkey 'NAME+ID+KEY' RECEIPT.json ...

Needs Python 3.11 or later and the package `cryptography` (for Ed25519 only). It reads the files named and nothing else:
no network, no settings. Get the vkey from somebody you trust, not from where the receipts came from: it is the one
thing all else rests on. It ends with status 0 if every receipt holds, otherwise 1.

What "verified" means, for one receipt:
  1. The text `checkpoint` ends in an Ed25519 signature by the key in the vkey. The text states the name of the log, how
     many records the log held, and the root of a hash tree over them.
  2. Each record lies in that tree: hashing its bytes, then going up with the hashes in `proof`, ends at that root.
     So the log cannot change, drop or insert a record without every later root changing.
  3. Every record says that it is about the call named at the top of the receipt, and no record is there twice.

What it does not mean: that the records tell the truth (only that they were not changed since), or that the log showed
everybody the same tree (compare checkpoints with others for that). The `salt` is not covered: it only serves to
recompute, from a request or answer you kept, the digests inside a record; a false salt would make those differ.

Sources: RFC 6962 section 2.1 (tree), C2SP signed-note and tlog-checkpoint (checkpoint), RFC 8032 (Ed25519).
"""

import argparse
import base64
import hashlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASH = 32  # bytes of a SHA-256 hash, and by chance also of an Ed25519 public key


class Bad(Exception):
    """Why a receipt is not verified."""


def need(condition: bool, reason: str) -> None:
    """Goes on only if the condition holds."""
    if not condition:
        raise Bad(reason)


def match(pattern: str, text: object, reason: str) -> re.Match[str]:
    """Goes on only if the text, all of it, has the form of the pattern."""
    found = re.fullmatch(pattern, text) if isinstance(text, str) else None
    if found is None:
        raise Bad(reason)
    return found


def decode(text: object, what: str) -> bytes:
    """Standard base64 with padding; a second spelling of the same bytes is refused."""
    groups = "(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{2}==)?"
    raw = base64.b64decode(match(groups, text, f"{what} is not base64")[0])
    need(base64.b64encode(raw).decode() == text, f"{what} is not base64")
    return raw


def parse_json(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object. Double member names, fractions and broken characters are refused, so all readers see the same."""

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        need(len({name for name, _ in pairs}) == len(pairs), f"{what} names a member twice")
        return dict(pairs)

    def fraction(number: str) -> object:
        raise Bad(f"{what} contains a number that is not whole")

    try:
        value = json.loads(
            data.decode("utf-8"), object_pairs_hook=members, parse_float=fraction, parse_constant=fraction
        )
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (ValueError, RecursionError):
        raise Bad(f"{what} is not JSON") from None
    if not isinstance(value, dict):
        raise Bad(f"{what} is not a JSON object")
    return value


def read_vkey(vkey: str) -> tuple[str, bytes, bytes]:
    """Name, key id (4 bytes) and public key (32 bytes) of a vkey. The id must follow from the other two."""
    parts = match(r"([^+\s\x00-\x1f]+)\+([0-9a-f]{8})\+(.+)", vkey, "the vkey does not have the form NAME+ID+KEY")
    name, key_id, key = parts[1], bytes.fromhex(parts[2]), decode(parts[3], "the key in the vkey")
    need(len(key) == 1 + HASH and key[0] == 1, "the vkey does not hold an Ed25519 key")
    digest = hashlib.sha256(name.encode(errors="replace") + b"\n" + key).digest()
    need(digest[:4] == key_id, "the id in the vkey does not belong to its name and key")
    return name, key_id, key[1:]


def read_checkpoint(note: object, vkey: str) -> tuple[str, int, bytes]:
    """Log name, tree size and root from a signed note, once a signature by the key of the vkey was found good."""
    name, key_id, public = read_vkey(vkey)
    form = r"[^\x00-\x09\x0b-\x1f\ud800-\udfff]*"  # any text without control or half characters
    whole = match(form, note, "the checkpoint is not a plain text")[0]
    need(len(whole.encode()) <= 2**20, "the checkpoint is longer than 1 MiB")
    # Greedy: the signed text goes up to the last empty line; behind that stand one or more signature lines.
    parts = match(r"([^\0]*\n)\n((?:[^\n]+\n)+)", whole, "the checkpoint has no signatures")
    text, found = parts[1], 0
    for line in parts[2].removesuffix("\n").split("\n"):
        signer = match(r"— ([^+\s]+) (\S+)", line, "a signature line is malformed")
        signature = decode(signer[2], "a signature")
        need(len(signature) > 4, "a signature is too short")
        if signer[1] == name and signature[:4] == key_id:  # others, such as witnesses, are not our question
            try:
                Ed25519PublicKey.from_public_bytes(public).verify(signature[4:], text.encode())
            except InvalidSignature:
                raise Bad("the signature of the checkpoint is wrong") from None
            found += 1
    need(found > 0, "the checkpoint is not signed by the key of the vkey")
    # Log name, size, root; lines after these are extensions that we have no use for.
    body = match(r"([^\n]+)\n(0|[1-9][0-9]{0,19})\n([^\n]+)\n(?:[^\n]+\n)*", text, "the checkpoint is malformed")
    size, root = int(body[2]), decode(body[3], "the root in the checkpoint")
    need(size <= 2**64 and len(root) == HASH, "the size or root in the checkpoint is malformed")
    need(body[1] == name, "the checkpoint is of another log than the vkey")
    return name, size, root


def root_over(leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root of a tree of `size` leaves of which we know one, and the hashes beside the way up from it.

    RFC 6962: the first k leaves form the left half, k being the largest power of two below the size, the rest the
    right half; the root is SHA-256(0x01, left, right). The last hash of the path is the half without our leaf.
    """
    if size == 1:
        need(not path, "a proof is too long")
        return leaf
    need(bool(path), "a proof is too short")
    k = 1 << (size - 1).bit_length() - 1
    if index < k:
        left, right = root_over(leaf, index, k, path[:-1]), path[-1]
    else:
        left, right = path[-1], root_over(leaf, index - k, size - k, path[:-1])
    return hashlib.sha256(b"\x01" + left + right).digest()


def check_record(record: Any, call: str, size: int, root: bytes) -> int:
    """The index of a record that lies in the tree and is about this call."""
    need(isinstance(record, dict) and record.keys() == {"index", "leaf", "salt", "proof"}, "a record is malformed")
    index, salt, proof = record["index"], record["salt"], record["proof"]
    need(type(index) is int and 0 <= index < size, "a record's index is not inside the tree")
    match("([0-9a-f]{2})*", salt, "a record's salt is not hex")
    need(isinstance(proof, list), "a record's proof is not a list")
    path = [decode(step, "a step of a proof") for step in proof]
    need(all(len(step) == HASH for step in path), "a step of a proof has the wrong length")
    leaf = decode(record["leaf"], "a leaf")
    computed = root_over(hashlib.sha256(b"\x00" + leaf).digest(), index, size, path)
    need(computed == root, "a record is not in the tree that was signed")
    need(parse_json(leaf, "a leaf").get("call") == call, "a record is about another call")
    return int(index)


def check_receipt(data: bytes, vkey: str) -> str:
    """One line about a good receipt; raises Bad for any other."""
    receipt = parse_json(data, "the receipt")
    need(
        receipt.keys() == {"v", "call", "log", "checkpoint", "records"}, "the receipt's members are not as they must be"
    )
    need(type(receipt["v"]) is int and receipt["v"] == 1, "the receipt's version is not 1")
    call = match("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", receipt["call"], "the receipt's call is not a UUID")[0]
    log, size, root = read_checkpoint(receipt["checkpoint"], vkey)
    need(receipt["log"] == log, "receipt and checkpoint do not name the same log")
    records = receipt["records"]
    need(isinstance(records, list) and len(records) > 0, "the receipt has no records")
    indexes = [check_record(record, call, size, root) for record in records]
    need(len(set(indexes)) == len(indexes), "a record is there twice")
    return f"verified: call {call}, {len(records)} records, log {log} size {size}"


def main() -> int:
    """Status 0 if every receipt holds, 1 if one does not (or cannot be read)."""
    parser = argparse.ArgumentParser(description="Check receipts of a Tongdao log, offline.")
    parser.add_argument("--vkey", required=True, help="public key of the log, as NAME+ID+KEY, from a source you trust")
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a receipt (JSON)")
    arguments = parser.parse_args()
    failed = False
    for file in arguments.files:
        try:
            print(check_receipt(file.read_bytes(), arguments.vkey))
        except (Bad, OSError) as problem:
            failed = True
            reason = problem if isinstance(problem, Bad) else f"the file cannot be read: {problem.strerror}"
            print(f"NOT verified: {reason}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
