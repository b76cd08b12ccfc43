"""The reaper: what a dead gateway left open is closed once, and never against what the gateway managed to say."""

import asyncio
import contextlib
from typing import Any

import pytest

from audit_service import leases, store
from audit_service.entry import Batch, batch_of
from audit_service.reaper import Reaper
from harness.audit_log import SALT, Log, ids, record
from runtime.errors import Refusal
from wire import codes
from wire.audit import UNKNOWN

pytestmark = pytest.mark.anyio


async def let_die(log: Log, gateway: str = "gateway-1") -> None:
    """As if the writer had not renewed for a minute."""
    await log.fetch("UPDATE audit.lease SET renewed_at = now() - interval '1 minute' WHERE gateway = $1", gateway)


async def fence(log: Log) -> list[tuple[str, int]]:
    return [tuple(row) for row in await store.fence_expired(log.database.keeper, 15)]


@pytest.mark.requirement("AUD-12")
async def test_an_intent_of_a_dead_gateway_is_closed_as_unknown_once(log: Log) -> None:
    done, left = ids(2)
    await log.write((done, "intent"), (left, "intent"))
    await log.write((done, "outcome"), status=200)
    await log.sequence()
    await let_die(log)
    assert await fence(log) == [("gateway-1", 1)]
    assert [await log.reaper.close_fenced() for _ in range(3)] == [1, 0, 0]
    await log.sequence()
    assert await log.reaper.close_fenced() == 0
    assert [leaf["status"] for leaf in await log.outcomes(done)] == [200]
    [outcome] = await log.outcomes(left)
    assert (outcome["code"], outcome["fault"], outcome["status"]) == (UNKNOWN, "exchange", 0)
    assert (outcome["department"], outcome["case"], outcome["provider"]) == ("民政局", "办件-1", "公安局")
    assert (outcome["gateway"], outcome["retention"]) == ("audit-1-reaper", "personal")
    salts = await log.fetch(
        "SELECT body FROM audit.erasable JOIN audit.entry_index USING (leaf_index) WHERE call_id = $1", left
    )
    assert [row[0] for row in salts] == [SALT, SALT]  # the digest that it repeats can still be checked
    await log.expect_whole()


@pytest.mark.requirement("AUD-12")
async def test_the_fenced_gateway_can_no_longer_say_what_happened(log: Log) -> None:
    [call] = ids(1)
    await log.write((call, "intent"))
    await let_die(log)
    await fence(log)
    with pytest.raises(Refusal) as refused:
        await log.write((call, "outcome"))
    assert refused.value.code is codes.STALE_EPOCH


@pytest.mark.requirement("AUD-12")
async def test_nothing_is_closed_while_batches_of_the_epoch_wait(log: Log) -> None:
    [call] = ids(1)
    await log.write((call, "intent"))
    await log.sequence()
    await log.write((call, "outcome"), status=200)
    await let_die(log)
    await fence(log)
    assert await log.reaper.close_fenced() == 0
    await log.sequence()
    assert await log.reaper.close_fenced() == 0
    await log.sequence()
    assert [leaf["status"] for leaf in await log.outcomes(call)] == [200]
    assert await log.fetch("SELECT gateway FROM audit.lease WHERE closed_at IS NULL") == [("audit-1-reaper",)]
    await log.expect_whole()


async def test_an_epoch_with_a_damaged_batch_is_left_to_people(log: Log) -> None:
    [call] = ids(1)
    await log.write((call, "intent"))
    await log.sequence()
    await log.write((call, "outcome"))
    await log.fetch("UPDATE audit.batch SET bytes = set_byte(bytes, 40, 0)")
    await log.sequence()
    await let_die(log)
    await fence(log)
    assert await log.reaper.close_fenced() == 0


@pytest.mark.requirement("AUD-12")
async def test_reaper_and_late_batches_agree_on_every_call(log: Log) -> None:
    """Many gateways, each with an outcome on its way while the reaper fences and closes, and the sequencer works."""
    calls = ids(40)
    batches: list[Batch] = []
    for number, call in enumerate(calls):
        gateway = f"late-{number}"
        epoch = await leases.start(log.database.ingest, gateway)
        await log.ingest.take(batch_of(gateway, epoch, 0, [record(call, gateway, epoch, 0, "intent")]))
        batches.append(batch_of(gateway, epoch, 1, [record(call, gateway, epoch, 1, "outcome", status=200)]))
        await let_die(log, gateway)
    accepted: set[str] = set()

    async def say(call: str, batch: Batch) -> None:
        with contextlib.suppress(Refusal):
            await log.ingest.take(batch)
            accepted.add(call)

    async def reap() -> None:
        await fence(log)
        while await log.fetch("SELECT 1 FROM audit.lease WHERE gateway LIKE 'late-%' AND closed_at IS NULL"):
            await log.sequence()
            await log.reaper.close_fenced()

    await asyncio.gather(*(say(call, batch) for call, batch in zip(calls, batches, strict=True)), reap())
    await log.sequence()
    for call in calls:
        [outcome] = await log.outcomes(call)
        assert outcome["status"] == (200 if call in accepted else 0)
    await log.expect_whole()


@pytest.mark.requirement("AUD-12")
async def test_two_reapers_close_an_epoch_once(log: Log) -> None:
    calls = ids(5)
    await log.write(*((call, "intent") for call in calls))
    await log.sequence()
    await let_die(log)
    await fence(log)
    other = Reaper("audit-2-reaper", log.database, 15)
    assert sum(await asyncio.gather(log.reaper.close_fenced(), other.close_fenced())) == 5
    await log.sequence()
    assert [len(await log.outcomes(call)) for call in calls] == [1] * 5
    await log.expect_whole()


class Broken(Exception):
    """The fault that a test makes."""


@pytest.mark.requirement("AUD-12")
async def test_a_reaper_that_dies_before_its_commit_has_said_nothing(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    [call] = ids(1)
    await log.write((call, "intent"))
    await log.sequence()
    await let_die(log)
    await fence(log)
    accept = store.accept

    async def fails(connection: Any, batch: Batch) -> store.Verdict:
        await accept(connection, batch)
        raise Broken

    with monkeypatch.context() as patch:
        patch.setattr(store, "accept", fails)
        with pytest.raises(Broken):
            await log.reaper.close_fenced()
    assert await log.fetch("SELECT id FROM audit.batch") == []
    assert await log.reaper.close_fenced() == 1
    await log.sequence()
    assert len(await log.outcomes(call)) == 1
    await log.expect_whole()


@pytest.mark.requirement("AUD-14")
async def test_leases_that_nobody_could_renew_while_we_were_away_are_not_fenced(log: Log) -> None:
    await let_die(log)
    await log.reaper.sweep()
    await log.reaper.sweep()
    assert await log.fetch("SELECT epoch FROM audit.lease WHERE fenced_at IS NOT NULL") == []
    patient = Reaper("audit-1-reaper", log.database, 0)
    await patient.sweep()
    assert await log.fetch("SELECT gateway FROM audit.lease WHERE fenced_at IS NOT NULL") == [("gateway-1",)]


async def test_a_renewed_lease_is_not_fenced(log: Log) -> None:
    await let_die(log)
    await leases.renew(log.database.ingest, "gateway-1", log.epoch)
    assert await fence(log) == []
