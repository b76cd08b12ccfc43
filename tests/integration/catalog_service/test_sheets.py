"""Excel in and out over HTTP, on a real database."""

import asyncio
from typing import Any

import pytest
from httpx2 import Response

from catalog_service.directory.entry import Item, Resource, Share
from catalog_service.interchange import workbook
from catalog_service.interchange.table import COLUMNS
from harness.catalog import RESOURCE, RESOURCE_CODE, Catalog
from harness.sheets import SOCIAL, book, changed, entry, rows
from tongdao_cli import demo
from wire import scopes

pytestmark = pytest.mark.anyio
OPERATOR = (scopes.CATALOG_WRITE,)
OFFICER = (scopes.OFFICER,)
TITLES = [column.title for column in COLUMNS]


async def furnished(catalog: Catalog) -> None:
    await catalog.furnish()
    await catalog.put("/departments/rsj", {"name": SOCIAL.name, "uscc": SOCIAL.uscc})


async def send(
    catalog: Catalog, content: bytes, query: str = "", by: str = "platform", allowed: tuple[str, ...] = OPERATOR
) -> Response:
    headers = {"Authorization": f"Bearer {catalog.token(by, allowed)}"}
    return await catalog.client.post(f"/directory/excel{query}", content=content, headers=headers)


async def live(catalog: Catalog, code: str) -> dict[str, Any]:
    answer = await catalog.ask("GET", f"/resources/{code}")
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return {name: shown[name] for name in shown if name not in ("last_data_at", "stale", "state")}


@pytest.mark.requirement("INT-04")
async def test_the_whole_demo_leaves_in_sheets_and_comes_back_the_same(workshop: Catalog) -> None:
    everything = demo.messages("http://127.0.0.1:4711", "file:///files")
    for message in everything.registrations:
        assert (await workshop.ask(message.method, message.path, message.body)).status_code == 201
    head = await workshop.head()
    for provider in sorted({message.body["provider"] for message in everything.resources}):
        exported = await workshop.ask("GET", f"/directory/excel?provider={provider}", by="zjj")
        assert exported.status_code == 200
        assert exported.headers["content-type"] == ("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet")
        assert f'filename="directory-{provider}.xlsx"' in exported.headers["content-disposition"]
        again = await send(workshop, exported.content)
        assert again.status_code == 200, again.text
        report = again.json()
        assert (report["created"], report["changed"], report["errors"]) == ([], [], [])
        assert report["entries"] == len(report["unchanged"]) > 0
    assert await workshop.head() == head
    whole = await workshop.ask("GET", "/directory/excel")
    assert len(workbook.read(whole.content).rows) >= len(everything.resources)


@pytest.mark.requirement("INT-08")
async def test_the_operator_makes_a_sheet_live_whole_and_once(catalog: Catalog) -> None:
    await furnished(catalog)
    sheet = book(rows([entry(2), entry(3)]))
    rehearsal = await send(catalog, sheet, "?dry_run=true")
    told = {
        "created": ["resources/2039900100003/000002", "resources/2039900100003/000003"],
        "changed": [],
        "unchanged": [],
    }
    assert rehearsal.status_code == 200
    assert rehearsal.json() == {"dry_run": True, "entries": 2, "errors": [], "more": 0, **told}
    assert (await catalog.ask("GET", "/resources/2039900100003/000002")).status_code == 404

    assert (await send(catalog, sheet)).json() == {"dry_run": False, "entries": 2, "errors": [], "more": 0, **told}
    shown = await live(catalog, "2039900100003/000002")
    assert (shown["name"], shown["items"][1]["mask"]) == (entry(2).name, "drop")
    versions = (await catalog.ask("GET", "/resources/2039900100003/000002/versions")).json()["items"]
    assert len(versions) == 1

    again = (await send(catalog, sheet)).json()
    assert (again["created"], again["changed"], len(again["unchanged"])) == ([], [], 2)
    renamed = book(rows([entry(2, name="参保状态新名"), entry(3)]))
    third = (await send(catalog, renamed)).json()
    assert (third["changed"], len(third["unchanged"])) == (["resources/2039900100003/000002"], 1)
    assert (await live(catalog, "2039900100003/000002"))["name"] == "参保状态新名"


