"""Cosignatures: an outsider says that at some time this was the largest tree of the log, and grown from all before.

A cosignature is one more line below a checkpoint. Its key has a signature type of its own, so that it can never be
taken for a key of a log, and its message begins otherwise than a checkpoint, so that neither signature fits the other.
Source: C2SP tlog-cosignature (Ed25519, "cosignature/v1"), signed-note.
"""

from collections.abc import Sequence

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from tlog import checkpoint
from tlog.checkpoint import VerifierKey
from tlog.proofs import ProofError

COSIGNATURE = b"\x04"
"""Signature type of C2SP tlog-cosignature, first byte of the key in a vkey."""
MAX_TIME_S = 253_402_300_799
"""The end of the year 9999: the specification goes to 2**63 - 1, and lets readers refuse what lies in the future."""
_TIME_BYTES = 8


def format_vkey(name: str, public_key: Ed25519PublicKey) -> str:
    """The vkey of a witness to publish. Raises ProofError if `name` may not name a key."""
    return checkpoint.format_vkey(name, public_key, COSIGNATURE)


def parse_vkey(vkey: str) -> VerifierKey:
    """The key in the vkey of a witness; raises ProofError if it is not one (a log's key is none)."""
    return checkpoint.parse_vkey(vkey, COSIGNATURE)


def message(text: str, at_s: int) -> bytes:
    """What is signed: two lines, then the whole text of the checkpoint, extension lines and last newline included."""
    return checkpoint.utf8(f"cosignature/v1\ntime {at_s}\n{text}")


def sign(text: str, name: str, private_key: Ed25519PrivateKey, at_s: int) -> str:
    """The line (newline included) to put below the checkpoint that has this text.

    at_s   seconds since 1970 UTC, not before the witness saw that the tree grew from all that it saw before
    Raises ProofError if the text is no checkpoint, or what was signed could not be read back.
    """
    checkpoint.parse(text)
    _check_time(at_s)
    public = private_key.public_key()
    key = parse_vkey(format_vkey(name, public))
    raw = at_s.to_bytes(_TIME_BYTES) + private_key.sign(message(text, at_s))
    line = checkpoint.signature_line(name, key.key_id, raw)
    verify(f"{text}\n{line}", format_vkey(name, public))
    return line


def verify(note: str, vkey: str) -> int:
    """When the witness of this vkey signed (seconds since 1970 UTC); of several times the last.

    Says nothing about the log's own signature: ask `checkpoint.open_note` too. Raises ProofError if the note carries no
    cosignature by that key, or one that is wrong (even beside a right one).
    """
    key = parse_vkey(vkey)
    opened = checkpoint.split_note(note)
    times = [_verified(opened.text, raw, key) for raw in opened.by(key)]
    if not times:
        raise ProofError("the checkpoint carries no cosignature by the witness")
    return max(times)


def witnessed(note: str, vkeys: Sequence[str], quorum: int | None = None) -> dict[str, int]:
    """By name, when each witness among these signed; keys of one name are the old and the new key of one witness.

    Raises ProofError if fewer than `quorum` of them did (all are needed if it is None), or if a cosignature is wrong.
    """
    keys = [parse_vkey(vkey) for vkey in vkeys]
    names = {key.name for key in keys}
    needed = len(names) if quorum is None else quorum
    if not 0 <= needed <= len(names):
        raise ProofError("the quorum is not a number of the witnesses given")
    opened = checkpoint.split_note(note)
    times: dict[str, int] = {}
    for key in keys:
        for raw in opened.by(key):
            times[key.name] = max(_verified(opened.text, raw, key), times.get(key.name, 0))
    if len(times) < needed:
        raise ProofError(f"of {needed} witnesses needed {len(times)} signed")
    return times


def _verified(text: str, raw: bytes, key: VerifierKey) -> int:
    at_s = int.from_bytes(raw[:_TIME_BYTES])
    _check_time(at_s)
    checkpoint.check_signature(key.public, raw[_TIME_BYTES:], message(text, at_s))
    return at_s


def _check_time(at_s: object) -> None:
    if type(at_s) is not int or not 0 <= at_s <= MAX_TIME_S:
        raise ProofError("the time of a cosignature is not a whole number of seconds up to the year 9999")
