"""What a table is asked: registered names, bound values, and nothing else."""

import datetime
import re
import uuid
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_service.contract.model import BadContract
from exchange_service.providers.table.model import Dialect, Plan, encode_row
from exchange_service.providers.table.provider import TableProvider, driver_of
from relay.egress import Egress
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Field, Filter, Interface, Operation, Table

DOLLAR = Dialect(mark=lambda n: f"${n}")
ORACLE = Dialect(mark=lambda n: f":{n}", fetch=True)
FORMAT = Dialect(mark=lambda _: "%s", quote="`", percent=True)


def table(**changes: Any) -> Table:
    return msgspec.structs.replace(
        Table(
            engine="postgresql", relation="city.person", columns={"name": "full name"}, order=["id"],
            filters=[
                Filter(parameter="id", column="id"),
                Filter(parameter="from", column="born", op="ge", kind="date", required=False),
                Filter(parameter="called", column="full name", op="prefix", required=False),
                Filter(parameter="n", column="n", kind="integer", required=False),
            ],
        ),
        **changes,
    )  # fmt: skip


def interface(adapter: Table, **changes: Any) -> Interface:
    made = Interface(
        id="a", version="v1", provider="gaj", name="", base_url="postgresql://db.example/city", networks=[],
        adapter=adapter,
        operations=[Operation(method="GET", path="", target="")], fields=[Field(name="id"), Field(name="name"),
        Field(name="n")],
    )  # fmt: skip
    return msgspec.structs.replace(made, **changes)


def plan(dialect: Dialect = DOLLAR, **changes: Any) -> Plan:
    adapter = table(**changes)
    return Plan(interface(adapter), adapter, dialect)


@pytest.mark.requirement("ADP-08")
def test_a_statement_is_made_of_registered_names_and_marks() -> None:
    select = plan().select(["*"], {"id": "x' OR 1=1"}, "from=2026-01-02&called=%25a_b!&limit=10&offset=20")
    assert select.text == (
        'SELECT "id", "full name", "n" FROM "city"."person" WHERE "id" = $1 AND "born" >= $2'
        ' AND "full name" LIKE $3 ESCAPE \'!\' ORDER BY "id" LIMIT 10 OFFSET 20'
    )
    assert select.values == ("x' OR 1=1", datetime.date(2026, 1, 2), "!%a!_b!!%")
    assert (select.fields, select.most) == (("id", "name", "n"), 10)


@pytest.mark.requirement("ADP-08")
def test_engines_differ_in_quotes_marks_and_pages_alone() -> None:
    assert plan(ORACLE).select(["n"], {"id": "1"}, "").text == (
        'SELECT "n" FROM "city"."person" WHERE "id" = :1 ORDER BY "id" OFFSET 0 ROWS FETCH NEXT 1001 ROWS ONLY'
    )
    odd = plan(FORMAT, columns={"n": "100%`s"}).select(["n"], {"id": "1"}, "")
    assert odd.text == "SELECT `100%%``s` FROM `city`.`person` WHERE `id` = %s ORDER BY `id` LIMIT 1001 OFFSET 0"


@pytest.mark.requirement("ADP-02")
@pytest.mark.parametrize(
    ("granted", "columns"),
    [(["*"], '"id", "full name", "n"'), (["name"], '"full name"'), (["n", "id", "secret"], '"id", "n"'),
    (["full name", "id"], '"id"')],
)  # fmt: skip
def test_only_columns_that_are_registered_and_granted_are_read(granted: list[str], columns: str) -> None:
    assert plan().select(granted, {"id": "1"}, "").text.startswith(f"SELECT {columns} FROM ")


@pytest.mark.requirement("ADP-02")
@pytest.mark.parametrize("granted", [[], ["secret"], ["full name"], ["ID"]])
def test_a_grant_of_nothing_reads_nothing(granted: list[str]) -> None:
    with pytest.raises(Refusal) as refused:
        plan().select(granted, {"id": "1"}, "")
    assert refused.value.code is codes.GRANT_NONE


@pytest.mark.requirement("ADP-08")
@pytest.mark.parametrize(
    ("values", "query"),
    [
        ({}, ""), ({}, "from=2026-01-02"), ({"id": "1"}, "other=1"), ({"id": "1"}, "id=1"), ({"id": "1"}, "n=1&n=1"),
        ({"id": "1"}, "from=2026-02-30"), ({"id": "1"}, "from=20260102"), ({"id": "1"}, "n=1.0"), ({"id": "1"}, "n=١"),
        ({"id": "1"}, "n=1%3B--"), ({"id": "1"}, "n=0x10"), ({"id": "1"}, "n=9999999999999999999"), ({"id": "1"}, "n="),
        ({"id": "1"}, "limit=-1"), ({"id": "1"}, "limit=1001"), ({"id": "1"}, "limit=all"),
        ({"id": "1"}, "offset=10000000000"),
        ({"id": "a\x00b"}, ""), ({"id": "\ud800"}, ""), ({"id": "1"}, "n"), ({"id": "1"}, "n=1+1"),
    ],
)  # fmt: skip
def test_what_is_not_of_its_kind_is_refused_without_its_value(values: dict[str, str], query: str) -> None:
    with pytest.raises(Refusal) as refused:
        plan().select(["*"], values, query)
    assert refused.value.code is codes.NOT_MATCHING_SCHEMA


