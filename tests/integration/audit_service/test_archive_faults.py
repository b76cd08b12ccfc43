"""The archive when something fails: a crash at any step, a store that is away, or that gives back something else."""

from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from audit_service.archive import store as sql
from audit_service.archive.objects import Away, Objects
from audit_service.writer import Writer
from harness.audit_archive import Archiving, in_archive, in_database, old_day
from runtime.errors import Refusal
from wire import codes

READ_ONLY = 0o222


pytestmark = pytest.mark.anyio


class Crash(Exception):
    """The process is gone."""


POINTS = [
    (sql, "close"), (Objects, "put"), (Objects, "fetch"), (Objects, "get"), (sql, "seal"), (Writer, "write"),
    (sql, "confirm"), (sql, "retire"),
]  # fmt: skip


@pytest.mark.requirement("KEP-03")
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_at_any_step_loses_nothing(
    archiving: Archiving, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    archiving.pass_days(-300)
    for owner, name in POINTS:
        segment = await old_day(archiving, 1)
        before = await in_database(archiving, segment)
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, crashing(getattr(owner, name), when))
            crashed = [await crashes(archiving) for _ in range(3)]
        assert any(crashed), name
        await archiving.tick()
        await archiving.tick()
        assert (await archiving.states())[segment] == "archived", name
        assert await in_archive(archiving, segment) == before, name
    assert await archiving.log.check() == []


def crashing(real: Any, when: str) -> Any:
    async def faulty(*args: Any, **more: Any) -> Any:
        if when == "after":
            await real(*args, **more)
        raise Crash

    return faulty


async def crashes(archiving: Archiving) -> bool:
    """Whether the job did; meanwhile the log goes on."""
    try:
        await archiving.archive.tick()
    except Crash:
        return True
    finally:
        await archiving.log.sequence()
    await archiving.indexer.tick()
    return False


@pytest.mark.requirement("KEP-03")
async def test_without_a_store_nothing_is_lost_and_it_goes_on_by_itself(archiving: Archiving) -> None:
    segment = await old_day(archiving)
    before = await in_database(archiving, segment)

    class Full(Objects):
        async def put(self, name: str, content: bytes | Path) -> None:
            raise Away(f"GenericError at {name}")

    full = archiving.another(Full(archiving.objects._store))
    with capture_logs() as logs:
        await full.tick()
    assert [(line["event"], line["alarm"]) for line in logs if line.get("alarm")] == [("archive.failed", True)]
    assert await in_database(archiving, segment) == before
    await archiving.tick()
    assert (await archiving.states())[segment] == "archived"


@pytest.mark.requirement("KEP-05")
async def test_an_object_that_changed_is_never_taken_for_the_day(archiving: Archiving, tmp_path: Path) -> None:
    segment = await old_day(archiving)
    before = await in_database(archiving, segment)
    await archiving.tick()
    kept = (await sql.archived(archiving.log.database.reader))[segment]
    path = tmp_path / "archive" / kept.object
    assert not path.stat().st_mode & READ_ONLY
    path.chmod(0o644)
    whole = path.read_bytes()
    path.write_bytes(whole[:100] + bytes([whole[100] ^ 1]) + whole[101:])
    with capture_logs() as logs, pytest.raises(Refusal) as refused:
        await archiving.cold.leaves(segment, [0])
    assert refused.value.code is codes.ARCHIVE_AWAY
    assert [line["event"] for line in logs if line.get("alarm")] == ["archive.away"]
    path.write_bytes(whole)
    assert await in_archive(archiving, segment) == before


@pytest.mark.requirement("KEP-03")
async def test_a_store_that_gives_back_something_else_seals_nothing(archiving: Archiving, tmp_path: Path) -> None:
    class Liar(Objects):
        async def put(self, name: str, content: bytes | Path) -> None:
            await super().put(name, b"something else")

    segment = await old_day(archiving)
    with capture_logs() as logs:
        await archiving.another(Liar(archiving.objects._store)).tick()
    assert {line["event"] for line in logs if line.get("alarm")} == {"archive.damaged"}
    assert await archiving.states() == {}
    assert segment in await archiving.hot()


async def test_without_its_store_the_archive_says_so(archiving: Archiving, tmp_path: Path) -> None:
    segment = await old_day(archiving)
    await archiving.tick()
    (tmp_path / "archive").rename(tmp_path / "away")
    with pytest.raises(Refusal) as refused:
        await archiving.cold.leaves(segment, [0])
    assert refused.value.code is codes.ARCHIVE_AWAY
    (tmp_path / "away").rename(tmp_path / "archive")
    assert await archiving.cold.leaves(segment, range(100))
