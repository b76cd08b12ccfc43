"""Opening cases and moving them on. Every step is one transaction with all that belongs to it.

The case, its history, its clocks, what is told and what gateways learn stand or fall together. The case's row is held
from the start: of two officers who decide at once the second finds the state that the first has made.
"""

import hashlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.cases import store
from catalog_service.cases.forms import fitted
from catalog_service.cases.model import Case, Evidence, Kind, Opening, Situation
from catalog_service.cases.permissions import may_see, roles_in
from catalog_service.cases.store import Happened
from catalog_service.clocks.flows import cancel_clocks, clocks_of, start_clock, stop_clocks
from catalog_service.directory import store as directory
from catalog_service.directory.contract import invalid
from catalog_service.directory.model import Department, check_active
from catalog_service.feed.flows import Change
from catalog_service.feed.model import Actor
from catalog_service.grants.store import find_grant
from catalog_service.machine import OFFICE_OF, START, Attempt, Role, Row, step
from catalog_service.machine import possible as possible_events
from catalog_service.notices.flows import notify
from catalog_service.notices.model import Address, Subject
from catalog_service.policy.flows import Lawbook
from runtime.errors import Refusal
from runtime.ids import uuid7
from statute.calendar import SHANGHAI
from statute.model import CLOCK_KEYS
from wire import codes, scopes

LAST_YEAR = 2999
"""Of the dates that somebody may set; the calendar ends somewhere."""


@dataclass(frozen=True, slots=True)
class Desk:
    """What every step needs: the law, the kinds of cases, and what the names of effects mean."""

    lawbook: Lawbook
    kinds: Mapping[str, Kind]
    effects: Mapping[str, "Effect"]

    def kind(self, name: str) -> Kind:
        if name not in self.kinds:
            raise invalid(("kind", f"one of {', '.join(sorted(self.kinds))}"))
        return self.kinds[name]


@dataclass(frozen=True, slots=True)
class Turn:
    """One step that is being taken; `situation` is as it was before."""

    change: Change
    desk: Desk
    situation: Situation
    row: Row
    evidence: Evidence


Effect = Callable[[Turn, Case], Awaitable[Case]]
"""What happens besides: answers the case as it is then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """What a case that is to be opened names; `interface` is "id/v1", "" stands for nothing."""

    kind: str
    interface: str = ""
    resource: str = ""
    system: str = ""
    grant: str = ""
    parent: str = ""
    requester: str = ""
    provider: str = ""
    batch: str = ""


# --- the two ways on ------------------------------------------------------------------------------------------------
async def open_case(change: Change, desk: Desk, named: Named, details: Mapping[str, Any], event: str = "") -> Case:
    """A new case. `event` is one from START, the table's first where it is ""; what its row needs stands in details."""
    kind = desk.kind(named.kind)
    form = fitted(details, kind.form)
    opening = await _opening(change, named, msgspec.to_builtins(form))
    requester, provider = kind.sides(opening)
    sides = [await _side(change, "requester", requester), await _side(change, "provider", provider)]
    case = await _blank(change, desk, kind, opening, sides, named)
    roles = roles_in(case, change.actor)
    first = event or next(row.event for row in kind.machine.rows if START in row.sources)
    situation = await _situation(change, desk, case, Evidence(), roles)
    row = step(kind.machine, kind.rules, _attempt(first, situation, msgspec.structs.asdict(form)))
    await store.add_case(change.tx, case, final=False)
    return await _take(Turn(change, desk, situation, row, Evidence()))


async def act(change: Change, desk: Desk, case_id: str, event: str, evidence: Evidence) -> Case:
    """The case after somebody's step. Raises Refusal: 404 for those it is not shown to, else as `machine.step` does."""
    case = await hold_case(change, case_id)
    if not may_see(case, change.actor):
        raise _no_such_case(case_id)
    return await _act(change, desk, case, event, evidence, roles_in(case, change.actor))


