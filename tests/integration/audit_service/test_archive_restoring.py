"""A day comes back whole or not at all, the log goes on meanwhile, and the archive's role can write into no other."""

from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from audit_service import store
from audit_service.archive import store as sql
from audit_service.archive.rows import Row
from harness.audit_archive import Archiving, in_archive, in_database, old_day

pytestmark = pytest.mark.anyio


@pytest.mark.requirement("KEP-04")
async def test_a_new_day_can_begin_while_an_old_one_comes_back(
    archiving: Archiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await old_day(archiving)
    before = await in_database(archiving, segment)
    await archiving.tick()
    await sql.ask_restore(archiving.log.database.clerk, segment, archiving.clock.at)
    real, seen = sql.put_back, []

    async def slow(tx: Any, name: str, page: Sequence[Row]) -> None:
        await real(tx, name, page)
        sequencer = await archiving.log.database.sequencer()
        await sequencer.execute("SET lock_timeout = '1s'")
        await sequencer.execute("SELECT audit.open_segment('29990101-general')")
        await store.end(sequencer)
        seen.append(await in_archive(archiving, segment))  # until it is all back it is read where it was

    monkeypatch.setattr(sql, "put_back", slow)
    await archiving.archive.tick()
    assert seen == [before]
    assert "29990101-general" in await archiving.hot()
    assert (await archiving.states())[segment] == "restored"
    assert await in_database(archiving, segment) == before


@pytest.mark.requirement("KEP-04")
async def test_a_restore_that_breaks_off_leaves_the_day_in_the_archive_and_is_repeated(
    archiving: Archiving, monkeypatch: pytest.MonkeyPatch
) -> None:
    segment = await old_day(archiving)
    before = await in_database(archiving, segment)
    await archiving.tick()
    await sql.ask_restore(archiving.log.database.clerk, segment, archiving.clock.at)

    async def broken(tx: Any, name: str) -> None:
        raise OSError(28, f"No space left on device for {name}")

    with monkeypatch.context() as patched:
        patched.setattr(sql, "restored", broken)
        await archiving.archive.tick()
    assert (await archiving.states())[segment] == "archived"
    assert await in_archive(archiving, segment) == before
    assert await archiving.log.check() == []
    await archiving.archive.tick()
    assert (await archiving.states())[segment] == "restored"
    assert await in_database(archiving, segment) == before


@pytest.mark.requirement("KEP-04")
async def test_the_role_cannot_say_that_an_empty_day_is_back(archiving: Archiving) -> None:
    segment = await old_day(archiving)
    await archiving.tick()
    async with archiving.log.database.archivist.acquire() as connection:
        await sql.reopen(connection, segment)
        with pytest.raises(asyncpg.RaiseError, match="other leaves"):
            await sql.restored(connection, segment)
    assert (await archiving.states())[segment] == "archived"


@pytest.mark.requirement("KEP-04")
async def test_the_role_writes_only_into_a_day_that_is_coming_back(archiving: Archiving) -> None:
    segment = await old_day(archiving)
    await archiving.tick()
    today = next(name for name in await archiving.hot() if name.endswith("permanent"))
    await sql.ask_restore(archiving.log.database.clerk, segment, archiving.clock.at)
    await archiving.archive.tick()
    async with archiving.log.database.archivist.acquire() as connection:
        for table in ("leaf", f"leaf_{today.replace('-', '_')}", f"leaf_{segment.replace('-', '_')}"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(
                    f"INSERT INTO audit.{table} (segment, leaf_index, body, sequenced_at) VALUES ($1, 9999, '', now())",
                    today,
                )
        for table in ("erasable", "record"):
            assert not await connection.fetchval("SELECT has_table_privilege($1, 'INSERT')", f"audit.{table}")
