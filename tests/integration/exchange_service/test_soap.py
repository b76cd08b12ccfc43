"""A SOAP interface at a real exchange, with a real SOAP service behind it or something that says it is one."""

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from harness import soap_service
from harness.exchange import ALL, Running, interface, message, running
from harness.origin import origin, says
from harness.postgres import Cluster, Database
from soap import codec, schema, wsdl
from soap.wsdl import Version
from wire import codes
from wire.calls import Obligations, ReplyMessage
from wire.catalog import Example, Field, Interface, Operation, Soap

pytestmark = pytest.mark.anyio
QUERY = Operation(method="POST", path="/Query", target="Query")
NAME = Obligations(["QueryResult.name", "QueryResult.income"], {"QueryResult.name": "name_first"})
ASKED = json.dumps({"id_card": soap_service.KNOWN, "limit": 2}).encode()
KINDS: dict[Version, str] = {"1.1": "text/xml; charset=utf-8", "1.2": 'application/soap+xml;charset=UTF-8;action="x"'}
VERSIONS: tuple[Version, ...] = ("1.1", "1.2")


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    """One for all tests of this module: nothing is kept in it."""
    with cluster.lent(("exchange_service", "exchange")) as lent:
        yield lent


@pytest.fixture(scope="module")
def documents() -> Iterator[tuple[int, dict[str, str]]]:
    """The service's port, and its WSDL by version."""
    with soap_service.running() as port:
        yield port, {version: soap_service.wsdl(port, version) for version in VERSIONS}


def registered(port: int, version: str, document: str, **changes: Any) -> Interface:
    """As an import would register it."""
    operation = wsdl.read(document.encode()).port().operations["Query"]
    assert operation.response is not None
    return interface(
        port, base_url=f"http://127.0.0.1:{port}/soap{version.replace('.', '')}", operations=[QUERY],
        adapter=Soap(wsdl=document), fields=[Field(name=name) for name in schema.leaves(operation.response)],
        request=schema.Schemas(closed=True).whole(operation.request),
        response=schema.Schemas(closed=False).whole(operation.response), **changes,
    )  # fmt: skip


async def ask(exchange: Running, body: bytes, **changes: Any) -> tuple[ReplyMessage, bytes]:
    given: dict[str, Any] = {"method": "POST", "path": "/Query", "content_type": "application/json", **changes}
    return await exchange.ask(message(**given), body)


def enveloped(document: str, version: Version, **members: Any) -> bytes:
    operation = wsdl.read(document.encode()).port().operations["Query"]
    return codec.question(operation, json.dumps(members).encode(), version)


def read(document: str, content: bytes) -> codec.Heard:
    return codec.answer(wsdl.read(document.encode()).port().operations["Query"], content)


@pytest.mark.requirement("SOA-08")
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_soap_service_is_asked_in_json(
    database: Database, documents: tuple[int, dict[str, str]], version: Version
) -> None:
    port, wsdls = documents
    async with running(database, registered(port, version, wsdls[version])) as exchange:
        reply, content = await ask(exchange, ASKED, obligations=NAME)
        assert (reply.code, reply.status, reply.content_type) == ("", 200, "application/json")
        assert content == '{"QueryResult":{"name":"张****","income":1234.50}}'.encode()
        assert (reply.fields, reply.masked) == (["QueryResult.income", "QueryResult.name"], ["QueryResult.name"])
        whole, content = await ask(exchange, ASKED, obligations=ALL, grant_revision=2)
        assert whole.status == 200
        assert json.loads(content)["QueryResult"]["members"]["Member"] == [{"name": "李四", "role": "配偶"}]


@pytest.mark.requirement("SOA-07")
@pytest.mark.parametrize("asks", VERSIONS)
@pytest.mark.parametrize("speaks", VERSIONS)
async def test_a_consumer_speaks_soap_in_its_own_version(
    database: Database, documents: tuple[int, dict[str, str]], asks: Version, speaks: Version
) -> None:
    port, wsdls = documents
    document = wsdls[speaks]
    body = enveloped(document, asks, id_card=soap_service.KNOWN)
    async with running(database, registered(port, speaks, document)) as exchange:
        reply, content = await ask(exchange, body, obligations=NAME, content_type=KINDS[asks])
        assert (reply.status, reply.content_type) == (200, f"{codec.MEDIA_TYPE[asks]}; charset=utf-8")
        assert wsdl.ENVELOPE[asks].encode() in content
        assert reply.masked == ["QueryResult.name"]
        assert read(document, content).body == '{"QueryResult":{"name":"张****","income":1234.50}}'.encode()
        once = {"obligations": NAME, "content_type": KINDS[asks], "idempotency_key": f"{asks}-{speaks}"}
        again, same = await ask(exchange, body, **once)
        repeated, replayed = await ask(exchange, body, **once)
        assert (again.replayed, repeated.replayed, same) == (False, True, replayed)


