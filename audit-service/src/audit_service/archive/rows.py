"""What a segment's file holds, a row for each leaf."""

import hashlib
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from audit_service.summary import COLUMNS

SCHEMA_VERSION = 1
GROUP_ROWS, GROUP_BYTES = 8192, 32 * 1024 * 1024
_SHARED = ("segment", "leaf_index", "call_id", "kind")
OWN = tuple(column for column in COLUMNS if column not in _SHARED)
"""Columns that only what ended has; null beside an intent."""


class Row(NamedTuple):
    """One leaf of a segment. `ended` are the values of OWN, none for an intent."""

    leaf_index: int
    call: str
    kind: str
    sequenced_at: datetime
    private_sha256: bytes | None
    leaf: bytes
    private: bytes
    ended: tuple[Any, ...] | None


def digest_of(path: Path) -> bytes:
    """SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest()
