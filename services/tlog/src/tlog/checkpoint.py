"""Checkpoints: the size and root of a log, signed by its key, as a text that people can read.

A checkpoint is a signed note: the text, an empty line, one line per signature (Ed25519 only; lines of other keys are
other people's business and ignored). A key travels as a vkey, `name+id+base64`. The log's key has the log's name.
Source: C2SP signed-note and tlog-checkpoint; RFC 8032.
"""

import base64
import hashlib
import re
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tlog.hashes import HASH_BYTES
from tlog.proofs import ProofError, check_size

ED25519 = b"\x01"
"""Signature type of C2SP signed-note, first byte of the key in a vkey."""
MAX_NOTE_BYTES = 1 << 20
_KEY_ID_BYTES = 4
_PUBLIC_KEY_BYTES = 32
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SIZE = re.compile(r"0|[1-9][0-9]{0,19}")
_KEY_ID = re.compile(r"[0-9a-f]{8}")


class Checkpoint(NamedTuple):
    """What a log says about itself: its name, its number of leaves, the root over them (32 bytes)."""

    origin: str
    size: int
    root: bytes


class VerifierKey(NamedTuple):
    """A public Ed25519 key (32 bytes), the name that goes with it, and the id (4 bytes) that follows from both."""

    name: str
    key_id: bytes
    public: bytes


def key_id(name: str, public: bytes) -> bytes:
    """First four bytes of SHA-256(name ‖ LF ‖ type ‖ public key)."""
    return hashlib.sha256(_utf8(name) + b"\n" + ED25519 + public).digest()[:_KEY_ID_BYTES]


def format_vkey(name: str, public_key: Ed25519PublicKey) -> str:
    """The vkey to publish. Raises ProofError if `name` may not name a key."""
    _check_name(name)
    public = public_key.public_bytes_raw()
    return f"{name}+{key_id(name, public).hex()}+{_to_base64(ED25519 + public)}"


def parse_vkey(vkey: str) -> VerifierKey:
    """The key in a vkey; raises ProofError if it is not one, or if its id does not fit."""
    parts = vkey.split("+", 2)
    if len(parts) != 3 or _KEY_ID.fullmatch(parts[1]) is None:
        raise ProofError("the vkey does not have the form name+id+key")
    name, written_id, key = parts[0], parts[1], from_base64(parts[2], "the key in the vkey")
    _check_name(name)
    if len(key) != 1 + _PUBLIC_KEY_BYTES or key[:1] != ED25519:
        raise ProofError("the key in the vkey is not an Ed25519 key")
    if key_id(name, key[1:]).hex() != written_id:
        raise ProofError("the id in the vkey does not belong to its name and key")
    return VerifierKey(name, bytes.fromhex(written_id), key[1:])


def make(origin: str, size: int, root: bytes, private_key: Ed25519PrivateKey) -> str:
    """The signed checkpoint of log `origin`. Raises ProofError if the values could not be read back."""
    _check_name(origin)
    check_size(size)
    if len(root) != HASH_BYTES:
        raise ProofError("the root has the wrong length")
    return sign_note(f"{origin}\n{size}\n{_to_base64(root)}\n", origin, private_key)


def parse(text: str) -> Checkpoint:
    """The checkpoint in a note's text, *unverified*; extension lines are allowed and ignored. Raises ProofError."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise ProofError("a checkpoint has at least three lines, none of them empty")
    if _SIZE.fullmatch(lines[1]) is None:
        raise ProofError("the checkpoint's tree size is not a plain decimal number")
    size = int(lines[1])
    check_size(size)
    root = from_base64(lines[2], "the checkpoint's root")
    if len(root) != HASH_BYTES:
        raise ProofError("the checkpoint's root has the wrong length")
    return Checkpoint(lines[0], size, root)


def open_note(text: str, vkey: str) -> Checkpoint:
    """The checkpoint in a signed note, if the key of `vkey` signed it; raises ProofError otherwise."""
    return parse(verify_note(text, vkey))


def sign_note(text: str, name: str, private_key: Ed25519PrivateKey) -> str:
    """`text` (ends in a newline) as a note with one signature. Pure: the same note every time (RFC 8032)."""
    identity = key_id(name, private_key.public_key().public_bytes_raw())
    return f"{text}\n— {name} {_to_base64(identity + private_key.sign(_utf8(text)))}\n"


def verify_note(note: str, vkey: str) -> str:
    """The text of a signed note, if the key of `vkey` signed it.

    Raises ProofError if there is no signature by that key, or one that is wrong (even beside a right one).
    """
    key = parse_vkey(vkey)
    text, signatures = _split_note(note)
    ours = [signature for name, identity, signature in signatures if (name, identity) == (key.name, key.key_id)]
    if not ours:
        raise ProofError("the note carries no signature by the key of the vkey")
    for signature in ours:
        _check_signature(key.public, signature, _utf8(text))
    return text


def from_base64(text: object, what: str) -> bytes:
    """Bytes of standard base64 in its one right spelling (padding, no spare bits set); else a ProofError."""
    try:
        raw = base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except ValueError:
        raw = None
    if raw is None or _to_base64(raw) != text:
        raise ProofError(f"{what} is not base64")
    return raw


def _split_note(note: object) -> tuple[str, list[tuple[str, bytes, bytes]]]:
    """Text, and (key name, key id, signature) of each signature line."""
    if not isinstance(note, str) or len(_utf8(note)) > MAX_NOTE_BYTES:
        raise ProofError("the note is not a text, or longer than 1 MiB")
    if _CONTROL.search(note):
        raise ProofError("the note contains control characters")
    text, gap, lines = note.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise ProofError("the note has no signatures behind an empty line")
    return text + "\n", [_signature_line(line) for line in lines[:-1].split("\n")]


def _signature_line(line: str) -> tuple[str, bytes, bytes]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—":
        raise ProofError("a signature line of the note is malformed")
    _check_name(parts[1])
    raw = from_base64(parts[2], "a signature of the note")
    if len(raw) <= _KEY_ID_BYTES:
        raise ProofError("a signature of the note is too short")
    return parts[1], raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:]


def _check_signature(public: bytes, signature: bytes, message: bytes) -> None:
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise ProofError("the signature of the note is wrong") from None


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise ProofError("a key name is empty or contains a space, a plus or a control character")


def _to_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")


def _utf8(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ProofError("a text cannot be written as UTF-8") from None
