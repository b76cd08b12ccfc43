"""Receipts: the leaves of one call with their proofs and a checkpoint, for those who took part and for auditors."""

import base64
import time
from dataclasses import dataclass, field

from audit_service import store
from audit_service.entry import BadBatch, Batch, entries, parties
from audit_service.writer import Writer
from runtime.errors import Refusal
from runtime.ids import uuid7
from tlog.tree import inclusion_proof, inclusion_tiles
from wire import codes, scopes
from wire.audit import Event
from wire.tokens import AccessToken

TilesRead = dict[tuple[int, int], bytes]


@dataclass(frozen=True, slots=True)
class Found:
    """All that is known of one call: what is in the tree, what waits for it, and the tree's newest checkpoint."""

    kept: list[store.Kept]
    waiting: list[bytes]
    size: int = 0
    note: str = ""
    tiles: TilesRead = field(default_factory=dict)


class Records:
    """Looks calls up, and records that somebody looked."""

    def __init__(self, database: store.Database, writer: Writer, origin: str) -> None:
        self._database = database
        self._writer = writer
        self._origin = origin

    async def receipt(self, call: str, token: AccessToken) -> dict[str, object] | None:
        """The receipt of a call, None while some of what is known of it is not covered by a checkpoint.

        Raises Refusal: NOT_FOUND, NOT_YOURS, AUDIT_UNAVAILABLE.
        """
        async with store.answering("look-up"):
            found = await self._find(call)
        leaves = [kept.leaf for kept in found.kept] + found.waiting
        if not leaves:
            raise Refusal(codes.NOT_FOUND, f"no record {call}")
        if not may_see(token, leaves):
            await self._record("record.refused", call, token)
            raise Refusal(codes.NOT_YOURS)
        if found.waiting:
            return None
        await self._record("record.viewed", call, token)
        return receipt_of(call, self._origin, found)

    async def _find(self, call: str) -> Found:
        async with self._database.reader.acquire() as connection, store.snapshot(connection):
            kept = await store.leaves_of(connection, call)
            over = any(row.kind != "intent" for row in kept)  # nothing can follow an outcome, a denial or an event
            waiting = [] if over else leaves_in(await store.batches_with(connection, call), call)
            newest = await store.newest_checkpoint(connection)
            if newest is None or not kept:
                return Found(kept, waiting)
            size, note = newest
            wanted = sorted({tile for row in kept for tile in inclusion_tiles(row.index, size)})
            return Found(kept, waiting, size, note, await store.tiles(connection, wanted))

    async def _record(self, event: str, call: str, token: AccessToken) -> None:
        at = time.time_ns() // 1_000_000
        told = Event(
            id=str(uuid7(at)), at=at, event=event, actor=token.client, department=token.department, facts={"call": call}
        )
        await self._writer.write([told])


def may_see(token: AccessToken, leaves: list[bytes]) -> bool:
    """Those who took part, and auditors (景德镇 16: providers and consumers see their own calls)."""
    return scopes.AUDIT_READ in token.scopes or any(token.department in parties(leaf) for leaf in leaves)


def leaves_in(batches: list[Batch], call: str) -> list[bytes]:
    """The leaves of a call in batches that wait for the sequencer."""
    found: list[bytes] = []
    for batch in batches:
        try:
            found += [entry.leaf for entry in entries(batch) if entry.head.call == call]
        except BadBatch:
            continue  # the sequencer raises the alarm
    return found


def receipt_of(call: str, origin: str, found: Found) -> dict[str, object]:
    """The receipt as published at /schema/receipt.json."""
    read = store.look_up(found.tiles)
    records = [
        {
            "index": kept.index,
            "leaf": _base64(kept.leaf),
            "salt": kept.private.hex(),
            "proof": [_base64(step) for step in inclusion_proof(kept.index, found.size, read)],
        }
        for kept in found.kept
    ]
    return {"v": 1, "call": call, "log": origin, "checkpoint": found.note, "records": records}


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
