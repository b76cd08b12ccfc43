"""What between two versions of an interface can break those who call it."""

from itertools import pairwise
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_service.directory import breaking, schema_changes, schema_forms
from catalog_service.directory.model import Interface
from wire.catalog import Field, Operation

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 50},
        "sex": {"enum": ["1", "2"]},
        "address": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        "cards": {"type": "array", "items": {"type": "object", "properties": {"no": {"type": "string"}}}},
        "nickname": {"type": ["string", "null"]},
    },
    "required": ["name", "address"],
}
PARAMETERS: dict[str, Any] = {
    "type": "object",
    "properties": {
        "id_card": {"type": "string", "maxLength": 18, "pattern": "^[0-9X]+$"},
        "kind": {"enum": ["a", "b"]},
        "page": {"type": "integer", "minimum": 1},
    },
    "required": ["id_card"],
    "additionalProperties": False,
}
GOOD = Interface(
    id="gaj-household-info", version="v1", provider="gaj", resource="1019900100001/000002", name="户籍",
    base_url="https://a.example", networks=["10.0.0.0/8"],
    operations=[
        Operation(method="GET", path="/{id_card}", target="/{id_card}"),
        Operation(method="POST", path="", target="/"),
    ],
    fields=[Field(name="name", mask="name_first"), Field(name="address.city")],
    parameters=PARAMETERS, request=PERSON, response=PERSON,
)  # fmt: skip


def told(**changed: Any) -> dict[str, bool]:
    """Path and kind of every change, and whether it breaks."""
    found = breaking.changes(GOOD, msgspec.structs.replace(GOOD, **changed))
    return {f"{change.path} {change.kind}": change.breaking for change in found}


def edited(schema: Any, path: str, value: Any) -> Any:
    """The schema with one member set, or taken out where the value is `...`."""
    step, _, rest = path.partition("/")
    if rest:
        return {**schema, step: edited(schema[step], rest, value)}
    if value is ...:
        return {name: one for name, one in schema.items() if name != step}
    return {**schema, step: value}


@pytest.mark.requirement("INT-01")
def test_an_interface_does_not_differ_from_itself() -> None:
    assert breaking.changes(GOOD, GOOD) == []


@pytest.mark.requirement("INT-01")
@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("properties/region", {"type": "string"}, {"region added": False}),
        ("required", ["id_card", "kind"], {"kind required": True}),
        ("required", [], {"id_card optional": False}),
        ("properties/kind", ..., {"kind removed": True}),
        ("properties/kind/enum", ["a"], {"kind/enum narrowed": True}),
        ("properties/kind/enum", ["a", "b", "c"], {"kind/enum widened": False}),
        ("properties/kind/enum", ["a", "c"], {"kind/enum narrowed": True, "kind/enum widened": False}),
        ("properties/kind/enum", ..., {"kind/enum widened": False}),
        ("properties/page/enum", [1], {"page/enum narrowed": True}),
        ("properties/kind/const", "a", {"kind/enum narrowed": True}),
        ("properties/id_card/maxLength", 15, {"id_card/maxLength narrowed": True}),
        ("properties/id_card/maxLength", 20, {"id_card/maxLength widened": False}),
        ("properties/id_card/maxLength", ..., {"id_card/maxLength widened": False}),
        ("properties/id_card/minLength", 15, {"id_card/minLength narrowed": True}),
        ("properties/id_card/minLength", 0, {}),
        ("properties/page/minimum", 0, {"page/minimum widened": False}),
        ("properties/page/minimum", 2, {"page/minimum narrowed": True}),
        ("properties/page/type", "number", {"page/type widened": False}),
        ("properties/page/type", "string", {"page/type narrowed": True, "page/type widened": False}),
        ("properties/page/type", ["integer", "null"], {"page/type widened": False}),
        ("properties/id_card/pattern", "^.*$", {"id_card/pattern narrowed": True, "id_card/pattern widened": False}),
        ("properties/id_card/pattern", ..., {"id_card/pattern widened": False}),
        ("properties/id_card/title", "身份号码", {}),
        ("properties/id_card", False, {"id_card/type narrowed": True, "id_card/pattern widened": False,
                                       "id_card/maxLength widened": False}),
        ("additionalProperties", True, {"additionalProperties widened": False}),
        ("additionalProperties", {"type": "string"}, {
            "additionalProperties widened": False, "additionalProperties/type narrowed": True}),
    ],
)  # fmt: skip
def test_questions_may_only_become_easier_to_ask(path: str, value: Any, expected: dict[str, bool]) -> None:
    assert told(parameters=edited(PARAMETERS, path, value)) == {f"parameters/{k}": v for k, v in expected.items()}


