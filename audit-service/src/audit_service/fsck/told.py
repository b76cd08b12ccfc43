"""What the log says of itself: leaves about shards, keys, and segments that went.

A table says where a day's leaves are and which keys sign; only a leaf makes that true. These leaves are permanent, and
so few that all of them are read.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from audit_service import store as log
from audit_service.archive.store import Archived
from audit_service.fsck import store
from audit_service.fsck.findings import Findings
from audit_service.fsck.shelf import Shelf
from wire.audit import EventLeaf

_CLASS = "-permanent"
_event = msgspec.json.Decoder(EventLeaf)
Memory = dict[tuple[str, bytes], list[tuple[int, bytes]]]
"""(index, leaf) of archived segments, by name and digest of the file."""


class Statement(NamedTuple):
    """An event of the log about itself, and its leaf's index; `own_index` is that in its shard, `at` in Unix ms."""

    leaf: int
    shard: int
    own_index: int
    writer: str
    name: str
    facts: dict[str, str]
    at: int


class Told:
    """All statements, by index. `is_whole` is False where some of them could not be read."""

    def __init__(self, statements: Sequence[Statement], unread: Sequence[tuple[int, int]]) -> None:
        self.by_index = {told.leaf: told for told in statements}
        self._unread = tuple(unread)
        self.is_whole = not unread

    def says(self, index: int | None, name: str, facts: dict[str, str]) -> bool:
        """Whether the leaf at an index says so; of a leaf that cannot be read nobody knows."""
        told = self.by_index.get(-1 if index is None else index)
        if told is None:
            return index is not None and any(first <= index <= last for first, last in self._unread)
        return told.name == name and all(told.facts.get(key) == value for key, value in facts.items())


async def listen(
    tx: Any, shards: Sequence[log.Shard], archive: dict[str, Archived], shelf: Shelf, memory: Memory, findings: Findings
) -> Told:
    """Everything that the log says of itself. `memory` spares reading the same files of the archive again."""
    own = [segment for segment in await store.segments(tx) if segment.endswith(_CLASS)]
    found, unread = await store.leaves_of(tx, own), []
    for name, kept in archive.items():
        if name.endswith(_CLASS) and kept.state == "archived":
            if (name, kept.sha256) not in memory:
                away = await shelf.leaves(name, range(kept.first_index, kept.last_index + 1))
                if not away:
                    unread.append((kept.first_index, kept.last_index))
                    continue
                memory[name, kept.sha256] = [(leaf.index, leaf.leaf) for leaf in away]
            found += memory[name, kept.sha256]
    if unread:
        findings.leave("what the log says of itself is partly in an archive that is not at hand, and is taken as said")
    statements = (_statement(shards, index, body) for index, body in sorted(found))
    return Told([told for told in statements if told is not None], unread)


def _statement(shards: Sequence[log.Shard], index: int, body: bytes) -> Statement | None:
    try:
        leaf = _event.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    shard = next((one for one in reversed(shards) if one.first <= index), None)
    if shard is None:
        return None
    return Statement(index, shard.id, index - shard.first, leaf.gateway, leaf.event, leaf.facts, leaf.at)
