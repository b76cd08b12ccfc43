"""What one of the service's own roles cannot have deleted, alone, with everything that it is granted."""

from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from alembic import command

from audit_service import store
from audit_service.archive import store as archive_sql
from audit_service.keeping import store as sql
from harness.audit_archive import Keeping
from harness.audit_office import Office, files, old_days, told
from harness.postgres import PASSWORD, Cluster, Database
from runtime.migrate import migrate

pytestmark = pytest.mark.anyio
FORGED = (
    "INSERT INTO audit.disposal (id, retention, before, reason, case_no, state, proposed_by, proposed_department, "
    "proposed_at, decided_by, decided_at) "
    "VALUES (gen_random_uuid(), 'general', '2999-01-01', 'x', '', 'approved', 'a', '', now(), 'b', now())"
)
PROPOSED = (
    "INSERT INTO audit.disposal (id, retention, before, reason, case_no, proposed_by, proposed_department, "
    "proposed_at) VALUES (gen_random_uuid(), 'general', '2999-01-01', 'x', '', 'a', '', now()) RETURNING id::text"
)


async def as_clerk(database: Database) -> asyncpg.Connection:
    return await asyncpg.connect(database.url_of("audit"), server_settings={"role": store.CLERK})


@pytest.mark.requirement("KEP-06")
async def test_the_clerk_says_nothing_of_what_others_decide_or_do(keeping: Keeping, database: Database) -> None:
    clerk = await as_clerk(database)
    number = await clerk.fetchval(PROPOSED)
    for statement in (
        FORGED,
        f"INSERT INTO audit.disposal_segment (disposal, segment, executed_at) VALUES ('{number}', 'x', now())",
        f"INSERT INTO audit.disposal_segment (disposal, segment, leaf) VALUES ('{number}', 'x', 0)",
        f"INSERT INTO audit.disposal_segment (disposal, segment, event_id) VALUES ('{number}', 'x', '{number}')",
        "INSERT INTO audit.hold (id, released_by, released_at) VALUES (gen_random_uuid(), 'x', now())",
        "INSERT INTO audit.hold_judgement VALUES (gen_random_uuid(), 'x', false)",
        f"SELECT audit.confirm_approval('{number}')",
        f"SELECT audit.begin_disposal('x', '{number}', 0, 0, 1, sha256(''))",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await clerk.execute(statement)
    await clerk.close()


@pytest.mark.requirement("KEP-06")
async def test_two_names_that_the_clerk_invents_delete_nothing(keeping: Keeping, database: Database) -> None:
    segment, _, _ = await old_days(keeping)
    clerk = await as_clerk(database)
    number = await clerk.fetchval(PROPOSED)
    await clerk.execute("INSERT INTO audit.disposal_segment (disposal, segment) VALUES ($1, $2)", number, segment)
    assert not await sql.decide(clerk, number, "executed", "b", "")
    assert await sql.decide(clerk, number, "approved", "b", "")
    await clerk.close()
    await keeping.carry_out()
    [due] = await sql.dues(keeping.log.database.reader, number)
    assert due.trouble == "no published leaf tells of the approval yet"
    assert await keeping.said("disposal.executed") == []
    for call in (sql.begin(keeping.log.database.archivist, number, segment, archive_sql.Extent(0, 1, 2), b""),
                 sql.dispose(keeping.log.database.archivist, number, segment)):  # fmt: skip
        with pytest.raises(asyncpg.RaiseError, match="no published leaf"):
            await call
    assert (await keeping.states())[segment] == "archived"
    assert len(await files(keeping, segment)) == 1


@pytest.mark.requirement("KEP-06")
async def test_files_go_only_after_the_database_let_go(keeping: Keeping, office: Office) -> None:
    """Even if a row says that it has."""
    segment, day, _ = await old_days(keeping)
    number = await told(keeping, office, day)
    await keeping.log.fetch("UPDATE audit.disposal_segment SET executed_at = now()")
    await keeping.disposing.tick()
    [due] = await sql.dues(keeping.log.database.reader, number)
    assert due.trouble == f"Damaged: {segment} was not disposed of by {number}"
    assert len(await files(keeping, segment)) == 1


@pytest.mark.requirement("KEP-06")
async def test_what_was_decided_is_not_rewritten_nor_added_to(
    keeping: Keeping, office: Office, database: Database
) -> None:
    _, day, _ = await old_days(keeping)
    number = await told(keeping, office, day)
    clerk, reader = await as_clerk(database), keeping.log.database.reader
    decided = await sql.disposal(reader, number)
    with pytest.raises(asyncpg.RaiseError, match="has been decided"):
        await clerk.execute("INSERT INTO audit.disposal_segment (disposal, segment) VALUES ($1, 'x')", number)
    for state in ("approved", "rejected", "proposed", "executed"):
        assert not await clerk.fetchval("SELECT audit.decide_disposal($1, $2, 'x', '')", number, state)
    assert await sql.disposal(reader, number) == decided
    await keeping.carry_out()
    assert not await sql.decide(clerk, number, "rejected", "x", "")
    placed = (await office.ask("cy", "POST", "/holds", {"party": "民政局", "reason": "诉讼"})).json()["id"]
    assert [await sql.release(clerk, placed, who, "") for who in ("cy", "di", "x")] == [False, True, False]
    assert [hold.released_by for hold in await sql.holds(reader)] == ["di"]
    await clerk.close()


@pytest.mark.requirement("KEP-06")
async def test_what_the_owner_of_the_tables_forges_fsck_names(keeping: Keeping, database: Database) -> None:
    segment, _, _ = await old_days(keeping)
    clerk = await as_clerk(database)
    number = await clerk.fetchval(PROPOSED)
    await clerk.execute("INSERT INTO audit.disposal_segment (disposal, segment) VALUES ($1, $2)", number, segment)
    await clerk.close()
    await keeping.log.fetch("UPDATE audit.disposal SET state = 'approved', decided_by = 'b', approval_leaf = 0")
    await keeping.carry_out()
    assert (await keeping.states())[segment] == "disposed"
    [finding] = await keeping.log.check()
    assert finding.startswith(f"segment {segment}: is gone, and no leaf before says that ")


# --- before events had classes of their own -------------------------------------------------------------------------
@pytest.mark.requirement("KEP-07")
async def test_a_general_day_with_grants_among_it_is_kept_for_three_years(keeping: Keeping, office: Office) -> None:
    segment, day, _ = await old_days(keeping)
    await keeping.log.fetch("INSERT INTO audit.mixed_segment VALUES ($1)", segment)
    answer = await office.propose("ana", day)
    assert answer.status_code == 404, answer.text
    items = {item["segment"]: item for item in (await office.ask("ana", "GET", "/archive")).json()["items"]}
    assert items[segment]["kept_until"] == str(keeping.periods.kept_until(segment.replace("general", "personal")))
    with pytest.raises(asyncpg.RaiseError, match="has to be kept"):
        await keeping.log.database.archivist.execute("SELECT audit.dispose_segment($1, gen_random_uuid())", segment)


@pytest.mark.requirement("KEP-06")
async def test_a_day_that_turns_out_to_be_kept_longer_is_not_disposed_of(keeping: Keeping, office: Office) -> None:
    segment, day, _ = await old_days(keeping)
    number = await office.decided(day)
    await keeping.log.fetch("INSERT INTO audit.mixed_segment VALUES ($1)", segment)
    await keeping.carry_out()
    [due] = await sql.dues(keeping.log.database.reader, number)
    assert due.trouble.startswith("kept until ")
    assert (await keeping.states())[segment] == "archived"


@pytest.fixture
def empty(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent() as lent:
        yield lent


@pytest.mark.requirement("KEP-07")
async def test_a_log_from_before_is_brought_up_to_date(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    upgrade = command.upgrade

    def to_the_first(config: Any, _head: str) -> None:
        upgrade(config, "0001")

    with monkeypatch.context() as patched:
        patched.setattr(command, "upgrade", to_the_first)
        await migrate(empty.url, "audit_service", "audit", PASSWORD)
    connection = await asyncpg.connect(empty.url)
    old = [("20260101-general", "outcome"), ("20260102-general", "event"), ("20260102-general", "denied"),
           ("20260103-personal", "event")]  # fmt: skip
    for index, (segment, kind) in enumerate(old):
        await connection.execute("SELECT audit.open_segment($1)", segment)
        await connection.execute(
            "INSERT INTO audit.entry_index VALUES ($1, gen_random_uuid(), $2, $3)", index, segment, kind
        )
    await migrate(empty.url, "audit_service", "audit", PASSWORD)
    assert await archive_sql.mixed(connection) == {"20260102-general"}
    await connection.close()
