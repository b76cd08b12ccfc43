"""OpenAPI documents that mean no good: nothing is fetched, and everything ends."""

import json
import socket
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_service.interchange.openapi import mistakes_in_document
from harness.openapi_documents import JSON, answering, chain, definitions, doubling, one, one_operation, read


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: Any) -> None:
        raise AssertionError("something was asked for over the network")

    monkeypatch.setattr(socket.socket, "connect", connect)
    monkeypatch.setattr(socket, "getaddrinfo", connect)


OUTSIDE = "http://169.254.169.254/latest/meta-data"


@pytest.mark.requirement("INT-03")
@pytest.mark.parametrize(
    "reference", [OUTSIDE, "file:///etc/passwd", "other.yaml#/a", "//evil.example/x", "#anchor", ""]
)
@pytest.mark.parametrize(
    "document",
    [
        lambda ref: answering({"$ref": ref}),
        lambda ref: answering({"type": "array", "items": {"allOf": [{"$ref": ref}]}}),
        lambda ref: answering({"$ref": "#/components/schemas/A"}, A={"properties": {"x": {"$ref": ref}}}),
        lambda ref: one_operation({"parameters": [{"$ref": ref}]}),
        lambda ref: one_operation({"responses": {"200": {"$ref": ref}}}),
        lambda ref: one_operation({"requestBody": {"$ref": ref}}, method="post"),
        lambda ref: {**one_operation({}), "paths": {"/a": {"$ref": ref}}},
        lambda ref: one_operation({"parameters": [{"name": "q", "in": "query", "schema": {"$ref": ref}}]}),
    ],
)
def test_references_to_the_outside_are_mistakes_and_never_followed(document: Any, reference: str) -> None:
    mistakes_in_document(document(reference))
    _, mistakes, _ = read(document(reference))
    assert [path for path, error in mistakes if path.endswith("$ref") and "outside the document" in error]


@pytest.mark.requirement("INT-03")
@pytest.mark.parametrize(
    "reference",
    ["#/components/schemas/Nobody", "#/paths/~1a/get/responses/0", "#/components/schemas/A/allOf/7", "#/a~2"],
)
def test_references_to_nothing_are_mistakes(reference: str) -> None:
    _, mistakes, _ = read(answering({"$ref": reference}, A={"allOf": [{}]}))
    assert [error for _, error in mistakes if error.startswith("there is no #/")]


@pytest.mark.requirement("INT-03")
def test_references_in_a_circle_end() -> None:
    circle = {"schemas": {"A": {"$ref": "#/components/schemas/B"}, "B": {"$ref": "#/components/schemas/A"}}}
    parameter = {"name": "q", "in": "query", "schema": {"$ref": "#/components/schemas/A"}}
    _, mistakes, _ = read(one_operation({"parameters": [parameter]}, components=circle))
    assert [error for _, error in mistakes if "circle" in error]
    _, mistakes, _ = read(answering({"$ref": "#/components/schemas/A"}, **circle["schemas"]))
    assert [error for _, error in mistakes if "refers to itself" in error]


@pytest.mark.requirement("INT-03")
def test_a_schema_inside_itself_stays_one_and_is_granted_whole() -> None:
    node = {"type": "object", "properties": {
        "id": {"type": "string"}, "left": {"$ref": "#/components/schemas/Node"},
        "more": {"type": "array", "items": {"$ref": "#/components/schemas/Node"}},
    }}  # fmt: skip
    interface = one(answering({"type": "array", "items": {"$ref": "#/components/schemas/Node"}}, Node=node))
    assert [field.name for field in interface.fields] == ["id", "left", "more"]
    assert definitions(interface.response) == {"Node"}
    validator = jsonschema_rs.validator_for(interface.response or {})
    assert validator.is_valid([{"left": {"more": [{"id": "1"}]}}])
    assert not validator.is_valid([{"left": {"more": [{"id": 1}]}}])


@pytest.mark.requirement("INT-03")
@pytest.mark.parametrize(
    ("document", "told"),
    [
        (chain(3000), True),
        (doubling(40, "properties"), True),
        (doubling(40, "allOf"), True),
        (doubling(40, "anyOf"), True),
        (answering({"type": "object", "properties": {f"f{n}": {} for n in range(2001)}}), True),
    ],
    ids=["chain", "properties", "allOf", "anyOf", "many"],
)
def test_twisted_documents_end(document: dict[str, Any], told: bool) -> None:
    _, mistakes, _ = read(document)
    assert bool(mistakes) is told


ANYTHING = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.text(max_size=5), st.just("#/components/schemas/A")),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from([
                "$ref", "get", "post", "parameters", "in", "name", "schema", "responses", "200", "content", JSON,
                "requestBody", "type", "properties", "items", "allOf", "required", "enum", "nullable", "servers", "url",
                "minimum", "exclusiveMinimum", "tags", "additionalProperties", "produces",
            ]),
            inner, max_size=4,
        ),
    ),
    max_leaves=25,
)  # fmt: skip


@pytest.mark.requirement("INT-03")
@given(
    st.dictionaries(st.sampled_from(["/a", "/{b}", "x-c"]), ANYTHING),
    ANYTHING,
    ANYTHING,
    st.sampled_from(["2.0", "3.0.3", "3.1.0"]),
)
def test_no_document_does_harm_even_past_the_validator(paths: Any, schema: Any, servers: Any, edition: str) -> None:
    version = {"swagger": edition} if edition == "2.0" else {"openapi": edition}
    document = {
        **version,
        "paths": paths,
        "servers": servers,
        "components": {"schemas": {"A": schema}},
        "info": servers,
    }
    mistakes_in_document(json.loads(json.dumps(document)))
    read(document)
