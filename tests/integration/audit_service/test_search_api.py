"""Search, exports and figures over HTTP: who may see what, what is on record, what stands in the files."""

import asyncio
import csv
import io
import random
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime
from typing import Any

import httpx2
import msgspec
import pytest
from fastapi import FastAPI
from joserfc import jwk, jws
from python_calamine import CalamineWorkbook

from audit_service.api import search
from audit_service.search import writing
from audit_service.search.exporting import Exporter
from audit_service.search.figures import digest
from audit_service.search.finder import Finder
from audit_service.search.indexer import Indexer
from audit_service.search.looking import LookUps
from audit_service.summary import Summary
from audit_service.writer import Writer
from harness.audit_log import Log
from harness.log_rows import keep, rows
from runtime.errors import Refusal
from runtime.http import AsyncClient, Response
from runtime.ids import uuid7
from runtime.server import make_app
from wire import codes, scopes
from wire.tokens import Door, Keys, Verifier

pytestmark = pytest.mark.anyio
ISSUER = "http://gateway.test"
SIGNING = jwk.ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})
SEGMENTS = [f"2026030{day}-{retention}" for day in range(1, 4) for retention in ("general", "personal")]
READ, PERSONS = scopes.AUDIT_READ, scopes.AUDIT_SUBJECT


class Service:
    """The routes over a log with random rows."""

    def __init__(self, log: Log) -> None:
        nowhere: Any = None
        finder = Finder(log.database, nowhere)
        look_ups = LookUps(Writer("audit-1", log.database, log.ingest))
        door = Door(Verifier(ISSUER, ISSUER, Keys(published)))
        app = make_app("test", no_lifespan, ready)
        app.include_router(search.router(log.database, finder, Exporter(finder, look_ups), look_ups, door))
        self.client = AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://audit.test")
        self.log = log
        self.among = rows(random.Random(11), 400, SEGMENTS)

    async def ask(self, path: str, department: str = "审计局", *scope: str) -> Response:
        now = int(time.time())
        claims = {
            "iss": ISSUER, "aud": ISSUER, "sub": "c-1", "client_id": "c-1", "department": department,
            "scope": " ".join(scope), "iat": now, "exp": now + 300, "jti": str(uuid7()),
        }  # fmt: skip
        token = jws.serialize_compact(
            {"alg": "ES256", "typ": "at+jwt", "kid": "k1"}, msgspec.json.encode(claims), SIGNING, ["ES256"]
        )
        return await self.client.get(path, headers={"Authorization": f"Bearer {token}"})

    async def events(self, prefix: str = "record.") -> list[dict[str, Any]]:
        """What was recorded of look-ups, oldest first."""
        await self.log.sequence()
        return [leaf for raw in await self.log.fetch("SELECT body FROM audit.leaf ORDER BY leaf_index")
                if (leaf := msgspec.json.decode(raw[0]))["event"].startswith(prefix)]  # fmt: skip


async def published() -> dict[str, Any]:
    return {"keys": [SIGNING.as_dict(private=False)]}


@asynccontextmanager
async def no_lifespan(_app: FastAPI) -> AsyncIterator[None]:
    yield


async def ready() -> None:
    pass


@pytest.fixture
async def service(log: Log) -> AsyncIterator[Service]:
    service = Service(log)
    await keep(log.url, service.among)
    yield service
    await service.client.aclose()


