"""Samples: they fit the schema that they are made of, and no schema makes the maker fail or take long."""

from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.catalog import Field
from wire.masks import NAMES
from wire.sample import BY_MASK, sample_of

pytestmark = pytest.mark.requirement("PRJ-10")
PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2, "maxLength": 10},
        "id": {"type": "string", "pattern": "^[0-9]{17}[0-9X]$"},
        "born": {"type": "string", "format": "date"},
        "children": {"type": "array", "items": {"$ref": "#/$defs/person"}},
    },
    "required": ["name", "id"],
    "additionalProperties": False,
}
SCHEMAS: dict[str, dict[str, Any]] = {
    "person": {"$ref": "#/$defs/person", "$defs": {"person": PERSON}},
    "array": {"type": "array", "minItems": 3, "items": {"type": "integer", "minimum": 5}},
    "tuple": {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string"}], "items": False, "minItems": 2},
    "no elements": {"type": "array", "maxItems": 0},
    "least": {"type": "integer", "minimum": 7, "multipleOf": 5},
    "most": {"type": "integer", "maximum": -3},
    "between": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5},
    "exclusive": {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
    "enum": {"enum": ["男", "女"]},
    "const": {"const": {"a": 1}},
    "example": {"type": "string", "examples": ["x"], "maxLength": 1},
    "nullable": {"type": ["null", "integer"]},
    "null": {"type": "null"},
    "any of": {"anyOf": [{"type": "null"}, {"type": "string", "format": "date-time"}]},
    "all of": {"allOf": [{"required": ["a"]}, {"properties": {"a": {"type": "boolean"}}}], "type": "object"},
    "long": {"type": "string", "minLength": 40},
    "empty": {"type": "string", "maxLength": 0},
    "no type": {"properties": {"a": {"minLength": 3}}},
    "required but unknown": {"type": "object", "required": ["z"], "additionalProperties": {"type": "integer"}},
    "branches": {"type": "string", "pattern": r"^(?:云|京)[A-Z][^0-9]?\d{4,}\w$"},
    "class": {"type": "string", "pattern": r"^[^a-z0-9 ]{2}\s-$"},
    "everything": {},
}


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
def test_a_sample_fits_its_schema(schema: dict[str, Any]) -> None:
    sample = sample_of(schema)
    jsonschema_rs.validator_for(schema, validate_formats=True).validate(sample)
    assert sample == sample_of(schema)


def test_what_may_be_there_is_there() -> None:
    sample = sample_of(SCHEMAS["person"])
    assert sample["born"] == "2026-01-05"
    assert sample["children"][0]["name"]


def test_fields_alone_make_an_object_that_has_them() -> None:
    fields = [Field(name="a.b", mask="phone"), Field(name="a.c"), Field(name="x", mask="drop"), Field(name="a")]
    assert sample_of(None, fields) == {"a": {"b": BY_MASK["phone"], "c": "示例"}, "x": "示例"}
    assert sample_of(None) == {}
    assert BY_MASK.keys() == NAMES - {"drop", "plain"}


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/a", "a": {"$ref": "#"}},
        {"$ref": "http://127.0.0.1:9/"},
        {"$ref": "#/$defs/a", "$defs": {"a": {"allOf": [{"$ref": "#/$defs/a"}] * 20}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"properties": {str(n): {"$ref": "#/$defs/a"} for n in range(50)}}}},
        {"$ref": "#/$defs/a", "$defs": {"a": {"type": "array", "minItems": 10**9, "items": {"$ref": "#/$defs/a"}}}},
        {"type": "string", "minLength": 10**12},
        {"type": "string", "pattern": "^(((a{1000}){1000}){1000}){1000}$"},
        {"type": "string", "pattern": "^(a|a)*(a|a)*(a|a)*(a|a)*$b"},
        {"type": "string", "pattern": "(" * 5000},
        {"type": "string", "pattern": "(?=x)(?<!y)\\1"},
        {"type": "integer", "multipleOf": 1e-300, "minimum": 1e300},
        {"type": "number", "minimum": 1e308, "maximum": -1e308, "multipleOf": -1},
    ],
    ids=["itself", "each other", "elsewhere", "many of itself", "wide and deep", "long array", "long text", "repeats",
         "backtracking", "brackets", "look-ahead", "small steps", "nothing fits"],
)  # fmt: skip
def test_no_schema_is_too_much(schema: dict[str, Any]) -> None:
    sample_of(schema)


words = st.sampled_from([
    "type", "properties", "items", "required", "enum", "const", "examples", "pattern", "minLength", "maxLength",
    "minimum", "maximum", "exclusiveMinimum", "multipleOf", "minItems", "maxItems", "$ref", "allOf", "anyOf",
    "prefixItems", "additionalProperties", "format", "default", "$defs",
])  # fmt: skip
values = st.sampled_from(["object", "array", "string", "integer", "number", "#/properties/a", "#/$defs", "[^x", "a"])
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | values,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.sampled_from(["a"]), inner, max_size=4),
)


@given(st.dictionaries(words, anything, max_size=5))
def test_anything_that_is_no_schema_makes_no_mistake(schema: dict[str, Any]) -> None:
    sample_of(schema)
