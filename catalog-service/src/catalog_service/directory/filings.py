"""Filing entries: writing the text, and every step until it is live, changes, rests or ends.

Each step is one transaction with its history, clocks, notices, event for the log and what gateways learn. The code is
locked from the start: of two officers who act at once the second finds the state that the first has made.
"""

from dataclasses import replace as renewed
from datetime import date, datetime, time
from typing import Any

from msgspec.structs import asdict, replace
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.clocks.flows import clocks_of, start_clock, stop_clocks
from catalog_service.directory import contract, filing_store, store
from catalog_service.directory.difference import NARROWED, differences
from catalog_service.directory.duplicates import alike
from catalog_service.directory.entry import Resource
from catalog_service.directory.evidence import Evidence, kept
from catalog_service.directory.filing import LABELS, MACHINE, REVIEW, UPDATE, Filing, Situation
from catalog_service.directory.filing_effects import EFFECTS, Turn, clock_subject
from catalog_service.directory.filing_rules import RULES, flags_of
from catalog_service.directory.filing_store import Step
from catalog_service.directory.importing import at_rest
from catalog_service.directory.model import Department
from catalog_service.directory.publishing import publish_all
from catalog_service.feed.flows import Change
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.machine import OFFICE_OF, START, Attempt, Role, Row, possible, roles_of, step
from catalog_service.notices.flows import notify
from catalog_service.notices.model import Address, Subject
from catalog_service.policy.flows import Lawbook, today
from runtime.errors import Refusal
from statute.calendar import SHANGHAI, CalendarError
from wire import codes, scopes

WRITING = frozenset({"create", "edit"})
"""Events that bring a text: they happen by putting it."""
COMPARED = frozenset({"send_up", "resubmit"})
"""Events at which it matters what others provide."""
RESTING = frozenset({START, "published"})
"""States in which nothing is under way: the next step goes by the law that is in force then."""
SETTLED = frozenset({"published", "suspended", "withdrawn", "rejected"})
"""States in which nobody works on the text."""


def may_see(actor: Actor, filing: Filing) -> bool:
    """Work on an entry is shown to its department and to those who oversee it, until it is published."""
    return actor.department == PLATFORM or actor.side == filing.provider or actor.oversees


# --- the two ways on ------------------------------------------------------------------------------------------------
async def draft(change: Change, lawbook: Lawbook, stated: Resource) -> Filing:
    """The text as a department wants it; the same again changes nothing. Raises Refusal."""
    contract.require(contract.mistakes_in_text(stated))
    text = replace(stated, published="")
    await change.lock(f"resource/{text.code}")
    provider = await _provider(change, text.provider)
    known = await _find(change.tx, text.code, for_change=True)
    if known is not None and known.provider != text.provider:
        raise Refusal(codes.CONFLICT, f"resource {text.code} belongs to {known.provider}", responsible=known.provider)
    filing = known or Filing(
        code=text.code, provider=text.provider, state=START, text=text, makers=[], profile="", profile_version="",
        government=provider.is_government,
    )  # fmt: skip
    situation = await _situation(change, lawbook, filing, Evidence(), "edit" if known else "create")
    row = _step(change.actor, "edit" if known else "create", renewed(situation, filing=replace(filing, text=text)))
    if known is not None and not differences(known.text, text):
        return known
    makers = list(dict.fromkeys([*filing.makers, change.actor.client]))
    turn = Turn(change=change, lawbook=lawbook, situation=situation, row=row)
    written = replace(filing, text=text, makers=makers)
    return await _take(turn, replace(written, flags=flags_of(renewed(situation, filing=written))))


async def file_step(change: Change, lawbook: Lawbook, code: str, event: str, evidence: Evidence) -> Filing:
    """The filing after somebody's step. Raises Refusal: 404 for those it is not shown to, else as `machine.step`."""
    if event in WRITING:
        raise Refusal(codes.NOT_IN_THIS_STATE, "a text is written by putting it", event=event)
    await change.lock(f"resource/{code}")
    filing = await _find(change.tx, code, for_change=True)
    if filing is None or not may_see(change.actor, filing):
        raise Refusal(codes.NOT_FOUND, f"filing {code}")
    situation = await _situation(change, lawbook, filing, evidence, event)
    row = _step(change.actor, event, situation)
    return await _take(Turn(change=change, lawbook=lawbook, situation=situation, row=row), filing)


