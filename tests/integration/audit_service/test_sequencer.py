"""The sequencer: everything acknowledged gets one place in the tree, whatever fails, and nothing is signed in doubt."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from audit_service import store
from audit_service.checkpoint import Published
from audit_service.entry import batch_of
from audit_service.sequencing.step import CONTRADICTED, FORKED, ROLLED_BACK, Refused, SteppedDown
from audit_service.sequencing.store import Transaction, elect
from harness.audit_log import Log, ids, record, running
from harness.merkle import Definition
from harness.postgres import Database
from harness.receipts import ORIGIN
from tlog.checkpoint import open_note

pytestmark = pytest.mark.anyio


@pytest.mark.requirement("AUD-07")
async def test_leaves_are_kept_as_they_came_by_day_and_class(log: Log) -> None:
    [call, plain] = ids(2)
    await log.write((call, "intent"))
    await log.write((plain, "denied"), retention="general")
    await log.write((call, "outcome"))
    assert await log.sequence() == 3
    assert await log.leaves() == [
        record(call, "gateway-1", 1, 0, "intent")[0],
        record(plain, "gateway-1", 1, 1, "denied", retention="general")[0],
        record(call, "gateway-1", 1, 2, "outcome")[0],
    ]
    rows = await log.fetch(
        """SELECT leaf_index, i.kind, l.segment = to_char(now() AT TIME ZONE 'UTC', 'YYYYMMDD') || '-' || $1,
                  l.tableoid::regclass::text
           FROM audit.leaf l JOIN audit.entry_index i USING (leaf_index, segment) ORDER BY 1""",
        "personal",
    )
    assert [row[1:3] for row in rows] == [("intent", True), ("denied", False), ("outcome", True)]
    assert all(row[3].startswith("audit.leaf_2") for row in rows)
    await log.expect_whole()


@pytest.mark.requirement("AUD-08")
async def test_every_step_ends_with_a_signed_checkpoint_over_all_leaves(log: Log) -> None:
    for number in (1, 130, 127, 2, 300):  # over the edges of tiles
        await log.calls(number)
        await log.sequence()
    leaves = Definition(await log.leaves())
    notes = await log.fetch("SELECT size, note FROM audit.checkpoint ORDER BY size")
    assert [row["size"] for row in notes] == [0, 2, 262, 516, 520, 1120]
    for size, note in notes:
        checkpoint = open_note(note, log.signer.vkey)
        assert (checkpoint.size, checkpoint.root) == (size, leaves.root(size))
    seen = log.published.read()
    assert seen == (1120, leaves.root(1120), ORIGIN, 1)
    await log.expect_whole()


async def test_open_calls_are_those_with_an_intent_and_no_outcome(log: Log) -> None:
    first, second, third = ids(3)
    await log.write((first, "intent"), (second, "intent"), (first, "outcome"), (third, "denied"))
    await log.sequence()
    assert [str(row[0]) for row in await log.fetch("SELECT call_id FROM audit.open_call")] == [second]
    await log.write((second, "outcome"))
    await log.sequence()
    assert await log.fetch("SELECT call_id FROM audit.open_call") == []


@pytest.mark.requirement("AUD-09")
async def test_two_replicas_at_once_lose_and_double_nothing(log: Log, database: Database, tmp_path: Path) -> None:
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    async with running(database.url, database.url_of("audit"), other_folder) as other:

        async def lead(replica: Log) -> None:
            while True:
                await replica.sequencer.lead()

        leaders = [asyncio.create_task(lead(log)), asyncio.create_task(lead(other))]
        gateways = [f"gateway-{n}" for n in (2, 3)]
        epochs = {gateway: await log.start(gateway) for gateway in gateways}
        written: dict[str, int] = dict.fromkeys(gateways, 0)

        async def write(gateway: str, through: Log) -> None:
            for first in range(0, 120, 4):
                made = [record(call, gateway, epochs[gateway], first + i, "denied") for i, call in enumerate(ids(4))]
                await through.ingest.take(batch_of(gateway, epochs[gateway], first, made))
                written[gateway] += 4

        await asyncio.gather(write("gateway-2", log), write("gateway-3", other))
        while await log.fetch("SELECT id FROM audit.batch"):
            await asyncio.sleep(0.02)
        for task in leaders:
            task.cancel()
        await asyncio.gather(*leaders, return_exceptions=True)
    assert len(await log.leaves()) == sum(written.values()) == 240
    await log.expect_whole()


@pytest.mark.requirement("AUD-09")
async def test_a_paused_leader_can_commit_nothing_once_there_is_another(log: Log) -> None:
    connection, epoch = await log.office()
    await log.calls(2)
    other = await log.database.sequencer()
    newer = await log.sequencer.take_office(other)
    with pytest.raises(SteppedDown):
        await log.sequencer.step(connection, epoch)
    assert (await log.sequencer.step(other, newer)).leaves == 4
    await store.end(other)
    await log.expect_whole()


async def test_only_one_connection_is_elected(log: Log) -> None:
    first, second = await log.database.sequencer(), await log.database.sequencer()
    assert [await elect(first), await elect(second)] == [True, False]
    await store.end(first)
    while not await elect(second):
        await asyncio.sleep(0.01)
    await store.end(second)


@pytest.mark.requirement("SEQ-13")
async def test_when_the_leader_s_session_dies_another_replica_takes_over_within_ten_seconds(
    log: Log, database: Database, tmp_path: Path
) -> None:
    other_folder = tmp_path / "other"
    other_folder.mkdir()
    async with running(database.url, database.url_of("audit"), other_folder) as other:

        async def lead(replica: Log) -> None:
            while True:
                with contextlib.suppress(*store.AWAY):
                    await replica.sequencer.lead()

        leaders = [asyncio.create_task(lead(log)), asyncio.create_task(lead(other))]
        holder = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND granted"
        for _ in range(2):
            while not (pids := await log.fetch(holder)):
                await asyncio.sleep(0.02)
            await log.fetch("SELECT pg_terminate_backend($1)", pids[0][0])
            await log.calls(1)
            started = time.monotonic()
            while await log.fetch("SELECT id FROM audit.batch"):
                await asyncio.sleep(0.02)
            assert time.monotonic() - started < 10
        for task in leaders:
            task.cancel()
        await asyncio.gather(*leaders, return_exceptions=True)
    await log.expect_whole()


STEPS = ["head", "tiles", "waiting", "add", "put_tiles", "advance", "drop", "newest_checkpoint", "add_checkpoint"]


class Broken(Exception):
    """The fault that a test makes."""


@pytest.mark.requirement("AUD-10")
async def test_a_crash_before_or_after_any_step_leaves_a_whole_log(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in STEPS:
        for persisted in (False, True):
            await log.calls(3)
            await log.write((ids(1)[0], "intent"))
            await log.office()
            with monkeypatch.context() as patch:
                patch.setattr(Transaction, step, failing(getattr(Transaction, step), persisted))
                with pytest.raises(Broken):
                    await log.sequence()
            await log.resign()
            await log.sequence()
            assert len(await log.leaves()) % 7 == 0
    assert len(await log.leaves()) == 7 * 2 * len(STEPS)
    await log.expect_whole()


@pytest.mark.requirement("AUD-10")
async def test_a_commit_in_doubt_is_looked_up_and_not_repeated(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    await log.calls(3)
    await log.office()
    with monkeypatch.context() as patch:
        patch.setattr(Published, "write", failing_write)
        with pytest.raises(Broken):
            await log.sequence()  # committed, and the answer is lost
    await log.resign()
    assert await log.sequence() == 0
    assert log.published.read() == (6, Definition(await log.leaves()).root(6), ORIGIN, 1)
    await log.expect_whole()


@pytest.mark.requirement("AUD-10")
async def test_a_session_that_is_killed_in_its_transaction_leaves_nothing(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    await log.calls(3)
    connection, epoch = await log.office()
    kill = f"SELECT pg_terminate_backend({connection.get_server_pid()})"
    drop = Transaction.drop

    async def killed(tx: Transaction, numbers: Any) -> None:
        await drop(tx, numbers)
        await log.fetch(kill)

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "drop", killed)
        with pytest.raises(store.AWAY):
            await log.sequencer.step(connection, epoch)
    assert await log.leaves() == []
    await log.resign()
    assert await log.sequence() == 6
    await log.expect_whole()


@pytest.mark.requirement("AUD-09")
async def test_a_batch_that_commits_late_is_sequenced_after_its_commit(log: Log) -> None:
    late = log.batch(*((call, "denied") for call in ids(3)))
    async with log.database.ingest.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await store.accept(connection, late)  # has the lower id
        await log.calls(5)
        assert await log.sequence() == 10
        await transaction.commit()
    assert await log.sequence() == 3
    await log.expect_whole()


@pytest.mark.requirement("AUD-11")
async def test_a_damaged_batch_stays_and_holds_up_nobody(log: Log) -> None:
    damaged = await log.write((ids(1)[0], "denied"))
    await log.calls(2)
    await log.fetch("UPDATE audit.batch SET bytes = set_byte(bytes, 40, 0) WHERE first_sequence = 0")
    with capture_logs() as lines:
        assert await log.sequence() == 4
    alarms = [line for line in lines if line.get("alarm")]
    assert [(line["event"], line["batch"]) for line in alarms] == [("batch.damaged", damaged.key)]
    assert [row[0] for row in await log.fetch("SELECT first_sequence FROM audit.batch")] == [0]
    await log.fetch("UPDATE audit.batch SET bytes = $1", damaged.content)
    await log.resign()
    assert await log.sequence() == 1
    await log.expect_whole()


@pytest.mark.requirement("AUD-13")
async def test_a_log_behind_what_was_published_is_not_signed(log: Log) -> None:
    await log.calls(3)
    await log.sequence()
    await log.resign()
    log.published.write(7, bytes(32))
    with pytest.raises(Refused, match=ROLLED_BACK):
        await log.office()
    await log.calls(1)  # ingest goes on
    assert log.published.read() == (7, bytes(32), "", 1)
    assert len(await log.fetch("SELECT id FROM audit.batch")) == 2


@pytest.mark.requirement("AUD-13")
async def test_a_log_that_took_another_way_than_what_was_published_is_not_signed(log: Log) -> None:
    await log.calls(3)
    await log.sequence()
    await log.resign()
    log.publish(4, bytes(32))
    with pytest.raises(Refused, match=FORKED):
        await log.office()
    log.publish(4, Definition(await log.leaves()).root(4))
    await log.office()


@pytest.mark.requirement("AUD-13")
async def test_the_service_says_why_it_does_not_sign(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit_service.sequencer.REFUSED_S", 0)
    log.published.write(1, bytes(32))
    with capture_logs() as lines:
        await log.sequencer.lead()
    assert log.sequencer.refused == ROLLED_BACK
    assert [line["event"] for line in lines if line.get("alarm")] == [ROLLED_BACK]


@pytest.mark.requirement("AUD-13")
async def test_nothing_is_added_to_tiles_that_do_not_give_the_root(log: Log) -> None:
    await log.calls(3)
    await log.sequence()
    await log.fetch("UPDATE audit.tile SET hashes = set_byte(hashes, 0, get_byte(hashes, 0) # 1)")
    await log.calls(1)
    with pytest.raises(Refused, match=CONTRADICTED):
        await log.sequence()
    await log.resign()
    with pytest.raises(Refused, match=CONTRADICTED):
        await log.office()
    assert len(await log.leaves()) == 6


def failing(works: Callable[..., Any], persisted: bool) -> Callable[..., Any]:
    async def fails(*arguments: Any, **named: Any) -> None:
        if persisted:
            await works(*arguments, **named)
        raise Broken

    return fails


def failing_write(_published: Published, *_seen: object) -> None:
    raise Broken
