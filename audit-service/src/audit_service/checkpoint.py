"""The log's signatures, and the guard against signing a past that is older than what has been published.

Whoever holds the signing key can sign any tree; who can restore an old database could make the log fork without
knowing. So the tree last published is remembered in a file outside the database.
"""

import base64
import fcntl
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from statute.calendar import SHANGHAI
from tlog import checkpoint
from tlog.hashes import SHA256, Suite


class Signer:
    """Signs checkpoints with every key that it has: while one key follows another, both. The oldest key comes first.

    origin  name of the log; `{year}` in it stands for the year in Asia/Shanghai, so that each year is a shard
    """

    def __init__(self, origin: str, *keys: Ed25519PrivateKey) -> None:
        self.origin = origin
        self._keys = keys

    @classmethod
    def from_file(cls, origin: str, path: Path, next_path: Path | None = None) -> "Signer":
        """The keys in PEM files (PKCS #8, Ed25519): the one in use and, while it is being replaced, the next one."""
        return cls(origin, *(_key_in(file) for file in (path, next_path) if file is not None))

    @property
    def vkey(self) -> str:
        """What others verify with, where the origin has no year."""
        return self.vkeys(self.origin)[0]

    def vkeys(self, origin: str) -> list[str]:
        """What the checkpoints of one origin are verified with; each of them is enough."""
        return [checkpoint.format_vkey(origin, key.public_key()) for key in self._keys]

    def origin_at(self, now: datetime) -> str:
        """The origin to sign under at a moment."""
        return self.origin.replace("{year}", f"{now.astimezone(SHANGHAI):%Y}")

    def names(self, origin: str) -> bool:
        """Whether it is our origin, of whatever year."""
        return re.fullmatch(re.escape(self.origin).replace(r"\{year\}", "[0-9]{4}"), origin) is not None

    def sign(self, size: int, root: bytes, origin: str = "", suite: Suite = SHA256) -> str:
        """The signed note. The same note whenever the same is signed."""
        return checkpoint.make(origin or self.origin, size, root, self._keys, suite)


def _key_in(path: Path) -> Ed25519PrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    if not isinstance(key, Ed25519PrivateKey):
        raise TypeError(f"{path} does not hold an Ed25519 key")
    return key


class Seen(NamedTuple):
    """The newest tree that somebody outside may have seen. No origin: written before there were shards."""

    size: int
    root: bytes
    origin: str = ""
    shard: int = 1

    def is_after(self, other: "Seen") -> bool:
        """Whether the other one need not be remembered any more."""
        is_same = self.shard == other.shard and other.origin in ("", self.origin)
        return self.size >= other.size if is_same else self.shard >= other.shard


class Published:
    """A file with the newest published tree: size, root, origin, number of the shard, one a line. Never goes back,
    even if replicas share it and one of them was asleep."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> Seen | None:
        """None before anything was published; raises ValueError for a file that we did not write."""
        try:
            lines = self._path.read_text().splitlines()
        except FileNotFoundError:
            return None
        if len(lines) == 2:
            lines += ["", "1"]
        size, root, origin, shard = lines
        return Seen(int(size), base64.b64decode(root, validate=True), origin, int(shard))

    def write(self, size: int, root: bytes, origin: str = "", shard: int = 1) -> None:
        """Whole or not at all, and on the disk before this returns. What is older than the file's is left out."""
        fresh = Seen(size, root, origin, shard)
        with self._alone():
            before = self.read()
            if before is not None and not fresh.is_after(before):
                return
            self._replace(f"{size}\n{base64.b64encode(root).decode()}\n{origin}\n{shard}\n")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """While nobody else writes; the folder itself is what is locked."""
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            fcntl.flock(folder, fcntl.LOCK_EX)
            yield
        finally:
            os.close(folder)

    def _replace(self, content: str) -> None:
        fresh = self._path.with_suffix(".new")
        with fresh.open("w") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(self._path)
        folder = os.open(self._path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
