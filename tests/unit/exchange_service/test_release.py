"""Questions and answers in other formats than JSON: forms, XML, SOAP's envelope; held against their contracts."""

from typing import Any

import pytest

from exchange_service.contract.media import BadKind, kind_of
from exchange_service.contract.model import Contract, Projection
from exchange_service.contract.release import facts, release
from exchange_service.contract.text import BadText
from exchange_service.contract.validate import NotMatching, check_request, parse_form
from wire.calls import Obligations
from wire.catalog import Field, Files, Interface, Rest, Soap, Table

NAME = {"type": "object", "properties": {"name": {"type": "string", "maxLength": 3}}, "required": ["name"]}


def contract(**parts: Any) -> Contract:
    given = {"fields": [], **parts}
    return Contract(
        Interface(
            id="a", version="v1", provider="gaj", name="", base_url="http://provider.example", networks=[],
            operations=[], **given,
        )
    )  # fmt: skip


def form(**parts: Any) -> Contract:
    return contract(adapter=Rest(request_format="form"), **parts)


@pytest.mark.requirement("PRJ-06")
@pytest.mark.parametrize(
    ("body", "fields"),
    [
        (b"a=1", {"a": "1"}),
        (b"a=1+2&b=%E5%BC%A0%0D%0A", {"a": "1 2", "b": "张\r\n"}),
        (b"a=&b==", {"a": "", "b": "="}),
        (b"a%2Bb=%2B%26", {"a+b": "+&"}),
    ],
    ids=["one", "spaces and lines", "empty", "escaped"],
)
def test_a_form_is_an_object_of_strings(body: bytes, fields: dict[str, str]) -> None:
    assert parse_form(body) == fields
    check_request(form(request={"additionalProperties": {"type": "string"}}), body)


@pytest.mark.requirement("PRJ-06")
@pytest.mark.parametrize(
    "body",
    [b"a", b"=1", b"a=1&", b"a=1&&b=2", b"a=1;b=2&c", b"a=1&a=2", b"a=1&%61=2", b"a=%", b"a=%zz", b"a=%ff", b"a=%00",
     b"a=\xe5", b"a=1 2", b'{"a":1}', b"&".join(b"%d=1" % n for n in range(1001))],
    ids=["no value", "no name", "nothing behind", "nothing between", "semicolon", "twice", "twice by escape", "percent",
         "no hex", "not UTF-8", "control", "raw bytes", "raw space", "JSON", "too many"],
)  # fmt: skip
def test_a_form_that_can_be_read_in_two_ways_is_refused(body: bytes) -> None:
    with pytest.raises(NotMatching):
        check_request(form(), body)


@pytest.mark.requirement("PRJ-06")
@pytest.mark.parametrize(
    ("given", "right", "wrong"),
    [
        (Rest(request_format="form"), b"name=ABC", b"name=ABCD"),
        (Rest(request_format="xml"), b"<r><name>ABC</name></r>", b"<r><name>ABCD</name></r>"),
        (Rest(), b'{"name":"ABC"}', b'{"name":"ABCD"}'),
        (Soap(wsdl=""), b'{"name":"ABC"}', b'{"name":"ABCD"}'),
    ],
    ids=["form", "xml", "json", "soap"],
)
def test_a_question_is_held_against_the_schema_in_its_json_form(given: Any, right: bytes, wrong: bytes) -> None:
    asked = contract(adapter=given, request=NAME)
    check_request(asked, right)
    for body in (wrong, b""):
        with pytest.raises(NotMatching) as refused:
            check_request(asked, body)
        assert "ABC" not in str(refused.value)


@pytest.mark.requirement("PRJ-06")
def test_an_envelope_is_read_strictly_and_left_to_the_adapter() -> None:
    check_request(contract(adapter=Soap(wsdl=""), request=NAME), b"<e><body/></e>")
    with pytest.raises(BadText):
        check_request(contract(adapter=Soap(wsdl=""), request=NAME), b"<!DOCTYPE e><e/>")


