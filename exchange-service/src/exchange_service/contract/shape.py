"""What a JSON Schema says about a place of a document: types, members, elements. Pure, and never raises.

Only what steers (reading XML, telling drift) is read here; whether a document fits is jsonschema_rs's word alone.
"""

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from wire.schemas import referred

MOST_FORMS: Final = 64
Place = tuple[Any, ...]
"""Schemas that may hold at one place."""
_COMBINING: Final = ("allOf", "anyOf", "oneOf")


class Shape:
    """One place. The same schemas give the same object, so that recursive ones make no more of them."""

    def __init__(self, place: Place, root: object, known: dict[tuple[int, ...], "Shape"]) -> None:
        self._root = root
        self._known = known
        self._forms = forms(place, root)

    @cached_property
    def types(self) -> frozenset[str]:
        """JSON types that are named; none: it does not say."""
        named = [form.get("type") for form in self._forms]
        words = [word for one in named for word in (one if isinstance(one, list) else [one])]
        return frozenset(word for word in words if isinstance(word, str))

    @cached_property
    def members(self) -> Mapping[str, "Shape"]:
        """Members that are spelled out."""
        places: dict[str, Place] = {}
        for form in self._forms:
            for name, schema in _mapping(form.get("properties")).items():
                places[name] = (*places.get(name, ()), schema)
        return {name: self._at(place) for name, place in places.items()}

    @cached_property
    def elements(self) -> "Shape":
        """What the elements of an array are."""
        return self._at(tuple(form["items"] for form in self._forms if isinstance(form.get("items"), Mapping)))

    @cached_property
    def required(self) -> frozenset[str]:
        """Members that have to be there."""
        listed = [form.get("required") for form in self._forms]
        return frozenset(name for one in listed if isinstance(one, list) for name in one if isinstance(name, str))

    @cached_property
    def takes_others(self) -> bool:
        """Whether it has words of its own for members that it does not spell out."""
        return any(form.get("patternProperties") or form.get("additionalProperties") for form in self._forms)

    def _at(self, place: Place) -> "Shape":
        key = tuple(map(id, place))
        shape = self._known.get(key)
        if shape is None:
            shape = self._known[key] = Shape(place, self._root, self._known)
        return shape


def shape_of(schema: object) -> Shape:
    """The outermost place."""
    return Shape((schema,), schema, {})


def forms(place: Place, root: object) -> list[Mapping[str, Any]]:
    """The schemas of a place, with what they refer to and combine."""
    found: list[Mapping[str, Any]] = []
    waiting = list(place)
    while waiting and len(found) < MOST_FORMS:
        schema = waiting.pop(0)
        if isinstance(schema, Mapping) and not any(schema is one for one in found):
            found.append(schema)
            waiting += _inside(schema, root)
    return found


def _inside(schema: Mapping[str, Any], root: object) -> Iterator[object]:
    yield referred(schema.get("$ref"), root)
    for word in _COMBINING:
        listed = schema.get(word)
        if isinstance(listed, list):
            yield from listed


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
