"""What a body may hold, by its XSD types, as plain facts: schema, reader and writer all walk over these. Pure.

Complex ── content: Group ── parts: Element, Group … ── kind: Simple | Complex | Anything
        └─ attributes, or text for simple content
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import islice
from typing import Final, Literal

from soap.text import local

Order = Literal["sequence", "choice", "all"]
Word = Literal["text", "integer", "decimal", "float", "boolean"]
TEXT: Final = "#text"
"""The member that holds the text of an element which has attributes."""
MOST_MEMBERS: Final = 2_000
"""Of one type, each of its places counted."""
ATTRIBUTE: Final = "@"
"""What an attribute's member begins with."""


@dataclass(frozen=True, slots=True)
class Simple:
    """A value without parts. `xsd` is the builtin type that it is of: string, date, int …

    values           the enumeration, () for none
    least, most      of a text its length, of a number its value
    """

    word: Word
    xsd: str
    values: tuple[str, ...] = ()
    least: int | None = None
    most: int | None = None

    @property
    def keeps_space(self) -> bool:
        """Whether white space around the value belongs to it (XSD part 2 section 4.3.6)."""
        return self.xsd in ("string", "normalizedString", "anySimpleType")


@dataclass(frozen=True, slots=True)
class Anything:
    """xsd:anyType: nobody knows."""


@dataclass(frozen=True, slots=True)
class Attribute:
    """`tag` is {namespace}name, or the name alone."""

    tag: str
    kind: Simple
    required: bool

    @property
    def member(self) -> str:
        return ATTRIBUTE + local(self.tag)


@dataclass(frozen=True, slots=True)
class Element:
    """One element declaration where it is used. `most` is None for unbounded."""

    tag: str
    kind: "Simple | Complex | Anything"
    least: int = 1
    most: int | None = 1
    nillable: bool = False

    @property
    def member(self) -> str:
        return local(self.tag)


@dataclass(frozen=True)
class Group:
    """Elements in order (`sequence`), one of several (`choice`), or each in any order (`all`)."""

    order: Order
    parts: tuple["Element | Group", ...]
    least: int = 1
    most: int | None = 1

    @cached_property
    def names(self) -> frozenset[str]:
        """Members that stand somewhere inside."""
        return frozenset(element.member for element in self.elements())

    def elements(self) -> Iterator[Element]:
        for part in self.parts:
            if isinstance(part, Group):
                yield from part.elements()
            else:
                yield part


@dataclass(frozen=True, slots=True)
class Range:
    """How often a member may be there, all its places counted."""

    least: int
    most: int | None

    @property
    def many(self) -> bool:
        return self.most is None or self.most > 1


@dataclass(eq=False)
class Complex:
    """An element's inside. Its parts come after it is made: a type may contain itself.

    text     the value, where the element has attributes but no elements
    wild     other elements and attributes may be there as well    lacking  some of these have to be
    """

    name: str
    content: Group | None = None
    attributes: tuple[Attribute, ...] = ()
    text: Simple | None = None
    wild: bool = False
    lacking: bool = False
    ranges: Mapping[str, Range] = field(default_factory=dict, repr=False)
    by_tag: Mapping[str, Element] = field(default_factory=dict, repr=False)
    by_name: Mapping[str, Element] = field(default_factory=dict, repr=False)

    def close(self) -> None:
        """Work out what follows from the parts. Raises ValueError for two elements of one name, and for too many."""
        elements = list(islice(self.content.elements(), MOST_MEMBERS + 1)) if self.content else []
        if len(elements) + len(self.attributes) > MOST_MEMBERS:
            raise ValueError(f"type {self.name}: more than {MOST_MEMBERS} members")
        self.by_tag = {element.tag: element for element in elements}
        self.by_name = {element.member: element for element in elements}
        for element in elements:
            if (other := self.by_name[element.member]).tag != element.tag or other.kind != element.kind:
                raise ValueError(f"type {self.name}: two different elements are called {element.member}")
        named = [attribute.member for attribute in self.attributes]
        if len(set(named)) < len(named):
            raise ValueError(f"type {self.name}: two attributes have one name")
        self.ranges = ranges(self.content) if self.content else {}


def reachable(inside: Complex) -> Iterator[Complex]:
    """The type and all types that its elements have, each once."""
    seen: set[int] = set()
    waiting = [inside]
    while waiting:
        one = waiting.pop()
        if id(one) not in seen:
            seen.add(id(one))
            yield one
            waiting += [element.kind for element in one.by_tag.values() if isinstance(element.kind, Complex)]


def ranges(group: Group) -> dict[str, Range]:
    """How often each member may be there in a group."""
    found: dict[str, Range] = {}
    places: Counter[str] = Counter()
    joined = _either if group.order == "choice" else _both
    for part in group.parts:
        inside = _ranges_of(part)
        places.update(inside.keys())
        if not found:
            found = inside
            continue
        for name, one in inside.items():
            before = found.get(name)
            found[name] = one if before is None else joined(before, one)
    if group.order == "choice":  # what is not in every part need not be there
        found |= {name: Range(0, found[name].most) for name, count in places.items() if count < len(group.parts)}
    if (group.least, group.most) == (1, 1):
        return found
    return {name: Range(one.least * group.least, _product(one.most, group.most)) for name, one in found.items()}


def _ranges_of(part: Element | Group) -> dict[str, Range]:
    return ranges(part) if isinstance(part, Group) else {part.member: Range(part.least, part.most)}


def _either(one: Range, other: Range) -> Range:
    most = None if one.most is None or other.most is None else max(one.most, other.most)
    return Range(min(one.least, other.least), most)


def _both(one: Range, other: Range) -> Range:
    most = None if one.most is None or other.most is None else one.most + other.most
    return Range(one.least + other.least, most)


def _product(one: int | None, other: int | None) -> int | None:
    if one == 0 or other == 0:
        return 0
    return None if one is None or other is None else one * other
