"""What happens besides in a correction: a date is set, a limit extended, the other users of the data are told."""

from collections.abc import Mapping
from datetime import date

from catalog_service.cases.flows import Effect, Turn
from catalog_service.cases.model import Case
from catalog_service.cases.procedures.correction import ORDERED, limit_of
from catalog_service.clocks.flows import extend_clock, start_clock
from catalog_service.grants.store import grants_on_resource
from catalog_service.notices.flows import notify
from catalog_service.notices.model import Address, Subject
from wire import scopes


async def _start_ordered(turn: Turn, case: Case) -> Case:
    """限期校核 (云南 22 ¶3): the day that the authority set."""
    until = date.fromisoformat(case.details["until"])
    await start_clock(
        turn.change, turn.desk.lawbook, turn.situation.law, ORDERED, Subject("case", case.id),
        responsible=case.provider, counterpart=case.requester, until=until,
    )  # fmt: skip
    return case


async def _extend_check(turn: Turn, case: Case) -> Case:
    """The head agrees, within the total that the law allows (常德 14, 云南 22 ¶1); a date that was ordered stands."""
    evidence, subject = turn.evidence, Subject("case", case.id)
    await extend_clock(
        turn.change, turn.desk.lawbook, subject, limit_of(turn.situation.case), evidence.days, evidence.reason
    )
    return case


async def _spread_correction(turn: Turn, case: Case) -> Case:
    """Whoever else uses the data is told that something in them was wrong: which item, not whose (常德 14)."""
    change = turn.change
    if not case.resource:
        return case
    in_force = await grants_on_resource(change.tx, case.resource, int(change.at.timestamp()))
    users = {grant.department for grant in in_force} - {case.requester, case.provider}
    facts = {
        "number": case.number, "resource": case.resource, "provider": case.provider,
        "item": str(case.details.get("item", "")),
    }  # fmt: skip
    await notify(
        change, to=[Address(department, scopes.OFFICER) for department in sorted(users)], word="correction.spread",
        about=Subject("resource", case.resource), facts=facts, key=f"{case.id}/spread/{turn.evidence.after_digest}",
    )  # fmt: skip
    await change.tell("resource.data-corrected", case, **facts)
    return case


EFFECTS: Mapping[str, Effect] = {
    "start_ordered": _start_ordered,
    "extend_check": _extend_check,
    "spread_correction": _spread_correction,
}
