"""Consent to copying (复制使用审批): sharing in any other way than by calling the interface. Pure.

A side case of an application: without it no grant that lets data be copied comes about (常德 10, 德清 15).
"""

from typing import Literal

import msgspec

from catalog_service.cases.forms import Day, Text, Wanted
from catalog_service.cases.model import Case, Kind, Opening, Situation
from catalog_service.directory.contract import invalid
from catalog_service.machine import START, Machine, Role, Row, Rules
from runtime.errors import Refusal
from wire import codes

CITE = "常德 10; 德清 15 ¶2"
OVER = frozenset({"granted", "refused", "refusal_accepted", "not_shared", "revoked", "withdrawn", "provisioning"})
"""States of an application in which there is nothing left to consent to."""


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Why calling will not do, where the copy lies, who guards it, and until when.

    method  as in the application    keeper  who answers for the copy    until  when it is destroyed, "" with the grant
    """

    method: Literal["batch", "file", "db_table"]
    why: Wanted
    place: Text = ""
    keeper: Text = ""
    until: Day = ""


MACHINE = Machine(
    name="copy_consent",
    title=("复制使用审批", "Consent to copying"),
    cite=CITE,
    labels={
        "requested": ("待主管部门审批", "Before the authority"),
        "consented": ("已同意", "Consented"),
        "refused": ("不同意", "Refused"),
        "withdrawn": ("已撤回", "Withdrawn"),
    },
    finals=frozenset({"consented", "refused", "withdrawn"}),
    rows=(
        Row(event="request", sources=(START,), target="requested", by=(Role.REQUESTER,), cite=CITE,
            needs=("method", "why"), guards=("is_of_an_application", "is_asked_for"), tells=(Role.AUTHORITY,)),
        Row(event="consent", sources=("requested",), target="consented", by=(Role.AUTHORITY,), cite=CITE,
            guards=("is_of_an_application",), effects=("let_copy",), tells=(Role.REQUESTER, Role.PROVIDER),
            four_eyes=True),
        Row(event="refuse", sources=("requested",), target="refused", by=(Role.AUTHORITY,), cite=CITE,
            needs=("reason",), effects=("do_not_let_copy",), tells=(Role.REQUESTER, Role.PROVIDER)),
        Row(event="withdraw", sources=("requested",), target="withdrawn", by=(Role.REQUESTER,), cite=CITE,
            tells=(Role.AUTHORITY,)),
    ),
)  # fmt: skip


def _application(parent: Case | None) -> Case:
    if parent is None or parent.kind != "application":
        raise invalid(("parent", "the application that is to be copied for"))
    return parent


def _is_of_an_application(situation: Situation) -> None:
    """One that still runs, and that asks for this way."""
    application = _application(situation.parent)
    method = situation.case.details["method"]
    if application.details.get("method") != method:
        raise invalid(("details/method", f"{application.number} does not ask for {method}"))
    check_open(application)


def check_open(application: Case) -> None:
    """Raise Refusal(CONFLICT) if there is nothing left to consent to."""
    if application.state in OVER:
        raise Refusal(codes.CONFLICT, f"{application.number} is {application.state}", state=application.state)


def _is_asked_for(situation: Situation) -> None:
    """Elsewhere batch and files need no more than the interface does (国务院令第809号 22, 景德镇 11, 云南 28)."""
    if not situation.law.value("channel.copy_consent_by").value:
        raise Refusal(codes.CONFLICT, f"{situation.law.profile.title} asks for no consent to copying", article=CITE)


def _sides(opening: Opening) -> tuple[str, str]:
    application = _application(opening.parent)
    return application.requester, application.provider


KIND = Kind(
    machine=MACHINE,
    rules=Rules(conditions={}, guards={"is_of_an_application": _is_of_an_application, "is_asked_for": _is_asked_for}),
    letters="FZ",
    form=Form,
    sides=_sides,
    responsible={},
)
