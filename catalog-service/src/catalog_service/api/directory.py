"""Departments, information systems and interfaces over HTTP."""

from collections.abc import Sequence
from typing import Annotated, Any, TypeVar

import msgspec
from fastapi import APIRouter, Depends, Query, Response

from catalog_service.api import health
from catalog_service.api.answers import actor_of, answer, page
from catalog_service.api.bodies import (
    Body,
    DepartmentBody,
    Event,
    Id,
    InterfaceBody,
    ReasonBody,
    SystemBody,
    Version,
)
from catalog_service.api.entry_bodies import NOTHING_SAID, EntryStepBody, evidence_of
from catalog_service.api.offices import writers
from catalog_service.directory import filing_store, flows, store
from catalog_service.directory.breaking import changes
from catalog_service.directory.health.flows import known_of, summary
from catalog_service.directory.interface_steps import interface_step, possible_steps
from catalog_service.directory.model import Act, Department, Interface
from catalog_service.feed.flows import Journal
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.policy.flows import Lawbook
from runtime.documents import MADE
from runtime.errors import Code as RefusalCode
from runtime.errors import Refusal
from wire import codes, scopes
from wire.catalog import System
from wire.tokens import AccessToken, Door

T = TypeVar("T")
Limit = Annotated[int, Query(ge=1, le=1000)]
After = Annotated[str, Query(max_length=80, pattern=r"^[^\x00]*$")]
Filter = Annotated[str, Query(max_length=64, pattern=r"^[^\x00]*$")]

FromVersion = Annotated[Version, Query(alias="from")]


def _members(body: Body, **more: str) -> dict[str, Any]:
    return {**body.model_dump(), **more}


def _found(thing: T | None, code: RefusalCode, what: str) -> T:
    if thing is None:
        raise Refusal(code, what)
    return thing


async def _shown(journal: Journal, token: AccessToken, found: Sequence[Interface]) -> list[dict[str, Any]]:
    """Interfaces as this token may see them, with what is known of their health."""
    now = journal.now()
    async with journal.database.connect() as connection:
        known = await known_of(connection, found, now)
    return [{**_for(token, one), "health": summary(one, known[one.key], now)} for one in found]


def _for(token: AccessToken, interface: Interface) -> dict[str, Any]:
    """Where the provider's systems stand is not for everybody."""
    if token.department in (interface.provider, PLATFORM):
        shown: dict[str, Any] = msgspec.to_builtins(interface)
        return shown
    return interface.for_others()


def router(door: Door, journal: Journal, lawbook: Lawbook) -> APIRouter:
    """All routes of the directory but those of its entries."""
    routes = APIRouter()
    routes.include_router(_departments(door, journal))
    routes.include_router(_systems(door, journal))
    routes.include_router(_interfaces(door, journal))
    routes.include_router(_stages(door, journal, lawbook))
    routes.include_router(health.router(door, journal))
    return routes


def _departments(door: Door, journal: Journal) -> APIRouter:
    routes = APIRouter(prefix="/departments", tags=["departments"])
    any_token, writer = Depends(door.needing()), Depends(door.needing(scopes.CATALOG_WRITE))
    database = journal.database

    @routes.put("/{department_id}", responses=MADE)
    async def register(department_id: Id, body: DepartmentBody, token: AccessToken = writer) -> Response:
        async with journal.change(actor_of(token)) as change:
            stated = msgspec.convert(_members(body, id=department_id), Department)
            department, created = await flows.register_department(change, stated)
        return answer(department, 201 if created else 200)

    @routes.post("/{department_id}/{act}")
    async def move(department_id: Id, act: Act, body: ReasonBody, token: AccessToken = writer) -> Response:
        async with journal.change(actor_of(token)) as change:
            department = await flows.move_department(change, department_id, act, body.reason)
        return answer(department)

    @routes.get("/{department_id}", dependencies=[any_token])
    async def one(department_id: Id) -> Response:
        async with database.connect() as connection:
            department = await store.find_department(connection, department_id)
        return answer(_found(department, codes.NOT_FOUND, f"department {department_id}"))

    @routes.get("", dependencies=[any_token])
    async def some(after: After = "", limit: Limit = 100) -> Response:
        async with database.connect() as connection:
            found = await store.page_of_departments(connection, after, limit)
        return page(found, limit, found[-1].id if found else "")

    return routes


