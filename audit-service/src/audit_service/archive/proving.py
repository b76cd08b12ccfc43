"""What is in the archive is what is in the tree: each leaf's hash is compared with the one that was published."""

import asyncio
import hashlib
from collections.abc import Sequence
from typing import Any

from audit_service import store
from audit_service.archive.rows import Row
from tlog.hashes import HASH_BYTES, SUITES
from tlog.tiles import TILE_WIDTH


class Damaged(Exception):
    """What was read is not what the log says; the message tells where."""


async def prove(connection: Any, shards: Sequence[store.Shard], rows: Sequence[Row]) -> list[bytes]:
    """The leaf hashes of some rows, each of which stands at its index in the tree. Raises Damaged."""
    published = await _published(connection, shards, [row.leaf_index for row in rows])
    return await asyncio.to_thread(_compared, shards, rows, published)


def _compared(shards: Sequence[store.Shard], rows: Sequence[Row], published: Sequence[bytes]) -> list[bytes]:
    hashes: list[bytes] = []
    for row, expected in zip(rows, published, strict=True):
        found = SUITES[store.shard_at(shards, row.leaf_index).suite].leaf(row.leaf)
        if found != expected:
            raise Damaged(f"leaf {row.leaf_index} is not the one in the tree")
        if row.private and hashlib.sha256(row.private).digest() != row.private_sha256:
            raise Damaged(f"the private part of leaf {row.leaf_index} is not the one that came with it")
        hashes.append(found)
    return hashes


async def _published(connection: Any, shards: Sequence[store.Shard], indexes: Sequence[int]) -> list[bytes]:
    """The tree's hashes at some indexes, b"" where it has none."""
    placed = [(shard := store.shard_at(shards, index), *divmod(index - shard.first, TILE_WIDTH)) for index in indexes]
    tiles: dict[tuple[int, int], bytes] = {}
    for shard_id in sorted({shard.id for shard, _, _ in placed}):
        wanted = sorted({(0, n) for shard, n, _ in placed if shard.id == shard_id})
        found = await store.tiles(connection, wanted, shard_id)
        tiles |= {(shard_id, n): hashes for (_, n), hashes in found.items()}
    return [
        tiles.get((shard.id, n), b"")[at * HASH_BYTES : (at + 1) * HASH_BYTES] for shard, n, at in placed
    ]  # fmt: skip
