"""Shards, hash suites and keys over PostgreSQL: what ends names what follows, and what was frozen stays."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from audit_service.checkpoint import Signer
from audit_service.fsck.check import Manner, examine
from audit_service.records import Records
from audit_service.sequencing.step import ROLLED_BACK, SUITE_CHANGED, SUPERSEDED, Refused, SteppedDown
from audit_service.store import end
from audit_service.writer import Writer
from harness.audit_log import Log
from harness.merkle import Definition
from harness.receipts import ORIGIN, key
from harness.shards import NEXT, events, office, sequence
from tlog import receipt
from tlog.checkpoint import Checkpoint, open_checkpoint
from tlog.hashes import SM3
from tlog.proofs import ProofError
from wire.tokens import AccessToken

pytestmark = pytest.mark.anyio
OURS = AccessToken("c-1", "民政局", frozenset(), 0, "t")


class Hand:
    """A clock that is set by hand."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


async def expect_sound(log: Log, *vkeys: str) -> None:
    """fsck is content, with every key that ever signed."""
    assert (await examine(log.url, Manner(vkeys))).findings.lines == []


@pytest.mark.requirement("SEQ-04")
async def test_a_new_origin_freezes_the_shard_and_opens_the_next_one(log: Log) -> None:
    await log.calls(3)
    await sequence(log)
    await log.calls(2)
    await sequence(log, NEXT, suite=SM3)
    old, new = await log.fetch("SELECT id, origin, suite, first, size, frozen_at FROM audit.shard ORDER BY id")
    assert (old["origin"], old["suite"], old["first"], old["size"]) == (ORIGIN, "SHA-256", 0, 7)
    assert (new["origin"], new["suite"], new["first"], new["size"]) == (NEXT, "SM3", 7, None)
    (frozen, told), (opened, facts) = await events(log)
    assert (frozen, told["next"]) == ("log.frozen", NEXT)
    assert told["next_vkeys"] == Signer(NEXT, key()).vkey
    leaves = await log.leaves()
    assert msgspec.json.decode(leaves[6])["event"] == "log.frozen"
    assert msgspec.json.decode(leaves[7])["event"] == "log.opened" == opened
    final = open_checkpoint(facts["previous_checkpoint"], log.signer.vkey)
    assert (final.size, final.root, facts["previous"]) == (7, Definition(leaves[:7]).root(7), ORIGIN)
    assert (facts["previous_size"], facts["previous_root"]) == ("7", final.root.hex())
    [newest] = await log.fetch("SELECT note FROM audit.checkpoint WHERE shard = 2 ORDER BY size DESC LIMIT 1")
    said = open_checkpoint(newest[0], facts["vkeys"])
    assert (said.size, said.suite) == (5, SM3)
    await expect_sound(log, log.signer.vkey, facts["vkeys"])


@pytest.mark.requirement("SEQ-04")
async def test_a_frozen_shard_is_never_signed_again(log: Log) -> None:
    await log.calls(1)
    await sequence(log)
    old = await office(log)
    await sequence(log, NEXT, 2)
    notes = await log.fetch("SELECT size FROM audit.checkpoint WHERE shard = 1 ORDER BY 1")
    await log.calls(1)
    with pytest.raises(SteppedDown):
        await old[0].step(old[1], old[2])
    await end(old[1])
    with pytest.raises(Refused, match=SUPERSEDED):
        await office(log)
    assert await log.fetch("SELECT size FROM audit.checkpoint WHERE shard = 1 ORDER BY 1") == notes
    await sequence(log, NEXT, 2)
    assert await log.fetch("SELECT id FROM audit.batch") == []


async def test_another_suite_needs_another_origin(log: Log) -> None:
    await log.calls(1)
    await sequence(log)
    with pytest.raises(Refused, match=SUITE_CHANGED):
        await office(log, suite=SM3)
    await sequence(log)


