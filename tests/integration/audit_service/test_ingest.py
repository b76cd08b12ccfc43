"""Ingest: stored before acknowledged, once whatever is repeated, never after the lease has ended."""

import asyncio
import contextlib
import dataclasses
from collections.abc import Callable
from typing import Any

import asyncpg
import msgspec
import pytest
from structlog.testing import capture_logs

from audit_service import leases, store
from audit_service.entry import Batch, batch_of
from harness.audit_log import Log, ids, record
from runtime.errors import Refusal
from wire import codes
from wire.audit import records

pytestmark = pytest.mark.anyio


async def waits_for_a_lock(log: Log) -> None:
    """Returns once some session of this database waits for a lock."""
    query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    while not await log.fetch(query):
        await asyncio.sleep(0.01)


@pytest.mark.requirement("AUD-01")
async def test_a_batch_is_one_row_and_an_acknowledgement_that_outlives_it(log: Log) -> None:
    batch = await log.write(*((call, "intent") for call in ids(3)))
    [row] = await log.fetch("SELECT gateway, epoch, first_sequence, count, bytes, sha256 FROM audit.batch")
    assert Batch(*row) == batch
    await log.sequence()
    [kept] = await log.fetch("SELECT gateway, epoch, first_sequence, count, sha256 FROM audit.acknowledgement")
    assert tuple(kept) == (batch.gateway, batch.epoch, batch.first, batch.count, batch.digest)


@pytest.mark.requirement("AUD-02")
async def test_a_repeated_batch_is_acknowledged_again_and_stored_once(log: Log) -> None:
    batch = log.batch((ids(1)[0], "intent"))
    await asyncio.gather(*(log.ingest.take(batch) for _ in range(12)))
    assert len(await log.fetch("SELECT id FROM audit.batch")) == 1
    await log.sequence()
    await log.ingest.take(batch)
    assert await log.fetch("SELECT id FROM audit.batch") == []
    assert len(await log.leaves()) == 1


@pytest.mark.requirement("AUD-02")
async def test_other_bytes_under_a_used_key_are_refused_and_an_alarm(log: Log) -> None:
    await log.write((ids(1)[0], "intent"))
    log.next = 0
    with capture_logs() as lines, pytest.raises(Refusal) as refused:
        await log.write((ids(1)[0], "intent"))
    assert refused.value.code is codes.OTHER_BYTES
    assert [line["event"] for line in lines if line.get("alarm")] == ["batch.other_bytes"]


@pytest.mark.requirement("AUD-03")
async def test_a_restart_fences_the_epoch_before_it(log: Log) -> None:
    committed = await log.write((ids(1)[0], "intent"))
    late = log.batch((ids(1)[0], "intent"))
    assert await log.start() == committed.epoch + 1
    with pytest.raises(Refusal) as refused:
        await log.ingest.take(late)
    assert refused.value.code is codes.STALE_EPOCH
    with pytest.raises(Refusal) as refused:
        await leases.renew(log.database.ingest, "gateway-1", committed.epoch)
    assert refused.value.code is codes.STALE_EPOCH
    await log.ingest.take(committed)  # it was committed before: saying so again is the truth
    await log.write((ids(1)[0], "intent"))


async def test_two_starts_at_once_give_two_epochs_of_which_one_lives(log: Log) -> None:
    epochs = await asyncio.gather(*(leases.start(log.database.ingest, "gateway-2") for _ in range(6)))
    assert sorted(epochs) == [1, 2, 3, 4, 5, 6]
    alive = await log.fetch("SELECT epoch FROM audit.lease WHERE gateway = 'gateway-2' AND fenced_at IS NULL")
    assert [row[0] for row in alive] == [6]


async def test_nobody_writes_without_a_lease_or_after_draining_it(log: Log) -> None:
    stranger = batch_of("gateway-9", 1, 0, [record(ids(1)[0], "gateway-9", 1, 0, "intent")])
    with pytest.raises(Refusal) as refused:
        await log.ingest.take(stranger)
    assert refused.value.code is codes.STALE_EPOCH
    await leases.drain(log.database.ingest, "gateway-1", log.epoch)
    await leases.drain(log.database.ingest, "gateway-1", log.epoch)
    with pytest.raises(Refusal) as refused:
        await log.write((ids(1)[0], "intent"))
    assert refused.value.code is codes.STALE_EPOCH


@pytest.mark.requirement("AUD-04")
async def test_fencing_waits_for_a_batch_under_way_and_renewing_does_not(log: Log) -> None:
    batch = log.batch((ids(1)[0], "intent"))
    async with log.database.ingest.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        assert (await store.accept(connection, batch)).fresh
        await leases.renew(log.database.ingest, "gateway-1", batch.epoch)
        fencing = asyncio.create_task(leases.drain(log.database.ingest, "gateway-1", batch.epoch))
        await waits_for_a_lock(log)
        await transaction.commit()
    await fencing
    assert len(await log.fetch("SELECT id FROM audit.batch")) == 1


@pytest.mark.requirement("AUD-04")
async def test_a_batch_that_comes_while_its_writer_is_fenced_is_refused(log: Log) -> None:
    batch = log.batch((ids(1)[0], "intent"))
    async with log.database.keeper.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await store.fence(connection, "gateway-1", batch.epoch)
        taking = asyncio.create_task(log.ingest.take(batch))
        await waits_for_a_lock(log)
        await transaction.commit()
    with pytest.raises(Refusal) as refused:
        await taking
    assert refused.value.code is codes.STALE_EPOCH
    assert await log.fetch("SELECT id FROM audit.batch") == []


