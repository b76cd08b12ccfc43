"""Taking in what others send: a document, a sheet, a description of interfaces. Each is whole or not at all."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.directory import contract, filing_store, filings, flows
from catalog_service.directory import store as directory
from catalog_service.directory.addresses import REMOTE_REF, require_allowed
from catalog_service.directory.breaking import InterfaceChange, changes
from catalog_service.directory.contract import Mistake
from catalog_service.directory.entry import Resource
from catalog_service.directory.model import Department, Interface
from catalog_service.directory.permissions import check_responsible
from catalog_service.feed.model import PLATFORM
from catalog_service.interchange import document_text, filling, store, wsdl
from catalog_service.interchange.bundle import MOST_THINGS, Bundle
from catalog_service.interchange.cells import plain
from catalog_service.interchange.document import Directory, Outcome, lock_of, name_of, placed
from catalog_service.interchange.entries import check_resource, resource_of
from catalog_service.interchange.openapi import Note, describe, mistakes_in_document
from catalog_service.interchange.proposal import Proposal, Wanted, propose
from catalog_service.interchange.sheet import CODE, Flaw, Grid, Sheet, Stated, read
from catalog_service.interchange.table import PROVIDER, PROVIDER_CODE
from catalog_service.policy.flows import Lawbook
from runtime.errors import Refusal
from wire import codes
from wire.sample import sample_of

MOST_FLAWS = 500
Register = Callable[[Bundle, Any], Awaitable[tuple[Any, bool]]]
Described = Callable[[Wanted], tuple[list[Proposal], list[Note]]]
_REGISTER: dict[str, Register] = {
    "departments": flows.register_department,
    "systems": flows.register_system,
    "resources": flows.register_resource,
    "interfaces": flows.register_interface,
}


# --- a document -----------------------------------------------------------------------------------------------------
async def take_directory(change: Bundle, stated: Directory, *, dry_run: bool) -> Outcome:
    """Everything in the document is there as it says. For the platform's operator."""
    check_responsible(change.actor, PLATFORM)
    things = [(part, n, thing) for part, listed in stated.parts() for n, thing in enumerate(listed)]
    if len(things) > MOST_THINGS:
        raise Refusal(codes.TOO_MUCH_AT_ONCE, f"{len(things)} things", limit=MOST_THINGS)
    await change.lock_all(lock_of(part, thing) for part, _, thing in things)
    outcome = Outcome(dry_run=dry_run)
    for part, n, thing in things:
        told = len(change.told)
        try:
            _, created = await _REGISTER[part](change, thing)
        except Refusal as refusal:
            raise placed(refusal, part, n, thing) from None
        outcome.note(f"{part}/{name_of(thing)}", created=created, changed=len(change.told) > told)
    return outcome


# --- a sheet --------------------------------------------------------------------------------------------------------
class Report(Outcome, kw_only=True):
    """What a sheet did, or would do, or what is wrong with it. `more`: mistakes that are not listed."""

    entries: int
    errors: list[Flaw]
    more: int = 0


async def take_sheet(change: Bundle, lawbook: Lawbook, grid: Grid, *, dry_run: bool) -> Report:
    """The sheet's entries: live at once by the platform's operator, drafts by an officer of their department."""
    sheet = await asyncio.to_thread(_read, grid)
    report = Report(dry_run=dry_run, entries=len(sheet.entries), errors=[])
    if not sheet.flaws and sheet.entries:
        await _take_entries(change, lawbook, sheet, report)
    flaws = sorted(sheet.flaws, key=lambda flaw: (flaw.row, flaw.column))
    report.errors, report.more = flaws[:MOST_FLAWS], max(0, len(flaws) - MOST_FLAWS)
    if report.errors and not dry_run:
        raise Refusal(codes.SHEET_REFUSED, f"{len(flaws)} mistakes", errors=report.errors, more=report.more)
    return report


def _read(grid: Grid) -> Sheet:
    sheet = read(grid)
    if sheet.entries:
        filling.check(sheet)
    return sheet


async def _take_entries(change: Bundle, lawbook: Lawbook, sheet: Sheet, report: Report) -> None:
    provider = await _provider(change.tx, sheet)
    if provider is None:
        return
    check_responsible(change.actor, provider.id)
    await change.lock_all(f"resource/{stated.code}" for stated in sheet.entries)
    live = await store.names_of_resources(change.tx, provider.id)
    systems = [system.name async for system in store.systems(change.tx)]
    filling.check_against(sheet, live=live, systems=systems)
    is_draft = change.actor.department != PLATFORM
    made = []
    for stated in sheet.entries if not sheet.flaws else []:
        known = await _known(change.tx, stated.code, is_draft=is_draft)
        resource = resource_of(stated, provider.id, known, sheet.titles)
        check_resource(sheet, stated, resource, is_draft=is_draft)
        made.append((stated, resource, known))
    for stated, resource, known in made if not sheet.flaws else []:
        await _take_entry(change, lawbook, sheet, stated, resource, known, report)


