"""What a WSDL may not hold, looked for before any library reads it: loads, bombs, depth. Pure.

Types refer to groups, groups to groups: a short document can stand for an endless one. What it would become is counted
here without making it.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from soap.shapes import Facets
from soap.text import local

WSDL: Final = "http://schemas.xmlsoap.org/wsdl/"
WSDL_2: Final = "http://www.w3.org/ns/wsdl"
XSD: Final = "http://www.w3.org/2001/XMLSchema"
MOST_ELEMENTS: Final = 20_000
MOST_WRITTEN_OUT: Final = 50_000
"""Declarations once groups are put in for their names and types hold what they extend."""
DEEPEST: Final = 60
LONGEST_CHAIN: Final = 16
"""Types that extend one another."""

_SOAP_BODY: Final = ("{http://schemas.xmlsoap.org/wsdl/soap/}body", "{http://schemas.xmlsoap.org/wsdl/soap12/}body")
_LOADING: Final = {
    f"{{{WSDL}}}import": "location", f"{{{XSD}}}include": "schemaLocation", f"{{{XSD}}}redefine": "schemaLocation",
    f"{{{XSD}}}override": "schemaLocation",
}  # fmt: skip
_NUMBERED: Final[Mapping[str, tuple[str, ...]]] = {
    "minLength": ("shortest",), "maxLength": ("longest",), "length": ("shortest", "longest"),
    "minInclusive": ("least",), "maxInclusive": ("most",),
}  # fmt: skip
_NUMBER: Final = re.compile(r"-?[0-9]{1,9}")
_OTHERS: Final[Mapping[str, tuple[str, ...]]] = {
    "extension": ("base",), "restriction": ("base",), "union": ("memberTypes",), "list": ("itemType",),
}  # fmt: skip
Key = tuple[str, str]


class Refused(ValueError):
    """Names what is refused."""


class Loads(Refused):
    """It points to something outside itself."""


def check(root: Any) -> None:
    """Raises Refused. Takes hints at where an inline schema might also lie out of the tree."""
    if root.tag == f"{{{WSDL_2}}}description":
        raise Refused("this is WSDL 2.0; only WSDL 1.1 is read")
    if root.tag != f"{{{WSDL}}}definitions":
        raise Refused(f"not a WSDL 1.1 document: the root is {local(str(root.tag))[:80]!a}")
    if sum(1 for _ in root.iter()) > MOST_ELEMENTS:
        raise Refused(f"more than {MOST_ELEMENTS} elements")
    _check_depth(root)
    inline = {schema.get("targetNamespace", "") for schema in root.iter(f"{{{XSD}}}schema")}
    for node in root.iter(f"{{{WSDL}}}import", f"{{{XSD}}}*"):
        _check_load(node, inline)
    _check_size(root)


def _check_depth(root: Any) -> None:
    level, depth = [root], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            raise Refused(f"deeper than {DEEPEST} elements")
        level = [child for node in level for child in node]


def _check_load(node: Any, inline: set[str]) -> None:
    """Whatever would be fetched is refused by name; a place for a schema that is here already is not needed."""
    if node.tag in _LOADING:
        address = node.get(_LOADING[node.tag], "")
        raise Loads(f"{local(node.tag)} of {address[:200]!a} is refused: put it into the document")
    if node.tag != f"{{{XSD}}}import":
        return
    address = node.attrib.pop("schemaLocation", "")
    namespace = node.get("namespace", "")
    if address and namespace not in inline:
        raise Refused(
            f"import of {address[:200]!a} is refused: put the schema of {namespace[:200]!a} into the document"
        )


# --- how large it becomes ---------------------------------------------------------------------------------------------
def _check_size(root: Any) -> None:
    """Raises Refused where groups and extensions, written out, become too much, or contain themselves."""
    named = dict(_named(root))
    whole = _measured(named, lambda node: _references(node, named))
    if sum(whole.values()) > 10 * MOST_WRITTEN_OUT or any(size > MOST_WRITTEN_OUT for size in whole.values()):
        raise Refused(f"more than {MOST_WRITTEN_OUT} declarations, groups and extended types written out")


def _named(root: Any) -> Iterator[tuple[Key, Any]]:
    """Groups, attribute groups and types that have a name. Of two namespaces with one name, the larger counts."""
    for schema in root.iter(f"{{{XSD}}}schema"):
        target = schema.get("targetNamespace", "")
        for node in schema:
            if isinstance(node.tag, str) and node.get("name"):
                kind = local(node.tag)
                yield (kind.replace("simpleType", "complexType"), f"{{{target}}}{node.get('name')}"), node


def _references(node: Any, named: Mapping[Key, Any]) -> Iterator[Key]:
    """What has to be put in for its name: groups, types that are extended or restricted, parts of unions and lists."""
    for inner in node.iter():
        kind = local(str(inner.tag))
        if kind in ("group", "attributeGroup"):
            keys = [(kind, name) for name in _names(inner, "ref")]
        else:
            keys = [("complexType", name) for name in _names(inner, *_OTHERS.get(kind, ()))]
        yield from (key for key in keys if key in named)


def _names(node: Any, *attributes: str) -> list[str]:
    return [expanded(node, name) for one in attributes for name in node.get(one, "").split()]


def expanded(node: Any, name: str) -> str:
    """{namespace}name of prefix:name where it stands."""
    prefix, _, plain = name.strip().rpartition(":")
    return f"{{{node.nsmap.get(prefix or None) or ''}}}{plain}"


def _measured(named: Mapping[Key, Any], references: Callable[[Any], Iterable[Key]]) -> dict[Key, int]:
    """Size of each, with what it refers to. Raises Refused for circles and long chains."""
    measured: dict[Key, tuple[int, int]] = {}  # size, and how many are defined by one another below

    def measure(key: Key, inside: tuple[Key, ...]) -> tuple[int, int]:
        if key in inside:
            raise Refused(f"{key[0]} {local(key[1])[:80]!a} is defined by itself")
        if key not in measured and len(inside) < LONGEST_CHAIN:
            node = named[key]
            below = [measure(one, (*inside, key)) for one in references(node)]
            size = sum(1 for _ in node.iter()) + sum(size for size, _ in below)
            measured[key] = min(size, 100 * MOST_WRITTEN_OUT), 1 + max((chain for _, chain in below), default=0)
        if key not in measured or measured[key][1] > LONGEST_CHAIN:
            raise Refused(f"more than {LONGEST_CHAIN} types or groups defined by one another")
        return measured[key]

    return {key: measure(key, ())[0] for key in named}


# --- what zeep does not tell ------------------------------------------------------------------------------------------
def encoded(root: Any) -> frozenset[tuple[str, str]]:
    """(binding, operation) whose bodies are `encoded`."""
    return frozenset(
        (binding.get("name", ""), operation.get("name", ""))
        for binding in root.findall(f"{{{WSDL}}}binding")
        for operation in binding.findall(f"{{{WSDL}}}operation")
        for body in operation.iter(*_SOAP_BODY)
        if body.get("use") == "encoded"
    )


def facets(root: Any) -> dict[str, Facets]:
    """What simple types restrict, by the {namespace}name that zeep gives them; those of two meanings are left out.

    A type without a name has the name of the element or attribute that it belongs to. Patterns are not taken over:
    they are another language than those of JSON Schema.
    """
    found: dict[str, Facets | None] = {}
    for schema in root.iter(f"{{{XSD}}}schema"):
        target = schema.get("targetNamespace", "")
        for node in schema.iter(f"{{{XSD}}}simpleType"):
            name = f"{{{target}}}{node.get('name') or node.getparent().get('name', 'Anonymous')}"
            one = _facets(node)
            found[name] = one if found.get(name, one) == one else None
    return {name: one for name, one in found.items() if one is not None}


def _facets(node: Any) -> Facets:
    restriction = node.find(f"{{{XSD}}}restriction")
    if restriction is None:
        return Facets()
    said: dict[str, int] = {}
    values: list[str] = []
    for facet in restriction:
        name, value = local(str(facet.tag)), facet.get("value", "")
        if name == "enumeration":
            values.append(value)
        elif name in _NUMBERED and _NUMBER.fullmatch(value):
            said |= dict.fromkeys(_NUMBERED[name], int(value))
    base = expanded(restriction, restriction.get("base", ""))
    lengths, bounds = (said.get("shortest"), said.get("longest")), (said.get("least"), said.get("most"))
    return Facets(base, tuple(values), lengths, bounds)