@pytest.mark.requirement("PRJ-06")
@pytest.mark.parametrize(
    ("adapter", "body_format"),
    [(Rest(), "json"), (Rest(request_format="binary"), "binary"), (Soap(wsdl=""), "soap"), (Files(), "binary"),
     (Table(engine="mysql", relation="a"), "json")],
    ids=["rest", "bytes", "soap", "files", "table"],
)  # fmt: skip
def test_what_a_question_is_written_in(adapter: Any, body_format: str) -> None:
    assert contract(adapter=adapter).request_format == body_format
    if body_format == "binary":
        check_request(contract(adapter=adapter), b"\xff anything")


XML = b'<r xmlns:z="urn:z"><name z:x="1">ABC</name><age>7</age><!-- x --></r>'
AGE = {"properties": {"age": {"type": "integer", "maximum": 9}}}


@pytest.mark.requirement("PRJ-01")
@pytest.mark.parametrize("content_type", [b"application/xml", b"text/xml; charset=utf-8", b"application/a+xml"])
def test_an_xml_answer_is_held_against_the_schema_and_projected(content_type: bytes) -> None:
    given = contract(format="xml", response=AGE, fields=[Field(name="name", mask="name_first")])
    out = release(given, Projection(given, Obligations(["name"])), XML, content_type, True)
    assert (out.body, out.fields, out.masked) == (b"<r><name>A****</name></r>", ["name"], ["name"])
    assert (out.content_type, out.tree) == ("application/xml", {"name": "ABC", "age": 7})
    strict = contract(format="xml", response={"properties": {"age": {"type": "integer", "maximum": 5}}})
    with pytest.raises(NotMatching):
        release(strict, Projection(strict, Obligations(["*"])), XML, content_type, True)
    release(strict, Projection(strict, Obligations(["*"])), XML, content_type, False)


@pytest.mark.requirement("PRJ-09")
def test_xml_is_not_json_and_json_not_xml_but_for_soap() -> None:
    pairs = [("json", b"application/xml", XML), ("xml", b"application/json", b'{"a":1}'), ("xml", b"text/xml", b"{}")]
    for named, content_type, body in pairs:
        given = contract(format=named)
        with pytest.raises(BadText):
            release(given, Projection(given, Obligations(["*"])), body, content_type, True)
    soap = contract(format="xml", adapter=Soap(wsdl=""))
    projection = Projection(soap, Obligations(["a"]))
    assert release(soap, projection, b'{"a":1,"b":2}', b"application/json", True).body == b'{"a":1}'


@pytest.mark.requirement("PRJ-09")
@pytest.mark.parametrize(
    ("content_type", "kind"),
    [("", "binary"), ("application/x-www-form-urlencoded", "form"), ("application/soap+xml; action=x", "xml"),
     ("text/csv; charset=gbk", "binary"), ("application/vnd.a+json", "json")],
)  # fmt: skip
def test_kinds(content_type: str, kind: str) -> None:
    assert kind_of(content_type) == kind


@pytest.mark.requirement("PRJ-09")
@pytest.mark.parametrize("content_type", ["x", "text/xml; charset=gbk", "application/json; charset", "a/b c", "a b/c"])
def test_no_kinds(content_type: str) -> None:
    with pytest.raises(BadKind):
        kind_of(content_type)


@pytest.mark.requirement("PRJ-07")
def test_facts_keep_numbers_exactly_and_know_no_empty_text_of_xml() -> None:
    exact = facts(contract(), b'{"a":1.000000000000000005,"b":18446744073709551617}', b"application/json", True)
    assert str(exact) == "{'a': Decimal('1.000000000000000005'), 'b': 18446744073709551617}"
    given = contract(format="xml", response=AGE)
    assert facts(given, b"<r><a/><b>1</b><c/><c>2</c></r>", b"text/xml", True) == {
        "a": None,
        "b": "1",
        "c": [None, "2"],
    }
    assert facts(contract(), b"", b"", True) is None
    assert facts(contract(), b"<html>", b"text/html", False) is None
    with pytest.raises(NotMatching):
        facts(given, b"<r><age>70</age></r>", b"text/xml", True)
