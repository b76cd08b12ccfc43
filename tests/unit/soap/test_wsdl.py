"""WSDL documents: what they offer, what cannot be spoken, what is refused before anything reads it."""

import json
import socket
from typing import Any

import jsonschema_rs
import pytest

from harness import wsdls
from soap import schema, wsdl
from soap.wsdl import BadWsdl

DEFINITIONS = '<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:xs="http://www.w3.org/2001/XMLSchema"'


def imported(what: str) -> bytes:
    return f"{DEFINITIONS}>{what}</definitions>".encode()


def types(inside: str) -> bytes:
    return wsdls.with_types(inside)


def nested_groups(depth: int) -> str:
    groups = ['<xs:group name="g0"><xs:sequence><xs:element name="a" type="xs:string"/></xs:sequence></xs:group>']
    for n in range(1, depth):
        refs = f'<xs:group ref="t:g{n - 1}"/>' * 10
        groups.append(f'<xs:group name="g{n}"><xs:sequence>{refs}</xs:sequence></xs:group>')
    return "".join(groups)


def nested_unions(depth: int) -> str:
    first = '<xs:simpleType name="u0"><xs:restriction base="xs:string"/></xs:simpleType>'
    return first + "".join(
        f'<xs:simpleType name="u{n}"><xs:union memberTypes="{f"t:u{n - 1} " * 10}"/></xs:simpleType>'
        for n in range(1, depth)
    )


def chained_types(length: int) -> str:
    first = '<xs:complexType name="c0"><xs:sequence/></xs:complexType>'
    return first + "".join(
        f'<xs:complexType name="c{n}"><xs:complexContent><xs:extension base="t:c{n - 1}"/></xs:complexContent>'
        f"</xs:complexType>"
        for n in range(1, length)
    )


REMOTE = "http://169.254.169.254/latest"
REFUSED: dict[str, tuple[bytes, str]] = {
    "S-24-wsdl-import": (imported(f'<import namespace="urn:x" location="{REMOTE}"/>'), REMOTE),
    "S-24-wsdl-import-file": (imported('<import namespace="urn:x" location="file:///etc/passwd"/>'), "file:///etc/passwd"),
    "S-24-wsdl-import-relative": (imported('<import namespace="urn:x" location="/etc/passwd"/>'), "/etc/passwd"),
    "S-24-xsd-import": (types(f'<xs:import namespace="urn:x" schemaLocation="{REMOTE}"/>'), REMOTE),
    "S-24-xsd-import-xml": (types('<xs:import namespace="http://www.w3.org/XML/1998/namespace"/>'), "xml.xsd"),
    "S-24-xsd-include": (types(f'<xs:include schemaLocation="{REMOTE}"/>'), REMOTE),
    "S-24-xsd-redefine": (types(f'<xs:redefine schemaLocation="{REMOTE}"/>'), REMOTE),
    "S-24-xsd-override": (types(f'<xs:override schemaLocation="{REMOTE}"/>'), REMOTE),
    "S-24-dtd": (b"<!DOCTYPE d><d/>", "DTD"),
    "S-24-dtd-behind-comments": (b"<?xml version='1.0'?> <!-- a --> <?p q?>\n<!DOCTYPE d><d/>", "DTD"),
    "S-24-entity-external": (b'<!DOCTYPE d [<!ENTITY x SYSTEM "file:///etc/passwd">]><d>&x;</d>', "DTD"),
    "J-entity-laughs": (b'<!DOCTYPE d [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><d>&b;</d>', "DTD"),
    "J-utf-16": (wsdls.RICH.encode("utf-16"), "UTF-8"),
    "J-encoding": (wsdls.RICH.replace("UTF-8", "GBK", 1).encode("gbk"), "UTF-8"),
    "J-not-xml": (b"{}", "XML"),
    "J-cut": (wsdls.RICH.encode()[:-20], "XML"),
    "J-empty": (b"", "XML"),
    "J-html": (b"<html/>", "WSDL"),
    "J-wsdl-2": (b'<description xmlns="http://www.w3.org/ns/wsdl"/>', "2.0"),
    "J-too-large": (b" " * (wsdl.MOST_BYTES + 1), "bytes"),
    "J-too-many": (imported("<documentation/>" * 20_001), "elements"),
    "J-too-deep": (imported("<documentation>" * 70 + "</documentation>" * 70), "deeper"),
    "J-groups-explode": (types(nested_groups(9)), "declarations"),
    "J-unions-explode": (types(nested_unions(9)), "declarations"),
    "J-union-in-itself": (types('<xs:simpleType name="a"><xs:union memberTypes="t:a"/></xs:simpleType>'), "by itself"),
    "J-list-in-itself": (types('<xs:simpleType name="a"><xs:list itemType="t:a"/></xs:simpleType>'), "by itself"),
    "J-type-in-itself": (types('<xs:simpleType name="a"><xs:restriction base="t:a"/></xs:simpleType>'), "by itself"),
    "J-group-in-itself": (
        types('<xs:group name="g"><xs:sequence><xs:group ref="t:g"/></xs:sequence></xs:group>'), "by itself",
    ),
    "J-attributes-in-themselves": (
        types('<xs:attributeGroup name="g"><xs:attributeGroup ref="t:g"/></xs:attributeGroup>'), "by itself",
    ),
    "J-types-chained": (types(chained_types(30)), "one another"),
    "J-type-missing": (types('<xs:element name="e" type="t:nowhere"/>'), "cannot be understood"),
    "J-wrong-place": (types("<xs:sequence/>"), ""),
}  # fmt: skip


