"""Rows that were put back: over a new year, under a running sequencer, with the published file gone, before a name
that is known already. What was published or witnessed is never signed over."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from audit_service.sequencing.ports import Witnessed
from audit_service.sequencing.step import FORKED, ROLLED_BACK, Refused
from harness.audit_log import Log
from harness.cosigners import alarms
from harness.receipts import ORIGIN
from harness.shards import NEXT, events, office, sequence
from tlog.checkpoint import Checkpoint, open_checkpoint

pytestmark = pytest.mark.anyio
YEARLY = "yunjiang.example/{year}"
SAVED = ("log_head", "shard", "log_key", "tile", "checkpoint", "leaf", "erasable", "entry_index", "acknowledgement")


class Hand:
    """A clock that is set by hand."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


def showing(*held: Checkpoint) -> Witnessed:
    """Witnesses that cosigned these last."""

    async def witnessed(origin: str) -> Sequence[Checkpoint]:
        return [tree for tree in held if tree.origin == origin]

    return witnessed


async def save(log: Log) -> None:
    """A backup."""
    for table in SAVED:
        await log.fetch(f"CREATE TABLE public.{table} AS SELECT * FROM audit.{table}")


async def restore(log: Log) -> None:
    """The rows are as they were, but for the epoch: whoever is in office notices nothing."""
    connection = await asyncpg.connect(log.url)
    async with connection.transaction():
        await connection.execute("SET LOCAL session_replication_role = replica")  # as pg_restore --disable-triggers
        epoch = await connection.fetchval("SELECT epoch FROM audit.log_head")
        for table in SAVED:
            await connection.execute(f"DELETE FROM audit.{table}")
            await connection.execute(f"INSERT INTO audit.{table} SELECT * FROM public.{table}")
        await connection.execute("UPDATE audit.log_head SET epoch = $1", epoch)
    await connection.close()


@pytest.mark.requirement("SEQ-07")
async def test_a_year_that_turns_does_not_make_a_rollback_lawful(log: Log) -> None:
    clock = Hand(datetime(2026, 12, 31, 15, 0, tzinfo=UTC))
    await log.calls(2)
    await sequence(log, YEARLY, clock=clock)
    log.published.write(9, bytes(32), "yunjiang.example/2026", 1)
    for hours in (0, 2):
        clock.at += timedelta(hours=hours)
        with pytest.raises(Refused, match=ROLLED_BACK):
            await office(log, YEARLY, clock=clock)
    assert len(await log.fetch("SELECT FROM audit.shard")) == 1


@pytest.mark.requirement("SEQ-07")
async def test_a_new_origin_after_a_loss_is_an_alarm(log: Log) -> None:
    await log.calls(2)
    await sequence(log)
    with capture_logs() as said:
        await sequence(log, NEXT, witnessed=showing(Checkpoint(ORIGIN, 9, bytes(32))))
    assert [(line["event"], line["next"]) for line in alarms(said)] == [(ROLLED_BACK, NEXT)]
    assert [name for name, _ in await events(log)] == ["log.opened"]


@pytest.mark.requirement("SEQ-07")
async def test_rows_put_back_under_a_running_sequencer_are_not_signed(log: Log) -> None:
    await log.calls(2)
    await log.sequence()
    await save(log)
    await log.calls(2)
    await log.sequence()
    published = log.published.read()
    await restore(log)
    log.next = 4
    await log.calls(2)
    with pytest.raises(Refused, match=FORKED):
        await log.sequence()
    assert [row[0] for row in await log.fetch("SELECT size FROM audit.checkpoint ORDER BY 1")] == [0, 4]
    assert log.published.read() == published
    await log.resign()
    with pytest.raises(Refused, match=FORKED):
        await log.office()


@pytest.mark.requirement("SEQ-07")
@pytest.mark.parametrize("who", ["published", "witnessed"])
async def test_a_name_that_was_used_is_not_opened_again_after_a_rollback(log: Log, tmp_path: Path, who: str) -> None:
    await log.calls(1)
    await sequence(log)
    await save(log)
    await sequence(log, NEXT)
    [newest] = await log.fetch("SELECT note FROM audit.checkpoint WHERE shard = 2 ORDER BY size DESC LIMIT 1")
    held = open_checkpoint(newest[0], (await events(log))[-1][1]["vkeys"])
    await restore(log)
    if who == "witnessed":
        (tmp_path / "published").unlink()
    with pytest.raises(Refused, match=ROLLED_BACK):
        await office(log, NEXT, witnessed=showing(held) if who == "witnessed" else showing())
    assert len(await log.fetch("SELECT FROM audit.shard")) == 1


@pytest.mark.requirement("SEQ-07")
async def test_with_the_published_file_lost_witnesses_are_compared_by_root_as_well(log: Log, tmp_path: Path) -> None:
    await log.calls(3)
    await sequence(log)
    [newest] = await log.fetch("SELECT note FROM audit.checkpoint ORDER BY size DESC LIMIT 1")
    right = open_checkpoint(newest[0], log.signer.vkey)
    (tmp_path / "published").unlink()
    for size in (right.size, right.size - 2):
        other = Checkpoint(ORIGIN, size, bytes(32))
        for witnessed in (showing(other), showing(other, right), showing(right, other)):
            with pytest.raises(Refused, match=FORKED):
                await office(log, witnessed=witnessed)
    with capture_logs() as said:
        await sequence(log, witnessed=showing(right))
    assert [(line["event"], line["size"]) for line in alarms(said)] == [("log.published_file_gone", 6)]
    with capture_logs() as said:
        await sequence(log)
    assert alarms(said) == []
