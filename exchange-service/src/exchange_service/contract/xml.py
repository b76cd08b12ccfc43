"""XML answers and questions: strict reading, the JSON form that schemas see, and projection. Pure.

Names are dotted local names below the root element, attributes are `@name`; namespaces tell nothing apart. Reading is
`soap.text`'s: no DTD, no entities, nothing fetched, UTF-8, bounded. Comments and processing instructions are gone then.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from lxml import etree

from exchange_service.contract.masks import NOT_TEXT, Mask
from exchange_service.contract.model import EVERYTHING, Closed, Open, Projection
from exchange_service.contract.project import Met, Projected, in_order
from exchange_service.contract.shape import Shape, shape_of
from exchange_service.contract.text import DEEPEST, MOST_BYTES, MOST_MEMBERS, BadText
from soap.shape import ATTRIBUTE, TEXT
from soap.text import BadXml as NotRead
from soap.text import local
from soap.text import read as read_text

INSTANCE: Final = "http://www.w3.org/2001/XMLSchema-instance"
NIL: Final = f"{{{INSTANCE}}}nil"
XML_SPACE: Final = "http://www.w3.org/XML/1998/namespace"
_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_LONGEST_NUMBER: Final = 300
_VERSION: Final = re.compile(rb"<\?xml\s+version\s*=\s*[\"']1\.0[\"']")
_DECLARATION: Final = re.compile(rb"(?:\xef\xbb\xbf)?<\?xml\s[^?]*\?>")
_UNSTEERED: Final = shape_of(None)


class BadXml(BadText):
    """The text is not XML as we read it. The message holds nothing of the text."""


class Xml(msgspec.Struct, frozen=True):
    """A text that passed, and its root element. Projection uses the tree up."""

    body: bytes
    root: Any


def read_xml(body: bytes) -> Xml:
    """Raises BadXml."""
    if len(body) > MOST_BYTES:
        raise BadXml(f"more than {MOST_BYTES} bytes")
    if body.startswith(b"<?xml") and not _VERSION.match(body):
        raise BadXml("only XML 1.0 is read")
    try:
        root = read_text(body)
    except NotRead as error:
        raise BadXml(str(error)) from None
    check_limits(root)
    return Xml(body, root)


def plain_xml(body: bytes) -> bytes:
    """The same without comments, instructions and CDATA, which parsers read in several ways. Raises BadXml."""
    declaration = _DECLARATION.match(body)
    inside = body[declaration.end() :] if declaration else body
    if b"<!" not in inside and b"<?" not in inside:
        return body
    written: bytes = etree.tostring(read_xml(body).root, encoding="UTF-8", xml_declaration=declaration is not None)
    return written


def check_limits(root: Any) -> None:
    """Raises BadXml for elements deeper than JSON may be, or with more attributes than an object has members."""
    depth = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if depth > DEEPEST:
            raise BadXml(f"deeper than {DEEPEST} levels")
        if event == "start" and len(element.attrib) > MOST_MEMBERS:
            raise BadXml(f"more than {MOST_MEMBERS} attributes of one element")


# --- the JSON form --------------------------------------------------------------------------------------------------
def json_form(root: Any, shape: Shape | None = None) -> Any:
    """What the root element holds, as JSON: elements and attributes (`@name`) are members, repeated ones arrays.

    An element without either is its text; with attributes alone, its text is `#text`; text among elements is left out;
    xsi:nil is null. The schema's shape steers: where it asks for an array, one element is one too; where it asks for a
    number or a truth value, text that is one becomes one. Without a shape all values are text.
    """
    return _form(root, shape or _UNSTEERED)


def _form(element: Any, shape: Shape) -> Any:
    if is_nil(element):
        return None
    members = _members(element, shape)
    text = element.text or ""
    if not members:
        return {} if shape.types == {"object"} and not text.strip() else typed(text, shape)
    if len(element) == 0 and text.strip():
        members[TEXT] = typed(text, shape.members.get(TEXT, _UNSTEERED))
    return members


def _members(element: Any, shape: Shape) -> dict[str, Any]:
    below = shape.members
    members: dict[str, Any] = {}
    for name, value in element.attrib.items():
        if not name.startswith("{"):
            members[ATTRIBUTE + name] = typed(value, below.get(ATTRIBUTE + name, _UNSTEERED))
    listed: dict[str, list[Any]] = {}
    for child in element:
        name = local(child.tag)
        place = below.get(name, _UNSTEERED)
        many = "array" in place.types
        listed.setdefault(name, []).append(_form(child, place.elements if many else place))
    for name, values in listed.items():
        many = len(values) > 1 or "array" in below.get(name, _UNSTEERED).types
        members[name] = values if many else values[0]
    return members


def typed(text: str, shape: Shape) -> Any:
    """Text as the type that the schema asks for, where it is one; text otherwise."""
    types, value = shape.types, text.strip()
    if not types or "string" in types or len(value) > _LONGEST_NUMBER:
        return text
    if "boolean" in types and value in ("true", "false", "1", "0"):
        return value in ("true", "1")
    if types & {"integer", "number"} and _NUMBER.fullmatch(value):
        number = float(value) if set(value) & set(".eE") else int(value)
        return text if number in (float("inf"), float("-inf")) else number
    return None if "null" in types and not value else text


def is_nil(element: Any) -> bool:
    return element.get(NIL, "").strip() in ("true", "1")


# --- projection -----------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Step:
    """What happens to one member of an element.

    met   the dotted name that is noted as released, "" for none     dotted  its own name
    mask  covers it      drops  takes it out      below  rules inside; None: all of it stays
    """

    met: str = ""
    dotted: str = ""
    mask: Mask | None = None
    drops: bool = False
    below: "Rules | None" = None


KEPT: Final = Step()


@dataclass(frozen=True, slots=True)
class Rules:
    """One element on the way. `others_stay`: it lies inside something granted."""

    steps: dict[str, Step]
    others_stay: bool


def rules_of(node: Open | Closed) -> Rules:
    """The rules of a node of a projection and all below."""
    granted = node.granted if isinstance(node, Closed) else {}
    steps = {name: Step(met=dotted) for name, dotted in granted.items()}
    for children in (node.inner, node.opened if isinstance(node, Closed) else {}):
        for name, child in children.items():
            steps[name] = Step(met=granted.get(name, ""), below=rules_of(child))
    for name, dotted, mask in node.masked:
        steps[name] = Step(met=granted.get(name, ""), dotted=dotted, mask=mask)
    for name, dotted in node.dropped:
        steps[name] = Step(dotted=dotted, drops=True)
    return Rules(steps, isinstance(node, Open))


def project_xml(content: bytes | Xml, projection: Projection) -> Projected:
    """The part of an answer that leaves: text of granted elements as it is, without foreign attributes. Raises BadXml.

    Elements on the way keep neither text nor attributes; only what is granted whole, without any mask, leaves byte by
    byte, comments and all.
    """
    document = content if isinstance(content, Xml) else read_xml(content)
    if projection.whole:
        return Projected(document.body, [EVERYTHING], [])
    met = Met(set(), set())
    if isinstance(projection.root, Open):
        met.fields.add(EVERYTHING)
    root = document.root
    prune(root, rules_of(projection.root), met)
    body = "".join(written(root, {"": "", "xml": XML_SPACE})).encode()
    return Projected(body, in_order(met.fields, projection.fields), in_order(met.masked, projection.masked))


def prune(element: Any, rules: Rules, met: Met) -> None:
    """Take out of an element what does not leave; the text behind what goes is the element's own."""
    prune_attributes(element, rules, met)
    last, texts = None, [element.text]
    for child in list(element):
        step = rules.steps.get(local(child.tag))
        if step is None and not rules.others_stay:
            element.remove(child)
        elif step is not None and step.drops:
            met.masked.add(step.dotted)
            texts.append(child.tail)
            element.remove(child)
        else:
            put_text(element, last, texts if rules.others_stay else [])
            last, texts = child, [child.tail]
            keep(child, step or KEPT, met)
    put_text(element, last, texts if rules.others_stay else [])


