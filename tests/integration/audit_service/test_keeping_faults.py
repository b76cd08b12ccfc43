"""A disposal that is broken off, or whose objects will not go, is carried on until it is done."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from structlog.testing import capture_logs

from audit_service.archive import store as archive_sql
from audit_service.archive.objects import Away, Objects
from audit_service.keeping import store as sql
from audit_service.writer import Writer
from harness.audit_archive import Keeping
from harness.audit_office import Office, files, old_days, told

pytestmark = pytest.mark.anyio


@pytest.mark.requirement("KEP-06")
async def test_objects_that_are_locked_are_tried_again_and_alarmed(keeping: Keeping, office: Office) -> None:
    class Locked(Objects):
        async def remove(self, name: str) -> None:
            raise Away(f"PermissionDeniedError at {name}")

    segment, day, _ = await old_days(keeping)
    number = await told(keeping, office, day)
    with capture_logs() as logs:
        await keeping.another_disposing(Locked(keeping.objects._store)).tick()
    assert "disposal.failed" in {line["event"] for line in logs if line.get("alarm")}
    shown = (await office.ask("ana", "GET", f"/disposals/{number}")).json()
    assert (shown["state"], shown["segments"][0]["objects_deleted_at"]) == ("waiting", None)
    assert "PermissionDenied" in shown["segments"][0]["trouble"]
    assert (await keeping.states())[segment] == "disposed"
    await keeping.disposing.tick()
    assert (await office.ask("ana", "GET", f"/disposals/{number}")).json()["state"] == "executed"


@pytest.mark.requirement("KEP-06")
async def test_an_empty_folder_in_the_place_of_the_store_is_not_taken_for_deleted(
    keeping: Keeping, office: Office, tmp_path: Path
) -> None:
    segment, day, _ = await old_days(keeping)
    number = await told(keeping, office, day)
    (tmp_path / "archive").rename(tmp_path / "unmounted")
    (tmp_path / "archive").mkdir()
    await keeping.disposing.tick()
    assert (await office.ask("ana", "GET", f"/disposals/{number}")).json()["state"] == "waiting"
    (tmp_path / "archive").rmdir()
    (tmp_path / "unmounted").rename(tmp_path / "archive")
    await keeping.disposing.tick()
    assert await files(keeping, segment) == []
    assert (await office.ask("ana", "GET", f"/disposals/{number}")).json()["state"] == "executed"


@pytest.mark.requirement("KEP-06")
async def test_what_a_crash_left_goes_too_and_versions_are_waited_for(
    keeping: Keeping, office: Office, tmp_path: Path
) -> None:
    class Versioned(Objects):
        async def remaining(self, prefix: str) -> list[str]:
            return [f"{prefix}/x.parquet (version 1)"]

    segment, day, _ = await old_days(keeping)
    number = await told(keeping, office, day)
    [name] = await files(keeping, segment)
    (tmp_path / "archive" / f"{name}#1").write_bytes(b"half of it")
    await keeping.another_disposing(Versioned(keeping.objects._store, tmp_path / "archive")).tick()
    assert (await office.ask("ana", "GET", f"/disposals/{number}")).json()["state"] == "waiting"
    await keeping.disposing.tick()
    assert (await office.ask("ana", "GET", f"/disposals/{number}")).json()["state"] == "executed"
    assert {path.suffix for path in (tmp_path / "archive" / name).parent.iterdir()} == {".json"}


@pytest.mark.requirement("KEP-06")
async def test_one_who_reads_makes_the_log_wait_once_a_turn(
    keeping: Keeping, office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeping.pass_days(-10)
    await keeping.calls(1, "general")
    await keeping.settle()
    keeping.pass_days(10)
    _, day, _ = await old_days(keeping)
    await told(keeping, office, day)
    tried: list[str] = []

    async def in_the_way(_connection: Any, _number: str, segment: str) -> None:
        tried.append(segment)
        raise asyncpg.LockNotAvailableError

    with monkeypatch.context() as patched:
        patched.setattr(sql, "dispose", in_the_way)
        await keeping.disposing.tick()
    assert len(tried) == 1


class Crash(Exception):
    """The process is gone."""


@pytest.mark.requirement("KEP-06")
@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_crash_at_any_step_of_a_disposal_is_made_good(
    keeping: Keeping, office: Office, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    keeping.pass_days(-400)
    points: list[tuple[Any, str]] = [
        (archive_sql, "close"), (sql, "begin"), (Writer, "write"), (sql, "confirm"), (sql, "dispose"),
        (Objects, "remove"), (sql, "objects_deleted"), (sql, "finish"),
    ]  # fmt: skip
    for owner, name in points:
        segment, day = f"{keeping.today}-general", f"{keeping.clock.at + timedelta(days=1):%Y-%m-%d}"
        await keeping.calls(1, "general")
        await keeping.settle()
        keeping.pass_days(220)
        await keeping.tick()
        number = await office.decided(day)
        real = getattr(owner, name)

        async def faulty(*args: Any, real: Any = real, **more: Any) -> Any:
            if when == "after":
                await real(*args, **more)
            raise Crash

        with monkeypatch.context() as patched:
            patched.setattr(owner, name, faulty)
            crashed = 0
            for _ in range(4):
                try:
                    await keeping.disposing.tick()
                except Crash:
                    crashed += 1
                await keeping.log.sequence()
        assert crashed, name
        await keeping.carry_out()
        assert (await office.ask("ana", "GET", f"/disposals/{number}")).json()["state"] == "executed", name
        assert await files(keeping, segment) == []
        keeping.pass_days(-200)
    assert await keeping.log.check() == []
