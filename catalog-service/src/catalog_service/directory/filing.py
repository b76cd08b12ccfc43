"""Filings: how a catalog entry comes to be published, changes, rests and ends (requirements B.1). Pure.

The live entry is a `Resource`; a filing is the work on it: one per code, with its own text. While a change is worked on
or reviewed, the old text stays live. Who has taken a submission up reviews it: `submitted` becomes `authority_review`,
and both can be decided, so that taking up is a courtesy and no hurdle. That a time limit passed is told by the clock.
Source: 国务院令第809号 13-17, 27, 35; 常德 4, 9, 25, 28; 德清 9, 22; 云南 12, 13; 淄博 10.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import msgspec

from catalog_service.directory.difference import differences
from catalog_service.directory.entry import Basis, Resource
from catalog_service.directory.evidence import Evidence
from catalog_service.directory.model import Department
from catalog_service.machine import START, Machine, Role, Row
from statute.resolve import Law

TREATED_AS_UNCONDITIONAL = "treated_as_unconditional"
"""Flag: no legal ground, so it is shared unconditionally (常德 9)."""


class Narrowing(msgspec.Struct, frozen=True, kw_only=True):
    """That a department will share or open less than before, and why (常德 28, 德清 22)."""

    reason: str
    legal_basis: list[Basis]
    filing_no: str = ""


class Filing(msgspec.Struct, frozen=True, kw_only=True):
    """The work on one entry.

    text        as the department wants it            makers   clients that wrote it
    signers     clients that agreed in this round      version  number of the live version, 0 where nothing is live
    profile, profile_version, government  the law of this round, whatever is in force later
    changed_on  day of the change of law or duty that made this round necessary, "" for none
    narrowing   what was declared about sharing less   flags    what an authority should know of the text
    """

    code: str
    provider: str
    state: str
    text: Resource
    makers: list[str]
    profile: str
    profile_version: str
    government: bool
    signers: list[str] = []
    version: int = 0
    steps: int = 0
    changed_on: str = ""
    narrowing: Narrowing | None = None
    flags: list[str] = []


def has_change(filing: Filing, live: Resource) -> bool:
    """Whether a department is changing what is live."""
    return bool(filing.changed_on or filing.narrowing or differences(live, filing.text))


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything that conditions and guards look at.

    alike        what other departments already provide     subscribers  departments that hold a grant which can be used
    """

    filing: Filing
    law: Law
    evidence: Evidence
    provider: Department
    today: date
    live: Resource | None = None
    alike: Sequence[object] = ()
    subscribers: frozenset[str] = frozenset()


LABELS: Mapping[str, tuple[str, str]] = {
    "draft": ("草稿", "draft"),
    "dept_review": ("部门审核", "with the department's head"),
    "submitted": ("已报送", "submitted to the authority"),
    "authority_review": ("主管部门审核", "under review by the authority"),
    "upper_review": ("上级审定", "with the authority above"),
    "returned": ("退回补正", "returned with a list of defects"),
    "rejected": ("不予通过", "rejected"),
    "published": ("已发布", "published"),
    "changing": ("变更中", "being changed"),
    "suspended": ("已暂停", "suspended"),
    "withdrawn": ("已撤销", "withdrawn"),
}
REVIEW = "catalog.authority_review"
UPDATE = "catalog.update_on_change"

_PV, _PVH, _AU, _UP = Role.PROVIDER, Role.PROVIDER_HEAD, Role.AUTHORITY, Role.UPPER_AUTHORITY
_SUBSCRIBERS = Role.REQUESTER
"""In this machine the requesters are those who hold a grant on the entry; they are told, and do nothing."""
_WITH_AUTHORITY = ("submitted", "authority_review")
_COMPILED, _REVIEWED, _ABOVE = "国务院令第809号 13", "国务院令第809号 16, 云南 12, 淄博 10", "云南 12"
_UPDATED, _STOPPED = "国务院令第809号 17, 云南 13, 淄博 10", "国务院令第809号 35, 常德 25"
_COMPLETE = (
    "not_secret", "fields_complete", "assessed", "grounded", "aggregation_grounded", "no_added_conditions",
    "duplicates_seen",
)  # fmt: skip
_CHANGE_COMPLETE = (*_COMPLETE, "narrowing_declared")


def _edited(source: tuple[str, ...], target: str, event: str = "edit") -> Row:
    return Row(event=event, sources=source, target=target, by=(_PV,), cite=_COMPILED, guards=("not_secret",))


def _decided(event: str, source: tuple[str, ...], by: Role, cite: str, when: str = "") -> Row:
    """The last word before a text is live."""
    return Row(
        event=event, sources=source, target="published", by=(by,), cite=cite, when=when, effects=("publish",),
        stops=(REVIEW,), tells=(_PV, _AU), four_eyes=True, needs=() if by is _PVH else ("result",),
    )  # fmt: skip


