"""What is kept of a decision, so that guards and readers find it: its result, a day that was set, what follows."""

from collections.abc import Mapping

from msgspec import to_builtins
from msgspec.structs import replace

from catalog_service.cases.flows import Effect, Turn
from catalog_service.cases.model import Case
from catalog_service.cases.procedures.suspension import goes_on_record
from catalog_service.directory import store as directory
from catalog_service.directory.entry import Resource
from runtime.errors import Refusal
from wire import codes


async def _note_decision(turn: Turn, case: Case) -> Case:
    """The result, the ground for it and its papers, and who decided."""
    evidence = turn.evidence
    decision = {
        "result": evidence.result, "reason": evidence.reason or evidence.note,
        "legal_basis": to_builtins(evidence.legal_basis), "documents": to_builtins(evidence.documents),
        "decided_by": turn.change.actor.department,
    }  # fmt: skip
    return replace(case, decision={**case.decision, **decision})


async def _note_deadline(turn: Turn, case: Case) -> Case:
    """The last day, and that a report is owed; the clock that runs to it reminds, guards look here."""
    return replace(case, decision={**case.decision, "until": turn.evidence.until, "reported": ""})


async def _note_report(turn: Turn, case: Case) -> Case:
    """What is said to have been put right since the day was set."""
    return replace(case, decision={**case.decision, "reported": turn.evidence.result})


async def _note_credit(turn: Turn, case: Case) -> Case:
    """失信信息记入信用档案 (德清 39), where the rule in force says so."""
    return replace(case, decision={**case.decision, "credit_record": goes_on_record(turn.situation)})


async def _check_published(turn: Turn, case: Case) -> Case:
    """No acceptance without the entries that the project has to bring (常德 7, 云南 14)."""
    found = {code: await directory.find_resource(turn.change.tx, code) for code in case.details["resources"]}
    missing = [code for code, entry in found.items() if entry is None or not _counts(entry, case)]
    if missing:
        raise Refusal(codes.NOT_CATALOGUED, f"{len(missing)} entries are not published", missing=missing)
    return case


def _counts(entry: Resource, case: Case) -> bool:
    return entry.provider == case.requester and entry.state.standing == "active"


EFFECTS: Mapping[str, Effect] = {
    "note_decision": _note_decision,
    "note_deadline": _note_deadline,
    "note_report": _note_report,
    "note_credit": _note_credit,
    "check_published": _check_published,
}