@pytest.mark.requirement("INT-01")
@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("properties/region", {"type": "string"}, {"region added": False}),
        ("properties/name", ..., {"name removed": True}),
        ("properties/address/properties/city", ..., {"address/city removed": True}),
        ("properties/cards/items/properties/no", ..., {"cards/*/no removed": True}),
        ("properties/cards/items/properties/no/type", ["string", "null"], {"cards/*/no/type widened": True}),
        ("properties/cards/items", ..., {"cards/*/type widened": True}),
        ("required", ["name"], {"address optional": True}),
        ("required", ["name", "address", "sex"], {"sex required": False}),
        ("properties/nickname/type", "string", {"nickname/type narrowed": False}),
        ("properties/sex/enum", ["1", "2", "9"], {"sex/enum widened": True}),
        ("properties/sex/enum", ["1"], {"sex/enum narrowed": False}),
        ("properties/name/maxLength", 100, {"name/maxLength widened": True}),
        ("properties/name/maxLength", 10, {"name/maxLength narrowed": False}),
        ("properties/name/format", "date", {"name/format narrowed": False}),
        ("additionalProperties", False, {}),
    ],
)
def test_answers_may_only_become_more_certain(path: str, value: Any, expected: dict[str, bool]) -> None:
    found = told(response=edited(PERSON, path, value))
    assert {key: found.get(f"response/{key}") for key in expected} == expected
    assert any(found.values()) == any(expected.values())


@pytest.mark.requirement("INT-01")
def test_a_body_that_has_to_say_more_breaks() -> None:
    assert told(request=edited(PERSON, "required", ["name", "address", "sex"])) == {"request/sex required": True}
    assert told(request=edited(PERSON, "properties/sex", ...)) == {"request/sex removed": True}
    assert told(request=None)["request/type widened"] is False
    assert any(breaking_ for breaking_ in told(request={"type": "object", "required": ["x"]}).values())


@pytest.mark.requirement("INT-01")
@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"operations": GOOD.operations[:1]}, {"operations/POST  removed": True}),
        ({"operations": [*GOOD.operations, Operation(method="GET", path="/all", target="/all")]},
         {"operations/GET /all added": False}),
        ({"operations": [GOOD.operations[0], Operation(method="POST", path="", target="/v2")]},
         {"operations/POST /target changed": False}),
        ({"fields": GOOD.fields[:1]}, {"fields/address.city removed": True}),
        ({"fields": [*GOOD.fields, Field(name="sex")]}, {"fields/sex added": False}),
        ({"fields": [Field(name="name", mask="drop"), GOOD.fields[1]]}, {"fields/name/mask changed": True}),
        ({"fields": [Field(name="name", mask="name_first", level="L3"), GOOD.fields[1]]},
         {"fields/name/level changed": False}),
        ({"timeout_s": 5.0}, {"timeout_s lowered": True}),
        ({"timeout_s": 20.0}, {"timeout_s raised": False}),
        ({"max_in_flight": 8}, {"max_in_flight lowered": True}),
        ({"consent_required": True}, {"consent_required changed": True}),
        ({"format": "binary"}, {"format changed": True}),
        ({"base_url": "https://b.example", "networks": ["10.1.0.0/16"]},
         {"base_url changed": False, "networks changed": False}),
    ],
)  # fmt: skip
def test_operations_fields_and_limits(changed: dict[str, Any], expected: dict[str, bool]) -> None:
    assert told(**changed) == expected


CAT = {"type": "object", "properties": {"meows": {"type": "boolean"}}, "required": ["meows"]}
DOG = {"type": "object", "properties": {"barks": {"type": "boolean"}}, "required": ["barks"]}


def between(old: Any, new: Any, side: schema_changes.Side) -> dict[str, bool]:
    found = schema_changes.schema_changes(old, new, side, "s")
    return {f"{change.path} {change.kind}": change.breaking for change in found}


@pytest.mark.requirement("INT-01")
def test_a_question_keeps_its_forms_and_an_answer_gets_no_others() -> None:
    assert between({"anyOf": [CAT]}, {"anyOf": [CAT, DOG]}, "question") == {"s widened": False}
    assert any(between({"anyOf": [CAT, DOG]}, CAT, "question").values())
    assert between({"anyOf": [CAT, DOG]}, CAT, "answer") == {"s narrowed": False}
    assert any(between(CAT, {"oneOf": [CAT, DOG]}, "answer").values())
    assert between({"anyOf": [CAT, DOG]}, {"anyOf": [DOG, CAT]}, "answer") == {}
    assert between(CAT, {"anyOf": [CAT, {"type": "null"}]}, "answer") == {
        "s/type widened": True, "s/type narrowed": False,
    }  # fmt: skip


@pytest.mark.requirement("INT-01")
def test_a_new_operation_may_bring_its_own_form_of_answer() -> None:
    more = [*GOOD.operations, Operation(method="GET", path="/dogs", target="/dogs")]
    assert told(operations=more, response={"anyOf": [PERSON, DOG]}) == {
        "operations/GET /dogs added": False, "response widened": False,
    }  # fmt: skip
    assert any(told(response={"anyOf": [PERSON, DOG]}).values())


