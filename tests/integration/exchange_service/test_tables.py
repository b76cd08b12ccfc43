"""Tables in PostgreSQL and in MariaDB: limits, read-only, what is wrong with a login or a registration."""

import asyncio
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import asyncpg
import msgspec
import pytest

from exchange_service.credentials.model import ApiKey, Basic, Credential
from exchange_service.providers.provider import Question
from exchange_service.providers.table.provider import TableProvider
from harness.mariadb import MariaDb
from harness.postgres import Cluster
from relay.egress import Egress
from runtime.errors import Code, Refusal
from wire import codes
from wire.catalog import Engine, Field, Filter, Interface, Operation, Table

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("ADP-07")]
READER = Basic(user="table_reader", password="only-for-tests")
ASK = Operation(method="GET", path="", target="")


@dataclass
class Place:
    """A database with a table `row` of ten rows, `n` from 1 to 10, `code` a text of each."""

    engine: Engine
    port: int
    database: str
    run: Any

    def interface(self, relation: str = "row", *filters: Filter, **changes: Any) -> Interface:
        adapter = Table(
            engine=self.engine, relation=relation, order=["n"], most_rows=5,
            filters=list(filters) or [Filter(parameter="from", column="n", op="ge", kind="integer", required=False)],
        )  # fmt: skip
        made = Interface(
            id="a", version="v1", provider="gaj", name="", networks=["127.0.0.0/8"], operations=[ASK], credential="db",
            base_url=f"{self.engine}://127.0.0.1:{self.port}/{self.database}", adapter=adapter,
            fields=[Field(name="n"), Field(name="code"), Field(name="price")],
        )  # fmt: skip
        return msgspec.structs.replace(made, **changes)


