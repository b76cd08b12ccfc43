"""What a registration has to hold so that gateway and exchange can work with it. Pure.

Checks answer all mistakes at once, each as (path of the member, what is wrong). Whether a JSON Schema compiles is the
exchange's check; here it is only kept from reaching outside itself.
"""

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from catalog_service.directory.classification import mistakes_in_code
from catalog_service.directory.entry import Resource, Share
from catalog_service.directory.model import Interface
from runtime.errors import INVALID_REQUEST, Refusal
from wire import codes, paths, subjects
from wire.catalog import Field, Operation

MASKS = frozenset({"name_first", "id_last4", "phone", "addr_district", "mid4", "drop"})
"""Every mask the exchange knows."""
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
DIALECT = "https://json-schema.org/draft/2020-12/schema"
DEEPEST = 64
LARGEST_INTEGER = 2**53
Mistake = tuple[str, str]

_SEGMENT = re.compile(r"\{[A-Za-z_][A-Za-z0-9_]*\}|[^{}]*")
_BASE_URL = re.compile(r"https?://(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?(?P<path>/\S*)?")
_FIELD = re.compile(r"[^\s.*\x00-\x1f\x7f]+(?:\.[^\s.*\x00-\x1f\x7f]+)*")
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")


def require(mistakes: Iterable[Mistake]) -> None:
    """Raise Refusal(INVALID_REQUEST) naming every mistake."""
    if found := list(mistakes):
        raise invalid(*found)


def invalid(*mistakes: Mistake) -> Refusal:
    """The refusal that names the mistakes, in the form of a body that does not parse."""
    errors = [{"path": f"/body/{path}", "error": error} for path, error in mistakes]
    return Refusal(INVALID_REQUEST, mistakes[0][1], errors=errors)


def mistakes_in_interface(interface: Interface) -> Iterator[Mistake]:
    """What is wrong with a version of an interface."""
    yield from _base_url(interface.base_url)
    if not interface.networks:
        yield "networks", "at least one network that the provider's name may lead to"
    yield from mistakes_in_networks(interface.networks)
    yield from _operations(interface.operations)
    yield from _fields(interface.fields)
    for name in ("parameters", "request", "response"):
        schema = getattr(interface, name)
        if schema is not None:
            yield from mistakes_in_schema(schema, name)
    yield from _subject(interface)


def _subject(interface: Interface) -> Iterator[Mistake]:
    """Whoever is asked about is named where gateways read: a body that only passes through is not read."""
    name = interface.subject
    if not name:
        return
    asked = {variable for operation in interface.operations for variable in _variables(operation.path)}
    asked |= subjects.members(interface.parameters)
    if interface.format == "json":
        asked |= subjects.members(interface.request)
    if name not in asked or '"' in name or "\\" in name:
        yield "subject", f"{name[:80]} is no path variable, parameter or member of the request"


def _base_url(url: str) -> Iterator[Mistake]:
    found = _BASE_URL.fullmatch(url)
    if found is None:
        yield "base_url", "http(s)://host[:port][/path], without user, query or fragment"
        return
    try:
        port = urlsplit(url).port
        paths.check(found["path"] or "")
    except (ValueError, paths.BadPath) as error:
        yield "base_url", str(error)
    else:
        if port == 0:
            yield "base_url", "port 0 cannot be connected to"


def mistakes_in_networks(networks: Iterable[str]) -> Iterator[Mistake]:
    """Networks are CIDRs without host bits."""
    for n, network in enumerate(networks):
        try:
            ipaddress.ip_network(network)
        except ValueError as error:
            yield f"networks/{n}", str(error)


def _operations(operations: list[Operation]) -> Iterator[Mistake]:
    if not operations:
        yield "operations", "at least one operation"
    for n, operation in enumerate(operations):
        if operation.method not in METHODS:
            yield f"operations/{n}/method", f"one of {', '.join(sorted(METHODS))}"
        mistakes = list(_template(operation.path, f"operations/{n}/path"))
        mistakes += _template(operation.target, f"operations/{n}/target")
        yield from mistakes
        if not mistakes and set(_variables(operation.path)) != set(_variables(operation.target)):
            yield f"operations/{n}/target", "has other variables than the path"
    told_apart = Counter((o.method, re.sub(r"\{[^}]*\}", "{}", o.path)) for o in operations)
    for (method, path), count in told_apart.items():
        if count > 1:
            yield "operations", f"{method} {path} is there more than once"


def _variables(template: str) -> list[str]:
    return paths.Template(template).variables


def _template(text: str, where: str) -> Iterator[Mistake]:
    """A variable stands for one whole segment; the rest is a path that everybody reads alike."""
    if not all(_SEGMENT.fullmatch(segment) for segment in text.split("/")):
        yield where, "a variable is a whole segment: /{name}"
        return
    names = re.findall(r"\{([^}]*)\}", text)
    if len(set(names)) < len(names):
        yield where, "a variable is there more than once"
    try:
        paths.check(re.sub(r"\{[^}]*\}", "x", text))
    except paths.BadPath as error:
        yield where, str(error)


