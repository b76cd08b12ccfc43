"""How much work a JSON Schema makes of one value, told before anybody is asked to do it. Pure.

Validators walk: a place of the instance is held against every schema that `allOf`, `anyOf`, `$ref` and the like lead
to, and each way that leads to the same schema is walked anew. Thirty definitions that name each other twice are a
billion steps for a single number. So the steps are counted here, place by place, before the schema is taken.

Source: JSON Schema 2020-12, Core sections 8.2 (references), 10 (applicators), 11 (unevaluated).
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote, urldefrag, urljoin

MOST_STEPS: Final = 1_000
"""Schemas that one place of an instance may be held against."""
MOST_WORK: Final = 200_000
"""Steps that counting itself may take, about a tenth of a second."""
DEEPEST: Final = 64
"""Levels of an instance: deeper ones are never read."""
LONGEST_WAY: Final = 200
"""References and the like, one behind the other, at one place."""
UNEVALUATED: Final = 32
"""What stands beside `unevaluated…` is walked again for members of the instance."""
_LISTS: Final = ("allOf", "anyOf", "oneOf")
_SINGLE: Final = ("not", "if", "then", "else")
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_BY_NAME: Final = ("dependentSchemas", "dependencies")
_OF_MEMBERS: Final = ("additionalProperties", "unevaluatedProperties")
_OF_PARTS: Final = ("contains", "unevaluatedItems", "additionalItems")
_BELOW: Final = frozenset(
    (*_OF_MEMBERS, *_OF_PARTS, "properties", "patternProperties", "propertyNames", "items", "prefixItems")
)
_VALUES: Final = ("const", "enum", "default", "examples", "example")
Node = Mapping[str, Any]


class TooMuchWork(ValueError):
    """Says what in the schema makes too much work."""


def referred(reference: object, root: object) -> Any:
    """What a local reference such as "#/$defs/person" leads to (RFC 6901); None for any other."""
    if not isinstance(reference, str) or not reference.startswith("#"):
        return None
    for step in reference[1:].split("/")[1:]:
        name = step.replace("~1", "/").replace("~0", "~")
        if isinstance(root, list) and name.isdecimal() and int(name) < len(root):
            root = root[int(name)]
        else:
            root = root.get(name) if isinstance(root, Mapping) else None
    return root


def most_steps(schema: Node) -> int:
    """The largest number of schemas that one place of an instance is held against; raises TooMuchWork.

    Exact for which schemas meet at a place, cautious about patterns (each is taken to fit every name) and conditions
    (every branch is taken to be walked). References that lead nowhere are left for whoever compiles the schema.
    """
    return _Count(schema).most()


def has_branches(schema: Node) -> bool:
    """Whether a value may fit it in one of several ways."""
    return any("anyOf" in node or "oneOf" in node for node in _objects(schema))


class _Count:
    """One count over one schema. Nodes are known by their id: the schema outlives the count."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._base = told if isinstance(told := root.get("$id"), str) else ""
        self._above: dict[int, Node] = {}
        """Schemas that say something of places below theirs."""
        self._anchors: dict[str, list[Node]] = {}
        self._here: dict[int, Counter[int]] = {}
        self._left = MOST_WORK
        for node in _objects(root):
            if node is not root and isinstance(node.get("$id"), str):
                raise TooMuchWork("$id stands at the top only")
            for word in ("$anchor", "$dynamicAnchor"):
                if isinstance(name := node.get(word), str):
                    self._anchors.setdefault(name, []).append(node)

    def most(self) -> int:
        """Level by level, each meeting of schemas once."""
        most, level, seen = 0, [self._at([(self._root, 1)])], set[frozenset[tuple[int, int]]]()
        for _ in range(DEEPEST + 1):
            below: list[Counter[int]] = []
            for met in level:
                most = max(most, met.total())
                met_above = frozenset((node, times) for node, times in met.items() if node in self._above)
                if met_above and met_above not in seen:
                    seen.add(met_above)
                    below += self._below(met_above)
            level = below
        return most

    def _at(self, schemas: list[tuple[Any, int]]) -> Counter[int]:
        """All that one place is held against, given the schemas that lead there and how often each does."""
        self._work(len(schemas))
        leading = [(schema, times) for schema, times in schemas if isinstance(schema, Mapping)]
        if len(leading) == 1 and leading[0][1] == 1:
            return self._in_place(leading[0][0], ())
        met: Counter[int] = Counter()
        for schema, times in leading:
            self._add(met, self._in_place(schema, ()), times)
        return met

    def _add(self, met: Counter[int], more: Counter[int], times: int) -> None:
        self._work(len(more))
        for node, count in more.items():
            met[node] += count * times
        if met.total() > MOST_STEPS:
            raise TooMuchWork(f"more than {MOST_STEPS} schemas meet at one place")

    def _work(self, steps: int) -> None:
        self._left -= steps + 1
        if self._left < 0:
            raise TooMuchWork("too many schemas meet in too many ways")

    def _in_place(self, node: Node, way: tuple[int, ...]) -> Counter[int]:
        """The schema itself and all that it holds the same place against."""
        known = self._here.get(id(node))
        if known is not None:
            return known
        if id(node) in way:
            raise TooMuchWork("a schema refers to itself at the same place")
        if len(way) > LONGEST_WAY:
            raise TooMuchWork(f"more than {LONGEST_WAY} references one behind the other")
        if not _BELOW.isdisjoint(node):
            self._above[id(node)] = node
        met = Counter({id(node): 1})
        self._work(1)
        times = UNEVALUATED if "unevaluatedProperties" in node or "unevaluatedItems" in node else 1
        for child in self._beside(node):
            self._add(met, self._in_place(child, (*way, id(node))), times)
        self._here[id(node)] = met
        return met

    def _beside(self, node: Node) -> Iterator[Node]:
        """Schemas that a schema holds the same place against."""
        children: list[Any] = [node.get(word) for word in _SINGLE]
        for word in _LISTS:
            children += part if isinstance(part := node.get(word), list) else []
        for word in _BY_NAME:
            children += part.values() if isinstance(part := node.get(word), Mapping) else []
        for word in _REFERENCES:
            children += self._named(part) if isinstance(part := node.get(word), str) else []
        return (child for child in children if isinstance(child, Mapping))

    def _named(self, reference: str) -> list[Any]:
        """What a reference into the schema itself names; nothing for any other."""
        address, fragment = urldefrag(_joined(self._base, reference))
        if address != urldefrag(self._base)[0]:
            return []
        fragment = unquote(fragment)
        if fragment and not fragment.startswith("/"):
            return list(self._anchors.get(fragment, ()))
        at: Any = self._root
        for step in fragment.split("/")[1:]:
            at = _step(at, step.replace("~1", "/").replace("~0", "~"))
        return [at]

    def _below(self, met: Iterable[tuple[int, int]]) -> Iterator[Counter[int]]:
        """What the places below are held against: members by name, all others, their names, parts by number."""
        schemas = [(self._above[node], times) for node, times in met]
        for name in {None: 0} | {name: 0 for node, _ in schemas for name in _members(node)}:
            yield self._at([(child, times) for node, times in schemas for child in _of_member(node, name)])
        yield self._at([(node.get("propertyNames"), times) for node, times in schemas])
        for n in range(max(len(_firsts(node)) for node, _ in schemas) + 1):
            yield self._at([(child, times) for node, times in schemas for child in _of_part(node, n)])


