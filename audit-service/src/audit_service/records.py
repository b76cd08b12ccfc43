"""Receipts: the leaves of one call with their proofs and a checkpoint, for those who took part and for auditors.

And raw stretches of the log for auditors, so that somebody outside can build the whole tree again.
"""

import base64
from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple

from audit_service import store
from audit_service.archive.cold import Cold
from audit_service.entry import BadBatch, Batch, entries, parties
from audit_service.writer import Writer
from runtime.clock import Clock, SystemClock
from runtime.errors import Refusal
from tlog.hashes import HASH_BYTES, SUITES
from tlog.tiles import TILE_WIDTH
from tlog.tree import inclusion_proof, inclusion_tiles
from wire import codes, scopes
from wire.audit import new_event
from wire.tokens import AccessToken

Witnessed = Callable[[Any, int], Awaitable[tuple[int, str] | None]]
"""Size and note of a shard's newest checkpoint that somebody outside cosigned."""
MOST_ENTRIES = 1000


async def nobody(_connection: Any, _shard: int) -> tuple[int, str] | None:
    """There are no witnesses."""
    return None


class Found(NamedTuple):
    """All that is known of one call: what is in the tree, what waits for it, and the shards."""

    kept: list[store.Kept]
    waiting: list[bytes]
    shards: list[store.Shard]

    @property
    def leaves(self) -> list[bytes]:
        return [kept.leaf for kept in self.kept] + self.waiting

    def in_shard(self, origin: str) -> tuple[store.Shard, list[store.Kept]]:
        """The leaves in the shard of that name; in the newest one that has any, if there is no name."""
        by_shard: dict[int, list[store.Kept]] = defaultdict(list)
        for kept in self.kept:
            by_shard[store.shard_at(self.shards, kept.index).id].append(kept)
        for shard in reversed(self.shards):
            if by_shard[shard.id] and origin in ("", shard.origin):
                return shard, by_shard[shard.id]
        raise Refusal(codes.NOT_FOUND, "the log of that name has no leaf of this call")


class Receipt(NamedTuple):
    """The receipt as published at /schema/receipt.json, and how far its checkpoint has come."""

    body: dict[str, object]
    state: str
    """`published`, or `witnessed` where somebody outside has cosigned the checkpoint."""


class Line(NamedTuple):
    """One leaf of a stretch; None where it was lawfully deleted and only its hash is left."""

    shard: store.Shard
    leaf_index: int
    hash: bytes
    leaf: bytes | None


