"""What a registration has to hold so that gateway and exchange can work with it. Pure.

Checks answer all mistakes at once, each as (path of the member, what is wrong). Where it may not lead is said in
`addresses`, what its kind of provider asks for in `adapters`.
"""

import ipaddress
import math
import re
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from typing import NoReturn

import jsonschema_rs

from catalog_service.directory.adapters import mistakes_in_adapter, needs_networks
from catalog_service.directory.addresses import readable
from catalog_service.directory.classification import mistakes_in_code
from catalog_service.directory.entry import Resource, Share
from catalog_service.directory.model import Interface
from catalog_service.directory.templates import mistakes_in_template, variables_of
from runtime.errors import INVALID_REQUEST, Refusal
from wire import codes, subjects
from wire.catalog import Field, MaskRule, Mode, Operation, Rest, Soap
from wire.masks import NAMES, PLAIN, rules_fit
from wire.schemas import TooMuchWork, most_steps

MASKS = NAMES - {PLAIN}
"""Every mask that needs no registration."""
METHODS = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD"})
DIALECT = "https://json-schema.org/draft/2020-12/schema"
DEEPEST = 64
LARGEST_INTEGER = 2**53
MOST_BACKTRACKS = 10_000
"""Of one pattern on one text, as at the exchange."""
Mistake = tuple[str, str]

_FIELD = re.compile(r"[^\s.*\x00-\x1f\x7f]+(?:\.[^\s.*\x00-\x1f\x7f]+)*")
_CREDENTIAL = re.compile(r"(?:[a-z0-9]+(?:[-_.][a-z0-9]+)*)?")
TELLS: dict[Mode, int] = {"verify": 0, "compare": 1, "query": 2}
"""How much each mode tells."""


def require(mistakes: Iterable[Mistake]) -> None:
    """Raise Refusal(INVALID_REQUEST) naming every mistake."""
    if found := list(mistakes):
        raise invalid(*found)


def invalid(*mistakes: Mistake) -> Refusal:
    """The refusal that names the mistakes, in the form of a body that does not parse."""
    errors = [{"path": readable(f"/body/{path}"), "error": error} for path, error in mistakes]
    return Refusal(INVALID_REQUEST, mistakes[0][1], errors=errors)


def mistakes_in_interface(interface: Interface) -> Iterator[Mistake]:
    """What is wrong with a version of an interface."""
    if needs_networks(interface) and not interface.networks:
        yield "networks", "at least one network that the provider's name may lead to"
    yield from mistakes_in_networks(interface.networks)
    yield from _operations(interface.operations)
    yield from mistakes_in_adapter(interface)
    yield from rules_fit(interface.masks)
    yield from _fields(interface.fields, masks_of(interface))
    for name in ("parameters", "request", "response"):
        schema = getattr(interface, name)
        if schema is not None:
            yield from mistakes_in_schema(schema, name)
    if not _CREDENTIAL.fullmatch(interface.credential):
        yield "credential", "the name of a credential: small letters, digits and - _ ."
    yield from _subject(interface)


def masks_of(interface: Interface) -> frozenset[str]:
    """Every mask that fields of the interface, and grants of it, may name: those of all, and the provider's own."""
    return MASKS | {rule.name for rule in interface.masks}


def _subject(interface: Interface) -> Iterator[Mistake]:
    """Whoever is asked about is named where gateways read: a body that only passes through is not read."""
    name = interface.subject
    if not name:
        if interface.consent_required:
            yield "subject", "whose consent is required has to be named by each question"
        return
    asked = {variable for operation in interface.operations for variable in variables_of(operation.path)}
    asked |= subjects.members(interface.parameters)
    if _body_is_read(interface):
        asked |= subjects.members(interface.request)
    if name not in asked or '"' in name or "\\" in name:
        yield "subject", f"{name[:80]} is no path variable, parameter or member of the request"
    elif interface.consent_required:
        yield from _operations_about_nobody(interface)


def _operations_about_nobody(interface: Interface) -> Iterator[Mistake]:
    """Each operation by itself has to name whom it is about: a consent to one person would open the others."""
    request = interface.request if _body_is_read(interface) else None
    for n, operation in enumerate(interface.operations):
        variables = variables_of(operation.path)
        place = subjects.sure_place(interface.subject, variables, operation.method, request, interface.parameters)
        if place is None:
            yield (
                f"operations/{n}",
                f"consent is required: {interface.subject[:80]} has to be in the path, in the request,"
                " or a required parameter",
            )