@pytest.mark.requirement("INT-08")
async def test_one_mistake_and_nothing_of_the_sheet_is_taken_over(catalog: Catalog) -> None:
    await furnished(catalog)
    table = changed(changed(rows([entry(2), entry(3)]), 4, "提供方代码", "119901000010030352"), 5, "数据类型", "字符串")
    refused = await send(catalog, book(table))
    assert refused.status_code == 422
    document = refused.json()
    assert document["code"] == "interchange/sheet-refused"
    found = {(one["row"], one["column"], one["rule"]) for one in document["errors"]}
    assert {(4, "提供方代码", "provider-code"), (5, "数据类型", "data-type")} <= found
    assert all(one["zh"] and one["en"] for one in document["errors"])
    assert {one["value"] for one in document["errors"]} >= {"字符串"}
    assert (await catalog.ask("GET", "/resources/2039900100003/000002")).status_code == 404
    rehearsal = await send(catalog, book(table), "?dry_run=true")
    assert rehearsal.status_code == 200
    assert rehearsal.json()["errors"] == document["errors"]


@pytest.mark.requirement("INT-08")
async def test_refusals_of_the_directory_are_mistakes_of_the_sheet_and_all_are_told(catalog: Catalog) -> None:
    await furnished(catalog)
    await catalog.put("/departments/gaj", {"name": "公安局"})
    for n in (4, 5):
        theirs = {**RESOURCE, "provider": "gaj", "name": f"公安的{'甲乙'[n - 4]}"}
        await catalog.put(f"/resources/2039900100003/00000{n}", theirs)
    refused = await send(catalog, book(rows([entry(3), entry(4), entry(5)])))
    assert refused.status_code == 422
    assert [(one["row"], one["column"], one["rule"]) for one in refused.json()["errors"]] == [
        (4, "信息资源代码", "request/conflict"), (6, "信息资源代码", "request/conflict"),
    ]  # fmt: skip
    assert (await catalog.ask("GET", "/resources/2039900100003/000003")).status_code == 404


@pytest.mark.requirement("INT-05")
async def test_a_sheet_is_checked_against_what_is_registered(catalog: Catalog) -> None:
    await furnished(catalog)
    table = rows([entry(2)])
    for cell, title, rule in (
        (f"{RESOURCE['name']}。", "信息资源名称", "name-duplicate"),
        ("住房保障 管理系统（新）", "信息资源名称", ""),
        ("另一个局", "信息资源提供方", "provider-name"),
        ("11990100001001013A", "提供方代码", "provider-code"),
        ("2999900100003/000002", "信息资源代码", "directory"),
        ("不予共享", "共享类型", "share-condition"),
    ):
        wrong = changed(changed(table, 2, title, cell), 3, title, cell)
        if title == "信息资源代码":
            for row in (2, 3):
                for derived in TITLES[:4]:
                    wrong = changed(wrong, row, derived, "")
        report = (await send(catalog, book(wrong), "?dry_run=true")).json()
        assert ({one["rule"] for one in report["errors"]} >= {rule}) if rule else report["errors"] == []
    await catalog.put("/systems/rsj-core", {"department": "rsj", "name": entry(2).name})
    report = (await send(catalog, book(table), "?dry_run=true")).json()
    assert [one["rule"] for one in report["errors"]] == ["name-is-system"]


@pytest.mark.requirement("INT-08")
async def test_an_officer_drafts_and_nobody_else_does(catalog: Catalog) -> None:
    await furnished(catalog)
    sheet = book(rows([entry(2), entry(3, share=Share(type="none", reason="尚无依据"))]))
    assert (await send(catalog, sheet, by="rsj", allowed=(scopes.HEAD,))).json()["code"] == "token/insufficient-scope"
    assert (await send(catalog, sheet, by="platform", allowed=OFFICER)).json()["code"] == "token/insufficient-scope"
    foreign = await send(catalog, sheet, by="zjj", allowed=OFFICER)
    assert (foreign.status_code, foreign.json()["code"]) == (403, "request/not-responsible")

    drafted = await send(catalog, sheet, by="rsj", allowed=OFFICER)
    assert drafted.status_code == 200, drafted.text
    assert len(drafted.json()["created"]) == 2
    assert (await catalog.ask("GET", "/resources/2039900100003/000002")).status_code == 404
    filing = (await catalog.ask("GET", "/filings/2039900100003/000002", by="rsj", allowed=OFFICER)).json()
    assert (filing["state"], filing["text"]["name"]) == ("draft", entry(2).name)
    again = (await send(catalog, sheet, by="rsj", allowed=OFFICER)).json()
    assert (again["created"], again["changed"], len(again["unchanged"])) == ([], [], 2)


