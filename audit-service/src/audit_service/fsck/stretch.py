"""Brings one stretch of the log after another: from the database, and from the archive where it is at hand."""

from collections import Counter, defaultdict
from typing import Any

from audit_service import store as log
from audit_service.fsck import store
from audit_service.fsck.findings import Findings
from audit_service.fsck.keys import Keys
from audit_service.fsck.shelf import Shelf
from audit_service.fsck.walk import Acknowledged, IndexRow, Leaf, Stretch, Writer, leaf_of
from tlog.proofs import ProofError
from tlog.tiles import TILE_HEIGHT, TILE_WIDTH

_LONGEST_BATCH = 65536
"""More records than fit into one batch."""


def shard_name(shard: int) -> str:
    """What findings say behind a tile or checkpoint; nothing for the first shard."""
    return f" of shard {shard}" if shard != 1 else ""


class Reader:
    """`signed` counts the checkpoints that were opened."""

    def __init__(self, tx: Any, keys: Keys, findings: Findings, shelf: Shelf) -> None:
        self._tx = tx
        self._keys = keys
        self._findings = findings
        self._shelf = shelf
        self.signed = 0

    async def stretch(self, shard: log.Shard, start: int, end: int) -> Stretch:
        """Leaves `start` to `end` (through all shards) of one shard."""
        index = {row[0]: IndexRow(*row[1:]) for row in await store.rows(
            self._tx, "entry_index", "leaf_index, call_id::text, segment, kind, private_sha256", start, end
        )}  # fmt: skip
        leaves = await self._leaves(start, end, index)
        rows = await store.rows(self._tx, "erasable", "leaf_index, body", start, end)
        private = {row[0]: row[1] for row in rows}
        gone = await self._fetch(index, leaves, private)
        own, own_end = start - shard.first, end - shard.first
        return Stretch(
            start, end, index, leaves, private,
            tiles=await log.tiles(self._tx, tiles_of(own, own_end), shard.id),
            checkpoints=await self.checkpoints(shard, own, own_end),
            acknowledged=await self._promises(leaves),
            gone=gone,
        )  # fmt: skip

    async def _leaves(self, start: int, end: int, index: dict[int, IndexRow]) -> dict[int, Leaf]:
        """Of two at one place, the one that the index means."""
        rows = await store.rows(self._tx, "leaf", "leaf_index, segment, body", start, end)
        for number, times in Counter(row[0] for row in rows).items():
            if times > 1:
                self._findings.report(f"leaf {number}", f"stands {times} times")
        rows.sort(key=lambda row: row[0] in index and index[row[0]].segment == row[1])
        return {row[0]: leaf_of(row[1], row[2]) for row in rows}

    async def _fetch(
        self, index: dict[int, IndexRow], leaves: dict[int, Leaf], private: dict[int, bytes]
    ) -> frozenset[int]:
        """Add what the archive holds of leaves that are not in the database; those that cannot be had."""
        wanted: dict[str, list[int]] = defaultdict(list)
        for number, row in index.items():
            if number not in leaves and self._shelf.is_away(row.segment):
                wanted[row.segment].append(number)
        gone: set[int] = set()
        for segment, numbers in wanted.items():
            found = await self._shelf.leaves(segment, numbers)
            if found is None:
                gone.update(number for number in numbers if self._shelf.holds(segment, number))
            for kept in found or ():
                leaves[kept.index] = leaf_of(segment, kept.leaf)
                if kept.private:
                    private[kept.index] = kept.private
        return frozenset(gone)

    # --- signatures and promises
    async def checkpoints(self, shard: log.Shard, after: int, up_to: int) -> dict[int, bytes]:
        """Signed roots by size, of those with after < size <= up_to."""
        roots: dict[int, bytes] = {}
        for size, note in await store.checkpoints(self._tx, shard.id, after, up_to):
            self.signed += 1
            try:
                said = self._keys.open(note, shard.id, size)
                if said.size != size:
                    raise ProofError(f"was signed for {said.size} leaves")
                if said.origin != (shard.origin or said.origin) or said.suite.name != shard.suite:
                    raise ProofError("was signed for another log or another hash")
                roots[size] = said.root
            except ProofError as error:
                self._findings.report(f"checkpoint {size}{shard_name(shard.id)}", str(error))
        return roots

    async def _promises(self, leaves: dict[int, Leaf]) -> dict[Writer, list[Acknowledged]]:
        """What was acknowledged to the writers of these leaves, around their sequence numbers."""
        numbers: dict[Writer, list[int]] = defaultdict(list)
        for leaf in leaves.values():
            if leaf.head is not None:
                numbers[leaf.head.gateway, leaf.head.epoch].append(leaf.head.sequence)
        found = {}
        for writer, some in numbers.items():
            if _storable(writer, some):
                rows = await store.promises(self._tx, writer, max(0, min(some) - _LONGEST_BATCH), max(some))
                found[writer] = [Acknowledged(*row) for row in rows]
        return found


def _storable(writer: Writer, numbers: list[int]) -> bool:
    """Whether PostgreSQL can be asked for it: what a changed leaf says may be anything."""
    return "\0" not in writer[0] and all(-(2**63) <= number < 2**63 for number in (writer[1], *numbers))


def tiles_of(start: int, end: int) -> list[tuple[int, int]]:
    """The tiles that hold these leaves' hashes, and those above that hold the hashes of tiles complete by now."""
    wanted = []
    for level in range(end.bit_length() // TILE_HEIGHT + 1):
        first, last = (leaf >> (TILE_HEIGHT * level) for leaf in (start, end - 1))
        wanted += [(level, n) for n in range(first // TILE_WIDTH, last // TILE_WIDTH + 1)]
    return wanted
