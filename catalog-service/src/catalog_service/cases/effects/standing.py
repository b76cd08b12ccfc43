"""What becomes of permissions when a case takes them away, gives them back or ends them: at once, with the commit.

Everything is held before the first of it is published, grants before their system, so that no two steps wait for each
other.

Source: 国务院令第809号 27; 常德 22, 25; 德清 34, 36, 39; 云南 23, 45, 48.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from catalog_service.cases.flows import Effect, Turn
from catalog_service.cases.model import Case
from catalog_service.directory import store as directory
from catalog_service.directory.flows import move_system_by_case
from catalog_service.directory.model import Act
from catalog_service.grants import store as grants
from catalog_service.grants.flows import move_grant_by_case
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Grant, Standing, System


@dataclass(frozen=True, slots=True)
class Held:
    """What the case is about, held until the transaction ends; a system only where all of it is meant."""

    grants: list[Grant]
    system: System | None

    def grants_that_are(self, *standings: Standing) -> list[Grant]:
        return [grant for grant in self.grants if grant.state.standing in standings]

    def system_that_is(self, standing: Standing) -> System | None:
        return self.system if self.system is not None and self.system.state.standing == standing else None


async def _suspend(turn: Turn, case: Case) -> Case:
    """Raises Refusal(CONFLICT) where nothing is left to suspend."""
    suspended = await _contain(turn, case)
    if not suspended.decision["grants"] and not suspended.decision["system"]:
        raise Refusal(codes.CONFLICT, "nothing that is in use would be suspended")
    return suspended


async def _contain(turn: Turn, case: Case) -> Case:
    """Suspends what is in use; what was suspended before stays with whoever did it. Whose word it was is kept."""
    held = await _hold(turn, case)
    found = [] if held.system else held.grants_that_are("active")
    system = held.system_that_is("active")
    await _move(turn, case, found, "suspend", system, "suspend")
    by = next(role for role in turn.row.by if role in turn.situation.roles)
    shut = [grant.id for grant in found]
    return _decided(case, suspended_by=by.value, grants=shut, system=system.id if system else "")


async def _restore(turn: Turn, case: Case) -> Case:
    """Exactly what this case has suspended and nobody ended meanwhile."""
    held = await _hold(turn, case)
    found = [grant for grant in held.grants_that_are("suspended") if grant.id in case.decision["grants"]]
    await _move(turn, case, found, "resume", _own_system(held, case), "resume")
    return case


async def _end(turn: Turn, case: Case) -> Case:
    """What the case is about ends for good; a system that it had shut may be given something else one day."""
    held = await _hold(turn, case)
    found = held.grants_that_are("active", "suspended")
    await _move(turn, case, found, "revoke", _own_system(held, case), "resume")
    return _decided(case, ended=[grant.id for grant in found])


async def _suspend_system(turn: Turn, case: Case) -> Case:
    """撤销账号 (云南 45): whoever uses the account of the system is out."""
    system = turn.situation.system
    if system is not None and system.state.standing == "active":
        await move_system_by_case(turn.change, system.id, "suspend", case.number, turn.evidence.reason)
    return case


async def _hold(turn: Turn, case: Case) -> Held:
    tx = turn.change.tx
    if case.grant:
        grant = await grants.find_grant(tx, case.grant, for_change=True)
        return Held([grant] if grant else [], None)
    found = await grants.hold_grants_of_system(tx, case.system)
    if case.provider:
        providers = {one.interface: await _provider_of(turn, one) for one in found}
        return Held([one for one in found if providers[one.interface] == case.provider], None)
    await turn.change.lock(f"system/{case.system}")
    return Held(found, await directory.find_system(tx, case.system, hold="update"))


async def _provider_of(turn: Turn, grant: Grant) -> str | None:
    return await directory.provider_of_interface(turn.change.tx, grant.interface.partition("/")[0])


def _own_system(held: Held, case: Case) -> System | None:
    """The system, if it was this case that shut it."""
    return held.system_that_is("suspended") if case.decision.get("system") else None


async def _move(
    turn: Turn, case: Case, found: list[Grant], act: Act, system: System | None, act_on_system: Act
) -> None:
    reason = str(case.details.get("trigger", case.kind))  # what callers get to read; findings are not for them
    for grant in found:
        await move_grant_by_case(turn.change, grant.id, act, case.number, reason)
    if system is not None:
        await move_system_by_case(turn.change, system.id, act_on_system, case.number, reason)


def _decided(case: Case, **more: object) -> Case:
    return replace(case, decision={**case.decision, **more})


EFFECTS: Mapping[str, Effect] = {
    "suspend_grants": _suspend,
    "contain_grants": _contain,
    "restore_grants": _restore,
    "end_grants": _end,
    "suspend_system": _suspend_system,
}
