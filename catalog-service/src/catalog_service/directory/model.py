"""What the directory holds, in which standing it is, and how it may change. Pure.

The entries below are the published messages of `wire.catalog` plus what only the directory needs.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal, TypeVar

import msgspec

from catalog_service.directory.entry import Resource
from runtime.errors import Refusal
from wire import catalog, codes
from wire.catalog import Standing, State

Act = Literal["suspend", "resume", "revoke"]
Stage = Literal["registered", "tested", "mounted", "online", "degraded", "circuit_open", "deprecated", "offline"]
SERVED: frozenset[Stage] = frozenset({"online", "degraded", "circuit_open", "deprecated"})
INSIDE = ("base_url", "networks", "credential")
"""Members of an interface that say where the provider's systems stand."""
PUBLIC_SERVICE = "public_service_operator"
"""The kind of those who are bound by local rules only: 供水, 供电, 供气 and the like."""
AUTHORITY = "data_authority"
"""The kind of a data authority (主管部门): its own catalog is decided one level up where the law says so (云南 12)."""
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

    @property
    def is_authority(self) -> bool:
        return self.kind == AUTHORITY


class Interface(catalog.Interface, frozen=True, kw_only=True):
    """One version of an interface and the resource that it opens.

    stage        how far it has come (挂接); gateways hear of it while it is SERVED
    entry_state  the standing of its resource: what is suspended there is shut here
    successor, until  of a deprecated version: the one that comes after it, and the last day on which it is served
    """

    resource: str
    stage: Stage = "online"
    entry_state: State = State()
    successor: str = ""
    until: str = ""

    def published(self) -> catalog.Interface:
        """What gateways and exchanges have to know."""
        members = {name: getattr(self, name) for name in catalog.Interface.__struct_fields__}
        return catalog.Interface(**{**members, "state": self.standing})

    def for_others(self) -> dict[str, Any]:
        """All that other departments may know: not where the provider's systems stand, nor how they are spoken to."""
        shown: dict[str, Any] = msgspec.to_builtins(self)
        for name in INSIDE:
            del shown[name]
        for operation in shown["operations"]:
            del operation["target"]
        adapter = shown["adapter"]
        shown["adapter"] = {name: adapter[name] for name in ("kind", "request_format") if name in adapter}
        return shown

    @property
    def standing(self) -> State:
        """Whether it may be used: by its own standing, then by that of its resource."""
        return self.entry_state if self.state.standing == "active" else self.state

    @property
    def is_served(self) -> bool:
        return self.stage in SERVED


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


def staged(known: Interface | None, stated: Interface, resource: Resource, *, at_once: bool) -> Interface:
    """A version as stated anew, as far as it has come: what was tested is tested again once it says something else.

    at_once  it is declared to be in use (set-up by the platform's operator) and goes through no stages
    """
    if known is not None and known.stage == "offline":
        raise Refusal(codes.CONFLICT, f"interface {known.key} is offline", standing="revoked", stage=known.stage)
    same = keep_long_enough(
        msgspec.structs.replace(
            carry_over(known, stated), entry_state=resource.state, stage=known.stage if known else "registered",
            successor=known.successor if known else "", until=known.until if known else "",
            maintenance=known.maintenance if known else [],
        ),
        resource,
    )  # fmt: skip
    if same.is_served or (same == known and not at_once):
        return same
    return msgspec.structs.replace(same, stage="online" if at_once else "registered")


def keep_long_enough(interface: Interface, resource: Resource) -> Interface:
    """Records of calls for personal or important data are kept long, whatever the registration says (design P3)."""
    if resource.is_kept_long and interface.retention != "personal":
        return msgspec.structs.replace(interface, retention="personal")
    return interface
