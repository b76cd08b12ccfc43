"""One replica's sequencer: stands for election, and while it holds the office takes step after step.

There is one sequencer per database, elected by an advisory lock that lives as long as a connection. The lock alone is
not safe (a paused leader does not know that its session died): the epoch that `sequencing.step` checks is.
"""

import asyncio
import time
from typing import Any

import structlog

from audit_service import store
from audit_service.checkpoint import Published, Signer
from audit_service.entry import undamaged
from audit_service.sequencing import step as steps
from audit_service.sequencing.ports import Ports, Read, Witnessed, nobody
from audit_service.sequencing.step import Refused as Refused
from audit_service.sequencing.step import Step, SteppedDown, Term
from audit_service.sequencing.store import FileGuard, Transactions, elect
from runtime.clock import Clock
from tlog.hashes import SHA256, Suite

log = structlog.get_logger()
POLL_S = 0.2
"""Other replicas take batches too: look for their work this often."""
PACE_S = 0.2
"""At most so often is a checkpoint signed, unless work is waiting."""
ELECTION_S = 1.0
REFUSED_S = 5.0


class Sequencer:
    """`lead` is called for ever. `wake` is set by ingest; `refused` says why nothing is signed, "" when all is well.

    suite      hash suite of shards that are opened from now on
    clock      decides days and years; without one, the database's does
    witnessed  the checkpoints of an origin that witnesses show, each signed by a key of ours
    read       gives the records of a stored batch
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
    ) -> None:
        self._database = database
        self._signer = signer
        self._guard = FileGuard(published)
        self._suite = suite
        self._clock = clock
        self._witnessed = witnessed
        self._read = read
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
                await self._rest(started)

    async def _rest(self, started: float) -> None:
        """Until ingest wakes us or the poll is due, and not before PACE_S are over."""
        try:
            async with asyncio.timeout(POLL_S):
                await self.wake.wait()
        except TimeoutError:
            pass
        self.wake.clear()
        await asyncio.sleep(max(0.0, started + PACE_S - time.monotonic()))

    async def take_office(self, connection: Any) -> Term:
        """See `sequencing.step.take_office`."""
        term = await steps.take_office(self.ports(connection))
        self.refused = ""
        return term

    async def step(self, connection: Any, term: Term) -> Step:
        """See `sequencing.step.step`."""
        return await steps.step(self.ports(connection), term)
