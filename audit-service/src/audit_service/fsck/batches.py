"""Every acknowledged batch is in the tree or waits for it, and what waits is undamaged."""

from typing import Any

from audit_service.entry import BadBatch, Batch, undamaged
from audit_service.fsck import store
from audit_service.fsck.findings import Findings
from audit_service.fsck.walk import Sequences, Writer

_NAMED = 1000


async def check_waiting(tx: Any, sequenced: dict[Writer, Sequences], findings: Findings) -> int:
    """What waits is what was acknowledged, and not in the tree already; the number of batches."""
    waiting = 0
    async for gateway, epoch, first, count, digest, content, said_digest, said_count in store.waiting(tx):
        waiting += 1
        name = f"batch {gateway}/{epoch}/{first}"
        if (count, digest) != (said_count, said_digest):
            findings.report(name, "waits, and is not what was acknowledged")
        try:
            undamaged(Batch(gateway, epoch, first, said_count, content, said_digest))
        except BadBatch as error:
            findings.report(name, f"waits, and is damaged: {error}")
        if not sequenced.setdefault((gateway, epoch), Sequences()).add(first, said_count):
            findings.report(name, "waits, and repeats sequences that are in the log")
    return waiting


async def check_acknowledged(tx: Any, sequenced: dict[Writer, Sequences], placeless: int, findings: Findings) -> None:
    """Nothing that was acknowledged is lost. `placeless` leaves are lawfully gone, and nobody knows of which batch: as
    many records may be missing, no more and no fewer."""
    missing: list[str] = []
    records = 0
    async for gateway, epoch, first, count in store.acknowledged(tx):
        if sequenced.setdefault((gateway, epoch), Sequences()).covers(first, count):
            continue
        records += count
        if len(missing) < _NAMED:
            missing.append(f"batch {gateway}/{epoch}/{first}")
    if records == placeless:
        return
    where = f", or among the {placeless} leaves that are gone" if placeless else ""
    for name in missing:
        findings.report(name, f"was acknowledged, and is neither in the log nor waiting for it{where}")
    if len(missing) == _NAMED or not missing:
        findings.report("log", f"lacks {records} records that were acknowledged; {placeless} leaves are lawfully gone")


def note_gaps(sequenced: dict[Writer, Sequences], findings: Findings) -> None:
    """Numbers that nobody acknowledged: a gateway that died, or somebody who removed a batch and its promise."""
    for (gateway, epoch), numbers in sequenced.items():
        for least, most in numbers.gaps():
            findings.note(f"writer {gateway}/{epoch}: sequences {least} to {most} never came")


async def check_watched(tx: Any, findings: Findings) -> None:
    """What the monitor has seen acknowledged once is so still, though it never got into the log."""
    for gateway, epoch, lost in await store.lost_numbers(tx):
        why = f"{lost} of its numbers were acknowledged, and are so no more"
        if lost < 0:
            why = f"{-lost} of its numbers were acknowledged where there were others"
        findings.report(f"writer {gateway}/{epoch}", why)
