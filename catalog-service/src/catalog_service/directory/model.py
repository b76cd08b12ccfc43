"""What the directory holds, in which standing it is, and how it may change. Pure.

The entries below are the published messages of `wire.catalog` plus what only the directory needs.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Literal, TypeVar

import msgspec

from runtime.errors import Refusal
from wire import catalog, codes
from wire.catalog import Standing, State

Act = Literal["suspend", "resume", "revoke"]
ShareType = Literal["unconditional", "conditional", "none"]
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


class Interface(catalog.Interface, frozen=True, kw_only=True):
    """One version of an interface and the resource that it opens."""

    resource: str

    def published(self) -> catalog.Interface:
        """What gateways and exchanges have to know."""
        members = {name: getattr(self, name) for name in catalog.Interface.__struct_fields__}
        return catalog.Interface(**members)


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """One information item (信息项). type: a letter of the 1272 guide (C N Y D T L M G B I F); length 0: none."""

    name: str
    label: str
    type: str
    length: int = 0
    required: bool = False
    sensitivity: str = "none"
    level: str = "L1"
    mask: str = ""
    description: str = ""


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """A legal ground."""

    law: str
    article: str = ""


class Share(msgspec.Struct, frozen=True, kw_only=True):
    """Share attribute (共享属性): type, way of use, condition, scope, reason and legal ground."""

    type: ShareType
    mode: Literal["query", "verify", "compare"] = "query"
    condition: str = ""
    scope: str = ""
    reason: str = ""
    legal_basis: list[Basis] = []


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A catalog entry (信息资源): the core metadata of 发改高技〔2017〕1272号 that is needed so far.

    code  分类码/顺序码    format  1..7 of the guide    open  开放属性    update_cycle  更新周期
    """

    code: str
    name: str
    provider: str
    summary: str
    share: Share
    name_en: str = ""
    topic: str = ""
    data_class: str = ""
    format: int = 7
    format_note: str = ""
    items: list[Item] = []
    open: ShareType = "none"
    open_condition: str = ""
    update_cycle: str = "实时"
    security_level: str = "L1"
    contains_personal_info: bool = False
    subject_consent_required: bool = False
    collect_department: str = ""
    approve_department: str = ""
    published: str = ""
    related: list[str] = []


Governed = TypeVar("Governed", Department, catalog.System, Interface, catalog.Grant)


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
