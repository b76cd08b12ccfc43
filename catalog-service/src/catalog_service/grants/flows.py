"""Giving a grant, renewing it, suspending it, resuming it, taking it back.

What a grant allows never changes: it is what was approved. Only its standing and its term do.
"""

import msgspec

from catalog_service.directory import store as directory
from catalog_service.directory.contract import invalid, require
from catalog_service.directory.entry import Resource
from catalog_service.directory.model import DONE, Act, Interface, check_active, move
from catalog_service.directory.permissions import check_may_move, check_responsible
from catalog_service.feed.flows import Change
from catalog_service.grants import store
from catalog_service.grants.model import check_shared, check_usable, mistakes_in_grant, renewed, told
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Grant, System


async def give_grant(change: Change, stated: Grant) -> Grant:
    """A grant given directly, as published. The provider's word, or the platform's, is needed."""
    system, interface = await _parties(change, stated)
    check_responsible(change.actor, interface.provider)
    check_shared(await _resource_of(change, interface), told(stated.mode, interface))
    return await _give(change, stated, system, interface)


async def give_approved_grant(change: Change, stated: Grant, case: str) -> Grant:
    """A grant that the case of this number came to: whose word it takes, and what is shared, was decided there."""
    system, interface = await _parties(change, stated)
    return await _give(change, stated, system, interface, case)


async def _give(change: Change, stated: Grant, system: System, interface: Interface, case: str = "") -> Grant:
    check_active(system, f"system {system.id}")
    check_usable(interface, await _resource_of(change, interface))
    require(mistakes_in_grant(stated, interface, change.at))
    grant = msgspec.structs.replace(stated, department=system.department)
    facts = {
        "grant": grant.id, "system": grant.system, "interface": grant.interface, "purpose": grant.purpose,
        "basis": grant.basis, "fields": ",".join(grant.fields), "not_after": str(grant.not_after), "case": case,
        "mode": grant.mode,
    }  # fmt: skip
    return await _keep(change, grant, "given", facts)


async def renew_grant(change: Change, grant_id: str, months: int, case: str) -> Grant:
    """The same grant for another term; what it allows stays. Raises Refusal(CONFLICT) for one that is not in force."""
    known = await _held(change, grant_id)
    check_active(known, f"grant {grant_id}")
    system, interface = await _parties(change, known)
    check_active(system, f"system {system.id}")
    check_usable(interface, await _resource_of(change, interface))
    grant = renewed(known, months, change.at)
    facts = {"grant": grant.id, "system": grant.system, "interface": grant.interface, "case": case}
    return await _keep(change, grant, "renewed", {**facts, "not_after": str(grant.not_after)})


async def _parties(change: Change, stated: Grant) -> tuple[System, Interface]:
    """Both, held as they are until the grant is there: a suspension comes before it or after it."""
    system = await directory.find_system(change.tx, stated.system, hold="share")
    interface_id, _, version = stated.interface.partition("/")
    interface = await directory.find_interface(change.tx, interface_id, version, hold="share")
    if system is None:
        raise invalid(("system", f"there is no system {stated.system}"))
    if interface is None:
        raise invalid(("interface", f"there is no interface {stated.interface}"))
    return system, interface


async def _resource_of(change: Change, interface: Interface) -> Resource:
    """The entry that the interface opens; the database knows of none without."""
    resource = await directory.find_resource(change.tx, interface.resource)
    assert resource is not None  # noqa: S101  # a foreign key
    return resource


async def _held(change: Change, grant_id: str) -> Grant:
    grant = await store.find_grant(change.tx, grant_id, for_change=True)
    if grant is None:
        raise Refusal(codes.NOT_FOUND, f"grant {grant_id}")
    return grant


async def move_grant(change: Change, grant_id: str, act: Act, reason: str) -> Grant:
    """The grant in its next standing; gateways learn it with the commit (国务院令第809号 27, 常德 22)."""
    known = await _held(change, grant_id)
    provider = await directory.provider_of_interface(change.tx, known.interface.partition("/")[0])
    check_may_move(change.actor, provider or "", known.state, act)
    return await _move(change, known, act, change.actor.department, reason)


async def move_grant_by_case(change: Change, grant_id: str, act: Act, case: str, reason: str) -> Grant:
    """As the case of this number decided, where it was asked whose word it takes.

    What a case has suspended, no department resumes past it: the state names the case in its place.
    """
    return await _move(change, await _held(change, grant_id), act, case, reason)


async def _move(change: Change, known: Grant, act: Act, by: str, reason: str) -> Grant:
    grant = move(known, act, by, reason, change.at)
    facts = {"grant": grant.id, "system": grant.system, "interface": grant.interface, "reason": reason, "by": by}
    return await _keep(change, grant, DONE[act], facts)


async def _keep(change: Change, grant: Grant, verb: str, facts: dict[str, str]) -> Grant:
    """Publishing gives the grant its revision, so it is stored after; its row and what it rests on are held already."""
    await change.tell(f"grant.{verb}", grant, **facts)
    published = await change.publish(grant)
    await store.keep_grant(change.tx, published)
    return published
