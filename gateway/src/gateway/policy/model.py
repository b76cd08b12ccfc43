"""What a decision is made of, and what it is: values only. Pure.

Several are made for every call and none can be part of a cycle: the garbage collector is spared them (`gc=False`).
"""

import ipaddress
import re
from functools import cached_property
from typing import NamedTuple

import msgspec

from runtime.errors import Code
from wire.calls import Obligations
from wire.catalog import Department, Grant, Interface, Mode, Operation, System
from wire.paths import Template
from wire.subjects import Place, place, sure_place

Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Route:
    """One version of an interface, ready to be matched."""

    def __init__(self, interface: Interface) -> None:
        self.interface = interface
        self.operations = [(operation, Template(operation.path)) for operation in interface.operations]
        places = ((operation, self._subject_at(operation, template)) for operation, template in self.operations)
        self.subject_at: dict[Operation, Place] = {operation: found for operation, found in places if found is not None}
        """Operations that name nobody are not in it."""

    def _subject_at(self, operation: Operation, template: Template) -> Place | None:
        """Where an operation is told whom it is about; a consent to one person opens none that need not look there."""
        asked = self.interface
        if not asked.subject:
            return None
        if asked.consent_required:
            return sure_place(asked.subject, template.variables, operation.method, asked.request, asked.parameters)
        return place(asked.subject, template.variables, operation.method, asked.request)

    def match(self, path: str) -> list[tuple[Operation, dict[str, str]]]:
        """The operations at a raw path, whatever their method, with the values of their variables."""
        found = []
        for operation, template in self.operations:
            values = template.match(path)
            if values is not None:
                found.append((operation, values))
        return found


class GrantRule:
    """A grant with its patterns compiled, when first needed."""

    def __init__(self, grant: Grant) -> None:
        self.grant = grant

    @cached_property
    def obligations(self) -> Obligations:
        return Obligations(self.grant.fields, self.grant.masks)

    @cached_property
    def case(self) -> re.Pattern[str]:
        return re.compile(self.grant.case_pattern)

    @cached_property
    def networks(self) -> list[Network]:
        return [ipaddress.ip_network(network) for network in self.grant.networks]


class Party(NamedTuple):
    """A system with its department, as far as the catalog knows it."""

    system: System
    department: Department | None


class Known(msgspec.Struct, frozen=True, gc=False):
    """What the catalog says about this caller and this interface; None where it knows nothing.

    acting  the system that acts for `system` after a token exchange, and its department
    """

    system: System | None
    department: Department | None
    route: Route | None
    provider: Department | None
    grants: list[GrantRule]
    acting: Party | None = None


class Asked(msgspec.Struct, frozen=True, gc=False):
    """What the call brings along. `at` is Unix seconds; empty strings where a header was not sent.

    path     the raw path below /x/{interface}/{version}
    mode     `verify` or `compare` where the version said so: /x/{interface}/{version}:verify
    consent  whether a consent token came along; what it says is looked at later (gateway.consent)
    sandbox  asked below /sandbox/: answered from examples, no provider is asked
    """

    system: str
    interface: str
    method: str
    path: str
    client: str
    at: float
    grant: str = ""
    case: str = ""
    mode: Mode = "query"
    consent: bool = False
    sandbox: bool = False


class Allow(msgspec.Struct, frozen=True, gc=False):
    """Yes, by this grant, for this operation.

    narrowed  the fields that are left of the grant's, where a consent names fewer; None where nobody looked
    """

    rule: GrantRule
    route: Route
    operation: Operation
    values: dict[str, str]
    mode: Mode = "query"
    sandbox: bool = False
    narrowed: list[str] | None = None

    @property
    def obligations(self) -> Obligations:
        """What may leave."""
        whole = self.rule.obligations
        return whole if self.narrowed is None else Obligations(self.narrowed, whole.masks)

    @property
    def needs_consent(self) -> bool:
        """Whether the person concerned has to have said yes; examples concern nobody."""
        return self.route.interface.consent_required and not self.sandbox


class Deny(msgspec.Struct, frozen=True, gc=False):
    """No, and why. `facts` are for the caller."""

    code: Code
    detail: str
    facts: dict[str, object]


def deny(code: Code, detail: str = "", **facts: object) -> Deny:
    """A denial with its facts."""
    return Deny(code, detail, facts)