def _body_is_read(interface: Interface) -> bool:
    match interface.adapter:
        case Rest(request_format="json"):
            return interface.format != "binary"
        case Soap():
            return True
        case _:
            return False


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
        yield from mistakes_in_template(operation.path, f"operations/{n}/path")
    told_apart = Counter((o.method, re.sub(r"\{[^}]*\}", "{}", o.path)) for o in operations)
    for (method, path), count in told_apart.items():
        if count > 1:
            yield "operations", f"{method} {path} is there more than once"


def _fields(fields: list[Field], masks: Collection[str]) -> Iterator[Mistake]:
    for n, field in enumerate(fields):
        if not _FIELD.fullmatch(field.name):
            yield f"fields/{n}/name", "a dotted name without spaces or *"
        if field.mask and field.mask not in masks:
            yield f"fields/{n}/mask", f"one of {', '.join(sorted(masks))}"
    for name, count in Counter(field.name for field in fields).items():
        if count > 1:
            yield "fields", f"{name} is there more than once"


def mistakes_in_schema(schema: object, where: str) -> Iterator[Mistake]:
    """A schema survives being written as JSON, means the same to everybody who reads it, and can be used by them.

    What does not compile here would make the interface unusable at the exchange.
    """
    mistakes = list(_unreadable(schema, where, 0))
    yield from mistakes
    if not mistakes:
        yield from _unusable(schema, where)


def _unusable(schema: object, where: str) -> Iterator[Mistake]:
    """As the exchange compiles it: nothing is fetched, and no value makes it work for long."""
    if not isinstance(schema, dict):
        return
    try:
        most_steps(schema)
        jsonschema_rs.validator_for(
            schema,
            retriever=_nothing,
            pattern_options=jsonschema_rs.FancyRegexOptions(backtrack_limit=MOST_BACKTRACKS),
        )
    except TooMuchWork as error:
        yield where, str(error)
    except (ValueError, TypeError, OverflowError) as error:
        yield where, f"not a schema that can be used: {str(error).partition(chr(10))[0][:200]}"


def _nothing(address: str) -> NoReturn:
    raise ValueError(f"references outside the schema are not followed: {address}")


def _unreadable(schema: object, where: str, depth: int) -> Iterator[Mistake]:
    if depth > DEEPEST:
        yield where, f"deeper than {DEEPEST} levels"
        return
    match schema:
        case dict():
            for key, value in schema.items():
                yield from _keyword(key, value, where)
                yield from _text(key, where)
                yield from _unreadable(value, f"{where}/{key}", depth + 1)
        case list():
            for n, value in enumerate(schema):
                yield from _unreadable(value, f"{where}/{n}", depth + 1)
        case str():
            yield from _text(schema, where)
        case int() | float() if not math.isfinite(schema) or abs(schema) > LARGEST_INTEGER:
            yield where, "a number that not everybody can read"


def _keyword(key: str, value: object, where: str) -> Iterator[Mistake]:
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
    if type(known.adapter) is not type(stated.adapter):
        yield "the kind of provider changes"
    yield from _less_careful(known, stated)
    yield from _showing_more(known.masks, stated.masks)
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
    if TELLS[stated.mode] > TELLS[known.mode]:
        yield f"more is told: {stated.mode} instead of {known.mode}"


def _showing_more(known: list[MaskRule], stated: list[MaskRule]) -> Iterator[str]:
    """A mask of the provider's own goes on hiding what it hid: fields and grants name it."""
    now = {rule.name: rule for rule in stated}
    for rule in known:
        after = now.get(rule.name)
        if after is None:
            yield f"mask {rule.name} is gone"
        elif not _hides_as_much(rule, after):
            yield f"mask {rule.name} shows more"


def _hides_as_much(known: MaskRule, stated: MaskRule) -> bool:
    if known.until or stated.until:
        return bool(known.until) and set(known.until) <= set(stated.until) and known.shortest <= stated.shortest
    shows = stated.head <= known.head and stated.tail <= known.tail
    return shows and stated.shortest >= known.shortest


def _asked(interface: Interface) -> set[tuple[str, str]]:
    return {(operation.method, operation.path) for operation in interface.operations}
