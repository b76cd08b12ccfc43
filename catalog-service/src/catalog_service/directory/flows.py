"""Registering departments, systems, resources and interfaces, and changing their standing.

Each flow runs in one `Change`: what is stored, what gateways learn and what the log is told commit together. The
answer of a registration says whether the thing is new; stating the same again changes nothing and tells nobody.
"""

import asyncio

import msgspec

from catalog_service.directory import addresses, contract, filing_store, importing, model, publishing, store
from catalog_service.directory.adapters import completed
from catalog_service.directory.breaking import changes
from catalog_service.directory.entry import Resource
from catalog_service.directory.model import DONE, Act, Department, Interface
from catalog_service.directory.permissions import check_may_move, check_responsible
from catalog_service.directory.sample import mistakes_in_examples
from catalog_service.directory.soap_contract import require_wsdl
from catalog_service.feed.flows import Change
from catalog_service.feed.model import PLATFORM
from runtime.errors import Refusal
from wire import codes
from wire.catalog import System

UNDERSTOOD = ("parameters", "request", "response", "mode", "adapter")
"""Members that users of a version have to go on understanding."""


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
    known = await _held_system(change, system_id)
    check_may_move(change.actor, known.department, known.state, act)
    return await _move_system(change, known, act, change.actor.department, reason)


async def move_system_by_case(change: Change, system_id: str, act: Act, case: str, reason: str) -> System:
    """As the case of this number decided, where it was asked whose word it takes; its owner does not resume past it."""
    return await _move_system(change, await _held_system(change, system_id), act, case, reason)


async def _held_system(change: Change, system_id: str) -> System:
    await change.lock(f"system/{system_id}")
    known = await store.find_system(change.tx, system_id, hold="update")
    if known is None:
        raise Refusal(codes.NOT_FOUND, f"system {system_id}")
    return known


async def _move_system(change: Change, known: System, act: Act, by: str, reason: str) -> System:
    system = model.move(known, act, by, reason, change.at)
    await _keep_system(change, system, DONE[act], reason)
    return system


async def _keep_system(change: Change, system: System, verb: str, reason: str = "") -> None:
    await store.keep_system(change.tx, system)
    await change.tell(f"system.{verb}", system, system=system.id, owner=system.department, reason=reason)
    await change.publish(system)


# --- resources ------------------------------------------------------------------------------------------------------
async def register_resource(change: Change, stated: Resource) -> tuple[Resource, bool]:
    """An entry as the platform's operator declares it: live at once, on record as imported. Departments file theirs."""
    check_responsible(change.actor, PLATFORM)
    contract.require(contract.mistakes_in_resource(stated))
    await change.lock(f"resource/{stated.code}")
    known = await store.find_resource(change.tx, stated.code, hold="update")
    if known is not None and known.provider != stated.provider:
        raise Refusal(codes.CONFLICT, f"resource {stated.code} belongs to {known.provider}")
    await _existing_department(change, stated.provider, "provider")
    text = model.carry_over(known, stated)
    if known is not None and not text.published:
        text = msgspec.structs.replace(text, published=known.published)
    if known is not None and text == known:
        return known, False
    entry, heard = await importing.import_entry(change, text, known)
    await publishing.publish_all(change, heard)
    return entry, known is None


# --- interfaces -----------------------------------------------------------------------------------------------------
async def register_interface(change: Change, stated: Interface) -> tuple[Interface, bool]:
    """The platform's operator brings a version into use at once; a department registers it, and tests it next."""
    check_responsible(change.actor, stated.provider)
    addresses.require_allowed(addresses.forbidden_in_interface(stated, change.egress))
    contract.require(contract.mistakes_in_interface(stated))
    await asyncio.to_thread(_require_readable, stated)
    stated = completed(stated)
    await change.lock(f"interface/{stated.id}")
    holder = await store.provider_of_interface(change.tx, stated.id)
    if holder not in (None, stated.provider):
        raise Refusal(codes.CONFLICT, f"interface {stated.id} belongs to {holder}")
    await _existing_department(change, stated.provider, "provider")
    resource = await _resource_of(change, stated)
    known = await store.find_interface(change.tx, stated.id, stated.version, hold="update")
    at_once = change.actor.department == PLATFORM
    interface = model.staged(known, stated, resource, at_once=at_once)
    if known is not None:
        contract.check_same_contract(known, interface)
        if known.is_served and not at_once:
            _check_harmless(known, interface)
    if interface != known:
        await _keep_interface(change, known, interface, _verb(known))
    return interface, known is None


def _require_readable(stated: Interface) -> None:
    """What takes its time to read: documents and schemas."""
    require_wsdl(stated)
    contract.require(mistakes_in_examples(stated))


def _check_harmless(known: Interface, stated: Interface) -> None:
    """Who uses a version goes on understanding it (国务院令第809号 27 para 3); limits are the provider's to set."""
    found = [one.path for one in changes(known, stated) if one.breaking]
    if breaks := [path for path in found if path.partition("/")[0] in UNDERSTOOD]:
        raise Refusal(codes.BREAKING_CHANGE, f"{known.key} is in use", breaks=breaks, article="国务院令第809号 27")


async def _resource_of(change: Change, interface: Interface) -> Resource:
    resource = await store.find_resource(change.tx, interface.resource, hold="share")
    if resource is None or resource.provider != interface.provider:
        raise contract.invalid(("resource", f"{interface.provider} has no resource {interface.resource}"))
    if resource.state.standing == "revoked":
        model.check_active(resource, f"resource {resource.code}")
    return resource


async def move_interface(change: Change, interface_id: str, version: str, act: Act, reason: str) -> Interface:
    await change.lock(f"interface/{interface_id}")
    known = await store.find_interface(change.tx, interface_id, version, hold="update")
    if known is None:
        raise Refusal(codes.UNKNOWN_INTERFACE, f"interface {interface_id}/{version}")
    check_may_move(change.actor, known.provider, known.state, act)
    if act == "revoke" and change.actor.department != PLATFORM:
        await _check_unused(change, known)
    interface = model.move(known, act, change.actor.department, reason, change.at)
    await _keep_interface(change, known, interface, DONE[act], reason)
    return interface


async def _check_unused(change: Change, interface: Interface) -> None:
    """What others use is announced, negotiated and filed before it ends (国务院令第809号 27 para 3): see its stages."""
    users = await filing_store.subscribers_of_interface(change.tx, interface.id, interface.version, change.at)
    if users:
        raise Refusal(codes.STILL_USED, interface.key, users=sorted(users), article="国务院令第809号 27")


async def _keep_interface(
    change: Change, known: Interface | None, interface: Interface, verb: str, reason: str = ""
) -> None:
    await store.keep_interface(change.tx, interface)
    facts = {"interface": interface.key, "provider": interface.provider, "reason": reason}
    await change.tell(f"interface.{verb}", interface, **facts)
    await publishing.show(change, known, interface)
