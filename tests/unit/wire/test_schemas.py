"""How much work a schema makes: what is refused, and that ordinary ones are not."""

from typing import Any

import pytest

from wire.schemas import DEEPEST, MOST_STEPS, TooMuchWork, has_branches, most_steps

pytestmark = pytest.mark.requirement("EXC-31")


def chain(word: str, length: int = 30) -> dict[str, Any]:
    """Definitions, each of which names the next one twice."""
    twice = {f"a{n}": {word: [{"$ref": f"#/$defs/a{n + 1}"}, {"$ref": f"#/$defs/a{n + 1}"}]} for n in range(length)}
    return {"$ref": "#/$defs/a0", "$defs": {**twice, f"a{length}": {"type": "integer"}}}


def nested(word: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "integer"}
    for _ in range(12):
        schema = {word: [schema, schema]}
    return schema


SELF = {"$ref": "#"}
TOO_MUCH: dict[str, dict[str, Any]] = {
    "anyOf": chain("anyOf"), "oneOf": chain("oneOf"), "allOf": chain("allOf"), "written out": nested("anyOf"),
    "itself": SELF, "itself in allOf": {"allOf": [SELF]}, "itself in not": {"not": SELF},
    "itself in if": {"if": SELF, "then": True}, "itself by name": {"dependentSchemas": {"a": SELF}},
    "itself by anchor": {"$anchor": "a", "allOf": [{"$ref": "#a"}]},
    "itself by dynamic anchor": {"$dynamicAnchor": "a", "allOf": [{"$dynamicRef": "#a"}]},
    "itself by address": {"$id": "https://e.example/s", "allOf": [{"$ref": "https://e.example/s#"}]},
    "two in a circle": {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    "twice a level": {"anyOf": [{"properties": {"a": SELF}}, {"properties": {"a": SELF}}]},
    "twice a part": {"oneOf": [{"items": SELF}, {"prefixItems": [SELF]}]},
    "twice by pattern": {"properties": {"a": SELF}, "patternProperties": {"^a": SELF}},
    "twice unevaluated": {"unevaluatedProperties": False, "allOf": [
        {"unevaluatedProperties": False, "allOf": [{"unevaluatedItems": False, "allOf": [{}]}]},
    ]},
    "another base": {"properties": {"a": {"$id": "x", "$ref": "#/y"}}},
    "a long way": {"$ref": "#/$defs/0", "$defs": {str(n): {"$ref": f"#/$defs/{n + 1}"} for n in range(MOST_STEPS)}},
    "many meetings": {"anyOf": [
        {"properties": {f"n{n}": {"$ref": "#/$defs/wide"} for n in range(2000)}, "$defs": {}} for _ in range(300)
    ], "$defs": {"wide": {"type": "string"}}},
}  # fmt: skip


@pytest.mark.parametrize("schema", TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_makes_too_much_work_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(TooMuchWork):
        most_steps(schema)


ORDINARY: dict[str, tuple[dict[str, Any], int]] = {
    "nothing": ({}, 1),
    "a tree": ({"properties": {"left": SELF, "right": SELF, "more": {"items": SELF}}}, 2),
    "a language": ({"oneOf": [{"properties": {"and": {"items": SELF}}}, {"properties": {"not": SELF}}]}, 4),
    "nullable": ({"properties": {"a": {"anyOf": [{"type": "string"}, {"type": "null"}]}}}, 3),
    "alternatives": ({"oneOf": [{"const": n} for n in range(500)]}, 501),
    "names of keywords": ({"properties": {"$id": {"type": "string"}, "$ref": {"type": "string"}}}, 1),
    "values": ({"enum": [{"$id": "a", "$ref": "b"}], "const": {"$id": "c"}}, 1),
    "nowhere": ({"$ref": "#/nowhere/0/~2", "items": {"$ref": "http://[elsewhere"}}, 1),
    "many fields of one kind": (
        {"properties": {f"n{n}": {"$ref": "#/$defs/a"} for n in range(2000)}, "$defs": {"a": {"type": "string"}}}, 2,
    ),
    "once unevaluated": ({"unevaluatedProperties": False, "allOf": [{}, {}]}, 65),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "steps"), ORDINARY.values(), ids=ORDINARY)
def test_ordinary_schemas_are_counted(schema: dict[str, Any], steps: int) -> None:
    assert most_steps(schema) == steps


def test_a_place_deeper_than_anything_read_does_not_count() -> None:
    schema: dict[str, Any] = {"anyOf": [{}] * 500}
    for _ in range(DEEPEST + 1):
        schema = {"items": schema}
    assert most_steps(schema) == 1


def test_alternatives_are_found_wherever_they_stand() -> None:
    assert has_branches({"items": {"properties": {"a": {"oneOf": [True]}}}})
    assert not has_branches({"allOf": [{"not": {}}], "enum": [{"anyOf": 1}]})
