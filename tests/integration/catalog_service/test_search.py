"""Searching the directory: what is found, in which order, how it is counted, and what bad questions get."""

import random
from collections import Counter
from typing import Any
from urllib.parse import quote

import asyncpg
import pytest

from catalog_service.directory.index import catch_up
from catalog_service.directory.words import sounds, terms_of, words
from harness.catalog import Catalog
from harness.entries import AUTHORITY, BODY, OFFICER, TEXT, activate, furnish, publish, taken
from runtime.db import engine

pytestmark = pytest.mark.anyio
LEVELS, CYCLES, KINDS = ("L1", "L2", "L3", "L4"), ("每日", "每月", "实时"), ("conditional", "unconditional", "none")
SHARES: dict[str, dict[str, Any]] = {
    "conditional": {"type": "conditional", "condition": "限审核"},
    "unconditional": {"type": "unconditional"},
    "none": {"type": "none", "reason": "涉密", "legal_basis": [{"law": "某法"}]},
}
DEPARTMENTS = {"rsj": "人力资源和社会保障局", "gaj": "公安局", "zjj": "住房和城乡建设局"}


async def search(catalog: Catalog, q: str = "", **chosen: Any) -> dict[str, Any]:
    query = "&".join(f"{name}={quote(str(value))}" for name, value in {"q": q, **chosen}.items())
    answer = await catalog.ask("GET", f"/search?{query}", allowed=())
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def names(found: dict[str, Any]) -> list[str]:
    return [item["name"] for item in found["items"]]


def counted(found: dict[str, Any], facet: str) -> dict[Any, int]:
    return {entry["value"]: entry["count"] for entry in found["facets"][facet]}


async def register(catalog: Catalog, n: int, name: str, provider: str = "rsj", **members: Any) -> None:
    body = {"name": name, "provider": provider, "summary": "登记的信息", "share": SHARES["conditional"], **members}
    await catalog.put(f"/resources/2039900100003/{n:06}", body)


async def departments(catalog: Catalog) -> None:
    for department, name in DEPARTMENTS.items():
        await catalog.put(f"/departments/{department}", {"name": name})


@pytest.mark.requirement("SRC-01")
@pytest.mark.requirement("JDZ-08")
async def test_an_entry_is_found_by_everything_that_is_said_of_it_and_by_its_sound(catalog: Catalog) -> None:
    await departments(catalog)
    item = {"name": "pension_status", "label": "养老保险状态", "type": "C", "name_en": "annuity"}
    members = {"alias": "社保状态", "name_en": "social insurance", "topic": "社会保障", "summary": "查询个人缴费"}
    await register(catalog, 1, "社会保险参保", items=[item], **members)
    await register(catalog, 2, "机动车", "gaj")
    for q in (
        "社会保险", "会保", "保", "参保 社会", "shehuibaoxian", "SHEBAO", "sb", "shbxcb", "社保", "social", "保障",
        "缴费", "养老保险", "pension_status", "annuity", "人力资源", "renliziyuan", "rsj", "000001",
        "2039900100003/000001", '"社会保险参保"', "社会保险 缴费",
    ):  # fmt: skip
        assert names(await search(catalog, q)) == ["社会保险参保"], q
    for q in ("养老金", "参社", '"社会参保"', "shehuibaogao", "社会保险 机动车", "xyz"):
        assert names(await search(catalog, q)) == [], q


@pytest.mark.requirement("SRC-02")
async def test_titles_come_first_and_shorter_names_before_longer_ones(catalog: Catalog) -> None:
    await departments(catalog)
    await register(catalog, 1, "住房公积金缴存基数核定")
    await register(catalog, 2, "低保对象", summary="用于住房公积金审核")
    await register(catalog, 3, "住房公积金")
    await register(catalog, 4, "住房公积金缴存")
    await register(catalog, 5, "住房公积金提取")
    order = ["住房公积金", "住房公积金缴存", "住房公积金提取", "住房公积金缴存基数核定", "低保对象"]
    assert names(await search(catalog, "住房公积金")) == order
    by_code = [order[3], order[4], order[0], order[1], order[2]]
    assert names(await search(catalog)) == by_code


@pytest.mark.requirement("SRC-02")
@pytest.mark.parametrize("limit", [1, 2, 7])
async def test_the_pages_together_are_everything_once_and_in_order(catalog: Catalog, limit: int) -> None:
    await departments(catalog)
    for n in range(13):
        title = "车辆登记" + "查询" * (n % 3) if n % 2 else f"档案{n}"
        await register(catalog, n, title, summary="车辆登记的档案")
    for q, total in (("车辆登记", 13), ("dengji", 6), ("", 13)):
        whole = await search(catalog, q, limit=100)
        pages, after = [], ""
        while after is not None:
            found = await search(catalog, q, limit=limit, after=after)
            assert (found["total"], found["facets"]) == (total, whole["facets"])
            pages += [item["code"] for item in found["items"]]
            after = found["next"]
        assert pages == [item["code"] for item in whole["items"]]
        assert len(set(pages)) == total
        assert whole["next"] is None