def put_text(element: Any, last: Any, texts: list[str | None]) -> None:
    """The text behind the last child that stays, or before all of them."""
    text = "".join(filter(None, texts)) or None
    if last is None:
        element.text = text
    else:
        last.tail = text


def keep(child: Any, step: Step, met: Met) -> None:
    """An element that leaves, whole, masked or in part."""
    if step.met:
        met.fields.add(step.met)
    if step.mask is not None:
        if hide(child, step.mask):
            met.masked.add(step.dotted)
    elif step.below is not None:
        prune(child, step.below, met)
    else:
        clean(child)


def prune_attributes(element: Any, rules: Rules, met: Met) -> None:
    for name in list(element.attrib):
        step = rules.steps.get(ATTRIBUTE + name)
        if name.startswith("{"):
            drop_foreign(element, name)
        elif step is None:
            if not rules.others_stay:
                del element.attrib[name]
        elif step.drops or (step.below is not None and not step.below.others_stay):  # an attribute has no inside
            met.masked |= {step.dotted} - {""}
            del element.attrib[name]
        else:
            met.fields |= {step.met} - {""}
            if step.mask is not None:
                met.masked.add(step.dotted)
                element.set(name, step.mask(element.get(name)))


def clean(element: Any) -> None:
    """A granted element leaves but for foreign attributes."""
    for one in element.iter():
        for name in list(one.attrib):
            drop_foreign(one, name)