@pytest.mark.requirement("INT-08")
async def test_what_a_sheet_has_no_column_for_stays(catalog: Catalog) -> None:
    await furnished(catalog)
    known = entry(
        2, keeper="社保核心", alias="别名甲", items=[Item(name="status", label="参保状态", type="C", mask="drop")]
    )
    assert (await send(catalog, book(rows([known])))).status_code == 200
    full = workbook.read(book(rows([known])))
    guide = [full.titles[:23], *(cells[:23] for _, cells in full.rows)]
    guide[1][full.titles.index("信息资源摘要")] = "新的摘要"
    assert (await send(catalog, bare_book(guide))).json()["changed"] == ["resources/2039900100003/000002"]
    shown = await live(catalog, "2039900100003/000002")
    assert (shown["summary"], shown["keeper"], shown["alias"]) == ("新的摘要", "社保核心", "别名甲")
    assert [(item["name"], item["mask"]) for item in shown["items"]] == [("status", "drop")]


def bare_book(table: list[list[str]]) -> bytes:
    """A workbook as a department has it, with the guide's columns alone."""
    import io

    import xlsxwriter

    content = io.BytesIO()
    with xlsxwriter.Workbook(content) as made:
        sheet = made.add_worksheet()
        for n, row in enumerate(table):
            for at, cell in enumerate(row):
                sheet.write_string(n, at, cell)
    return content.getvalue()


@pytest.mark.requirement("INT-06")
@pytest.mark.parametrize("content", [b"", b"not a workbook", b"PK\x03\x04" + b"\0" * 100])
async def test_a_file_that_cannot_be_read_gets_one_plain_error(catalog: Catalog, content: bytes) -> None:
    answer = await send(catalog, content)
    assert answer.status_code == 422
    document = answer.json()
    assert document["code"] == "interchange/unreadable"
    [error] = document["errors"]
    assert error["zh"]
    assert error["en"]


@pytest.mark.requirement("INT-10")
async def test_imports_take_ten_megabytes_and_the_rest_takes_one(catalog: Catalog) -> None:
    await furnished(catalog)
    mebibyte = 1024 * 1024
    assert (await send(catalog, b"x" * (10 * mebibyte))).json()["code"] == "interchange/unreadable"
    for size, path in ((10, "/directory/excel"), (10, "/directory/json"), (2, "/directory/openapi"), (1, "/grants")):
        headers = {"Authorization": f"Bearer {catalog.token()}", "Content-Type": "application/json"}
        answer = await catalog.client.post(path, content=b" " * (size * mebibyte + 1), headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "request/too-large"), path
        assert answer.json()["limit_bytes"] == size * mebibyte
        assert answer.headers["content-type"] == "application/problem+json"
    template = await catalog.ask("GET", "/directory/excel/template")
    assert workbook.read(template.content).titles == TITLES


@pytest.mark.requirement("INT-08")
async def test_the_same_sheet_sent_at_once_and_other_changes_meanwhile_leave_one_order(catalog: Catalog) -> None:
    await furnished(catalog)
    sheet = book(rows([entry(n) for n in range(2, 12)]))
    one_by_one = [
        catalog.ask(
            "PUT", f"/resources/2039900100003/{n:06}", {**RESOURCE, "name": f"单独登记{'甲乙丙丁戊己庚辛壬癸'[n - 2]}"}
        )
        for n in range(2, 12)
    ]
    moved = catalog.move("/departments/zjj", "suspend")
    answers = await asyncio.gather(*(send(catalog, sheet) for _ in range(3)), moved, *one_by_one)
    assert [answer.status_code for answer in answers[:3]] == [200] * 3
    assert {answer.status_code for answer in answers} <= {200, 201}
    created = [code for answer in answers[:3] for code in answer.json()["created"]]
    assert len(created) == len(set(created)) <= 10


def test_the_harness_entry_is_one_that_the_directory_takes() -> None:
    assert isinstance(entry(), Resource)
    assert entry().code == RESOURCE_CODE
