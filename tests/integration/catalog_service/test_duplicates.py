"""Who already provides what a department wants to register, and what is no duplicate."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.directory.duplicates import alike, needed
from catalog_service.directory.entry import Item, Resource, Share
from harness.catalog import Catalog
from harness.entries import AUTHORITY, OFFICER, furnish, publish, taken
from runtime.db import engine

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("SRC-04")]
PERSON = {"name": "id_card", "label": "公民身份号码", "type": "C", "key": True, "identifier": "公民身份号码"}
COMPANY = {"name": "uscc", "label": "统一社会信用代码", "type": "C", "key": True, "identifier": "统一社会信用代码"}
MARRIAGE = ["婚姻状况", "登记日期", "登记机关", "配偶姓名"]


def items(*labels: str, subject: dict[str, Any] | None = PERSON) -> list[dict[str, Any]]:
    named = [{"name": f"f{n}", "label": label, "type": "C"} for n, label in enumerate(labels)]
    return [subject, *named] if subject else named


async def register(catalog: Catalog, provider: str, number: int, its_items: list[dict[str, Any]]) -> None:
    body = {
        "name": f"条目{number}", "provider": provider, "summary": "摘要", "items": its_items,
        "share": {"type": "unconditional"},
    }  # fmt: skip
    await catalog.put(f"/resources/3079900100001/{number:06}", body)


def asked(its_items: list[dict[str, Any]], provider: str = "zjj") -> Resource:
    return Resource(
        code="3079900100002/000001", name="新条目", provider=provider, summary="摘要",
        share=Share(type="unconditional"), items=[Item(**item) for item in its_items],
    )  # fmt: skip


@pytest.fixture
async def tx(catalog: Catalog) -> AsyncIterator[AsyncConnection]:
    await furnish(catalog)
    database = engine(catalog.database.url_of("catalog"))
    async with database.connect() as connection:
        await connection.execution_options(isolation_level="AUTOCOMMIT")
        yield connection
    await database.dispose()


@pytest.mark.requirement("YN-19-20")
async def test_the_same_items_of_another_department_are_told_most_first(catalog: Catalog, tx: AsyncConnection) -> None:
    await register(catalog, "mzj", 1, items("姓名", *MARRIAGE))
    await register(catalog, "mzj", 2, items("婚姻状况（代码）", "登记日期", "证件照片"))
    await register(catalog, "zjj", 3, items(*MARRIAGE))  # one's own
    found = await alike(tx, asked(items("姓名", "婚姻状况", "登记 日期", "登记机关", "住房面积")))
    assert [(one.code[-1], one.provider, one.common, one.share) for one in found] == [
        ("1", "mzj", ["婚姻状况", "登记 日期", "登记机关"], 0.75),
        ("2", "mzj", ["婚姻状况", "登记 日期"], 0.5),
    ]
    assert found[0].name == "条目1"


@pytest.mark.parametrize(
    "its_items",
    [
        items("姓名", "联系电话", "备注"),
        items("住房面积", "产权证号"),
        items("婚姻状况", "住房面积", "产权证号", "房屋用途", "建成年份", "楼层", "朝向"),
        items(*MARRIAGE, subject=COMPANY),
        [],
        [{**item, "key": True} for item in items(*MARRIAGE)],
    ],
    ids=["who it is about", "nothing in common", "one of seven", "of companies", "no items", "only keys"],
)
async def test_what_is_no_duplicate(catalog: Catalog, tx: AsyncConnection, its_items: list[dict[str, Any]]) -> None:
    await register(catalog, "mzj", 1, items("姓名", "联系电话", "备注", *MARRIAGE))
    assert await alike(tx, asked(its_items)) == []
    assert await alike(tx, asked(items(*MARRIAGE))) != []


async def test_where_a_side_does_not_say_whom_it_is_about_the_items_decide(
    catalog: Catalog, tx: AsyncConnection
) -> None:
    await register(catalog, "mzj", 1, items(*MARRIAGE))
    assert await alike(tx, asked(items(*MARRIAGE, subject=None))) != []


async def test_only_live_entries_count(catalog: Catalog, tx: AsyncConnection) -> None:
    await publish(catalog, items=items(*MARRIAGE))
    assert [one.provider for one in await alike(tx, asked(items(*MARRIAGE)))] == ["gaj"]
    taken(await AUTHORITY.takes(catalog, "suspend", reason="核查"))
    assert await alike(tx, asked(items(*MARRIAGE))) != []  # what rests is still there
    taken(await OFFICER.takes(catalog, "withdraw", reason="职责划转", filing_no="备1"))
    assert await alike(tx, asked(items(*MARRIAGE))) == []


@pytest.mark.parametrize(("telling", "enough"), [(1, 1), (2, 2), (3, 2), (6, 2), (7, 3), (12, 4), (15, 5), (40, 5)])
def test_a_third_of_the_items_is_enough(telling: int, enough: int) -> None:
    assert needed(telling) == enough
