"""The sandbox twin: which example answers, and that answers go through the contract like the provider's own."""

import json
from typing import Any

import pytest

from exchange_service.contract.model import Contract, Projection
from exchange_service.contract.release import release
from exchange_service.providers.provider import Question
from exchange_service.providers.sandbox import SandboxProvider
from wire.calls import Obligations
from wire.catalog import Example, Field, Interface, Operation, Soap

pytestmark = [pytest.mark.requirement("PRJ-10"), pytest.mark.anyio]
GET = Operation(method="GET", path="/{id}", target="/{id}")
EXAMPLES = [
    Example(response={"name": "nobody"}),
    Example(values={"id": "1"}, response={"name": "first"}),
    Example(values={"id": "1", "year": "2026"}, response={"name": "of 2026"}),
    Example(values={"id": "2"}, status=404, response={"error": "none"}),
    Example(request={"n": 1.0}, response={"name": "posted"}),
    Example(request={"n": "form"}, response={"name": "form"}),
]


def interface(**parts: Any) -> Interface:
    given = {"fields": [Field(name="name", mask="name_first")], "examples": EXAMPLES, **parts}
    return Interface(
        id="a", version="v1", provider="gaj", name="", base_url="http://provider.example", networks=[],
        operations=[GET], **given,
    )  # fmt: skip


async def asked(given: Interface, **question: Any) -> tuple[int, bytes, bytes]:
    answer = await SandboxProvider(given).ask(Question(**{"operation": GET, **question}), 1.0)
    return answer.status, await answer.body.read(1000), answer.headers.get(b"content-type", b"")


@pytest.mark.parametrize(
    ("question", "name"),
    [
        ({"values": {"id": "3"}}, "nobody"),
        ({"values": {"id": "1"}}, "first"),
        ({"values": {"id": "1"}, "query": "year=2026"}, "of 2026"),
        ({"values": {"id": "1"}, "query": "year=2025"}, "first"),
        ({"values": {"id": "1"}, "query": "+"}, "first"),
        ({"body": b'{"n":1}'}, "posted"),
        ({"body": b"n=form"}, "form"),
        ({"body": b"<r><n>form</n></r>"}, "form"),
        ({"body": b'{"n":2}'}, "nobody"),
        ({"body": b"\xff"}, "nobody"),
    ],
    ids=["no other", "values", "most values", "not all values", "odd query", "request", "form", "xml", "other request",
         "unreadable"],
)  # fmt: skip
async def test_the_example_that_fits_best_answers(question: dict[str, Any], name: str) -> None:
    status, body, content_type = await asked(interface(), **question)
    assert (status, json.loads(body), content_type) == (200, {"name": name}, b"application/json")


async def test_an_example_has_a_status_of_its_own() -> None:
    assert (await asked(interface(), values={"id": "2"}))[0] == 404


async def test_without_an_example_the_schema_answers() -> None:
    schema = {"type": "object", "properties": {"name": {"type": "string", "pattern": "^[A-Z]{3}$"}}}
    given = interface(examples=[], response=schema)
    _, body, content_type = await asked(given)
    contract = Contract(given)
    out = release(contract, Projection(contract, Obligations(["name"])), body, content_type, True)
    assert out.body == b'{"name":"A****"}'


async def test_without_anything_the_fields_answer() -> None:
    assert json.loads((await asked(interface(examples=[])))[1]) == {"name": "测试甲"}


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        ({"name": "a<b", "@k": 'x"', "p": [{"n": 1}, {"n": None}], "t": {"@u": True, "#text": "v"}},
         b"<response k='x\"'><name>a&lt;b</name><p><n>1</n></p><p><n></n></p><t u=\"true\">v</t></response>"),
        ("<r><name>x</name></r>", b"<r><name>x</name></r>"),
        (["a", "b"], b"<response><item>a</item><item>b</item></response>"),
        (None, b"<response></response>"),
    ],
    ids=["JSON form", "XML itself", "array", "nothing"],
)  # fmt: skip
async def test_xml(response: Any, expected: bytes) -> None:
    given = interface(format="xml", examples=[Example(response=response)])
    _, body, content_type = await asked(given)
    assert (body, content_type) == (expected, b"application/xml")
    contract = Contract(given)
    release(contract, Projection(contract, Obligations(["name"])), body, content_type, True)


async def test_soap_answers_in_its_json_form_and_bytes_are_bytes() -> None:
    soap = interface(format="xml", adapter=Soap(wsdl=""))
    assert (await asked(soap, values={"id": "1"}))[1:] == (b'{"name":"first"}', b"application/json")
    given = interface(format="binary", examples=[Example(response="some bytes")])
    assert (await asked(given))[1:] == (b"some bytes", b"application/octet-stream")


async def test_a_question_for_the_head_alone_has_no_body() -> None:
    head = Operation(method="HEAD", path="/{id}", target="/{id}")
    assert (await asked(interface(), operation=head))[1] == b""
