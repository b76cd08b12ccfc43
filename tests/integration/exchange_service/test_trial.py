""" "Test this interface": the way of a call with every step told, recorded first, and nothing personal shown."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from httpx2 import ASGITransport, ConnectError, MockTransport

from exchange_service.api import testing
from exchange_service.credentials.model import ApiKey
from exchange_service.registry import Platform
from harness.audit_doors import Doors, opened
from harness.audit_sink import AuditSink
from harness.credential_office import EGRESS, Office, office
from harness.guarded import Guarded, guarded
from harness.postgres import Database
from runtime.clock import SystemClock
from runtime.http import AsyncClient, Request, Response
from runtime.service_auth import ServiceKey
from wire import scopes
from wire.catalog import Field, Interface, Operation, Rest
from wire.lease import EventWriter

pytestmark = pytest.mark.anyio
KEY = ServiceKey(b"s" * 32, "exchange")
ID_CARD = "11010519491231002X"
NAME = "欧阳某某"
PHONE = "13912345678"
PERSON = {"name": NAME, "id_card": ID_CARD, "phone": PHONE, "insured": True, "base": 8123.5, "years": [2024, 2025]}
SCHEMA: dict[str, object] = {
    "type": "object", "required": ["name"],
    "properties": {name: {} for name in PERSON} | {"name": {"type": "string"}},
}  # fmt: skip
RSJ = Interface(
    id="ins", version="v1", provider="rsj", name="参保", base_url="http://127.0.0.1:1", networks=["127.0.0.0/8"],
    operations=[
        Operation(method="GET", path="/{id_card}", target="/v1/ins/{id_card}"),
        Operation(method="POST", path="", target="/v1/ins"),
    ],
    fields=[
        Field(name="name", mask="name_first"), Field(name="id_card", mask="id_last4"), Field(name="phone"),
        Field(name="insured"), Field(name="base"), Field(name="years"), Field(name="never"),
    ],
    response=SCHEMA, retention="personal", subject="id_card",
)  # fmt: skip
QUESTION: dict[str, Any] = {"method": "GET", "path": "/{id_card}", "values": {"id_card": ID_CARD}}


class Bench:
    """A provider, the catalog that has its registration, the log, and the door."""

    def __init__(self, office: Office, origin: Guarded, interface: Interface) -> None:
        self.office = office
        self.origin = origin
        self.interface = msgspec.structs.replace(interface, base_url=origin.url)
        self.sink = AuditSink()
        self.catalog_is_there = True
        self.doors: Doors

    def catalog(self, request: Request) -> Response:
        """Answers signed questions for the one registration."""
        if not self.catalog_is_there:
            raise ConnectError("nobody listens")
        target = request.url.raw_path
        assert KEY.check(request.headers["tongdao-service"].encode(), b"GET", target, b"") == "exchange"
        if target != f"/registrations/{self.interface.key}".encode():
            return Response(404)
        return Response(200, content=msgspec.json.encode(self.interface))

    async def ask(self, question: object = QUESTION, department: str = "rsj", key: str = "ins/v1") -> Response:
        content = question if isinstance(question, bytes) else msgspec.json.encode(question)
        return await self.doors.ask("POST", f"/interfaces/{key}/test", department, scopes.OFFICER, content=content)

    async def report(self, question: object = QUESTION) -> dict[str, Any]:
        answer = await self.ask(question)
        assert answer.status_code == 200, answer.text
        report: dict[str, Any] = answer.json()
        return report


@asynccontextmanager
async def bench(database: Database, interface: Interface = RSJ, answer: object = PERSON) -> AsyncIterator[Bench]:
    async with office(database) as one, guarded(lambda _: True) as origin:
        origin.answer = answer if isinstance(answer, bytes) else json.dumps(answer, ensure_ascii=False).encode()
        it = Bench(one, origin, interface)
        events = EventWriter("exchange-1", AsyncClient(transport=ASGITransport(it.sink), base_url="http://log"), KEY)
        catalog = AsyncClient(transport=MockTransport(it.catalog), base_url="http://catalog")
        platform = Platform(EGRESS, one.keychain)
        clock = SystemClock()
        async with opened(lambda door: testing.router(door, catalog, KEY, events, platform, clock)) as doors:
            it.doors = doors
            yield it


def _by_name(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["name"]: one for one in report["fields"]}


@pytest.mark.requirement("CRD-10")
async def test_every_step_is_told_and_no_raw_personal_value(database: Database) -> None:
    async with bench(database) as it:
        answer = await it.ask()
    report = answer.json()
    assert report["ok"] is True, report
    assert [step["step"] for step in report["steps"]] == [
        "contract", "address", "connection", "answer", "schema", "fields",
    ]  # fmt: skip
    assert all(step["ok"] and step["ms"] >= 0 for step in report["steps"])
    assert report["steps"][1]["detail"] == "127.0.0.1"
    assert (report["status"], report["content_type"]) == (200, "application/json")
    fields = _by_name(report)
    assert fields["name"]["value"] not in (None, NAME)
    assert fields["id_card"]["value"] not in (None, ID_CARD)
    assert (fields["id_card"]["types"], fields["id_card"]["lengths"]) == (["string"], [18, 18])
    assert (fields["phone"]["value"], fields["phone"]["lengths"]) == (None, [11, 11])
    assert (fields["years"]["found"], fields["years"]["types"]) == (2, ["number"])
    assert (fields["insured"]["types"], fields["never"]["found"]) == (["boolean"], 0)
    for value in (NAME, ID_CARD, PHONE, "8123.5", "2024"):
        assert value not in answer.text
    assert len(it.origin.asked) == 1
    assert it.origin.asked[0].target == f"/v1/ins/{ID_CARD}".encode()


@pytest.mark.requirement("CRD-10")
async def test_values_that_are_about_nobody_are_shown_as_they_leave(database: Database) -> None:
    general = msgspec.structs.replace(
        RSJ, retention="general", subject="", fields=[Field(name="name", mask="name_first"), Field(name="base")]
    )
    async with bench(database, general) as it:
        fields = _by_name(await it.report())
    assert fields["base"]["value"] == 8123.5
    assert fields["name"]["value"] not in (None, NAME)


@pytest.mark.requirement("CRD-10")
async def test_many_records_are_counted(database: Database) -> None:
    interface = msgspec.structs.replace(RSJ, response=None)
    async with bench(database, interface, [PERSON, {"name": "李四"}, {"name": None}]) as it:
        fields = _by_name(await it.report())
    assert (fields["name"]["found"], fields["name"]["types"]) == (3, ["null", "string"])
    assert fields["name"]["lengths"] == [2, 4]


@pytest.mark.requirement("CRD-10")
async def test_it_is_in_the_log_before_anybody_is_asked_and_without_the_question(database: Database) -> None:
    async with bench(database) as it:
        it.sink.mode = "full"
        assert (await it.ask()).json()["code"] == "audit/unavailable"
        assert it.origin.asked == []
        it.sink.mode = "ok"
        report = await it.report()
    (event,) = it.sink.events("interface.test_asked")
    assert (event.call, event.actor, event.department) == (report["call"], "c-1", "rsj")
    assert event.facts == {"interface": "ins/v1", "method": "GET", "path": "/{id_card}"}
    assert it.origin.asked[0].fields[b"tongdao-call"].decode() == report["call"]


@pytest.mark.requirement("CRD-10")
async def test_nobody_but_its_provider_and_the_operator_may(database: Database) -> None:
    async with bench(database) as it:
        assert (await it.ask(department="zjj")).json()["code"] == "request/not-responsible"
        content = msgspec.json.encode(QUESTION)
        path = "/interfaces/ins/v1/test"
        system = await it.doors.ask("POST", path, "rsj", scopes.CALL, content=content)
        assert system.json()["code"] == "token/insufficient-scope"
        assert it.sink.leaves == []
        operator = await it.doors.ask("POST", path, "platform", scopes.CATALOG_WRITE, content=content)
        assert operator.json()["ok"] is True


@pytest.mark.requirement("CRD-10")
async def test_an_unknown_interface_and_a_catalog_that_is_away(database: Database) -> None:
    async with bench(database) as it:
        assert (await it.ask(key="other/v1")).json()["code"] == "interface/unknown"
        it.catalog_is_there = False
        assert (await it.ask()).json()["code"] == "exchange/service-unreachable"


@pytest.mark.requirement("CRD-10")
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"[]", id="list"),
        pytest.param(b'{"path":""}', id="no-method"),
        pytest.param(b'{"method":"GET","paht":""}', id="unknown-member"),
        pytest.param(b'{"method":"GET","request_base64":"%"}', id="no-base64"),
        pytest.param(b'{"method":"GET","request":' + b"[" * 5000, id="deep"),
    ],
)
async def test_what_is_no_question_is_422(database: Database, body: bytes) -> None:
    async with bench(database) as it:
        answer = await it.ask(body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid")
    assert it.sink.leaves == []


Changes = dict[str, Any]
FAILURES: dict[str, tuple[Changes, object, Changes, str, str]] = {
    "a-schema-that-is-none": ({"response": {"type": 7}}, PERSON, {}, "contract", "interface/unusable"),
    "an-unknown-mask": ({"fields": [Field(name="name", mask="none")]}, PERSON, {}, "contract", "interface/unusable"),
    "an-unknown-operation": ({}, PERSON, {"method": "DELETE"}, "contract", "interface/unknown-operation"),
    "a-wrong-parameter": (
        {"parameters": {"properties": {"id_card": {"maxLength": 3}}}}, PERSON, {}, "contract",
        "request/schema",
    ),
    "a-wrong-body": (
        {"request": {"type": "object"}}, PERSON, {"method": "POST", "path": "", "values": {}, "request": [1]},
        "contract", "request/schema",
    ),
    "outside-the-networks": ({"networks": ["10.0.0.0/8"]}, PERSON, {}, "address", "provider/forbidden-address"),
    "a-missing-credential": ({"credential": "none"}, PERSON, {}, "answer", "provider/credential-missing"),
    "a-refused-credential": ({"credential": "old"}, PERSON, {}, "answer", "provider/credential-refused"),
    "not-json": ({}, b"<html>" + NAME.encode(), {}, "schema", "provider/broken-answer"),
    "another-type": ({}, {"name": 7}, {}, "schema", "provider/broken-answer"),
    "a-member-twice": ({}, b'{"name":"a","name":"b"}', {}, "schema", "provider/broken-answer"),
}  # fmt: skip


@pytest.mark.requirement("CRD-10")
@pytest.mark.parametrize("failure", FAILURES)
async def test_the_step_that_fails_is_named_and_is_the_last(database: Database, failure: str) -> None:
    changed, said, asked, step, code = FAILURES[failure]
    async with bench(database, msgspec.structs.replace(RSJ, **changed), said) as it:
        await it.office.put_behind_its_back("old", ApiKey(value="old", header="x-key"))
        it.origin.guard = lambda one: b"x-key" not in one.fields
        answer = await it.ask({**QUESTION, **asked})
    report = answer.json()
    assert report["ok"] is False
    assert [one["ok"] for one in report["steps"]] == [True] * (len(report["steps"]) - 1) + [False]
    last = report["steps"][-1]
    assert (last["step"], last["code"]) == (step, code)
    assert last["detail"]
    for value in (NAME, ID_CARD, PHONE):
        assert value not in answer.text


@pytest.mark.requirement("CRD-10")
async def test_a_provider_that_is_away_fails_at_the_connection(database: Database) -> None:
    async with bench(database) as it:
        it.interface = msgspec.structs.replace(it.interface, base_url="http://127.0.0.1:65002")
        report = await it.report()
    assert (report["steps"][-1]["step"], report["steps"][-1]["code"]) == ("connection", "provider/unreachable")


@pytest.mark.requirement("CRD-10")
async def test_a_credential_that_another_exchange_was_given_is_used(database: Database) -> None:
    async with bench(database, msgspec.structs.replace(RSJ, credential="core")) as it:
        await it.office.put_behind_its_back("core", ApiKey(value="new", header="x-key"))
        it.origin.guard = lambda one: one.fields.get(b"x-key") == b"new"
        assert (await it.report())["ok"] is True


@pytest.mark.requirement("CRD-10")
async def test_what_differs_from_the_registration_is_told(database: Database) -> None:
    fields = [Field(name="name", mask="name_first"), Field(name="gone")]
    async with bench(database, msgspec.structs.replace(RSJ, fields=fields), {"name": NAME, "more": 1}) as it:
        report = await it.report()
    assert {"path": "more", "kind": "new"} in report["drift"]
    assert {"path": "gone", "kind": "missing"} in report["drift"]


@pytest.mark.requirement("CRD-10")
async def test_an_error_of_the_provider_is_no_success(database: Database) -> None:
    async with bench(database) as it:
        it.origin.status = b"404 Not Found"
        report = await it.report()
    assert (report["ok"], report["status"]) == (False, 404)
    assert all(step["ok"] for step in report["steps"])


@pytest.mark.requirement("CRD-10")
async def test_of_a_file_only_the_beginning_is_fetched(database: Database) -> None:
    interface = msgspec.structs.replace(RSJ, format="binary", response=None)
    async with bench(database, interface, b"x" * 500_000) as it:
        report = await it.report()
    assert report["ok"] is True, report
    assert [step["step"] for step in report["steps"]][-1] == "answer"
    assert (report["bytes"], report["fields"]) == (500_000, [])


@pytest.mark.requirement("CRD-10")
@pytest.mark.parametrize(
    ("kind", "request_", "sent"),
    [
        pytest.param("json", {"a": 1}, (b'{"a":1}', b"application/json"), id="json"),
        pytest.param("form", {"a": "1 & 2"}, (b"a=1+%26+2", b"application/x-www-form-urlencoded"), id="form"),
        pytest.param("form", "name=li\n", (b"name=li", b"application/x-www-form-urlencoded"), id="form-as-text"),
        pytest.param("xml", "<a>1</a>", (b"<a>1</a>", b"application/xml"), id="xml"),
    ],
)
async def test_a_body_is_sent_as_a_consumer_would(
    database: Database, kind: Any, request_: object, sent: tuple[bytes, bytes]
) -> None:
    async with bench(database, msgspec.structs.replace(RSJ, adapter=Rest(request_format=kind))) as it:
        assert (await it.report({"method": "POST", "request": request_}))["ok"] is True
        assert (it.origin.asked[-1].body, it.origin.asked[-1].fields[b"content-type"]) == sent


@pytest.mark.requirement("CRD-10")
async def test_bytes_are_sent_as_they_are(database: Database) -> None:
    async with bench(database, msgspec.structs.replace(RSJ, adapter=Rest(request_format="binary"))) as it:
        assert (await it.report({"method": "POST", "request_base64": "//4A"}))["ok"] is True
        sent = it.origin.asked[-1]
        assert (sent.body, sent.fields[b"content-type"]) == (b"\xff\xfe\x00", b"application/octet-stream")
