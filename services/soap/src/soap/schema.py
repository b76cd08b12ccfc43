"""JSON Schemas (2020-12) of bodies in their JSON form, and the dotted names of their leaves. Pure.

An element is a member by its name without namespace, an attribute `@name`, the text of an element that has attributes
`#text`; what may be there more than once is an array; xsi:nil is null. Numbers are numbers, booleans booleans, all
else, dates among it, is text as it stands in the XML.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from soap.shape import TEXT, Anything, Complex, Element, Simple
from soap.wsdl import Message

MOST_NAMES: Final = 2000
LARGEST_INTEGER: Final = 2**53
_WORDS: Final[Mapping[str, Any]] = {"text": "string", "integer": "integer", "decimal": "number", "boolean": "boolean"}
_EXAMPLES: Final[Mapping[str, str]] = {
    "date": "2024-01-31", "dateTime": "2024-01-31T08:30:00+08:00", "time": "08:30:00", "gYear": "2024",
    "gYearMonth": "2024-01", "gMonth": "--01", "gMonthDay": "--01-31", "gDay": "---31", "duration": "P1Y",
    "anyURI": "urn:example", "base64Binary": "", "hexBinary": "",
}  # fmt: skip
"""Invented values of types whose texts have a form: what is made up from a schema fits the XSD by them."""
Schema = dict[str, Any]


class Schemas:
    """Schemas of several bodies that share their `$defs`.

    closed  members that the XSD does not name are refused: so for questions. Answers may grow
    """

    def __init__(self, *, closed: bool) -> None:
        self._closed = closed
        self._names: dict[int, str] = {}
        self._waiting: list[Complex] = []
        self._kept: list[Complex] = []
        self.defs: Schema = {}

    def body(self, message: Message) -> Schema:
        """The schema of a body; its `$ref`s lead to `defs`."""
        made = self._object(message.inside)
        while self._waiting:
            inside = self._waiting.pop()
            self.defs[self._names[id(inside)]] = self._object(inside)
        return made

    def whole(self, message: Message) -> Schema:
        """The schema of a body, standing by itself. For a set of bodies take `body` and `defs`."""
        made = self.body(message)
        return {**made, "$defs": self.defs} if self.defs else made

    def _object(self, inside: Complex) -> Schema:
        properties: Schema = {one.member: simple(one.kind) for one in inside.attributes}
        required = [one.member for one in inside.attributes if one.required]
        if inside.text is not None:
            properties[TEXT] = simple(inside.text)
            required.append(TEXT)
        for name, element in inside.by_name.items():
            properties[name] = self._member(element, inside)
            required += [name] if inside.ranges[name].least else []
        made: Schema = {"type": "object", "properties": properties}
        if required:
            made["required"] = required
        if self._closed and not inside.wild:
            made["additionalProperties"] = False
        return made

    def _member(self, element: Element, inside: Complex) -> Schema:
        one = self._value(element)
        times = inside.ranges[element.member]
        if not times.many:
            return one
        made: Schema = {"type": "array", "items": one}
        if times.least:
            made["minItems"] = min(times.least, LARGEST_INTEGER)
        if times.most is not None:
            made["maxItems"] = min(times.most, LARGEST_INTEGER)
        return made

    def _value(self, element: Element) -> Schema:
        kind = element.kind
        if isinstance(kind, Anything):
            return {}
        if isinstance(kind, Complex):
            made: Schema = {"$ref": f"#/$defs/{self._name(kind)}"}
            return {"anyOf": [made, {"type": "null"}]} if element.nillable else made
        return _or_null(simple(kind)) if element.nillable else simple(kind)

    def _name(self, inside: Complex) -> str:
        known = self._names.get(id(inside))
        if known is None:
            word = "".join(c if c.isascii() and (c.isalnum() or c in "_-") else "_" for c in inside.name) or "_"
            taken = set(self._names.values())
            known = next(one for n in range(len(taken) + 1) if (one := f"{word}_{n}" if n else word) not in taken)
            self._names[id(inside)] = known
            self._waiting.append(inside)
            self._kept.append(inside)
        return known


def simple(kind: Simple) -> Schema:
    """The schema of a value without parts."""
    if kind.word == "float":
        return {"anyOf": [{"type": "number"}, {"enum": ["INF", "-INF", "NaN"]}]}
    made: Schema = {"type": _WORDS[kind.word]}
    if kind.values:
        made["enum"] = list(dict.fromkeys(kind.values))
    below, above = ("minLength", "maxLength") if kind.word == "text" else ("minimum", "maximum")
    if kind.least is not None and abs(kind.least) <= LARGEST_INTEGER:
        made[below] = kind.least
    if kind.most is not None and abs(kind.most) <= LARGEST_INTEGER:
        made[above] = kind.most
    if kind.xsd in _EXAMPLES and not kind.values:
        made["examples"] = [_EXAMPLES[kind.xsd]]
    return made


def _or_null(made: Schema) -> Schema:
    if "type" not in made:
        return {"anyOf": [*made["anyOf"], {"type": "null"}]}
    values = {"enum": [*made["enum"], None]} if "enum" in made else {}
    return {**made, "type": [made["type"], "null"], **values}


def leaves(message: Message) -> list[str]:
    """Dotted names of the leaves, in the order of the XSD; what contains itself counts as one.

    Raises ValueError for more than MOST_NAMES. Names with a dot inside are left out: they cannot be granted alone.
    """
    names: dict[str, None] = {}
    for name in _leaves(message.inside, "", ()):
        names[name] = None
        if len(names) > MOST_NAMES:
            raise ValueError(f"more than {MOST_NAMES} fields")
    return list(names)


def _leaves(inside: Complex, prefix: str, above: tuple[Complex, ...]) -> Iterator[str]:
    yield from (prefix + one.member for one in inside.attributes if "." not in one.member)
    if inside.text is not None:
        yield prefix + TEXT
    for name, element in inside.by_name.items():
        kind = element.kind
        if "." in name:
            continue
        if (
            not isinstance(kind, Complex)
            or kind in (*above, inside)
            or not (kind.by_name or kind.attributes or kind.text)
        ):
            yield prefix + name
        else:
            yield from _leaves(kind, f"{prefix}{name}.", (*above, inside))
