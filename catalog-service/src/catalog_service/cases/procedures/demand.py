"""Demand (数据需求) for data that the platform does not have yet. Pure.

Where the local rule says so, a demand goes straight to the department that the requester names (常德 12); else the
authority first looks whether the data are there already and names their source (数源部门). A department that is not the
source says so, and the authority names another: how often is counted. Reply and supply are two limits.

Source: 常德 12, 国务院令第809号 19 (source department), 20 (matching of supply and demand), 云南 28.
"""

import msgspec

from catalog_service.cases.forms import Line, Lines, Text
from catalog_service.cases.guards import basis_allowed
from catalog_service.cases.model import Case, Kind, Opening, Situation
from catalog_service.directory.contract import invalid
from catalog_service.directory.entry import Cycle, Resource
from catalog_service.directory.model import check_active
from catalog_service.grants.model import check_shared
from catalog_service.machine import START, Machine, Role, Row, Rules


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wanted.

    title  name of the data    purpose  履职需要    basis  使用依据    scene  应用场景 (云南 28)    items  数据项
    """

    title: Line = ""
    purpose: Text = ""
    basis: Text = ""
    scene: Text = ""
    items: Lines = []
    update_cycle: Cycle | None = None


REPLY, FULFIL = "demand.reply", "demand.fulfil"
ASKED = ("dispatched", "replying")
OPEN = ("submitted", *ASKED, "collecting", "cannot_meet", "coordination")

MACHINE = Machine(
    name="demand",
    title=("数据需求", "Demand for data not yet on the platform"),
    cite="常德 12; 国务院令第809号 19, 20; 云南 28",
    labels={
        "submitted": ("待匹配", "To be matched"),
        "dispatched": ("已派发数源部门", "Dispatched to a source"),
        "replying": ("数源已确认，待答复", "Source confirmed, reply due"),
        "collecting": ("编目汇聚中", "Being catalogued and collected"),
        "cannot_meet": ("不能满足", "Cannot be met"),
        "coordination": ("主管部门协调中", "Under coordination"),
        "matched_existing": ("已匹配现有目录", "Matched with an existing entry"),
        "fulfilled": ("已满足", "Fulfilled"),
        "unmet": ("未能满足，已接受", "Not met, accepted"),
        "decided": ("协调决定不予提供", "Coordination decided against it"),
        "withdrawn": ("已撤回", "Withdrawn"),
    },
    finals=frozenset({"matched_existing", "fulfilled", "unmet", "decided", "withdrawn"}),
    rows=(
        Row(event="submit", sources=(START,), target="dispatched", by=(Role.REQUESTER,), cite="常德 12",
            needs=("title", "purpose"), when="asked_directly", starts=(REPLY,), tells=(Role.PROVIDER,)),
        Row(event="submit", sources=(START,), target="submitted", by=(Role.REQUESTER,),
            cite="国务院令第809号 20; 云南 28", needs=("title", "purpose"), tells=(Role.AUTHORITY,)),
        Row(event="match_existing", sources=("submitted", *ASKED), target="matched_existing", by=(Role.AUTHORITY,),
            cite="国务院令第809号 20", needs=("resource",), effects=("link_match",),
            tells=(Role.REQUESTER, Role.PROVIDER)),
        Row(event="dispatch", sources=("submitted", "coordination"), target="dispatched", by=(Role.AUTHORITY,),
            cite="国务院令第809号 19", needs=("department",), effects=("name_source",), starts=(REPLY,),
            tells=(Role.PROVIDER, Role.REQUESTER)),
        Row(event="confirm_source", sources=("dispatched",), target="replying", by=(Role.PROVIDER,),
            cite="国务院令第809号 19", tells=(Role.REQUESTER,)),
        Row(event="not_source", sources=ASKED, target="submitted", by=(Role.PROVIDER,), cite="国务院令第809号 19",
            needs=("reason",), stops=(REPLY,), tells=(Role.AUTHORITY, Role.REQUESTER)),
        Row(event="can_meet", sources=ASKED, target="collecting", by=(Role.PROVIDER,), cite="常德 12",
            needs=("note",), stops=(REPLY,), starts=(FULFIL,), tells=(Role.REQUESTER,)),
        Row(event="cannot_meet", sources=(*ASKED, "collecting"), target="cannot_meet", by=(Role.PROVIDER,),
            cite="常德 12", needs=("reason",), stops=(REPLY, FULFIL), tells=(Role.REQUESTER, Role.AUTHORITY)),
        Row(event="refuse", sources=(*ASKED, "collecting"), target="cannot_meet", by=(Role.PROVIDER,), cite="常德 12",
            needs=("reason",), guards=("basis_allowed",), stops=(REPLY, FULFIL),
            tells=(Role.REQUESTER, Role.AUTHORITY)),
        Row(event="fulfil", sources=("collecting",), target="fulfilled", by=(Role.PROVIDER,), cite="常德 12",
            needs=("resource",), effects=("link_supply",),
            stops=(FULFIL,), tells=(Role.REQUESTER,)),
        Row(event="ask_coordination", sources=("cannot_meet",), target="coordination", by=(Role.REQUESTER,),
            cite="云南 28; 国务院令第809号 20", needs=("reason",), tells=(Role.AUTHORITY, Role.PROVIDER)),
        Row(event="accept", sources=("cannot_meet",), target="unmet", by=(Role.REQUESTER,), cite="常德 12",
            tells=(Role.PROVIDER,)),
        Row(event="order_supply", sources=("coordination",), target="collecting", by=(Role.AUTHORITY,), cite="云南 28",
            needs=("note",), starts=(FULFIL,), tells=(Role.PROVIDER, Role.REQUESTER)),
        Row(event="decide", sources=("coordination",), target="decided", by=(Role.AUTHORITY,), cite="云南 28",
            needs=("reason",), tells=(Role.REQUESTER, Role.PROVIDER)),
        Row(event="withdraw", sources=OPEN, target="withdrawn", by=(Role.REQUESTER,), cite="国务院令第809号 20",
            tells=(Role.PROVIDER, Role.AUTHORITY)),
    ),
)  # fmt: skip


def _asked_directly(situation: Situation) -> bool:
    """The requester names a source, and the rule in force sends the demand there (常德 12)."""
    route = situation.law.value("demand.route").value
    return route == "platform_to_provider" and situation.case.provider != ""


def check_match(code: str, resource: Resource | None) -> Resource:
    """Only what stands in the catalog, and may be used, answers a demand."""
    if resource is None:
        raise invalid(("resource", f"there is no published entry {code}"))
    check_active(resource, f"entry {code}")
    return resource


def check_supply(code: str, resource: Resource | None, case: Case) -> Resource:
    """汇聚、共享 (常德 12): the source's own entry, published, and one of those that are shared."""
    published = check_match(code, resource)
    if published.provider != case.provider:
        raise invalid(("resource", f"{code} belongs to {published.provider}, not to {case.provider}"))
    check_shared(published, published.share.mode)
    return published


def _sides(opening: Opening) -> tuple[str, str]:
    """Who wants the data, and whom they are wanted of, if the requester knows."""
    requester = opening.requester or opening.actor.department
    if opening.provider == requester:
        raise invalid(("provider", "another department's data are demanded"))
    return requester, opening.provider


KIND = Kind(
    machine=MACHINE,
    rules=Rules(conditions={"asked_directly": _asked_directly}, guards={"basis_allowed": basis_allowed}),
    letters="XQ",
    form=Form,
    sides=_sides,
    responsible={REPLY: Role.PROVIDER, FULFIL: Role.PROVIDER},
)
