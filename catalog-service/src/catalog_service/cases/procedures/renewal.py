"""Renewal (续期) of a grant: the same permission for another term, handled by somebody who can be named. Pure.

What the grant allows stays as it was approved; who wants more applies anew. Whoever had to agree to the grant agrees to
its renewal. Source: 国务院令第809号 20 (使用时限), 21; 德清 14; A.3 share.grant_term_months.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from catalog_service.cases.forms import Text
from catalog_service.cases.guards import basis_allowed, incomplete_is_no_ground
from catalog_service.cases.model import Kind, Opening, Situation
from catalog_service.cases.procedures import sharing
from catalog_service.directory.contract import invalid
from catalog_service.directory.model import check_active
from catalog_service.grants.model import check_shared, renewed, told
from catalog_service.machine import START, Machine, Role, Row, Rules
from runtime.errors import Refusal
from wire import codes

REPLY, OPEN_REPLY = "share.conditional.reply", "share.unconditional.reply"
REPLIES = (REPLY, OPEN_REPLY)
SIDES = (Role.REQUESTER, Role.PROVIDER)
ASKING, SIGNED = "国务院令第809号 20 ¶2", "国务院令第809号 20"
IN_TIME, TOLD = "国务院令第809号 21 ¶1", "国务院令第809号 21 ¶2"


class Form(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """For how many months (0: the usual term), and what the use has come to."""

    term_months: Annotated[int, Meta(ge=0, le=120)] = 0
    use: Text = ""


MACHINE = Machine(
    name="renewal",
    title=("授权续期", "Renewal of a grant"),
    cite=ASKING,
    labels={
        "submitted": ("已提交，待答复", "Submitted"),
        "reply_sign": ("待提供部门负责人签批", "Before the provider's head"),
        "authority_review": ("主管部门审核中", "With the authority"),
        "renewed": ("已续期", "Renewed"),
        "refused": ("不予续期", "Refused"),
        "withdrawn": ("已撤回", "Withdrawn"),
    },
    finals=frozenset({"renewed", "refused", "withdrawn"}),
    rows=(
        Row(event="apply", sources=(START,), target="renewed", by=(Role.REQUESTER,), cite="常德 11 ¶1; 景德镇 10 ¶1",
            when="opens_at_once", guards=("is_renewable",), effects=("renew",), tells=SIDES),
        Row(event="apply", sources=(START,), target="authority_review", by=(Role.REQUESTER,), cite="德清 14 ¶1",
            when="authority_alone", guards=("is_renewable",), effects=("be_the_only_one",), starts=(OPEN_REPLY,),
            tells=(Role.AUTHORITY,)),
        Row(event="apply", sources=(START,), target="submitted", by=(Role.REQUESTER,), cite=ASKING,
            when="is_unconditional", guards=("is_renewable",), effects=("be_the_only_one",), starts=(OPEN_REPLY,),
            tells=(Role.PROVIDER,)),
        Row(event="apply", sources=(START,), target="submitted", by=(Role.REQUESTER,), cite=ASKING,
            guards=("is_renewable",), effects=("be_the_only_one",), starts=(REPLY,), tells=(Role.PROVIDER,)),
        Row(event="agree", sources=("submitted",), target="reply_sign", by=(Role.PROVIDER,), cite=SIGNED,
            when="reply_is_signed", guards=("is_renewable",), effects=("take_reply", "note_answer"),
            tells=(Role.PROVIDER_HEAD,)),
        Row(event="agree", sources=("submitted",), target="authority_review", by=(Role.PROVIDER,), cite="德清 14 ¶1",
            when="authority_decides_too", guards=("is_renewable",), effects=("take_reply", "note_answer"),
            tells=(Role.AUTHORITY,)),
        Row(event="agree", sources=("submitted",), target="renewed", by=(Role.PROVIDER,), cite=IN_TIME,
            guards=("is_renewable",), effects=("take_reply", "renew"), stops=REPLIES, tells=SIDES, four_eyes=True),
        Row(event="refuse", sources=("submitted",), target="reply_sign", by=(Role.PROVIDER,), cite=f"{SIGNED}, 21 ¶2",
            needs=("reason",), when="refusal_is_signed", guards=("basis_allowed", "incomplete_is_no_ground"),
            effects=("take_refusal", "note_answer"), tells=(Role.PROVIDER_HEAD,)),
        Row(event="refuse", sources=("submitted",), target="refused", by=(Role.PROVIDER,), cite=TOLD,
            needs=("reason",), when="may_be_refused", guards=("basis_allowed", "incomplete_is_no_ground"),
            effects=("take_refusal", "report_refusal"), stops=REPLIES, tells=(Role.REQUESTER,)),
        Row(event="refuse", sources=("authority_review",), target="refused", by=(Role.AUTHORITY,), cite="德清 12, 14",
            needs=("reason",), when="may_be_refused", guards=("basis_allowed", "incomplete_is_no_ground"),
            effects=("take_refusal", "report_refusal"), stops=REPLIES, tells=SIDES, four_eyes=True),
        Row(event="confirm", sources=("reply_sign",), target="refused", by=(Role.PROVIDER_HEAD,),
            cite=f"{SIGNED}, 21 ¶2", when="refusal_is_proposed", effects=("report_refusal",), stops=REPLIES,
            tells=SIDES, four_eyes=True),
        Row(event="confirm", sources=("reply_sign",), target="authority_review", by=(Role.PROVIDER_HEAD,),
            cite=f"{SIGNED}; 德清 14", when="authority_decides_too", guards=("is_renewable",),
            effects=("note_answer",), tells=(Role.AUTHORITY,), four_eyes=True),
        Row(event="confirm", sources=("reply_sign",), target="renewed", by=(Role.PROVIDER_HEAD,),
            cite=f"{SIGNED}, 21 ¶1", guards=("is_renewable",), effects=("renew",), stops=REPLIES, tells=SIDES,
            four_eyes=True),
        Row(event="send_back", sources=("reply_sign",), target="submitted", by=(Role.PROVIDER_HEAD,), cite=SIGNED,
            needs=("reason",), effects=("forget_reply",), tells=(Role.PROVIDER,)),
        Row(event="approve", sources=("authority_review",), target="renewed", by=(Role.AUTHORITY,), cite="德清 14 ¶1",
            guards=("is_renewable",), effects=("take_reply", "renew"), stops=REPLIES, tells=SIDES, four_eyes=True),
        Row(event="withdraw", sources=("submitted", "reply_sign", "authority_review"), target="withdrawn",
            by=(Role.REQUESTER,), cite=ASKING, tells=(Role.PROVIDER,)),
    ),
)  # fmt: skip


def months(situation: Situation) -> int:
    """As replied, as asked for, or the usual term."""
    asked = situation.case.details.get("term_months", 0)
    return int(sharing.terms(situation).get("term_months") or asked or sharing.default_months(situation))


def _is_renewable(situation: Situation) -> None:
    """A grant that stands and has an end, on an entry that is shared: what was negotiated (常德 11) or given masked for
    an event (景德镇 9) is applied for anew. Nobody gives longer than was asked for.
    """
    grant = situation.grant
    if grant is None:
        raise invalid(("grant", "the grant that is to be renewed"))
    check_active(grant, f"grant {grant.id}")
    sharing.is_usable(situation)
    sharing.is_shared(situation)
    check_shared(sharing.resource_of(situation), told(grant.mode, sharing.interface_of(situation)))
    if sharing.way(situation) == "negotiated":
        raise Refusal(codes.NOT_SHARED, f"resource {situation.case.resource}", article="常德 11 ¶3")
    asked = situation.case.details.get("term_months", 0)
    if asked and months(situation) > asked:
        raise invalid(("term_months", f"{asked} were asked for"))
    renewed(grant, months(situation), situation.at)


def _sides(opening: Opening) -> tuple[str, str]:
    if opening.grant is None or opening.interface is None:
        raise invalid(("grant", "the grant that is to be renewed"))
    return opening.grant.department, opening.interface.provider


KIND = Kind(
    machine=MACHINE,
    rules=Rules(
        conditions={
            "opens_at_once": lambda situation: sharing.way(situation) == "at_once",
            "authority_alone": lambda situation: sharing.way(situation) == "by_authority",
            "is_unconditional": sharing.is_unconditional,
            "reply_is_signed": sharing.reply_is_signed,
            "authority_decides_too": sharing.authority_decides_too,
            "refusal_is_signed": sharing.refusal_is_signed,
            "refusal_is_proposed": sharing.refusal_is_proposed,
            "may_be_refused": sharing.may_be_refused,
        },
        guards={
            "is_renewable": _is_renewable,
            "basis_allowed": basis_allowed,
            "incomplete_is_no_ground": incomplete_is_no_ground,
        },
    ),
    letters="XS",
    form=Form,
    sides=_sides,
    responsible=dict.fromkeys(REPLIES, Role.PROVIDER),
)
