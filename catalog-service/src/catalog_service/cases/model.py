"""A case (办件): one procedure between departments, what was said in it and what was decided. Pure.

Every kind of case is a `machine.Machine`; the tables stand in files of this slice, one for each chapter of the law.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from catalog_service.directory.entry import Basis, Resource
from catalog_service.directory.model import Department, Interface
from catalog_service.feed.model import Actor
from catalog_service.machine import Machine, Role, Rules
from statute.resolve import Law
from wire.catalog import Grant, System


class Document(msgspec.Struct, frozen=True, kw_only=True):
    """A paper that belongs to a step: its name and what identifies its bytes. The bytes stay where they are."""

    name: str
    sha256: str


class Evidence(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What comes with a step. Each row of a machine says which members it needs.

    missing   what an application lacks, said once (国务院令第809号 21)     filing_no  备案号
    until     a date that somebody sets, YYYY-MM-DD                       result     what a check found
    """

    reason: str = ""
    legal_basis: list[Basis] = []
    note: str = ""
    missing: list[str] = []
    conditions: str = ""
    days: int = 0
    until: str = ""
    filing_no: str = ""
    fields: list[str] = []
    masks: dict[str, str] = {}
    mode: str = ""
    term_months: int = 0
    case_pattern: str = ""
    networks: list[str] = []
    hours: str = ""
    rate_per_s: float = 0.0
    quota_day: int = 0
    quota_month: int = 0
    department: str = ""
    resource: str = ""
    interface: str = ""
    case: str = ""
    result: str = ""
    before_digest: str = ""
    after_digest: str = ""
    documents: list[Document] = []
    details: dict[str, Any] = {}


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One case.

    requester, provider  the two sides, "" where there is none      maker   the client that opened it
    makers      clients whose work is up for decision (four eyes)     parent  the case that this one follows
    details     the form it was opened with, by kind                  counts  event -> how often it happened
    profile, profile_version, calendar, government  the law it runs under, whatever is in force later
    opened      Unix milliseconds
    batch       number of the batch that it was opened in, "" for none
    person      department through which the person concerned (当事人) opened it and is told, "" where none did
    """

    id: str
    number: str
    kind: str
    state: str
    requester: str
    provider: str
    maker: str
    makers: list[str]
    opened: int
    profile: str
    profile_version: str
    calendar: str
    government: bool
    resource: str = ""
    interface: str = ""
    system: str = ""
    grant: str = ""
    parent: str = ""
    details: dict[str, Any] = {}
    decision: dict[str, Any] = {}
    counts: dict[str, int] = {}
    maker_department: str = ""
    person: str = ""
    batch: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that conditions and guards look at: the case, the law it runs under, and what is known besides."""

    case: Case
    law: Law
    evidence: Evidence
    actor: Actor
    roles: frozenset[Role]
    at: datetime
    requester: Department | None = None
    provider: Department | None = None
    system: System | None = None
    resource: Resource | None = None
    interface: Interface | None = None
    grant: Grant | None = None
    parent: Case | None = None
    overdue: frozenset[str] = frozenset()
    """Keys of the case's time limits that have passed and run still."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A case that somebody wants to open, and the things that it names, as far as they exist."""

    kind: str
    actor: Actor
    details: Mapping[str, Any]
    requester: str = ""
    provider: str = ""
    system: System | None = None
    resource: Resource | None = None
    interface: Interface | None = None
    grant: Grant | None = None
    parent: Case | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of case: its table, what the names in it mean (effects are looked up in the flows), its number's letters.

    form   struct that `details` has to fit (unknown members are refused)
    sides  who asks and who answers, ("", …) where that is no department; raises Refusal
    """

    machine: Machine
    rules: Rules[Situation]
    letters: str
    form: type[msgspec.Struct]
    sides: Callable[[Opening], tuple[str, str]]
    responsible: Mapping[str, Role]
    """Clock key -> whose duty that clock measures."""
    hides_maker: bool = False
    """Only those who oversee see who opened it."""
