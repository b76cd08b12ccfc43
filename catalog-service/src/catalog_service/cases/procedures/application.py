"""Sharing application (共享申请): who asks whom for which interface, what was replied, when it could be called. Pure.

One table for every way that an entry can be shared (`sharing.way`). Reply and provision are two limits; the second ends
when every gateway lets the calls through, not when somebody says so.

Source: 国务院令第809号 14-15, 20-22; 常德 10, 11, 13; 景德镇 7, 9, 10; 德清 12, 14, 15; 云南 28, 29.
"""

from catalog_service.cases.guards import basis_allowed, incomplete_is_no_ground, told_once
from catalog_service.cases.model import Kind, Situation
from catalog_service.cases.procedures import sharing
from catalog_service.machine import START, Machine, Role, Row, Rules

REPLY, OPEN_REPLY = "share.conditional.reply", "share.unconditional.reply"
PROVIDE, OPEN_PROVIDE = "share.conditional.provide", "share.unconditional.provide"
REPLIES, PROVISIONS = (REPLY, OPEN_REPLY), (PROVIDE, OPEN_PROVIDE)
WITH_PROVIDER = ("submitted", "provider_review", "extension_requested")
BEFORE_DECISION = (
    "draft", "internal_sign", "upper_hop", "returned_for_completion", "reply_sign", "authority_review", "negotiating",
    "agreed", "coordination", "consent_pending", *WITH_PROVIDER,
)  # fmt: skip
SIDES = (Role.REQUESTER, Role.PROVIDER)
ASKED = ("is_shared", "is_usable", "fits_the_interface")
APPROVED = ("is_shared", "is_usable", "copy_is_consented", "is_within_request", "is_masked", "subject_is_asked")
WHOLE = ("is_shared", "is_complete", "has_written_form")
ANSWERED = ("is_providers_word", *APPROVED)
DECIDED = ("is_usable", "copy_is_consented", "is_masked", "subject_is_asked")
REFUSED = ("basis_allowed", "incomplete_is_no_ground")
DECREE = "国务院令第809号"
ASKING, SIGNED, IN_TIME, TOLD = f"{DECREE} 20 ¶2", f"{DECREE} 20", f"{DECREE} 21 ¶1", f"{DECREE} 21 ¶2"
NEGOTIATED = "常德 11 ¶3"


Names = tuple[str, ...]


def _handed_in(event: str, source: str, by: Role, cite: str, *, four_eyes: bool, guards: Names) -> tuple[Row, ...]:
    """Where an application goes once the requester's side, and the authorities below, have let it go."""

    def row(target: str, article: str, when: str, *starts: str, tells: Role = Role.PROVIDER) -> Row:
        effects = ("note_lacking", "note_hand", *(("limit_verification",) if when == "has_no_days" else ()))
        return Row(
            event=event, sources=(source,), target=target, by=(by,), cite=f"{cite}; {article}", when=when,
            guards=guards, effects=effects, starts=starts, tells=(tells,), four_eyes=four_eyes,
        )  # fmt: skip

    return (
        row("negotiating", NEGOTIATED, "is_negotiated"),
        row("authority_review", "德清 14 ¶1", "authority_alone", OPEN_REPLY, tells=Role.AUTHORITY),
        row("submitted", IN_TIME, "is_unconditional", OPEN_REPLY),
        row("submitted", "云南 29 ¶3; 景德镇 9; 德清 14 ¶2", "has_no_days"),
        row("submitted", f"{IN_TIME}; 常德 11 ¶2; 景德镇 10 ¶2; 云南 29 ¶2", "", REPLY),
    )


def _provided(
    event: str, source: Names, by: Role, cite: str, *, needs: Names = (),
    guards: Names = APPROVED, effects: Names = ("take_reply", "give_grant"),
) -> tuple[Row, Row]:  # fmt: skip
    """The reply was yes: the grant is given in the same transaction, and the time to provide begins."""

    def row(when: str, key: str) -> Row:
        return Row(
            event=event, sources=source, target="provisioning", by=(by,), cite=f"{cite}; {DECREE} 22 ¶1", needs=needs,
            when=when, guards=guards, effects=effects, stops=REPLIES, starts=(key,), tells=SIDES,
            four_eyes=by is not Role.WORKER,
        )  # fmt: skip

    return row("is_unconditional", OPEN_PROVIDE), row("", PROVIDE)


