"""One replica's sequencer: stands for election, and while it holds the office takes step after step.

There is one sequencer per database, elected by an advisory lock that lives as long as a connection. The lock alone is
not safe (a paused leader does not know that its session died): the epoch that `sequencing.step` checks is.
"""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import structlog

from audit_service import store
from audit_service.checkpoint import Published, Signer
from audit_service.entry import Entry, undamaged
from audit_service.sequencing import step as steps
from audit_service.sequencing.ports import Ports, Read, Witnessed, nobody
from audit_service.sequencing.step import Refused as Refused
from audit_service.sequencing.step import Step, SteppedDown, Term
from audit_service.sequencing.store import FileGuard, Transactions, elect
from runtime.clock import Clock
from tlog.hashes import SHA256, Suite

log = structlog.get_logger()
Placed = Callable[[int, Sequence[Entry], Mapping[str, str]], None]
POLL_S = 0.2
"""Other replicas take batches too: look for their work this often."""
PACE_S, BUSY_PACE_S, BUSY_LEAVES = 0.2, 0.5, 256
"""At most so often is a checkpoint signed, unless work is waiting; and less often after a step that had so many leaves:
a step costs some milliseconds whatever it holds. Both are far below the 2 s in which a record is under a checkpoint."""
ELECTION_S = 1.0
REFUSED_S = 5.0


class Sequencer:
    """`lead` is called for ever. `wake` is set by ingest; `refused` says why nothing is signed, "" when all is well.

    suite      hash suite of shards that are opened from now on
    clock      decides days and years; without one, the database's does
    witnessed  the checkpoints of an origin that witnesses show, each signed by a key of ours
    read       gives the records of a stored batch
    placed     is told what a step has brought into the tree: first index, records, segments by retention class
    """

    def __init__(
        self,
        database: store.Database,
        signer: Signer,
        published: Published,
        *,
        suite: Suite = SHA256,
        clock: Clock | None = None,
        witnessed: Witnessed = nobody,
        read: Read = undamaged,
        placed: Placed = lambda _first, _added, _segments: None,
    ) -> None:
        self._database = database
        self._signer = signer
        self._guard = FileGuard(published)
        self._suite = suite
        self._clock = clock
        self._witnessed = witnessed
        self._read = read
        self._placed = placed
        self.wake = asyncio.Event()
        self.refused = ""

    def ports(self, connection: Any) -> Ports:
        """What the steps work with, over one connection."""
        storage = Transactions(connection)
        return Ports(storage, self._guard, self._signer, self._suite, self._clock, self._witnessed, self._read)

    async def lead(self) -> None:
        """Try to be elected; if so, sequence until something fails."""
        try:
            await self._stand()
        except SteppedDown:
            log.warning("sequencer.stepped_down")
        except Refused as refused:
            self.refused = str(refused)
            log.critical(self.refused, alarm=True)
            await asyncio.sleep(REFUSED_S)  # the lock is free: another replica may know better
        except store.AWAY:
            raise
        except Exception:
            log.critical("sequencer.failed", alarm=True)  # what failed is logged by whoever calls us
            raise

    async def _stand(self) -> None:
        connection = await self._database.sequencer()
        try:
            if await elect(connection):
                await self._lead(connection)
        finally:
            await store.end(connection)  # and with it the lock
        await asyncio.sleep(ELECTION_S)

    async def _lead(self, connection: Any) -> None:
        term = await self.take_office(connection)
        while True:
            started = time.monotonic()
            step = await self.step(connection, term)
            if not step.more:
                await self._rest(started + (BUSY_PACE_S if step.leaves >= BUSY_LEAVES else PACE_S))

    async def _rest(self, until: float) -> None:
        """Until ingest wakes us or the poll is due, and not before `until` (time.monotonic)."""
        try:
            async with asyncio.timeout(POLL_S):
                await self.wake.wait()
        except TimeoutError:
            pass
        self.wake.clear()
        await asyncio.sleep(max(0.0, until - time.monotonic()))

    async def take_office(self, connection: Any) -> Term:
        """See `sequencing.step.take_office`."""
        term = await steps.take_office(self.ports(connection))
        self.refused = ""
        return term

    async def step(self, connection: Any, term: Term) -> Step:
        """See `sequencing.step.step`."""
        done = await steps.step(self.ports(connection), term)
        if done.leaves:
            self._placed(done.first, done.added, done.segments)
        return done
