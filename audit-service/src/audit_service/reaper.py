"""Closing what dead gateways left open: fence the epoch, wait until its batches are in the tree, say `unknown` once.

Fencing is a transaction of its own and comes first. From then on nothing of that epoch can be committed, and what
cannot be recorded is not answered (promise P1), so a late gateway never contradicts the outcome written here. The
outcomes are stored in the transaction that marks the epoch as closed: exactly once, however many replicas try.
An epoch with a damaged batch is not closed: its outcomes may be in it.
"""

import time
from collections.abc import Iterator
from typing import Any

import structlog

from audit_service import leases, store
from audit_service.append import judge
from audit_service.entry import LARGEST_BATCH_BYTES, batch_of, closing
from runtime.errors import Refusal

log = structlog.get_logger()
SWEEP_S = 2.0
_LONGEST_PAUSE = 3
"""Sweeps further apart than so many intervals mean that we were away ourselves, and could not see renewals."""
Pairs = list[tuple[bytes, bytes]]


class IntentGone(Exception):
    """An open intent is not in the database: its epoch is not closed until it is back."""


class Reaper:
    """One replica's reaper. It writes under a name and a lease of its own."""

    def __init__(self, name: str, database: store.Database, lease_s: float) -> None:
        self._name = name
        self._database = database
        self._lease_s = lease_s
        self._epoch = 0
        self._next = 0
        self._watching_since = self._last_sweep = 0.0

    async def sweep(self) -> None:
        """Called every SWEEP_S seconds: fence, then close what can be closed."""
        if self._has_watched(time.monotonic()):
            for row in await store.fence_expired(self._database.keeper, self._lease_s):
                log.warning("lease.fenced", gateway=row["gateway"], epoch=row["epoch"])
        await self._renew()
        await self.close_fenced()
        self._last_sweep = time.monotonic()

    def _has_watched(self, now: float) -> bool:
        """Whether we were there for the life of a lease: after an outage of ours nobody was able to renew."""
        if now - self._last_sweep > _LONGEST_PAUSE * SWEEP_S:
            self._watching_since = now
        return now - self._watching_since >= self._lease_s

    async def close_fenced(self) -> int:
        """Close every fenced epoch that has nothing left to be sequenced; the number of outcomes written."""
        written = 0
        for row in await store.fenced_leases(self._database.keeper):
            try:
                written += await self._close(row["gateway"], row["epoch"])
            except IntentGone:
                log.critical("lease.intent_gone", gateway=row["gateway"], epoch=row["epoch"], alarm=True)
        return written

    async def _close(self, gateway: str, epoch: int) -> int:
        if not self._epoch:
            self._epoch, self._next = await leases.start(self._database.keeper, self._name), 0
        if (gateway, epoch) == (self._name, self._epoch):
            self._epoch = 0
            return 0
        try:
            async with self._database.keeper.acquire() as connection, connection.transaction():
                closed = await self._close_in(connection, gateway, epoch)
        except BaseException:
            self._epoch = 0  # perhaps committed: these numbers are not used again
            raise
        self._next += closed
        if closed:
            log.warning("lease.closed", gateway=gateway, epoch=epoch, unknown=closed)
        return closed

    async def _close_in(self, tx: Any, gateway: str, epoch: int) -> int:
        """Inside a transaction. What waits for the sequencer is looked at first, the open calls after it: a batch that
        is sequenced in between is seen in the second."""
        if await store.has_batches(tx, gateway, epoch) or not await store.close_lease(tx, gateway, epoch):
            return 0
        rows = await store.open_intents(tx, gateway, epoch)
        if any(row["body"] is None for row in rows):
            raise IntentGone
        intents = [(row["body"], row["private"] or b"") for row in rows]
        outcomes = [(closing(leaf, self._name, self._epoch, self._next + i), private)
                    for i, (leaf, private) in enumerate(intents)]  # fmt: skip
        first = self._next
        for pairs in _batches(outcomes):
            batch = batch_of(self._name, self._epoch, first, pairs)
            judge(batch, await store.accept(tx, batch))
            first += len(pairs)
        return len(outcomes)

    async def _renew(self) -> None:
        if self._epoch:
            try:
                await leases.renew(self._database.keeper, self._name, self._epoch)
            except Refusal:
                self._epoch = 0

    async def drain(self) -> None:
        """The last word of this process."""
        if self._epoch:
            await leases.drain(self._database.keeper, self._name, self._epoch)


def _batches(pairs: Pairs) -> Iterator[Pairs]:
    """Cut so that each stays well below the largest batch."""
    part: Pairs = []
    size = 0
    for leaf, private in pairs:
        part.append((leaf, private))
        size += len(leaf) + len(private)
        if size > LARGEST_BATCH_BYTES // 2:
            yield part
            part, size = [], 0
    if part:
        yield part
