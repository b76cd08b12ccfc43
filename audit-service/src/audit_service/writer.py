"""The audit service's own records: who looked what up. Written through the same ingest as everybody else's."""

import asyncio
from collections.abc import Sequence

from audit_service import leases, store
from audit_service.append import Ingest
from audit_service.entry import Batch, batch_of
from runtime.errors import Refusal
from wire import codes
from wire.audit import Event, encode, event_leaf


class Writer:
    """Writes events of this instance; starts a lease with the first one."""

    def __init__(self, name: str, database: store.Database, ingest: Ingest) -> None:
        self._name = name
        self._database = database
        self._ingest = ingest
        self._lock = asyncio.Lock()
        self._epoch = 0
        self._next = 0

    async def write(self, events: Sequence[Event]) -> None:
        """Commit the events; raises Refusal(AUDIT_UNAVAILABLE)."""
        async with self._lock:
            try:
                await self._write(events)
            except Refusal as refusal:
                if refusal.code is not codes.STALE_EPOCH:
                    raise
                await self._write(events)  # the lease ran out while there was nothing to say

    async def _write(self, events: Sequence[Event]) -> None:
        if not self._epoch:
            self._epoch, self._next = await leases.start(self._database.ingest, self._name), 0
        try:
            await self._ingest.take(self._batch(events))
        except BaseException:
            self._epoch = 0  # perhaps committed, perhaps not: these numbers must never be used for other bytes
            raise
        self._next += len(events)

    def _batch(self, events: Sequence[Event]) -> Batch:
        leaves = [encode(event_leaf(event, self._name, self._epoch, self._next + i)) for i, event in enumerate(events)]
        return batch_of(self._name, self._epoch, self._next, [(leaf, b"") for leaf in leaves])

    async def renew(self) -> None:
        """Keep the lease alive, if there is one."""
        async with self._lock:
            if self._epoch:
                try:
                    await leases.renew(self._database.ingest, self._name, self._epoch)
                except Refusal:
                    self._epoch = 0  # fenced, or the database is away: the next event starts a new one

    async def drain(self) -> None:
        """The last word of this process."""
        async with self._lock:
            if self._epoch:
                await leases.drain(self._database.ingest, self._name, self._epoch)
                self._epoch = 0