@pytest.mark.requirement("INT-01")
def test_references_and_combinations_say_the_same_as_what_they_stand_for() -> None:
    spelled = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 9}}, "required": ["a"]}
    parts = [{"type": "object", "required": ["a"]}, {"properties": {"a": {"type": "string", "maxLength": 12}}},
             {"properties": {"a": {"maxLength": 9}}}]  # fmt: skip
    same = [
        {"allOf": parts},
        {"$ref": "#/$defs/A~1b", "$defs": {"A/b": spelled}},
        {"allOf": [{"$ref": "#/$defs/x/0"}, {"$ref": "#/$defs/x/1"}, {"$ref": "#/$defs/x/2"}], "$defs": {"x": parts}},
        {"anyOf": [spelled], "description": "…"},
    ]
    for schema in same:
        for side in ("question", "answer"):
            assert between(spelled, schema, side) == between(schema, spelled, side) == {}


NODE = {
    "type": "object",
    "properties": {"id": {"type": "integer"}, "children": {"type": "array", "items": {"$ref": "#/$defs/n"}}},
}
TREE = {"$ref": "#/$defs/n", "$defs": {"n": NODE}}


@pytest.mark.requirement("INT-01")
def test_a_schema_inside_itself_is_compared_once() -> None:
    found = between(TREE, edited(TREE, "$defs/n/properties/id/type", "string"), "answer")
    assert found == {
        "s/id/type narrowed": False, "s/id/type widened": True,
        "s/children/*/id/type narrowed": False, "s/children/*/id/type widened": True,
    }  # fmt: skip


def bomb(depth: int) -> dict[str, Any]:
    """Every level twice the one below: two to the power of `depth` ways down."""
    names = [f"d{n}" for n in range(depth)]
    levels = {
        above: {"properties": {"x": {"$ref": f"#/$defs/{below}"}, "y": {"$ref": f"#/$defs/{below}"}}}
        for above, below in pairwise(names)
    }
    return {"$ref": "#/$defs/d0", "$defs": {**levels, names[-1]: {"type": "string"}}}


def chain(length: int) -> dict[str, Any]:
    """Each level inside the one before, by reference."""
    levels = {f"d{n}": {"properties": {"x": {"$ref": f"#/$defs/d{n + 1}"}}} for n in range(length)}
    return {"$ref": "#/$defs/d0", "$defs": {**levels, f"d{length}": {"type": "string"}}}


@pytest.mark.requirement("INT-01")
@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"$ref": "#"}]},
        {"allOf": [{"anyOf": [{"const": n}, {"const": -n}]} for n in range(1, 40)]},
        bomb(40),
    ],
)
def test_what_is_too_complex_to_compare_counts_as_breaking(schema: dict[str, Any]) -> None:
    other = edited(schema, "$defs", {**schema.get("$defs", {}), "d39": {"type": "integer"}})
    assert between(schema, {**other, "maxLength": 3}, "answer") == {"s unjudged": True}
    assert between(schema, schema, "answer") == {}
    assert between(chain(3000), chain(2999), "answer") == {"s unjudged": True}


NAMES = st.sampled_from(["a", "b", "c"])
TYPES = st.sampled_from(["string", "integer", "null", "boolean"])
LEAVES: st.SearchStrategy[Any] = st.one_of(
    TYPES.map(lambda name: {"type": name}),
    st.lists(st.integers(0, 3), min_size=1, unique=True).map(lambda values: {"enum": values}),
    st.integers(1, 9).map(lambda most: {"type": "string", "maxLength": most}),
    st.just({}),
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            lambda members, required: {"type": "object", "properties": members, "required": sorted(required)},
            st.dictionaries(NAMES, inner), st.sets(NAMES),
        ),
        inner.map(lambda items: {"type": "array", "items": items}),
        st.lists(inner, min_size=1, max_size=3).map(lambda forms: {"anyOf": forms}),
        st.lists(inner, min_size=1, max_size=2).map(lambda parts: {"allOf": parts}),
    ),
    max_leaves=8,
)  # fmt: skip


@pytest.mark.requirement("INT-01")
@given(SCHEMAS, st.sampled_from(["question", "answer"]))
def test_the_same_said_in_other_words_is_no_change(schema: dict[str, Any], side: schema_changes.Side) -> None:
    said_twice = {"allOf": [{"$ref": "#/$defs/x"}, {"$ref": "#/$defs/x"}], "$defs": {"x": schema}, "title": "…"}
    try:
        schema_forms.Forms(said_twice).of((said_twice,))
    except schema_forms.TooComplex:
        return
    assert [one for one in schema_changes.schema_changes(schema, said_twice, side, "s") if one.breaking] == []


@pytest.mark.requirement("INT-01")
@given(st.dictionaries(NAMES, SCHEMAS), st.sets(NAMES), SCHEMAS, st.booleans())
def test_a_member_that_may_be_left_out_breaks_nobody(
    members: dict[str, Any], required: set[str], added: Any, asked: bool
) -> None:
    old = {"type": "object", "properties": members, "required": sorted(required), "additionalProperties": False}
    new = edited(old, "properties/more", added)
    found = schema_changes.schema_changes(old, new, "question" if asked else "answer", "s")
    assert [(one.path, one.kind, one.breaking) for one in found] == [("s/more", "added", False)]
