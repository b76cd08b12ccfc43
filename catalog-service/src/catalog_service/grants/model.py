"""Grants: what one system may ask of one interface, and what such a permission has to hold. Pure.

Source: 国务院令第809号 20 (ground, use, scope, way, time), 25 (no wider use than was granted).
"""

import calendar
import re
from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from catalog_service.directory.contract import TELLS, Mistake, invalid, masks_of, mistakes_in_networks
from catalog_service.directory.entry import Resource
from catalog_service.directory.model import SERVED, Interface, check_active
from runtime.errors import Refusal
from statute.calendar import SHANGHAI
from wire import codes
from wire.catalog import Grant, Mode

PLAIN = "plain"
LONGEST_PATTERN = 200
MOST_FREE_REPEATS = 3
FOR_EVER = int(datetime(9000, 1, 1, tzinfo=UTC).timestamp())
"""An end so far away is none."""
_HOURS = re.compile(r"((?:[01]\d|2[0-3]):[0-5]\d)-((?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII)
_ESCAPES_AND_CLASSES = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]")
_FREE_REPEAT = re.compile(r"[*+?]|\{\d*,\d*\}")
_COSTLY = re.compile(r"\)[*+?{]|\(\?")


def mistakes_in_grant(grant: Grant, interface: Interface, at: datetime) -> Iterator[Mistake]:
    """What is wrong with a grant that is asked for at the moment `at`."""
    yield from _mode(grant, interface)
    yield from _fields(grant, interface)
    yield from _masks(grant, interface)
    yield from _case_pattern(grant.case_pattern)
    yield from mistakes_in_networks(grant.networks)
    hours = _HOURS.fullmatch(grant.hours)
    if grant.hours and (hours is None or hours[1] == hours[2]):
        yield "hours", "08:00-18:00, in Asia/Shanghai"
    if grant.not_after and grant.not_after <= max(grant.not_before, at.timestamp()):
        yield "not_after", "lies before the grant could be used"


def _mode(grant: Grant, interface: Interface) -> Iterator[Mistake]:
    """Only of facts that can be read can less be told (云南 29)."""
    if grant.mode == "query":
        return
    if interface.mode != "query":
        yield "mode", f"{interface.key} itself tells no more than {interface.mode}: it is asked as it is"
    elif interface.format == "binary":
        yield "mode", "in a binary answer nothing can be verified"


def _fields(grant: Grant, interface: Interface) -> Iterator[Mistake]:
    """Default-deny: fields are named one by one; whole answers only where no field has a mask (design P5)."""
    if not grant.fields:
        yield "fields", "at least one field"
    if grant.fields == ["*"]:
        if grant.mode != "query":
            yield "fields", "what may be claimed is named field by field"
        elif interface.format != "binary" and any(field.mask for field in interface.fields):
            yield "fields", "the interface has masked fields: name the fields one by one"
        return
    if interface.format == "binary":
        yield "fields", 'a binary answer is released whole: ["*"]'
    known = {field.name for field in interface.fields}
    for n, name in enumerate(grant.fields):
        if name not in known:
            yield f"fields/{n}", f"{name} is not a field of {interface.key}"
        elif name in grant.fields[:n]:
            yield f"fields/{n}", f"{name} is there more than once"


def _masks(grant: Grant, interface: Interface) -> Iterator[Mistake]:
    known = masks_of(interface) | {PLAIN}
    for name, mask in grant.masks.items():
        if grant.mode != "query":
            yield f"masks/{name}", "no fact is told, so nothing is masked"
        elif name not in grant.fields:
            yield f"masks/{name}", "not among the granted fields"
        if mask not in known:
            yield f"masks/{name}", f"one of {', '.join(sorted(known))}"


def _case_pattern(pattern: str) -> Iterator[Mistake]:
    """A pattern that compiles and can be matched in short time, whatever the case number: gateways run it per call."""
    if len(pattern) > LONGEST_PATTERN:
        yield "case_pattern", f"at most {LONGEST_PATTERN} characters"
        return
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        yield "case_pattern", f"not a regular expression: {error}"
        return
    if re.search(r"\\[1-9]", pattern):
        yield "case_pattern", "no references back to a group"
    bare = _ESCAPES_AND_CLASSES.sub("x", pattern)
    if _COSTLY.search(bare):
        yield "case_pattern", "no repeated groups and no (?…)"
    if len(_FREE_REPEAT.findall(bare)) > MOST_FREE_REPEATS:
        yield "case_pattern", f"at most {MOST_FREE_REPEATS} repeats of unknown length"


# --- what is told ---------------------------------------------------------------------------------------------------
def tells_more(one: Mode, other: Mode) -> bool:
    """A query tells facts, a comparison of each field whether it is so, a verification only of all together."""
    return TELLS[one] > TELLS[other]


def told(mode: Mode, interface: Interface) -> Mode:
    """What calls are told under a grant of this mode: what the interface itself tells, or less."""
    return mode if tells_more(interface.mode, mode) else interface.mode


def check_shared(resource: Resource, told: Mode) -> None:
    """Raise Refusal unless the entry lets so much be told.

    What is not shared may at most be verified against or compared with; where its entry says in which way, in none that
    tells more.
    Source: 国务院令第809号 14-15 (不予共享), 云南 29 (核实、比对).
    """
    if resource.share.type == "none" and told == "query":
        raise Refusal(codes.NOT_SHARED, f"resource {resource.code}", resource=resource.code)
    if tells_more(told, resource.share.mode):
        raise invalid(("mode", f"the entry is offered as {resource.share.mode}"))


def check_usable(interface: Interface, resource: Resource) -> None:
    """Raise Refusal(CONFLICT) unless calls would be served: nothing new is given on what stands still.

    Source: 国务院令第809号 27, 35; 常德 25.
    """
    check_active(interface, f"interface {interface.key}")
    check_active(resource, f"resource {resource.code}")
    if interface.stage not in SERVED:
        raise Refusal(codes.CONFLICT, f"interface {interface.key} is {interface.stage}", stage=interface.stage)


def months_later(at: datetime, months: int) -> datetime:
    """The same day and time in Asia/Shanghai so many months later; the last of the month where there is no such day."""
    local = at.astimezone(SHANGHAI)
    years, month = divmod(local.month - 1 + months, 12)
    first = local.replace(year=local.year + years, month=month + 1, day=1)
    day = min(local.day, calendar.monthrange(first.year, first.month)[1])
    return first.replace(day=day).astimezone(UTC)


def renewed(grant: Grant, months: int, at: datetime) -> Grant:
    """Not lapsed: its old end and another term; lapsed: a term from now. Nobody loses days by asking early."""
    if not 0 < grant.not_after < FOR_EVER:
        raise Refusal(codes.CONFLICT, f"grant {grant.id} has no end", grant=grant.id)
    end = datetime.fromtimestamp(grant.not_after, UTC)
    return msgspec.structs.replace(grant, not_after=int(months_later(max(end, at), months).timestamp()))