def _fields(fields: list[Field]) -> Iterator[Mistake]:
    for n, field in enumerate(fields):
        if not _FIELD.fullmatch(field.name):
            yield f"fields/{n}/name", "a dotted name without spaces or *"
        if field.mask and field.mask not in MASKS:
            yield f"fields/{n}/mask", f"one of {', '.join(sorted(MASKS))}"
    for name, count in Counter(field.name for field in fields).items():
        if count > 1:
            yield "fields", f"{name} is there more than once"


def mistakes_in_schema(schema: object, where: str, depth: int = 0) -> Iterator[Mistake]:
    """A schema refers only to itself ("#…"), so that nothing is ever fetched, and survives being written as JSON."""
    if depth > DEEPEST:
        yield where, f"deeper than {DEEPEST} levels"
        return
    match schema:
        case dict():
            for key, value in schema.items():
                yield from _keyword(key, value, where)
                yield from _text(key, where)
                yield from mistakes_in_schema(value, f"{where}/{key}", depth + 1)
        case list():
            for n, value in enumerate(schema):
                yield from mistakes_in_schema(value, f"{where}/{n}", depth + 1)
        case str():
            yield from _text(schema, where)
        case int() | float() if not math.isfinite(schema) or abs(schema) > LARGEST_INTEGER:
            yield where, "a number that not everybody can read"


def _keyword(key: str, value: object, where: str) -> Iterator[Mistake]:
    if key in _REFERENCES and isinstance(value, str) and not value.startswith("#"):
        yield f"{where}/{key}", "refers to something outside the schema; only #… is allowed"
    if key == "$schema" and value != DIALECT:
        yield f"{where}/{key}", f"only {DIALECT}"


def _text(text: str, where: str) -> Iterator[Mistake]:
    if not text.isascii() and any("\ud800" <= c <= "\udfff" for c in text):
        yield where, "half of a character"


def mistakes_in_resource(resource: Resource) -> Iterator[Mistake]:
    """What is wrong with an entry that is to be live. Source: 国务院令第809号 3, 14-15, 发改高技〔2017〕1272号."""
    if resource.secret:
        yield "secret", "state secrets are not catalogued here"
    if resource.share.type == "unconditional" and resource.share.condition:
        yield "share/condition", "unconditional sharing has no condition"
    yield from mistakes_in_share(resource.share)
    yield from mistakes_in_text(resource)


def mistakes_in_share(share: Share) -> Iterator[Mistake]:
    """What a share attribute says whatever the place. Source: 国务院令第809号 14-15, 发改高技〔2017〕1272号."""
    if share.type == "conditional" and not share.condition:
        yield "share/condition", "conditional sharing states its condition"
    if share.type == "none" and not (share.reason and share.legal_basis):
        yield "share/legal_basis", "not sharing needs a reason and a legal ground"


def mistakes_in_text(resource: Resource) -> Iterator[Mistake]:
    """What is wrong even with a draft, which may still lack much. Source: 发改高技〔2017〕1272号."""
    yield from mistakes_in_code(resource.code)
    if resource.open_condition and resource.open != "conditional":
        yield "open_condition", "only conditional opening has a condition"
    for n, item in enumerate(resource.items):
        if item.mask and item.mask not in MASKS:
            yield f"items/{n}/mask", f"one of {', '.join(sorted(MASKS))}"
    for name, count in Counter(item.name for item in resource.items).items():
        if count > 1:
            yield "items", f"{name} is there more than once"


def check_same_contract(known: Interface, stated: Interface) -> None:
    """A registered version only grows; raises Refusal(CONFLICT).

    Grants were given for these fields under these masks: taking a mask off, or putting a masked field under a grant
    that releases the answer whole, would let out what nobody approved (design P5). That takes a new version.
    """
    if breaks := list(_breaks(known, stated)):
        raise Refusal(codes.CONFLICT, f"{'; '.join(breaks)}: register a new version", breaks=breaks)


def _breaks(known: Interface, stated: Interface) -> Iterator[str]:
    for name in ("provider", "resource", "format"):
        if getattr(known, name) != getattr(stated, name):
            yield f"{name} changes"
    yield from _less_careful(known, stated)
    masks = {field.name: field.mask for field in stated.fields}
    before = {field.name for field in known.fields}
    for field in known.fields:
        if masks.get(field.name) != field.mask:
            yield f"field {field.name} is gone or has another mask"
    for name in masks.keys() - before:
        if masks[name]:
            yield f"field {name} is new and has a mask"
    for operation in _asked(known) - _asked(stated):
        yield f"operation {' '.join(operation)} is gone"


def _less_careful(known: Interface, stated: Interface) -> Iterator[str]:
    """What was promised to the persons concerned stays promised."""
    if known.consent_required and not stated.consent_required:
        yield "consent is no longer required"
    if known.retention == "personal" and stated.retention != "personal":
        yield "records are kept for a shorter time"
    if known.subject and stated.subject != known.subject:
        yield "the person asked about is named by something else, or no longer"


def _asked(interface: Interface) -> set[tuple[str, str]]:
    return {(operation.method, operation.path) for operation in interface.operations}
