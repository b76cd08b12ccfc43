"""An element as JSON, along its XSD type. Pure.

Values keep their lexical form: a number that is a JSON number stays as it stands, digit by digit, so does all text.
What does not fit its type is left as text, and it is the JSON Schema that refuses it. What the XSD does not name is
taken along by its name, so that drift is seen; a grant names what leaves.
"""

import re
from typing import Any, Final

import msgspec

from soap.shape import ATTRIBUTE, TEXT, Anything, Complex, Element, Simple
from soap.text import DEEPEST, BadXml, local

XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
NIL: Final = f"{{{XSI}}}nil"
SPACE: Final = " \t\r\n"
_JSON_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?")
_NUMBER: Final = re.compile(r"([-+]?)0*+([0-9]*+)(?:\.([0-9]*+))?([eE][-+]?[0-9]++)?")
_TRUE: Final = ("true", "1")
_FALSE: Final = ("false", "0")
_ANYTHING: Final = Anything()


def value(element: Any, kind: Simple | Complex | Anything, depth: int = 1) -> Any:
    """The element's value; numbers are `msgspec.Raw`. Raises BadXml for what is too deep, or two things of one name."""
    if depth > DEEPEST:
        raise BadXml(f"deeper than {DEEPEST} elements")
    if element.get(NIL, "").strip(SPACE) in _TRUE:
        return None
    if isinstance(kind, Complex):
        return members(element, kind, depth)
    if len(element) or (isinstance(kind, Anything) and _attributes(element, None)):
        return members(element, None, depth)
    text = element.text or ""
    return text if isinstance(kind, Anything) else scalar(text, kind)


def members(element: Any, kind: Complex | None, depth: int = 1) -> dict[str, Any]:
    """The element's attributes, text and children by name; without a kind as they come. Raises BadXml."""
    found = _attributes(element, kind)
    text = kind.text if kind is not None else None
    if text is not None:
        found[TEXT] = scalar("".join(element.itertext()), text)
    elif (kind is None or kind.wild) and (stray := (element.text or "").strip(SPACE)):
        found[TEXT] = stray
    tags: dict[str, str] = {}
    for child in element:
        declared = _declared(child.tag, kind)
        name = declared.member if declared is not None else local(child.tag)
        if tags.setdefault(name, child.tag) != child.tag and declared is None:
            raise BadXml("two elements of one name and different namespaces")
        one = value(child, declared.kind if declared is not None else _ANYTHING, depth + 1)
        _add(found, name, one, many=declared is not None and kind is not None and kind.ranges[name].many)
    return found


def _declared(tag: str, kind: Complex | None) -> Element | None:
    """What the XSD says about a child. Providers that forget the namespace are understood."""
    if kind is None:
        return None
    return kind.by_tag.get(tag) or (kind.by_name.get(tag) if not tag.startswith("{") else None)


def _add(found: dict[str, Any], name: str, one: Any, *, many: bool) -> None:
    """More than the XSD allows becomes an array too: the schema refuses it."""
    if name not in found:
        found[name] = [one] if many else one
    elif isinstance(found[name], list):
        found[name].append(one)
    else:
        found[name] = [found[name], one]


def _attributes(element: Any, kind: Complex | None) -> dict[str, Any]:
    kinds = {one.tag: one.kind for one in kind.attributes} if kind is not None else {}
    found: dict[str, Any] = {}
    for tag, text in element.attrib.items():
        if tag.startswith(f"{{{XSI}}}"):
            continue
        name = ATTRIBUTE + local(tag)
        if name in found:
            raise BadXml("two attributes of one name")
        found[name] = scalar(text, kinds[tag]) if tag in kinds else text
    return found


def scalar(text: str, kind: Simple) -> Any:
    """A value: text, bool, or `msgspec.Raw` with a number."""
    if kind.word == "text":
        return text if kind.keeps_space else text.strip(SPACE)
    text = text.strip(SPACE)
    if kind.word == "boolean":
        return True if text in _TRUE else False if text in _FALSE else text
    return number(text)


def number(text: str) -> Any:
    """A JSON number of the same value and digits; the text itself where it is none.

    XSD writes +1, 007, .5 and 5. as well, which JSON does not.
    """
    if _JSON_NUMBER.fullmatch(text):
        return msgspec.Raw(text.encode())
    found = _NUMBER.fullmatch(text)
    if found is None or not any(c in "0123456789" for c in text.partition("e")[0].partition("E")[0]):
        return text
    sign, whole, part, exponent = found.groups()
    digits = (whole or "0") + (f".{part}" if part else "")
    return msgspec.Raw(f"{'-' if sign == '-' else ''}{digits}{exponent or ''}".encode())