class Records:
    """Looks records up, and records that somebody looked.

    cold       reads what is only in the archive
    witnessed  finds cosigned checkpoints
    """

    def __init__(
        self,
        database: store.Database,
        writer: Writer,
        *,
        cold: Cold | None = None,
        witnessed: Witnessed = nobody,
        clock: Clock | None = None,
    ) -> None:
        self._database = database
        self._writer = writer
        self._cold = cold
        self._witnessed = witnessed
        self._clock = clock or SystemClock()

    async def receipt(self, call: str, token: AccessToken, origin: str = "") -> Receipt | None:
        """The receipt of a call, None while some of what is known of it is not covered by a checkpoint.

        A call that was under way when a shard was frozen has leaves in two shards, and a receipt in each: the newest
        shard's, or that of the shard named `origin`.
        Raises Refusal: NOT_FOUND, NOT_YOURS, DISPOSED, ARCHIVE_AWAY, AUDIT_UNAVAILABLE.
        """
        found = await self.find(call)
        if not may_see(token, found.leaves):
            await self._record("record.refused", token, {"call": call})
            raise Refusal(codes.NOT_YOURS)
        if found.waiting:
            return None
        receipt = await self.prove(call, *found.in_shard(origin))
        if receipt is not None:
            await self._record("record.viewed", token, {"call": call})
        return receipt

    async def find(self, call: str) -> Found:
        """Everything about one call, wherever it is kept. Asks nobody whether he may.

        Raises Refusal: NOT_FOUND, DISPOSED, ARCHIVE_AWAY, AUDIT_UNAVAILABLE.
        """
        async with (
            store.answering("look-up"), self._database.reader.acquire() as connection, store.snapshot(connection),
        ):  # fmt: skip
            places = await store.places_of(connection, call)
            hot = await store.leaves_at(connection, places)
            over = any(place.kind != "intent" for place in places)  # nothing follows an outcome, a denial, an event
            waiting = [] if over else leaves_in(await store.batches_with(connection, call), call)
            shards = await store.shards(connection)
        if not places and not waiting:
            raise Refusal(codes.NOT_FOUND, f"no record {call}")
        return Found(await self._with_cold(places, hot), waiting, shards)

    async def _with_cold(
        self, places: Sequence[store.Place], hot: list[store.Kept], *, disposed: bool = False
    ) -> list[store.Kept]:
        """All leaves at some places, those that are in the database given. `disposed`: without those that are gone."""
        have = {kept.index for kept in hot}
        absent: dict[str, list[int]] = defaultdict(list)
        for place in places:
            if place.leaf_index not in have:
                absent[place.segment].append(place.leaf_index)
        kept = list(hot)
        for segment, indexes in absent.items():
            if self._cold is None:
                raise Refusal(codes.ARCHIVE_AWAY)
            try:
                kept += await self._cold.leaves(segment, indexes)
            except Refusal as refusal:
                if refusal.code is not codes.DISPOSED or not disposed:
                    raise
        return sorted(kept, key=lambda one: one.index)

    async def prove(self, call: str, shard: store.Shard, kept: Sequence[store.Kept]) -> Receipt | None:
        """The receipt for leaves of one shard, None while its newest checkpoint does not cover them all."""
        own = [one.index - shard.first for one in kept]
        async with store.answering("proof"), self._database.reader.acquire() as connection:
            witnessed = await self._witnessed(connection, shard.id)
            is_enough = witnessed is not None and max(own) < witnessed[0]
            newest = witnessed if is_enough else await store.newest_checkpoint(connection, shard.id)
            if newest is None or max(own) >= newest[0]:
                return None
            size, note = newest
            wanted = sorted({tile for index in own for tile in inclusion_tiles(index, size)})
            read = store.look_up(await store.tiles(connection, wanted, shard.id))
        records = [
            {
                "index": index,
                "leaf": _base64(one.leaf),
                "salt": one.private.hex(),
                "proof": [_base64(step) for step in inclusion_proof(index, size, read, suite=SUITES[shard.suite])],
            }
            for index, one in zip(own, kept, strict=True)
        ]
        body = {"v": 1, "call": call, "log": shard.origin, "checkpoint": note, "records": records}
        return Receipt(body, "witnessed" if is_enough else "published")

    async def entries(self, first: int, last: int, token: AccessToken) -> list[Line]:
        """The leaves with first <= index < last (through all shards), as far as there are any. For auditors only.

        Raises Refusal: NOT_YOURS, ARCHIVE_AWAY, AUDIT_UNAVAILABLE.
        """
        facts = {"from": str(first), "to": str(last)}
        if scopes.AUDIT_READ not in token.scopes:
            await self._record("entries.refused", token, facts)
            raise Refusal(codes.NOT_YOURS)
        async with (
            store.answering("entries"), self._database.reader.acquire() as connection, store.snapshot(connection),
        ):  # fmt: skip
            places = await store.places_between(connection, first, last)
            hot = await store.leaves_at(connection, places)
            shards = await store.shards(connection)
            hashes = await _hashes(connection, shards, places)
        leaves = {kept.index: kept.leaf for kept in await self._with_cold(places, hot, disposed=True)}
        await self._record("entries.read", token, facts)
        return [Line(store.shard_at(shards, at), at, hashes[at], leaves.get(at)) for at, _, _ in places]

    async def _record(self, event: str, token: AccessToken, facts: dict[str, str]) -> None:
        await self._writer.write([new_event(event, self._clock.now(), token.client, token.department, facts)])


async def _hashes(tx: Any, shards: Sequence[store.Shard], places: Sequence[store.Place]) -> dict[int, bytes]:
    """The hash of each leaf, by its index through all shards."""
    wanted: dict[int, set[tuple[int, int]]] = defaultdict(set)
    where = {}
    for place in places:
        shard = store.shard_at(shards, place.leaf_index)
        n, row = divmod(place.leaf_index - shard.first, TILE_WIDTH)
        wanted[shard.id].add((0, n))
        where[place.leaf_index] = (shard.id, n, row * HASH_BYTES)
    tiles = {shard: await store.tiles(tx, sorted(some), shard) for shard, some in wanted.items()}
    return {index: tiles[shard].get((0, n), b"")[at : at + HASH_BYTES] for index, (shard, n, at) in where.items()}


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


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