FAULTS = {"sender": (soap_service.UNKNOWN, 400), "receiver": (soap_service.BROKEN, 500)}


@pytest.mark.requirement("SOA-06")
@pytest.mark.parametrize(("number", "status"), FAULTS.values(), ids=FAULTS.keys())
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_fault_is_an_error_whose_words_have_to_be_granted(
    database: Database, documents: tuple[int, dict[str, str]], version: Version, number: str, status: int
) -> None:
    port, wsdls = documents
    body, document = json.dumps({"id_card": number}).encode(), wsdls[version]
    async with running(database, registered(port, version, document)) as exchange:
        reply, content = await ask(exchange, body, obligations=NAME)
        assert (reply.status, reply.code, reply.fields, content) == (status, "", [], b"{}")
        reply, content = await ask(exchange, body, obligations=ALL, grant_revision=2)
        assert json.loads(content)["fault"]["reason"] in ("身份证号不存在", "数据库不可用")

        envelope = enveloped(document, version, id_card=number)
        reply, content = await ask(exchange, envelope, obligations=NAME, content_type=KINDS[version])
        assert reply.status == (status if version == "1.2" else 500)
        fault = read(document, content).fault
        assert fault is not None
        assert (fault.by_sender, fault.reason) == (status == 400, "the provider answered with an error")


@pytest.mark.requirement("SOA-06")
async def test_questions_that_are_wrong_do_not_rest_the_provider(
    database: Database, documents: tuple[int, dict[str, str]]
) -> None:
    port, wsdls = documents
    async with running(database, registered(port, "1.1", wsdls["1.1"])) as exchange:
        wrong = json.dumps({"id_card": soap_service.UNKNOWN}).encode()
        for _ in range(8):
            assert (await ask(exchange, wrong))[0].status == 400
        assert (await ask(exchange, ASKED))[0].status == 200


UNFIT = {
    "json-against-schema": (b'{"id_card":1}', "application/json"),
    "json-unknown": (b'{"id_card":"1","more":1}', "application/json"),
    "json-control-character": (b'{"id_card":"\\u0000"}', "application/json"),
    "not-an-envelope": (b"<Query/>", "text/xml"),
    "empty": (b"", "text/xml"),
    "json-as-xml": (b"{}", "text/xml"),
    "dtd": (b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>', "text/xml"),
}


@pytest.mark.requirement("SOA-07")
@pytest.mark.parametrize(("body", "kind"), UNFIT.values(), ids=UNFIT.keys())
async def test_a_question_that_does_not_fit_is_the_consumers_fault(
    database: Database, documents: tuple[int, dict[str, str]], body: bytes, kind: str
) -> None:
    port, wsdls = documents
    async with running(database, registered(port, "1.1", wsdls["1.1"])) as exchange:
        reply, content = await ask(exchange, body, content_type=kind)
        assert (reply.code, content) == (codes.NOT_MATCHING_SCHEMA.name, b"")
        other = enveloped(wsdls["1.1"], "1.2", id_card="1")
        assert (await ask(exchange, other, content_type="text/xml"))[0].code == codes.NOT_MATCHING_SCHEMA.name
        missing = enveloped(wsdls["1.1"], "1.1", id_card="1").replace(b"id_card", b"id_cart")
        assert (await ask(exchange, missing, content_type="text/xml"))[0].code == codes.NOT_MATCHING_SCHEMA.name


@pytest.mark.requirement("SOA-08")
async def test_claims_about_a_soap_answer_are_judged(database: Database, documents: tuple[int, dict[str, str]]) -> None:
    port, wsdls = documents
    async with running(database, registered(port, "1.2", wsdls["1.2"])) as exchange:
        told = {"name": "张三", "income": "1234.5"}
        for number, name, verdict in (
            (soap_service.KNOWN, "张三", "yes"), (soap_service.KNOWN, "李四", "no"),
            (soap_service.NOBODY, "张三", "no_record"),
        ):  # fmt: skip
            claims = {f"QueryResult.{key}": value for key, value in {**told, "name": name}.items()}
            body = json.dumps({"claims": claims, "question": {"id_card": number}}).encode()
            reply, content = await ask(exchange, body, obligations=NAME, mode="verify")
            assert (reply.code, reply.verdict) == ("", verdict)
            assert json.loads(content) == {"result": verdict}


@pytest.mark.requirement("SOA-07")
async def test_the_sandbox_answers_in_soap_too(database: Database, documents: tuple[int, dict[str, str]]) -> None:
    port, wsdls = documents
    example = Example(request={"id_card": "1"}, response={"QueryResult": {"id_card": "1", "name": "王五"}})
    async with running(database, registered(port, "1.1", wsdls["1.1"], examples=[example])) as exchange:
        body = enveloped(wsdls["1.1"], "1.1", id_card="1")
        reply, content = await ask(exchange, body, content_type="text/xml", sandbox=True)
        assert reply.status == 200
        assert json.loads(read(wsdls["1.1"], content).body) == {"QueryResult": {"id_card": "1", "name": "王五"}}


# --- what a provider may say instead ----------------------------------------------------------------------------------
def http(content: bytes, status: str = "200 OK", kind: str = "text/xml") -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(content)}\r\n\r\n".encode() + content


