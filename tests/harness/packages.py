"""Evidence packages, good ones and damaged ones, put together without tlog or the service."""

import base64
import hashlib
import io
import json
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping

from harness.receipts import CALL, OTHER_CALL, Receipt, SmallLog, file_of, leaf_of

Files = dict[str, bytes]
OTHER = f"receipts/{OTHER_CALL}.json"
FIRST = f"receipts/{CALL}.json"


def records_of(*receipts: Receipt) -> bytes:
    """The leaves of the receipts, one a line."""
    return b"".join(base64.b64decode(one["leaf"]) + b"\n" for receipt in receipts for one in receipt["records"])


def good_files(log: SmallLog | None = None) -> Files:
    """What a package of two calls holds, but for the manifest."""
    log = log or SmallLog()
    receipts = [log.receipt(), log.receipt(0, 6, call=OTHER_CALL)]
    files = {f"receipts/{receipt['call']}.json": file_of(receipt) for receipt in receipts}
    grown = SmallLog(log.size + 7, suite=log.suite)
    return files | {
        "records.jsonl": records_of(*receipts),
        "checkpoints/1.txt": log.note().encode(),
        "checkpoints/2.txt": grown.note().encode(),
        "application.json": b'{"id": "sq-1", "share": 0.5}',
        "README.txt": "证据包\n".encode(),
    }


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    """The manifest that fits."""
    return json.dumps({"files": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}}).encode()


def zipped(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip file of exactly these."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", compression) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return target.getvalue()


