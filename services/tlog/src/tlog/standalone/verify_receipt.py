#!/usr/bin/env python3
"""Checks receipts and evidence packages of a Tongdao log. One file, to be read in full by whoever relies on it.

    python verify_receipt.py --vkey 'NAME+ID+KEY' RECEIPT.json PACKAGE.zip ...

Needs Python 3.11 or later and the package `cryptography` (for Ed25519 and SM3). It reads the files named, nothing else.
Get the vkey from somebody you trust, not from where the receipts came from: all else rests on it. Get this program so
too: do not run the copy in a package. Status 0 says that all holds; else a line begins with `NOT verified:` or `FORK:`.

What "verified" means, for one receipt:
  1. The text `checkpoint` ends in an Ed25519 signature by the key in a vkey. The text states the name of the log, how
     many records the log held, and the root of a hash tree over them (SHA-256, or SM3 where the text says so).
  2. Each record lies in that tree: hashing its bytes, then going up with the hashes in `proof`, ends at that root.
     So the log cannot change, drop or insert a record without every later root changing.
  3. Every record says that it is about the call named at the top of the receipt, and no record is there twice.
  4. With --witness: these outsiders, or --quorum of them, signed the checkpoint too, each at the time that is printed.
  5. With --checkpoint: this tree is the one that you kept, or one grew into the other: --consistency has the proof.
For a package: all of that for each receipt; records.jsonl holds the records of the receipts, no more and no fewer; the
files are those of the manifest. What else is in it is named at the end of the line: it is not proven.
`FORK:` says that the log's key signed two different trees of one size. Keep the files named: they are the evidence.

It does not mean that the records tell the truth (only that they were not changed since), or that the log showed
everybody the same tree (for that there are witnesses and kept checkpoints). The `salt` is not covered: it only serves
to recompute, from a request or answer you kept, the digests inside a record; a false salt would make those differ.
Sources: RFC 6962 section 2.1 (tree), C2SP signed-note, tlog-checkpoint and tlog-cosignature, RFC 8032 (Ed25519).
"""

import argparse
import base64
import hashlib
import io
import json
import re
import struct
import sys
import zipfile
import zlib
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

HASH = 32  # bytes of a SHA-256 or SM3 hash, and by chance also of an Ed25519 public key
LOG, WITNESS = 1, 4  # what a key may sign, the first byte of the key in a vkey
END_OF_9999 = 253_402_300_800  # seconds since 1970; later times cannot be printed


class Bad(Exception):
    """Why something is not verified; begins with `FORK: ` if that is the reason."""


class Tree(NamedTuple):
    """What a signed checkpoint says; who of the witnesses signed it too, and when; where it stood."""

    log: str
    size: int
    root: bytes
    suite: str
    witnessed: dict[str, int]
    file: str


class Reader(NamedTuple):
    """What the reader brings; and by log and size the trees met so far."""

    keys: dict[tuple[str, bytes], tuple[int, bytes]]  # by name and key id: kind and public key
    quorum: int  # witnesses that must have signed
    proofs: list[dict[str, Any]]
    kept: list[Tree]
    met: dict[tuple[str, int], Tree]


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


def decode_proof(steps: Any) -> list[bytes]:
    """The hashes of a proof."""
    path = [decode(step, "a step of a proof") for step in steps] if isinstance(steps, list) else [b"no list"]
    need(all(len(step) == HASH for step in path), "a proof is not a list of hashes")
    return path


def parse_json(data: bytes, what: str) -> dict[str, Any]:
    """A JSON object. Double member names, fractions and broken characters are refused, so all readers see the same."""

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        need(len({name for name, _ in pairs}) == len(pairs), f"{what} names a member twice")
        return dict(pairs)

    try:  # int() refuses what is written as a fraction
        value: Any = json.loads(data.decode(), object_pairs_hook=members, parse_float=int, parse_constant=int)
        json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise Bad(f"{what} is not JSON with whole numbers") from None
    need(isinstance(value, dict), f"{what} is not a JSON object")
    return dict(value)


def read_vkey(vkey: str, kind: int) -> tuple[tuple[str, bytes], tuple[int, bytes]]:
    """Name and key id of a vkey, its kind and public key. The id must follow from name and key."""
    parts = match(r"([^+\s\x00-\x1f]+)\+([0-9a-f]{8})\+(.+)", vkey, "the vkey does not have the form NAME+ID+KEY")
    name, key_id, key = parts[1], bytes.fromhex(parts[2]), decode(parts[3], "the key in the vkey")
    need(len(key) == 1 + HASH and key[0] == kind, "the vkey does not hold an Ed25519 key of the kind that is wanted")
    computed = hashlib.sha256(name.encode(errors="replace") + b"\n" + key).digest()
    need(computed[:4] == key_id, "the id in the vkey does not belong to its name and key")
    return (name, key_id), (kind, key[1:])