def _members(node: Node) -> Mapping[str, Any]:
    return named if isinstance(named := node.get("properties"), Mapping) else {}


def _of_member(node: Node, name: str | None) -> Iterator[Any]:
    """Schemas that a member of this name, None for any that is not named, is held against."""
    if name is not None and name in _members(node):
        yield node["properties"][name]
    else:
        yield from (node.get(word) for word in _OF_MEMBERS)
    if isinstance(patterns := node.get("patternProperties"), Mapping):
        yield from patterns.values()


def _firsts(node: Node) -> list[Any]:
    """Schemas of the first parts of an array; before 2020-12 these stood in `items`."""
    return next((part for word in ("prefixItems", "items") if isinstance(part := node.get(word), list)), [])


def _of_part(node: Node, n: int) -> Iterator[Any]:
    """Schemas that the n-th part of an array is held against."""
    firsts = _firsts(node)
    yield firsts[n] if n < len(firsts) else node.get("items")
    yield from (node.get(word) for word in _OF_PARTS)


def _objects(root: Any) -> Iterator[Node]:
    """All objects of a schema that may be schemas."""
    waiting = [root]
    while waiting:
        at = waiting.pop()
        if isinstance(at, Mapping):
            yield at
            waiting += [part for word, part in at.items() if word not in _VALUES]
        elif isinstance(at, list):
            waiting += at


def _joined(base: str, reference: str) -> str:
    try:
        return urljoin(base, reference)
    except ValueError:  # brackets that are no address
        return reference


def _step(at: Any, step: str) -> Any:
    if isinstance(at, Mapping):
        return at.get(step)
    if isinstance(at, list) and step.isascii() and step.isdigit() and len(step) < 7 and int(step) < len(at):
        return at[int(step)]
    return None
