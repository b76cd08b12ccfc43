"""Made-up values for a JSON Schema, or for registered fields: for sandboxes and previews. Pure.

The same schema always gives the same sample. Nobody's data: names and numbers are of nobody and nowhere (regions 99…
do not exist, example addresses are reserved by RFC 2606).
"""

import math
import re
from collections.abc import Mapping, Sequence
from re import _constants as ops  # type: ignore[attr-defined]  # patterns as trees: there is no public way
from re import _parser as patterns  # type: ignore[attr-defined]
from typing import Any, Final

from wire.catalog import Field
from wire.masks import DROP, PLAIN
from wire.schemas import referred

DEEPEST: Final = 24
OPTIONAL: Final = 5
"""Below, only members that have to be there are made: a schema may contain itself."""
MOST_VALUES: Final = 5_000
"""Schemas that are looked at for one sample; what comes behind is null."""
LONGEST: Final = 2_000
"""Characters of one string."""
LARGEST: Final = 2.0**53
BY_FORMAT: Final[Mapping[str, str]] = {
    "date": "2026-01-05", "date-time": "2026-01-05T09:30:00+08:00", "time": "09:30:00+08:00", "duration": "P1D",
    "email": "nobody@example.com", "idn-email": "nobody@example.com", "hostname": "host.example", "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1", "uri": "https://example.com/", "uri-reference": "/example", "iri": "https://example.com/",
    "uuid": "00000000-0000-4000-8000-000000000000", "json-pointer": "/example", "regex": "^a$",
}  # fmt: skip
BY_MASK: Final[Mapping[str, str]] = {
    "name_first": "测试甲", "id_last4": "990101199001010015", "phone": "13900000000", "mid4": "A990000001",
    "addr_district": "某市某区某路1号", "bank_last4": "6200000000000000000", "plate": "某A00000",
    "uscc": "91990100MA00000017", "year": "1990-01-01", "pseudonym": "990101199001010015",
}  # fmt: skip


def sample_of(schema: Mapping[str, Any] | None, fields: Sequence[Field] = ()) -> Any:
    """A value that the schema allows, as far as that can be told quickly; of fields alone, an object that has them.

    Never raises: what cannot be understood becomes null.
    """
    if schema is not None:
        return _Maker(schema).value(schema, 0)
    sample: dict[str, Any] = {}
    for field in fields:
        _put(sample, field.name.split("."), "" if field.mask in (DROP, PLAIN) else field.mask)
    return sample


def _put(sample: dict[str, Any], way: list[str], mask: str) -> None:
    *above, last = way
    for name in above:
        inner = sample.setdefault(name, {})
        if not isinstance(inner, dict):  # a field and one below it: the upper one holds it
            inner = sample[name] = {}
        sample = inner
    sample.setdefault(last, BY_MASK.get(mask, "示例"))


