"""Read-only check of the whole log: `python -m audit_service.fsck [--vkey KEY]`, with the address in DATABASE_URL.

Compares every leaf with the tiles, the tiles with each other, the root with every checkpoint, leaves and private parts
with what writers were told to be committed, and what waits with its own digest. Prints one line per finding, naming
what is wrong, and a summary last; exit 1 if there are findings. Sees one state of the log while it goes on being used.
"""

import argparse
import asyncio
import os
import sys
from collections import Counter, defaultdict
from typing import Any

import asyncpg

from audit_service import store
from audit_service.entry import BadBatch, Batch, head_of, undamaged
from audit_service.walk import STRETCH, Acknowledged, IndexRow, Sequences, Stretch, Walk, Writer
from runtime.db import plain
from tlog import checkpoint
from tlog.hashes import EMPTY_ROOT, HASH_BYTES
from tlog.proofs import ProofError
from tlog.tiles import TILE_HEIGHT, TILE_WIDTH, tile_width

_LONGEST_BATCH = 65536
"""More records than fit into one batch."""


class Fsck:
    """One check; `findings` grows as it goes on. Notes are worth knowing, and not wrong."""

    def __init__(self, tx: Any, vkey: str) -> None:
        self._tx = tx
        self._vkey = vkey
        self._signed = self._waiting = self._size = 0
        self.findings: list[str] = []
        self.notes: list[str] = []

    @property
    def summary(self) -> str:
        verdict = f"{len(self.findings)} findings" if self.findings else "clean"
        return f"fsck: {self._size} leaves, {self._signed} checkpoints, {self._waiting} waiting batches: {verdict}"

    async def run(self) -> None:
        """The whole check."""
        head = await self._head()
        self._size = head.size
        walk = Walk(await self._newest_root(head), self._report)
        if (await self._checkpoints(-1, 0)).get(0, EMPTY_ROOT) != EMPTY_ROOT:
            self._report("checkpoint 0", "its root is not that of an empty log")
        for start in range(0, head.size, STRETCH):
            walk.stretch(await self._stretch(start, min(start + STRETCH, head.size)))
        walk.finish()
        if walk.frontier.root() != head.root:
            self._report("log_head", "its root is not that of the leaves")
        await self._beyond(head.size)
        await self._batches(walk.sequences)
        await self._calls()

    def _report(self, what: str, why: str) -> None:
        self.findings.append(f"{what}: {why}")

    # --- head and checkpoints
    async def _head(self) -> store.Head:
        row = await self._tx.fetchrow("SELECT size, epoch, root FROM audit.log_head")
        if row is None:
            self._report("log_head", "is missing")
            return store.Head(0, 0, EMPTY_ROOT)
        return store.Head(*row)

    async def _newest_root(self, head: store.Head) -> bytes:
        """What the newest checkpoint says of the whole log; the head's own word where there is none."""
        note = await self._tx.fetchval("SELECT note FROM audit.checkpoint WHERE size = $1", head.size)
        if note is None:
            if head.size:
                self._report("log_head", f"no checkpoint covers its {head.size} leaves")
            return head.root
        try:
            return self._opened(note).root
        except ProofError:
            return head.root

    async def _checkpoints(self, after: int, up_to: int) -> dict[int, bytes]:
        """Signed roots by size."""
        roots: dict[int, bytes] = {}
        rows = await self._tx.fetch(
            "SELECT size, note FROM audit.checkpoint WHERE size > $1 AND size <= $2 ORDER BY size", after, up_to
        )
        for size, note in rows:
            self._signed += 1
            try:
                said = self._opened(note)
                if said.size != size:
                    raise ProofError(f"was signed for {said.size} leaves")
                roots[size] = said.root
            except ProofError as error:
                self._report(f"checkpoint {size}", str(error))
        return roots

    def _opened(self, note: str) -> checkpoint.Checkpoint:
        if self._vkey:
            return checkpoint.open_note(note, self._vkey)
        return checkpoint.parse(note.rpartition("\n\n")[0] + "\n")

    # --- leaves
    async def _stretch(self, start: int, end: int) -> Stretch:
        index = await self._range("leaf_index, call_id::text, segment, kind, private_sha256", "entry_index", start, end)
        leaves = await self._range("leaf_index, segment, body", "leaf", start, end)
        private = await self._range("leaf_index, body", "erasable", start, end)
        for number, times in Counter(row[0] for row in leaves).items():
            if times > 1:
                self._report(f"leaf {number}", f"stands {times} times")
        return Stretch(
            start,
            end,
            index={row[0]: IndexRow(*row[1:]) for row in index},
            leaves={row[0]: (row[1], row[2]) for row in leaves},
            private={row[0]: row[1] for row in private},
            tiles=await store.tiles(self._tx, _tiles_of(start, end)),
            checkpoints=await self._checkpoints(start, end),
            acknowledged=await self._promises([row[2] for row in leaves]),
        )

    async def _range(self, columns: str, table: str, start: int, end: int) -> list[Any]:
        rows: list[Any] = await self._tx.fetch(
            f"SELECT {columns} FROM audit.{table} WHERE leaf_index >= $1 AND leaf_index < $2",  # noqa: S608  # constants
            start, end,
        )  # fmt: skip
        return rows

    async def _promises(self, leaves: list[bytes]) -> dict[Writer, list[Acknowledged]]:
        """What was acknowledged to the writers of these leaves, around their sequence numbers."""
        numbers: dict[Writer, list[int]] = defaultdict(list)
        for leaf in leaves:
            try:
                head = head_of(leaf)
            except BadBatch:
                continue
            numbers[head.gateway, head.epoch].append(head.sequence)
        return {writer: await self._promises_to(writer, min(some), max(some)) for writer, some in numbers.items()}

    async def _promises_to(self, writer: Writer, least: int, most: int) -> list[Acknowledged]:
        rows = await self._tx.fetch(
            """SELECT first_sequence, count, sha256 FROM audit.acknowledgement
               WHERE gateway = $1 AND epoch = $2 AND first_sequence BETWEEN $3 AND $4 ORDER BY first_sequence""",
            *writer, least - _LONGEST_BATCH, most,
        )  # fmt: skip
        return [Acknowledged(*row) for row in rows]

    async def _beyond(self, size: int) -> None:
        """Rows that no leaf of the log accounts for."""
        for table, name in (("leaf", "leaf"), ("entry_index", "index"), ("erasable", "erasable")):
            rows = await self._tx.fetch(
                f"SELECT leaf_index FROM audit.{table} WHERE leaf_index >= $1 OR leaf_index < 0 ORDER BY 1",  # noqa: S608  # constants
                size,
            )
            for row in rows:
                self._report(f"{name} {row[0]}", f"is beyond the log, which has {size} leaves")
        for row in await self._tx.fetch("SELECT size FROM audit.checkpoint WHERE size > $1 ORDER BY 1", size):
            self._report(f"checkpoint {row[0]}", f"is ahead of the log, which has {size} leaves")
        async for level, n, length in self._tx.cursor("SELECT level, n, length(hashes) FROM audit.tile"):
            width = tile_width(level, n, size)
            if length > width * HASH_BYTES:
                self._report(f"tile {level}/{n}", f"holds {length // HASH_BYTES} hashes, of which {width} belong to it")

    # --- batches
    async def _batches(self, sequenced: dict[Writer, Sequences]) -> None:
        """Every acknowledged batch is in the tree or waits for it, and what waits is undamaged."""
        rows = self._tx.cursor(
            """SELECT gateway, epoch, first_sequence, a.count, a.sha256, b.bytes, b.sha256, b.count
               FROM audit.acknowledgement a
               FULL JOIN audit.batch b USING (gateway, epoch, first_sequence)"""
        )
        async for gateway, epoch, first, count, digest, content, waiting_digest, waiting_count in rows:
            numbers = sequenced.setdefault((gateway, epoch), Sequences())
            name = f"batch {gateway}/{epoch}/{first}"
            if content is None:
                if not numbers.covers(first, count):
                    self._report(name, "was acknowledged, and is neither in the log nor waiting for it")
                continue
            self._waiting += 1
            if (count, digest) != (waiting_count, waiting_digest):
                self._report(name, "waits, and is not what was acknowledged")
            self._check_waiting(name, Batch(gateway, epoch, first, waiting_count, content, waiting_digest), numbers)
        for (gateway, epoch), numbers in sequenced.items():
            for least, most in numbers.gaps():
                self.notes.append(f"writer {gateway}/{epoch}: sequences {least} to {most} never came")

    def _check_waiting(self, name: str, batch: Batch, numbers: Sequences) -> None:
        try:
            undamaged(batch)
        except BadBatch as error:
            self._report(name, f"waits, and is damaged: {error}")
        if not numbers.add(batch.first, batch.count):
            self._report(name, "waits, and repeats sequences that are in the log")

    # --- calls
    async def _calls(self) -> None:
        """Every call has one intent or none, at most one outcome, and is open exactly while it has none."""
        rows = self._tx.cursor(
            """SELECT call_id::text, intents, outcomes, o.call_id IS NOT NULL
               FROM (SELECT call_id, count(*) FILTER (WHERE kind = 'intent') AS intents,
                            count(*) FILTER (WHERE kind = 'outcome') AS outcomes
                     FROM audit.entry_index WHERE kind IN ('intent', 'outcome') GROUP BY call_id) c
               FULL JOIN audit.open_call o USING (call_id)
               WHERE intents IS NULL OR (intents, outcomes, o.call_id IS NOT NULL)
                     NOT IN ((1, 1, false), (1, 0, true))"""
        )
        async for call, intents, outcomes, is_open in rows:
            state = "open" if is_open else "not open"
            self._report(f"call {call}", f"has {intents or 0} intents and {outcomes or 0} outcomes, and is {state}")


