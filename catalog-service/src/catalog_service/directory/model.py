"""What the directory holds, in which standing it is, and how it may change. Pure.

The entries below are the published messages of `wire.catalog` plus what only the directory needs.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeVar

import msgspec

from catalog_service.directory.entry import Resource
from runtime.errors import Refusal
from wire import catalog, codes
from wire.catalog import Standing, State

Act = Literal["suspend", "resume", "revoke"]
Stage = Literal["registered", "tested", "mounted", "online", "degraded", "circuit_open", "deprecated", "offline"]
SERVED: frozenset[Stage] = frozenset({"online", "degraded", "circuit_open", "deprecated"})
PUBLIC_SERVICE = "public_service_operator"
"""The kind of those who are bound by local rules only: 供水, 供电, 供气 and the like."""
DONE: Mapping[Act, str] = {"suspend": "suspended", "resume": "resumed", "revoke": "revoked"}

TRANSITIONS: Mapping[tuple[Standing, Act], Standing] = {
    ("active", "suspend"): "suspended",
    ("active", "revoke"): "revoked",
    ("suspended", "resume"): "active",
    ("suspended", "revoke"): "revoked",
}
"""Every change of standing there is (国务院令第809号 27). What is not here is refused: nothing revoked comes back."""


class Department(catalog.Department, frozen=True, kw_only=True):
    """A department as registered. uscc: unified social credit code (统一社会信用代码, GB 32100)."""

    name_en: str = ""
    uscc: str = ""
    level: str = ""
    region: str = ""
    kind: str = ""
    chief_data_officer: str = ""
    data_officer: str = ""
    officer_phone: str = ""
    note: str = ""

    def published(self) -> catalog.Department:
        """What gateways have to know."""
        return catalog.Department(id=self.id, name=self.name, state=self.state)

    @property
    def is_government(self) -> bool:
        """政府部门 or a body that law puts in its place; the decree binds no others (国务院令第809号 2)."""
        return self.kind != PUBLIC_SERVICE


class Interface(catalog.Interface, frozen=True, kw_only=True):
    """One version of an interface and the resource that it opens.

    stage        how far it has come (挂接); gateways hear of it while it is SERVED
    entry_state  the standing of its resource: what is suspended there is shut here
    """

    resource: str
    stage: Stage = "online"
    entry_state: State = State()

    def published(self) -> catalog.Interface:
        """What gateways and exchanges have to know."""
        members = {name: getattr(self, name) for name in catalog.Interface.__struct_fields__}
        state = self.entry_state if self.state.standing == "active" else self.state
        return catalog.Interface(**{**members, "state": state})


Governed = TypeVar("Governed", Department, catalog.System, Resource, Interface, catalog.Grant)


def move(thing: Governed, act: Act, by: str, reason: str, at: datetime) -> Governed:
    """The thing in its next standing; raises Refusal(CONFLICT). `by` is the department whose word it is."""
    standing = TRANSITIONS.get((thing.state.standing, act))
    if standing is None:
        raise _already(thing.state)
    since = at.strftime("%Y-%m-%dT%H:%M:%SZ")
    state = State() if standing == "active" else State(standing=standing, since=since, by=by, reason=reason)
    return msgspec.structs.replace(thing, state=state)


def carry_over(known: Governed | None, stated: Governed) -> Governed:
    """What is stated anew, in the standing that it has; raises Refusal(CONFLICT) for what was revoked."""
    if known is None:
        return stated
    if known.state.standing == "revoked":
        raise _already(known.state)
    return msgspec.structs.replace(stated, state=known.state)


def check_active(thing: Governed, what: str) -> None:
    """Raise Refusal(CONFLICT) unless `thing` may be used."""
    if thing.state.standing != "active":
        raise _already(thing.state, what)


def _already(state: State, what: str = "it") -> Refusal:
    detail = f"{what} is {state.standing}"
    return Refusal(codes.CONFLICT, detail, standing=state.standing, since=state.since, by=state.by, reason=state.reason)


def keep_long_enough(interface: Interface, resource: Resource) -> Interface:
    """Records of calls for personal information are kept as such, whatever the registration says (design P3)."""
    if resource.contains_personal_info and interface.retention != "personal":
        return msgspec.structs.replace(interface, retention="personal")
    return interface