def _returned(source: tuple[str, ...], by: Role, cite: str) -> Row:
    return Row(
        event="return", sources=source, target="returned", by=(by,), cite=cite, needs=("missing",), stops=(REVIEW,),
        effects=("reopen",), tells=(_PV,),
    )  # fmt: skip


def _rejected(target: str, when: str = "", effects: tuple[str, ...] = ()) -> Row:
    return Row(
        event="reject", sources=_WITH_AUTHORITY, target=target, by=(_AU,), cite="国务院令第809号 16", when=when,
        needs=("reason",), effects=effects, stops=(REVIEW,), tells=(_PV, _PVH), four_eyes=True,
    )  # fmt: skip


def _change_recorded(source: str, when: str = "") -> Row:
    return Row(
        event="record_change", sources=(source,), target="changing", by=(_PV, _AU), cite=_UPDATED, when=when,
        needs=("legal_basis", "changed_on"), guards=("changed_by_today",), effects=("record_change",),
        starts=(UPDATE,), tells=(_PV, _AU),
    )  # fmt: skip


def _resumed(target: str, when: str = "") -> Row:
    return Row(
        event="resume", sources=("suspended",), target=target, by=(_AU,), cite=_STOPPED, when=when, needs=("reason",),
        effects=("resume",), tells=(_PV, _SUBSCRIBERS),
    )  # fmt: skip


MACHINE = Machine(
    name="filing",
    title=("资源目录条目", "Catalog entry"),
    cite="国务院令第809号 13-17",
    labels=LABELS,
    finals=frozenset({"rejected", "withdrawn"}),
    rows=(
        _edited((START,), "draft", "create"),
        _edited(("draft",), "draft"),
        _edited(("returned",), "returned"),
        _edited(("published", "changing"), "changing"),
        Row(event="send_up", sources=("draft", "returned"), target="dept_review", by=(_PV,), cite=_COMPILED,
            when="first_time", guards=_COMPLETE, tells=(_PVH,)),
        Row(event="resubmit", sources=("changing", "returned"), target="dept_review", by=(_PV,), cite=_COMPILED,
            when="institution_decides_change", guards=_CHANGE_COMPLETE, stops=(UPDATE,), tells=(_PVH,)),
        Row(event="resubmit", sources=("changing", "returned"), target="submitted", by=(_PV,), cite=_UPDATED,
            when="live", guards=_CHANGE_COMPLETE, stops=(UPDATE,), starts=(REVIEW,), tells=(_AU,)),
        _decided("agree", ("dept_review",), _PVH, "国务院令第809号 13, 常德 4", when="institution_decides"),
        Row(event="agree", sources=("dept_review",), target="submitted", by=(_PVH,), cite=_COMPILED,
            effects=("sign",), starts=(REVIEW,), tells=(_AU,), four_eyes=True),
        _returned(("dept_review",), _PVH, _COMPILED),
        Row(event="take_up", sources=("submitted",), target="authority_review", by=(_AU,), cite=_REVIEWED),
        _returned(_WITH_AUTHORITY, _AU, _REVIEWED),
        _rejected("published", "live", ("drop_change",)),
        _rejected("rejected"),
        Row(event="pass", sources=_WITH_AUTHORITY, target="upper_review", by=(_AU,), cite=_ABOVE, when="upper_decides",
            needs=("result",), effects=("sign",), stops=(REVIEW,), tells=(_UP,), four_eyes=True),
        _decided("pass", _WITH_AUTHORITY, _AU, _REVIEWED),
        _decided("approve", ("upper_review",), _UP, _ABOVE),
        _returned(("upper_review",), _UP, _ABOVE),
        _change_recorded("published"),
        _change_recorded("changing", "no_change_recorded"),
        Row(event="extend", sources=("changing",), target="changing", by=(_AU,), cite="国务院令第809号 17",
            when="change_recorded", needs=("days", "reason"), effects=("extend",), tells=(_PV,)),
        Row(event="downgrade", sources=("published", "changing", "returned"), target="changing", by=(_PV,),
            cite="常德 9, 28; 德清 22; 国务院令第809号 27", when="live", needs=("reason", "legal_basis"),
            guards=("downgrade_filed",), effects=("declare_narrowing",), tells=(_AU, _SUBSCRIBERS)),
        Row(event="suspend", target="suspended", by=(_AU, _PV), cite=_STOPPED, when="live", needs=("reason",),
            sources=("published", "changing", "returned", "dept_review", *_WITH_AUTHORITY, "upper_review"),
            effects=("suspend",), tells=(_PV, _AU, _SUBSCRIBERS)),
        _resumed("changing", "change_pending"),
        _resumed("published"),
        Row(event="withdraw", sources=("published", "changing", "suspended"), target="withdrawn", by=(_PV,),
            cite="国务院令第809号 27", needs=("reason", "filing_no"), guards=("negotiated",), effects=("withdraw",),
            tells=(_SUBSCRIBERS, _AU)),
    ),
)  # fmt: skip
"""B.1, row by row. An entry that is live rests in `published`, `changing` or `suspended`, or is under review."""