def _tiles_of(start: int, end: int) -> list[tuple[int, int]]:
    """The tiles that hold these leaves' hashes, and those above that hold the hashes of tiles complete by now."""
    wanted = []
    for level in range(end.bit_length() // TILE_HEIGHT + 1):
        first, last = (leaf >> (TILE_HEIGHT * level) for leaf in (start, end - 1))
        wanted += [(level, n) for n in range(first // TILE_WIDTH, last // TILE_WIDTH + 1)]
    return wanted


async def examine(url: str, vkey: str = "") -> Fsck:
    """Check the log at `url`, as the reader: any role that may act as it, or the superuser."""
    connection = await asyncpg.connect(plain(url), timeout=10, server_settings={"role": store.READER})
    try:
        async with store.snapshot(connection):
            fsck = Fsck(connection, vkey)
            await fsck.run()
            return fsck
    finally:
        await connection.close()


def main(arguments: list[str]) -> int:
    """0 when clean, 1 with findings, 2 when the log cannot be read."""
    parser = argparse.ArgumentParser(prog="audit_service.fsck", description="Check the whole log.")
    parser.add_argument("--vkey", default="", help="verify the signature of every checkpoint with this key")
    vkey = parser.parse_args(arguments).vkey
    url = os.environ.get("DATABASE_URL", "")
    if not url:
        sys.stderr.write("set DATABASE_URL to the address of the database\n")
        return 2
    try:
        fsck = asyncio.run(examine(url, vkey))
    except (OSError, asyncpg.PostgresError) as error:
        sys.stderr.write(f"the log cannot be read: {error}\n")
        return 2
    for line in [*fsck.findings, *(f"note: {note}" for note in fsck.notes), fsck.summary]:
        sys.stdout.write(line + "\n")
    return 1 if fsck.findings else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
