"""A JSON Schema as its forms: `allOf` and `$ref` melted in, one form for each way through `anyOf` and `oneOf`. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from typing import Any
from urllib.parse import unquote

import msgspec

MOST_FORMS = 64
DEEPEST = 64
Schemas = tuple[Any, ...]
"""Schemas that hold together; none: anything goes."""

TYPES = frozenset({"null", "boolean", "object", "array", "string", "integer", "fraction"})
AT_LEAST = ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties")
AT_MOST = ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")

_NUMBER = frozenset({"integer", "fraction"})
_SAY_NOTHING = frozenset({
    "$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "example", "examples",
    "deprecated", "readOnly", "writeOnly",
})  # fmt: skip
_READ = frozenset({
    "$ref", "allOf", "anyOf", "oneOf", "type", "enum", "const", "required", "properties", "items",
    "additionalProperties", *AT_LEAST, *AT_MOST,
})  # fmt: skip


class TooComplex(Exception):
    """More forms, levels or steps than anybody will wait for."""


@dataclass(frozen=True, slots=True)
class Form:
    """What one form demands.

    values    what `enum` and `const` leave, as JSON; None: anything
    exact     keywords without an order, as JSON     closed   no members but the named ones
    members   name -> its schemas                    others   schemas of all other members
    """

    types: frozenset[str] = TYPES
    values: frozenset[bytes] | None = None
    limits: Mapping[str, float] = field(default_factory=dict)
    exact: frozenset[bytes] = frozenset()
    required: frozenset[str] = frozenset()
    members: Mapping[str, Schemas] = field(default_factory=dict)
    elements: Schemas = ()
    others: Schemas = ()
    closed: bool = False


class Forms:
    """The schemas below one root, to which their references point."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def of(self, schemas: Schemas) -> list[Form]:
        """The forms of what meets all these schemas. Raises TooComplex."""
        return _together([self._of(schema, 0) for schema in schemas])

    def _of(self, schema: Any, depth: int) -> list[Form]:
        if depth > DEEPEST:
            raise TooComplex
        if schema is False:
            return [Form(types=frozenset())]
        if not isinstance(schema, Mapping):
            return [Form()]
        parts = [[_own(schema)]]
        if "$ref" in schema:
            parts.append(self._of(self._target(schema["$ref"]), depth + 1))
        parts += [self._of(one, depth + 1) for one in _list(schema.get("allOf"))]
        for keyword in ("anyOf", "oneOf"):
            if choices := _list(schema.get(keyword)):
                parts.append([form for one in choices for form in self._of(one, depth + 1)])
        return _together(parts)

    def _target(self, reference: Any) -> Any:
        """What a reference inside the document points to. One that leads nowhere is a demand of its own."""
        if not isinstance(reference, str) or not reference.startswith("#"):
            return {"not found": reference}
        found = self._root
        for step in reference[1:].split("/")[1:]:
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and int(name) < len(found):
                found = found[int(name)]
            else:
                return {"not found": reference}
        return found


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def json_text(value: Any) -> bytes:
    """The same bytes for the same value."""
    return msgspec.json.encode(value, order="sorted")


def _own(schema: Mapping[str, Any]) -> Form:
    """The schema's own keywords, without what it refers to or combines."""
    rest = schema.get("additionalProperties")
    named = schema.keys() - _READ - _SAY_NOTHING
    elements = schema.get("items")
    return Form(
        types=_types(schema.get("type")), values=_values(schema), limits=dict(_limits(schema)),
        exact=frozenset(json_text([name, schema[name]]) for name in named),
        required=frozenset(name for name in _list(schema.get("required")) if isinstance(name, str)),
        members={name: (one,) for name, one in _mapping(schema.get("properties")).items()},
        elements=(elements,) if isinstance(elements, Mapping) else (),
        others=(rest,) if isinstance(rest, Mapping) else (), closed=rest is False,
    )  # fmt: skip


def _types(stated: Any) -> frozenset[str]:
    if stated is None:
        return TYPES
    names = {name for name in (stated if isinstance(stated, list) else [stated]) if isinstance(name, str)}
    return frozenset(names | _NUMBER) - {"number"} if "number" in names else frozenset(names)


def _values(schema: Mapping[str, Any]) -> frozenset[bytes] | None:
    listed = [frozenset(map(json_text, schema["enum"]))] if isinstance(schema.get("enum"), list) else []
    if "const" in schema:
        listed.append(frozenset({json_text(schema["const"])}))
    return frozenset.intersection(*listed) if listed else None


def _limits(schema: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name in (*AT_LEAST, *AT_MOST):
        value = schema.get(name)
        nothing = value == 0 and name.startswith("min") and name != "minimum"
        if isinstance(value, int | float) and not isinstance(value, bool) and not nothing:
            yield name, value


def _together(parts: list[list[Form]]) -> list[Form]:
    """Every choice of one form from each part, melted into one."""
    forms = [Form()]
    for part in parts:
        if len(forms) * len(part) > MOST_FORMS:
            raise TooComplex
        forms = [_both(one, other) for one, other in product(forms, part)]
    return [form for n, form in enumerate(forms) if form not in forms[:n]]


def _both(one: Form, other: Form) -> Form:
    if one.values is None or other.values is None:
        values = other.values if one.values is None else one.values
    else:
        values = one.values & other.values
    limits = {**one.limits, **other.limits}
    for name in one.limits.keys() & other.limits.keys():
        tighter = max if name in AT_LEAST else min
        limits[name] = tighter(one.limits[name], other.limits[name])
    members = dict(one.members)
    for name, schemas in other.members.items():
        members[name] = members.get(name, ()) + schemas
    return Form(
        types=one.types & other.types, values=values, limits=limits, exact=one.exact | other.exact,
        required=one.required | other.required, members=members, elements=one.elements + other.elements,
        others=one.others + other.others, closed=one.closed or other.closed,
    )  # fmt: skip