@pytest.mark.requirement("SRC-24")
@pytest.mark.requirement("JDZ-16-3")
async def test_each_sees_its_own_and_auditors_all(service: Service) -> None:
    everything = (await service.ask("/search?limit=500", "审计局", READ)).json()
    assert [row["leaf_index"] for row in everything["records"]] == [row.leaf_index for row in reversed(service.among)]
    assert everything["next"] == ""
    ours = (await service.ask("/search?limit=500", "民政局")).json()["records"]
    assert {row["leaf_index"] for row in ours} == {
        row.leaf_index for row in service.among if "民政局" in (row.department, row.provider)
    }
    assert (await service.ask("/search", "")).status_code == 401
    assert (await service.client.get("/search")).status_code == 401
    answer = await service.ask("/search?department=公安局&limit=500", "民政局")
    assert all(row["provider"] == "民政局" for row in answer.json()["records"])
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.requirement("SRC-24")
async def test_persons_are_shown_with_a_scope_of_their_own_and_found_elsewhere(service: Service) -> None:
    for path in ("/search?subject=p-1", "/export?format=csv&subject=p-1"):
        refused = await service.ask(path, "审计局", READ, PERSONS)
        assert (refused.status_code, refused.json()["code"]) == (422, "request/invalid")
    shown = (await service.ask("/search", "审计局", READ, PERSONS)).json()["records"]
    assert len({row["subject"] for row in shown}) > 1
    assert {row["subject"] for row in (await service.ask("/search", "审计局", READ)).json()["records"]} == {""}
    table = (await service.ask("/export?format=csv", "审计局", READ)).text
    assert "p-1" not in table


@pytest.mark.requirement("SRC-26")
async def test_each_look_up_is_on_record_before_its_answer(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    first = await service.ask("/search?system=s-1&limit=3&since=2026-03-01", "审计局", READ)
    await service.ask(f"/export?format=jsonl&outcome=refused&grant=g-1&call={uuid7()}", "民政局")
    told = await service.events()
    assert [(event["event"], event["actor"], event["department"]) for event in told] == [
        ("record.searched", "c-1", "审计局"),
        ("record.exported", "c-1", "民政局"),
    ]
    assert told[0]["facts"] == {
        "filter": "system=s-1&since=2026-02-28T16:00:00Z",
        "rows": str(len(first.json()["records"])),
        "format": "json",
    }
    assert told[1]["facts"]["filter"].startswith("grant_id=g-1&call_id=")
    assert told[1]["facts"]["format"] == "jsonl"

    async def closed(_self: Writer, _events: object) -> None:
        raise Refusal(codes.AUDIT_UNAVAILABLE)

    monkeypatch.setattr(Writer, "write", closed)
    for path in ("/search", "/export?format=csv", "/figures?from=2026-03-01&to=2026-03-02"):
        assert (await service.ask(path, "审计局", READ)).status_code == 503


@pytest.mark.requirement("SUB-06")
async def test_a_number_that_somebody_searches_for_is_not_kept(service: Service) -> None:
    await service.log.fetch("TRUNCATE audit.record, audit.usage_day, audit.indexed_segment, audit.entry_index")
    spellings = ("990100199003070131", "９９０１００ 19900307 0131", "办件990100-19900307-0131号")
    for number in spellings:
        for path in (f"/search?case={number}&system=s-1", f"/export?format=csv&grant={number}&system=s-1"):
            assert (await service.ask(path, "审计局", READ)).status_code == 200
    told = await service.events()
    assert [event["facts"]["filter"] for event in told] == ["system=s-1&case_no=*", "system=s-1&grant_id=*"] * 3
    leaves = await service.log.fetch("SELECT body FROM audit.leaf")
    assert not any("19900307" in raw[0].decode() for raw in leaves)


@pytest.mark.requirement("SRC-28")
async def test_figures_of_others_are_looked_at_on_record(service: Service) -> None:
    await service.ask("/figures?from=2026-03-01&to=2026-03-02&by=system", "民政局")
    assert await service.events("figures.") == []
    await service.ask("/figures?from=2026-03-01&to=2026-03-02&by=system", "审计局", READ)
    [told] = await service.events("figures.")
    assert (told["event"], told["department"]) == ("figures.read", "审计局")
    assert told["facts"] == {"by": "system", "from": "2026-03-01", "to": "2026-03-02"}


NO_SEARCH = [
    "colour=red", "limit=0", "limit=501", "limit=x", "cursor=A", "cursor=" + "A" * 24, "cursor=" + "A" * 81,
    "kind=intent", "department=%00", "case=%0a", "system=" + "x" * 201, "since=2026-13-01", "since=2026-03-01T00:00",
    "call=1", "since=1969-12-31T00:00:00Z", "before=9999-12-31", "before=yesterday", "since=", "party=民政局",
    "since=0001-01-01T00:00:00%2B14:00", "call_id=x", "mode=Verify", "mode=tell",
]  # fmt: skip


@pytest.mark.requirement("SRC-25")
async def test_what_is_no_search_is_refused(service: Service) -> None:
    for query in NO_SEARCH:
        answer = await service.ask(f"/search?{query}", "审计局", READ)
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), query


