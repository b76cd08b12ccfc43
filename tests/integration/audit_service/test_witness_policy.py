"""What follows when no witness cosigns: an alarm, or no more records, by a clock that tests move."""

from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from audit_service.append import Ingest
from audit_service.witnessing.asking import Witness
from audit_service.witnessing.policy import Mode, Policy
from audit_service.witnessing.store import unwitnessed_since
from harness.audit_log import Log, ids
from harness.cosigners import GRACE_S, MovedClock, alarms, asked_by, grow, vkey_of, witness_here
from harness.receipts import ORIGIN
from runtime.errors import Refusal
from wire import codes

pytestmark = pytest.mark.anyio


def policy_of(log: Log, mode: Mode, clock: MovedClock) -> Policy:
    return Policy(log.database, mode, GRACE_S, ["w1.example"], clock)


async def asked(log: Log) -> None:
    """The witness was, and did not answer."""
    async with asked_by(log, Witness(url="http://127.0.0.1:9", vkey=vkey_of(1))) as witnessing:
        await witnessing.tick()


@pytest.mark.requirement("WIT-07")
@pytest.mark.parametrize("mode", ["alarm", "enforce"])
async def test_four_hours_without_a_witness(log: Log, tmp_path: Path, mode: Mode) -> None:
    clock = MovedClock()
    policy = policy_of(log, mode, clock)
    ingest = Ingest(log.database, lambda: None, admit=policy.check)
    await grow(log)
    await asked(log)
    clock.ahead = timedelta(seconds=GRACE_S - 60)
    with capture_logs() as said:
        await policy.judge()
    assert not alarms(said)
    await ingest.take(log.batch((ids(1)[0], "denied")))
    clock.ahead = timedelta(seconds=GRACE_S + 60)
    for judging in (policy, policy_of(log, mode, clock)):  # the second one: a restart
        with capture_logs() as said:
            await judging.judge()
            await judging.judge()
        assert [(line["event"], line["policy"]) for line in alarms(said)] == [("log.unwitnessed", mode)]
    batch = log.batch((ids(1)[0], "denied"))
    if mode == "alarm":
        await ingest.take(batch)
        return
    with pytest.raises(Refusal, match="no witness has cosigned for 4 h") as refused:
        await ingest.take(batch)
    assert refused.value.code is codes.AUDIT_UNAVAILABLE
    assert len(await log.fetch("SELECT FROM audit.acknowledgement WHERE first_sequence = $1", batch.first)) == 0
    async with witness_here(tmp_path) as witness, asked_by(log, witness.seen) as witnessing:
        await witnessing.tick()
        await policy.judge()
    await ingest.take(batch)
    await log.sequence()
    assert len(await log.leaves()) == 4


@pytest.mark.requirement("WIT-07")
async def test_the_alarm_is_raised_again_and_again_but_not_all_the_time(log: Log) -> None:
    clock = MovedClock()
    policy = policy_of(log, "alarm", clock)
    await grow(log)
    await asked(log)
    with capture_logs() as said:
        for minute in range(11):
            clock.ahead = timedelta(seconds=GRACE_S + 60 * minute + 60)
            await policy.judge()
    assert len(alarms(said)) == 3


@pytest.mark.requirement("WIT-07")
async def test_a_log_older_than_its_first_witness_is_not_overdue_at_once(log: Log) -> None:
    await grow(log)
    await log.fetch("UPDATE audit.checkpoint SET signed_at = now() - interval '1 year'")
    await log.fetch("INSERT INTO audit.witness_attempt VALUES ('old.example', now() - interval '1 year', now(), '')")
    clock = MovedClock()
    first = policy_of(log, "enforce", clock)
    for ahead, is_overdue in ((0, False), (GRACE_S - 60, False), (GRACE_S + 60, True)):
        clock.ahead = timedelta(seconds=ahead)
        await first.judge()
        assert overdue(first) is is_overdue, "from when the process began, as nobody was asked"
    await asked(log)
    clock.ahead = timedelta(seconds=GRACE_S - 60)
    for judging in (first, policy_of(log, "enforce", clock)):
        await judging.judge()
        assert not overdue(judging), "from the first attempt"
    clock.ahead = timedelta(seconds=GRACE_S + 60)
    for judging in (first, policy_of(log, "enforce", clock)):
        await judging.judge()
        assert overdue(judging)


def overdue(policy: Policy) -> bool:
    try:
        policy.check()
    except Refusal:
        return True
    return False


@pytest.mark.requirement("WIT-07")
async def test_without_witnesses_there_is_no_policy(log: Log) -> None:
    await grow(log)
    clock = MovedClock()
    clock.ahead = timedelta(days=400)
    policy = Policy(log.database, "enforce", GRACE_S, [], clock)
    with capture_logs() as said:
        await policy.judge()
    policy.check()
    assert not said
    async with asked_by(log) as witnessing:
        await witnessing.tick()
        assert await witnessing.proven(ORIGIN) == []


@pytest.mark.requirement("WIT-07")
async def test_a_cosignature_covers_what_is_smaller_and_the_shards_before(log: Log) -> None:
    reader = log.database.reader
    await log.sequence()
    await log.fetch("UPDATE audit.checkpoint SET signed_at = '2026-01-01Z'")
    await grow(log)
    assert str(await unwitnessed_since(reader)).startswith("2026-01-01")
    await log.fetch("INSERT INTO audit.cosignature VALUES (1, 0, 'w', '', now())")
    since = await unwitnessed_since(reader)
    assert not str(since).startswith("2026-01-01")
    await grow(log)
    assert await unwitnessed_since(reader) == since, "the oldest one counts"
    await log.fetch("INSERT INTO audit.shard VALUES (2, 'next', 'SM3', 4, NULL, now())")
    await log.fetch("INSERT INTO audit.checkpoint (shard, size, note, signed_at) VALUES (2, 1, '', '2026-02-01Z')")
    assert str(await unwitnessed_since(reader)).startswith("2026-02-01")
    await log.fetch("INSERT INTO audit.cosignature VALUES (2, 1, 'w', '', now())")
    assert await unwitnessed_since(reader) is None