def package_of(files: Mapping[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A package with a manifest that fits."""
    return zipped({"manifest.json": manifest_of(files), **files}, compression)


def _put(name: str, data: bytes) -> Callable[[Files], None]:
    return lambda files: files.update({name: data})


def _drop(*names: str) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        for name in names:
            del files[name]

    return change


def _renamed(old: str, new: str) -> Callable[[Files], None]:
    return lambda files: files.update({new: files.pop(old)})


def _edited(name: str, old: bytes, new: bytes) -> Callable[[Files], None]:
    def change(files: Files) -> None:
        assert old in files[name]
        files[name] = files[name].replace(old, new, 1)

    return change


_FORGED = SmallLog(replaced={9: leaf_of(CALL, "denied", 9)})
_BAD_NOTE = SmallLog().note().replace("\n13\n", "\n14\n").encode()
DAMAGES: dict[str, Callable[[Files], None]] = {
    "a record changed": _edited("records.jsonl", b"outcome", b"denied!"),
    "a record left out": lambda files: files.update({"records.jsonl": files["records.jsonl"].split(b"\n", 1)[1]}),
    "a record twice": lambda files: files.update(
        {"records.jsonl": files["records.jsonl"].split(b"\n")[0] + b"\n" + files["records.jsonl"]}
    ),
    "a record of no receipt": lambda files: files.update(
        {"records.jsonl": files["records.jsonl"] + leaf_of(CALL, "intent", 3) + b"\n"}
    ),
    "records with an empty line": lambda files: files.update({"records.jsonl": files["records.jsonl"] + b"\n"}),
    "records without the last newline": lambda files: files.update({"records.jsonl": files["records.jsonl"][:-1]}),
    "records with Windows newlines": lambda files: files.update(
        {"records.jsonl": files["records.jsonl"].replace(b"\n", b"\r\n")}
    ),
    "no records": _drop("records.jsonl"),
    "a receipt left out": _drop(FIRST),
    "no receipts": _drop(FIRST, OTHER),
    "nothing proven": _drop(FIRST, OTHER, "records.jsonl"),
    "a receipt changed": _edited(FIRST, b'"index":5', b'"index":4'),
    "a receipt under another call": _renamed(FIRST, "receipts/01931f2e-7c1a-7d4e-9b3a-111111111111.json"),
    "a receipt in a folder below": _renamed(FIRST, f"receipts/more/{CALL}.json"),
    "a receipt twice": lambda files: files.update({f"receipts/{CALL}-2.json": files[FIRST]}),
    "something else among the receipts": _put("receipts/README.txt", b"x"),
    "a checkpoint changed": _put("checkpoints/1.txt", _BAD_NOTE),
    "a checkpoint unsigned": _put("checkpoints/1.txt", SmallLog().text().encode()),
    "a checkpoint not UTF-8": _put("checkpoints/1.txt", SmallLog().note().encode() + b"\xff"),
    "a checkpoint of a fork": _put("checkpoints/3.txt", _FORGED.note().encode()),
    "a receipt of a fork": lambda files: files.update({FIRST: file_of(_FORGED.receipt()), "records.jsonl": b""}),
}
"""One change each, with the manifest made anew: after it a package must not hold. Every change works in place."""
FORKS = {"a checkpoint of a fork", "a receipt of a fork"}
BAD_NAMES = [
    "../x.txt", "/x.txt", "a/../x.txt", "a//x.txt", "./x.txt", "a/./x", "a\\x.txt", "C:x.txt", ".hidden", "a/.x", "x y",
    "x\ty", "x\n.txt", "récit.txt", "证据.txt", "a/", " ", "readme.TXT", "RECORDS.jsonl", "x\u202etxt", "-x",
    "a/-x", "~x", "x%2f", "CHECKPOINTS/1.txt",
]  # fmt: skip
"""Names of files that no package may have, given the files of a good one."""


GOOD_FILES = good_files()
GOOD_PACKAGE = package_of(GOOD_FILES)


def _with_duplicate() -> bytes:
    target = io.BytesIO(GOOD_PACKAGE)
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(target, "a") as archive:
        archive.writestr("README.txt", GOOD_FILES["README.txt"])
    return target.getvalue()


def _bomb(stated: int | None) -> bytes:
    """50 MB of zeros in 50 KB; the directory says as many bytes as `stated`, or the truth."""
    packed = bytearray(package_of({**GOOD_FILES, "zeros.txt": bytes(50_000_000)}))
    if stated is not None:
        packed = bytearray(bytes(packed).replace(struct.pack("<I", 50_000_000), struct.pack("<I", stated)))
    return bytes(packed)


def _with_flag(bit: int) -> bytes:
    """All entries of the directory marked, as for encryption (bit 0)."""
    packed = bytearray(GOOD_PACKAGE)
    at = packed.find(b"PK\x01\x02")
    while at >= 0:
        packed[at + 8] |= bit
        at = packed.find(b"PK\x01\x02", at + 4)
    return bytes(packed)


def _far_away() -> bytes:
    """The first entry is said to lie at the end of a disk of 2**64 bytes."""
    extra = struct.pack("<HHQ", 1, 8, 2**64 - 1)
    entry = zipfile.ZipInfo("a.txt")
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for name, data in {"manifest.json": manifest_of(GOOD_FILES), **GOOD_FILES}.items():
            archive.writestr(name, data)
        entry.extra = extra
        archive.writestr(entry, b"x")
    packed = bytearray(target.getvalue())
    at = packed.rfind(b"PK\x01\x02")
    packed[at + 42 : at + 46] = b"\xff" * 4
    return bytes(packed)


HARMFUL: dict[str, Callable[[], bytes]] = {
    "empty": lambda: b"PK",
    "empty zip": lambda: zipped({}),
    "cut": lambda: GOOD_PACKAGE[:-1],
    "cut in half": lambda: GOOD_PACKAGE[: len(GOOD_PACKAGE) // 2],
    "more behind": lambda: GOOD_PACKAGE + b"PK\x05\x06",
    "another zip in front": lambda: zipped({"README.txt": b"read me first"}) + GOOD_PACKAGE,
    "a name twice": _with_duplicate,
    "encrypted": lambda: _with_flag(1),
    "bzip2": lambda: package_of(GOOD_FILES, zipfile.ZIP_BZIP2),
    "lzma": lambda: package_of(GOOD_FILES, zipfile.ZIP_LZMA),
    "a bomb that says it is small": lambda: _bomb(10),
    "a file that says it is huge": lambda: _bomb(2**32 - 2),
    "an entry beyond all bounds": _far_away,
    "not a zip": lambda: b"PK\x03\x04" + bytes(1000),
}
"""Zip files that were made to harm, or that broke on the way."""
