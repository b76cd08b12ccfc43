"""Stands that are a table: the same rows in PostgreSQL and in MariaDB."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from urllib.parse import quote

import asyncpg
import pytest

from conformance.stand import Fact, Stand
from exchange_service.credentials.model import Basic
from exchange_service.providers.provider import Question
from harness.mariadb import MariaDb
from harness.postgres import Cluster
from wire.catalog import Engine, Field, Filter, Interface, Operation, Table

ASK = Operation(method="GET", path="", target="")
READER = Basic(user="reader", password="only-for-tests")
FIELDS = ("id_card", "name", "born", "height", "seen", "alive", "note")
FILTERS = [
    Filter(parameter="id_card", column="id_card", required=False),
    Filter(parameter="called", column="name", op="prefix", required=False),
    Filter(parameter="born_from", column="born", op="ge", kind="date", required=False),
    Filter(parameter="seen_until", column="seen", op="le", kind="timestamp", required=False),
    Filter(parameter="taller", column="height", op="ge", kind="decimal", required=False),
    Filter(parameter="alive", column="alive", kind="boolean", required=False),
    Filter(parameter="age", column="age", kind="integer", required=False),
]
ZHANG = {
    "id_card": "11010519491231002X", "name": "张三", "born": "1949-12-31", "height": 1.80,
    "seen": "2026-11-22T08:30:00.500000+08:00", "alive": True, "note": None,
}  # fmt: skip
LI = {
    "id_card": "440524188001010014", "name": "李四%_!", "born": "1980-01-01", "height": 12345678901234567890.10,
    "seen": "2026-11-22T23:59:59+08:00", "alive": False, "note": "a\"b\\c\n'",
}  # fmt: skip
TIMES = {
    "2026-11-22T08:30:00.500000+08:00": "2026-11-22 08:30:00.5",
    "2026-11-22T23:59:59+08:00": "2026-11-22 23:59:59",
}


def interface(
    engine: Engine, port: int, database: str, *, relation: str = "person", most_rows: int = 1000
) -> Interface:
    """The table `person`; its column `full name` is the field `name`."""
    filters = [
        one if one.column != "name" else Filter(parameter="called", column="full name", op="prefix", required=False)
        for one in FILTERS
    ]
    return Interface(
        id="gaj-person", version="v1", provider="gaj", name="人口", base_url=f"{engine}://127.0.0.1:{port}/{database}",
        networks=["127.0.0.0/8"], operations=[ASK], fields=[Field(name=name) for name in FIELDS], credential="db",
        adapter=Table(
            engine=engine, relation=relation, filters=filters, columns={"name": "full name"}, order=["id_card"],
            most_rows=most_rows,
        ),
    )  # fmt: skip


def asked(fields: tuple[str, ...] = ("*",), **parameters: str) -> Question:
    query = "&".join(f"{name}={quote(value, safe='')}" for name, value in parameters.items())
    return Question(operation=ASK, query=query, fields=fields)


def _stand(at: Callable[[int], Interface], port: int, told: Callable[[dict[str, object]], dict[str, object]]) -> Stand:
    zhang, li = told(ZHANG), told(LI)
    return Stand(
        interface=at(port), at=at, credential=READER,
        facts=[
            Fact(asked(id_card="11010519491231002X"), [zhang]),
            Fact(asked(called="李四%_"), [li]),
            Fact(asked(called="李四_"), []),
            Fact(asked(born_from="1950-01-01"), [li]),
            Fact(asked(seen_until="2026-11-22T00:30:01Z"), [zhang]),
            Fact(asked(taller="12345678901234567890.10"), [li]),
            Fact(asked(alive="true", age="76"), [zhang]),
            Fact(asked(), [zhang, li]),
            Fact(asked(limit="1", offset="1"), [li]),
        ],
        narrow=Fact(asked(("name", "secret", "age"), id_card="11010519491231002X"), [{"name": "张三"}]),
        hostile=lambda value: asked(id_card=value), echo=lambda _: (200, []),
    )  # fmt: skip


@contextmanager
def postgresql(request: pytest.FixtureRequest, engine: Engine = "postgresql") -> Iterator[Stand]:
    cluster: Cluster = request.getfixturevalue("cluster")
    with cluster.lent() as database:
        port = int(database.url.rpartition(":")[2].partition("/")[0])
        asyncio.run(_fill(database.url))
        yield _stand(lambda there: interface(engine, there, database.name), port, dict)
        asyncio.run(_clear(database.url))


def kingbase(request: pytest.FixtureRequest) -> AbstractContextManager[Stand]:
    """人大金仓's driver, where it is installed, against PostgreSQL: its own server cannot be had here."""
    return postgresql(request, "kingbase")


async def _fill(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute(
        'CREATE TABLE person (id_card text PRIMARY KEY, "full name" text, born date, height numeric, seen timestamptz,'
        " alive boolean, note text, age int, secret text DEFAULT 'never')"
    )
    await connection.execute(f"CREATE ROLE reader LOGIN PASSWORD '{READER.password}'")
    await connection.execute("GRANT SELECT, INSERT, UPDATE ON person TO reader")
    for row, age in ((ZHANG, 76), (LI, 46)):
        await connection.execute(
            "INSERT INTO person VALUES ($1, $2, $3::text::date, $4::text::numeric, $5::text::timestamptz, $6, $7, $8)",
            row["id_card"], row["name"], row["born"], HEIGHTS[str(row["id_card"])], row["seen"], row["alive"],
            row["note"], age,
        )  # fmt: skip
    await connection.close()


async def _clear(url: str) -> None:
    connection = await asyncpg.connect(url)
    await connection.execute("DROP OWNED BY reader; DROP ROLE reader")
    await connection.close()


HEIGHTS = {"11010519491231002X": "1.80", "440524188001010014": "12345678901234567890.10"}


@contextmanager
def mysql(request: pytest.FixtureRequest) -> Iterator[Stand]:
    server: MariaDb = request.getfixturevalue("mariadb")
    asyncio.run(
        server.run(
            "CREATE DATABASE city CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
            "CREATE TABLE city.person (id_card varchar(40) PRIMARY KEY, `full name` varchar(100), born date,"
            " height decimal(30,2), seen datetime(6), alive tinyint(1), note text, age int,"
            " secret text DEFAULT 'never')",
            f"CREATE USER 'reader'@'127.0.0.1' IDENTIFIED BY '{READER.password}'",
            "GRANT SELECT, INSERT, UPDATE ON city.* TO 'reader'@'127.0.0.1'",
            *(_insert(row, age) for row, age in ((ZHANG, 76), (LI, 46))),
        )
    )
    yield _stand(lambda there: interface("mysql", there, "city"), server.port, _as_mysql)
    asyncio.run(server.run("DROP USER 'reader'@'127.0.0.1'", "DROP DATABASE city"))


def _insert(row: dict[str, object], age: int) -> str:
    note = "NULL" if row["note"] is None else "x'" + str(row["note"]).encode().hex() + "'"
    return (
        f"INSERT INTO city.person VALUES ('{row['id_card']}', '{row['name']}', '{row['born']}',"
        f" {HEIGHTS[str(row['id_card'])]}, '{TIMES[str(row['seen'])]}', {int(bool(row['alive']))}, {note}, {age},"
        " 'never')"
    )


def _as_mysql(row: dict[str, object]) -> dict[str, object]:
    """MySQL has no booleans and no zones in its DATETIME."""
    return {**row, "seen": str(row["seen"]).removesuffix("+08:00"), "alive": int(bool(row["alive"]))}
