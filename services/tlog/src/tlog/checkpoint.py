"""Checkpoints: the size and root of a log, signed by its key, as a text that people can read.

A checkpoint is a signed note: the text, an empty line, one line per signature (Ed25519 only; lines of other keys are
other people's business and ignored). A key travels as a vkey, `name+id+base64`. The log's key has the log's name. While
a key is replaced by another, both sign, and readers who hold either can check; whoever holds both accepts either.
A log that does not hash with SHA-256 says so in the first line after the root, `hash SM3`, under the signature.
Source: C2SP signed-note and tlog-checkpoint; RFC 8032.
"""

import base64
import hashlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tlog.hashes import HASH_BYTES, SHA256, SUITES, Suite
from tlog.proofs import ProofError, check_size

ED25519 = b"\x01"
"""Signature type of C2SP signed-note, first byte of the key in a vkey; that of a cosignature is another."""
MAX_NOTE_BYTES = 1 << 20
_KEY_ID_BYTES = 4
_PUBLIC_KEY_BYTES = 32
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SIZE = re.compile(r"0|[1-9][0-9]{0,19}")
_HASH = "hash "
_KEY_ID = re.compile(r"[0-9a-f]{8}")


class Checkpoint(NamedTuple):
    """What a log says about itself: its name, its number of leaves, the root over them (32 bytes), its hash."""

    origin: str
    size: int
    root: bytes
    suite: Suite = SHA256


class VerifierKey(NamedTuple):
    """A public Ed25519 key (32 bytes), the name that goes with it, and the id (4 bytes) that follows from both."""

    name: str
    key_id: bytes
    public: bytes


class Note(NamedTuple):
    """A signed note taken apart, nothing of it verified: the text, and (key name, key id, signature) of each line."""

    text: str
    signatures: list[tuple[str, bytes, bytes]]

    def by(self, key: VerifierKey) -> list[bytes]:
        """The signatures that claim to be by this key."""
        return [raw for name, identity, raw in self.signatures if (name, identity) == (key.name, key.key_id)]


def key_id(name: str, public: bytes, kind: bytes = ED25519) -> bytes:
    """First four bytes of SHA-256(name ‖ LF ‖ signature type ‖ public key), whatever the log hashes with."""
    return hashlib.sha256(utf8(name) + b"\n" + kind + public).digest()[:_KEY_ID_BYTES]


def format_vkey(name: str, public_key: Ed25519PublicKey, kind: bytes = ED25519) -> str:
    """The vkey to publish. Raises ProofError if `name` may not name a key."""
    _check_name(name)
    public = public_key.public_bytes_raw()
    return f"{name}+{key_id(name, public, kind).hex()}+{_to_base64(kind + public)}"


def parse_vkey(vkey: str, kind: bytes = ED25519) -> VerifierKey:
    """The key in a vkey; raises ProofError if it is not one of this signature type, or if its id does not fit."""
    parts = vkey.split("+", 2)
    if len(parts) != 3 or _KEY_ID.fullmatch(parts[1]) is None:
        raise ProofError("the vkey does not have the form name+id+key")
    name, written_id, key = parts[0], parts[1], from_base64(parts[2], "the key in the vkey")
    _check_name(name)
    if len(key) != 1 + _PUBLIC_KEY_BYTES or key[:1] != kind:
        raise ProofError("the key in the vkey is not an Ed25519 key of the kind wanted here")
    if key_id(name, key[1:], kind).hex() != written_id:
        raise ProofError("the id in the vkey does not belong to its name and key")
    return VerifierKey(name, bytes.fromhex(written_id), key[1:])


def make(
    origin: str,
    size: int,
    root: bytes,
    private_keys: Ed25519PrivateKey | Sequence[Ed25519PrivateKey],
    suite: Suite = SHA256,
) -> str:
    """The checkpoint of log `origin`, signed by its key, or by each of several while one key follows another.

    Raises ProofError if the values could not be read back, or if there is no key.
    """
    _check_name(origin)
    check_size(size)
    if len(root) != HASH_BYTES:
        raise ProofError("the root has the wrong length")
    keys = [private_keys] if isinstance(private_keys, Ed25519PrivateKey) else private_keys
    if not keys:
        raise ProofError("a checkpoint needs a key that signs it")
    extension = "" if suite is SHA256 else f"{_HASH}{suite.name}\n"
    return sign_note(f"{origin}\n{size}\n{_to_base64(root)}\n{extension}", origin, *keys)


def parse(text: str) -> Checkpoint:
    """The checkpoint in a note's text, *unverified*; extension lines but `hash …` are ignored. Raises ProofError."""
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
    return Checkpoint(lines[0], size, root, _suite(lines[3:-1]))


