"""What each role may do with the log: append-only is tested by trying."""

import itertools

import asyncpg
import pytest

from audit_service import store
from harness.audit_log import Log
from harness.postgres import Database

pytestmark = pytest.mark.anyio
ROLES = (store.INGEST, store.SEQUENCER, store.READER, store.KEEPER)
KEPT = ("leaf", "erasable", "entry_index", "checkpoint", "acknowledgement")
VERBS = ("UPDATE audit.{0} SET {1} = {1}", "DELETE FROM audit.{0}", "TRUNCATE audit.{0}", "DROP TABLE audit.{0}",
         "ALTER TABLE audit.{0} DISABLE TRIGGER ALL")  # fmt: skip
COLUMN = {"leaf": "body", "erasable": "body", "entry_index": "kind", "checkpoint": "note", "acknowledgement": "sha256"}


@pytest.mark.requirement("AUD-15")
@pytest.mark.requirement("CD-19-20")
async def test_no_role_can_alter_or_remove_what_is_kept(log: Log, database: Database) -> None:
    await log.calls(2)
    await log.sequence()
    partitions = await log.fetch(
        "SELECT inhrelid::regclass::text FROM pg_inherits WHERE inhparent = 'audit.leaf'::regclass"
    )
    tables = [
        *((name, COLUMN[name]) for name in KEPT),
        *((row[0].removeprefix("audit."), "body") for row in partitions),
    ]
    assert len(tables) > len(KEPT)
    for role in ROLES:
        connection = await asyncpg.connect(database.url_of("audit"), server_settings={"role": role})
        for (table, column), verb in itertools.product(tables, VERBS):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(verb.format(table, column))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("SET session_replication_role = replica")
        await connection.close()
    assert len(await log.leaves()) == 4


@pytest.mark.requirement("AUD-15")
async def test_only_the_sequencer_adds_leaves_and_only_it_drops_batches(log: Log, database: Database) -> None:
    for role in (store.INGEST, store.READER, store.KEEPER):
        connection = await asyncpg.connect(database.url_of("audit"), server_settings={"role": role})
        for statement in (
            "INSERT INTO audit.leaf VALUES ('20261122-general', 0, 'x', now())",
            "SELECT audit.open_segment('20261122-general')",
            "DELETE FROM audit.batch",
            "UPDATE audit.log_head SET size = 0",
            "UPDATE audit.tile SET hashes = hashes",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
        await connection.close()


@pytest.mark.requirement("AUD-15")
async def test_the_log_in_role_itself_may_do_nothing(log: Log, database: Database) -> None:
    connection = await asyncpg.connect(database.url_of("audit"))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("SELECT FROM audit.leaf")
    await connection.close()


async def test_the_sequencer_cannot_make_tables_of_other_names(log: Log) -> None:
    connection = await log.database.sequencer()
    for name in ("x", "20261122-", "20261122-General", '20261122-a"; DROP TABLE audit.leaf'):
        with pytest.raises(asyncpg.RaiseError):
            await store.open_segment(connection, name)
    await store.end(connection)