@pytest.mark.requirement("SEQ-05")
async def test_a_year_is_a_shard_by_the_time_in_shanghai(log: Log) -> None:
    clock = Hand(datetime(2026, 12, 31, 15, 59, tzinfo=UTC))
    origin = "yunjiang.example/{year}"
    await log.calls(1)
    sequencer, connection, term = await office(log, origin, clock=clock)
    assert (await sequencer.step(connection, term)).leaves == 2
    clock.at += timedelta(minutes=2)
    await log.calls(1)
    with pytest.raises(SteppedDown):
        await sequencer.step(connection, term)
    await end(connection)
    await sequence(log, origin, clock=clock)
    shards = await log.fetch("SELECT origin, first, size FROM audit.shard ORDER BY id")
    assert [tuple(row) for row in shards] == [("yunjiang.example/2026", 0, 3), ("yunjiang.example/2027", 3, None)]
    days = await log.fetch("SELECT DISTINCT left(segment, 8) FROM audit.leaf ORDER BY 1")
    assert [row[0] for row in days] == ["20261231"]  # segments are by UTC
    with pytest.raises(Refused, match=SUPERSEDED):  # a clock that is behind
        await office(log, origin, clock=Hand(clock.at - timedelta(hours=1)))


@pytest.mark.requirement("SEQ-06")
async def test_while_a_key_follows_another_both_sign(log: Log) -> None:
    old, new = Signer(ORIGIN, key(1)).vkey, Signer(ORIGIN, key(2)).vkey
    call = (await log.calls(1))[0]
    await sequence(log)
    await sequence(log, ORIGIN, 1, 2)
    await log.calls(1)
    await sequence(log, ORIGIN, 2)
    assert await events(log) == [
        ("log.key_added", {"log": ORIGIN, "vkey": new}),
        ("log.key_removed", {"log": ORIGIN, "vkey": old}),
    ]
    notes = dict(await log.fetch("SELECT size, note FROM audit.checkpoint"))
    assert [_signed_by(notes[size], old, new) for size in (2, 3, 6)] == [(True, False), (True, True), (False, True)]
    found = await Records(log.database, Writer("audit-1", log.database, log.ingest)).receipt(call, OURS)
    assert found is not None
    assert len(receipt.verify(found.body, new)) == 2
    rows = await log.fetch("SELECT vkey, removed_at IS NULL FROM audit.log_key ORDER BY added_at")
    assert [tuple(row) for row in rows] == [(old, False), (new, True)]
    await expect_sound(log, old, new)


def _signed_by(note: str, *vkeys: str) -> tuple[bool, ...]:
    told = []
    for vkey in vkeys:
        try:
            open_checkpoint(note, vkey)
            told.append(True)
        except ProofError:
            told.append(False)
    return tuple(told)


@pytest.mark.requirement("SEQ-07")
async def test_after_a_restored_backup_only_a_new_shard_goes_on_and_says_what_was_lost(log: Log) -> None:
    await log.calls(2)
    await sequence(log)
    log.publish(9, bytes(range(32)))
    with pytest.raises(Refused, match=ROLLED_BACK):
        await office(log)
    await log.calls(1)
    await sequence(log, NEXT)
    [(name, facts)] = await events(log)
    assert (name, facts["previous_size"]) == ("log.opened", "4")
    assert (facts["lost_size"], facts["lost_root"]) == ("9", bytes(range(32)).hex())
    assert await log.fetch("SELECT size FROM audit.checkpoint WHERE shard = 1 AND size > 4") == []
    await sequence(log, NEXT)
    await expect_sound(log, log.signer.vkey, Signer(NEXT, key(1)).vkey)


async def test_what_a_witness_holds_is_not_signed_over(log: Log) -> None:
    async def nine(origin: str) -> list[Checkpoint]:
        assert origin == ORIGIN
        return [Checkpoint(origin, 9, bytes(32))]

    await log.calls(2)
    await sequence(log)
    with pytest.raises(Refused, match=ROLLED_BACK):
        await office(log, witnessed=nine)