def _step(actor: Actor, event: str, situation: Situation) -> Row:
    return step(MACHINE, RULES, _attempt(actor, event, situation))


def _attempt(actor: Actor, event: str, situation: Situation) -> Attempt[Situation]:
    filing = situation.filing
    return Attempt(
        event=event, state=filing.state, roles=_roles(actor, filing), client=actor.client,
        makers=frozenset([*filing.makers, *filing.signers]), evidence=asdict(situation.evidence), situation=situation,
    )  # fmt: skip


def _roles(actor: Actor, filing: Filing) -> frozenset[Role]:
    return roles_of(actor.offices, actor.department, requester="", provider=filing.provider)


# --- what a step finds ----------------------------------------------------------------------------------------------
async def _find(tx: AsyncConnection, code: str, *, for_change: bool = False) -> Filing | None:
    """The filing; what was live before there were filings is taken for one that rests."""
    filing = await filing_store.find_filing(tx, code, for_change=for_change)
    live = await store.find_resource(tx, code) if filing is None else None
    if live is None:
        return filing
    return at_rest(live, await filing_store.last_version(tx, code))


async def _provider(change: Change, department_id: str) -> Department:
    """The department is there, in good standing, and stays so until the transaction ends."""
    department = await store.find_department(change.tx, department_id, hold="share")
    if department is None or department.state.standing == "revoked":
        raise contract.invalid(("provider", f"there is no department {department_id}"))
    return department


async def _situation(change: Change, lawbook: Lawbook, filing: Filing, evidence: Evidence, event: str) -> Situation:
    if event == "withdraw":  # no grant comes into being between the look at the subscribers and the end
        await store.find_resource(change.tx, filing.code, hold="update")
        await store.interfaces_of_resource(change.tx, filing.code)
    situation = await situation_of(change.tx, lawbook, filing, change.at, evidence)
    if event not in COMPARED:
        return situation
    return renewed(situation, alike=tuple(await alike(change.tx, filing.text)))


async def situation_of(
    tx: AsyncConnection, lawbook: Lawbook, filing: Filing, at: datetime, evidence: Evidence | None = None
) -> Situation:
    """What is known about a filing now, but for what others provide. A round that is under way keeps its law (A.3)."""
    provider = await store.find_department(tx, filing.provider)
    assert provider is not None  # noqa: S101  # a filing refers to a department
    if _keeps_its_law(filing):
        law = await lawbook.law(
            tx, government=filing.government, profile=filing.profile, version=filing.profile_version
        )
    else:
        law = await lawbook.law(tx, government=provider.is_government)
    return Situation(
        filing=filing, law=law, evidence=evidence or Evidence(), provider=provider, today=today(at),
        live=await store.find_resource(tx, filing.code) if filing.version else None,
        subscribers=await filing_store.subscribers_of_resource(tx, filing.code, at),
    )  # fmt: skip


def _keeps_its_law(filing: Filing) -> bool:
    return bool(filing.profile) and filing.state not in RESTING


# --- what a step leaves ---------------------------------------------------------------------------------------------
async def _take(turn: Turn, filing: Filing) -> Filing:
    """Everything that a step is; gateways hear of it last."""
    filing = replace(filing, state=turn.row.target, steps=filing.steps + 1, **_law_of(turn.situation))
    for name in turn.row.effects:
        filing = await EFFECTS[name](turn, filing)
    await filing_store.keep_filing(turn.change.tx, filing)
    await _run_clocks(turn, filing)
    await _write_history(turn, filing)
    await _tell_roles(turn, filing)
    await _tell_log(turn, filing)
    await publish_all(turn.change, turn.heard)
    return filing


async def _run_clocks(turn: Turn, filing: Filing) -> None:
    change, situation = turn.change, turn.situation
    for key in turn.row.stops:
        await stop_clocks(change, clock_subject(key, filing.code), (key,))
    for key in turn.row.starts:
        begun = change if key == REVIEW else renewed(change, at=_noon(situation.evidence.changed_on))
        responsible, counterpart = ("", filing.provider) if key == REVIEW else (filing.provider, "")
        try:
            await start_clock(
                begun, turn.lawbook, situation.law, key, clock_subject(key, filing.code), responsible=responsible,
                counterpart=counterpart,
            )  # fmt: skip
        except CalendarError as error:  # a change so long ago that nobody knows the working days since
            raise contract.invalid(("changed_on", str(error))) from None


