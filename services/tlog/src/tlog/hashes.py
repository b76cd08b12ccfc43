"""The hashes of a Merkle log: leaf, node, empty tree, in SHA-256 or in SM3 (both 32 bytes).

Source: RFC 6962 section 2.1, RFC 9162 section 2.1.1; FIPS 180-4 (SHA-256); GB/T 32905-2016 (SM3).
"""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

from cryptography.hazmat.primitives import hashes

HASH_BYTES = 32


class Suite(NamedTuple):
    """The hash that one log uses for all of its tree. `leaf` and `node` are functions, so that a hash is one call.

    name     as checkpoints and `SUITES` spell it
    digest   data -> 32 bytes, the plain hash
    leaf     data -> digest(0x00 ‖ data); the first byte keeps a leaf from ever being taken for a node
    node     left, right (32 bytes each) -> digest(0x01 ‖ left ‖ right)
    """

    name: str
    digest: Callable[[bytes], bytes]
    leaf: Callable[[bytes], bytes]
    node: Callable[[bytes, bytes], bytes]

    @property
    def empty(self) -> bytes:
        """Root of a tree without leaves."""
        return self.digest(b"")


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 ‖ data)."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right) of two 32-byte hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def _sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def _sm3(data: bytes) -> bytes:
    """Through `cryptography`: whether hashlib knows SM3 depends on how the Python at hand was built."""
    context = hashes.Hash(hashes.SM3())
    context.update(data)
    return context.finalize()


def _sm3_leaf(data: bytes) -> bytes:
    return _sm3(b"\x00" + data)


def _sm3_node(left: bytes, right: bytes) -> bytes:
    return _sm3(b"\x01" + left + right)


SHA256 = Suite("SHA-256", _sha256, leaf_hash, node_hash)
SM3 = Suite("SM3", _sm3, _sm3_leaf, _sm3_node)
SUITES = {suite.name: suite for suite in (SHA256, SM3)}
EMPTY_ROOT = SHA256.empty
"""Root of a SHA-256 tree without leaves."""
