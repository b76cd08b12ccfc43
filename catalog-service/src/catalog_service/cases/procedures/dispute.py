"""Dispute about sharing (共享争议). Pure.

The two sides negotiate, then the authority coordinates, then the government decides; between levels or regions the
authority above both coordinates. A dispute mostly follows a refused application; a decision for sharing is carried out
on that application.

Source: 国务院令第809号 28; 常德 11 (the city's authority has the last word).
"""

import msgspec

from catalog_service.cases.forms import Text
from catalog_service.cases.model import Kind, Opening, Situation
from catalog_service.cases.procedures.route import AUTHORITIES, GOVERNMENT, check_not_own_cause, check_result, route
from catalog_service.directory.contract import invalid
from catalog_service.machine import START, Machine, Role, Row, Rules
from runtime.errors import Refusal
from wire import codes

SHARE, REFUSE = "share", "refuse"
OPEN = ("raised", "negotiating")
SIDES = (Role.REQUESTER, Role.PROVIDER)
COORDINATORS = {"authority_coordination": Role.AUTHORITY, "upper_coordination": Role.UPPER_AUTHORITY}
DECREE = "国务院令第809号 28"


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the two do not agree about, and what the side that raises it wants."""

    matter: Text = ""
    wanted: Text = ""
    reason: Text = ""


def _coordination(state: str, coordinator: Role) -> tuple[Row, ...]:
    """What the authority that coordinates may do; it is another one where the dispute crosses levels."""
    return (
        Row(event="remit", sources=(state,), target="negotiating", by=(coordinator,), cite=DECREE, needs=("reason",),
            tells=SIDES),
        Row(event="settle", sources=(state,), target="closed", by=(coordinator,), cite=DECREE, needs=("result", "note"),
            guards=("not_own_cause", "result_is_plain"), effects=("note_decision", "share_after_all"), tells=SIDES,
            four_eyes=True),
        Row(event="refer", sources=(state,), target="government_decision", by=(coordinator,), cite=DECREE,
            needs=("reason",), when="government_decides", tells=(Role.GOVERNMENT, *SIDES)),
        Row(event="decide", sources=(state,), target="closed", by=(coordinator,), cite="常德 11",
            needs=("result", "reason"), when="authority_decides", guards=("not_own_cause", "result_is_plain"),
            effects=("note_decision", "share_after_all"), tells=SIDES, four_eyes=True),
    )  # fmt: skip


MACHINE = Machine(
    name="dispute",
    title=("共享争议", "Dispute about sharing"),
    cite="国务院令第809号 28; 常德 11",
    labels={
        "raised": ("已提出，待答复", "Raised, answer due"),
        "negotiating": ("协商中", "Under negotiation"),
        "authority_coordination": ("主管部门协调中", "Coordinated by the authority"),
        "upper_coordination": ("共同上级主管部门协调中", "Coordinated by the authority above both"),
        "government_decision": ("待政府决定", "Before the government"),
        "closed": ("已办结", "Closed"),
        "withdrawn": ("已撤回", "Withdrawn"),
    },
    finals=frozenset({"closed", "withdrawn"}),
    rows=(
        Row(event="raise", sources=(START,), target="raised", by=SIDES, cite=DECREE,
            needs=("matter", "wanted", "reason"), guards=("was_refused",), tells=(*SIDES, Role.AUTHORITY)),
        Row(event="answer", sources=("raised",), target="negotiating", by=SIDES, cite=DECREE, needs=("reason",),
            guards=("is_other_side",), tells=SIDES),
        Row(event="respond", sources=("negotiating",), target="negotiating", by=SIDES, cite=DECREE, needs=("reason",),
            tells=SIDES),
        Row(event="agree", sources=OPEN, target="closed", by=(Role.PROVIDER,), cite=DECREE, needs=("note",),
            effects=("reconsider",), tells=(Role.REQUESTER, Role.AUTHORITY)),
        Row(event="escalate", sources=OPEN, target="upper_coordination", by=SIDES, cite=DECREE, needs=("reason",),
            when="crosses_levels", tells=(Role.UPPER_AUTHORITY, *SIDES)),
        Row(event="escalate", sources=OPEN, target="authority_coordination", by=SIDES,
            cite="国务院令第809号 28; 常德 11", needs=("reason",), when="stays_on_a_level",
            tells=(Role.AUTHORITY, *SIDES)),
        *(row for state, coordinator in COORDINATORS.items() for row in _coordination(state, coordinator)),
        Row(event="decide", sources=("government_decision",), target="closed", by=(Role.GOVERNMENT,), cite=DECREE,
            needs=("result", "documents"), guards=("not_own_cause", "result_is_plain"),
            effects=("note_decision", "share_after_all"), tells=(*SIDES, Role.AUTHORITY), four_eyes=True),
        Row(event="withdraw", sources=(*OPEN, *COORDINATORS), target="withdrawn", by=SIDES, cite=DECREE,
            guards=("is_own",), tells=(*SIDES, Role.AUTHORITY)),
    ),
)  # fmt: skip


def _crosses_levels(situation: Situation) -> bool:
    """跨层级、跨地域 (国务院令第809号 28)."""
    one, other = situation.requester, situation.provider
    return one is not None and other is not None and (one.level, one.region) != (other.level, other.region)


def _government_decides(situation: Situation) -> bool:
    return GOVERNMENT in route(situation, "share.dispute")


def _authority_decides(situation: Situation) -> bool:
    """协商未果的,由市公共数据主管部门协调处理 (常德 11 ¶3)."""
    instances = route(situation, "share.dispute")
    return bool(AUTHORITIES & instances) and GOVERNMENT not in instances


def _was_refused(situation: Situation) -> None:
    """Whoever disputes an application waits for its answer first; a dispute without one is about something else."""
    parent = situation.parent
    if parent is not None and (parent.kind, parent.state) != ("application", "refused"):
        raise Refusal(codes.UNFIT_PARENT, f"{parent.number} is {parent.kind} {parent.state}", state=parent.state)


def _is_other_side(situation: Situation) -> None:
    if situation.actor.department == situation.case.maker_department:
        raise Refusal(codes.NOT_YOUR_STEP, "the other side answers", article=DECREE)


def _is_own(situation: Situation) -> None:
    if situation.actor.department != situation.case.maker_department:
        raise Refusal(codes.NOT_YOUR_STEP, "the side that raised it withdraws it", article=DECREE)


def _sides(opening: Opening) -> tuple[str, str]:
    """Those of the application; else who raises it, and whoever provides what is named."""
    if opening.parent is not None:
        return opening.parent.requester, opening.parent.provider
    named = opening.interface or opening.resource
    requester = opening.requester or opening.actor.department
    provider = opening.provider or (named.provider if named else "")
    if not provider or provider == requester:
        raise invalid(("provider", "the other side"))
    return requester, provider


KIND = Kind(
    machine=MACHINE,
    rules=Rules(
        conditions={
            "crosses_levels": _crosses_levels,
            "stays_on_a_level": lambda situation: not _crosses_levels(situation),
            "government_decides": _government_decides,
            "authority_decides": _authority_decides,
        },
        guards={
            "was_refused": _was_refused,
            "is_other_side": _is_other_side,
            "is_own": _is_own,
            "not_own_cause": check_not_own_cause,
            "result_is_plain": lambda situation: check_result(situation, SHARE, REFUSE),
        },
    ),
    letters="ZY",
    form=Form,
    sides=_sides,
    responsible={},
)