def made_up(seed: int, count: int) -> list[dict[str, Any]]:
    """Entries of few words, so that questions hit several."""
    chance = random.Random(seed)
    parts = ["社会", "保险", "车辆", "登记", "GIS", "信息", "住房", "许可", "id_card", "税"]
    return [
        {
            "name": "".join(chance.choices(parts, k=chance.randint(1, 4))),
            "provider": chance.choice(list(DEPARTMENTS)),
            "summary": "".join(chance.choices(parts, k=3)) + "、" + chance.choice(parts),
            "share": SHARES[chance.choice(KINDS)],
            "security_level": chance.choice(LEVELS),
            "update_cycle": chance.choice(CYCLES),
            "format": chance.choice([1, 7]),
            "topic": chance.choice(["", "交通", "社会保障"]),
        }
        for _ in range(count)
    ]


def facet_values(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        "department": entry["provider"], "topic": entry["topic"], "share_type": entry["share"]["type"],
        "level": entry["security_level"], "update_cycle": entry["update_cycle"], "format": entry["format"],
    }  # fmt: skip


def holds(entry: dict[str, Any], q: str) -> bool:
    """What the index ought to say, reckoned from one entry."""
    titles = (entry["name"], DEPARTMENTS[entry["provider"]])
    by = words(*titles, entry["provider"], entry["summary"], entry["topic"]) | sounds(*titles)
    return all(any(by.issuperset(way) for way in term) for term in terms_of(q))


@pytest.mark.requirement("SRC-03")
async def test_hits_and_facets_are_those_of_a_plain_count(catalog: Catalog) -> None:
    """Two hundred random questions; a chosen facet is counted as if it was not chosen."""
    await departments(catalog)
    entries = made_up(7, 60)
    for n, entry in enumerate(entries):
        await catalog.put(f"/resources/2039900100003/{n:06}", entry)
    chance = random.Random(11)
    asked = ["社会", "保险 车辆", "gis", "登记", '"社会保险"', "税 信息", "gongan", "che", "许可 id_card", "zj", ""]
    hits = 0
    for _ in range(200):
        q = chance.choice(asked)
        values = facet_values(chance.choice(entries))
        chosen = {facet: values[facet] for facet in chance.sample(list(values), chance.choice([0, 0, 1, 2, 3]))}
        chosen = {facet: value for facet, value in chosen.items() if value != ""}
        found = await search(catalog, q, limit=100, **chosen)
        mine = [(f"2039900100003/{n:06}", entry) for n, entry in enumerate(entries) if holds(entry, q)]
        every = {code for code, entry in mine if chosen.items() <= facet_values(entry).items()}
        assert {item["code"] for item in found["items"]} == every
        assert found["total"] == len(every)
        hits += len(every)
        for facet in values:
            others = {other: value for other, value in chosen.items() if other != facet}
            having = [facet_values(entry) for _, entry in mine]
            expected = Counter(one[facet] for one in having if others.items() <= one.items() and one[facet] != "")
            assert counted(found, facet) == expected
    assert hits > 500


@pytest.mark.requirement("SRC-03")
async def test_values_are_called_what_people_call_them(catalog: Catalog) -> None:
    await furnish(catalog)
    await catalog.put("/departments/gaj", {"name": "公安局"})
    await publish(catalog)
    (item,) = (await search(catalog))["items"]
    assert item == {
        "code": TEXT.code, "name": TEXT.name, "provider": "gaj", "provider_name": "公安局", "summary": TEXT.summary,
        "topic": "", "share_type": "conditional", "share_label": "有条件共享", "level": "L1", "update_cycle": "实时",
        "format": 7, "format_label": "服务接口", "suspended": False,
    }  # fmt: skip
    await activate(catalog, "deqing")
    found = await search(catalog)
    assert found["items"][0]["share_label"] == "受限共享类"
    assert found["facets"]["share_type"] == [{"value": "conditional", "label": "受限共享类", "count": 1}]
    assert found["facets"]["department"] == [{"value": "gaj", "label": "公安局", "count": 1}]
    assert found["facets"]["format"] == [{"value": 7, "label": "服务接口", "count": 1}]