OPENING = (
    Row(event="apply", sources=(START,), target="granted", by=(Role.REQUESTER,), cite="常德 11 ¶1; 景德镇 7, 10 ¶1",
        when="opens_at_once", guards=ASKED, effects=("give_grant",), tells=SIDES),
    Row(event="apply", sources=(START,), target="consent_pending", by=(Role.REQUESTER,), cite="常德 10, 11 ¶1",
        when="opens_after_consent", guards=ASKED),
    Row(event="apply", sources=(START,), target="draft", by=(Role.REQUESTER,), cite=ASKING, guards=ASKED),
    Row(event="edit", sources=("draft", "consent_pending"), target="draft", by=(Role.REQUESTER,), cite=ASKING,
        needs=("details",), guards=("fits_the_interface",), effects=("take_details", "note_hand")),
    Row(event="submit", sources=("draft",), target="granted", by=(Role.REQUESTER,), cite="常德 11 ¶1; 景德镇 7, 10 ¶1",
        when="opens_at_once", guards=ASKED, effects=("give_grant",), tells=SIDES),
    Row(event="submit", sources=("draft",), target="consent_pending", by=(Role.REQUESTER,), cite="常德 10, 11 ¶1",
        when="opens_after_consent", guards=ASKED),
    Row(event="submit", sources=("draft",), target="internal_sign", by=(Role.REQUESTER,), cite=ASKING,
        when="is_signed_out", guards=WHOLE, effects=("note_hand",), tells=(Role.REQUESTER_HEAD,)),
    Row(event="submit", sources=("draft",), target="upper_hop", by=(Role.REQUESTER,), cite="常德 13", when="goes_up",
        guards=WHOLE, tells=(Role.AUTHORITY,)),
    *_handed_in("submit", "draft", Role.REQUESTER, ASKING, four_eyes=False,
                guards=WHOLE),
    Row(event="sign", sources=("internal_sign",), target="upper_hop", by=(Role.REQUESTER_HEAD,), cite="常德 13",
        when="goes_up", effects=("note_hand",), tells=(Role.AUTHORITY,), four_eyes=True),
    *_handed_in("sign", "internal_sign", Role.REQUESTER_HEAD, ASKING, four_eyes=True, guards=("is_shared",)),
    Row(event="send_back", sources=("internal_sign",), target="draft", by=(Role.REQUESTER_HEAD,), cite=ASKING,
        needs=("reason",), tells=(Role.REQUESTER,)),
    Row(event="forward", sources=("upper_hop",), target="upper_hop", by=(Role.AUTHORITY,), cite="常德 13",
        when="hops_left", effects=("note_hop",), tells=(Role.AUTHORITY,), four_eyes=True),
    *_handed_in("forward", "upper_hop", Role.AUTHORITY, "常德 13", four_eyes=True, guards=("is_shared",)),
    Row(event="send_back", sources=("upper_hop",), target="draft", by=(Role.AUTHORITY,), cite="常德 13",
        needs=("reason",), effects=("start_over",), tells=(Role.REQUESTER,)),
)  # fmt: skip

COMPLETENESS = (
    Row(event="accept", sources=("submitted",), target="provider_review", by=(Role.PROVIDER,), cite=IN_TIME,
        tells=(Role.REQUESTER,)),
    Row(event="return", sources=("submitted", "provider_review"), target="returned_for_completion", by=(Role.PROVIDER,),
        cite=TOLD, needs=("missing",), guards=("told_once",), effects=("note_missing", "pause_reply"),
        tells=(Role.REQUESTER,)),
    Row(event="return", sources=("authority_review",), target="returned_for_completion", by=(Role.AUTHORITY,),
        cite=TOLD, needs=("missing",), guards=("told_once",),
        effects=("note_missing", "forget_reply", "pause_reply"), tells=(Role.REQUESTER,)),
    Row(event="complete", sources=("returned_for_completion",), target="authority_review", by=(Role.REQUESTER,),
        cite=TOLD, needs=("details",), when="authority_alone", guards=("stays_as_signed", "fits_the_interface"),
        effects=("take_details", "note_lacking", "resume_reply"), tells=(Role.AUTHORITY,)),
    Row(event="complete", sources=("returned_for_completion",), target="provider_review", by=(Role.REQUESTER,),
        cite=TOLD, needs=("details",), guards=("stays_as_signed", "fits_the_interface"),
        effects=("take_details", "note_lacking", "resume_reply"), tells=(Role.PROVIDER,)),
    Row(event="extend", sources=("submitted", "provider_review"), target="extension_requested", by=(Role.PROVIDER,),
        cite=IN_TIME, needs=("days", "reason"), when="is_conditional", guards=("may_be_extended",),
        effects=("note_extension",), tells=(Role.AUTHORITY,)),
    Row(event="consent", sources=("extension_requested",), target="provider_review", by=(Role.AUTHORITY,),
        cite=IN_TIME, effects=("extend_reply",), tells=SIDES, four_eyes=True),
    Row(event="deny", sources=("extension_requested",), target="provider_review", by=(Role.AUTHORITY,),
        cite=IN_TIME, needs=("reason",), tells=(Role.PROVIDER,)),
)  # fmt: skip

