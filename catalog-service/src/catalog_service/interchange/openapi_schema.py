"""Schemas of an OpenAPI document as JSON Schemas (2020-12) that stand by themselves. Pure.

What a schema refers to goes with it, below one `$defs`, so that a schema inside itself stays one. References lead
nowhere but into the document: nothing is ever fetched.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal
from urllib.parse import unquote

Mistake = tuple[str, str]
Side = Literal["request", "response"]
MOST_HOPS = 32
LARGEST = 2**53

_ONE = frozenset({
    "items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames", "unevaluatedItems",
    "unevaluatedProperties", "contentSchema",
})  # fmt: skip
_SOME = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_NAMED = frozenset({"properties", "patternProperties", "dependentSchemas"})
_LEFT_OUT = frozenset({
    "$schema", "$defs", "definitions", "discriminator", "xml", "externalDocs", "example", "examples", "nullable",
    "collectionFormat", "allowEmptyValue",
})  # fmt: skip
"""Not JSON Schema, or said elsewhere; examples may hold somebody's data."""
_MOVING = frozenset({"$id", "$anchor", "$dynamicRef", "$dynamicAnchor", "$recursiveRef", "$recursiveAnchor"})
_OTHER_SIDE: Mapping[Side, str] = {"request": "readOnly", "response": "writeOnly"}
_NULL = {"type": "null"}


class Document:
    """An OpenAPI document and its references."""

    def __init__(self, tree: Mapping[str, Any]) -> None:
        self.tree = tree
        self.mistakes: list[Mistake] = []
        self.outside: list[Mistake] = []
        """Of the mistakes, those that lead out of the document."""

    def wrong(self, where: str, what: str) -> None:
        self.mistakes.append((where, what))

    def target(self, value: Any, where: str) -> tuple[Any, str]:
        """The value, or what its `$ref` leads to, and where that stands; {} with a mistake where it leads nowhere."""
        for _ in range(MOST_HOPS):
            if not isinstance(value, Mapping) or not isinstance(value.get("$ref"), str):
                return value, where
            reference = value["$ref"]
            found = self.find(reference, where)
            if found is None:
                return {}, where
            value, where = found, unquote(reference[2:])
        self.wrong(where, "references that lead in a circle")
        return {}, where

    def find(self, reference: str, where: str) -> Any:
        """What a reference points to; None with a mistake where there is no such thing."""
        if not reference.startswith("#/"):
            self.wrong(f"{where}/$ref", "refers to something outside the document; only #/… is followed")
            self.outside.append(self.mistakes[-1])
            return None
        found: Any = self.tree
        for step in reference[2:].split("/"):
            name = unquote(step).replace("~1", "/").replace("~0", "~")
            if isinstance(found, Mapping) and name in found:
                found = found[name]
            elif isinstance(found, list) and name.isdecimal() and len(name) < 7 and int(name) < len(found):
                found = found[int(name)]
            else:
                self.wrong(f"{where}/$ref", f"there is no {reference[:200]}")
                return None
        return found


class Converter:
    """Schemas of one side of an interface; they share their `$defs`."""

    def __init__(self, document: Document, side: Side, *, invented: bool = False) -> None:
        """invented  the examples in it are ours, nobody's data: they stay"""
        self._document = document
        self._left_out = _LEFT_OUT - {"examples"} if invented else _LEFT_OUT
        self._other_side = _OTHER_SIDE[side]
        self._names: dict[str, str] = {}
        self._waiting: list[str] = []
        self._defs: dict[str, Any] = {}

    def convert(self, schema: Any, where: str) -> Any:
        """The schema; what it refers to is kept for `whole`."""
        converted = self._convert(schema, where)
        while self._waiting:
            reference = self._waiting.pop()
            found = self._document.find(reference, where)
            self._defs[self._names[reference]] = self._convert(found, unquote(reference[2:]))
        return converted

    def whole(self, schema: Any) -> dict[str, Any] | None:
        """The converted schema with what it refers to; None where it says nothing."""
        if not isinstance(schema, dict) or not schema:
            return None
        needed = _needed(schema, self._defs)
        return {**schema, "$defs": {name: self._defs[name] for name in needed}} if needed else schema

    def _convert(self, schema: Any, where: str) -> Any:
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, Mapping):
            self._document.wrong(where, "not a schema")
            return {}
        converted = dict(self._keywords(schema, where))
        _fit_limits(converted)
        if "required" in converted and "properties" in converted:
            converted["required"] = [name for name in converted["required"] if self._is_asked(schema, name)]
        return _with_null(converted) if schema.get("nullable") or schema.get("x-nullable") else converted

    def _keywords(self, schema: Mapping[str, Any], where: str) -> Iterator[tuple[str, Any]]:
        for name, value in schema.items():
            place = f"{where}/{name}"
            if name == "$ref" and isinstance(value, str):
                yield name, self._reference(value, where)
            elif name in _MOVING:
                self._document.wrong(place, "not understood here; refer with $ref and #/… alone")
            elif name in _ONE:
                yield name, self._convert(value, place)
            elif name in _SOME and isinstance(value, list):
                yield name, [self._convert(one, f"{place}/{n}") for n, one in enumerate(value)]
            elif name in _NAMED and isinstance(value, Mapping):
                yield name, {one: self._convert(inner, f"{place}/{one}") for one, inner in value.items()}
            elif name not in self._left_out and not name.startswith("x-"):
                yield name, value

    def _reference(self, reference: str, where: str) -> str:
        if reference not in self._names:
            if self._document.find(reference, where) is None:
                return "#"
            last = re.sub(r"[^A-Za-z0-9_.-]", "_", unquote(reference.rpartition("/")[2])) or "_"
            taken = set(self._names.values())
            name = next(one for n in range(len(taken) + 1) if (one := f"{last}_{n}" if n else last) not in taken)
            self._names[reference] = name
            self._waiting.append(reference)
        return f"#/$defs/{self._names[reference]}"

    def _is_asked(self, schema: Mapping[str, Any], name: Any) -> bool:
        """A member that is only for the other side is not missed on this one (OpenAPI 3.0 Schema Object, readOnly)."""
        member = schema["properties"].get(name)
        return not (isinstance(member, Mapping) and member.get(self._other_side) is True)


