"""What comes with a case and with its steps, checked for form; what a kind asks for stands in its own form."""

from collections.abc import Iterator
from datetime import date
from typing import Annotated, Any, Literal

from pydantic import Field, StringConstraints
from pydantic.functional_validators import AfterValidator

from catalog_service.api.bodies import Body, Calls, Id, Long, Name, Text
from catalog_service.api.entry_bodies import BasisBody, OptionalId

DEEPEST = 8
MOST_VALUES = 5000
LONGEST = 4000
LARGEST_INTEGER = 2**53


def _bounded(details: dict[str, Any]) -> dict[str, Any]:
    """A form may say much, but nothing that a database or a page cannot hold."""
    for n, (value, depth) in enumerate(_values(details, 0)):
        if depth > DEEPEST or n > MOST_VALUES:
            raise ValueError(f"more than {MOST_VALUES} values, or deeper than {DEEPEST} levels")
        if isinstance(value, str) and not _readable(value):
            raise ValueError(f"a text is longer than {LONGEST} characters or has control characters")
        if isinstance(value, int | float) and not abs(value) <= LARGEST_INTEGER:
            raise ValueError("a number is too large")
    return details


def _values(value: Any, depth: int) -> Iterator[tuple[Any, int]]:
    yield value, depth
    if depth > DEEPEST:
        return
    inside = [*value, *value.values()] if isinstance(value, dict) else value if isinstance(value, list) else []
    for one in inside:
        yield from _values(one, depth + 1)


def _readable(text: str) -> bool:
    return len(text) <= LONGEST and not any(
        (c < " " and c not in "\n\t") or c == "\x7f" or "\ud800" <= c <= "\udfff" or c in "\ufffe\uffff" for c in text
    )


def _day(text: str) -> str:
    if text:
        date.fromisoformat(text)
    return text


Details = Annotated[dict[str, Any], AfterValidator(_bounded)]
Event = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z_]{0,39}$")]
OptionalEvent = Annotated[str, StringConstraints(pattern=r"^(?:[a-z][a-z_]{0,39})?$")]
InterfaceKey = Annotated[str, StringConstraints(pattern=r"^(?:[a-z0-9._-]+/v[0-9]+)?$", max_length=80)]
ResourceCode = Annotated[str, StringConstraints(pattern=r"^(?:[0-9A-Za-z_]+/[0-9A-Za-z_]+)?$", max_length=64)]
ThingId = Annotated[str, StringConstraints(pattern=r"^[0-9a-f-]*$", max_length=36)]
Until = Annotated[str, StringConstraints(pattern=r"^(?:\d{4}-\d{2}-\d{2})?$"), AfterValidator(_day)]
Digest = Annotated[str, StringConstraints(pattern=r"^(?:[0-9a-f]{64})?$")]


class DocumentBody(Body):
    name: Name
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


class StepBody(Body):
    """`cases.model.Evidence`, member by member."""

    reason: Long = ""
    legal_basis: Annotated[list[BasisBody], Field(max_length=20)] = []
    note: Long = ""
    missing: Annotated[list[Name], Field(max_length=50)] = []
    conditions: Long = ""
    days: Annotated[int, Field(ge=0, le=366)] = 0
    until: Until = ""
    filing_no: Text = ""
    fields: Annotated[list[Name], Field(max_length=2000)] = []
    masks: dict[Name, Name] = {}
    mode: Literal["", "query", "verify", "compare"] = ""
    term_months: Annotated[int, Field(ge=0, le=120)] = 0
    case_pattern: Text = ""
    networks: Annotated[list[Name], Field(max_length=100)] = []
    hours: Text = ""
    rate_per_s: Annotated[float, Field(ge=0, le=100_000)] = 0.0
    quota_day: Calls = 0
    quota_month: Calls = 0
    department: OptionalId = ""
    resource: ResourceCode = ""
    interface: InterfaceKey = ""
    case: ThingId = ""
    result: Text = ""
    before_digest: Digest = ""
    after_digest: Digest = ""
    documents: Annotated[list[DocumentBody], Field(max_length=50)] = []
    details: Details = {}


NOTHING_SAID = StepBody()
"""A step that needs no evidence may come without a body."""


class CaseBody(Body):
    kind: Event
    event: OptionalEvent = ""
    interface: InterfaceKey = ""
    resource: ResourceCode = ""
    system: OptionalId = ""
    grant: ThingId = ""
    parent: ThingId = ""
    requester: OptionalId = ""
    provider: OptionalId = ""
    details: Details = {}


class ItemBody(Body):
    interface: Annotated[str, StringConstraints(pattern=r"^[a-z0-9._-]+/v[0-9]+$", max_length=80)]
    details: Details = {}


class BatchBody(Body):
    """One application for each item and system; `details` is what all of them say."""

    systems: Annotated[list[Id], Field(min_length=1, max_length=200)]
    items: Annotated[list[ItemBody], Field(min_length=1, max_length=200)]
    details: Details = {}
