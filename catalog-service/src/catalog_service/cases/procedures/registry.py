"""What the authority keeps a list of: projects at their gate, officers, vendors, assets. Pure.

Each is one department's matter: it states, the authority (or the department's own head) confirms.

Source: 常德 7, 26; 云南 14, 45; 德清 33; 景德镇 7, 19; 淄博 6.
"""

from dataclasses import replace
from typing import Annotated

import msgspec
from msgspec import Meta

from catalog_service.cases.forms import Day, Line, Lines, Text
from catalog_service.cases.model import Kind, Opening
from catalog_service.directory.contract import invalid
from catalog_service.machine import START, Machine, Role, Row, Rules

OWN, HEAD, AUTHORITY = Role.REQUESTER, Role.REQUESTER_HEAD, Role.AUTHORITY
CONTRACT = "contract"


class Project(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A publicly funded project and the catalog entries that it will bring (常德 7: 编目 before acceptance)."""

    project: Line = ""
    name: Line = ""
    resources: Lines = []


PROJECT = Machine(
    name="project_gate",
    title=("项目数据关口", "Data gate of a project"),
    cite="常德 7; 云南 14",
    labels={
        "filed": ("已申报", "Filed"),
        "approval_passed": ("立项审查通过", "Passed at approval"),
        "built": ("已建成", "Built"),
        "acceptance_checked": ("已作符合性审查", "Checked at acceptance"),
        "passed": ("通过", "Passed"),
        "blocked": ("未通过", "Blocked"),
    },
    finals=frozenset({"passed", "blocked"}),
    rows=(
        Row(event="file", sources=(START,), target="filed", by=(OWN,), cite="常德 7; 云南 14",
            needs=("project", "name", "resources"), tells=(AUTHORITY,)),
        Row(event="pass_approval", sources=("filed",), target="approval_passed", by=(AUTHORITY,),
            cite="常德 7; 云南 14", needs=("note",), tells=(OWN,), four_eyes=True),
        Row(event="complete", sources=("approval_passed",), target="built", by=(OWN,), cite="常德 7",
            tells=(AUTHORITY,)),
        Row(event="check", sources=("built",), target="acceptance_checked", by=(AUTHORITY,), cite="常德 7; 云南 14",
            needs=("result",), tells=(OWN,)),
        Row(event="pass", sources=("acceptance_checked",), target="passed", by=(AUTHORITY,), cite="常德 7; 云南 14",
            needs=("filing_no",), effects=("check_published",), tells=(OWN, HEAD), four_eyes=True),
        Row(event="block", sources=("filed", "acceptance_checked"), target="blocked", by=(AUTHORITY,),
            cite="常德 7; 云南 14", needs=("reason",), tells=(OWN, HEAD)),
    ),
)  # fmt: skip


class Officer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who holds an office from when on, and how to reach them; one in place of another is a case of its own."""

    name: Line = ""
    office: Line = ""
    phone: Line = ""
    since: Day = ""


OFFICER = Machine(
    name="officer_change",
    title=("数据专员变更", "Change of officer"),
    cite="景德镇 7, 19; 淄博 6",
    labels={
        "reported": ("已报送", "Reported"),
        "active": ("在岗", "In office"),
        "replaced": ("已更替", "Replaced"),
    },
    finals=frozenset({"replaced"}),
    rows=(
        Row(event="report", sources=(START,), target="reported", by=(OWN, HEAD), cite="景德镇 19; 淄博 6",
            needs=("name", "office", "phone", "since"), tells=(AUTHORITY,)),
        Row(event="enter", sources=("reported",), target="active", by=(HEAD, AUTHORITY), cite="景德镇 7; 淄博 6",
            tells=(OWN, HEAD), four_eyes=True),
        Row(event="replace", sources=("reported", "active"), target="replaced", by=(OWN, HEAD), cite="景德镇 19",
            needs=("reason",), tells=(AUTHORITY,)),
    ),
)  # fmt: skip


class Vendor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A service provider, its contract and its security review; the case names the system whose account it uses."""

    vendor: Line = ""
    contract: Line = ""
    review: Text = ""


VENDOR = Machine(
    name="vendor_account",
    title=("服务商账号", "Account of a vendor"),
    cite="云南 45; 国务院令第809号 36; 常德 25",
    labels={
        "reviewed": ("已作安全审查", "Reviewed"),
        "active": ("服务中", "Active"),
        "contract_end": ("协议已终止", "Contract over"),
        "disabled": ("账号已撤销，数据已删除", "Disabled, data deleted"),
    },
    finals=frozenset({"disabled"}),
    rows=(
        Row(event="review", sources=(START,), target="reviewed", by=(OWN,), cite="云南 45",
            needs=("vendor", "contract", "review"), tells=(HEAD,)),
        Row(event="activate", sources=("reviewed",), target="active", by=(HEAD,), cite="云南 45; 国务院令第809号 36",
            needs=("documents", "until"), starts=(CONTRACT,), tells=(OWN,), four_eyes=True),
        Row(event="end_contract", sources=("active",), target="contract_end", by=(OWN, HEAD, AUTHORITY, Role.WORKER),
            cite="云南 45", needs=("reason",), effects=("suspend_system",), stops=(CONTRACT,),
            tells=(OWN, HEAD, AUTHORITY)),
        Row(event="disable", sources=("contract_end",), target="disabled", by=(HEAD, AUTHORITY), cite="云南 45",
            needs=("documents",), tells=(OWN, AUTHORITY)),
    ),
)  # fmt: skip


class Asset(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A data asset; the case names the entry and the system it belongs to. bytes, cost: 0 where unknown."""

    name: Line = ""
    keeper: Line = ""
    storage: Line = ""
    bytes: Annotated[int, Meta(ge=0)] = 0
    cost: Annotated[int, Meta(ge=0)] = 0


ASSET = Machine(
    name="asset",
    title=("数据资产登记", "Registration of a data asset"),
    cite="常德 26; 德清 33",
    labels={
        "draft": ("草稿", "Draft"),
        "dept_confirm": ("部门已确认", "Confirmed by the department"),
        "registered": ("已登记", "Registered"),
        "changed": ("已变更，待登记", "Changed, to be registered"),
        "retired": ("已注销", "Retired"),
    },
    finals=frozenset({"retired"}),
    rows=(
        Row(event="draft", sources=(START,), target="draft", by=(OWN,), cite="常德 26; 德清 33",
            needs=("name", "keeper", "storage"), tells=(HEAD,)),
        Row(event="confirm", sources=("draft",), target="dept_confirm", by=(HEAD,), cite="常德 26; 德清 33",
            tells=(AUTHORITY,), four_eyes=True),
        Row(event="register", sources=("dept_confirm", "changed"), target="registered", by=(AUTHORITY,), cite="常德 26",
            needs=("filing_no",), tells=(OWN,), four_eyes=True),
        Row(event="change", sources=("registered",), target="changed", by=(OWN,), cite="常德 26; 德清 33",
            needs=("reason",), tells=(AUTHORITY,)),
        Row(event="retire", sources=("registered", "changed"), target="retired", by=(HEAD,), cite="常德 26; 德清 33",
            needs=("reason",), tells=(AUTHORITY,)),
    ),
)  # fmt: skip


def own_department(opening: Opening) -> tuple[str, str]:
    """The department whose matter it is; nobody answers."""
    department = opening.requester or opening.actor.department
    if opening.system is not None and opening.system.department != department:
        raise invalid(("system", f"{opening.system.id} belongs to {opening.system.department}"))
    return department, ""


def _owner_of_system(opening: Opening) -> tuple[str, str]:
    if opening.system is None:
        raise invalid(("system", "the system whose account the vendor uses"))
    return own_department(opening)


def _kind(machine: Machine, letters: str, form: type[msgspec.Struct]) -> Kind:
    return Kind(
        machine=machine, rules=Rules(conditions={}, guards={}), letters=letters, form=form, sides=own_department,
        responsible={},
    )  # fmt: skip


KINDS = {
    "project_gate": _kind(PROJECT, "XM", Project),
    "officer_change": _kind(OFFICER, "RY", Officer),
    "asset": _kind(ASSET, "ZC", Asset),
    "vendor_account": replace(
        _kind(VENDOR, "FW", Vendor), sides=_owner_of_system, responsible={CONTRACT: Role.REQUESTER}
    ),
}
