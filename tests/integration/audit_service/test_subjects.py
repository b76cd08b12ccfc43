"""Looking for a person: what is told, to whom, what is kept of it, and that the number is nowhere."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from structlog.testing import capture_logs

from audit_service.api import subjects
from audit_service.archive.cold import Cold
from audit_service.search.finder import Finder
from audit_service.search.indexer import Indexer
from audit_service.subjects.look_ups import LookUps
from audit_service.writer import Writer
from gateway.policy.model import Allow, GrantRule, Route
from gateway.subject import Subjects
from harness.audit_doors import Doors, opened
from harness.audit_log import AT_MS, Log, ids
from runtime.errors import Refusal
from wire import codes, scopes
from wire.catalog import Grant, Interface, Operation
from wire.subjects import SubjectKey

pytestmark = pytest.mark.anyio
KEY = SubjectKey(b"the key of the pseudonyms of a test")
NUMBER = "99010019900307013X"
PERSON = KEY.pseudonym(NUMBER)
WHY = {"number": NUMBER, "reason": "当事人申请查询", "case": "SQ-2026-7"}
OPERATION = Operation(method="GET", path="/{id_card}", target="/{id_card}")
INTERFACE = Interface(
    id="gaj-identity-verify", version="v1", provider="公安局", name="核验", base_url="http://a.example", networks=[],
    operations=[OPERATION], fields=[], subject="id_card",
)  # fmt: skip
GRANT = Grant(id="g", revision=1, system="s", department="d", interface="a/v1", purpose="p", fields=["*"])


class Office:
    """Where people look for persons: the routes over one log."""

    def __init__(self, log: Log, doors: Doors) -> None:
        self.log = log
        self._doors = doors

    async def asked_about(self, number: str, **members: Any) -> str:
        """A whole call about a person, noted as a gateway notes it; its id."""
        allowed = Allow(GrantRule(GRANT), Route(INTERFACE), OPERATION, {"id_card": number})
        [call] = ids(1)
        subject = Subjects(KEY).of(allowed, b"", b"")
        await self.log.write((call, "intent"), subject=subject, **members)
        await self.log.write((call, "outcome"), subject=subject, status=200, at_ready=AT_MS + 20, **members)
        await self.index()
        return call

    async def index(self) -> None:
        await self.log.sequence()
        await Indexer(self.log.database).tick()

    async def look(self, body: Any = WHY, *allowed: str, department: str = "个人信息保护办") -> Any:
        wanted = allowed or (scopes.AUDIT_SUBJECT,)
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        return await self._doors.ask("POST", "/subjects/search", department, *wanted, **sent)

    async def events(self) -> list[dict[str, Any]]:
        await self.index()
        return [leaf for raw in await self.log.leaves() if (leaf := msgspec.json.decode(raw))["kind"] == "event"]


@pytest.fixture
async def office(log: Log) -> AsyncIterator[Office]:
    finder = Finder(log.database, cast(Cold, None))  # nothing here is old enough for the archive
    writer = Writer("audit-1", log.database, log.ingest)
    async with opened(lambda door: subjects.router(LookUps(finder, writer, KEY), door)) as doors:
        yield Office(log, doors)


@pytest.mark.requirement("SUB-05")
async def test_who_asked_about_a_person_is_told_with_time_purpose_and_case(office: Office) -> None:
    first = await office.asked_about("99010019900307013x")
    second = await office.asked_about(" 990100-19900307-013X ", case="办件-2", purpose="公租房")
    await office.asked_about("990100199003070131")
    answer = await office.look()
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store"), answer.text
    told = answer.json()
    assert (told["subject"], told["next"]) == (PERSON, None)
    assert [row["call"] for row in told["items"]] == [second, first]
    assert told["items"][1] == {
        "at": datetime.fromtimestamp(AT_MS / 1000, UTC).replace(microsecond=20_000).isoformat().replace("+00:00", "Z"),
        "department": "民政局", "system": "mzj-relief", "provider": "公安局", "interface": "gaj-identity-verify",
        "version": "v1", "purpose": "低保核查", "case": "办件-1", "kind": "outcome", "event": "", "status": 200,
        "code": "", "call": first,
    }  # fmt: skip
    assert (told["items"][0]["case"], told["items"][0]["purpose"]) == ("办件-2", "公租房")


@pytest.mark.requirement("SUB-05")
async def test_a_look_up_is_on_record_with_its_reason_and_is_found_like_a_call(office: Office) -> None:
    await office.asked_about(NUMBER)
    assert len((await office.look()).json()["items"]) == 1
    [event] = await office.events()
    assert (event["event"], event["department"], event["actor"], event["retention"]) == (
        "subject.looked_up", "个人信息保护办", "c-1", "personal"
    )  # fmt: skip
    assert event["facts"] == {"subject": PERSON, "reason": "当事人申请查询", "case": "SQ-2026-7", "rows": "1"}
    rows = (await office.look({**WHY, "number": "９９０１００１９９００３０７０１３Ｘ"})).json()["items"]
    assert [row["event"] for row in rows] == ["subject.looked_up", ""]


@pytest.mark.requirement("SUB-05")
async def test_nothing_is_told_before_it_is_on_record(log: Log) -> None:
    class Away:
        async def write(self, _events: object) -> None:
            raise Refusal(codes.AUDIT_UNAVAILABLE)

    finder = Finder(log.database, cast(Cold, None))
    look_ups = LookUps(finder, cast(Writer, Away()), KEY)
    async with opened(lambda door: subjects.router(look_ups, door)) as doors:
        office = Office(log, doors)
        await office.asked_about(NUMBER)
        answer = await office.look()
    assert (answer.status_code, answer.json()["code"]) == (503, "audit/unavailable")
    assert "民政局" not in answer.text


@pytest.mark.requirement("SUB-05")
async def test_only_who_may_look_for_persons_does(office: Office) -> None:
    others = [scope for scope in scopes.ALL if scope != scopes.AUDIT_SUBJECT]
    answer = await office.look(WHY, *others)
    assert (answer.status_code, answer.json()["code"]) == (403, "token/insufficient-scope")
    assert await office.events() == []


@pytest.mark.requirement("SUB-05")
async def test_pages_follow_each_other_and_times_bound_them(office: Office) -> None:
    calls = [(ids(1)[0], "denied") for _ in range(205)]
    await office.log.write(*cast(Any, calls), subject=PERSON)
    await office.index()
    found: list[str] = []
    cursor: str | None = ""
    for size in (100, 100, 5):
        told = (await office.look({**WHY, "cursor": cursor})).json()
        assert len(told["items"]) == size
        found += [row["call"] for row in told["items"]]
        cursor = told["next"]
    assert cursor is None
    assert found == [call for call, _ in reversed(calls)]
    moment = datetime.fromtimestamp(AT_MS / 1000, UTC).isoformat()
    for bounds, rows in (({"since": moment}, 100), ({"before": moment}, 0)):
        assert len((await office.look({**WHY, **bounds})).json()["items"]) == rows


WRONG: list[Any] = [
    b"", b"{", b"[]", b"[" * 10_000, b"\xff", b'{"number": 990100199003070131, "reason": "x"}', b" " * 17_000,
    {"number": NUMBER}, {**WHY, "reason": ""}, {**WHY, "reason": "  "}, {**WHY, "reason": "a\0b"},
    {**WHY, "reason": f"关于{NUMBER}"}, {**WHY, "reason": "990100 19900307 013x 的投诉"}, {**WHY, "case": NUMBER},
    {**WHY, "number": ""}, {**WHY, "number": " - "}, {**WHY, "number": NUMBER * 50}, {**WHY, NUMBER: "x"},
    {**WHY, "reason": [NUMBER]}, {**WHY, "since": NUMBER}, {**WHY, "since": "2026-01-01T00:00:00"},
    {**WHY, "cursor": NUMBER}, {**WHY, "since": "0001-01-01T00:00:00+23:00"}, {**WHY, "limit": 5},
    {**WHY, "cursor": "A" * 24}, {**WHY, "reason": "另有990100199003070131一人"},
    {**WHY, "reason": "见 990100", "case": "19900307-0131"}, {**WHY, "reason": "见 990100", "case": "19900307-013x"},
    b'{"number": "99010019900307013X", "reason": "\\ud800"}', b'{"number": "\\ud800", "reason": "x"}',
]  # fmt: skip


async def everything(log: Log) -> str:
    """All that stands in the database, as one text: every column of every table as text and, for bytes, as they are."""
    tables = await log.fetch(
        """SELECT c.oid::regclass::text AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
           WHERE c.relkind = 'r' AND n.nspname = 'audit'"""
    )
    parts: list[str] = []
    for table in tables:
        for row in await log.fetch(f"SELECT * FROM {table['name']}"):
            parts += [value.decode("latin-1") if isinstance(value, bytes) else str(value) for value in row.values()]
    return "\n".join(parts)


@pytest.mark.requirement("SUB-06")
async def test_the_number_is_nowhere(office: Office, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    answers: list[str] = []
    with capture_logs() as lines:
        await office.asked_about(NUMBER)
        for body in (WHY, *WRONG):
            answer = await office.look(body)
            expected = 200 if body is WHY else 413 if body == b" " * 17_000 else 422
            assert answer.status_code == expected, (body, answer.text)
            answers.append(answer.text + str(answer.headers))
        answers.append((await office.look(WHY, scopes.AUDIT_READ)).text)
    assert [event["event"] for event in await office.events()] == ["subject.looked_up"]
    kept = await everything(office.log)
    assert PERSON in kept  # it would be seen
    written = "".join(file.read_bytes().decode("latin-1") for file in tmp_path.rglob("*") if file.is_file())
    for text in (kept, "\n".join(answers), str(lines), caplog.text, written):
        for spelling in (NUMBER, NUMBER.lower(), NUMBER[:17], "19900307"):
            assert spelling not in text
