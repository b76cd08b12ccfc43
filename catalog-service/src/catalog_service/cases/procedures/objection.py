"""Objection (共享属性异议): an entry is not shared in the way that the law wants. Pure.

The authority against an institution: they negotiate, else the government decides. One institution against another: they
negotiate, the authority mediates, the government decides (云南 27). A profile without such a route takes the one for
disputes (国务院令第809号 28; 常德 11, where the authority has the last word).
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from catalog_service.cases.forms import Ground, Text
from catalog_service.cases.model import Kind, Opening, Situation
from catalog_service.cases.procedures.route import AUTHORITIES, GOVERNMENT, check_not_own_cause, check_result, route
from catalog_service.directory.contract import invalid
from catalog_service.machine import START, Machine, Role, Row, Rules
from wire import scopes

CHANGE, KEEP = "change", "keep"
OPEN = ("raised", "negotiating")
SIDES = (Role.REQUESTER, Role.PROVIDER)


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the entry should be shared, and why; `condition`: under which it should be, in the objector's view."""

    wanted: Literal["", "unconditional", "conditional", "none"] = ""
    reason: Text = ""
    condition: Text = ""
    legal_basis: Annotated[list[Ground], Meta(max_length=20)] = []


MACHINE = Machine(
    name="objection",
    title=("共享属性异议", "Objection to a share attribute"),
    cite="云南 27; 国务院令第809号 28",
    labels={
        "raised": ("已提出，待答复", "Raised, answer due"),
        "negotiating": ("协商中", "Under negotiation"),
        "authority_mediation": ("主管部门协调中", "Mediated by the authority"),
        "government_decision": ("待本级政府决定", "Before the government"),
        "decided": ("已决定，待执行", "Decided, to be enforced"),
        "agreed": ("已达成一致", "Agreed"),
        "enforced": ("已执行", "Enforced"),
        "withdrawn": ("已撤回", "Withdrawn"),
    },
    finals=frozenset({"agreed", "enforced", "withdrawn"}),
    rows=(
        Row(event="raise", sources=(START,), target="raised", by=(Role.REQUESTER, Role.AUTHORITY), cite="云南 27",
            needs=("wanted", "reason"), guards=("wants_another_attribute",), tells=(Role.PROVIDER, Role.AUTHORITY)),
        Row(event="answer", sources=OPEN, target="negotiating", by=(Role.PROVIDER,), cite="云南 27",
            needs=("reason",), guards=("attribute_has_basis",), tells=(Role.REQUESTER, Role.AUTHORITY)),
        Row(event="respond", sources=("negotiating",), target="negotiating", by=(Role.AUTHORITY,), cite="云南 27",
            needs=("reason",), when="authority_objects", tells=(Role.PROVIDER,)),
        Row(event="respond", sources=("negotiating",), target="negotiating", by=(Role.REQUESTER,), cite="云南 27",
            needs=("reason",), tells=(Role.PROVIDER,)),
        Row(event="agree", sources=OPEN, target="agreed", by=(Role.PROVIDER,), cite="云南 27",
            effects=("change_share",), tells=(Role.REQUESTER, Role.AUTHORITY)),
        Row(event="escalate", sources=OPEN, target="government_decision", by=(Role.AUTHORITY,), cite="云南 27",
            needs=("reason",), when="authority_objects", tells=(Role.GOVERNMENT, Role.PROVIDER)),
        Row(event="escalate", sources=OPEN, target="authority_mediation", by=SIDES, cite="云南 27; 国务院令第809号 28",
            needs=("reason",), when="authority_mediates", tells=(Role.AUTHORITY, *SIDES)),
        Row(event="remit", sources=("authority_mediation",), target="negotiating", by=(Role.AUTHORITY,),
            cite="国务院令第809号 28", needs=("reason",), tells=SIDES),
        Row(event="settle", sources=("authority_mediation",), target="agreed", by=(Role.AUTHORITY,),
            cite="云南 27; 国务院令第809号 28", needs=("note",), guards=("not_own_cause",),
            effects=("change_share",), tells=SIDES, four_eyes=True),
        Row(event="refer", sources=("authority_mediation",), target="government_decision", by=(Role.AUTHORITY,),
            cite="云南 27; 国务院令第809号 28", needs=("reason",), when="government_decides",
            tells=(Role.GOVERNMENT, *SIDES)),
        Row(event="decide", sources=("authority_mediation",), target="decided", by=(Role.AUTHORITY,), cite="常德 11",
            needs=("result", "reason"), when="authority_decides", guards=("not_own_cause", "result_is_plain"),
            effects=("note_decision",), tells=SIDES, four_eyes=True),
        Row(event="decide", sources=("government_decision",), target="decided", by=(Role.GOVERNMENT,),
            cite="云南 27; 国务院令第809号 28", needs=("result", "documents"),
            guards=("not_own_cause", "result_is_plain"), effects=("note_decision",), tells=(*SIDES, Role.AUTHORITY),
            four_eyes=True),
        Row(event="enforce", sources=("decided",), target="enforced", by=(Role.PROVIDER, Role.AUTHORITY),
            cite="云南 27; 国务院令第809号 17", effects=("change_share",), tells=(*SIDES, Role.AUTHORITY)),
        Row(event="withdraw", sources=OPEN, target="withdrawn", by=(Role.AUTHORITY,), cite="云南 27",
            when="authority_objects", tells=(Role.PROVIDER,)),
        Row(event="withdraw", sources=(*OPEN, "authority_mediation"), target="withdrawn", by=(Role.REQUESTER,),
            cite="云南 27", tells=(Role.PROVIDER, Role.AUTHORITY)),
    ),
)  # fmt: skip