@pytest.mark.requirement("SRC-25")
async def test_odd_but_possible_questions_find_nothing(service: Service) -> None:
    for query in (
        "department=%ED%A0%80",
        "outcome=99999999",
        "outcome=%27",
        "version=%7B%7D",
        "trace=%24%31",
        "since=9998-01-01",
    ):
        answer = await service.ask(f"/search?{query}", "审计局", READ)
        assert (answer.status_code, answer.json()) == (200, {"records": [], "next": ""})


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("2026-03-01", datetime(2026, 2, 28, 16, tzinfo=UTC)),
        ("2026-03-01T08:00:00+08:00", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T08:00:00 08:00", datetime(2026, 3, 1, tzinfo=UTC)),
        ("2026-03-01T00:00:00.5Z", datetime(2026, 3, 1, 0, 0, 0, 500_000, UTC)),
    ],
)
def test_a_day_is_one_of_china_and_a_moment_has_its_zone(text: str, instant: datetime) -> None:
    assert search.moment(text) == instant


# --- exports --------------------------------------------------------------------------------------------------------
BLANK = " \u3000\ufeff\u200b\v\x85\u2028"
NASTY = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\nx", "＝1", 'a"b', "a,b;c", "x\ny", "民政", "\ufffe", "0012",
         "1e5", "http://x.y", "{=1}", "'", "", " \t x", "﹦1", "﹢1", "﹣1", "﹫x",
         *(blank + "=1+1" for blank in BLANK)]  # fmt: skip
BEGINNINGS = tuple("=+-@\t\r\n＝＋－＠﹦﹢﹣﹫")


def nasty() -> list[Summary]:
    plain = rows(random.Random(1), len(NASTY), SEGMENTS)
    return [msgspec.structs.replace(row, purpose=text, case_no=text) for row, text in zip(plain, NASTY, strict=True)]


def escaped(text: str) -> str:
    return "'" + text if text.lstrip(BLANK).startswith(BEGINNINGS) else text


@pytest.mark.requirement("JDZ-17")
@pytest.mark.requirement("SRC-27")
async def test_a_csv_holds_every_row_and_runs_nothing(log: Log, service: Service) -> None:
    made = nasty()
    await log.fetch("TRUNCATE audit.record, audit.usage_day, audit.indexed_segment, audit.entry_index")
    await keep(log.url, made)
    answer = await service.ask("/export?format=csv", "审计局", READ, PERSONS)
    assert answer.headers["content-disposition"] == 'attachment; filename="records.csv"'
    assert answer.headers["tongdao-rows"] == str(len(made))
    text = answer.content.decode("utf-8-sig")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    head, *table = list(csv.reader(io.StringIO(text, newline="")))
    assert head == list(writing.TITLES.values())
    assert table == [[escaped(str(cell)) for cell in writing.cells(row)] for row in reversed(made)]
    assert not any(cell.lstrip(BLANK).startswith(BEGINNINGS) for line in table for cell in line)
    assert all(line.startswith('"') for line in text.split("\r\n")[:2])