def _needed(schema: Any, defs: Mapping[str, Any]) -> list[str]:
    """Names of the definitions that the schema leads to, sorted."""
    names: set[str] = set()
    waiting = [schema]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            waiting += value.values()
            name = str(value.get("$ref", "")).removeprefix("#/$defs/")
            if name in defs and name not in names:
                names.add(name)
                waiting.append(defs[name])
        elif isinstance(value, list):
            waiting += value
    return sorted(names)


def _fit_limits(schema: dict[str, Any]) -> None:
    """Limits as 2020-12 writes them; one that no JSON number reaches says nothing."""
    for name, exclusive in (("minimum", "exclusiveMinimum"), ("maximum", "exclusiveMaximum")):
        if schema.get(exclusive) is True and name in schema:
            schema[exclusive] = schema.pop(name)
        elif isinstance(schema.get(exclusive), bool):
            del schema[exclusive]
        for one in (name, exclusive):
            limit = schema.get(one)
            if isinstance(limit, int | float) and abs(limit) > LARGEST:
                del schema[one]


def _with_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of OpenAPI 3.0's `nullable`."""
    if not isinstance(schema.get("type"), str):
        return {"anyOf": [schema, _NULL]} if schema else schema
    values = schema.get("enum")
    listed = {"enum": [*values, None]} if isinstance(values, list) and None not in values else {}
    return {**schema, "type": [schema["type"], "null"], **listed}


# --- what stands in a path or a query -------------------------------------------------------------------------------
_TEXTS: Mapping[str, dict[str, Any]] = {
    "integer": {"type": "string", "pattern": "^-?[0-9]+$"},
    "number": {"type": "string", "pattern": "^-?[0-9]+(?:\\.[0-9]+)?(?:[eE][-+]?[0-9]+)?$"},
    "boolean": {"type": "string", "enum": ["true", "false"]},
}
_OF_TEXT = ("minLength", "maxLength", "pattern", "format")
_TOLD = ("title", "description")


def as_text(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema of a value in a path or a query, where everything is text; its own references are resolved."""
    told = {name: schema[name] for name in _TOLD if isinstance(schema.get(name), str)}
    values = schema.get("enum")
    if isinstance(values, list):
        return {**told, "type": "string", "enum": [_word(value) for value in values if value is not None]}
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = next((one for one in kind if one != "null"), None)
    if isinstance(kind, str) and kind in _TEXTS:
        return {**told, **_TEXTS[kind]}
    limits = {name: schema[name] for name in _OF_TEXT if name in schema} if kind == "string" else {}
    return {**told, "type": "string", **limits}


def _word(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


# --- what an answer is made of --------------------------------------------------------------------------------------
MOST_STEPS = 100_000
DEEPEST = 100
_THROUGH = ("allOf", "anyOf", "oneOf", "prefixItems")
_INTO = ("items", "then", "else")
_NAMEABLE = re.compile(r"[^\s.*\x00-\x1f\x7f]+")


class Leaves:
    """Dotted names of an answer's leaves, as grants name them: arrays count as their elements."""

    def __init__(self, schema: Mapping[str, Any] | None) -> None:
        self._defs = (schema or {}).get("$defs", {})
        self._names: dict[str, None] = {}
        self._seen: dict[tuple[str, str], bool] = {}
        self._steps = 0
        self.unnamed: list[str] = []
        self.complete = True
        self._depth = 0
        self._walk(schema, "", ())
        self.names = list(self._names)

    def _walk(self, schema: Any, prefix: str, inside: tuple[str, ...]) -> bool:
        """Note what lies below; whether there are members. What contains itself is granted whole."""
        self._steps += 1
        if self._steps > MOST_STEPS or self._depth > DEEPEST:
            self.complete = False
        if not isinstance(schema, Mapping) or not self.complete:
            return False
        self._depth += 1
        found = self._below(schema, prefix, inside)
        self._depth -= 1
        return found

    def _below(self, schema: Mapping[str, Any], prefix: str, inside: tuple[str, ...]) -> bool:
        parts = [part for name in _THROUGH for part in schema.get(name, ()) if isinstance(schema.get(name), list)]
        parts += [schema[name] for name in _INTO if name in schema]
        below = [self._walk(part, prefix, inside) for part in parts]
        below.append(self._referred(schema.get("$ref"), prefix, inside))
        members = schema.get("properties")
        if isinstance(members, Mapping):
            below += [self._member(name, one, prefix, inside) for name, one in members.items()]
        return any(below)

    def _referred(self, reference: Any, prefix: str, inside: tuple[str, ...]) -> bool:
        name = str(reference).removeprefix("#/$defs/")
        if name in inside or name not in self._defs:
            return False
        if (prefix, name) not in self._seen:
            self._seen[prefix, name] = self._walk(self._defs[name], prefix, (*inside, name))
        return self._seen[prefix, name]

    def _member(self, name: str, schema: Any, prefix: str, inside: tuple[str, ...]) -> bool:
        dotted = f"{prefix}{name}"
        if not _NAMEABLE.fullmatch(name):
            self.unnamed.append(dotted)
            return False
        if not self._walk(schema, f"{dotted}.", inside):
            self._names[dotted] = None
        return True