@pytest.mark.requirement("ADP-08")
def test_pages_need_an_order() -> None:
    with pytest.raises(Refusal, match="order"):
        plan(order=[]).select(["*"], {"id": "1"}, "offset=1")
    assert plan(order=[]).select(["*"], {"id": "1"}, "limit=5").most == 5


@pytest.mark.requirement("ADP-08")
@given(value=st.text(), prefix=st.text())
def test_no_value_ever_stands_in_the_text(value: str, prefix: str) -> None:
    """Hypothesis: the text is the same whatever is asked for."""
    same = (
        'SELECT "n" FROM "city"."person" WHERE "id" = $1 AND "full name" LIKE $2 ESCAPE \'!\''
        ' ORDER BY "id" LIMIT 1001 OFFSET 0'
    )
    try:
        select = plan().select(["n"], {"id": value, "called": prefix}, "")
    except Refusal as refused:
        assert "\x00" in value + prefix or re.search("[\ud800-\udfff]", value + prefix), refused  # noqa: PT017
        return
    assert select.text == same
    assert select.values[0] == value


@pytest.mark.requirement("ADP-08")
@pytest.mark.parametrize(
    "changes",
    [
        {"relation": ""}, {"relation": "a..b"}, {"relation": "a\nb"}, {"relation": "a" * 200}, {"order": [""]},
        {"columns": {"n": "a\x00"}}, {"columns": {"n": ""}}, {"filters": [Filter(parameter="limit", column="a")]},
        {"filters": [Filter(parameter="a", column="a"), Filter(parameter="a", column="b")]}, {"most_rows": 0},
        {"filters": [Filter(parameter="a", column="")]},
    ],
)  # fmt: skip
def test_a_bad_registration_is_told_at_once(changes: dict[str, Any]) -> None:
    with pytest.raises(BadContract):
        plan(**changes)


@pytest.mark.requirement("ADP-08")
@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": "mysql://db.example/city"}, {"base_url": "postgresql://db.example"},
        {"base_url": "postgresql:///city"},
        {"base_url": "postgresql://u:p@db.example/city"}, {"base_url": "postgresql://db.example/city?sslmode=disable"},
        {"base_url": "postgresql://db.example/a/b"}, {"base_url": "postgresql://db.example:99999/city"},
        {"base_url": "postgresql://db.example/%00"}, {"fields": []}, {"fields": [Field(name="a.b")]},
        {"operations": [Operation(method="POST", path="", target="")]},
    ],
)  # fmt: skip
def test_a_bad_interface_is_told_at_once(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"base_url|fields|operations"):
        TableProvider(interface(table(), **changes), Egress(True, frozenset()), lambda: None)


@pytest.mark.requirement("ADP-08")
@pytest.mark.parametrize("engine", ["oracle", "dameng", "gaussdb"])
def test_a_driver_that_is_not_installed_is_named_with_its_extra(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for package in ("oracledb", "dmPython", "async_gaussdb"):
        monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(BadContract, match=rf"tongdao-exchange-service\[{engine}\]"):
        driver_of(engine)


@pytest.mark.requirement("ADP-07")
@pytest.mark.parametrize(
    ("value", "told"),
    [
        (None, b"null"), (True, b"true"), (2**70, b"1180591620717411303424"), ("张\"三", '"张\\"三"'.encode()),
        (1.5, b"1.5"),
        (Decimal("12345678901234567890.10"), b"12345678901234567890.10"), (Decimal("1E+3"), b"1E+3"),
        (Decimal("-0.00"), b"-0.00"),
        (datetime.date(2026, 1, 2), b'"2026-01-02"'),
        (datetime.datetime(2026, 1, 2, 3, 4, 5), b'"2026-01-02T03:04:05"'),  # noqa: DTZ001  # a column without a zone
        (datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC), b'"2026-01-02T11:04:05+08:00"'),
        (datetime.time(3, 4, 5), b'"03:04:05"'), (datetime.timedelta(hours=-30, microseconds=5), b'"-29:59:59.999995"'),
        (datetime.timedelta(hours=30), b'"30:00:00"'), (b"\x00\xff", b'"AP8="'),
        ([1, None, Decimal("1.0")], b"[1,null,1.0]"),
        (uuid.UUID(int=1), b'"00000000-0000-0000-0000-000000000001"'),
    ],
)  # fmt: skip
def test_values_are_told_exactly(value: Any, told: bytes) -> None:
    assert encode_row(["v"], [value]) == b'{"v":' + told + b"}"


@pytest.mark.requirement("ADP-07")
@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), Decimal("NaN"), Decimal("-Infinity"), object(), {"a": 1}, 1j]
)
def test_what_json_cannot_say_is_not_told(value: Any) -> None:
    with pytest.raises(Refusal) as refused:
        encode_row(["v"], [value])
    assert refused.value.code is codes.PROVIDER_BROKEN_ANSWER