async def hold_case(change: Change, case_id: str) -> Case:
    """The case, which nobody else moves until this transaction ends."""
    case = await store.find_case(change.tx, case_id, for_change=True)
    if case is None:
        raise _no_such_case(case_id)
    return case


def _no_such_case(case_id: str) -> Refusal:
    return Refusal(codes.NOT_FOUND, f"case {case_id}")


async def fire(change: Change, desk: Desk, case: Case, event: str, evidence: Evidence | None = None) -> Case:
    """The case, whose row is held, after a step that nobody decides: the worker's."""
    return await _act(change, desk, case, event, evidence or Evidence(), frozenset({Role.WORKER}))


async def _act(change: Change, desk: Desk, case: Case, event: str, evidence: Evidence, roles: frozenset[Role]) -> Case:
    kind = desk.kind(case.kind)
    situation = await _situation(change, desk, case, evidence, roles)
    row = step(kind.machine, kind.rules, _attempt(event, situation, msgspec.structs.asdict(evidence)))
    return await _take(Turn(change, desk, situation, row, evidence))


def _attempt(event: str, situation: Situation, evidence: Mapping[str, object]) -> Attempt[Situation]:
    case = situation.case
    return Attempt(
        event=event, state=case.state, roles=situation.roles, client=situation.actor.client,
        makers=frozenset(case.makers), evidence=evidence, situation=situation,
    )  # fmt: skip


async def _take(turn: Turn) -> Case:
    """Everything that a step is."""
    before, row = turn.situation.case, turn.row
    final = row.target in turn.desk.kind(before.kind).machine.finals
    counts = {**before.counts, row.event: before.counts.get(row.event, 0) + 1}
    case = msgspec.structs.replace(before, state=row.target, counts=counts)
    await store.keep_case(turn.change.tx, case, final=final)  # effects may open cases that look at this one
    for name in row.effects:
        case = await turn.desk.effects[name](turn, case)
    await store.keep_case(turn.change.tx, case, final=final)
    await _run_clocks(turn, case, final=final)
    n = await store.count_history(turn.change.tx, case.id) + 1
    digest = _digest(case.details if before.state == START else turn.evidence)
    await _tell_roles(turn, case, n)
    await _write_history(turn, case, n, digest)
    await _tell_log(turn, case, digest)
    return case


# --- what a step finds ----------------------------------------------------------------------------------------------
async def _opening(change: Change, named: Named, details: dict[str, Any]) -> Opening:
    """What is named, and what follows from it: a grant or a parent brings its interface, its system, its entry."""
    tx = change.tx
    grant = await find_grant(tx, named.grant) if named.grant else None
    parent = await store.find_case(tx, named.parent) if named.parent else None
    if parent is not None and not may_see(parent, change.actor):
        parent = None
    key = named.interface or (grant.interface if grant else parent.interface if parent else "")
    interface_id, _, version = key.partition("/")
    interface = await directory.find_interface(tx, interface_id, version) if key else None
    code = named.resource or (interface.resource if interface else parent.resource if parent else "")
    system_id = named.system or (grant.system if grant else parent.system if parent else "")
    opening = Opening(
        kind=named.kind, actor=change.actor, details=details, requester=named.requester, provider=named.provider,
        system=await directory.find_system(tx, system_id) if system_id else None,
        resource=await directory.find_resource(tx, code) if code else None,
        interface=interface, grant=grant, parent=parent,
    )  # fmt: skip
    _check_named(named, opening)
    return opening


def _check_named(named: Named, opening: Opening) -> None:
    for member in ("interface", "resource", "system", "grant", "parent"):
        name = getattr(named, member)
        if name and getattr(opening, member) is None:
            raise invalid((member, f"there is no {member} {name}"))
    interface, grant = opening.interface, opening.grant
    if named.resource and interface is not None and interface.resource != named.resource:
        raise invalid(("resource", f"interface {interface.key} opens {interface.resource}"))
    if grant is not None and interface is not None and grant.interface != interface.key:
        raise invalid(("interface", f"grant {grant.id} is for {grant.interface}"))
    if grant is not None and opening.system is not None and grant.system != opening.system.id:
        raise invalid(("system", f"grant {grant.id} is held by {grant.system}"))


