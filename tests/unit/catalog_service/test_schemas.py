"""Schemas that the exchange could not use are refused when they are registered."""

from typing import Any

import msgspec
import pytest

from catalog_service.directory.contract import mistakes_in_interface
from harness.registrations import REST

TWICE = {f"a{n}": {"anyOf": [{"$ref": f"#/$defs/a{n + 1}"}] * 2} for n in range(30)}
UNUSABLE: dict[str, tuple[dict[str, Any], str]] = {
    "work": ({"$ref": "#/$defs/a0", "$defs": {**TWICE, "a30": {"type": "integer"}}}, "schemas meet"),
    "circle": ({"allOf": [{"$ref": "#"}]}, "itself"),
    "type": ({"type": "nonsense"}, "not a schema"),
    "pattern": ({"properties": {"a": {"pattern": "((((a{1000}){1000}){1000}){1000})"}}}, "not a schema"),
    "pointer": ({"$ref": "#/nowhere"}, "not a schema"),
    "number": ({"minLength": -1}, "not a schema"),
    "keyword": ({"required": "a"}, "not a schema"),
}


@pytest.mark.requirement("CAT-07")
@pytest.mark.parametrize("part", ["parameters", "request", "response"])
@pytest.mark.parametrize(("schema", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_a_schema_that_cannot_be_used_is_a_mistake(schema: dict[str, Any], words: str, part: str) -> None:
    stated = msgspec.structs.replace(REST, **{part: schema})
    found = [error for path, error in mistakes_in_interface(stated) if path == part]
    assert len(found) == 1
    assert words in found[0]


@pytest.mark.requirement("CAT-07")
def test_a_schema_that_contains_itself_further_down_can_be_used() -> None:
    tree = {"$ref": "#/$defs/node", "$defs": {"node": {"properties": {"more": {"items": {"$ref": "#/$defs/node"}}}}}}
    assert not list(mistakes_in_interface(msgspec.structs.replace(REST, response=tree)))