def check_signatures(text: str, lines: str, reader: Reader) -> tuple[set[str], dict[str, int]]:
    """Names of the log's keys that signed the text; names of the witnesses that did, each with its last time."""
    signers, witnessed = set[str](), dict[str, int]()
    for line in lines.removesuffix("\n").split("\n"):
        signer = match(r"— ([^+\s]+) (\S+)", line, "a signature line is malformed")
        name, raw = signer[1], decode(signer[2], "a signature")
        need(len(raw) > 4, "a signature is too short")
        kind, public = reader.keys.get((name, raw[:4]), (0, b""))  # lines of other keys are not our question
        signature, message = raw[4:], text
        if kind == LOG:
            signers.add(name)
        if kind == WITNESS:
            at, signature = int.from_bytes(raw[4:12], "big"), raw[12:]
            need(at < END_OF_9999, "the time of a witness is out of range")
            message = f"cosignature/v1\ntime {at}\n{text}"
            witnessed[name] = max(at, witnessed.get(name, 0))
        try:
            if kind:
                Ed25519PublicKey.from_public_bytes(public).verify(signature, message.encode())
        except InvalidSignature:
            raise Bad("a signature of the checkpoint is wrong") from None
    return signers, witnessed


def read_checkpoint(note: object, reader: Reader, file: str) -> Tree:
    """The tree in a signed note, once a signature by a key of the reader was found good and none of them wrong."""
    form = r"[^\x00-\x09\x0b-\x1f\ud800-\udfff]*"  # any text without control or half characters
    whole = match(form, note, "the checkpoint is not a plain text")[0]
    need(len(whole.encode()) <= 2**20, "the checkpoint is longer than 1 MiB")
    # Greedy: the signed text goes up to the last empty line; behind that stand one or more signature lines.
    parts = match(r"([^\0]*\n)\n((?:[^\n]+\n)+)", whole, "the checkpoint has no signatures")
    signers, witnessed = check_signatures(parts[1], parts[2], reader)
    need(len(signers) > 0, "the checkpoint is not signed by the key of a vkey")
    # Log name, size, root. Of the extensions below we know one, which stands first: what the tree is hashed with.
    form = r"([^\n]+)\n(0|[1-9][0-9]{0,19})\n([^\n]+)\n(?:hash (SM3)\n)?(?:(?!hash )[^\n]+\n)*"
    body = match(form, parts[1], "the checkpoint is malformed")
    size, root = int(body[2]), decode(body[3], "the root in the checkpoint")
    need(size <= 2**64 and len(root) == HASH, "the size or root in the checkpoint is malformed")
    need(body[1] in signers, "the checkpoint is of another log than the vkey")
    tree = Tree(body[1], size, root, body[4] or "SHA-256", witnessed, file)
    other = reader.met.setdefault((tree.log, size), tree)
    if (other.root, other.suite) != (root, tree.suite):
        raise Bad(f"FORK: {other.file} and {file}: two trees of size {size}, both signed by {tree.log}; keep both")
    return tree


def digest(suite: str, data: bytes) -> bytes:
    """The hash that the log uses."""
    context = hashes.Hash(hashes.SM3() if suite == "SM3" else hashes.SHA256())
    context.update(data)
    return context.finalize()


def root_over(suite: str, leaf: bytes, index: int, size: int, path: list[bytes]) -> bytes:
    """The root of a tree of `size` leaves of which we know one, and the hashes beside the way up from it.

    RFC 6962: the first k leaves form the left half, k being the largest power of two below the size, the rest the
    right half; the root is the hash of (0x01, left, right). The last hash of the path is the half without our leaf.
    """
    if size == 1:
        need(not path, "a proof is too long")
        return leaf
    need(bool(path), "a proof is too short")
    k = 1 << (size - 1).bit_length() - 1
    if index < k:
        return digest(suite, b"\x01" + root_over(suite, leaf, index, k, path[:-1]) + path[-1])
    return digest(suite, b"\x01" + path[-1] + root_over(suite, leaf, index - k, size - k, path[:-1]))