def drop_foreign(element: Any, name: str) -> None:
    """Attributes of a namespace go; what says that an element is null stays."""
    if name.startswith("{") and not (name == NIL and is_nil(element)):
        del element.attrib[name]


def hide(element: Any, mask: Mask) -> bool:
    """Cover an element: its text, or all of it where it has elements. Null is not worth masking."""
    nil = is_nil(element) and len(element) == 0 and not element.text
    text = NOT_TEXT if len(element) else mask(element.text or "")
    tail = element.tail
    element.clear()
    element.tail = tail
    if nil:
        element.set(NIL, "true")
    else:
        element.text = text
    return not nil


# --- writing --------------------------------------------------------------------------------------------------------
_IN_TEXT: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", "\r": "&#13;"})
_IN_ATTRIBUTE: Final = _IN_TEXT | str.maketrans({'"': "&quot;", "\t": "&#9;", "\n": "&#10;"})


def written(element: Any, scope: Mapping[str, str]) -> Iterator[str]:
    """An element as text, with no namespace declared but those of what is left (lxml loses `xmlns=""`).

    scope  prefix -> namespace, as they hold around the element
    """
    prefix, space = element.prefix or "", etree.QName(element).namespace or ""
    name = f"{prefix}:{local(element.tag)}" if prefix else local(element.tag)
    parts = [name]
    if scope.get(prefix) != space:
        scope = {**scope, prefix: space}
        parts.append(f'xmlns{prefix and ":"}{prefix}="{space.translate(_IN_ATTRIBUTE)}"')
    for attribute, value in element.attrib.items():
        if attribute == NIL:
            nil = "i" if prefix == "xsi" and space != INSTANCE else "xsi"
            parts += [] if scope.get(nil) == INSTANCE else [f'xmlns:{nil}="{INSTANCE}"']
            parts.append(f'{nil}:nil="true"')
            scope = {**scope, nil: INSTANCE}
        else:
            parts.append(f'{attribute}="{value.translate(_IN_ATTRIBUTE)}"')
    if not element.text and not len(element):
        yield f"<{' '.join(parts)}/>"
        return
    yield f"<{' '.join(parts)}>{(element.text or '').translate(_IN_TEXT)}"
    for child in element:
        yield from written(child, scope)
        yield (child.tail or "").translate(_IN_TEXT)
    yield f"</{name}>"