def _systems(door: Door, journal: Journal) -> APIRouter:
    routes = APIRouter(prefix="/systems", tags=["systems"])
    any_token, writer = Depends(door.needing()), Depends(door.needing(scopes.CATALOG_WRITE))
    database = journal.database

    @routes.put("/{system_id}", responses=MADE)
    async def register(system_id: Id, body: SystemBody, token: AccessToken = writer) -> Response:
        async with journal.change(actor_of(token)) as change:
            system, created = await flows.register_system(change, msgspec.convert(_members(body, id=system_id), System))
        return answer(system, 201 if created else 200)

    @routes.post("/{system_id}/{act}")
    async def move(system_id: Id, act: Act, body: ReasonBody, token: AccessToken = writer) -> Response:
        async with journal.change(actor_of(token)) as change:
            system = await flows.move_system(change, system_id, act, body.reason)
        return answer(system)

    @routes.get("/{system_id}", dependencies=[any_token])
    async def one(system_id: Id) -> Response:
        async with database.connect() as connection:
            system = await store.find_system(connection, system_id)
        return answer(_found(system, codes.NOT_FOUND, f"system {system_id}"))

    @routes.get("", dependencies=[any_token])
    async def some(department: Filter = "", after: After = "", limit: Limit = 100) -> Response:
        async with database.connect() as connection:
            found = await store.page_of_systems(connection, department, after, limit)
        return page(found, limit, found[-1].id if found else "")

    return routes


def _interfaces(door: Door, journal: Journal) -> APIRouter:
    routes = APIRouter(prefix="/interfaces", tags=["interfaces"])
    any_token, writer = Depends(door.needing()), Depends(writers(door))
    database = journal.database

    @routes.put("/{interface_id}/versions/{version}", responses=MADE)
    async def register(interface_id: Id, version: Version, body: InterfaceBody, actor: Actor = writer) -> Response:
        async with journal.change(actor) as change:
            stated = msgspec.convert(_members(body, id=interface_id, version=version), Interface)
            interface, created = await flows.register_interface(change, stated)
        return answer(interface, 201 if created else 200)

    @routes.post("/{interface_id}/versions/{version}/{act}")
    async def move(interface_id: Id, version: Version, act: Act, body: ReasonBody, actor: Actor = writer) -> Response:
        async with journal.change(actor) as change:
            interface = await flows.move_interface(change, interface_id, version, act, body.reason)
        return answer(interface)

    @routes.get("/{interface_id}/versions/{version}")
    async def one(interface_id: Id, version: Version, token: AccessToken = any_token) -> Response:
        async with database.connect() as connection:
            interface = await store.find_interface(connection, interface_id, version)
        found = _found(interface, codes.UNKNOWN_INTERFACE, f"interface {interface_id}/{version}")
        [shown] = await _shown(journal, token, [found])
        return answer(shown)

    @routes.get("")
    async def some(
        provider: Filter = "", after: After = "", limit: Limit = 100, token: AccessToken = any_token
    ) -> Response:
        async with database.connect() as connection:
            found = await store.page_of_interfaces(connection, provider, after, limit)
        return page(await _shown(journal, token, found), limit, found[-1].key if found else "")

    return routes


def _stages(door: Door, journal: Journal, lawbook: Lawbook) -> APIRouter:
    """The way of a version from its registration to its end, and what the next one changes."""
    routes = APIRouter(prefix="/interfaces", tags=["interfaces"])
    any_token = Depends(door.needing())
    database = journal.database

    @routes.post("/{interface_id}/versions/{version}/steps/{event}")
    async def take_step(
        interface_id: Id, version: Version, event: Event, body: EntryStepBody = NOTHING_SAID,
        token: AccessToken = any_token,
    ) -> Response:  # fmt: skip
        async with journal.change(actor_of(token)) as change:
            interface = await interface_step(change, lawbook, interface_id, version, event, evidence_of(body))
        return answer(interface)

    @routes.get("/{interface_id}/versions/{version}/steps")
    async def steps(interface_id: Id, version: Version, token: AccessToken = any_token) -> Response:
        async with database.connect() as connection:
            found = await store.find_interface(connection, interface_id, version)
            interface = _found(found, codes.UNKNOWN_INTERFACE, f"interface {interface_id}/{version}")
            history = await filing_store.interface_steps_of(connection, interface_id, version)
        events = possible_steps(interface, actor_of(token))
        return answer({"stage": interface.stage, "history": history, "possible": events})

    @routes.get("/{interface_id}/changes", dependencies=[any_token])
    async def changed(interface_id: Id, from_: FromVersion, to: Version) -> Response:
        async with database.connect() as connection:
            found = [await store.find_interface(connection, interface_id, version) for version in (from_, to)]
        old, new = (
            _found(one, codes.UNKNOWN_INTERFACE, f"interface {interface_id}/{version}")
            for one, version in zip(found, (from_, to), strict=True)
        )
        news = changes(old, new)
        return answer({"breaking": any(one.breaking for one in news), "items": news})

    return routes