@pytest.fixture(params=["postgresql", "mysql"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "postgresql":
        yield from _postgresql(request.getfixturevalue("cluster"))
    else:
        yield from _mysql(request.getfixturevalue("mariadb"))


ROWS = ", ".join(f"({n}, 'c{n}', 1234567890123456789.{n:02d})" for n in range(1, 11))
TABLES = (
    "CREATE TABLE {row} (n int PRIMARY KEY, code varchar(20), price decimal(25,2))",
    f"INSERT INTO {{row}} VALUES {ROWS}",
)


def _postgresql(cluster: Cluster) -> Iterator[Place]:
    with cluster.lent() as database:

        async def run(*statements: str) -> None:
            connection = await asyncpg.connect(database.url)
            for statement in statements:
                await connection.execute(statement)
            await connection.close()

        slow = (
            "CREATE FUNCTION slow() RETURNS int LANGUAGE sql AS 'SELECT 1 FROM pg_sleep(60)'",
            "CREATE VIEW slow AS SELECT slow() AS n, ''::text AS code, 0::numeric AS price",
            "CREATE FUNCTION writes() RETURNS int LANGUAGE sql VOLATILE SECURITY DEFINER AS"
            " 'INSERT INTO \"row\" VALUES (99, NULL, NULL) RETURNING n'",
            "CREATE VIEW writing AS SELECT writes() AS n, ''::text AS code, 0::numeric AS price",
        )
        made = [text.format(row='"row"') for text in TABLES]
        login = (
            f"CREATE ROLE table_reader LOGIN PASSWORD '{READER.password}'",
            "GRANT ALL ON ALL TABLES IN SCHEMA public TO table_reader",
        )
        asyncio.run(run(*made, *slow, *login, "CREATE TABLE secrets (n int, code text, price numeric)"))
        yield Place("postgresql", int(database.url.rpartition(":")[2].partition("/")[0]), database.name, run)
        asyncio.run(run("DROP OWNED BY table_reader", "DROP ROLE table_reader"))


def _mysql(server: MariaDb) -> Iterator[Place]:
    made = [text.format(row="shop.`row`") for text in TABLES]
    slow = (
        "CREATE VIEW shop.slow AS SELECT sleep(60) AS n, '' AS code, 0 AS price",
        "CREATE FUNCTION shop.writes() RETURNS int MODIFIES SQL DATA"
        " BEGIN INSERT INTO shop.`row` VALUES (99, NULL, NULL); RETURN 1; END",
        "CREATE VIEW shop.writing AS SELECT shop.writes() AS n, '' AS code, 0 AS price",
        "CREATE TABLE shop.secrets (n int, code text, price decimal)",
    )
    user = "'table_reader'@'127.0.0.1'"
    rights = [f"GRANT ALL ON shop.`{one}` TO {user}" for one in ("row", "slow", "writing")]
    create = f"CREATE USER {user} IDENTIFIED BY '{READER.password}'"
    asyncio.run(server.run("CREATE DATABASE shop CHARACTER SET utf8mb4", *made, *slow, create, *rights))
    yield Place("mysql", server.port, "shop", server.run)
    asyncio.run(server.run(f"DROP USER {user}", "DROP DATABASE shop"))


def provider(interface: Interface, *credentials: Credential | None) -> TableProvider:
    """Each look at the credential gives the next of these, the last again and again."""
    left = list(credentials or (READER,))
    return TableProvider(interface, Egress(True, frozenset()), lambda: left.pop(0) if len(left) > 1 else left[0])


async def asked(one: TableProvider, query: str = "", timeout_s: float = 10) -> bytes:
    answer = await one.ask(Question(operation=ASK, query=query), timeout_s)
    return await answer.body.read(10_000_000)


async def refused(one: TableProvider, query: str = "", timeout_s: float = 10) -> Code:
    with closing(one), pytest.raises(Refusal) as refusal:
        await asked(one, query, timeout_s)
    return refusal.value.code


async def test_more_rows_than_registered_are_refused_and_pages_are_not(place: Place) -> None:
    with closing(provider(place.interface())) as one:
        with pytest.raises(Refusal) as too_many:
            await asked(one)
        assert too_many.value.code is codes.TOO_MANY_ROWS
        assert len(msgspec.json.decode(await asked(one, "from=6"))) == 5
        pages = [msgspec.json.decode(await asked(one, f"limit=4&offset={offset}")) for offset in (0, 4, 8, 12)]
        assert [[row["n"] for row in page] for page in pages] == [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10], []]


async def test_a_decimal_comes_as_it_is_kept(place: Place) -> None:
    with closing(provider(place.interface())) as one:
        assert await asked(one, "from=10") == b'[{"n":10,"code":"c10","price":1234567890123456789.10}]'


async def test_a_statement_that_takes_too_long_is_ended(place: Place) -> None:
    with closing(provider(place.interface("slow"))) as one:
        for _ in range(2):
            with pytest.raises(Refusal) as late:
                await asked(one, "", 0.1)
            assert late.value.code is codes.PROVIDER_TIMEOUT


async def test_reading_cannot_write(place: Place) -> None:
    assert await refused(provider(place.interface("writing"))) is codes.PROVIDER_BROKEN_ANSWER
    with closing(provider(place.interface())) as one:
        assert b"99" not in await asked(one, "limit=5&offset=9")


@pytest.mark.parametrize(
    ("login", "code"),
    [
        pytest.param(Basic(user="table_reader", password="wrong"), codes.CREDENTIAL_REFUSED, id="password"),
        pytest.param(Basic(user="nobody", password="x"), codes.CREDENTIAL_REFUSED, id="user"),
        pytest.param(ApiKey(value="x"), codes.CREDENTIAL_REFUSED, id="kind"),
        pytest.param(None, codes.CREDENTIAL_MISSING, id="none"),
    ],
)
async def test_a_login_that_is_not_taken(place: Place, login: Credential | None, code: Code) -> None:
    assert await refused(provider(place.interface(), login), "from=10") is code


async def test_a_login_that_was_renewed_is_taken(place: Place) -> None:
    old = Basic(user="table_reader", password="before")
    with closing(provider(place.interface(), old, READER)) as one:
        assert await asked(one, "from=10")


@pytest.mark.parametrize(
    ("relation", "filters", "query"),
    [
        ("nothing", [], ""), ("row", [Filter(parameter="x", column="gone")], "x=1"),
        ("row", [Filter(parameter="x", column="code", kind="integer")], "x=0"),
        ("row", [Filter(parameter="x", column="n", kind="text")], "x=abc"),
        ("row", [Filter(parameter="x", column="n", kind="date")], "x=2026-01-01"),
    ],
    ids=["relation", "column", "number-for-text", "text-for-number", "date-for-number"],
)  # fmt: skip
async def test_a_registration_that_does_not_fit_the_database(
    place: Place, relation: str, filters: list[Filter], query: str
) -> None:
    """MySQL would find every text equal to 0: a kind that is not its column's is never compared."""
    code = await refused(provider(place.interface(relation, *filters)), query)
    if relation == "nothing" and place.engine == "mysql":
        assert code is codes.CREDENTIAL_REFUSED  # it does not tell whether there is one
    else:
        assert code is codes.INTERFACE_UNUSABLE


async def test_a_number_that_the_column_cannot_hold_is_the_consumers(place: Place) -> None:
    with closing(provider(place.interface())) as one:
        try:
            assert await asked(one, "from=9999999999") == b"[]"  # MySQL just finds none
        except Refusal as refusal:
            assert refusal.code is codes.NOT_MATCHING_SCHEMA  # noqa: PT017


async def test_what_the_login_may_not_read_is_not_read(place: Place) -> None:
    assert await refused(provider(place.interface("secrets"))) is codes.CREDENTIAL_REFUSED


async def test_a_database_that_is_not_there(place: Place) -> None:
    address = place.interface().base_url.rpartition("/")[0] + "/nowhere"
    code = await refused(provider(place.interface(base_url=address)))
    assert code in (codes.INTERFACE_UNUSABLE, codes.CREDENTIAL_REFUSED)


async def test_a_kept_session_that_has_ended_is_replaced(place: Place) -> None:
    with closing(provider(place.interface())) as one:
        await asked(one, "from=10")
        if place.engine == "postgresql":
            await place.run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'table_reader'")
        else:
            await place.run("KILL USER 'table_reader'@'127.0.0.1'")
        assert await asked(one, "from=10")


async def test_sessions_are_kept_and_no_more_than_the_provider_takes(place: Place) -> None:
    with closing(provider(place.interface(max_in_flight=3))) as one:
        answers = await asyncio.gather(*(asked(one, "from=10") for _ in range(20)))
        assert len(set(answers)) == 1
        assert len(one._idle) <= 3