@pytest.mark.requirement("SRC-27")
async def test_a_workbook_holds_every_row_as_text(log: Log, service: Service) -> None:
    made = nasty()
    await log.fetch("TRUNCATE audit.record, audit.usage_day, audit.indexed_segment, audit.entry_index")
    await keep(log.url, made)
    answer = await service.ask("/export?format=xlsx", "审计局", READ, PERSONS)
    with CalamineWorkbook.from_filelike(io.BytesIO(answer.content)) as book:
        head, *table = book.get_sheet_by_index(0).to_python(skip_empty_area=False)
    assert head == list(writing.TITLES.values())
    assert table == [[_in_a_workbook(cell) for cell in writing.cells(row)] for row in reversed(made)]


def _in_a_workbook(cell: str | int) -> str | float:
    return cell.replace("\ufffe", "\ufffd") if isinstance(cell, str) else float(cell)


@pytest.mark.requirement("SRC-27")
async def test_json_lines_hold_every_row(service: Service) -> None:
    answer = await service.ask("/export?format=jsonl&system=s-1", "审计局", READ, PERSONS)
    found = [msgspec.json.decode(line, type=Summary) for line in answer.content.splitlines()]
    assert found == [row for row in reversed(service.among) if row.system == "s-1"]


@pytest.mark.requirement("SRC-27")
async def test_more_than_a_file_holds_is_refused_and_not_cut(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(writing.MOST_ROWS, "csv", 100)
    for query in ("", "&since=2026-02-01"):
        refused = await service.ask(f"/export?format=csv{query}", "审计局", READ)
        assert (refused.status_code, refused.json()["code"], refused.json()["most"]) == (422, "export/too-large", 100)
    assert await service.events() == []
    assert (await service.ask("/export?format=csv&system=s-1&version=v1", "审计局", READ)).status_code == 200
    assert (await service.ask("/export?format=pdf", "审计局", READ)).status_code == 422


@pytest.mark.requirement("SRC-27")
async def test_one_export_at_a_time_for_each_department(service: Service) -> None:
    path = "/export?format=jsonl&system=s-1"
    asked = [service.ask(path, who) for who in ("民政局", "民政局", "公安局")]
    first, second, other = await asyncio.gather(*asked)
    assert (first.status_code, second.status_code, other.status_code) == (200, 429, 200)
    assert (second.json()["code"], second.headers["retry-after"]) == ("rate/one-file-at-a-time", "5")
    assert (await service.ask(path, "民政局")).status_code == 200


@pytest.mark.requirement("SRC-27")
async def test_an_export_of_many_pages_is_whole(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("audit_service.search.exporting.PAGE_ROWS", 7)
    monkeypatch.setattr("audit_service.search.exporting.IN_MEMORY_BYTES", 100)
    answer = await service.ask("/export?format=jsonl", "民政局", PERSONS)
    found = [msgspec.json.decode(line, type=Summary) for line in answer.content.splitlines()]
    assert found == [row for row in reversed(service.among) if "民政局" in (row.department, row.provider)]


@pytest.mark.requirement("SRC-24", "SRC-27")
async def test_how_calls_asked_is_shown_and_searched_by(service: Service) -> None:
    verified = [row for row in reversed(service.among) if row.kind != "event" and row.mode == "verify"]
    found = (await service.ask("/search?mode=verify&limit=500", "审计局", READ)).json()["records"]
    assert [(row["leaf_index"], row["mode"], row["verdict"], row["consent"]) for row in found] == [
        (row.leaf_index, "verify", row.verdict, row.consent) for row in verified
    ]
    text = (await service.ask("/export?format=csv&mode=verify", "审计局", READ)).content.decode("utf-8-sig")
    table = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [(row["调用方式"], row["核验结果"]) for row in table] == [("verify", row.verdict) for row in verified]
    told = await service.events()
    assert [event["facts"]["filter"] for event in told] == ["mode=verify"] * 2


# --- figures --------------------------------------------------------------------------------------------------------
def counts(row: Summary) -> bool:
    """A call that moved data."""
    return row.kind != "event" and row.mode != "sandbox"


async def figures(service: Service, query: str, *who: str) -> Any:
    answer = await service.ask(f"/figures?{query}", *who)
    assert answer.status_code == 200, answer.text
    return answer.json()["groups"]


@pytest.mark.requirement("SRC-28")
async def test_figures_are_the_sums_of_what_one_took_part_in(service: Service) -> None:
    groups = await figures(service, "from=2026-03-01&to=2026-03-02&by=system", "民政局")
    counted = [
        row for row in service.among
        if "民政局" in (row.department, row.provider) and counts(row) and row.segment < "20260303"
    ]  # fmt: skip
    assert {(group["department"], group["system"]): group["calls"] for group in groups} == {
        (row.department, row.system): sum(
            (one.department, one.system) == (row.department, row.system) for one in counted
        )
        for row in counted
    }
    one = groups[0]
    of = [row for row in counted if (row.department, row.system) == (one["department"], one["system"])]
    assert one["refused"] == sum(bool(row.code) for row in of)
    assert (one["request_bytes"], one["answer_bytes"]) == (10 * len(of), 20 * len(of))
    assert (one["fields_returned"], one["fields_masked"]) == (3 * len(of), len(of))
    assert one["mean_ms"] in (sum(row.took_ms for row in of) // len(of), sum(row.took_ms for row in of) // len(of) + 1)
    assert one["longest_ms"] == max(row.took_ms for row in of)


@pytest.mark.requirement("SRC-28")
async def test_figures_by_anything_have_the_same_sum(service: Service) -> None:
    total = sum(map(counts, service.among))
    for by in ("interface", "system", "department", "grant", "outcome"):
        groups = await figures(service, f"from=2026-03-01&to=2026-03-31&by={by}", "审计局", READ)
        assert sum(group["calls"] for group in groups) == total
    assert await figures(service, "from=2020-01-01&to=2020-01-02", "审计局", READ) == []
    for query in ("from=2026-03-02&to=2026-03-01", "from=2020-01-01&to=2026-01-01", "from=2026-03-01", "from=x&to=y",
                  "from=2026-03-01&to=2026-03-02&by=person", "from=0001-01-01&to=0001-01-01",
                  "from=9999-12-31&to=9999-12-31",
                  "from=2026-03-01&to=2026-03-02&x=1"):  # fmt: skip
        assert (await service.ask(f"/figures?{query}", "审计局", READ)).status_code == 422, query


@pytest.mark.requirement("SRC-28")
async def test_a_digest_tells_what_one_asked_and_what_was_asked_of_one(service: Service) -> None:
    told = await digest(service.log.database.reader, "民政局", date(2026, 3, 1))
    day = [row for row in service.among if row.segment.startswith("20260301") and counts(row)]
    assert sum(one["calls"] for one in told["as_consumer"]) == sum(row.department == "民政局" for row in day)
    assert sum(one["calls"] for one in told["as_provider"]) == sum(row.provider == "民政局" for row in day)
    assert told["day"] == "2026-03-01"


@pytest.mark.requirement("SRC-22")
async def test_a_call_is_found_once_it_is_indexed(log: Log, service: Service) -> None:
    await log.fetch("TRUNCATE audit.record, audit.usage_day, audit.indexed_segment, audit.entry_index")
    await log.fetch("UPDATE audit.indexed SET size = 0")
    [call] = await log.calls(1)
    await log.sequence()
    await Indexer(log.database).tick()
    for query in (
        f"call={call}",
        "department=民政局",
        "provider=公安局",
        "grant=g-1",
        "case=办件-1",
        "outcome=ok",
        "kind=outcome",
    ):
        [found] = (await service.ask(f"/search?{query}&interface=gaj-identity-verify", "公安局")).json()["records"]
        assert found["call_id"] == call