async def _provider(tx: AsyncConnection, sheet: Sheet) -> Department | None:
    """The department that the sheet is of, by its credit code; None with a mistake where there is none."""
    first = sheet.entries[0]
    code, name = first.value(PROVIDER_CODE), plain(first.text(PROVIDER))
    known = await store.listed(store.departments(tx))
    found = next((one for one in known if one.uscc == code), None)
    if found is None:
        zh, en = "目录中没有使用此代码的部门", "no department is registered under this code"
        sheet.wrong(first.row, PROVIDER_CODE, "provider-code", zh, en, str(code))
    elif name not in (plain(found.name), plain(found.id)):
        zh, en = f"该代码属于{found.name}", f"the code is that of {found.name}"
        sheet.wrong(first.row, PROVIDER, "provider-name", zh, en, first.text(PROVIDER))
        return None
    return found


async def _known(tx: AsyncConnection, code: str, *, is_draft: bool) -> Resource | None:
    """The text that the sheet's is to replace: what a department works on, or else what is live."""
    filing = await filing_store.find_filing(tx, code) if is_draft else None
    return filing.text if filing else await directory.find_resource(tx, code)


async def _take_entry(
    change: Bundle, lawbook: Lawbook, sheet: Sheet, stated: Stated, resource: Resource, known: Resource | None,
    report: Report,
) -> None:  # fmt: skip
    """One entry. A refusal is one more mistake of the sheet: all of them are told at once, and nothing stays."""
    told = len(change.told)
    try:
        if change.actor.department == PLATFORM:
            await flows.register_resource(change, resource)
        else:
            await filings.draft(change, lawbook, resource)
    except Refusal as refusal:
        zh, en = refusal.code.title_zh, f"{refusal.code.title_en}: {refusal.detail}"
        sheet.wrong(stated.row, CODE, refusal.code.name, zh, en, stated.code)
        return
    report.note(f"resources/{resource.code}", created=known is None, changed=len(change.told) > told)


# --- an OpenAPI document, a WSDL -------------------------------------------------------------------------------------
class Registered(msgspec.Struct, frozen=True, kw_only=True):
    """One interface version from a document. `changes`: against this version as it was, or the one before it.

    sample  a made-up answer, as its schema or its fields allow; None of bytes
    """

    interface: Interface
    sample: Any
    created: bool
    changes: list[InterfaceChange]


class Interfaces(msgspec.Struct, frozen=True, kw_only=True):
    """What a document became, or would become."""

    dry_run: bool
    items: list[Registered]
    notes: list[Note]


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a document does not say; see `proposal.Wanted`."""

    resource: str
    interface: str
    version: str
    base_url: str
    networks: list[str]
    by_tag: bool


async def take_openapi(change: Bundle, content: bytes, options: Options, *, dry_run: bool) -> Interfaces:
    """The document's interfaces, registered. Raises Refusal(INVALID_REQUEST) with every mistake by its place."""
    return await _take_described(change, partial(_proposals, content), options, dry_run=dry_run)


async def take_wsdl(
    change: Bundle, content: bytes, port: wsdl.PortName, options: Options, *, dry_run: bool
) -> Interfaces:
    """The same of a WSDL. Raises Refusal(REGISTRATION_FORBIDDEN) too, for a document that leads elsewhere."""
    return await _take_described(change, partial(wsdl.proposals, content, port), options, dry_run=dry_run)


async def _take_described(change: Bundle, described: Described, options: Options, *, dry_run: bool) -> Interfaces:
    resource = await directory.find_resource(change.tx, options.resource)
    if resource is None:
        raise Refusal(codes.NOT_FOUND, f"resource {options.resource}")
    check_responsible(change.actor, resource.provider)
    members = {**msgspec.structs.asdict(options), "resource": resource}
    proposals, notes = await asyncio.to_thread(described, Wanted(**members))
    await change.lock_all(f"interface/{proposal.interface.id}" for proposal in proposals)
    items = [await _take_interface(change, proposal) for proposal in proposals]
    return Interfaces(dry_run=dry_run, items=items, notes=notes)


def _proposals(content: bytes, wanted: Wanted) -> tuple[list[Proposal], list[Note]]:
    try:
        tree = document_text.read(content)
    except document_text.BadDocument as bad:
        raise contract.invalid(("", str(bad))) from None
    contract.require(mistakes_in_document(tree))
    mistakes: list[Mistake] = []
    described = describe(tree, mistakes)
    require_allowed((path, error, REMOTE_REF) for path, error in described.outside)
    notes = described.notes
    proposals = propose(described, wanted, mistakes, notes)
    contract.require(mistakes)
    contract.require(mistake for proposal in proposals for mistake in proposal.mistakes())
    return proposals, notes


async def _take_interface(change: Bundle, proposal: Proposal) -> Registered:
    stated = proposal.interface
    before = await store.last_version_before(change.tx, stated.id, stated.version)
    interface, created = await flows.register_interface(change, stated)
    return Registered(
        interface=interface, created=created, changes=changes(before, interface) if before else [],
        sample=None if interface.format == "binary" else sample_of(interface.response, interface.fields),
    )  # fmt: skip
