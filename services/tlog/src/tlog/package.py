"""Evidence packages: one zip file with the receipts of some calls and all that a reader needs to check them.

    manifest.json        {"files": {name: hex SHA-256}} of every other file
    records.jsonl        the leaves of the receipts, the exact bytes of one a line
    receipts/CALL.json   one receipt a call
    checkpoints/*.txt    signed notes
All else (the application, a README, a verifier) is carried along and proves nothing.
"""

import hashlib
import io
import re
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

from tlog import cosignature, receipt
from tlog.checkpoint import open_checkpoint
from tlog.history import Trees
from tlog.plain_json import json_object
from tlog.proofs import ProofError

MAX_BYTES = 2**30
"""Of all files, unpacked."""
MAX_FILES = 100_000
MANIFEST, RECORDS, RECEIPTS, CHECKPOINTS = "manifest.json", "records.jsonl", "receipts/", "checkpoints/"
_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_.-]*/)*[A-Za-z0-9_][A-Za-z0-9_.-]*")
_METHODS = {zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED}
_BROKEN = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, OverflowError, RuntimeError, ValueError)


class Trust(NamedTuple):
    """What the reader brings: keys of logs, keys of witnesses, and how many of those are enough (None: all)."""

    vkeys: Sequence[str]
    witnesses: Sequence[str] = ()
    quorum: int | None = None


class Proven(NamedTuple):
    """What a good receipt says.

    exact       the bytes of each leaf          leaves  the same, read
    witnessed   by name when each witness signed, seconds since 1970 UTC
    """

    call: str
    exact: list[bytes]
    leaves: list[dict[str, object]]
    witnessed: dict[str, int]


class Package(NamedTuple):
    """What a good package proves, by call, and the names of the files that are not proven."""

    receipts: dict[str, Proven]
    unproven: list[str]


def verify_receipt(data: bytes, trust: Trust, trees: Trees, where: str) -> Proven:
    """What a receipt's file proves; raises ProofError if anything of it does not hold, Fork for a second history.

    where   how a Fork's message calls the file: a signed checkpoint is evidence whatever is wrong with the rest
    """
    parsed = receipt.parse(data)
    note = receipt.note_of(parsed)
    trees.add(open_checkpoint(note, *trust.vkeys), where)
    found = receipt.verify_exact(parsed, *trust.vkeys)
    witnessed = cosignature.witnessed(note, trust.witnesses, trust.quorum)
    return Proven(str(parsed["call"]), [exact for exact, _ in found], [leaf for _, leaf in found], witnessed)


def verify(data: bytes, trust: Trust, trees: Trees, where: str) -> Package:
    """What a package proves; raises ProofError if anything of it does not hold, Fork for a second history.

    Checked: the files are those of the manifest; every receipt, and that it is named after its call; every checkpoint;
    that records.jsonl holds exactly the leaves of the receipts, in any order.
    """
    files = unpack(data)
    found = [_judged(name, content, trust, trees, where) for name, content in sorted(files.items())]
    receipts = {proven.call: proven for proven in found if proven}
    if not receipts:
        raise ProofError("the package holds no receipt")
    *lines, rest = files.get(RECORDS, b"").split(b"\n")
    if rest or Counter(lines) != Counter(exact for proven in receipts.values() for exact in proven.exact):
        raise ProofError("records.jsonl is not exactly the records of the receipts")
    others = [name for name in sorted(files) if not name.startswith((RECEIPTS, CHECKPOINTS)) and name != RECORDS]
    return Package(receipts, others)


def _judged(name: str, content: bytes, trust: Trust, trees: Trees, where: str) -> Proven | None:
    proven = None
    try:
        if name.startswith(RECEIPTS):
            proven = verify_receipt(content, trust, trees, f"{where}/{name}")
            if name != f"{RECEIPTS}{proven.call}.json":
                raise ProofError("the file is not named after its call")
        elif name.startswith(CHECKPOINTS):
            trees.add(open_checkpoint(content.decode(errors="surrogateescape"), *trust.vkeys), f"{where}/{name}")
    except ProofError as error:
        raise type(error)(f"{error} (in {name})") from None
    return proven


def unpack(data: bytes) -> dict[str, bytes]:
    """The files of a package without its manifest, whose hashes they have; raises ProofError for any other.

    Never unpacks more than MAX_BYTES. No name that could lead out of a folder or that two systems take for one.
    """
    try:
        files = _unzip(data)
    except _BROKEN:
        raise ProofError("the package is not a plain zip file") from None
    manifest = json_object(files.pop(MANIFEST, b""), "the manifest")
    if manifest.get("files") != {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}:
        raise ProofError("the files are not those of the manifest")
    return files


def _unzip(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = archive.infolist()
        names = [entry.orig_filename for entry in entries]
        if len(entries) > MAX_FILES or sum(entry.file_size for entry in entries) > MAX_BYTES:
            raise ProofError("the package is too large")
        if len({name.lower() for name in names}) < len(names):
            raise ProofError("two files of the package have one name")
        if 0 not in {entry.header_offset for entry in entries}:
            raise ProofError("something stands before the package")
        if not all(_NAME.fullmatch(name) for name in names):
            raise ProofError("the name of a file in the package is not plain")
        if any(entry.compress_type not in _METHODS for entry in entries):
            raise ProofError("a file of the package is packed in an unusual way")
        files = {}
        for entry in entries:
            with archive.open(entry) as file:
                files[entry.filename] = file.read(entry.file_size)  # reads no more, however much is packed
        return files
