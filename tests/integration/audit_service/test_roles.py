"""What each role may do with the log: append-only is tested by trying."""

import itertools

import asyncpg
import pytest

from audit_service import store
from audit_service.sequencing.store import open_segment
from harness.audit_log import Log
from harness.postgres import Database

pytestmark = pytest.mark.anyio
ROLES = tuple(f"tongdao_audit_{name}" for name in store.ROLES)
WORKING = {
    "lease", "batch", "open_call", "tile", "log_head", "shard", "log_key",  # how far the log has got
    "usage_day", "indexed", "indexed_segment", "sieve",  # made from leaves, can be made again
    "archive", "disposal", "disposal_segment", "hold",  # go through states; what they are about stays
    "subscription", "delivery", "traffic", "judged", "alert", "witness_attempt",  # for the outside
    "monitor", "finding", "watched_writer", "gap",  # what the watch has seen so far
}  # fmt: skip
"""Tables with rows that some role may change. Whatever else is in the schema is kept as it came."""
ARCHIVED = ("segment", "first_index", "last_index", "count", "object", "sha256", "manifest_sha256")
VERBS = ("UPDATE audit.{0} SET {1} = {1}", "DELETE FROM audit.{0}", "TRUNCATE audit.{0}", "DROP TABLE audit.{0}",
         "ALTER TABLE audit.{0} DISABLE TRIGGER ALL",
         "CREATE TRIGGER x BEFORE INSERT ON audit.{0} EXECUTE FUNCTION y()",
         "ALTER TABLE audit.{0} OWNER TO CURRENT_USER", "COPY audit.{0} TO PROGRAM 'true'")  # fmt: skip
TABLES = """
SELECT c.relname, (SELECT attname FROM pg_attribute a WHERE a.attrelid = c.oid AND attnum > 0 ORDER BY attnum LIMIT 1),
       coalesce((SELECT p.inhparent::regclass::text FROM pg_inherits p WHERE p.inhrelid = c.oid), '')
FROM pg_class c WHERE c.relnamespace = 'audit'::regnamespace AND c.relkind IN ('r', 'p')
"""


async def kept(log: Log) -> list[tuple[str, str]]:
    """(table, a column) of everything that is protected, partitions included, as the catalog has them."""
    rows = await log.fetch(TABLES)
    return [(name, column) for name, column, parent in rows if (parent or name).removeprefix("audit.") not in WORKING]


@pytest.mark.requirement("AUD-15")
@pytest.mark.requirement("CD-19-20")
@pytest.mark.parametrize("role", ROLES)
async def test_no_role_can_alter_or_remove_what_is_kept(log: Log, database: Database, role: str) -> None:
    await log.calls(2)
    await log.sequence()
    tables = await kept(log)
    names = {name for name, _ in tables}
    assert {"leaf", "erasable", "record", "entry_index", "checkpoint", "acknowledgement", "cosignature"} <= names
    assert any(name.startswith("leaf_2") for name in names)
    connection = await asyncpg.connect(database.url_of("audit"), server_settings={"role": role})
    for (table, column), verb in itertools.product(tables, VERBS):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(verb.format(table, column))
    for statement in ("SET session_replication_role = replica", "CREATE TABLE audit.x ()", "CREATE SCHEMA x"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.close()
    assert len(await log.leaves()) == 4


@pytest.mark.requirement("AUD-15")
@pytest.mark.requirement("SEQ-03")
async def test_no_role_may_truncate_anything_or_become_more_than_it_is(log: Log) -> None:
    everything = [row[0] for row in await log.fetch(TABLES)]
    for role, table in itertools.product(ROLES, everything):
        [row] = await log.fetch("SELECT has_table_privilege($1, 'audit.' || quote_ident($2), 'TRUNCATE')", role, table)
        assert not row[0], (role, table)
    for role, column in itertools.product(ROLES, ARCHIVED):
        [row] = await log.fetch("SELECT has_column_privilege($1, 'audit.archive', $2, 'UPDATE')", role, column)
        assert not row[0], (role, column)
    powers = await log.fetch(
        """SELECT rolname FROM pg_roles WHERE rolname LIKE 'tongdao_audit%'
           AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)"""
    )
    assert powers == []
    owned = await log.fetch(
        """SELECT relname FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner
           WHERE relnamespace = 'audit'::regnamespace AND rolname LIKE 'tongdao_audit%'"""
    )
    assert owned == []


@pytest.mark.requirement("AUD-15")
async def test_only_the_sequencer_adds_leaves_and_only_it_drops_batches(log: Log, database: Database) -> None:
    for role in (store.INGEST, store.READER, store.KEEPER, store.INDEXER, store.CLERK):
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
            await open_segment(connection, name)
    await store.end(connection)


@pytest.mark.requirement("AUD-15")
async def test_every_function_with_more_rights_looks_for_temporary_names_last(log: Log) -> None:
    """Anybody may make types of his own in pg_temp, which otherwise stand before those of the database."""
    rows = await log.fetch(
        """SELECT oid::regprocedure::text, coalesce(array_to_string(proconfig, '; '), '') FROM pg_proc
           WHERE pronamespace = 'audit'::regnamespace AND prosecdef"""
    )
    assert len(rows) > 10
    assert [name for name, config in rows if "search_path=pg_catalog, pg_temp" not in config.split("; ")] == []


TAKEN = """CREATE FUNCTION pg_temp.evil(x varchar) RETURNS boolean LANGUAGE plpgsql AS $$
           BEGIN RAISE EXCEPTION 'taken over as %', current_user; END $$"""
MINE = ("text", "date", "json", "record", "uuid", "bigint", "bytea", "boolean", "timestamptz")
SAMPLE = {"text": "'20260101-general'", "uuid": "gen_random_uuid()", "bigint": "0", "bytea": "sha256('')"}


@pytest.mark.requirement("AUD-15")
@pytest.mark.parametrize("role", ROLES)
async def test_no_role_becomes_the_owner_by_types_of_its_own(log: Log, database: Database, role: str) -> None:
    """Were it allowed temporary names at all. The first function shows that the attack is one."""
    await log.fetch(f'GRANT TEMP ON DATABASE "{database.name}" TO {role}')
    await log.fetch(
        """CREATE FUNCTION audit.careless() RETURNS void LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog
           AS $$ DECLARE x text := 'x'; BEGIN END $$"""
    )
    functions = await log.fetch(
        """SELECT proname::text, ARRAY(SELECT format_type(one, NULL) FROM unnest(proargtypes) one) FROM pg_proc
           WHERE pronamespace = 'audit'::regnamespace AND prosecdef AND prorettype <> 'trigger'::regtype
             AND has_function_privilege($1, oid, 'EXECUTE') ORDER BY proname""",
        role,
    )
    connection = await asyncpg.connect(database.url_of("audit"), server_settings={"role": role})
    await connection.execute(TAKEN)
    for name in MINE:
        await connection.execute(f'CREATE DOMAIN pg_temp."{name}" AS varchar CHECK (pg_temp.evil(VALUE))')
    taken = []
    for name, types in functions:
        try:
            await connection.execute(f"SELECT audit.{name}({', '.join(SAMPLE[one] for one in types)})")
        except asyncpg.PostgresError as error:
            if "taken over" in str(error):
                taken.append(name)
    await connection.close()
    assert taken == ["careless"]