def roots_over(suite: str, root: bytes | None, m: int, n: int, path: list[bytes]) -> tuple[bytes, bytes]:
    """The roots of the first m and of all n leaves, from a consistency proof (RFC 6962 section 2.1.2). `root` is the
    older root, as long as the m leaves begin at the left edge; elsewhere the path gives theirs."""
    if m == n:
        need(len(path) == (0 if root else 1), "a consistency proof has the wrong length")
        return (root, root) if root else (path[0], path[0])
    need(bool(path), "a consistency proof is too short")
    k = 1 << (n - 1).bit_length() - 1
    if m <= k:  # the right half is new
        older, newer = roots_over(suite, root, m, k, path[:-1])
        return older, digest(suite, b"\x01" + newer + path[-1])
    older, newer = roots_over(suite, None, m - k, n - k, path[:-1])  # the left half is old
    return digest(suite, b"\x01" + path[-1] + older), digest(suite, b"\x01" + path[-1] + newer)


def check_kept(tree: Tree, reader: Reader) -> None:
    """Goes on only if the tree is one with each tree that the reader kept of this log, or one grew into the other."""
    kept = [other for other in reader.kept if other.log == tree.log]
    need(len(kept) > 0 or not reader.kept, "no checkpoint that was kept is of this log")
    for other in kept:
        for name in tree.witnessed.keys() & other.witnessed.keys():
            went_back = (tree.witnessed[name] - other.witnessed[name]) * (tree.size - other.size) < 0
            need(not went_back, f"the log went back: of this tree and {other.file}, {name} saw the smaller one later")
        older, newer = sorted((tree, other), key=lambda each: each.size)
        m, n, suite = older.size, newer.size, older.suite
        is_fit = newer.suite == suite and (m > 0 or older.root == digest(suite, b""))
        need(is_fit, f"this tree and {other.file} are hashed in two ways, or the empty one has a wrong root")
        if 0 < m < n:
            proofs = [proof for proof in reader.proofs if (proof.get("from", m), proof.get("to", n)) == (m, n)]
            need(len(proofs) > 0, f"a proof from {m} to {n} is needed, given with --consistency")
            found = [roots_over(suite, older.root, m, n, decode_proof(proof.get("proof"))) for proof in proofs]
            need((older.root, newer.root) in found, f"the consistency proof with {other.file} leads to other roots")


def check_record(record: Any, call: str, tree: Tree) -> tuple[int, bytes]:
    """Index and bytes of a record that lies in the tree and is about this call."""
    need(isinstance(record, dict) and record.keys() == {"index", "leaf", "salt", "proof"}, "a record is malformed")
    index = record["index"]
    need(type(index) is int and 0 <= index < tree.size, "a record's index is not inside the tree")
    match("([0-9a-f]{2})*", record["salt"], "a record's salt is not hex")
    path, leaf = decode_proof(record["proof"]), decode(record["leaf"], "a leaf")
    computed = root_over(tree.suite, digest(tree.suite, b"\x00" + leaf), index, tree.size, path)
    need(computed == tree.root, "a record is not in the tree that was signed")
    need(parse_json(leaf, "a leaf").get("call") == call, "a record is about another call")
    return int(index), leaf


