"""What happens besides in a complaint: who complains is kept apart, measures are cases of their own."""

from collections.abc import Mapping

from msgspec.structs import replace

from catalog_service.cases import complainants, store
from catalog_service.cases.complainants import Known
from catalog_service.cases.flows import Effect, Named, Turn, open_case
from catalog_service.cases.model import Case
from catalog_service.cases.permissions import may_see, sees_maker
from catalog_service.directory import store as directory
from catalog_service.directory.contract import invalid
from catalog_service.directory.model import check_active
from catalog_service.feed.flows import Change
from catalog_service.grants.store import find_grant
from catalog_service.machine import Role
from catalog_service.notices.flows import notify
from catalog_service.notices.model import Address, Subject
from runtime.errors import Refusal
from wire import codes, scopes

_INBOX = {Role.SUBJECT: scopes.SUBJECT, Role.REQUESTER: scopes.OFFICER}


async def _keep_apart(turn: Turn, case: Case) -> Case:
    """The case goes on without name, address and department of whoever complains (国务院令第809号 37 ¶1)."""
    said = case.details["complainant"] or {}
    roles = turn.situation.roles
    office = next((office for role, office in _INBOX.items() if role in roles), scopes.AUTHORITY)
    alone = case.maker if office == scopes.SUBJECT else ""
    known = Known(department=case.maker_department, office=office, client=alone, **said)
    await complainants.keep(turn.change.tx, case.id, known)
    left = {name: value for name, value in case.details.items() if name != "complainant"}
    return replace(case, requester="", maker_department="", person="", details={**left, "anonymous": not said})


async def _tell_complainant(turn: Turn, case: Case) -> Case:
    """The answer goes where the complaint came from, past those concerned (国务院令第809号 37 ¶2: 及时处理)."""
    known = await complainants.find(turn.change.tx, case.id)
    if known is not None:
        facts = {"number": case.number, "state": case.state, "reason": turn.evidence.reason, "note": turn.evidence.note}
        await notify(
            turn.change, to=[Address(known.department, known.office, known.client)], word=f"complaint.{turn.row.event}",
            about=Subject("case", case.id), facts=facts, key=f"{case.id}/complainant/{turn.row.event}",
        )  # fmt: skip
    return case


async def _name_respondent(turn: Turn, case: Case) -> Case:
    """Until it is heard, a department does not see what is said of it."""
    code = turn.evidence.department
    respondent = await directory.find_department(turn.change.tx, code, hold="share")
    if respondent is None:
        raise invalid(("department", f"there is no department {code}"))
    check_active(respondent, f"department {code}")
    return replace(case, provider=respondent.id)


async def _suspend_grant(turn: Turn, case: Case) -> Case:
    """A suspension follows (国务院令第809号 27): the grant that the case names, or the one in the details."""
    details = dict(turn.evidence.details)
    grant_id = str(details.pop("grant", "") or case.grant)
    grant = await find_grant(turn.change.tx, grant_id)
    if grant is None:
        raise invalid(("details/grant", f"there is no grant {grant_id}"))
    named = Named(kind="suspension", grant=grant.id, interface=grant.interface, parent=case.id)
    await open_case(turn.change, turn.desk, named, {"finding": turn.evidence.reason, **details})
    return case


async def _order_correction(turn: Turn, case: Case) -> Case:
    """A check by a set date follows (云南 22 ¶3)."""
    evidence = turn.evidence
    named = Named(kind="correction", resource=evidence.resource or case.resource, parent=case.id)
    await open_case(turn.change, turn.desk, named, {**evidence.details, "until": evidence.until}, "order")
    return case


EFFECTS: Mapping[str, Effect] = {
    "keep_apart": _keep_apart,
    "tell_complainant": _tell_complainant,
    "name_respondent": _name_respondent,
    "suspend_grant": _suspend_grant,
    "order_correction": _order_correction,
}


async def complainant_of(change: Change, case_id: str) -> Known:
    """Who complained, for those who oversee and for themselves; that somebody looked goes into the log."""
    case = await store.find_case(change.tx, case_id)
    known = await complainants.find(change.tx, case_id)
    if case is None or known is None or not may_see(case, change.actor):
        raise Refusal(codes.NOT_FOUND, f"complaint {case_id}")
    if not sees_maker(case, change.actor):
        raise Refusal(codes.NOT_YOURS, f"complaint {case.number}", article="国务院令第809号 37")
    await change.tell("complaint.complainant-read", case, case=case.id, number=case.number)
    return replace(known, client="")  # where the answer goes says nothing about who was anonymous
