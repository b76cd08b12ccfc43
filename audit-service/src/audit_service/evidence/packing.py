"""The file that an evidence package is: a ZIP whose bytes follow from its content. Pure.

`manifest.json` names every other file with its SHA-256. The stand-alone verifier holds receipts, records and
checkpoints to the log's key; what else lies in a package it calls not proven. Names are made of call ids and words of
ours alone.
"""

import hashlib
import io
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime

import msgspec

MANIFEST = "manifest.json"
FIRST = ("README.txt", "application.json", "records.jsonl")
"""In this order behind the manifest, then the others by name."""
_PLAIN_FILE = 0o100644 << 16
_UNIX = 3


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What a package says of itself.

    made_at   RFC 3339, UTC, whole seconds      complete_to  how many leaves of the log had been looked through
    about     what was asked for: `call`, `case` or `grant`, and `since`, `before` and `party` where they narrow it
    files     name -> hex SHA-256              denied_left_out  how many refused calls had no room, "0" for none
    """

    about: Mapping[str, str]
    complete_to: int
    denied_left_out: str
    files: Mapping[str, str]
    made_at: str


def moment(at: datetime) -> str:
    """RFC 3339, UTC, whole seconds."""
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def packed(
    files: Mapping[str, bytes], about: Mapping[str, str], complete_to: int, at: datetime, denied_left_out: str = "0"
) -> bytes:
    """The package. The same content made at the same second is the same bytes."""
    digests = {name: hashlib.sha256(files[name]).hexdigest() for name in sorted(files)}
    manifest = Manifest(
        about=about, complete_to=complete_to, denied_left_out=denied_left_out, files=digests, made_at=moment(at)
    )
    text = msgspec.json.format(msgspec.json.encode(manifest), indent=1) + b"\n"
    target = io.BytesIO()
    stamp = at.astimezone(UTC).timetuple()[:6]
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as package:
        for name in [MANIFEST, *_ordered(files)]:
            entry = zipfile.ZipInfo(name, stamp)
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, _UNIX, _PLAIN_FILE
            package.writestr(entry, text if name == MANIFEST else files[name])
    return target.getvalue()


def _ordered(files: Mapping[str, bytes]) -> list[str]:
    return [*(name for name in FIRST if name in files), *sorted(files.keys() - set(FIRST))]
