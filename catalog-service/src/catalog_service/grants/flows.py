"""Giving a grant, suspending it, resuming it, taking it back. A grant itself never changes: it is what was approved."""

import msgspec

from catalog_service.directory import store as directory
from catalog_service.directory.contract import invalid, require
from catalog_service.directory.model import DONE, Act, Interface, check_active, move
from catalog_service.directory.permissions import check_may_move, check_responsible
from catalog_service.feed.flows import Change
from catalog_service.grants import store
from catalog_service.grants.model import check_shared, mistakes_in_grant
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Grant, System


async def give_grant(change: Change, stated: Grant) -> Grant:
    """The grant as published, with its department and revision. The provider's word, or the platform's, is needed."""
    system, interface = await _parties(change, stated)
    check_responsible(change.actor, interface.provider)
    check_active(system, f"system {system.id}")
    check_active(interface, f"interface {interface.key}")
    resource = await directory.find_resource(change.tx, interface.resource)
    if resource is not None:
        check_shared(resource)
    require(mistakes_in_grant(stated, interface, change.at))
    grant = msgspec.structs.replace(stated, department=system.department)
    facts = {
        "grant": grant.id, "system": grant.system, "interface": grant.interface, "purpose": grant.purpose,
        "basis": grant.basis, "fields": ",".join(grant.fields), "not_after": str(grant.not_after),
    }  # fmt: skip
    return await _keep(change, grant, "given", facts)


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


async def move_grant(change: Change, grant_id: str, act: Act, reason: str) -> Grant:
    """The grant in its next standing; gateways learn it with the commit (国务院令第809号 27, 常德 22)."""
    known = await store.find_grant(change.tx, grant_id, for_change=True)
    if known is None:
        raise Refusal(codes.NOT_FOUND, f"grant {grant_id}")
    provider = await directory.provider_of_interface(change.tx, known.interface.partition("/")[0])
    check_may_move(change.actor, provider or "", known.state, act)
    grant = move(known, act, change.actor.department, reason, change.at)
    facts = {"grant": grant.id, "system": grant.system, "interface": grant.interface, "reason": reason}
    return await _keep(change, grant, DONE[act], facts)


async def _keep(change: Change, grant: Grant, verb: str, facts: dict[str, str]) -> Grant:
    """Publishing gives the grant its revision, so it is stored after; its row and what it rests on are held already."""
    await change.tell(f"grant.{verb}", grant, **facts)
    published = await change.publish(grant)
    await store.keep_grant(change.tx, published)
    return published
