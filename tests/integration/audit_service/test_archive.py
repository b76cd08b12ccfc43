"""Days that are over go into the archive and come back from it, whatever fails on the way."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest
from structlog.testing import capture_logs

from audit_service import store
from audit_service.archive import store as sql
from audit_service.archive.manifest import Manifest
from audit_service.checkpoint import Signer
from audit_service.sequencer import Sequencer
from audit_service.summary import Filter
from harness.audit_archive import ALL, Archiving, in_archive, in_database, old_day
from harness.merkle import Definition
from harness.receipts import ORIGIN, key
from runtime.ids import uuid7
from tlog.hashes import SM3

pytestmark = pytest.mark.anyio
READ_ONLY = 0o222


# --- out of the database --------------------------------------------------------------------------------------------
@pytest.mark.requirement("KEP-02")
@pytest.mark.requirement("KEP-04")
async def test_a_day_that_is_over_is_archived_told_and_retired(archiving: Archiving) -> None:
    segment = await old_day(archiving)
    before = await in_database(archiving, segment)
    await archiving.tick()
    assert (await archiving.states())[segment] == "archived"
    assert segment not in await archiving.hot()
    assert await in_database(archiving, segment) == ([], [])
    assert await in_archive(archiving, segment) == before
    assert await archiving.log.check() == []


@pytest.mark.requirement("KEP-02")
async def test_the_manifest_says_what_is_there_and_its_hash_is_a_leaf(archiving: Archiving) -> None:
    segment = await old_day(archiving)
    leaves, _ = await in_database(archiving, segment)
    await archiving.tick()
    [row] = await archiving.log.fetch("SELECT * FROM audit.archive WHERE segment = $1", segment)
    manifest = msgspec.json.decode(await archiving.objects.get(row["manifest_object"]), type=Manifest)
    assert (manifest.segment, manifest.retention, manifest.count) == (segment, "general", len(leaves))
    assert (manifest.first, manifest.last) == (leaves[0].index, leaves[-1].index)
    assert manifest.root == Definition([leaf.leaf for leaf in leaves]).root(len(leaves)).hex()
    assert manifest.kept_until == str(archiving.periods.kept_until(segment))
    assert manifest.sha256 in manifest.object
    [told] = await archiving.log.fetch("SELECT body FROM audit.leaf WHERE leaf_index = $1", row["manifest_leaf"])
    assert msgspec.json.decode(told[0])["facts"]["manifest"] == row["manifest_sha256"].hex()


@pytest.mark.requirement("KEP-02")
async def test_a_day_stays_in_the_database_for_its_hot_days_and_today_is_not_touched(archiving: Archiving) -> None:
    segment = f"{archiving.today}-general"
    await archiving.calls(1, "general")
    await archiving.settle()
    archiving.clock.at = archiving.clock.at.replace(hour=23, minute=59) + timedelta(minutes=60)
    await archiving.tick()
    assert await archiving.states() == {}  # the day was over a minute less than the grace ago
    archiving.pass_days(1 / 24)
    await archiving.tick()
    assert (await archiving.states())[segment] == "sealed"
    archiving.pass_days(29)
    await archiving.tick()
    assert (await archiving.states())[segment] == "sealed"
    assert segment in await archiving.hot()
    archiving.pass_days(1)
    await archiving.tick()
    assert (await archiving.states())[segment] == "archived"


async def test_what_is_not_yet_searchable_waits(archiving: Archiving) -> None:
    segment = f"{archiving.today}-general"
    await archiving.calls(1, "general")
    await archiving.log.sequence()
    archiving.pass_days(35)
    await archiving.archive.tick()
    assert await archiving.states() == {}
    await archiving.settle()
    await archiving.tick()
    assert (await archiving.states())[segment] == "archived"


@pytest.mark.requirement("KEP-02")
async def test_nothing_is_added_to_a_day_that_is_closed(archiving: Archiving) -> None:
    segment = await old_day(archiving)
    await archiving.tick()
    connection = await archiving.log.database.sequencer()
    with pytest.raises(asyncpg.RaiseError, match="is closed"):
        await connection.execute("SELECT audit.open_segment($1)", segment)
    await store.end(connection)


async def test_two_replicas_do_not_do_it_twice(archiving: Archiving) -> None:
    segment = await old_day(archiving)
    await asyncio.gather(archiving.archive.tick(), archiving.another().tick())
    await archiving.tick()
    assert (await archiving.states())[segment] == "archived"
    told = await archiving.log.fetch(
        "SELECT FROM audit.record WHERE event = 'segment.archived' AND segment LIKE '%permanent'"
    )
    assert len(told) == len(await archiving.states())


async def test_a_leaf_that_only_ingest_likes_is_archived_too(archiving: Archiving) -> None:
    log, segment = archiving.log, f"{archiving.today}-general"
    strange: dict[str, Any] = {
        "department": "\u0000", "case": "a\u0000b", "purpose": "\U0010ffff" * 9000, "status": 2**62, "at_in": -5,
        "fields_masked": 2**63 - 1, "at_provider_in": -(2**63), "trace": "\ufffe'; DROP TABLE audit.leaf",
    }  # fmt: skip
    await log.write((str(uuid7()), "denied"), retention="general", **strange)
    await archiving.settle()
    archiving.pass_days(35)
    before = await in_database(archiving, segment)
    await archiving.tick()
    assert (await archiving.states())[segment] == "archived"
    assert await in_archive(archiving, segment) == before
    assert len(before[0]) == 1


@pytest.mark.requirement("KEP-02")
async def test_a_day_on_which_the_log_went_on_in_a_new_shard_is_archived_whole(archiving: Archiving) -> None:
    log, segment = archiving.log, f"{archiving.today}-general"
    await archiving.calls(2, "general")
    await archiving.settle()
    await log.resign()
    signer = Signer(f"{ORIGIN}-2", key())
    log.sequencer = Sequencer(log.database, signer, log.published, suite=SM3, clock=archiving.clock)
    await archiving.calls(2, "general")
    await archiving.settle()
    archiving.pass_days(35)
    before = await in_database(archiving, segment)
    await archiving.tick()
    assert await in_archive(archiving, segment) == before
    assert len(before[0]) == 8
    [row] = await log.fetch("SELECT manifest_object FROM audit.archive WHERE segment = $1", segment)
    manifest = msgspec.json.decode(await archiving.objects.get(row[0]), type=Manifest)
    assert [(part.origin, part.suite) for part in manifest.shards] == [(ORIGIN, "SHA-256"), (f"{ORIGIN}-2", "SM3")]


# --- what fails -----------------------------------------------------------------------------------------------------


@pytest.mark.requirement("KEP-02")
async def test_a_leaf_that_was_changed_in_the_database_is_not_archived_as_right(archiving: Archiving) -> None:
    segment = await old_day(archiving)
    await archiving.log.fetch(
        "UPDATE audit.leaf SET body = body || ' ' WHERE segment = $1 AND leaf_index = "
        "(SELECT min(leaf_index) FROM audit.leaf WHERE segment = $1)", segment,
    )  # fmt: skip
    with capture_logs() as logs:
        await archiving.tick()
    assert "archive.damaged" in {line["event"] for line in logs if line.get("alarm")}
    assert segment not in await archiving.states()
    assert segment in await archiving.hot()


# --- back into the database -----------------------------------------------------------------------------------------
@pytest.mark.requirement("KEP-04")
async def test_a_restored_day_is_what_it_was_and_goes_again_after_a_week(archiving: Archiving) -> None:
    segment = await old_day(archiving)
    before = await in_database(archiving, segment)
    await archiving.tick()
    clerk = archiving.log.database.clerk
    assert not await sql.ask_restore(clerk, "20010101-general", archiving.clock.at)
    assert await sql.ask_restore(clerk, segment, archiving.clock.at)
    await archiving.tick()
    assert (await archiving.states())[segment] == "restored"
    assert await in_database(archiving, segment) == before
    assert await archiving.log.check() == []
    assert not await sql.ask_restore(clerk, segment, archiving.clock.at)
    archiving.clock.at = datetime.now(UTC) + timedelta(days=7.1)  # since when, the database says
    await archiving.tick()
    assert (await archiving.states())[segment] == "archived"
    assert await in_archive(archiving, segment) == before


@pytest.mark.requirement("KEP-04")
async def test_what_is_asked_of_the_archive_is_what_the_rows_answer(archiving: Archiving) -> None:
    segment = await old_day(archiving, 10)
    _, rows = await in_database(archiving, segment)
    await archiving.tick()
    cold, half = archiving.cold, rows[len(rows) // 2]
    for wanted in (
        Filter(case_no="办件-2"), Filter(party="税务局"), Filter(call_id=half.call_id), Filter(since=half.at),
        Filter(before=half.at), Filter(outcome="ok"), Filter(outcome="refused"), Filter(department="nobody"),
        Filter(kind="outcome", system="mzj-relief"), Filter(trace="\u0000"),
    ):  # fmt: skip
        expected = [row for row in rows if wanted.matches(row)]
        assert await cold.rows(segment, wanted, **ALL, newest_first=False) == expected
        assert await cold.rows(segment, wanted, **ALL, newest_first=True) == expected[::-1]
        page = await cold.rows(segment, wanted, before=half.leaf_index, after=3, limit=2, newest_first=True)
        assert page == [row for row in expected[::-1] if 3 < row.leaf_index < half.leaf_index][:2]


async def test_the_cache_is_bounded_and_forgets(archiving: Archiving) -> None:
    first = await old_day(archiving)
    archiving.pass_days(-34)
    second = await old_day(archiving)
    archiving.pass_days(5)
    await archiving.tick()
    archiving.cold._most_bytes = 1
    for segment in (first, second, first):
        assert await archiving.cold.leaves(segment, range(1000))
        assert list(archiving.cold._open) == [segment]
    archiving.cold._open[first] = (-1e9, archiving.cold._open[first][1])
    await archiving.cold.tidy()
    assert not archiving.cold._open


# --- what roles may not do ------------------------------------------------------------------------------------------
@pytest.mark.requirement("KEP-02")
@pytest.mark.requirement("KEP-07")
async def test_the_database_itself_refuses_to_let_go_of_what_is_not_safe(archiving: Archiving) -> None:
    segment = await old_day(archiving)
    async with archiving.log.database.archivist.acquire() as connection:
        with pytest.raises(asyncpg.RaiseError, match="not both"):
            await sql.retire(connection, segment)
        await sql.close(connection, segment)
        sealed = sql.Sealed(b"r" * 32, "o", 1, b"s" * 32, "m", b"m" * 32)
        with pytest.raises(asyncpg.RaiseError, match="other leaves"):
            await sql.seal(connection, segment, sql.Extent(0, 1, 2), sealed)
        extent = await sql.extent(connection, segment)
        assert extent is not None
        await sql.seal(connection, segment, extent, sealed)
        with pytest.raises(asyncpg.RaiseError, match="no published leaf"):
            await sql.retire(connection, segment)
        with pytest.raises(asyncpg.RaiseError, match="cannot be sealed"):
            await sql.seal(connection, segment, extent, sealed)
        with pytest.raises(asyncpg.RaiseError, match="not in the archive alone"):
            await sql.reopen(connection, segment)
        with pytest.raises(asyncpg.RaiseError, match="not over"):
            await sql.close(connection, "29991231-general")
    assert segment in await archiving.hot()


async def test_readers_in_the_way_are_waited_for_another_time(archiving: Archiving) -> None:
    segment = await old_day(archiving)
    async with archiving.log.database.reader.acquire() as reader, reader.transaction():
        await reader.fetch("SELECT FROM audit.leaf LIMIT 1")
        await archiving.archive.tick()
        await archiving.settle()
        with capture_logs() as logs:
            await archiving.archive.tick()
        assert "archive.postponed" in {line["event"] for line in logs}
        assert not [line for line in logs if line.get("alarm")]
    await archiving.archive.tick()
    assert (await archiving.states())[segment] == "archived"
