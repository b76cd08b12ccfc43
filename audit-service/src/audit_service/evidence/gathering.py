"""The leaves of many calls, from the database and the archive, and the receipt of each."""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec
import structlog

from audit_service import store as log_store
from audit_service.archive.cold import Cold
from audit_service.evidence import store
from audit_service.evidence.store import Place
from audit_service.records import Records, Witnessed
from audit_service.store import Kept, Shard
from runtime.errors import Refusal
from wire import codes

log = structlog.get_logger()
AT_ONCE = 4
MOST_BYTES = 64 * 1024 * 1024
"""Of leaves in one package: it is put together in memory."""


class Gathered(NamedTuple):
    """Leaves by call; `disposed` are segments that held some and were lawfully deleted."""

    kept: dict[str, list[Kept]]
    disposed: set[str]


class Proven(NamedTuple):
    """Files of receipts, the leaves that they prove in the order of the log, and the checkpoints by shard and size."""

    files: dict[str, bytes]
    leaves: list[bytes]
    checkpoints: dict[tuple[int, int], str]


async def gather(database: log_store.Database, cold: Cold, calls: Sequence[str]) -> Gathered:
    """Everything there is of some calls. Raises Refusal: ARCHIVE_AWAY, AUDIT_UNAVAILABLE, EVIDENCE_TOO_MUCH."""
    async with log_store.answering("evidence"):
        places = await store.places_of(database.reader, calls)
    by_segment: dict[str, list[Place]] = defaultdict(list)
    for place in places:
        by_segment[place.segment].append(place)
    found: dict[int, Kept] = {}
    disposed: set[str] = set()
    for segment, wanted in sorted(by_segment.items()):
        leaves = await _leaves(database, cold, segment, wanted)
        found |= {one.index: one for one in leaves}
        disposed |= {segment} if len(leaves) < len(wanted) else set()
        if sum(len(one.leaf) for one in found.values()) > MOST_BYTES:
            told = "narrow it with since, before or department"
            raise Refusal(codes.EVIDENCE_TOO_MUCH, told, limit=MOST_BYTES, unit="bytes")
    kept: dict[str, list[Kept]] = defaultdict(list)
    for place in places:
        if place.leaf_index in found:
            kept[place.call].append(found[place.leaf_index])
    return Gathered(dict(kept), disposed)


async def _leaves(database: log_store.Database, cold: Cold, segment: str, wanted: Sequence[Place]) -> list[Kept]:
    """Those that are left: none where the segment was disposed of."""
    async with log_store.answering("evidence"):
        leaves = await store.leaves_in(database.reader, segment, wanted)
    absent = {place.leaf_index for place in wanted} - {one.index for one in leaves}
    if not absent:
        return leaves
    try:
        return leaves + await cold.leaves(segment, sorted(absent))
    except Refusal as refusal:
        if refusal.code is codes.DISPOSED:
            return []
        if refusal.code is codes.NOT_FOUND:
            log.critical("leaf.missing", segment=segment, leaves=len(absent), alarm=True)
            raise Refusal(codes.BROKEN, "the log lacks records that it must have") from None
        raise


async def prove(database: log_store.Database, records: Records, kept: dict[str, list[Kept]]) -> Proven | None:
    """A receipt for each call, None while some leaf is not covered by a checkpoint.

    A call that was under way when a shard was frozen has leaves in two; the receipt in the older one lies in `apart/`,
    as does one whose leaf is not a single line: `records.jsonl` could not hold it.
    """
    async with log_store.answering("evidence"):
        shards = await log_store.shards(database.reader)
    turns = asyncio.Semaphore(AT_ONCE)
    proven = Proven({}, [], {})
    lines: dict[int, bytes] = {}

    async def one(call: str, shard: Shard, leaves: list[Kept], *, is_newest: bool) -> bool:
        async with turns:
            receipt = await records.prove(call, shard, leaves)
        if receipt is None:
            return False
        note = str(receipt.body["checkpoint"])
        _keep_longest(proven.checkpoints, (shard.id, _size_of(note)), note)
        is_apart = not is_newest or any(b"\n" in leaf.leaf for leaf in leaves)
        name = f"apart/{call}-{shard.id}.json" if is_apart else f"receipts/{call}.json"
        proven.files[name] = msgspec.json.encode(receipt.body)
        if not is_apart:
            lines.update({leaf.index: leaf.leaf for leaf in leaves})
        return True

    asked = [
        one(call, shard, leaves, is_newest=n == 0)
        for call, of_call in kept.items()
        for n, (shard, leaves) in enumerate(_by_shard(shards, of_call))
    ]
    if not all(await asyncio.gather(*asked)):
        return None
    proven.leaves.extend(lines[index] for index in sorted(lines))
    return proven


def _by_shard(shards: Sequence[Shard], kept: Iterable[Kept]) -> list[tuple[Shard, list[Kept]]]:
    """Newest first."""
    found: dict[int, list[Kept]] = defaultdict(list)
    for one in kept:
        found[log_store.shard_at(shards, one.index).id].append(one)
    return [(shard, found[shard.id]) for shard in reversed(shards) if shard.id in found]


def _keep_longest(notes: dict[tuple[int, int], str], key: tuple[int, int], note: str) -> None:
    """Of the same checkpoint the one with most signatures."""
    notes[key] = max(note, notes.get(key, ""), key=len)


def _size_of(note: str) -> int:
    """The second line of a checkpoint (C2SP tlog-checkpoint)."""
    return int(note.split("\n", 2)[1])


async def add_newest(database: log_store.Database, witnessed: Witnessed, proven: Proven) -> None:
    """Add the newest checkpoints, published and witnessed, of the shards that matter."""
    for shard in {shard for shard, _ in proven.checkpoints}:
        async with log_store.answering("evidence"), database.reader.acquire() as connection:
            found = [await log_store.newest_checkpoint(connection, shard), await witnessed(connection, shard)]
        for one in found:
            if one is not None:
                _keep_longest(proven.checkpoints, (shard, one[0]), one[1])
