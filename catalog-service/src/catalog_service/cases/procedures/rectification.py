"""Rectification (整改): a department that does not do its duty is told to put it right by a day. Pure.

Not done: it is made known (通报) by the authority or, where the local rule says so, by the government; then it goes up.

Source: 国务院令第809号 39-41; 景德镇 21; 云南 47; 常德 28.
"""

from typing import Annotated, cast

import msgspec
from msgspec import Meta

from catalog_service.cases.forms import Line, Paper, Text
from catalog_service.cases.model import Kind, Opening, Situation
from catalog_service.cases.procedures.deadline import check_over, check_reported
from catalog_service.cases.procedures.route import check_not_own_cause
from catalog_service.directory.contract import invalid
from catalog_service.machine import START, Machine, Role, Row, Rules

RECTIFICATION = "rectification"
DECREE = "国务院令第809号 39, 40, 41"


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The duty that was broken, in the words of the rule in force, and what was found."""

    breach: Line = ""
    finding: Text = ""
    documents: Annotated[list[Paper], Meta(max_length=20)] = []


OVERSEERS = (Role.AUTHORITY, Role.UPPER_AUTHORITY, Role.GOVERNMENT)
CONCERNED = (Role.PROVIDER, Role.PROVIDER_HEAD)
UNMENDED = ("notice_served", "overdue", "circulated", "escalated")
BY_GOVERNMENT = "提请本级政府通报批评"

MACHINE = Machine(
    name="rectification",
    title=("整改", "Rectification"),
    cite="国务院令第809号 39, 40, 41; 景德镇 21; 云南 47; 常德 28",
    labels={
        "opened": ("已立案", "Opened"),
        "notice_served": ("已责令限期整改", "Told to put it right"),
        "rectified": ("已整改", "Put right"),
        "overdue": ("逾期未整改", "Overdue"),
        "circulated": ("已通报", "Made known"),
        "escalated": ("已上报", "Gone up"),
        "closed": ("已办结", "Closed"),
    },
    finals=frozenset({"closed"}),
    rows=(
        Row(event="open", sources=(START,), target="opened", by=OVERSEERS, cite=DECREE, needs=("breach", "finding"),
            guards=("not_own_cause", "breach_is_listed")),
        Row(event="serve", sources=("opened", "notice_served"), target="notice_served", by=OVERSEERS, cite=DECREE,
            needs=("reason", "until"), effects=("note_deadline",), starts=(RECTIFICATION,), tells=CONCERNED),
        *(
            Row(event="report", sources=(state,), target=state, by=CONCERNED, cite="云南 47", needs=("result",),
                effects=("note_report",), stops=(RECTIFICATION,), tells=OVERSEERS)
            for state in UNMENDED
        ),
        Row(event="confirm", sources=UNMENDED, target="rectified", by=OVERSEERS, cite=DECREE, needs=("note",),
            guards=("not_own_cause", "was_reported"), tells=CONCERNED),
        Row(event="mark_overdue", sources=("notice_served",), target="overdue", by=(*OVERSEERS, Role.WORKER),
            cite="景德镇 21; 云南 47", guards=("time_is_over",), tells=(*CONCERNED, Role.AUTHORITY)),
        Row(event="circulate", sources=("overdue",), target="circulated", by=(Role.GOVERNMENT,), cite="云南 47",
            needs=("reason",), when="government_circulates", tells=(*CONCERNED, Role.AUTHORITY)),
        Row(event="circulate", sources=("overdue",), target="circulated", by=(Role.AUTHORITY, Role.UPPER_AUTHORITY),
            cite="景德镇 21", needs=("reason",), when="authority_circulates", tells=CONCERNED),
        Row(event="escalate", sources=("circulated",), target="escalated", by=(Role.AUTHORITY, Role.UPPER_AUTHORITY),
            cite="景德镇 21", needs=("reason",), tells=(Role.GOVERNMENT, *CONCERNED)),
        Row(event="close", sources=("rectified", "circulated", "escalated"), target="closed", by=OVERSEERS,
            cite=DECREE, needs=("note",), guards=("not_own_cause",), tells=CONCERNED),
    ),
)  # fmt: skip


def _government_circulates(situation: Situation) -> bool:
    """由公共数据主管部门提请本级人民政府予以通报批评 (云南 47)."""
    steps = cast("list[str] | None", situation.law.value("enforcement.steps").value)
    return BY_GOVERNMENT in (steps or ())


def _breach_is_listed(situation: Situation) -> None:
    """Where the rule in force lists what is a breach, nothing else is one."""
    listed = cast("list[str] | None", situation.law.value("enforcement.watch").value)
    if listed and situation.case.details["breach"] not in listed:
        raise invalid(("details/breach", f"one of {', '.join(listed)}"))


def _sides(opening: Opening) -> tuple[str, str]:
    """The department concerned answers; nobody asks."""
    if not opening.provider:
        raise invalid(("provider", "the department that has to put it right"))
    return "", opening.provider


KIND = Kind(
    machine=MACHINE,
    rules=Rules(
        conditions={
            "government_circulates": _government_circulates,
            "authority_circulates": lambda situation: not _government_circulates(situation),
        },
        guards={
            "breach_is_listed": _breach_is_listed,
            "not_own_cause": check_not_own_cause,
            "was_reported": check_reported,
            "time_is_over": check_over,
        },
    ),
    letters="ZG",
    form=Form,
    sides=_sides,
    responsible={RECTIFICATION: Role.PROVIDER},
)
