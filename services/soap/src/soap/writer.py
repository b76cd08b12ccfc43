"""JSON as an element, along its XSD type: right namespaces, right order, nothing that the type does not know. Pure.

zeep could render too, but turns values into Python's and back, and a number or a time would come out written another
way. The tests hold both against each other.
"""

import json
import re
from collections import deque
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NoReturn

from lxml import etree

from soap.reader import NIL
from soap.shape import TEXT, Anything, Attribute, Complex, Element, Group, Simple
from soap.text import DEEPEST

LONGEST_NUMBER: Final = 400
_INTEGER: Final = re.compile(r"-?[0-9]+")
_DECIMAL: Final = re.compile(r"-?[0-9]+(?:\.[0-9]+)?")
Pool = dict[str, deque[Any]]


class NotWritable(ValueError):
    """The JSON does not fit the type. `path` is a JSON pointer of names that the XSD has; no value is told."""

    def __init__(self, path: str, reason: str) -> None:
        super().__init__(f"{path or '/'}: {reason}")
        self.path = path
        self.reason = reason


@dataclass(frozen=True, slots=True)
class At:
    """A place in the JSON. `partial`: only a part of it may be here, what lacks or is unknown is not missed."""

    path: str = ""
    depth: int = 1
    partial: bool = False

    def member(self, name: str) -> "At":
        return At(f"{self.path}/{name}", self.depth, self.partial)

    def inside(self) -> "At":
        return At(self.path, self.depth + 1, self.partial)


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()


