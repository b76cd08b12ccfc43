"""Project an answer: out goes what the grant names, masked where it says so, and nothing else.

What stays is kept byte by byte. The text is read twice, both times by msgspec: once whole and strictly (`text.read`),
once with the grant's own type, which makes spans of the granted values and skips all others unmade. Then only masks
and what lies on the way are touched in Python, and the spans are joined again. Measured in bench/projector.py.
"""

from collections.abc import Sequence, Set
from typing import Any, Final

import msgspec

from exchange_service.contract.masks import NOT_TEXT, Mask
from exchange_service.contract.model import EVERYTHING, Closed, Dropped, Masked, Open, Projection
from exchange_service.contract.text import BadJson, Text, read

Members = dict[str, Any]
OBJECT: Final = ord("{")
ARRAY: Final = ord("[")
ONLY_OBJECTS: Final = {dict}

_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder().decode
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_objects: Final = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode
_elements: Final = msgspec.json.Decoder(list[msgspec.Raw]).decode


class Projected(msgspec.Struct, frozen=True):
    """What leaves. `fields`: granted names that were met and leave; `masked`: names masked or dropped on the way."""

    body: bytes
    fields: list[str]
    masked: list[str]


class Met(msgspec.Struct):
    """The dotted names met so far."""

    fields: set[str]
    masked: set[str]


def project(content: bytes | Text, projection: Projection) -> Projected:
    """The part of an answer that leaves. Raises BadJson for what is not strict JSON, and for a lone scalar."""
    text = content if isinstance(content, Text) else read(content)
    if type(text.tree) is not dict and type(text.tree) is not list:
        raise BadJson("not an object or array")
    met = Met(set(), set())
    if projection.whole:
        return Projected(text.body, [EVERYTHING], [])
    root = projection.root
    if isinstance(root, Open):
        met.fields.add(EVERYTHING)
        value = masked_inside(root, text.body.strip(b" \t\r\n"), met)
    else:
        value = root.read(text.body)
        close(root, objects_of(root, value), met)
    fields = in_order(met.fields, projection.fields)
    return Projected(_encode(value), fields, in_order(met.masked, projection.masked))


def in_order(met: set[str], possible: list[str]) -> list[str]:
    """The names, sorted; mostly all that are possible, and those are sorted already."""
    return possible.copy() if len(met) == len(possible) else sorted(met)


def objects_of(node: Closed, value: Any) -> list[Members]:
    """The objects at a closed node: the value, or the elements of arrays, from which scalars are taken out."""
    if type(value) is dict:
        return [value]
    if set(map(type, value)) == ONLY_OBJECTS:
        return value  # type: ignore[no-any-return]  # a list of objects
    found: list[Members] = []
    kept: list[Any] = []
    for element in value:
        if type(element) is dict:
            found.append(element)
            kept.append(element)
        elif type(element) is list:  # of spans: arrays inside arrays are read again
            inside = [box for box in map(node.read, element) if type(box) is dict or type(box) is list]
            for box in inside:
                found += objects_of(node, box)
            kept.append(inside)
    value[:] = kept
    return found


def close(node: Closed, objects: list[Members], met: Met) -> None:
    """Finish the objects of a closed node in place. Unnamed members are not there any more."""
    note_granted(node, objects, met)
    if node.dropped:
        take_out(node.dropped, objects, met)
    if node.masked:
        cover(node.masked, objects, met)
    for name, opened in node.opened.items():
        for members in objects:
            if name in members:
                members[name] = masked_inside(opened, members[name], met)
    for name, inner in node.inner.items():
        close(inner, descend(name, inner, objects), met)


def descend(name: str, node: Closed, objects: list[Members]) -> list[Members]:
    """All objects under one member; where a scalar stands instead, the member is taken out."""
    found: list[Members] = []
    for members in objects:
        if name not in members:
            continue
        value = members[name]
        if type(value) is dict:
            found.append(value)
        elif type(value) is list:
            found += objects_of(node, value)
        else:
            del members[name]
    return found


def note_granted(node: Closed, objects: Sequence[Members], met: Met) -> None:
    """Note which granted members the objects have; mostly the first has all."""
    missing: Set[str] = node.granted.keys()
    for members in objects:
        missing = missing - members.keys() if len(members) < node.size else frozenset()
        if not missing:
            met.fields |= node.dotted
            return
    met.fields.update(dotted for name, dotted in node.granted.items() if name not in missing)


def take_out(dropped: Sequence[Dropped], objects: Sequence[Members], met: Met) -> None:
    """The mask `drop`: the members go."""
    for name, dotted in dropped:
        for members in objects:
            if members.pop(name, None) is not None:
                met.masked.add(dotted)


def cover(masked: Sequence[Masked], objects: Sequence[Members], met: Met) -> None:
    """Mask members, whose values are decoded here. Null is not worth masking."""
    for name, dotted, mask in masked:
        found = False
        for members in objects:
            value = members.get(name)
            if value is not None:
                found = True
                members[name] = mask(value) if type(value) is str else covered(value, mask)
        if found:
            met.masked.add(dotted)


def covered(value: Any, mask: Mask) -> Any:
    """A value under a mask: strings masked, arrays element by element, null as it is, all else unreadable."""
    if value is None:
        return None
    if type(value) is str:
        return mask(value)
    if type(value) is list:
        return [covered(element, mask) for element in value]
    return NOT_TEXT


def masked_inside(node: Open, span: bytes | msgspec.Raw, met: Met) -> Any:
    """A granted value with something masked in it: spans but for what the masks cover. Scalars stay as they are."""
    first = memoryview(span)[0]
    if first == OBJECT:
        members = _members(span)
        mask_members(node, [members], met)
        return members
    if first != ARRAY:
        return span
    try:
        objects = _objects(span)
    except msgspec.ValidationError:  # not all elements are objects
        return [masked_inside(node, element, met) for element in _elements(span)]
    mask_members(node, objects, met)
    return objects


def mask_members(node: Open, objects: Sequence[Members], met: Met) -> None:
    """Finish the objects of an open node in place; their values are spans."""
    take_out(node.dropped, objects, met)
    for name, _, _ in node.masked:
        for members in objects:
            if name in members:
                members[name] = _decode(members[name])
    cover(node.masked, objects, met)
    for name, inner in node.inner.items():
        for members in objects:
            if name in members:
                members[name] = masked_inside(inner, members[name], met)
