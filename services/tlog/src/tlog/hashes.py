"""The three hashes of a Merkle log: leaf, node, empty tree. Source: RFC 6962 section 2.1, RFC 9162 section 2.1.1."""

import hashlib

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()
"""Root of a tree without leaves."""


def leaf_hash(data: bytes) -> bytes:
    """SHA-256(0x00 ‖ data). The first byte keeps a leaf from ever being taken for a node."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256(0x01 ‖ left ‖ right) of two 32-byte hashes."""
    return hashlib.sha256(b"\x01" + left + right).digest()