def open_note(note: str, *vkeys: str) -> Checkpoint:
    """The checkpoint in a signed note, if the key of one of the vkeys signed it; raises ProofError otherwise.

    The name in the checkpoint is not compared with that of the key: ask `open_checkpoint` where several logs exist.
    """
    return parse(verify_note(note, *vkeys))


def open_checkpoint(note: str, *vkeys: str) -> Checkpoint:
    """As `open_note`, and a key that signed has the name of the log, as C2SP tlog-checkpoint wants it."""
    text, names = _signers(note, vkeys)
    checkpoint = parse(text)
    if checkpoint.origin not in names:
        raise ProofError("checkpoint and vkey do not name the same log")
    return checkpoint


def sign_note(text: str, name: str, *private_keys: Ed25519PrivateKey) -> str:
    """`text` (ends in a newline) as a note with one signature a key. Pure: the same note every time (RFC 8032)."""
    return f"{text}\n" + "".join(
        signature_line(name, key_id(name, key.public_key().public_bytes_raw()), key.sign(utf8(text)))
        for key in private_keys
    )


def signature_line(name: str, identity: bytes, signature: bytes) -> str:
    """One line below a note, newline included; `identity` is the key's id."""
    return f"— {name} {_to_base64(identity + signature)}\n"


def verify_note(note: str, *vkeys: str) -> str:
    """The text of a signed note, if the key of at least one of the vkeys signed it.

    Raises ProofError if there is no signature by these keys, or one that is wrong (even beside a right one).
    """
    return _signers(note, vkeys)[0]


def split_note(note: object) -> Note:
    """The parts of a note, *unverified*. Raises ProofError unless it has the form of a signed note."""
    if not isinstance(note, str) or len(utf8(note)) > MAX_NOTE_BYTES:
        raise ProofError("the note is not a text, or longer than 1 MiB")
    if _CONTROL.search(note):
        raise ProofError("the note contains control characters")
    text, gap, lines = note.rpartition("\n\n")
    if not gap or not lines.endswith("\n"):
        raise ProofError("the note has no signatures behind an empty line")
    return Note(text + "\n", [_signature_line(line) for line in lines[:-1].split("\n")])


def check_signature(public: bytes, signature: bytes, message: bytes) -> None:
    """Raises ProofError unless the Ed25519 signature (64 bytes) over the message is by this key (32 bytes)."""
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise ProofError("the signature of the note is wrong") from None


def from_base64(text: object, what: str) -> bytes:
    """Bytes of standard base64 in its one right spelling (padding, no spare bits set); else a ProofError."""
    try:
        raw = base64.b64decode(text, validate=True) if isinstance(text, str) else None
    except ValueError:
        raw = None
    if raw is None or _to_base64(raw) != text:
        raise ProofError(f"{what} is not base64")
    return raw


def utf8(text: str) -> bytes:
    """UTF-8; raises ProofError for a text with half characters."""
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ProofError("a text cannot be written as UTF-8") from None


def _signers(note: str, vkeys: Sequence[str]) -> tuple[str, set[str]]:
    """The text of a note, and the names of the keys among these that signed it (at least one)."""
    keys = [parse_vkey(vkey) for vkey in vkeys]
    opened = split_note(note)
    names = set()
    for key in keys:
        for signature in opened.by(key):
            check_signature(key.public, signature, utf8(opened.text))
            names.add(key.name)
    if not names:
        raise ProofError("the note carries no signature by the key of the vkey")
    return opened.text, names


def _suite(extensions: Sequence[str]) -> Suite:
    """What the tree is hashed with. One spelling only: a reader who missed the line would judge by other hashes."""
    named = [(at, line.removeprefix(_HASH)) for at, line in enumerate(extensions) if line.startswith(_HASH)]
    if not named:
        return SHA256
    (at, name), *more = named
    if more or at or name not in SUITES or name == SHA256.name:
        raise ProofError("the checkpoint names its hash in a way that is not known")
    return SUITES[name]


def _signature_line(line: str) -> tuple[str, bytes, bytes]:
    parts = line.split(" ")
    if len(parts) != 3 or parts[0] != "—":
        raise ProofError("a signature line of the note is malformed")
    _check_name(parts[1])
    raw = from_base64(parts[2], "a signature of the note")
    if len(raw) <= _KEY_ID_BYTES:
        raise ProofError("a signature of the note is too short")
    return parts[1], raw[:_KEY_ID_BYTES], raw[_KEY_ID_BYTES:]


def _check_name(name: str) -> None:
    if not name or "+" in name or any(char.isspace() or char < " " for char in name):
        raise ProofError("a key name is empty or contains a space, a plus or a control character")


def _to_base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode("ascii")
