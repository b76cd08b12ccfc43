"""Out of the database only what is safe in the store, what nobody needs there, and without holding up the log."""

import tempfile
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from audit_service.archive import store as sql
from harness.audit_archive import Archiving, old_day
from harness.audit_log import ids

pytestmark = pytest.mark.anyio


async def sealed_day(archiving: Archiving) -> str:
    """A day that is in the store and told, and still in the database; then its hot days pass."""
    segment = f"{archiving.today}-personal"
    await archiving.calls(1, "personal")
    await archiving.settle()
    archiving.pass_days(2)
    await archiving.tick()
    archiving.pass_days(30)
    return segment


@pytest.mark.requirement("KEP-02")
@pytest.mark.parametrize("how", ["changed", "removed", "elsewhere"])
async def test_a_day_whose_file_is_not_whole_any_more_stays(archiving: Archiving, tmp_path: Path, how: str) -> None:
    segment = await sealed_day(archiving)
    kept = (await sql.archived(archiving.log.database.reader))[segment]
    path, archive = tmp_path / "archive" / kept.object, archiving.archive
    whole = path.read_bytes()
    path.chmod(0o644)
    if how == "changed":
        path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    elif how == "removed":
        path.unlink()
    else:
        archive = archiving.another(type(archiving.objects).at(f"file://{tmp_path}/another"))
    with capture_logs() as logs:
        await archive.tick()
    assert [line["during"] for line in logs if line.get("alarm")] == ["retire"]
    assert segment in await archiving.hot()
    path.write_bytes(whole)
    await archiving.archive.tick()
    assert segment not in await archiving.hot()


@pytest.mark.requirement("KEP-02")
async def test_a_day_with_a_call_that_is_still_open_stays(archiving: Archiving) -> None:
    segment = f"{archiving.today}-general"
    [call] = ids(1)
    await archiving.log.write((call, "intent"), retention="general")
    await archiving.settle()
    archiving.pass_days(35)
    await archiving.tick()
    assert (await archiving.states())[segment] == "sealed"
    async with archiving.log.database.archivist.acquire() as connection:
        with pytest.raises(asyncpg.RaiseError, match="still open"):
            await sql.retire(connection, segment)
    await archiving.log.write((call, "outcome"), retention="general")
    await archiving.settle()
    await archiving.tick()
    assert (await archiving.states())[segment] == "archived"


async def test_one_tick_waits_for_readers_once(archiving: Archiving) -> None:
    first = await old_day(archiving, 1)
    archiving.pass_days(-34)
    await old_day(archiving, 1)
    async with archiving.log.database.reader.acquire() as reader, reader.transaction():
        await reader.fetch("SELECT FROM audit.leaf LIMIT 1")
        await archiving.archive.tick()
        await archiving.settle()
        with capture_logs() as logs:
            await archiving.archive.tick()
    assert [line["segment"] for line in logs if line["event"] == "archive.postponed"] == [first]


@pytest.mark.requirement("KEP-03")
async def test_a_full_disk_stops_no_other_work_of_the_archive(
    archiving: Archiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await sealed_day(archiving)
    later = f"{archiving.today}-general"
    await archiving.calls(1, "general")
    await archiving.settle()
    archiving.pass_days(2)
    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr(tempfile, "TemporaryFile", full)
        await archiving.archive.tick()
    alarmed = {(line["segment"], line["during"]) for line in logs if line.get("alarm")}
    assert {(later, "seal"), (segment, "retire")} <= alarmed
    await archiving.tick()
    states = await archiving.states()
    assert (states[later], states[segment]) == ("sealed", "archived")


def full() -> None:
    raise OSError(28, "No space left on device")
