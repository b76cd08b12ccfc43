"""What the steps of an application do besides: the reply is noted, a grant is given, a refusal is reported."""

from collections.abc import Mapping
from dataclasses import replace as situated
from typing import Any

import msgspec
from msgspec.structs import replace

from catalog_service.cases.flows import Effect, Turn
from catalog_service.cases.model import Case, Evidence
from catalog_service.cases.procedures import sharing
from catalog_service.cases.procedures.application import OPEN_REPLY, REPLIES, REPLY
from catalog_service.clocks.flows import cancel_clocks, extend_clock, start_clock
from catalog_service.grants.flows import give_approved_grant
from catalog_service.notices.flows import notify
from catalog_service.notices.model import Address, Subject
from runtime.ids import uuid7
from statute.model import Clock as Limit
from wire import scopes


def _decided(case: Case, **facts: Any) -> Case:
    return replace(case, decision={**case.decision, **facts})


def _with_hand(case: Case, turn: Turn) -> Case:
    return replace(case, makers=list(dict.fromkeys([*case.makers, turn.change.actor.client])))


# --- whose hands ----------------------------------------------------------------------------------------------------
async def _note_hand(turn: Turn, case: Case) -> Case:
    """Whoever let it go out does not approve it later."""
    return _with_hand(case, turn)


async def _note_hop(turn: Turn, case: Case) -> Case:
    """Each authority on the way up is another (常德 13)."""
    return _decided(_with_hand(case, turn), hops=case.decision.get("hops", 0) + 1)


async def _note_answer(turn: Turn, case: Case) -> Case:
    """Whoever drafted the reply does not sign it (国务院令第809号 20)."""
    hands = [*case.decision.get("answered_by", []), turn.change.actor.client]
    return _decided(_with_hand(case, turn), answered_by=hands)


async def _forget_reply(_turn: Turn, case: Case) -> Case:
    """The reply is open again, and whoever drafted it may draft another."""
    hands = case.decision.get("answered_by", [])
    kept = {name: value for name, value in case.decision.items() if name not in ("answered_by", "reply", "result")}
    return replace(case, makers=[maker for maker in case.makers if maker not in hands], decision=kept)


async def _start_over(_turn: Turn, case: Case) -> Case:
    """Back on the requester's desk: whoever handed it on will do so again."""
    kept = {name: value for name, value in case.decision.items() if name != "hops"}
    return replace(case, makers=[case.maker], decision=kept)


# --- what was said --------------------------------------------------------------------------------------------------
async def _take_details(turn: Turn, case: Case) -> Case:
    return replace(case, details=msgspec.to_builtins(sharing.changed_form(turn.situation)))


async def _note_lacking(turn: Turn, case: Case) -> Case:
    """Shown to both sides; the provider says what of it has to come (国务院令第809号 21)."""
    return _decided(case, lacking=sharing.lacking(situated(turn.situation, case=case)))


async def _note_missing(turn: Turn, case: Case) -> Case:
    return _decided(case, missing=turn.evidence.missing)


async def _take_reply(turn: Turn, case: Case) -> Case:
    return _decided(case, result="agree", reply=sharing.replied(case.decision, turn.evidence))


async def _take_refusal(turn: Turn, case: Case) -> Case:
    basis = msgspec.to_builtins(turn.evidence.legal_basis)
    return _decided(case, result="refuse", reason=turn.evidence.reason, legal_basis=basis)


async def _note_filing(turn: Turn, case: Case) -> Case:
    """备案号, or the number of the major event (常德 11 ¶3, 景德镇 9)."""
    return _decided(case, filing_no=turn.evidence.filing_no)


async def _report_refusal(turn: Turn, case: Case) -> Case:
    """Source: 景德镇 10 ¶2: a refusal is reported to the authority of the same level."""
    if not turn.situation.law.value("share.refusal.report_to_authority").value:
        return case
    facts = {
        "number": case.number, "provider": case.provider, "interface": case.interface,
        "reason": str(case.decision.get("reason", "")),
    }  # fmt: skip
    await notify(
        turn.change, to=[Address("", scopes.AUTHORITY)], word="application.refusal_reported",
        about=Subject("case", case.id), facts=facts, key=f"{case.id}/refusal-reported",
    )  # fmt: skip
    return _decided(case, reported_to_authority=True)


# --- time limits ----------------------------------------------------------------------------------------------------
async def _note_extension(turn: Turn, case: Case) -> Case:
    return _decided(case, extension={"days": turn.evidence.days, "reason": turn.evidence.reason})


async def _extend_reply(turn: Turn, case: Case) -> Case:
    asked = case.decision["extension"]
    subject = Subject("case", case.id)
    await extend_clock(turn.change, turn.desk.lawbook, subject, REPLY, asked["days"], asked["reason"])
    return case


async def _pause_reply(turn: Turn, case: Case) -> Case:
    """Only where a profile says so: no instrument does (国务院令第809号 21 is silent), and so the time runs on."""
    if turn.situation.law.value("share.pause_on_incomplete").value:
        await cancel_clocks(turn.change, Subject("case", case.id))
    return case


async def _resume_reply(turn: Turn, case: Case) -> Case:
    """Where it was paused, the application counts as received when it is complete."""
    if turn.situation.law.value("share.pause_on_incomplete").value:
        key = OPEN_REPLY if sharing.is_unconditional(turn.situation) else REPLY
        await start_clock(
            turn.change, turn.desk.lawbook, turn.situation.law, key, Subject("case", case.id),
            responsible=case.provider, counterpart=case.requester,
        )  # fmt: skip
    return case


async def _limit_verification(turn: Turn, case: Case) -> Case:
    """及时 (云南 29 ¶3): the platform's own days, shown as such."""
    found = turn.situation.law.value("share.verify_compare.days")
    days = found.value if isinstance(found.value, int) else 0
    limit = Limit(
        key=REPLIES[0], base=days, total=days, unit="WD", source=found.source, cite=found.cite, start="", actor="",
        binding="in_principle", approve_by="", notify=(), reason=False,
    )  # fmt: skip
    await start_clock(
        turn.change, turn.desk.lawbook, turn.situation.law, REPLIES[0], Subject("case", case.id),
        responsible=case.provider, counterpart=case.requester, limit=limit if days else None,
    )  # fmt: skip
    return case


# --- what comes of it -----------------------------------------------------------------------------------------------
async def _give_grant(turn: Turn, case: Case) -> Case:
    """In the transaction of the approval: there is no approval without a grant, and no grant without one."""
    approved = situated(turn.situation, case=case, evidence=Evidence())
    grant = await give_approved_grant(turn.change, sharing.grant_of(approved, str(uuid7())), case.number)
    return replace(case, grant=grant.id)


EFFECTS: Mapping[str, Effect] = {
    "note_hand": _note_hand,
    "note_hop": _note_hop,
    "note_answer": _note_answer,
    "forget_reply": _forget_reply,
    "start_over": _start_over,
    "take_details": _take_details,
    "note_lacking": _note_lacking,
    "note_missing": _note_missing,
    "take_reply": _take_reply,
    "take_refusal": _take_refusal,
    "note_filing": _note_filing,
    "report_refusal": _report_refusal,
    "note_extension": _note_extension,
    "extend_reply": _extend_reply,
    "pause_reply": _pause_reply,
    "resume_reply": _resume_reply,
    "limit_verification": _limit_verification,
    "give_grant": _give_grant,
}