REPLY_ROWS = (
    Row(event="agree", sources=(*WITH_PROVIDER, "returned_for_completion", "negotiating"), target="reply_sign",
        by=(Role.PROVIDER,), cite=SIGNED, when="reply_is_signed", guards=ANSWERED,
        effects=("take_reply", "note_answer"), tells=(Role.PROVIDER_HEAD,)),
    Row(event="agree", sources=(*WITH_PROVIDER, "returned_for_completion", "negotiating"), target="agreed",
        by=(Role.PROVIDER,), cite=NEGOTIATED, when="is_negotiated", guards=ANSWERED,
        effects=("take_reply", "note_answer"), tells=(Role.AUTHORITY, Role.REQUESTER)),
    Row(event="agree", sources=(*WITH_PROVIDER, "returned_for_completion", "negotiating"), target="authority_review",
        by=(Role.PROVIDER,), cite="德清 14", when="authority_decides_too", guards=ANSWERED,
        effects=("take_reply", "note_answer"), tells=(Role.AUTHORITY,)),
    *_provided("agree", (*WITH_PROVIDER, "returned_for_completion", "negotiating"), Role.PROVIDER,
               f"{IN_TIME}; 常德 11 ¶2; 景德镇 10 ¶2; 云南 29", guards=ANSWERED),
    Row(event="refuse", sources=WITH_PROVIDER, target="reply_sign", by=(Role.PROVIDER,), cite=f"{SIGNED}, 21 ¶2",
        needs=("reason",), when="refusal_is_signed", guards=REFUSED, effects=("take_refusal", "note_answer"),
        tells=(Role.PROVIDER_HEAD,)),
    Row(event="refuse", sources=WITH_PROVIDER, target="refused", by=(Role.PROVIDER,),
        cite=f"{TOLD}; 常德 11 ¶2; 景德镇 10 ¶2; 德清 12; 云南 29 ¶2", needs=("reason",), when="may_be_refused",
        guards=REFUSED, effects=("take_refusal", "report_refusal"), stops=REPLIES, tells=(Role.REQUESTER,)),
    Row(event="confirm", sources=("reply_sign",), target="refused", by=(Role.PROVIDER_HEAD,), cite=f"{SIGNED}, 21 ¶2",
        when="refusal_is_proposed", effects=("report_refusal",), stops=REPLIES, tells=SIDES, four_eyes=True),
    Row(event="confirm", sources=("reply_sign",), target="agreed", by=(Role.PROVIDER_HEAD,),
        cite=f"{SIGNED}; {NEGOTIATED}", when="is_negotiated", guards=("is_shared", "is_usable"),
        effects=("note_answer",), tells=(Role.AUTHORITY, Role.REQUESTER), four_eyes=True),
    Row(event="confirm", sources=("reply_sign",), target="authority_review", by=(Role.PROVIDER_HEAD,),
        cite=f"{SIGNED}; 德清 14", when="authority_decides_too", guards=("is_shared", "is_usable"),
        effects=("note_answer",), tells=(Role.AUTHORITY,), four_eyes=True),
    *_provided("confirm", ("reply_sign",), Role.PROVIDER_HEAD, f"{SIGNED}, 21 ¶1", effects=("give_grant",)),
    Row(event="send_back", sources=("reply_sign",), target="negotiating", by=(Role.PROVIDER_HEAD,), cite=SIGNED,
        needs=("reason",), when="is_negotiated", effects=("forget_reply",), tells=(Role.PROVIDER,)),
    Row(event="send_back", sources=("reply_sign",), target="provider_review", by=(Role.PROVIDER_HEAD,),
        cite=SIGNED, needs=("reason",), effects=("forget_reply",), tells=(Role.PROVIDER,)),
)  # fmt: skip

