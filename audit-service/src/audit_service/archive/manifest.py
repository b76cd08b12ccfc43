"""What is said of an archived segment in one small JSON file, whose hash is a leaf of the log. Pure."""

import hashlib
from collections.abc import Sequence

import msgspec

from tlog.hashes import SHA256, Suite


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A shard of the log that leaves of the segment are in; their index there is `leaf_index - first`."""

    origin: str
    suite: str
    first: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """One segment and its file.

    first, last  indexes through all shards; `count` of the range belong to the segment
    root         hex; RFC 6962 tree (SHA-256) whose leaf hashes are those of the segment's leaves in the log, by index
    kept_until   the last day on which it has to be there, "" for ever; as the settings were when it was archived
    schema       version of the file's columns
    """

    v: int = 1
    segment: str
    retention: str
    shards: Sequence[Part]
    first: int
    last: int
    count: int
    root: str
    object: str
    sha256: str
    bytes: int
    schema: int
    kept_until: str


def encode(manifest: Manifest) -> bytes:
    """Canonical JSON (RFC 8785)."""
    return msgspec.json.encode(manifest, order="sorted")


def name_of(segment: str, content_sha256: bytes, suffix: str) -> str:
    """Where an object of a segment stands: the name carries the content's hash, so nothing can be overwritten."""
    return f"{folder_of(segment)}/{content_sha256.hex()}.{suffix}"


def folder_of(segment: str) -> str:
    """Below which all objects of a segment stand."""
    return f"{segment[:4]}/{segment}"


def manifest_name(segment: str, content: bytes) -> str:
    """The name of a manifest."""
    return name_of(segment, hashlib.sha256(content).digest(), "json")


class Frontier:
    """Root of a tree while its leaf hashes come by; holds one hash for each height."""

    def __init__(self, suite: Suite = SHA256) -> None:
        self._suite = suite
        self._count = 0
        self._left: list[bytes] = []

    def add(self, leaf_hash: bytes) -> None:
        """The next leaf."""
        carried = self._count
        while carried & 1:
            leaf_hash = self._suite.node(self._left.pop(), leaf_hash)
            carried >>= 1
        self._left.append(leaf_hash)
        self._count += 1

    def root(self) -> bytes:
        """Of what has come so far (RFC 6962 section 2.1)."""
        if not self._left:
            return self._suite.empty
        *left, result = self._left
        for node in reversed(left):
            result = self._suite.node(node, result)
        return result