@pytest.mark.requirement("SOA-02")
@pytest.mark.parametrize(("content", "named"), REFUSED.values(), ids=REFUSED.keys())
def test_a_document_that_loads_or_explodes_is_refused_by_name(
    content: bytes, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "create_connection", None)  # whoever loads anything stumbles
    monkeypatch.setattr(socket, "getaddrinfo", None)
    with pytest.raises(BadWsdl) as bad:
        wsdl.read(content).port()
    assert named in str(bad.value)
    assert len(str(bad.value)) < 500


@pytest.mark.requirement("SOA-01")
def test_what_can_be_spoken_is_told_from_what_cannot() -> None:
    found = wsdl.read(wsdls.RICH.encode())
    first, second = found.ports
    assert (first.service, first.name, first.version, first.address) == ("S", "P11", "1.1", "http://rich.example/soap")
    assert (second.name, second.version, list(second.operations)) == ("P12", "1.2", ["Ask"])
    assert set(first.operations) == {"Ask", "Note", "Sum"}
    assert first.operations["Sum"].style == "rpc"
    assert "encoded" in first.unsupported["Old"]
    assert "does not name" in first.unsupported["Free"]
    assert "element" in first.unsupported["Typed"]
    assert set(found.unsupported) == {"S/PGet", "S/PMail"}


@pytest.mark.requirement("SOA-01")
@pytest.mark.parametrize(("service", "port", "version"), [("", "", "1.1"), ("S", "", "1.1"), ("S", "P12", "1.2")])
def test_a_port_is_found_by_its_names_or_the_first(service: str, port: str, version: str) -> None:
    assert wsdl.read(wsdls.RICH.encode()).port(service, port).version == version


@pytest.mark.requirement("SOA-01")
@pytest.mark.parametrize(("service", "port"), [("T", ""), ("S", "PGet"), ("", "nowhere")])
def test_a_port_that_is_not_there_is_named(service: str, port: str) -> None:
    with pytest.raises(BadWsdl):
        wsdl.read(wsdls.RICH.encode()).port(service, port)


@pytest.mark.requirement("SOA-01")
def test_two_elements_of_one_name_cannot_be_told_apart_in_json() -> None:
    twice = wsdls.RICH.replace(
        '<xs:element name="count" type="xs:long"/>',
        '<xs:element name="count" type="xs:long"/><xs:element name="count" type="xs:string"/>',
    )
    with pytest.raises(BadWsdl, match="two different elements are called count"):
        wsdl.read(twice.encode()).port("S", "P12")


# --- schemas ----------------------------------------------------------------------------------------------------------
def request_schema() -> Any:
    return schema.Schemas(closed=True).whole(wsdl.read(wsdls.RICH.encode()).port().operations["Ask"].request)


@pytest.mark.requirement("SOA-03")
def test_the_schema_says_what_the_xsd_says() -> None:
    made = request_schema()
    jsonschema_rs.meta.validate({**made, "$schema": "https://json-schema.org/draft/2020-12/schema"})
    assert made["required"] == ["@version", "code", "citizen"]
    members = made["properties"]
    assert members["citizen"] == {"type": "string", "minLength": 18, "maxLength": 18}
    assert members["sex"] == {"type": ["string", "null"], "enum": ["男", "女", None]}
    assert members["age"] == {"type": "integer", "minimum": 0, "maximum": 150}
    assert members["key"] == {"type": "array", "items": {"type": "string"}}
    assert members["tree"] == {"$ref": "#/$defs/Tree"}
    assert made["$defs"]["Tree"]["properties"]["child"]["items"] == {"$ref": "#/$defs/Tree"}
    assert made["$defs"]["Money"]["properties"]["#text"] == {"type": "number"}


BAD = {
    "unknown": {"more": 1}, "number-as-text": {"age": "33"}, "too-old": {"age": 151}, "other-word": {"sex": "x"},
    "short": {"citizen": "1"}, "not-many": {"key": "a"}, "null": {"code": None}, "fraction": {"age": 1.5},
    "truth": {"sure": "true"},
}  # fmt: skip


@pytest.mark.requirement("SOA-03")
@pytest.mark.parametrize("change", BAD.values(), ids=BAD.keys())
def test_a_question_that_breaks_the_xsd_breaks_the_schema(change: dict[str, Any]) -> None:
    validator = jsonschema_rs.validator_for(request_schema())
    asked = {"@version": 1, "code": "a", "citizen": "1" * 18}
    assert validator.is_valid(asked)
    assert not validator.is_valid({**asked, **change})


@pytest.mark.requirement("SOA-03")
def test_leaves_are_named_as_grants_name_them() -> None:
    names = schema.leaves(_ask().response)
    assert names[:6] == ["count", "row.@version", "row.code", "row.citizen", "row.sex", "row.age"]
    assert {"row.paid.@currency", "row.paid.#text", "row.tree.label", "row.tree.child", "extra"} <= set(names)


def _ask() -> Any:
    return wsdl.read(wsdls.RICH.encode()).port().operations["Ask"]


@pytest.mark.requirement("SOA-03")
def test_an_answer_may_grow_a_question_may_not() -> None:
    operation = _ask()
    assert "additionalProperties" not in json.dumps(schema.Schemas(closed=False).whole(operation.response))
    assert schema.Schemas(closed=True).whole(operation.request)["additionalProperties"] is False