async def _side(change: Change, member: str, department_id: str) -> Department | None:
    if not department_id:
        return None
    department = await directory.find_department(change.tx, department_id)
    if department is None:
        raise invalid((member, f"there is no department {department_id}"))
    check_active(department, f"department {department_id}")
    return department


async def _blank(
    change: Change, desk: Desk, kind: Kind, opening: Opening, sides: list[Department | None], named: Named
) -> Case:
    """The case before its first step, under the law that is in force now (B.16: it keeps that law)."""
    government = all(side.is_government for side in sides if side)
    law = await desk.lawbook.law(change.tx, government=government)
    calendar = await desk.lawbook.calendar(change.tx)
    year = change.at.astimezone(SHANGHAI).year
    requester, provider = (side.id if side else "" for side in sides)
    return Case(
        id=str(uuid7()), number=f"{kind.letters}-{year}-{await store.next_number(change.tx):06d}",
        kind=opening.kind, state=START, requester=requester, provider=provider,
        maker=change.actor.client, maker_department=change.actor.department, makers=[change.actor.client],
        person=change.actor.department if scopes.SUBJECT in change.actor.offices else "",
        opened=int(change.at.timestamp() * 1000),
        profile=law.profile.id, profile_version=law.profile.version, government=government,
        calendar=f"{calendar.region}/{calendar.version}",
        resource=opening.resource.code if opening.resource else "",
        interface=opening.interface.key if opening.interface else "",
        system=opening.system.id if opening.system else "",
        grant=named.grant, parent=named.parent, batch=named.batch, details=dict(opening.details),
    )  # fmt: skip


async def _situation(change: Change, desk: Desk, case: Case, evidence: Evidence, roles: frozenset[Role]) -> Situation:
    return await situation_of(change.tx, desk, case, evidence, change.actor, roles, change.at)


async def situation_of(
    tx: AsyncConnection, desk: Desk, case: Case, evidence: Evidence, actor: Actor, roles: frozenset[Role], at: datetime
) -> Situation:
    """What is known about the case now; nothing is held but the case itself, effects hold what they rest on."""
    clocks = await clocks_of(tx, [Subject("case", case.id)])
    law = await desk.lawbook.law(tx, government=case.government, profile=case.profile, version=case.profile_version)
    interface_id, _, version = case.interface.partition("/")
    return Situation(
        case=case, law=law, evidence=evidence, actor=actor, roles=roles, at=at,
        requester=await directory.find_department(tx, case.requester) if case.requester else None,
        provider=await directory.find_department(tx, case.provider) if case.provider else None,
        system=await directory.find_system(tx, case.system) if case.system else None,
        resource=await directory.find_resource(tx, case.resource) if case.resource else None,
        interface=await directory.find_interface(tx, interface_id, version) if case.interface else None,
        grant=await find_grant(tx, case.grant) if case.grant else None,
        parent=await store.find_case(tx, case.parent) if case.parent else None,
        overdue=frozenset(clock.key for clock in clocks if clock.ended_at is None and clock.latest_due_at < at),
    )  # fmt: skip


# --- what a step leaves ---------------------------------------------------------------------------------------------
async def _run_clocks(turn: Turn, case: Case, *, final: bool) -> None:
    """Stops before starts; a case at its end has no clock that runs (B.16)."""
    change, row = turn.change, turn.row
    subject = Subject("case", case.id)
    if row.stops:
        await stop_clocks(change, subject, row.stops)
    for key in row.starts:
        responsible = department_of(case, turn.desk.kind(case.kind).responsible[key])
        other = case.requester if responsible == case.provider else case.provider
        until = None if key in CLOCK_KEYS else _day(turn.evidence.until, change.at)
        await start_clock(
            change, turn.desk.lawbook, turn.situation.law, key, subject, responsible=responsible, counterpart=other,
            until=until,
        )  # fmt: skip
    if final:
        await cancel_clocks(change, subject)


