"""Every place where something is written, failing twice in a row: so that it did not happen, and so that it did.

Source: the tests of Sunlight (TestSequenceErrors) and Tessera.
"""

import itertools
from collections.abc import Coroutine
from dataclasses import dataclass
from typing import Any

import pytest
from structlog.testing import capture_logs

from audit_service.entry import Batch, batch_of
from audit_service.sequencing.ports import Ports
from audit_service.sequencing.step import step, take_office
from harness.audit_log import record
from harness.log_in_memory import KEPT, LOST, Fate, Fault, Session, World
from harness.promises import check
from harness.simulation import FIRST, Witness
from runtime.ids import uuid7

POINTS = (
    "insert_entry", "commit_entry", "take_pending", "insert_leaf", "sign", "insert_checkpoint", "commit_batch",
    "publish_tile", "publish_checkpoint", "witness_post", "witness_store",
)  # fmt: skip
BATCH = 3


@dataclass
class Trouble:
    """At one place, so many times."""

    point: str
    fate: Fate
    left: int = 2

    def at(self, point: str) -> Fate:
        if point != self.point or not self.left:
            return None
        self.left -= 1
        return self.fate


class Small:
    """One replica, one writer, one witness, driven one after another."""

    def __init__(self, trouble: Trouble) -> None:
        self.world = World()
        self.witness = Witness(self.world)
        self.acknowledged: list[bytes] = []
        self._trouble = trouble
        self._sequence = 0

    def drive(self, work: Coroutine[Any, Any, Any]) -> bool:
        """Run to the end; whether nothing failed."""
        fate: Fate = None
        try:
            while True:
                signs = self._trouble.point == "sign" and self._trouble.left
                self.world.sign_fate = self._trouble.fate if signs else None
                fate = self._trouble.at(work.send(fate))
        except StopIteration:
            return True
        except Fault as fault:
            if str(fault) == "sign":
                self._trouble.left -= 1
            return False

    def write(self, count: int) -> None:
        """A batch, sent until it is acknowledged."""
        made = [record(str(uuid7()), "gateway-0", 1, self._sequence + n, "denied") for n in range(count)]
        batch: Batch = batch_of("gateway-0", 1, self._sequence, made)
        self._sequence += count
        while not self.drive(self.world.accept(batch)):
            pass
        self.acknowledged += [leaf for leaf, _ in made]

    def sequence(self) -> None:
        """Take office and sequence everything; after any failure, again with another session."""
        while not self.drive(self._office()):
            pass

    async def _office(self) -> None:
        session = Session(self.world)
        ports = Ports(session, self.world, FIRST.signer(self.world), witnessed=self.witness.shown)
        try:
            assert await session.elect()
            term = await take_office(ports)
            while (await step(ports, term)).leaves:
                pass
        finally:
            session.lose()

    def cosign(self) -> None:
        """The witness, for long enough to come by two failures and to hear where it was."""
        work = self.witness.run()
        point = work.send(None)
        for _ in range(20):
            point = work.send(self._trouble.at(point))
        work.close()


@pytest.mark.requirement("SEQ-02")
@pytest.mark.parametrize(("point", "fate", "grows"), [*itertools.product(POINTS, (LOST, KEPT), (BATCH, BATCH + 2))])
def test_what_fails_twice_in_a_row_leaves_a_whole_log(point: str, fate: Fate, grows: int) -> None:
    trouble = Trouble(point, fate, left=0)
    small = Small(trouble)
    with capture_logs():
        for batch, failures in ((BATCH, 0), (BATCH, 2), (grows, 0), (BATCH, 0)):
            trouble.left += failures
            small.write(batch)
            small.sequence()
            small.cosign()
    assert trouble.left == 0
    check(small.world, small.acknowledged)
    assert len(small.world.state.leaves) == 3 * BATCH + grows
    held = small.witness.states[FIRST.origin].held
    assert held is not None
    assert held.size == len(small.world.state.leaves)