AUTHORITY_ROWS = (
    Row(event="approve", sources=("authority_review",), target="provisioning", by=(Role.AUTHORITY,),
        cite="景德镇 9; 德清 14 ¶2", needs=("filing_no",), when="is_desensitised", guards=APPROVED,
        effects=("take_reply", "note_filing", "give_grant"), stops=REPLIES, starts=(PROVIDE,), tells=SIDES,
        four_eyes=True),
    *_provided("approve", ("authority_review",), Role.AUTHORITY, "德清 14", guards=(*APPROVED, "provider_agreed")),
    Row(event="refuse", sources=("authority_review",), target="refused", by=(Role.AUTHORITY,), cite="德清 12, 14",
        needs=("reason",), when="may_be_refused", guards=REFUSED, effects=("take_refusal", "report_refusal"),
        stops=REPLIES, tells=SIDES, four_eyes=True),
    Row(event="authority_grant", sources=(*WITH_PROVIDER, "reply_sign"), target="provisioning", by=(Role.AUTHORITY,),
        cite=f"platform; {IN_TIME}", when="is_unconditional", guards=("reply_is_overdue", *APPROVED),
        effects=("give_grant",), stops=REPLIES, starts=(OPEN_PROVIDE,), tells=SIDES, four_eyes=True),
    Row(event="fail", sources=("negotiating",), target="coordination", by=SIDES, cite=NEGOTIATED, needs=("reason",),
        tells=(Role.AUTHORITY, *SIDES)),
    *_provided("file", ("agreed",), Role.AUTHORITY, NEGOTIATED, needs=("filing_no",), guards=("is_shared", "is_usable"),
               effects=("note_filing", "give_grant")),
    *_provided("settle", ("coordination",), Role.AUTHORITY, NEGOTIATED, needs=("reason",)),
    Row(event="dismiss", sources=("coordination",), target="not_shared", by=(Role.AUTHORITY,), cite=NEGOTIATED,
        needs=("reason",), tells=SIDES, four_eyes=True),
)  # fmt: skip

AFTERWARDS = (
    Row(event="consented", sources=("consent_pending",), target="granted", by=(Role.WORKER,), cite="常德 10, 11 ¶1",
        when="is_still_open", guards=APPROVED, effects=("give_grant",), tells=SIDES),
    Row(event="consented", sources=("consent_pending",), target="draft", by=(Role.WORKER,), cite="常德 10",
        tells=(Role.REQUESTER,)),
    Row(event="not_consented", sources=("consent_pending",), target="draft", by=(Role.WORKER,), cite="常德 10",
        tells=(Role.REQUESTER,)),
    Row(event="live", sources=("provisioning",), target="granted", by=(Role.WORKER,), cite=f"{DECREE} 22 ¶1",
        when="grant_stands", stops=PROVISIONS, tells=SIDES),
    Row(event="lapse", sources=("provisioning",), target="revoked", by=(Role.WORKER,), cite=f"{DECREE} 27",
        when="grant_is_gone", tells=SIDES),
    Row(event="accept_refusal", sources=("refused",), target="refusal_accepted", by=(Role.REQUESTER,),
        cite=TOLD, tells=(Role.PROVIDER,)),
    Row(event="reopen", sources=("refused",), target="provider_review", by=(Role.WORKER,), cite=f"{DECREE} 28",
        effects=("forget_reply",), starts=(REPLY,), tells=SIDES),
    *_provided("share_after_all", ("refused",), Role.WORKER, f"{DECREE} 28", guards=DECIDED,
               effects=("take_reply", "give_grant")),
    Row(event="withdraw", sources=BEFORE_DECISION, target="withdrawn", by=(Role.REQUESTER,), cite=ASKING,
        tells=(Role.PROVIDER,)),
)  # fmt: skip

