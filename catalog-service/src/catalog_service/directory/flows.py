"""Registering departments, systems, resources and interfaces, and changing their standing.

Each flow runs in one `Change`: what is stored, what gateways learn and what the log is told commit together. The
answer of a registration says whether the thing is new; stating the same again changes nothing and tells nobody.
"""

from catalog_service.directory import contract, model, store
from catalog_service.directory.entry import Resource
from catalog_service.directory.model import DONE, Act, Department, Interface
from catalog_service.directory.permissions import check_may_move, check_responsible
from catalog_service.feed.flows import Change
from catalog_service.feed.model import PLATFORM
from runtime.errors import Refusal
from wire import codes
from wire.catalog import System


def _verb(known: object) -> str:
    return "registered" if known is None else "changed"


# --- departments ----------------------------------------------------------------------------------------------------
async def register_department(change: Change, stated: Department) -> tuple[Department, bool]:
    check_responsible(change.actor, PLATFORM)
    await change.lock(f"department/{stated.id}")
    known = await store.find_department(change.tx, stated.id, hold="update")
    department = model.carry_over(known, stated)
    if department != known:
        await _keep_department(change, department, _verb(known))
    return department, known is None


async def move_department(change: Change, department_id: str, act: Act, reason: str) -> Department:
    await change.lock(f"department/{department_id}")
    known = await store.find_department(change.tx, department_id, hold="update")
    if known is None:
        raise Refusal(codes.NOT_FOUND, f"department {department_id}")
    check_may_move(change.actor, PLATFORM, known.state, act)
    department = model.move(known, act, change.actor.department, reason, change.at)
    await _keep_department(change, department, DONE[act], reason)
    return department


async def _keep_department(change: Change, department: Department, verb: str, reason: str = "") -> None:
    await store.keep_department(change.tx, department)
    await change.tell(f"department.{verb}", department, department=department.id, reason=reason)
    await change.publish(department.published())


async def _existing_department(change: Change, department_id: str, member: str) -> None:
    """The department is there, not revoked, and stays so until the transaction ends."""
    department = await store.find_department(change.tx, department_id, hold="share")
    if department is None:
        raise contract.invalid((member, f"there is no department {department_id}"))
    if department.state.standing == "revoked":
        model.check_active(department, f"department {department_id}")


# --- information systems --------------------------------------------------------------------------------------------
async def register_system(change: Change, stated: System) -> tuple[System, bool]:
    """Source: 景德镇 7: whoever calls is a registered information system."""
    check_responsible(change.actor, stated.department)
    await change.lock(f"system/{stated.id}")
    known = await store.find_system(change.tx, stated.id, hold="update")
    if known is not None and known.department != stated.department:
        raise Refusal(codes.CONFLICT, f"system {stated.id} belongs to {known.department}; register a new one")
    await _existing_department(change, stated.department, "department")
    system = model.carry_over(known, stated)
    if system != known:
        await _keep_system(change, system, _verb(known))
    return system, known is None


async def move_system(change: Change, system_id: str, act: Act, reason: str) -> System:
    await change.lock(f"system/{system_id}")
    known = await store.find_system(change.tx, system_id, hold="update")
    if known is None:
        raise Refusal(codes.NOT_FOUND, f"system {system_id}")
    check_may_move(change.actor, known.department, known.state, act)
    system = model.move(known, act, change.actor.department, reason, change.at)
    await _keep_system(change, system, DONE[act], reason)
    return system


async def _keep_system(change: Change, system: System, verb: str, reason: str = "") -> None:
    await store.keep_system(change.tx, system)
    await change.tell(f"system.{verb}", system, system=system.id, owner=system.department, reason=reason)
    await change.publish(system)


# --- resources ------------------------------------------------------------------------------------------------------
async def register_resource(change: Change, stated: Resource) -> tuple[Resource, bool]:
    """A catalog entry; gateways do not need it, so it is not in the feed."""
    check_responsible(change.actor, stated.provider)
    contract.require(contract.mistakes_in_resource(stated))
    await change.lock(f"resource/{stated.code}")
    known = await store.find_resource(change.tx, stated.code, hold="update")
    if known is not None and known.provider != stated.provider:
        raise Refusal(codes.CONFLICT, f"resource {stated.code} belongs to {known.provider}")
    await _existing_department(change, stated.provider, "provider")
    if stated != known:
        await store.keep_resource(change.tx, stated)
        await change.tell(f"resource.{_verb(known)}", stated, resource=stated.code, provider=stated.provider)
        await _keep_records_long_enough(change, stated)
    return stated, known is None


async def _keep_records_long_enough(change: Change, resource: Resource) -> None:
    """Interfaces registered before their resource was known to hold personal information follow it (design P3)."""
    known = await store.interfaces_of_resource(change.tx, resource.code)
    raised = [(before, model.keep_long_enough(before, resource)) for before in known]
    changed = [after for before, after in raised if after != before and after.state.standing != "revoked"]
    for interface in changed:
        await store.keep_interface(change.tx, interface)
        await change.tell("interface.changed", interface, interface=interface.key, provider=interface.provider)
    for interface in changed:  # publishing comes last, see Change
        await change.publish(interface.published())


# --- interfaces -----------------------------------------------------------------------------------------------------
async def register_interface(change: Change, stated: Interface) -> tuple[Interface, bool]:
    check_responsible(change.actor, stated.provider)
    contract.require(contract.mistakes_in_interface(stated))
    await change.lock(f"interface/{stated.id}")
    holder = await store.provider_of_interface(change.tx, stated.id)
    if holder not in (None, stated.provider):
        raise Refusal(codes.CONFLICT, f"interface {stated.id} belongs to {holder}")
    await _existing_department(change, stated.provider, "provider")
    resource = await _resource_of(change, stated)
    known = await store.find_interface(change.tx, stated.id, stated.version, hold="update")
    interface = model.keep_long_enough(model.carry_over(known, stated), resource)
    if known is not None:
        contract.check_same_contract(known, interface)
    if interface != known:
        await _keep_interface(change, interface, _verb(known))
    return interface, known is None


async def _resource_of(change: Change, interface: Interface) -> Resource:
    resource = await store.find_resource(change.tx, interface.resource, hold="share")
    if resource is None or resource.provider != interface.provider:
        raise contract.invalid(("resource", f"{interface.provider} has no resource {interface.resource}"))
    return resource


async def move_interface(change: Change, interface_id: str, version: str, act: Act, reason: str) -> Interface:
    await change.lock(f"interface/{interface_id}")
    known = await store.find_interface(change.tx, interface_id, version, hold="update")
    if known is None:
        raise Refusal(codes.UNKNOWN_INTERFACE, f"interface {interface_id}/{version}")
    check_may_move(change.actor, known.provider, known.state, act)
    interface = model.move(known, act, change.actor.department, reason, change.at)
    await _keep_interface(change, interface, DONE[act], reason)
    return interface


async def _keep_interface(change: Change, interface: Interface, verb: str, reason: str = "") -> None:
    await store.keep_interface(change.tx, interface)
    facts = {"interface": interface.key, "provider": interface.provider, "reason": reason}
    await change.tell(f"interface.{verb}", interface, **facts)
    await change.publish(interface.published())