BODY = b'<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>%b</s:Body></s:Envelope>'
GOOD = BODY % b'<t:QueryResponse xmlns:t="urn:tongdao:population"/>'
SAID: dict[str, tuple[bytes, int, str]] = {
    "F-html": (http(b"<html>", kind="text/html"), 502, "provider/broken-answer"),
    "F-json": (http(b"{}", kind="application/json"), 502, "provider/broken-answer"),
    "F-no-kind": (http(GOOD, kind=""), 502, "provider/broken-answer"),
    "F-gbk": (http(GOOD, kind="text/xml; charset=gb2312"), 502, "provider/broken-answer"),
    "F-mtom": (http(GOOD, kind='multipart/related; type="application/xop+xml"'), 502, "provider/broken-answer"),
    "F-not-xml": (http(b"<a>"), 502, "provider/broken-answer"),
    "F-other-element": (http(BODY % b"<x/>"), 502, "provider/broken-answer"),
    "F-two-answers": (http(GOOD.replace(b"<s:Body>", b"<s:Body><x/>")), 502, "provider/broken-answer"),
    "F-against-schema": (
        http(BODY % b'<t:QueryResponse xmlns:t="urn:tongdao:population"><t:QueryResult/></t:QueryResponse>'), 502,
        "provider/broken-answer",
    ),
    "F-bomb": (http(b'<!DOCTYPE a [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><a>&b;</a>'), 502, "provider/broken-answer"),
    "F-redirect": (http(b"", "302 Found"), 502, "provider/broken-answer"),
    "F-error-page": (http(b"<html>secret</html>", "503 Unavailable", "text/html"), 503, ""),
    "F-error-xml": (http(b"<error>secret</error>", "500 Error"), 500, ""),
    "F-error-bare": (http(b"", "404 Not Found"), 404, ""),
    "F-good": (http(GOOD), 200, ""),
    "F-good-with-error-status": (http(GOOD, "500 Error"), 500, ""),
}  # fmt: skip


@pytest.mark.requirement("SOA-08")
@pytest.mark.parametrize(("said", "status", "code"), SAID.values(), ids=SAID.keys())
async def test_whatever_a_provider_says_is_its_fault_and_tells_nothing(
    database: Database, documents: tuple[int, dict[str, str]], said: bytes, status: int, code: str
) -> None:
    async with origin(says(said)) as it, running(database, registered(it.port, "1.1", documents[1]["1.1"])) as exchange:
        reply, content = await ask(exchange, ASKED, obligations=NAME)
        assert (reply.status, reply.code) == (status, code)
        assert content in (b"", b"{}")
        assert reply.fields == []


@pytest.mark.requirement("SOA-08")
@pytest.mark.parametrize("wrong", ["not-a-wsdl", "no-such-port", "no-such-operation"])
async def test_a_registration_that_cannot_be_used_stops_nothing_else(
    database: Database, documents: tuple[int, dict[str, str]], wrong: str
) -> None:
    port, wsdls = documents
    good = registered(port, "1.1", wsdls["1.1"])
    adapters = {"not-a-wsdl": Soap(wsdl="<a/>"), "no-such-port": Soap(wsdl=wsdls["1.1"], port="x")}
    target = "Nothing" if wrong == "no-such-operation" else "Query"
    bad = interface(
        port, id="bad", operations=[Operation(method="POST", path="", target=target)],
        adapter=adapters.get(wrong, good.adapter),
    )  # fmt: skip
    async with running(database, bad, good) as exchange:
        assert exchange.exchange.registry.get("bad/v1") is None
        assert (await ask(exchange, ASKED))[0].status == 200


@pytest.mark.requirement("SOA-08")
def test_who_has_no_soap_interface_does_not_load_the_codec() -> None:
    program = "import sys, exchange_service.call, exchange_service.registry; sys.exit('zeep' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