def _authority_objects(situation: Situation) -> bool:
    """A party cannot mediate: what the authority itself objects to goes to the government (云南 27 ¶2)."""
    return not situation.case.requester


def _instances(situation: Situation) -> frozenset[str]:
    return route(situation, "share.attribute_objection.institution_vs_institution", "share.dispute")


def _government_decides(situation: Situation) -> bool:
    return GOVERNMENT in _instances(situation)


def _authority_decides(situation: Situation) -> bool:
    """协商未果的,由市公共数据主管部门协调处理 (常德 11 ¶3)."""
    return AUTHORITIES & _instances(situation) != frozenset() and not _government_decides(situation)


def _wants_another_attribute(situation: Situation) -> None:
    """An objection says what is wrong: another type, or another condition of the same type."""
    share = situation.resource.share if situation.resource else None
    details = situation.case.details
    if share and (details["wanted"], details["condition"] or share.condition) == (share.type, share.condition):
        raise invalid(("details/wanted", f"{situation.case.resource} is shared in that way already"))


def _attribute_has_basis(situation: Situation) -> None:
    """Whoever keeps data back names the law for it, of a rank that may say so (国务院令第809号 14; 云南 27 ¶1)."""
    kept = situation.resource.share.type if situation.resource else "unconditional"
    allowed = situation.law.ranks(f"catalog.basis_required.{kept}") if kept != "unconditional" else ()
    if allowed and not any(basis.rank in allowed for basis in situation.evidence.legal_basis):
        raise invalid(("legal_basis", f"one of the ranks {', '.join(sorted(allowed))}"))


def _sides(opening: Opening) -> tuple[str, str]:
    """The authority objects in its own name; whoever is named as requester, or is no authority, as a department."""
    if opening.resource is None:
        raise invalid(("resource", "the entry whose share attribute is objected to"))
    provider = opening.resource.provider
    if scopes.AUTHORITY in opening.actor.offices and not opening.requester:
        return "", provider
    requester = opening.requester or opening.actor.department
    if requester == provider:
        raise invalid(("requester", "a department changes its own entry, it does not object to it"))
    return requester, provider


KIND = Kind(
    machine=MACHINE,
    rules=Rules(
        conditions={
            "authority_objects": _authority_objects,
            "authority_mediates": lambda situation: not _authority_objects(situation),
            "authority_decides": _authority_decides,
            "government_decides": _government_decides,
        },
        guards={
            "wants_another_attribute": _wants_another_attribute,
            "attribute_has_basis": _attribute_has_basis,
            "not_own_cause": check_not_own_cause,
            "result_is_plain": lambda situation: check_result(situation, CHANGE, KEEP),
        },
    ),
    letters="YY",
    form=Form,
    sides=_sides,
    responsible={},
)
