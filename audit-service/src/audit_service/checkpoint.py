"""The log's signature, and the guard against signing a past that is older than what has been published.

Whoever holds the signing key can sign any tree; who can restore an old database could make the log fork without
knowing. So the size and root last published are kept in a file outside the database.
"""

import base64
import os
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from tlog import checkpoint


class Signer:
    """Signs checkpoints of one log. `vkey` is what others verify with."""

    def __init__(self, origin: str, key: Ed25519PrivateKey) -> None:
        self.origin = origin
        self.vkey = checkpoint.format_vkey(origin, key.public_key())
        self._key = key

    @classmethod
    def from_file(cls, origin: str, path: Path) -> "Signer":
        """The key in a PEM file (PKCS #8, Ed25519)."""
        key = load_pem_private_key(path.read_bytes(), None)
        if not isinstance(key, Ed25519PrivateKey):
            raise TypeError(f"{path} does not hold an Ed25519 key")
        return cls(origin, key)

    def sign(self, size: int, root: bytes) -> str:
        """The signed note."""
        return checkpoint.make(self.origin, size, root, self._key)


class Seen(NamedTuple):
    """The newest tree that somebody outside may have seen."""

    size: int
    root: bytes


class Published:
    """A file with the size and root of the newest published checkpoint, one a line."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Seen | None:
        """None before anything was published; raises ValueError for a file that we did not write."""
        try:
            size, root = self._path.read_text().split()
        except FileNotFoundError:
            return None
        return Seen(int(size), base64.b64decode(root, validate=True))

    def write(self, size: int, root: bytes) -> None:
        """Whole or not at all, and on the disk before this returns."""
        fresh = self._path.with_suffix(".new")
        with fresh.open("w") as file:
            file.write(f"{size}\n{base64.b64encode(root).decode()}\n")
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