def _day(text: str, at: datetime) -> date | None:
    if not text:
        return None
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise invalid(("until", "a date such as 2026-10-31")) from None
    if day < at.astimezone(SHANGHAI).date():
        raise invalid(("until", "lies in the past"))
    if day.year > LAST_YEAR:
        raise invalid(("until", f"no later than {LAST_YEAR}"))
    return day


def department_of(case: Case, role: Role) -> str:
    """Whose duty something is that this role does; "" for an office that belongs to no side."""
    if role in (Role.REQUESTER, Role.REQUESTER_HEAD):
        return case.requester
    return case.provider if role in (Role.PROVIDER, Role.PROVIDER_HEAD) else ""


def addresses(case: Case, roles: Iterable[Role]) -> list[Address]:
    """Where these roles get their notices; a side that there is not gets none."""
    found = []
    for role in roles:
        alone = role is Role.SUBJECT  # strangers share a portal's department and office
        department = case.person if alone else department_of(case, role)
        on_a_side = role not in (Role.AUTHORITY, Role.UPPER_AUTHORITY, Role.GOVERNMENT)
        if department or not on_a_side:
            found.append(Address(department, OFFICE_OF[role], case.maker if alone else ""))
    return found


async def _tell_roles(turn: Turn, case: Case, n: int) -> None:
    to = addresses(case, turn.row.tells)
    if to:
        facts = {
            "number": case.number, "kind": case.kind, "state": case.state, "article": turn.row.cite,
            "requester": case.requester, "provider": case.provider, "resource": case.resource,
            "interface": case.interface, "reason": turn.evidence.reason,
        }  # fmt: skip
        word = f"{case.kind}.{turn.row.event}"
        await notify(turn.change, to=to, word=word, about=Subject("case", case.id), facts=facts, key=f"{case.id}/{n}")


async def _write_history(turn: Turn, case: Case, n: int, digest: str) -> None:
    change, row = turn.change, turn.row
    role = next(role for role in row.by if role in turn.situation.roles)
    clocks = await clocks_of(change.tx, [Subject("case", case.id)])
    happened = Happened(
        n=n, at=_moment(change.at), event=row.event, source=turn.situation.case.state, target=row.target,
        client=change.actor.client, department=change.actor.department, role=role.value, article=row.cite,
        evidence=turn.evidence, digest=digest,
        profile=case.profile, profile_version=case.profile_version, clocks=[msgspec.to_builtins(one) for one in clocks],
    )  # fmt: skip
    await store.add_history(change.tx, case.id, change.at, happened)


async def _tell_log(turn: Turn, case: Case, digest: str) -> None:
    """One event for the log: who decided what on which ground; what a form says about people stays out of it."""
    evidence = turn.evidence
    basis = ";".join(one.named for one in evidence.legal_basis)
    facts = {
        "case": case.id, "number": case.number, "requester": case.requester, "provider": case.provider,
        "from": turn.situation.case.state, "to": case.state, "reason": evidence.reason, "basis": basis,
        "article": turn.row.cite, "profile": case.profile, "profile_version": case.profile_version,
        "evidence": digest,
    }  # fmt: skip
    await turn.change.tell(f"case.{case.kind}.{turn.row.event}", case, **facts)


def _digest(thing: object) -> str:
    """Of what came with a step; of a form only what the case keeps of it, else names could be guessed from it."""
    return hashlib.sha256(msgspec.json.encode(thing, order="deterministic")).hexdigest()


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


# --- reading --------------------------------------------------------------------------------------------------------
async def possible(tx: AsyncConnection, desk: Desk, case: Case, actor: Actor, at: datetime) -> list[str]:
    """Events that this actor may try now, by state, role, law and hands; guards speak when one is tried."""
    kind = desk.kind(case.kind)
    roles = roles_in(case, actor)
    situation = await situation_of(tx, desk, case, Evidence(), actor, roles, at)
    return possible_events(kind.machine, kind.rules, _attempt("", situation, {}))
