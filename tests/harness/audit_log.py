"""An audit service's parts on a database of its own, and leaves to put into it."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from audit_service import leases, store
from audit_service.append import Ingest
from audit_service.checkpoint import Published, Signer
from audit_service.entry import Batch, batch_of
from audit_service.fresh import Fresh, Tail
from audit_service.fsck.check import Manner, examine
from audit_service.reaper import Reaper
from audit_service.sequencer import Sequencer
from audit_service.sequencing.step import Term
from harness.merkle import Definition
from harness.receipts import ORIGIN, key
from runtime.ids import uuid7
from wire.audit import CallLeaf, Phase, encode

AT_MS = 1_763_769_600_000
SALT = bytes(range(16))
Record = tuple[bytes, bytes]


def record(call: str, gateway: str, epoch: int, sequence: int, phase: Phase, **members: Any) -> Record:
    """One leaf of a call with its salt."""
    leaf: dict[str, Any] = {
        "at_in": AT_MS, "department": "民政局", "system": "mzj-relief", "interface": "gaj-identity-verify",
        "version": "v1", "method": "GET", "path": "/{id_card}", "provider": "公安局", "retention": "personal",
        "grant": "g-1", "purpose": "低保核查", "case": "办件-1", "request_digest": "ab" * 32, **members,
    }  # fmt: skip
    whole = CallLeaf(call=call, gateway=gateway, epoch=epoch, sequence=sequence, phase=phase, **leaf)
    return encode(whole), SALT


class Log:
    """One replica. `epoch` is that of the writer "gateway-1"."""

    def __init__(self, url: str, service_url: str, folder: Path) -> None:
        self.url = url
        self._published_file = folder / "published"
        self.published = Published(self._published_file)
        self.signer = Signer(ORIGIN, key())
        self.database = store.Database(service_url)
        fresh, self.tail = Fresh(), Tail()
        self.sequencer = Sequencer(self.database, self.signer, self.published, read=fresh.take, placed=self.tail.add)
        self.ingest = Ingest(self.database, self.sequencer.wake.set, keep=fresh.keep)
        self.reaper = Reaper("audit-1-reaper", self.database, 15)
        self.epoch = 0
        self.next = 0
        self._office: tuple[Any, Term] | None = None

    # --- writing
    async def start(self, gateway: str = "gateway-1") -> int:
        """A lease; for "gateway-1" the one that `write` uses."""
        epoch = await leases.start(self.database.ingest, gateway)
        if gateway == "gateway-1":
            self.epoch, self.next = epoch, 0
        return epoch

    def batch(self, *records: tuple[str, Phase], **members: Any) -> Batch:
        """The next batch of "gateway-1": (call, phase) of each record."""
        made = [record(call, "gateway-1", self.epoch, self.next + i, phase, **members)
                for i, (call, phase) in enumerate(records)]  # fmt: skip
        batch = batch_of("gateway-1", self.epoch, self.next, made)
        self.next += len(made)
        return batch

    async def write(self, *records: tuple[str, Phase], **members: Any) -> Batch:
        """Ingest one batch."""
        batch = self.batch(*records, **members)
        await self.ingest.take(batch)
        return batch

    async def calls(self, number: int) -> list[str]:
        """That many whole calls, intents in one batch and outcomes in the next."""
        ids = [str(uuid7()) for _ in range(number)]
        await self.write(*((call, "intent") for call in ids))
        await self.write(*((call, "outcome") for call in ids))
        return ids

    # --- sequencing
    async def office(self) -> tuple[Any, Term]:
        """A connection and term to sequence with, kept for the test."""
        if self._office is None:
            connection = await self.database.sequencer()
            try:
                self._office = connection, await self.sequencer.take_office(connection)
            except BaseException:
                await store.end(connection)
                raise
        return self._office

    async def resign(self) -> None:
        """What a failure does: connection and term are gone."""
        if self._office is not None:
            connection, self._office = self._office[0], None
            await store.end(connection)

    async def sequence(self) -> int:
        """Sequence until nothing is left; the number of leaves."""
        total = 0
        while (step := await self.sequencer.step(*await self.office())).leaves:
            total += step.leaves
        return total

    def publish(self, size: int, root: bytes) -> None:
        """Make the guard remember this tree and no other."""
        self._published_file.unlink(missing_ok=True)
        self.published.write(size, root)

    # --- looking, as the superuser
    async def fetch(self, query: str, *arguments: Any) -> list[Any]:
        """Rows of a query. Also how tests do what nobody should."""
        connection = await asyncpg.connect(self.url)
        try:
            rows: list[Any] = await connection.fetch(query, *arguments)
            return rows
        finally:
            await connection.close()

    async def leaves(self) -> list[bytes]:
        """All leaves in order; fails if an index is missing or stands twice."""
        rows = await self.fetch("SELECT leaf_index, body FROM audit.leaf ORDER BY leaf_index")
        assert [row[0] for row in rows] == list(range(len(rows)))
        return [row[1] for row in rows]

    async def outcomes(self, call: str) -> list[dict[str, Any]]:
        """The outcome leaves of a call."""
        decoded = [msgspec.json.decode(leaf) for leaf in await self.leaves()]
        return [leaf for leaf in decoded if leaf["call"] == call and leaf["phase"] == "outcome"]

    async def check(self) -> list[str]:
        """What fsck finds."""
        return (await examine(self.url, Manner([self.signer.vkey]))).findings.lines

    async def expect_whole(self) -> None:
        """Nothing waits, fsck is content, and the head's root is that of an independent implementation."""
        assert await self.fetch("SELECT id FROM audit.batch") == []
        assert await self.check() == []
        leaves = await self.leaves()
        [head] = await self.fetch("SELECT size, root FROM audit.log_head")
        assert (head["size"], head["root"]) == (len(leaves), Definition(leaves).root(len(leaves)))


@asynccontextmanager
async def running(url: str, service_url: str, folder: Path) -> AsyncIterator[Log]:
    """An open log, closed afterwards."""
    log = Log(url, service_url, folder)
    await log.database.open()
    try:
        yield log
    finally:
        await log.resign()
        await log.database.close()


def ids(number: int) -> Sequence[str]:
    """New call ids."""
    return [str(uuid7()) for _ in range(number)]
