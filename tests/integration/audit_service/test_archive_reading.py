"""Reading the archive: large files, slow ones, several at once, and nothing left on this machine's disk."""

import asyncio
import tempfile
from pathlib import Path
from typing import IO, Any

import msgspec
import pyarrow.parquet as pq
import pytest

from audit_service.archive import cold
from audit_service.archive.objects import Objects
from audit_service.archive.parquet import Reading, Writing
from audit_service.archive.rows import Row
from audit_service.summary import Filter, Summary, moment
from harness.audit_archive import Archiving, in_archive, in_database, old_day
from runtime.errors import Refusal
from wire import codes

pytestmark = pytest.mark.anyio


async def test_a_range_of_any_length_is_compared_not_counted(archiving: Archiving) -> None:
    segment = await old_day(archiving)
    before, _ = await in_database(archiving, segment)
    await archiving.tick()
    assert await archiving.cold.leaves(segment, range(2**60)) == before
    assert await archiving.cold.leaves(segment, range(before[1].index, before[3].index)) == before[1:3]
    assert await archiving.cold.leaves(segment, range(before[-1].index + 1, 2**60)) == []
    assert await archiving.cold.leaves(segment, range(before[0].index, before[-1].index, 2**40)) == before[:1]


@pytest.mark.requirement("SRC-23")
async def test_a_file_of_the_time_before_there_were_modes_is_read_as_one_of_queries(tmp_path: Path) -> None:
    segment, call = "20260301-general", "01931f2e-7c1a-7d4e-9b3a-5f0c2a1b4d6e"
    row = Summary(segment=segment, leaf_index=4, call_id=call, kind="outcome", at=moment(1), department="民政局")
    _, _, _, _, *ended = msgspec.structs.astuple(row)
    intent = Row(3, call, "intent", moment(1), None, b"{}", b"", None)
    whole = intent._replace(leaf_index=4, kind="outcome", ended=tuple(ended))
    writing = Writing(tmp_path / "new")
    writing.add([intent, whole])
    writing.close()
    later = ["mode", "verdict", "consent"]
    pq.write_table(pq.read_table(tmp_path / "new").drop_columns(later), tmp_path / "old")
    reading = Reading(tmp_path / "old", segment)
    ours: dict[str, Any] = {"before": 9, "after": -1, "limit": 9, "newest_first": True}
    assert reading.rows(Filter(department="民政局"), **ours) == reading.rows(Filter(mode="query"), **ours) == [row]
    assert reading.rows(Filter(mode="verify"), **ours) == []
    assert list(reading.pages()) == [[intent, whole]]
    assert [kept.index for kept in reading.leaves(range(9))] == [3, 4]


async def test_a_slow_file_holds_up_no_other_and_comes_even_if_nobody_waits(
    archiving: Archiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = await old_day(archiving)
    archiving.pass_days(-34)
    quick = await old_day(archiving)
    await archiving.tick()
    real, gate, begun = Objects.fetch, asyncio.Event(), []

    async def fetch(self: Objects, name: str, into: IO[bytes]) -> bytes:
        begun.append(name)
        if slow in name:
            await gate.wait()
        return await real(self, name, into)

    monkeypatch.setattr(Objects, "fetch", fetch)
    askers = [asyncio.create_task(archiving.cold.leaves(slow, [0])) for _ in range(2)]
    assert await archiving.cold.leaves(quick, range(1000))
    for asker in askers:
        asker.cancel()
    await asyncio.gather(*askers, return_exceptions=True)
    gate.set()
    assert await archiving.cold.leaves(slow, range(1000))
    assert len(begun) == 2


async def test_a_large_file_has_more_time_to_come(archiving: Archiving, monkeypatch: pytest.MonkeyPatch) -> None:
    segment = await old_day(archiving)
    await archiving.tick()
    monkeypatch.setattr(cold, "_FETCH_S", 0)
    monkeypatch.setattr(cold, "_LEAST_BYTES_A_S", 2**60)
    with pytest.raises(Refusal):
        await archiving.cold.leaves(segment, [0])
    monkeypatch.setattr(cold, "_LEAST_BYTES_A_S", 1)
    assert await archiving.cold.leaves(segment, range(1000))


async def test_a_full_disk_is_said_as_an_archive_that_is_away(
    archiving: Archiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await old_day(archiving)
    await archiving.tick()

    def full() -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(Refusal) as refused:
        await archiving.cold.leaves(segment, [0])
    assert refused.value.code is codes.ARCHIVE_AWAY


@pytest.mark.requirement("KEP-06")
async def test_no_copy_of_a_day_is_ever_under_a_name_where_a_crash_would_leave_it(
    archiving: Archiving, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    segment = await old_day(archiving)
    before = await in_database(archiving, segment)
    copies = tmp_path / "copies"
    copies.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(copies))
    put, fetch = Objects.put, Objects.fetch
    seen: list[Path] = []

    async def putting(self: Objects, name: str, content: bytes | Path) -> None:
        seen.extend(copies.iterdir())
        await put(self, name, content)

    async def fetching(self: Objects, name: str, into: IO[bytes]) -> bytes:
        digest = await fetch(self, name, into)
        seen.extend(copies.iterdir())
        return digest

    monkeypatch.setattr(Objects, "put", putting)
    monkeypatch.setattr(Objects, "fetch", fetching)
    await archiving.tick()
    assert await in_archive(archiving, segment) == before
    assert seen == []
