"""fsck over a log that changed its key, its name and its hash: each shard by its own rules, one after the other."""

from collections.abc import Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from audit_service.checkpoint import Signer
from audit_service.fsck.check import Check, Manner
from audit_service.sequencer import Sequencer
from harness.audit_log import Log
from harness.receipts import ORIGIN, key, vkey
from harness.tampering import findings, undone
from tlog.hashes import SHA256, SM3, Suite

pytestmark = pytest.mark.anyio
NEXT = "yunjiang.example/log2"


async def under(log: Log, origin: str, keys: Sequence[Ed25519PrivateKey], suite: Suite = SHA256) -> None:
    """Another sequencer takes office, and two calls are made."""
    await log.resign()
    log.signer = Signer(origin, *keys)
    log.sequencer = Sequencer(log.database, log.signer, log.published, suite=suite)
    await log.calls(2)
    await log.sequence()


@pytest.fixture
async def turned(log: Log) -> Log:
    """Key 1, then keys 1 and 2, then key 2 alone; then a new name and SM3."""
    for keys in ([key(1)], [key(1), key(2)], [key(2)]):
        await under(log, ORIGIN, keys)
    await under(log, NEXT, [key(2)], SM3)
    return log


@pytest.mark.requirement("CHK-05")
async def test_one_trusted_key_is_enough_because_leaves_name_the_others(turned: Log) -> None:
    """Forwards, from the first key, and backwards, from the last one; and a stranger's key is not enough."""
    async with undone(turned) as tx:
        for trusted in (vkey(), vkey(private=key(2)), vkey(NEXT, key(2))):
            assert await findings(tx, trusted) == [], trusted
            assert await findings(tx, trusted, newest=3) == [], trusted
        assert await findings(tx) == []
        strange = await findings(tx, vkey(private=key(9)))
    assert len(strange) == 2
    assert all(finding.endswith("is the newest, and no key that is trusted signed it") for finding in strange)


@pytest.mark.requirement("CHK-05")
async def test_damage_in_any_shard_is_named_by_its_index_through_all_of_them(turned: Log) -> None:
    shards = await turned.fetch("SELECT id, first, size FROM audit.shard ORDER BY id")
    assert len(shards) == 2
    second = shards[1]["first"]
    assert shards[0]["size"] == second
    for place in (second - 2, second + 3):
        async with undone(turned) as tx:
            await tx.execute("UPDATE audit.leaf SET body = body || ' ' WHERE leaf_index = $1", place)
            assert await findings(tx, vkey()) == [f"leaf {place}: is not the one that was hashed into the tree"]
    async with undone(turned) as tx:
        await tx.execute("DELETE FROM audit.tile WHERE shard = 2")
        assert "tile 0/0 of shard 2: holds 0 hashes instead of 5" in await findings(tx, vkey())


@pytest.mark.requirement("CHK-05")
@pytest.mark.parametrize(
    ("deed", "named"),
    [
        ("UPDATE audit.shard SET origin = 'other' WHERE id = 2", "its first leaf does not say that it follows shard 1"),
        ("UPDATE audit.shard SET size = size - 1 WHERE id = 1", "shard 2: does not begin where shard 1 ends"),
        ("DELETE FROM audit.checkpoint WHERE shard = 1 AND size = (SELECT size FROM audit.shard WHERE id = 1)",
         "log_head: no checkpoint covers its "),
        ("UPDATE audit.log_key SET removed_at = NULL", "was removed by a leaf, or by the table, and not by both"),
    ],
)  # fmt: skip
async def test_shards_and_keys_are_what_leaves_say(turned: Log, deed: str, named: str) -> None:
    async with undone(turned) as tx:
        await tx.execute(deed)
        found = await findings(tx, vkey())
    assert any(named in finding for finding in found), found


@pytest.mark.requirement("CHK-04")
async def test_slices_cover_every_shard_and_end_with_the_log(turned: Log) -> None:
    position, ends = 0, []
    async with undone(turned) as tx:
        size = await tx.fetchval("SELECT s.first + h.size FROM audit.log_head h JOIN audit.shard s ON s.id = h.shard")
        while position < size:
            check = Check(tx, Manner([vkey()]))
            position = await check.slice(position, 256)
            ends.append(position)
            assert check.findings.lines == []
    second = (await turned.fetch("SELECT first FROM audit.shard WHERE id = 2"))[0][0]
    assert ends == [second, size]
