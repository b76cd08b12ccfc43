"""What columns may hold: whatever it is, the call ends with an answer or with words."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import closing

import asyncpg
import pytest

from exchange_service.credentials.model import Basic
from exchange_service.providers.provider import Question
from exchange_service.providers.table.provider import TableProvider
from harness.exchange import Running, message, running
from harness.mariadb import MariaDb
from harness.origin import Line, origin
from harness.postgres import Cluster, Database
from relay.egress import Egress
from runtime.errors import Code, Refusal
from wire import codes
from wire.catalog import Engine, Field, Interface, Operation, Table

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("ADP-07")]
ROLE = "value_reader"
READER = Basic(user=ROLE, password="only-for-tests")
ASK = Operation(method="GET", path="", target="")


def interface(engine: Engine, port: int, database: str, relation: str) -> Interface:
    return Interface(
        id=relation, version="v1", provider="gaj", name="", networks=["127.0.0.0/8"], operations=[ASK],
        credential="db", base_url=f"{engine}://127.0.0.1:{port}/{database}", fields=[Field(name="v")],
        adapter=Table(engine=engine, relation=relation),
    )  # fmt: skip


async def told(made: Interface) -> bytes | Code:
    with closing(TableProvider(made, Egress(True, frozenset()), lambda: READER)) as one:
        try:
            answer = await one.ask(Question(operation=ASK), 5)
        except Refusal as refusal:
            return refusal.code
        return await answer.body.read(100_000_000)


BROKEN = codes.PROVIDER_BROKEN_ANSWER
VALUES: dict[str, tuple[str, str | Code]] = {
    "timestamp": ("timestamptz '2024-05-06 07:08:09+00'", '"2024-05-06T15:08:09+08:00"'),
    "without_end": ("timestamptz 'infinity'", '"infinity"'),
    "without_beginning": ("timestamp '-infinity'", '"-infinity"'),
    "date_without_end": ("date 'infinity'", '"9999-12-31"'),
    "last_hours": ("timestamptz '9999-12-31 20:00+00'", '"9999-12-31T20:00:00+00:00"'),
    "first_hours": ("timestamptz '0001-01-01 00:00+00'", '"0001-01-01T08:00:00+08:00"'),
    "far_date": ("date '20000-01-01'", BROKEN),
    "far_time": ("timestamptz '200000-01-01'", BROKEN),
    "before_christ": ("date '0044-03-15 BC'", BROKEN),
    "midnight": ("time '24:00:00'", BROKEN),
    "far_zone": ("timetz '24:00:00+15'", BROKEN),
    "no_number": ("'NaN'::numeric", BROKEN),
    "endless_number": ("'infinity'::float8", BROKEN),
    "range": ("int4range(1, 2)", BROKEN),
    "endless_list": ("array[timestamptz 'infinity', null]", '["infinity",null]'),
}


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    views = [f"CREATE VIEW {name} AS SELECT {value} AS v" for name, (value, _) in VALUES.items()]

    async def run(*statements: str) -> None:
        connection = await asyncpg.connect(lent.url)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    with cluster.lent(("exchange_service", "exchange")) as lent:
        asyncio.run(run(
            f"CREATE ROLE {ROLE} LOGIN PASSWORD '{READER.password}'", *views,
            "CREATE VIEW large AS SELECT repeat('x', 1000000) AS v FROM generate_series(1, 1000)",
            "CREATE TABLE hidden (v int)", "CREATE TABLE other (w int)",
            "CREATE VIEW waiting AS SELECT 1 AS v FROM pg_sleep(60)",
            f"GRANT SELECT ON ALL TABLES IN SCHEMA public TO {ROLE}", f"REVOKE ALL ON hidden FROM {ROLE}",
        ))  # fmt: skip
        yield lent
        asyncio.run(run(f"DROP OWNED BY {ROLE}", f"DROP ROLE {ROLE}"))


def port_of(database: Database) -> int:
    return int(database.url.rpartition(":")[2].partition("/")[0])


def here(database: Database, relation: str) -> Interface:
    return interface("postgresql", port_of(database), database.name, relation)


@pytest.mark.parametrize("name", VALUES)
async def test_what_postgresql_keeps_is_told_or_refused(database: Database, name: str) -> None:
    wanted = VALUES[name][1]
    answer = await told(here(database, name))
    assert answer == (wanted if isinstance(wanted, Code) else f'[{{"v":{wanted}}}]'.encode())


async def test_rows_are_read_no_further_than_they_may_be_answered(database: Database) -> None:
    """A thousand megabytes, of which some tens are read."""
    assert await told(here(database, "large")) is codes.TOO_MANY_ROWS


@pytest.mark.parametrize(
    ("relation", "code", "words"),
    [
        ("nowhere", codes.INTERFACE_UNUSABLE, "no such table"),
        ("hidden", codes.CREDENTIAL_REFUSED, "may not read"),
        ("other", codes.INTERFACE_UNUSABLE, "no such column"),
    ],
)
async def test_what_is_wrong_with_the_table_is_told_in_words(
    database: Database, relation: str, code: Code, words: str
) -> None:
    one = TableProvider(here(database, relation), Egress(True, frozenset()), lambda: READER)
    with closing(one), pytest.raises(Refusal, match=words) as refusal:
        await one.ask(Question(operation=ASK), 5)
    assert refusal.value.code is code


@pytest.fixture
async def exchange(database: Database) -> AsyncIterator[Running]:
    async with running(database) as it:
        it.keychain._credentials["gaj", "db"] = READER
        yield it


async def test_a_statement_that_left_and_lost_its_connection_was_asked(exchange: Running, database: Database) -> None:
    exchange.serve(here(database, "waiting"))
    connection = await asyncpg.connect(database.url)

    async def cut() -> None:
        """Every time that it is asked."""
        while True:
            await connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                f" WHERE usename = '{ROLE}' AND state = 'active' AND query LIKE '%waiting%'"
            )
            await asyncio.sleep(0)

    cutting = asyncio.ensure_future(cut())
    reply, _ = await exchange.ask(message(), key="waiting/v1")
    cutting.cancel()
    connection.terminate()
    assert reply.code == codes.PROVIDER_CUT.name
    assert reply.asked_ms


async def test_of_a_table_no_column_is_missing_that_was_not_granted(exchange: Running, database: Database) -> None:
    exchange.serve(here(database, "timestamp"))
    assert (await exchange.ask(message(), key="timestamp/v1"))[0].status == 200
    assert not exchange.served("timestamp/v1").pulse._drifts


async def test_what_mysql_keeps_is_told_or_refused(mariadb: MariaDb) -> None:
    values = {
        "day": ("date", "'0000-00-00'"), "moment": ("datetime", "'0000-00-00 00:00:00'"),
        "long": ("time", "'838:59:59'"), "bits": ("bit(5)", "b'10101'"), "place": ("point", "point(1,2)"),
        "packed": ("blob", "x'ff'"),
    }  # fmt: skip
    made = [f"CREATE TABLE kept.`{name}` (v {kind})" for name, (kind, _) in values.items()]
    made += [f"INSERT IGNORE INTO kept.`{name}` VALUES ({value})" for name, (_, value) in values.items()]
    user = f"'{ROLE}'@'127.0.0.1'"
    await mariadb.run(
        "CREATE DATABASE kept CHARACTER SET utf8mb4", "SET sql_mode=''", *made,
        f"CREATE USER {user} IDENTIFIED BY '{READER.password}'", f"GRANT SELECT ON kept.* TO {user}",
    )  # fmt: skip
    try:
        for name in values:
            answer = await told(interface("mysql", mariadb.port, "kept", name))
            assert isinstance(answer, bytes) or answer is BROKEN, name
    finally:
        await mariadb.run(f"DROP USER {user}", "DROP DATABASE kept")


GREETINGS = {
    "digits": b"\x02\x00\x00\x00\n5", "http": b"HTTP/1.1 400 Bad\r\n\r\n",
    "bytes": b"\x0c\x00\x00\x00\n8.0.0\x00\x9a\xac/E6",
    "error": b"NE\x00\x00\x00\x10Sabc\x00",
    "login": b"NR\x00\x00\x00\x08\x00\x00\x00\x00Z\x00\x00\x00\x05I" + b"\xff" * 40,
    "version": b"\x06\x00\x00\x00\nx.y\x00\x00",
}  # fmt: skip


@pytest.mark.parametrize("engine", ["postgresql", "mysql"])
@pytest.mark.parametrize("greeting", GREETINGS.values(), ids=GREETINGS)
async def test_a_server_that_speaks_something_else(engine: Engine, greeting: bytes) -> None:
    async def greets(line: Line) -> None:
        await line.say(greeting)

    async with origin(greets) as it:
        answer = await told(interface(engine, it.port, "d", "t"))
    assert answer in (codes.PROVIDER_UNREACHABLE, codes.CREDENTIAL_REFUSED)