class _Maker:
    """Makes one sample; counts what it made, so that no schema makes it work for long."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = MOST_VALUES

    def value(self, schema: Any, depth: int) -> Any:
        schema = self._melted(schema, depth)
        if depth > DEEPEST or self._left < 0 or not schema:
            return None
        if "const" in schema:
            return schema["const"]
        for word in ("examples", "enum"):
            if isinstance(schema.get(word), list) and schema[word]:
                return schema[word][0]
        for word in ("example", "default"):
            if word in schema:
                return schema[word]
        return self._of_type(_type_of(schema), schema, depth)

    def _of_type(self, kind: str, schema: Mapping[str, Any], depth: int) -> Any:
        match kind:
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "string":
                return _string(schema)
            case "integer" | "number":
                return _number(schema, whole=kind == "integer")
            case "boolean":
                return True
        return None

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties, required = _mapping(schema.get("properties")), _texts(schema.get("required"))
        names = [name for name in properties if properties[name] is not False]
        if depth > OPTIONAL:
            names = [name for name in names if name in required]
        made = {name: self.value(properties[name], depth + 1) for name in names}
        others = schema.get("additionalProperties")
        for name in required:
            if name not in made:
                made[name] = self.value(others, depth + 1) if isinstance(others, Mapping) else "示例"
        return made

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        first = schema.get("prefixItems")
        made = [self.value(one, depth + 1) for one in first[:DEEPEST]] if isinstance(first, list) else []
        least = _count(schema.get("minItems"), 0)
        wanted = max(least, 0 if depth > OPTIONAL else 1)
        if _count(schema.get("maxItems"), 1) == 0 or schema.get("items") is False:
            wanted = 0
        while len(made) < min(wanted, 100):
            made.append(self.value(schema.get("items"), depth + 1))
        return made

    def _melted(self, schema: Any, depth: int) -> Mapping[str, Any]:
        """The schema with what it refers to and the first of what it combines."""
        self._left -= 1
        if not isinstance(schema, Mapping) or self._left < 0:
            return {}
        melted: dict[str, Any] = {}
        forms: list[Any] = [referred(schema.get("$ref"), self._root)]
        forms += schema["allOf"][:DEEPEST] if isinstance(schema.get("allOf"), list) else []
        for word in ("anyOf", "oneOf"):
            choices = schema.get(word)
            forms += _best(choices) if isinstance(choices, list) else []
        for form in forms if depth < DEEPEST else ():
            _join(melted, self._melted(form, depth + 1))
        _join(melted, schema)
        return melted


def _join(melted: dict[str, Any], more: Mapping[str, Any]) -> None:
    for word, said in more.items():
        if word == "properties" and isinstance(melted.get(word), Mapping) and isinstance(said, Mapping):
            melted[word] = {**melted[word], **said}
        elif word == "required" and isinstance(melted.get(word), list) and isinstance(said, list):
            melted[word] = [*melted[word], *said]
        else:
            melted[word] = said


def _best(choices: list[Any]) -> list[Any]:
    """The first choice that is not only null."""
    telling = [one for one in choices if isinstance(one, Mapping) and one.get("type") != "null"]
    return (telling or choices)[:1]


def _type_of(schema: Mapping[str, Any]) -> str:
    stated = schema.get("type")
    named = [one for one in (stated if isinstance(stated, list) else [stated]) if isinstance(one, str)]
    for one in named:
        if one != "null":
            return one
    if named:
        return "null"
    for word, kind in (("properties", "object"), ("required", "object"), ("items", "array"), ("pattern", "string"),
                       ("format", "string"), ("minLength", "string"), ("maxLength", "string"), ("minimum", "number"),
                       ("maximum", "number")):  # fmt: skip
        if word in schema:
            return kind
    return "string"


# --- one value ------------------------------------------------------------------------------------------------------
def _string(schema: Mapping[str, Any]) -> str:
    least, most = _count(schema.get("minLength"), 0), _count(schema.get("maxLength"), LONGEST)
    pattern, form = schema.get("pattern"), schema.get("format")
    text = "示例"
    if isinstance(pattern, str) and (made := _of_pattern(pattern, least)) is not None:
        return made
    if isinstance(form, str) and form in BY_FORMAT:
        return BY_FORMAT[form]
    return (text + "0" * max(0, min(least, LONGEST) - len(text)))[: max(0, most)]


def _number(schema: Mapping[str, Any], *, whole: bool) -> int | float:
    """The least that is allowed, else the most, else 1; a multiple where one is asked for."""
    low = max(_limit(schema, "minimum", -math.inf), _limit(schema, "exclusiveMinimum", -math.inf))
    high = min(_limit(schema, "maximum", math.inf), _limit(schema, "exclusiveMaximum", math.inf))
    step = _limit(schema, "multipleOf", 0.0)
    step = step if step > 1 / LARGEST else 1.0
    if high - low < 1 and not whole:
        return (low + high) / 2
    value = 1.0 if low < 1 < high else low if low > -math.inf else high
    value = math.ceil(value / step) * step
    if value == _limit(schema, "exclusiveMinimum", math.nan):
        value += step
    if value > high or value == _limit(schema, "exclusiveMaximum", math.nan):
        value -= step
    return int(value) if whole or value.is_integer() else value


def _limit(schema: Mapping[str, Any], word: str, otherwise: float) -> float:
    value = schema.get(word)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return otherwise
    return float(max(-LARGEST, min(LARGEST, value)))


def _of_pattern(pattern: str, least: int) -> str | None:
    """A short plain text of a pattern; None where the pattern asks for more than this understands.

    It is not tried out: a hostile pattern could take for ever.
    """
    try:
        return _plain(patterns.parse(pattern), min(least, LONGEST))
    except (re.error, RecursionError, OverflowError, _TooOdd):
        return None


class _TooOdd(Exception):
    """Nothing that a plain text could be made of."""


def _plain(tree: Any, least: int) -> str:
    made: list[str] = []
    for operation, argument in tree:
        made.append(_part(operation, argument, least))
        if sum(map(len, made)) > LONGEST:
            raise _TooOdd
    return "".join(made)


def _part(operation: Any, argument: Any, least: int) -> str:
    if operation is ops.LITERAL:
        return chr(argument)
    if operation is ops.IN:
        return _one_of(argument)
    if operation is ops.ANY:
        return "0"
    if operation in (ops.MAX_REPEAT, ops.MIN_REPEAT, ops.POSSESSIVE_REPEAT):
        low, high, inner = argument
        times = low if low else min(int(high), max(1, least))
        return _plain(inner, 0) * min(times, LONGEST)
    if operation is ops.SUBPATTERN:
        return _plain(argument[-1], least)
    if operation is ops.BRANCH:
        return _plain(argument[1][0], least)
    if operation is ops.AT:
        return ""
    raise _TooOdd


def _one_of(choices: list[Any]) -> str:
    operation, argument = choices[0]
    if operation is ops.LITERAL:
        return chr(argument)
    if operation is ops.RANGE:
        return chr(argument[0])
    if operation is ops.CATEGORY:
        return {ops.CATEGORY_DIGIT: "0", ops.CATEGORY_WORD: "a", ops.CATEGORY_SPACE: " "}.get(argument, "-")
    return next(c for c in "a0 -示" if re.fullmatch(_negated(choices), c))


def _negated(choices: list[Any]) -> str:
    """A set that names what it does not hold, written again."""
    inside = ""
    for operation, argument in choices[1:]:
        if operation is ops.LITERAL:
            inside += re.escape(chr(argument))
        elif operation is ops.RANGE:
            inside += f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
        else:
            raise _TooOdd
    return f"[^{inside}]"


# --- reading a schema that may be anything --------------------------------------------------------------------------
def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def _count(value: Any, otherwise: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else otherwise
