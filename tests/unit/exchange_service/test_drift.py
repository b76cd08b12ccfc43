"""Drift: places where answers are not what was registered, and never a value."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange_service.contract.drift import MOST_FINDINGS, Drift
from wire.catalog import Field, Interface

pytestmark = pytest.mark.requirement("PRJ-11")
SCHEMA = {
    "type": "object",
    "properties": {
        "code": {"type": "integer"},
        "note": {"type": "string"},
        "items": {"type": "array", "items": {"$ref": "#/$defs/person"}},
        "free": {"type": "object", "additionalProperties": {"type": "integer"}, "properties": {"x": {}}},
    },
    "required": ["code", "items"],
    "$defs": {
        "person": {
            "type": "object", "properties": {"name": {"type": ["string", "null"]}, "age": {"type": "number"}},
            "required": ["name"],
        }
    },
}  # fmt: skip


def drift(names: list[str], schema: dict[str, Any] | None = None) -> Drift:
    return Drift(
        Interface(
            id="a", version="v1", provider="gaj", name="", base_url="http://provider.example", networks=[],
            operations=[], fields=[Field(name=name) for name in names], response=schema,
        )
    )  # fmt: skip


RIGHT = {"code": 0, "items": [{"name": "张三", "age": 1.5}, {"name": None, "age": 7}], "free": {"x": 1, "whatever": 2}}


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (RIGHT, set()),
        ({"code": 0, "items": []}, set()),
        (None, set()),
        ({**RIGHT, "extra": {"deep": 1}}, {("extra", "new")}),
        ({**RIGHT, "items": [{"name": "a"}, {"name": "b", "phone": "1"}]}, {("items.phone", "new")}),
        ({"items": [{"name": "a"}]}, {("code", "missing")}),
        ({"code": 0, "items": [{"age": 1}]}, {("items.name", "missing")}),
        ({"code": 0, "items": [{"age": 1}, {"name": "b"}]}, set()),
        ({**RIGHT, "code": "0"}, {("code", "type")}),
        ({**RIGHT, "note": {"a": 1}}, {("note", "type")}),
        ({**RIGHT, "items": [{"name": "a", "age": "7"}]}, {("items.age", "type")}),
    ],
    ids=["right", "empty", "nothing", "new", "new in an array", "missing", "missing everywhere", "missing once", "type",
         "a box for a text", "type in an array"],
)  # fmt: skip
def test_against_a_schema(answer: Any, expected: set[Any]) -> None:
    assert drift(["code", "items.name", "items.age"], SCHEMA).look(answer) == expected


@pytest.mark.parametrize(
    ("names", "answer", "expected"),
    [
        (["a", "b.c"], {"a": 1, "b": {"c": 2}}, set()),
        (["a", "b.c"], {"a": 1}, {("b.c", "missing")}),
        (["a", "b.c"], {"a": 1, "b": [{"c": 2, "d": 3}]}, {("b.d", "new")}),
        (["a", "b.c"], {"a": {"x": 1}, "b": {"c": 1}}, {("a", "type")}),
        (["a", "b.c"], {"a": 1, "b": 2}, {("b", "type")}),
        (["a"], [{"a": 1}, {"a": None, "z": 1}], {("z", "new")}),
        ([], {"a": 1}, set()),
    ],
    ids=["right", "missing", "new", "a box for a value", "a value for a box", "array", "nothing registered"],
)
def test_against_fields_alone(names: list[str], answer: Any, expected: set[Any]) -> None:
    assert drift(names).look(answer) == expected


@pytest.mark.parametrize("name", ["990101199003070218", "张三", "a b", "", "A990000001", "x" * 65, "a.b", "a\n"])
def test_a_name_that_may_be_somebodys_is_a_star(name: str) -> None:
    assert drift(["a"]).look({"a": 1, name: 2}) == {("*", "new")}


@pytest.mark.parametrize("name", ["newField", "new_field", "@attribute", "a-2"])
def test_a_plain_name_is_told(name: str) -> None:
    assert drift(["a"]).look({"a": 1, name: 2}) == {(name, "new")}


def test_findings_are_few_however_much_is_missing() -> None:
    assert len(drift([f"n{n}" for n in range(999)]).look({"n0": 1})) == MOST_FINDINGS


@pytest.mark.parametrize(
    "answer",
    [
        {"people": {"name": 1, "ZhangSan": {"status": 1}, "LiSi": {"status": 2}}},
        {"people": [{"name": 1, "ZhangSan": 1}, {"name": 2, "LiSi": 1}]},
    ],
    ids=["an object", "a list"],
)
def test_several_new_members_may_be_names_of_persons(answer: Any) -> None:
    assert drift(["people.name"]).look(answer) == {("people.*", "new")}


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
)


@given(json_values, json_values)
def test_no_answer_and_no_schema_make_it_fail(answer: Any, schema: Any) -> None:
    words = {"type": schema, "properties": {"a": schema}, "items": schema, "required": schema, "$ref": "#/properties/a"}
    drift(["a.b"], words).look(answer)


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.none() | st.integers() | st.text() | st.just({})), max_size=6)
)
def test_what_was_found_in_the_answer_before_changes_nothing(answers: list[Any]) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    remembers = drift(["a", "b"], schema)
    for answer in answers:
        assert remembers.look(answer) == drift(["a", "b"], schema).look(answer)
