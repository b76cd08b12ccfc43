"""Rights of the person concerned (查阅、复制、更正、删除): a person asks an institution about their own data. Pure.

The law says 及时 and gives no days; the platform's own limit runs and is shown as what it is.

Source: 云南 24; 个人信息保护法 45 (to see, to copy), 46 (to correct), 47 (to delete), 50 (answer, reason of a refusal).
"""

from typing import Literal

import msgspec

from catalog_service.cases.forms import Line, Lines, Text
from catalog_service.cases.model import Kind, Opening, Situation
from catalog_service.cases.procedures.correction import digests_differ, form_names_nobody, names_nobody
from catalog_service.directory.contract import invalid
from catalog_service.machine import START, Machine, Role, Row, Rules


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is asked for; `identity`: reference under which the person's identity was stated, never a number."""

    right: Literal["", "read", "copy", "correct", "delete"] = ""
    claim: Text = ""
    items: Lines = []
    identity: Line = ""


SOURCE = "云南 24; 个人信息保护法 45-47"
ANSWER = "个人信息保护法 50"
OPEN = ("received", "identity_verified", "assessing")
PERSON = (Role.SUBJECT,)
LIMIT = "subject_rights.answer"

MACHINE = Machine(
    name="subject_rights",
    title=("数据主体权益申请", "Request of the person concerned"),
    cite=SOURCE,
    labels={
        "received": ("已收到，待核验身份", "Received, identity to be verified"),
        "identity_verified": ("身份已核验", "Identity verified"),
        "assessing": ("审查中", "Being assessed"),
        "granted": ("已同意，待办理", "Granted, to be carried out"),
        "refused": ("不予同意", "Refused"),
        "done": ("已办结", "Done"),
        "withdrawn": ("已撤回", "Withdrawn"),
    },
    finals=frozenset({"done", "withdrawn"}),
    rows=(
        Row(event="ask", sources=(START,), target="received", by=(Role.SUBJECT, Role.PROVIDER), cite=SOURCE,
            needs=("right", "claim"), guards=("form_names_nobody",), effects=("limit_answer",), tells=(Role.PROVIDER,)),
        Row(event="verify_identity", sources=("received",), target="identity_verified", by=(Role.PROVIDER,),
            cite=ANSWER, needs=("note",), guards=("names_nobody",)),
        Row(event="assess", sources=("identity_verified",), target="assessing", by=(Role.PROVIDER,), cite=ANSWER,
            tells=PERSON),
        Row(event="grant", sources=("assessing",), target="granted", by=(Role.PROVIDER,), cite=ANSWER, tells=PERSON),
        Row(event="refuse", sources=OPEN, target="refused", by=(Role.PROVIDER,), cite=ANSWER, needs=("reason",),
            guards=("names_nobody",), effects=("end_limits",), tells=PERSON),
        Row(event="carry_out", sources=("granted",), target="done", by=(Role.PROVIDER,), cite="个人信息保护法 46",
            when="corrects", needs=("before_digest", "after_digest"), guards=("digests_differ", "names_nobody"),
            effects=("end_limits", "spread_correction"), tells=PERSON),
        Row(event="carry_out", sources=("granted",), target="done", by=(Role.PROVIDER,), cite="个人信息保护法 47",
            when="deletes", needs=("before_digest",), guards=("names_nobody",),
            effects=("end_limits", "spread_correction"), tells=PERSON),
        Row(event="carry_out", sources=("granted",), target="done", by=(Role.PROVIDER,), cite="个人信息保护法 45",
            needs=("note",), guards=("names_nobody",), effects=("end_limits",), tells=PERSON),
        Row(event="close", sources=("refused",), target="done", by=(Role.SUBJECT, Role.PROVIDER), cite=ANSWER,
            tells=PERSON),
        Row(event="withdraw", sources=(*OPEN, "granted"), target="withdrawn", by=PERSON, cite=SOURCE,
            tells=(Role.PROVIDER,)),
    ),
)  # fmt: skip


def _corrects(situation: Situation) -> bool:
    return bool(situation.case.details["right"] == "correct")


def _deletes(situation: Situation) -> bool:
    return bool(situation.case.details["right"] == "delete")


def _sides(opening: Opening) -> tuple[str, str]:
    """The person has no side; the institution is the one that holds the entry, or the one that is named."""
    provider = opening.resource.provider if opening.resource else opening.provider
    if not provider:
        raise invalid(("provider", "the institution that holds the data, or the entry that they stand in"))
    return "", provider


KIND = Kind(
    machine=MACHINE,
    rules=Rules(
        conditions={"corrects": _corrects, "deletes": _deletes},
        guards={
            "form_names_nobody": form_names_nobody,
            "names_nobody": names_nobody,
            "digests_differ": digests_differ,
        },
    ),
    letters="QY",
    form=Form,
    sides=_sides,
    responsible={},
)
