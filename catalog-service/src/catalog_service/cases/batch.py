"""Many applications at once: for several interfaces, on behalf of several systems. All of them come about, or none."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from catalog_service.cases import store
from catalog_service.cases.flows import Desk, Named, act, hold_case, open_case
from catalog_service.cases.model import Case, Evidence
from catalog_service.cases.permissions import may_see
from catalog_service.directory import store as directory
from catalog_service.directory.contract import invalid
from catalog_service.feed.flows import Change
from runtime.errors import Refusal
from statute.calendar import SHANGHAI
from wire import codes

MOST = 200


@dataclass(frozen=True, slots=True)
class Item:
    """One interface of the batch, and what its form says besides the common part."""

    interface: str
    details: Mapping[str, Any]


async def apply_for_all(
    change: Change, desk: Desk, systems: Sequence[str], items: Sequence[Item], common: Mapping[str, Any]
) -> tuple[str, list[Case]]:
    """The batch's number, and an application for each interface and system. A refusal says which item it is about."""
    if len(systems) * len(items) > MOST:
        raise invalid(("items", f"at most {MOST} applications at once"))
    await _hold(change, systems, [item.interface for item in items])
    number = f"PL-{change.at.astimezone(SHANGHAI).year}-{await store.next_number(change.tx):06d}"
    made = []
    for n, item in enumerate(items):
        for system in systems:
            named = Named(kind="application", interface=item.interface, system=system, batch=number)
            try:
                made.append(await open_case(change, desk, named, {**common, **item.details}))
            except Refusal as refusal:
                raise _about(refusal, item=n, system=system) from None
    return number, made


async def act_on_all(change: Change, desk: Desk, number: str, event: str, evidence: Evidence) -> list[Case]:
    """The same step on every case of a batch that is not at its end and that the actor sees."""
    running = await store.running_cases(change.tx, "application", batch=number)
    waiting = [case for case in running if may_see(case, change.actor)]
    if not waiting:
        raise Refusal(codes.NOT_FOUND, f"batch {number}")
    held = [await hold_case(change, case.id) for case in waiting]
    await _hold(change, [case.system for case in held], [case.interface for case in held])
    done = []
    for case in held:
        try:
            done.append(await act(change, desk, case.id, event, evidence))
        except Refusal as refusal:
            raise _about(refusal, case=case.id) from None
    return done


async def _hold(change: Change, systems: Iterable[str], interfaces: Iterable[str]) -> None:
    """All that grants will rest on, before the first of them is published (see `Change`)."""
    for system in sorted(set(systems)):
        await directory.find_system(change.tx, system, hold="share")
    for key in sorted(set(interfaces)):
        interface_id, _, version = key.partition("/")
        await directory.find_interface(change.tx, interface_id, version, hold="share")


def _about(refusal: Refusal, **which: object) -> Refusal:
    return Refusal(refusal.code, refusal.detail, **{**refusal.facts, **which})