MACHINE = Machine(
    name="application",
    title=("共享申请", "Application for sharing"),
    cite=f"{DECREE} 20-22",
    labels={
        "draft": ("草稿", "Draft"),
        "internal_sign": ("待本部门负责人签批", "Before the requester's head"),
        "upper_hop": ("待主管部门转报", "To be handed on by the authority"),
        "consent_pending": ("待复制使用审批", "Waits for consent to copy"),
        "submitted": ("已提交，待受理", "Submitted"),
        "returned_for_completion": ("已一次性告知，待补充材料", "Returned for completion"),
        "provider_review": ("提供部门审核中", "With the provider"),
        "extension_requested": ("待主管部门同意延期", "Extension asked for"),
        "reply_sign": ("待提供部门负责人签批", "Before the provider's head"),
        "authority_review": ("主管部门审核中", "With the authority"),
        "negotiating": ("协商中", "Under negotiation"),
        "agreed": ("协商一致，待备案", "Agreed, to be filed"),
        "coordination": ("主管部门协调中", "Coordinated by the authority"),
        "provisioning": ("已同意，开通中", "Granted, not yet at every gateway"),
        "granted": ("已开通", "In use"),
        "refused": ("不予共享", "Refused"),
        "refusal_accepted": ("不予共享，已接受", "Refusal accepted"),
        "not_shared": ("协调决定不共享", "Coordination decided against it"),
        "revoked": ("开通前已撤销", "Revoked before it was in use"),
        "withdrawn": ("已撤回", "Withdrawn"),
    },
    finals=frozenset({"granted", "refused", "refusal_accepted", "not_shared", "revoked", "withdrawn"}),
    rows=(*OPENING, *COMPLETENESS, *REPLY_ROWS, *AUTHORITY_ROWS, *AFTERWARDS),
)


# --- what the names mean --------------------------------------------------------------------------------------------
def _opens_at_once(situation: Situation) -> bool:
    return sharing.way(situation) == "at_once" and not sharing.needs_consent_to_copy(situation)


def _grant_is(situation: Situation, standing: str) -> bool:
    return situation.grant is not None and situation.grant.state.standing == standing


CONDITIONS = {
    "opens_at_once": _opens_at_once,
    "opens_after_consent": lambda situation: sharing.way(situation) == "at_once" and not _opens_at_once(situation),
    "is_signed_out": lambda situation: sharing.is_signed(situation, "application_out"),
    "goes_up": sharing.goes_up,
    "is_still_open": lambda situation: sharing.way(situation) == "at_once",
    "hops_left": sharing.hops_left,
    "is_negotiated": lambda situation: sharing.way(situation) == "negotiated",
    "authority_alone": lambda situation: sharing.way(situation) == "by_authority",
    "is_unconditional": sharing.is_unconditional,
    "is_conditional": lambda situation: sharing.way(situation) == "conditional",
    "is_desensitised": lambda situation: sharing.way(situation) == "desensitised",
    "has_no_days": lambda situation: sharing.way(situation) in ("verify", "desensitised"),
    "reply_is_signed": sharing.reply_is_signed,
    "refusal_is_signed": sharing.refusal_is_signed,
    "refusal_is_proposed": sharing.refusal_is_proposed,
    "authority_decides_too": sharing.authority_decides_too,
    "may_be_refused": sharing.may_be_refused,
    "grant_stands": lambda situation: _grant_is(situation, "active"),
    "grant_is_gone": lambda situation: _grant_is(situation, "revoked"),
}
GUARDS = {
    "is_shared": sharing.is_shared,
    "is_usable": sharing.is_usable,
    "fits_the_interface": sharing.fits_the_interface,
    "is_complete": sharing.is_complete,
    "has_written_form": sharing.has_written_form,
    "told_once": told_once,
    "provider_agreed": sharing.provider_agreed,
    "is_providers_word": sharing.is_providers_word,
    "stays_as_signed": sharing.stays_as_signed,
    "may_be_extended": sharing.may_be_extended,
    "reply_is_overdue": sharing.reply_is_overdue,
    "copy_is_consented": sharing.copy_is_consented,
    "is_within_request": sharing.is_within_request,
    "is_masked": sharing.is_masked,
    "subject_is_asked": sharing.subject_is_asked,
    "basis_allowed": basis_allowed,
    "incomplete_is_no_ground": incomplete_is_no_ground,
}
KIND = Kind(
    machine=MACHINE,
    rules=Rules(conditions=CONDITIONS, guards=GUARDS),
    letters="SQ",
    form=sharing.Form,
    sides=sharing.sides,
    responsible=dict.fromkeys((*REPLIES, *PROVISIONS), Role.PROVIDER),
)