def check_receipt(data: bytes, reader: Reader, file: str) -> tuple[str, list[bytes], str]:
    """Call, records, and one line about a good receipt; raises Bad for any other."""
    receipt, members = parse_json(data, "the receipt"), {"v", "call", "log", "checkpoint", "records"}
    tree, records = read_checkpoint(receipt.get("checkpoint"), reader, file), receipt.get("records", [])
    need(receipt.keys() == members, "the receipt's members are not as they must be")
    need(type(receipt["v"]) is int and receipt["v"] == 1, "the receipt's version is not 1")
    call = match("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", receipt["call"], "the receipt's call is not a UUID")[0]
    need(receipt["log"] == tree.log, "receipt and checkpoint do not name the same log")
    need(isinstance(records, list) and len(records) > 0, "the receipt has no records")
    leaves = dict(check_record(record, call, tree) for record in records)
    need(len(leaves) == len(records), "a record is there twice")
    check_kept(tree, reader)
    need(len(tree.witnessed) >= reader.quorum, f"of {reader.quorum} witnesses needed {len(tree.witnessed)} signed")
    line = f"verified: call {call}, {len(records)} records, log {tree.log} size {tree.size}"
    last = {name: value for _, leaf in sorted(leaves.items()) for name, value in parse_json(leaf, "a leaf").items()}
    for name in ("mode", "verdict", "consent"):  # how it was asked, unless in the usual way
        if isinstance(last.get(name), str) and re.fullmatch("(?!query$)[0-9a-z_-]{1,64}", last[name]):
            line += f", {name} {last[name]}"
    for name, at in sorted(tree.witnessed.items()):
        line += f", witnessed by {name} at {datetime.fromtimestamp(at, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return call, list(leaves.values()), line


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of a package, if they are those of the manifest and have the hashes stated there."""
    files, name = {}, "[A-Za-z0-9_][A-Za-z0-9_.-]*"
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as package:
            entries = package.infolist()
            need(len(entries) <= 100_000 and sum(one.file_size for one in entries) <= 2**30, "the package is too large")
            need(0 in {entry.header_offset for entry in entries}, "something stands before the package")
            need(len({entry.orig_filename.lower() for entry in entries}) == len(entries), "two files have one name")
            for entry in entries:
                match(f"{name}(/{name})*", entry.orig_filename, "a file's name is not plain")
                need(entry.compress_type in (0, 8), "a file is packed in an unusual way")
                files[entry.filename] = package.open(entry).read(entry.file_size)  # never more, whatever is packed
    except (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OverflowError, RuntimeError, ValueError):
        raise Bad("the package is not a plain zip file") from None
    stated = parse_json(files.pop("manifest.json", b""), "the manifest").get("files")
    found = {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}
    need(found == stated, "the files are not those of the manifest")
    return files


def check_package(data: bytes, reader: Reader, file: str) -> str:
    """Lines about the receipts of a good package, and one about all of it; raises Bad for any other."""
    files, told, records, unproven = unpack(data), list[str](), Counter[bytes](), ""
    for name, content in sorted(files.items()):
        try:
            if name.startswith("receipts/"):
                call, leaves, line = check_receipt(content, reader, f"{file}/{name}")
                need(name == f"receipts/{call}.json", "the file is not named after its call")
                told.append(line)
                records.update(leaves)
            elif name.startswith("checkpoints/"):
                read_checkpoint(content.decode(errors="surrogateescape"), reader, f"{file}/{name}")
            elif name != "records.jsonl":
                unproven += f" {name}"
        except Bad as problem:
            raise Bad(f"{problem} (in {name})") from None
    need(len(told) > 0, "the package holds no receipt")
    lines = files.get("records.jsonl", b"").split(b"\n")
    need(lines.pop() == b"" and Counter(lines) == records, "records.jsonl is not the records of the receipts")
    total = f"verified: package of {len(told)} receipts, {len(lines)} records; not proven:{unproven or ' nothing'}"
    return "\n".join([*told, total])


def prepare(given: argparse.Namespace) -> Reader:
    """What the command line names, read."""
    keys = dict(read_vkey(vkey, LOG) for vkey in given.vkey) | dict(read_vkey(vkey, WITNESS) for vkey in given.witness)
    names = {name for (name, _), (kind, _) in keys.items() if kind == WITNESS}  # one may have an old and a new key
    quorum = len(names) if given.quorum is None else given.quorum
    need(0 <= quorum <= len(names), "the quorum is not a number of the witnesses given")
    reader = Reader(keys, quorum, [parse_json(path.read_bytes(), f"{path}") for path in given.consistency], [], {})
    for path in given.checkpoint:
        reader.kept.append(read_checkpoint(path.read_bytes().decode(errors="surrogateescape"), reader, str(path)))
    return reader


def main() -> int:
    """Status 0 if all holds, 1 if something does not (or cannot be read)."""
    parser = argparse.ArgumentParser(description="Check receipts and evidence packages of a Tongdao log, offline.")
    option = parser.add_argument
    option("--vkey", action="append", required=True, help="the log's public key, NAME+ID+KEY, from a source you trust")
    option("--witness", action="append", default=[], metavar="VKEY", help="key of an outsider who must have signed too")
    option("--quorum", type=int, metavar="N", help="so many of the witnesses are enough; otherwise all must sign")
    option("--checkpoint", action="append", default=[], type=Path, metavar="FILE", help="a checkpoint that you kept")
    option("--consistency", action="append", default=[], type=Path, metavar="FILE", help="proof from one to the other")
    option("files", nargs="+", type=Path, metavar="FILE", help="a receipt (JSON) or an evidence package (zip)")
    given, reader, status = parser.parse_args(), None, 0
    for file in given.files:
        try:
            reader = reader or prepare(given)
            data, name = file.read_bytes(), str(file)
            print(check_package(data, reader, name) if data[:2] == b"PK" else check_receipt(data, reader, name)[2])
        except (Bad, OSError) as problem:
            status, reason = 1, str(problem) if isinstance(problem, Bad) else f"cannot be read: {problem.strerror}"
            print(reason if reason.startswith("FORK: ") else f"NOT verified: {reason}")
    return status


if __name__ == "__main__":
    sys.exit(main())
