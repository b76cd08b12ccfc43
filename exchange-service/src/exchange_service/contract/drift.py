"""Drift: what a provider's answers are by now, against what its interface registered. Pure.

Findings name places and never values: a name that is no plain identifier may be somebody's number, and several new
ones in one object may be the names of persons; a star stands for them. What is said of a place comes from the response
schema and from the registered fields; where neither says anything, nothing can drift.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from exchange_service.contract.shape import Shape, shape_of
from wire.catalog import Interface

Kind = Literal["new", "missing", "type"]
Finding = tuple[str, Kind]
"""Dotted path as in field names; arrays are transparent."""
MOST_FINDINGS: Final = 50
MOST_ELEMENTS: Final = 100
"""Objects that are looked at under one path."""
DEEPEST: Final = 64

_PLAIN: Final = re.compile(r"(?!.*[0-9]{4})@?[A-Za-z_][A-Za-z0-9_-]{0,63}")
_TYPES: Final[Mapping[type, tuple[str, ...]]] = {
    dict: ("object",), list: ("array",), str: ("string",), bool: ("boolean",), int: ("integer", "number"),
    float: ("number",),
}  # fmt: skip


@dataclass(slots=True)
class Known:
    """Registered fields as a tree. `ends`: a field has this name."""

    ends: bool = False
    below: "dict[str, Known]" = field(default_factory=dict)


class Drift:
    """One interface's registered shape, compiled once."""

    def __init__(self, interface: Interface) -> None:
        """Never raises: what cannot be understood of a schema says nothing."""
        self._fields = Known()
        for one in interface.fields:
            place = self._fields
            for part in one.name.split("."):
                place = place.below.setdefault(part, Known())
            place.ends = True
        self._shape = shape_of(interface.response) if interface.response is not None else None
        self._last: tuple[int | None, set[Finding]] = (None, set())

    def look(self, tree: object) -> set[Finding]:
        """What differs in one answer; `tree` as `contract.release` gives it (JSON form). At most MOST_FINDINGS."""
        outline = outline_of(tree)
        seen, found = self._last
        if outline is None or outline != seen:
            found = self._found_in(tree)
            self._last = (outline, found)
        return found

    def _found_in(self, tree: object) -> set[Finding]:
        found: set[Finding] = set()
        for finding in _differences([tree], self._fields, self._shape, ()):
            found.add(finding)
            if len(found) >= MOST_FINDINGS:
                break
        return found


def outline_of(tree: object) -> int | None:
    """Hash of names and types of a flat object, where what is found depends on nothing else; most answers look like
    the one before. None for all that is not flat. The names themselves may be somebody's numbers, and are not kept."""
    if type(tree) is not dict:
        return None
    types = tuple(map(type, tree.values()))
    return None if dict in types or list in types else hash((tuple(tree), types))


def _differences(values: Sequence[Any], known: Known, shape: Shape | None, path: tuple[str, ...]) -> Iterator[Finding]:
    """What differs in the values of one path, and below."""
    if len(path) > DEEPEST:
        return
    objects, shape = _opened(values, shape)
    if path and any(_is_of_another_type(value, known, shape) for value in objects):
        yield ".".join(path), "type"
    objects = [value for value in objects if isinstance(value, dict)]
    if not objects:
        return
    names = {name: None for members in objects for name in members}  # in their order
    strangers = []
    for name in names:
        below, place = known.below.get(name), shape.members.get(name) if shape else None
        if below is not None or place is not None:
            inside = [members[name] for members in objects if name in members]
            yield from _differences(inside, below or Known(), place, (*path, name))
        elif _tells_members(known, shape):
            strangers.append(name)
    if strangers:
        yield ".".join((*path, _told(strangers))), "new"
    for name, below in known.below.items():
        if name not in names and not _may_be_missing(name, shape):
            yield ".".join((*path, *_first_end(name, below))), "missing"


def _told(names: Sequence[str]) -> str:
    """How new members are named: several at one place may be persons, by whose names an object is sorted."""
    return names[0] if len(names) == 1 and _PLAIN.fullmatch(names[0]) else "*"


def _opened(values: Sequence[Any], shape: Shape | None) -> tuple[list[Any], Shape | None]:
    """Values with arrays opened up, and what the schema says of the elements."""
    opened = list(values[:MOST_ELEMENTS])
    for _ in range(DEEPEST):
        if not any(isinstance(value, list) for value in opened):
            break
        steered = shape is not None and "array" in shape.types
        inside = (value[:MOST_ELEMENTS] if isinstance(value, list) else [value] for value in opened)
        opened = [one for values in inside for one in values][:MOST_ELEMENTS]
        shape = shape.elements if shape is not None and steered else shape
    return [value for value in opened if value is not None], shape


def _is_of_another_type(value: Any, known: Known, shape: Shape | None) -> bool:
    """Whether the schema names other types, or something with parts stands where a field ends and no schema is."""
    if shape is not None and shape.types:
        return not shape.types & {*_TYPES.get(type(value), ()), "array"}
    if shape is None and known.below:
        return not isinstance(value, dict)
    return shape is None and known.ends and isinstance(value, dict)


def _tells_members(known: Known, shape: Shape | None) -> bool:
    """Whether all members of an object are known: a field that ends here stands for all that it holds."""
    if shape is not None and shape.members:
        return not shape.takes_others
    return bool(known.below) and not known.ends


def _may_be_missing(name: str, shape: Shape | None) -> bool:
    """A member that the schema spells out and does not require."""
    return shape is not None and name in shape.members and name not in shape.required


def _first_end(name: str, known: Known) -> tuple[str, ...]:
    """The way down while there is only one."""
    if known.ends or len(known.below) != 1:
        return (name,)
    ((inner, below),) = known.below.items()
    return (name, *_first_end(inner, below))