@pytest.mark.requirement("AUD-05")
async def test_a_batch_that_contradicts_itself_is_refused_whole(log: Log) -> None:
    batch = log.batch(*((call, "intent") for call in ids(2)))
    for broken in (
        dataclasses.replace(batch, content=batch.content[:-1]),
        dataclasses.replace(batch, count=batch.count + 1),
        dataclasses.replace(batch, content=b"", count=0),
    ):
        with pytest.raises(Refusal) as refused:
            await log.ingest.take(broken)
        assert refused.value.code is codes.BROKEN_FRAME
    assert await log.fetch("SELECT id FROM audit.batch") == []


def altered(batch: Batch, **members: Any) -> Batch:
    """A batch of one leaf with other members."""
    [(leaf, private)] = records(batch.content)
    changed = msgspec.json.encode({**msgspec.json.decode(leaf), **members})
    return batch_of(batch.gateway, batch.epoch, batch.first, [(changed, private)])


BAD: dict[str, Callable[[Batch], Batch]] = {
    "cut off": lambda good: dataclasses.replace(good, content=good.content[:-1]),
    "another count": lambda good: dataclasses.replace(good, count=2),
    "another sequence": lambda good: dataclasses.replace(good, first=good.first + 7),
    "another epoch inside": lambda good: altered(good, epoch=good.epoch + 1),
    "of the future": lambda good: altered(good, at_in=2**62),
    "a number beyond 64 bits": lambda good: altered(good, at_ready=2**70),
    "no leaf": lambda good: batch_of(good.gateway, good.epoch, good.first, [(b"[]", b"")]),
    "half a leaf": lambda good: altered(good, department=None),
    "an unknown class": lambda good: altered(good, retention="short"),
    "no call id": lambda good: altered(good, call="0' OR 1=1"),
    "a large leaf": lambda good: altered(good, purpose="x" * 70_000),
    "a large private part": lambda good: batch_of(
        good.gateway, good.epoch, good.first, [(next(records(good.content))[0], b"x" * 5000)]
    ),
}


@pytest.mark.requirement("SEQ-11")
@pytest.mark.parametrize("name", BAD)
async def test_a_bad_batch_is_refused_with_an_alarm_and_nothing_of_it_is_stored(log: Log, name: str) -> None:
    good = log.batch((ids(1)[0], "denied"))
    with capture_logs() as lines, pytest.raises(Refusal) as refused:
        await log.ingest.take(BAD[name](good))
    assert refused.value.code is codes.BROKEN_FRAME
    assert [line["event"] for line in lines if line.get("alarm")] == ["batch.broken"]
    for table in ("batch", "acknowledgement"):
        assert await log.fetch(f"SELECT FROM audit.{table}") == []
    await log.ingest.take(good)
    assert await log.sequence() == 1


@pytest.mark.requirement("SEQ-11")
async def test_strange_texts_and_numbers_are_kept_as_they_came(log: Log) -> None:
    strange = {"purpose": "\x00\u202e'); DROP TABLE audit.leaf; --", "department": "\x00", "status": 2**63 - 1,
               "at_provider_in": -(2**63), "grant": "\U0001f600" * 1000}  # fmt: skip
    batch = altered(log.batch((ids(1)[0], "intent")), **strange)
    await log.ingest.take(batch)
    assert await log.sequence() == 1
    [leaf] = await log.leaves()
    assert leaf == next(records(batch.content))[0]
    await log.expect_whole()


@pytest.mark.requirement("SEQ-12")
async def test_a_read_only_database_is_503_and_recovery_comes_by_itself(log: Log) -> None:
    name = (await log.fetch("SELECT current_database()"))[0][0]
    batch = log.batch((ids(1)[0], "denied"))
    await log.fetch(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on')
    await log.database.ingest.expire_connections()
    for _ in range(3):
        with pytest.raises(Refusal) as refused:
            await log.ingest.take(batch)
        assert (refused.value.code, refused.value.detail) == (codes.AUDIT_UNAVAILABLE, "ReadOnlySQLTransactionError")
    with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
        await log.office()
    connection = await asyncpg.connect(log.url, server_settings={"default_transaction_read_only": "off"})
    await connection.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only')
    await connection.close()
    await log.ingest.take(batch)
    assert await log.sequence() == 1
    await log.expect_whole()


@pytest.mark.requirement("AUD-06")
async def test_a_database_that_does_not_answer_is_said_to_be_unavailable(log: Log) -> None:
    blocker = await asyncpg.connect(log.url)
    transaction = blocker.transaction()
    await transaction.start()
    await blocker.execute("LOCK TABLE audit.batch IN ACCESS EXCLUSIVE MODE")
    batch = log.batch((ids(1)[0], "intent"))
    with pytest.raises(Refusal) as refused:
        await log.ingest.take(batch)
    assert refused.value.code is codes.AUDIT_UNAVAILABLE
    await transaction.rollback()
    await blocker.close()
    await log.ingest.take(batch)
    assert len(await log.fetch("SELECT id FROM audit.batch")) == 1


@pytest.mark.requirement("AUD-06")
async def test_ingest_recovers_by_itself_when_the_database_drops_its_connections(log: Log) -> None:
    await log.fetch(
        """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
           WHERE datname = current_database() AND pid <> pg_backend_pid()"""
    )
    batch = log.batch((ids(1)[0], "intent"))
    for _ in range(10):  # at most one failure for each connection of the pool
        with contextlib.suppress(Refusal):
            await log.ingest.take(batch)
    assert len(await log.fetch("SELECT id FROM audit.batch")) == 1