def parsed(body: bytes) -> Any:
    """JSON with numbers as they were written. The text was read strictly before; raises NotWritable all the same."""
    try:
        return json.loads(body, parse_float=Number, parse_int=Number, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise NotWritable("", "is not JSON") from None


def _no_constant(_: str) -> NoReturn:
    raise ValueError


def fill(node: Any, value: Any, inside: Complex, at: At) -> None:
    """Put an object into an element. Raises NotWritable."""
    if at.partial and not isinstance(value, dict):  # a mask stands in the place of what was inside
        _set_text(node, "" if value is None else str(value), at)
        return
    if not isinstance(value, dict):
        raise NotWritable(at.path, "an object is needed")
    if at.depth > DEEPEST:
        raise NotWritable(at.path, f"deeper than {DEEPEST} elements")
    known = {one.member for one in inside.attributes} | set(inside.by_name) | ({TEXT} if inside.text else set())
    if not at.partial and value.keys() - known:
        raise NotWritable(at.path, "a member that the XSD does not have")
    for attribute in inside.attributes:
        _attribute(node, value.get(attribute.member), attribute, at.member(attribute.member))
    if inside.text is not None and TEXT in value:
        _set_text(node, written(value[TEXT], inside.text, at.member(TEXT)), at.member(TEXT))
    if inside.content is not None:
        pool = {name: deque(_list(value[name])) for name in inside.by_name if name in value}
        _Writing(pool, at).whole(node, inside)


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


class _Writing:
    """One object's members on their way into the order of the XSD."""

    def __init__(self, pool: Pool, at: At) -> None:
        self._pool = pool
        self._at = at

    def whole(self, node: Any, inside: Complex) -> None:
        """The type's content. What is left over does not fit; of an answer it stands behind the rest."""
        if inside.content is not None:
            self.group(node, inside.content)
        for name in [name for name, waiting in self._pool.items() if waiting]:
            at = self._at.member(name)
            if not at.partial:
                raise NotWritable(at.path, "more than the XSD allows here, or not together with the others")
            for value in self._pool[name]:
                _element(node, value, inside.by_name[name], at)

    def group(self, node: Any, group: Group) -> None:
        """The group as often as there is something for it, and as often as it has to be there."""
        times = 0
        while group.most is None or times < group.most:
            if not self._has(group) and (times >= group.least or times > 0):
                return
            if not self._has(group) and not self._lacks(group):
                return
            self._once(node, group)
            times += 1

    def _once(self, node: Any, group: Group) -> None:
        if group.order == "choice":
            self._part(node, self._chosen(group))
            return
        for part in group.parts:
            self._part(node, part)

    def _part(self, node: Any, part: Element | Group) -> None:
        if isinstance(part, Group):
            self.group(node, part)
            return
        waiting = self._pool.get(part.member, ())
        count = len(waiting) if part.most is None else min(len(waiting), part.most)
        at = self._at.member(part.member)
        if count < part.least and not at.partial:
            raise NotWritable(at.path, "is missing")
        for _ in range(count):
            _element(node, self._pool[part.member].popleft(), part, at)

    def _chosen(self, group: Group) -> Element | Group:
        """The part of a choice that takes most of what is there and lacks nothing."""
        fitting = [part for part in group.parts if self._has(part)]
        whole = [part for part in fitting if not self._lacks(part)]
        if whole or fitting:
            return max(whole or fitting, key=self._count)
        empty = [part for part in group.parts if not self._lacks(part)]
        if not empty:
            raise NotWritable(self._at.path, "one of several elements is missing")
        return empty[0]

    def _has(self, part: Element | Group) -> bool:
        return self._count(part) > 0

    def _count(self, part: Element | Group) -> int:
        names = part.names if isinstance(part, Group) else (part.member,)
        return sum(1 for name in names if self._pool.get(name))

    def _lacks(self, part: Element | Group) -> bool:
        """Whether something that has to be there is not."""
        if self._at.partial:
            return False
        if isinstance(part, Element):
            return len(self._pool.get(part.member, ())) < part.least
        if part.least == 0 and not self._has(part):
            return False
        lacking = [self._lacks(one) for one in part.parts]
        return all(lacking) if part.order == "choice" else any(lacking)


def _element(parent: Any, value: Any, element: Element, at: At) -> None:
    if value is None and not element.nillable:
        if at.partial:
            return
        raise NotWritable(at.path, "cannot be null")
    node = etree.SubElement(parent, element.tag)
    if value is None:
        node.set(NIL, "true")
    elif isinstance(element.kind, Complex):
        fill(node, value, element.kind, at.inside())
    elif isinstance(element.kind, Anything):
        _anything(node, value, at)
    else:
        _set_text(node, written(value, element.kind, at), at)


def _anything(node: Any, value: Any, at: At) -> None:
    """xsd:anyType takes a value without parts; there is no way to say of which type it is."""
    if isinstance(value, dict | list):
        if at.partial:
            return
        raise NotWritable(at.path, "only text, a number or true and false can be written here")
    _set_text(node, ("true" if value else "false") if isinstance(value, bool) else str(value), at)


def _attribute(node: Any, value: Any, attribute: Attribute, at: At) -> None:
    if value is None:
        if attribute.required and not at.partial:
            raise NotWritable(at.path, "is missing")
        return
    try:
        node.set(attribute.tag, written(value, attribute.kind, at))
    except ValueError as error:
        raise _unfit(error, at) from None


def _set_text(node: Any, text: str, at: At) -> None:
    try:
        node.text = text
    except ValueError as error:
        raise _unfit(error, at) from None


def _unfit(error: ValueError, at: At) -> NotWritable:
    return error if isinstance(error, NotWritable) else NotWritable(at.path, "has characters that XML cannot hold")


def written(value: Any, kind: Simple, at: At) -> str:
    """A value in the lexical form of its type. Masks make text of numbers: text is written as it is."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Number):
        return _plain(value, kind, at)
    if isinstance(value, str):
        return value
    raise NotWritable(at.path, "a value without parts is needed")


def _plain(value: Number, kind: Simple, at: At) -> str:
    """XSD integers and decimals have no exponent, integers no fraction; JSON writes 1.0 and 1e3 for whole numbers."""
    fits = _INTEGER if kind.word == "integer" else _DECIMAL
    if kind.word not in ("integer", "decimal") or fits.fullmatch(value):
        return str(value)
    try:
        exact = Decimal(value)
    except InvalidOperation:
        raise NotWritable(at.path, "a number that cannot be written") from None
    if len(value) > LONGEST_NUMBER or abs(exact.adjusted()) > LONGEST_NUMBER:
        raise NotWritable(at.path, f"a number of more than {LONGEST_NUMBER} digits")
    if kind.word == "integer":
        if exact != exact.to_integral_value():
            raise NotWritable(at.path, "a whole number is needed")
        exact = exact.to_integral_value()
    return f"{exact:f}"
