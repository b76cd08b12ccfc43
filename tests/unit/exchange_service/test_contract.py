"""Contracts: what can be compiled, and how questions and answers are held against them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_service.contract.model import BadContract, Contract
from exchange_service.contract.text import BadJson, read
from exchange_service.contract.validate import (
    NotMatching,
    check_parameters,
    check_request,
    check_response,
    parse_query,
)
from wire.catalog import Field, Interface

ID_CARD = {"type": "string", "pattern": "^[0-9]{17}[0-9X]$"}
PARAMETERS = {
    "type": "object",
    "properties": {"id_card": ID_CARD, "biz_no": {"type": "string", "maxLength": 40}},
    "required": ["id_card", "biz_no"],
    "additionalProperties": False,
}
ANSWER = {
    "type": "object",
    "properties": {"items": {"type": "array", "items": {"type": "object", "properties": {"id/card": ID_CARD}}}},
    "required": ["items"],
    "additionalProperties": {"type": "integer"},
}
SECRET = "990101199003070218"


def contract(**parts: Any) -> Contract:
    given = {"fields": [], **parts}
    return Contract(
        Interface(
            id="gaj-household-info", version="v1", provider="gaj", name="", base_url="http://provider.example",
            networks=[], operations=[], **given,
        )
    )  # fmt: skip


@pytest.mark.requirement("EXC-06")
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"properties": {"a": {"$ref": "file:///etc/passwd"}}},
        {"$id": "http://127.0.0.1:9/a.json", "items": {"$ref": "b.json"}},
        {"$dynamicRef": "https://schema.example/other#x"},
        {"$schema": "http://127.0.0.1:9/meta"},
    ],
    ids=str,
)
@pytest.mark.parametrize("part", ["parameters", "request", "response"])
def test_a_schema_never_reaches_outside_itself(part: str, schema: dict[str, Any]) -> None:
    with pytest.raises(BadContract, match=f"the {part} schema"):
        contract(**{part: schema})


@pytest.mark.requirement("EXC-06")
@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"$ref": "#/$defs/none"},
        {"pattern": "("},
        {"minLength": -1},
        {"properties": 1},
        {"a": {1: 2}},
    ],
    ids=str,
)
def test_what_is_no_schema_is_no_contract(schema: dict[str, Any]) -> None:
    with pytest.raises(BadContract) as bad:
        contract(response=schema)
    assert "\n" not in str(bad.value)


def test_a_schema_nested_without_end_is_no_contract() -> None:
    schema: dict[str, Any] = {}
    for _ in range(5000):
        schema = {"not": schema}
    with pytest.raises(BadContract):
        contract(response=schema)


def test_local_references_are_followed_even_round_and_round() -> None:
    tree = contract(response={"$ref": "#/$defs/t", "$defs": {"t": {"items": {"$ref": "#/$defs/t"}, "type": "array"}}})
    check_response(tree, b"[[[]]]")
    with pytest.raises(NotMatching):
        check_response(tree, b"[[1]]")
    with pytest.raises(BadContract, match="itself"):
        contract(response={"$ref": "#"})


def test_an_evil_pattern_ends() -> None:
    evil = contract(response={"type": "string", "pattern": r"^(a+)+\1$"})
    with pytest.raises(NotMatching, match="pattern"):
        check_response(evil, b'"' + b"a" * 40 + b'b"')


def test_an_interface_with_an_unknown_mask_is_no_contract() -> None:
    with pytest.raises(BadContract, match="mask"):
        contract(fields=[Field(name="name", mask="sha1")])


@pytest.mark.requirement("EXC-05")
def test_parameters_of_path_and_query_are_checked_together() -> None:
    check_parameters(contract(parameters=PARAMETERS), {"id_card": SECRET}, "biz_no=YJ2026-%E4%B8%80")
    check_parameters(contract(), {"id_card": SECRET}, "")


@pytest.mark.requirement("EXC-05")
@pytest.mark.parametrize(
    ("values", "query", "path", "reason"),
    [
        ({"id_card": SECRET}, "", "", "breaks `required`: biz_no is missing"),
        ({"id_card": SECRET + "9"}, "biz_no=1", "/id_card", "breaks `pattern`"),
        ({"id_card": SECRET}, f"biz_no={'1' * 41}", "/biz_no", "breaks `maxLength`"),
        ({"id_card": SECRET}, "biz_no=1&biz_no=1", "/biz_no", "given twice"),
        ({"id_card": SECRET}, f"biz_no=1&id_card={SECRET}", "/id_card", "given twice"),
        ({"id_card": SECRET}, "biz_no=1&%69d_card=1", "/id_card", "given twice"),
        ({"id_card": SECRET}, "biz_no=1&all=1", "", "breaks `additionalProperties`"),
        ({"id_card": SECRET}, f"biz_no=1&{SECRET}=1&{SECRET}=2", "/*", "given twice"),
    ],
)
def test_parameters_that_do_not_match(values: dict[str, str], query: str, path: str, reason: str) -> None:
    with pytest.raises(NotMatching) as mismatch:
        check_parameters(contract(parameters=PARAMETERS), values, query)
    assert (mismatch.value.path, mismatch.value.reason) == (path, reason)
    assert SECRET not in str(mismatch.value)


@pytest.mark.requirement("EXC-07")
@pytest.mark.parametrize(
    "query",
    [
        "a", "=1", "a=1&", "&a=1", "a=1&&b=2", "a=1;b=2", "a=b+c", "a=%", "a=%4", "a=%zz", "a=%u5f20", "a=%ff",
        "a=%c0%80", "a=%ed%a0%80", "a=%00", "a=%0d%0aX", "a=%7f", "a= b", "a=张", "a=[1]", "a[]=1", "a=#", 'a="',
        "%00=1", "?", "a=1\n",
    ],
)  # fmt: skip
def test_queries_that_two_parsers_could_read_differently(query: str) -> None:
    with pytest.raises(NotMatching) as mismatch:
        list(parse_query(query))
    assert mismatch.value.path == ""


@pytest.mark.requirement("EXC-07")
@given(st.lists(st.tuples(st.text(min_size=1), st.text())))
def test_a_query_that_is_encoded_in_full_comes_back(pairs: list[tuple[str, str]]) -> None:
    clean = [(n, v) for n, v in pairs if not any(c < " " or c == "\x7f" or "\ud800" <= c <= "\udfff" for c in n + v)]
    query = "&".join(f"{encoded(name)}={encoded(value)}" for name, value in clean)
    assert list(parse_query(query)) == clean


def encoded(text: str) -> str:
    return "".join(f"%{byte:02x}" for byte in text.encode())


def test_a_value_may_have_equals_signs() -> None:
    assert list(parse_query("a=b==&c=")) == [("a", "b=="), ("c", "")]


@pytest.mark.requirement("EXC-05")
def test_request() -> None:
    asks = contract(request={"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}})
    check_request(asks, '{"name":"张三"}'.encode())
    with pytest.raises(NotMatching, match="needed"):
        check_request(asks, b"")
    with pytest.raises(NotMatching, match="name is missing"):
        check_request(asks, b"{}")
    with pytest.raises(BadJson):
        check_request(asks, b'{"name":"a","name":"b"}')


@pytest.mark.requirement("EXC-04")
def test_request_without_a_schema_is_still_one_json_text() -> None:
    check_request(contract(), b"")
    with pytest.raises(BadJson):
        check_request(contract(), b'{"a":1,"a":2}')
    check_request(contract(format="binary"), b"\x89PNG")


@pytest.mark.requirement("EXC-05")
@pytest.mark.parametrize(
    ("answer", "path", "reason"),
    [
        ({}, "", "breaks `required`: items is missing"),
        ({"items": [{}, {"id/card": SECRET[:-1]}]}, "/items/1/id~1card", "breaks `pattern`"),
        ({"items": [], SECRET: SECRET}, "/*", "breaks `type`"),
        ({"items": [], "007": SECRET}, "/*", "breaks `type`"),
        ({"items": [], SECRET[:-1] + "X": SECRET}, "/*", "breaks `type`"),
        ({"items": SECRET}, "/items", "breaks `type`"),
        ([SECRET], "", "breaks `type`"),
    ],
)
def test_an_answer_that_does_not_match_names_the_place_but_no_value(answer: object, path: str, reason: str) -> None:
    with pytest.raises(NotMatching) as mismatch:
        check_response(contract(response=ANSWER), json.dumps(answer).encode())
    assert (mismatch.value.path, mismatch.value.reason) == (path, reason)
    assert SECRET[:-1] not in str(mismatch.value)
    assert mismatch.value.__cause__ is None
    assert mismatch.value.__suppress_context__


@pytest.mark.requirement("EXC-05")
def test_response() -> None:
    answers = contract(response=ANSWER)
    body = json.dumps({"items": [{"id/card": SECRET}], "n": 10**30}).encode()
    check_response(answers, body)
    check_response(answers, read(body))
    check_response(contract(), b"not looked at")
    with pytest.raises(BadJson):
        check_response(answers, b'{"items":[],"items":[]}')
