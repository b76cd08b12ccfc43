"""Replicas with settings of their own on one log, and what the log says of itself."""

from typing import Any

import msgspec

from audit_service.checkpoint import Signer
from audit_service.sequencer import Sequencer
from audit_service.sequencing.step import Term
from audit_service.store import end
from harness.audit_log import Log
from harness.receipts import ORIGIN, key

NEXT = "yunjiang.example/log2"


async def office(log: Log, origin: str = ORIGIN, *seeds: int, **settings: Any) -> tuple[Sequencer, Any, Term]:
    """A replica with these settings takes office."""
    await log.resign()
    signer = Signer(origin, *(key(seed) for seed in seeds or (1,)))
    sequencer = Sequencer(log.database, signer, log.published, **settings)
    connection = await log.database.sequencer()
    try:
        return sequencer, connection, await sequencer.take_office(connection)
    except BaseException:
        await end(connection)
        raise


async def sequence(log: Log, *settings: Any, **named: Any) -> None:
    """Take office, sequence everything, resign."""
    sequencer, connection, term = await office(log, *settings, **named)
    while (await sequencer.step(connection, term)).leaves:
        pass
    await end(connection)


async def events(log: Log) -> list[tuple[str, dict[str, str]]]:
    """What the log says of itself, in order."""
    leaves = [msgspec.json.decode(leaf) for leaf in await log.leaves()]
    return [(leaf["event"], leaf["facts"]) for leaf in leaves if leaf["kind"] == "event"]