def _noon(day: str) -> datetime:
    """A moment of that day: the time to update runs from the change itself, not from when somebody recorded it."""
    return datetime.combine(date.fromisoformat(day), time(12), SHANGHAI)


async def _write_history(turn: Turn, filing: Filing) -> None:
    actor = turn.change.actor
    role = next(role for role in turn.row.by if role in _roles(actor, filing))
    done = Step(
        n=filing.steps, at=turn.change.at, event=turn.row.event, source=turn.situation.filing.state,
        target=filing.state, client=actor.client, department=actor.department, role=role.value, article=turn.row.cite,
        evidence=kept(turn.situation.evidence), profile=filing.profile, profile_version=filing.profile_version,
    )  # fmt: skip
    await filing_store.add_step(turn.change.tx, filing.code, done)


def _facts(turn: Turn, filing: Filing) -> dict[str, str]:
    evidence = turn.situation.evidence
    flags = [*filing.flags, *([NARROWED] if filing.narrowing or turn.situation.filing.narrowing else [])]
    basis = ";".join(one.named for one in evidence.legal_basis)
    return {
        "resource": filing.code, "name": filing.text.name, "provider": filing.provider, "state": filing.state,
        "reason": evidence.reason, "basis": basis, "filing_no": evidence.filing_no, "article": turn.row.cite,
        "flags": ",".join(flags),
    }  # fmt: skip


async def _tell_roles(turn: Turn, filing: Filing) -> None:
    to = []
    for role in turn.row.tells:
        if role is Role.REQUESTER:
            to += [Address(department, scopes.OFFICER) for department in sorted(turn.situation.subscribers)]
        else:
            on_a_side = role in (Role.PROVIDER, Role.PROVIDER_HEAD)
            to.append(Address(filing.provider if on_a_side else "", OFFICE_OF[role]))
    key = f"filing/{filing.code}/{filing.steps}"
    about, word = Subject("filing", filing.code), f"filing.{turn.row.event}"
    await notify(turn.change, to=to, word=word, about=about, facts=_facts(turn, filing), key=key)


async def _tell_log(turn: Turn, filing: Filing) -> None:
    more = {
        "from": turn.situation.filing.state, "version": str(filing.version), "profile": filing.profile,
        "profile_version": filing.profile_version,
    }  # fmt: skip
    await turn.change.tell(f"filing.{turn.row.event}", filing, **_facts(turn, filing), **more)


# --- reading --------------------------------------------------------------------------------------------------------
async def view(tx: AsyncConnection, lawbook: Lawbook, code: str, actor: Actor, at: datetime) -> dict[str, Any]:
    """A filing with all that somebody needs who works on it. Raises Refusal(NOT_FOUND) for those it is not shown to."""
    filing = await _find(tx, code)
    if filing is None or not may_see(actor, filing):
        raise Refusal(codes.NOT_FOUND, f"filing {code}")
    situation = await situation_of(tx, lawbook, filing, at)
    label = LABELS[filing.state]
    return {
        **asdict(filing), **_law_of(situation), "state_label": {"zh": label[0], "en": label[1]},
        "differences": differences(situation.live, filing.text) if situation.live else [],
        "alike": [] if filing.state in SETTLED else await alike(tx, filing.text),
        "history": await filing_store.steps_of(tx, code),
        "clocks": await clocks_of(tx, [clock_subject(key, code) for key in (UPDATE, REVIEW)]),
        "possible": possible(MACHINE, RULES, _attempt(actor, "", situation)),
    }  # fmt: skip


def _law_of(situation: Situation) -> dict[str, Any]:
    """The law that the next step goes by."""
    filing, profile = situation.filing, situation.law.profile
    government = filing.government if _keeps_its_law(filing) else situation.provider.is_government
    return {"profile": profile.id, "profile_version": profile.version, "government": government}
