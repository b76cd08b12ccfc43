"""What the database itself refuses, whoever asks: letting go too early, alone, unsaid or of what is held."""

import asyncpg
import pytest

from audit_service import store
from audit_service.keeping import store as sql
from harness.audit_archive import Keeping, days_ago
from harness.audit_office import Office, old_days
from harness.postgres import Database

pytestmark = pytest.mark.anyio


@pytest.mark.requirement("KEP-07")
async def test_no_role_can_have_the_database_let_go_too_early(keeping: Keeping, database: Database) -> None:
    """Also with a disposal that says that two people approved it: the floor is the database's own."""
    keeping.clock.at = days_ago(1200)
    made = ("general", 188), ("general", 184), ("personal", 1000), ("permanent", 1190), ("personal", 1110)
    wanted: dict[str, bool] = {}
    for retention, days in sorted(made, key=lambda one: -one[1]):
        keeping.clock.at = days_ago(days)
        if retention == "permanent":
            await keeping.log.fetch("SELECT audit.make_partitions($1)", f"{keeping.today}-permanent")
        else:
            await keeping.calls(1, retention)
        await keeping.settle()
        wanted[f"{keeping.today}-{retention}"] = (retention, days) in {("general", 188), ("personal", 1110)}
    keeping.clock.at = days_ago(0)
    for role in (store.INGEST, store.SEQUENCER, store.READER, store.KEEPER, store.INDEXER, store.CLERK):
        connection = await asyncpg.connect(database.url_of("audit"), server_settings={"role": role})
        for function in ("dispose_segment($1, gen_random_uuid())", "retire_segment($1)"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(f"SELECT audit.{function}", next(iter(wanted)))  # constants
        await connection.close()
    for segment, is_due in wanted.items():
        with pytest.raises(asyncpg.RaiseError) as refused:
            await keeping.log.database.archivist.execute("SELECT audit.dispose_segment($1, gen_random_uuid())", segment)
        assert ("has to be kept" in str(refused.value)) is not is_due, segment


ROLES = (store.INGEST, store.SEQUENCER, store.READER, store.KEEPER, store.INDEXER, store.ARCHIVIST, store.CLERK)


TRIED = (
    "UPDATE audit.archive SET {}", "DELETE FROM audit.archive", "TRUNCATE audit.archive", "DROP TABLE audit.archive",
    "UPDATE audit.disposal SET proposed_by = 'x'", "UPDATE audit.disposal SET before = now()",
    "DELETE FROM audit.disposal", "UPDATE audit.disposal_segment SET segment = 'x'",
    "DELETE FROM audit.disposal_segment", "UPDATE audit.disposal_segment SET leaf = 1",
    "UPDATE audit.disposal_segment SET executed_at = now()", "UPDATE audit.hold SET party = 'x'",
    "DELETE FROM audit.hold", "UPDATE audit.hold_judgement SET held = false", "DELETE FROM audit.hold_judgement",
    "DELETE FROM audit.leaf", "UPDATE audit.leaf SET body = body", "UPDATE audit.record SET case_no = ''",
    "DELETE FROM audit.record", "DELETE FROM audit.erasable", "DELETE FROM audit.entry_index",
    "DROP TABLE audit.leaf_{}", "ALTER TABLE audit.leaf DETACH PARTITION audit.leaf_{}",
    "UPDATE audit.disposal SET state = 'approved', decided_by = 'x'", "UPDATE audit.disposal SET approval_leaf = 1",
    "UPDATE audit.disposal_segment SET count = 1", "UPDATE audit.hold SET released_by = 'x', released_at = now()",
    "INSERT INTO audit.mixed_segment VALUES ('x')", "DELETE FROM audit.mixed_segment",
    "SELECT audit.drop_partitions('{}')", "SELECT audit.make_partitions('20260101-general')",
)  # fmt: skip


@pytest.mark.requirement("KEP-07")
async def test_no_role_can_change_what_was_archived_or_decided(
    keeping: Keeping, office: Office, database: Database
) -> None:
    segment, day, _ = await old_days(keeping)
    await office.propose("ana", day)
    await office.ask("cy", "POST", "/holds", {"party": "民政局", "reason": "诉讼"})
    columns = ("sha256 = sha256", "object = ''", "state = 'archived'", "root = root", "manifest_leaf = 1", "count = 1")
    hot = (await keeping.hot())[-1].replace("-", "_")
    for role in (
        store.INGEST,
        store.SEQUENCER,
        store.READER,
        store.KEEPER,
        store.INDEXER,
        store.ARCHIVIST,
        store.CLERK,
    ):
        connection = await asyncpg.connect(database.url_of("audit"), server_settings={"role": role})
        for statement in (*(TRIED[0].format(column) for column in columns), *(one.format(hot) for one in TRIED[1:])):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        await connection.close()
    assert (await keeping.states())[segment] == "archived"


@pytest.mark.requirement("KEP-07")
async def test_the_database_wants_two_people_a_leaf_and_every_hold_judged(keeping: Keeping, office: Office) -> None:
    segment, day, _ = await old_days(keeping)
    number = (await office.propose("ana", day)).json()["id"]
    archivist = keeping.log.database.archivist
    with pytest.raises(asyncpg.RaiseError, match="by two people"):
        await sql.dispose(archivist, number, segment)
    await office.ask("bo", "POST", f"/disposals/{number}/approve")
    with pytest.raises(asyncpg.RaiseError, match="no published leaf is known to tell of the approval"):
        await sql.dispose(archivist, number, segment)
    await keeping.settle()
    assert await sql.confirm_approval(archivist, number)
    with pytest.raises(asyncpg.RaiseError, match="no published leaf is known to tell of the disposal"):
        await sql.dispose(archivist, number, segment)
    await keeping.disposing.tick()
    await keeping.settle()
    assert await sql.confirm(archivist, number, segment)
    placed = await office.ask("cy", "POST", "/holds", {"case": "不相干", "reason": "诉讼"})
    with pytest.raises(asyncpg.RaiseError, match="has not been judged"):
        await sql.dispose(archivist, number, segment)
    await keeping.disposing.tick()
    assert (await keeping.states())[segment] == "disposed"
    assert placed.status_code == 201
    with pytest.raises(asyncpg.RaiseError, match="by two people"):  # once, not for ever
        await sql.dispose(archivist, number, segment)