@pytest.mark.requirement("SRC-02")
async def test_what_changes_is_found_as_it_is_now(catalog: Catalog) -> None:
    await furnish(catalog)
    await publish(catalog)
    await OFFICER.writes(catalog, name="人口基本信息")
    assert names(await search(catalog, "户籍基本")) == [TEXT.name]  # a draft is not live
    taken(await OFFICER.takes(catalog, "resubmit"))
    taken(await AUTHORITY.takes(catalog, "pass", result="符合要求"))
    assert names(await search(catalog, "人口基本")) == ["人口基本信息"]
    assert names(await search(catalog, "户籍基本")) == []
    await catalog.put("/departments/gaj", {"name": "治安管理局"})
    assert names(await search(catalog, "治安管理")) == ["人口基本信息"]

    taken(await AUTHORITY.takes(catalog, "suspend", reason="核查"))
    assert [item["suspended"] for item in (await search(catalog, "人口"))["items"]] == [True]
    taken(await AUTHORITY.takes(catalog, "resume", reason="查清"))
    assert [item["suspended"] for item in (await search(catalog, "人口"))["items"]] == [False]
    taken(await OFFICER.takes(catalog, "withdraw", reason="职责划转", filing_no="备〔2026〕1号"))
    assert (await search(catalog, "人口"))["total"] == (await search(catalog))["total"] == 0


@pytest.mark.requirement("SRC-02")
async def test_what_was_never_indexed_or_by_older_words_is_caught_up_with(catalog: Catalog) -> None:
    await furnish(catalog)
    await publish(catalog)
    await catalog.put("/resources/1019900100001/000003", {**BODY, "name": "出入境记录"})
    admin = await asyncpg.connect(catalog.database.url)
    await admin.execute("DELETE FROM catalog.resource_search WHERE code LIKE '%3'")
    await admin.execute("UPDATE catalog.resource_search SET edition = 0, everything = '{}', title = '{}'")
    assert (await search(catalog, "基本信息"))["total"] == (await search(catalog, "出入境"))["total"] == 0
    database = engine(catalog.database.url_of("catalog"))
    assert await catch_up(database) == 2
    assert await catch_up(database) == 0
    await database.dispose()
    await admin.close()
    assert (await search(catalog, "基本信息"))["total"] == (await search(catalog, "出入境"))["total"] == 1


@pytest.mark.requirement("SRC-05")
@pytest.mark.parametrize(
    ("query", "path"),
    [
        (f"q={'x' * 101}", "/query/q"),
        ("q=a%00b", "/query/q"),
        ("q=%1b%5b2J", "/query/q"),
        ("q=a+b+c+d+e+f+g+h+i", "/query/q"),
        ("after=2.0.x", "/query/after"),
        ("after=0.99999.x", "/query/after"),
        ("after=%00", "/query/after"),
        ("after=0.1.%00", "/query/after"),
        (f"after=0.1.{'x' * 80}", "/query/after"),
        ("share_type=free", "/query/share_type"),
        ("level=L9", "/query/level"),
        ("format=8", "/query/format"),
        ("format=x", "/query/format"),
        ("update_cycle=x", "/query/update_cycle"),
        ("department=%00", "/query/department"),
        ("limit=0", "/query/limit"),
        ("limit=101", "/query/limit"),
    ],
)
async def test_questions_that_cannot_be_answered_are_told_why(catalog: Catalog, query: str, path: str) -> None:
    answer = await catalog.ask("GET", f"/search?{query}")
    assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), answer.text
    assert answer.json()["errors"][0]["path"].startswith(path)


@pytest.mark.requirement("SRC-05")
async def test_odd_questions_find_nothing_and_break_nothing(catalog: Catalog) -> None:
    await furnish(catalog)
    await publish(catalog)
    odd = [
        "！？、", "''", '"', '""', "%", "_", "\\", "*", "'; DROP TABLE catalog.resource; --", "{}", "NULL", "\ufffd",
        "\u200b", "\U0001f600", "\u3007", "\uff21" * 100, "a" * 100, "ang" * 33, "\u4e00" * 100, "ß" * 100,
        "\ufdfa" * 100, "'", "she'", ".sb", "AND OR NOT", "-户籍", "\u202e户籍不存在",
    ]  # fmt: skip
    for q in odd:
        found = await search(catalog, q)
        assert found["total"] == len(found["items"]) <= 1, q
    assert (await search(catalog, "！？、"))["total"] == 0
    assert (await search(catalog, "  "))["total"] == 1
    assert (await search(catalog, "户籍", after="1.9999.zzz"))["items"] == []
    assert (await search(catalog, department="nobody", topic="没有"))["total"] == 0
