"""The directory in and out: Excel sheets, OpenAPI documents, WSDLs, DCAT-AP, and the whole as JSON."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

import msgspec
from fastapi import APIRouter, Depends, Query, Request, Response
from pydantic import StringConstraints
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.responses import StreamingResponse

from catalog_service.api.answers import actor_of, answer
from catalog_service.api.bodies import LONGEST_WSDL, Code, Id, Name, Version
from catalog_service.api.directory import After
from catalog_service.api.interchange_bodies import DirectoryBody
from catalog_service.api.offices import writers
from catalog_service.feed.flows import Journal
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.interchange import dcat, document_text, store, workbook
from catalog_service.interchange.bundle import Bundle, as_one
from catalog_service.interchange.document import FORMAT, Directory, Outcome, stated
from catalog_service.interchange.flows import (
    Interfaces,
    Options,
    Report,
    take_directory,
    take_openapi,
    take_sheet,
    take_wsdl,
)
from catalog_service.interchange.table import rows_of
from catalog_service.interchange.wsdl import PortName
from catalog_service.policy.flows import Lawbook
from runtime.access import Rule, ruled
from runtime.documents import BYTES, MADE, body_of, content
from runtime.errors import Refusal
from wire import codes, scopes
from wire.tokens import AccessToken, Door

XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
LARGEST_IMPORT = 10 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
_DCAT = [one[1].partition(";")[0] for one in dcat.FORMATS.values()]
NO_STORE = {"Cache-Control": "no-store"}
Page = Annotated[int, Query(ge=1, le=5000)]
Networks = Annotated[list[Name], Query(max_length=100)]
PortWord = Annotated[str, Query(max_length=200)]
BaseUrl = Annotated[str, StringConstraints(max_length=200)]

Provider = Annotated[str, Query(max_length=64, pattern=r"^(?:[a-z0-9]+(?:[-_.][a-z0-9]+)*)?$")]


def router(door: Door, journal: Journal, lawbook: Lawbook, public_url: str) -> APIRouter:
    """All ways in and out; `public_url` is where the world sees the platform."""
    routes = APIRouter(prefix="/directory", tags=["directory"])
    routes.include_router(_excel(door, journal, lawbook))
    routes.include_router(_openapi(door, journal))
    routes.include_router(_wsdl(door, journal))
    routes.include_router(_dcat(door, journal.database, public_url))
    routes.include_router(_json(door, journal))
    return routes


def _senders(door: Door) -> Callable[[AccessToken], Awaitable[AccessToken]]:
    """The platform's operator writes, an officer drafts; the directory says whose things they are."""

    async def sender(token: Annotated[AccessToken, Depends(door.needing())]) -> AccessToken:
        needed = scopes.CATALOG_WRITE if token.department == PLATFORM else scopes.OFFICER
        if needed not in token.scopes:
            raise Refusal(codes.SCOPE_MISSING, f"needs {needed}", scope=needed)
        return token

    return ruled(sender, Rule("token", frozenset({scopes.CATALOG_WRITE, scopes.OFFICER})))


# --- Excel ------------------------------------------------------------------------------------------------------------
def _excel(door: Door, journal: Journal, lawbook: Lawbook) -> APIRouter:
    routes = APIRouter(prefix="/excel")
    any_token, sender = Depends(door.needing()), Depends(_senders(door))
    database = journal.database

    @routes.get("", dependencies=[any_token], responses={200: content(XLSX)})
    async def export(provider: Provider = "") -> Response:
        rows: list[list[str | int]] = []
        async with database.connect() as tx:
            departments = {one.id: one async for one in store.departments(tx)}
            async for resource in store.resources(tx, provider):
                rows += rows_of(resource, departments.get(resource.provider))
                if len(rows) > workbook.MOST_ROWS:
                    raise Refusal(codes.TOO_MUCH_AT_ONCE, "name a provider", limit=workbook.MOST_ROWS)
        return _book(await asyncio.to_thread(workbook.write, rows), f"directory{'-' if provider else ''}{provider}")

    @routes.get("/template", dependencies=[any_token], responses={200: content(XLSX)})
    async def template() -> Response:
        return _book(await asyncio.to_thread(workbook.write, []), "template")

    @routes.post("", max_body_size=LARGEST_IMPORT, openapi_extra=body_of(XLSX, BYTES))
    async def take(request: Request, dry_run: bool = False, token: AccessToken = sender) -> Response:
        try:
            grid = await asyncio.to_thread(workbook.read, await request.body())
        except workbook.BadWorkbook as bad:
            raise Refusal(codes.WORKBOOK_UNREADABLE, str(bad), errors=[{"zh": bad.zh, "en": str(bad)}]) from None

        async def work(change: Bundle) -> Report:
            return await take_sheet(change, lawbook, grid, dry_run=dry_run)

        return answer(await as_one(journal, actor_of(token), work, dry_run=dry_run))

    return routes


def _book(content: bytes, name: str) -> Response:
    headers = {**NO_STORE, "Content-Disposition": f'attachment; filename="{name}.xlsx"'}
    return Response(content, headers=headers, media_type=XLSX)


# --- OpenAPI ----------------------------------------------------------------------------------------------------------
def _openapi(door: Door, journal: Journal) -> APIRouter:
    routes = APIRouter()
    writer = Depends(writers(door))

    @routes.post(
        "/openapi", max_body_size=document_text.MOST_BYTES, responses=MADE,
        openapi_extra=body_of("application/yaml", {"type": "string"}),
    )  # fmt: skip
    async def take(
        request: Request, resource: Code, interface: Id, version: Version = "v1", base_url: BaseUrl = "",
        networks: Networks = [], split: Literal["", "tag"] = "", dry_run: bool = False,  # noqa: B006  # never changed
        actor: Actor = writer,
    ) -> Response:  # fmt: skip
        content = await request.body()
        options = Options(
            resource=resource, interface=interface, version=version, base_url=base_url, networks=networks,
            by_tag=split == "tag",
        )  # fmt: skip

        async def work(change: Bundle) -> Interfaces:
            return await take_openapi(change, content, options, dry_run=dry_run)

        done = await as_one(journal, actor, work, dry_run=dry_run)
        return answer(done, 201 if any(one.created for one in done.items) and not dry_run else 200)

    return routes


# --- WSDL -------------------------------------------------------------------------------------------------------------
def _wsdl(door: Door, journal: Journal) -> APIRouter:
    routes = APIRouter()
    writer = Depends(writers(door))

    @routes.post(
        "/wsdl", max_body_size=LONGEST_WSDL, responses=MADE, openapi_extra=body_of("text/xml", {"type": "string"})
    )
    async def take(
        request: Request, resource: Code, interface: Id, version: Version = "v1", base_url: BaseUrl = "",
        networks: Networks = [], service: PortWord = "", port: PortWord = "",  # noqa: B006  # never changed
        split: Literal["", "operation"] = "", dry_run: bool = False, actor: Actor = writer,
    ) -> Response:  # fmt: skip
        content = await request.body()
        options = Options(
            resource=resource, interface=interface, version=version, base_url=base_url, networks=networks,
            by_tag=split == "operation",
        )  # fmt: skip

        async def work(change: Bundle) -> Interfaces:
            return await take_wsdl(change, content, PortName(service, port), options, dry_run=dry_run)

        done = await as_one(journal, actor, work, dry_run=dry_run)
        return answer(done, 201 if any(one.created for one in done.items) and not dry_run else 200)

    return routes


# --- DCAT-AP ----------------------------------------------------------------------------------------------------------
def _dcat(door: Door, database: AsyncEngine, public_url: str) -> APIRouter:
    routes = APIRouter()

    @routes.get("/dcat", dependencies=[Depends(door.needing())], responses={200: content(*_DCAT)})
    async def describe(
        form: Annotated[Literal["ttl", "jsonld", "rdf"], Query(alias="format")] = "ttl",
        provider: Provider = "", after: After = "", limit: Page = 1000,
    ) -> Response:  # fmt: skip
        here = f"{public_url.rstrip('/')}/api/catalog/directory/dcat"
        asked = {"format": form, **({"provider": provider} if provider else {}), "limit": str(limit)}
        async with database.connect() as tx:
            found = await store.page_of_published(tx, provider, after, limit)
            departments = {one.id: one async for one in store.departments(tx)}
            opened = await store.served_interfaces_of(tx, [one.code for one in found])
        following = {**asked, "after": found[-1].code} if len(found) == limit else {}
        published = dcat.Published(
            departments=departments, resources=found, interfaces=opened,
            here=f"{here}?{urlencode({**asked, 'after': after} if after else asked)}",
            next=f"{here}?{urlencode(following)}" if following else "",
        )  # fmt: skip
        content = await asyncio.to_thread(dcat.describe, published, public_url, form)
        return Response(content, headers=NO_STORE, media_type=dcat.FORMATS[form][1])

    return routes


# --- JSON -------------------------------------------------------------------------------------------------------------
def _json(door: Door, journal: Journal) -> APIRouter:
    routes = APIRouter(prefix="/json")
    any_token, writer = Depends(door.needing()), Depends(door.needing(scopes.CATALOG_WRITE))

    @routes.get("")
    async def export(provider: Provider = "", token: AccessToken = any_token) -> Response:
        pieces = _pieces(journal.database, provider, addresses=token.department == PLATFORM)
        return StreamingResponse(pieces, headers=NO_STORE, media_type="application/json")

    @routes.post("", max_body_size=LARGEST_IMPORT)
    async def take(body: DirectoryBody, dry_run: bool = False, token: AccessToken = writer) -> Response:
        directory = msgspec.convert(body.model_dump(exclude={"format"}), Directory)

        async def work(change: Bundle) -> Outcome:
            return await take_directory(change, directory, dry_run=dry_run)

        return answer(await as_one(journal, actor_of(token), work, dry_run=dry_run))

    return routes


async def _pieces(database: AsyncEngine, provider: str, *, addresses: bool) -> AsyncIterator[bytes]:
    """The document as of one moment, a line for each thing, in pieces."""
    async with database.connect() as tx:
        await tx.execution_options(isolation_level="REPEATABLE READ")
        parts: dict[str, AsyncIterator[Any]] = {
            "departments": store.departments(tx, provider), "systems": store.systems(tx, provider),
            "resources": store.resources(tx, provider), "interfaces": store.interfaces(tx, provider),
        }  # fmt: skip
        piece = bytearray(b'{"format":%b' % msgspec.json.encode(FORMAT))
        for name, things in parts.items():
            piece += b',\n"%b":[' % name.encode()
            first = True
            async for thing in things:
                piece += b"\n" if first else b",\n"
                piece += msgspec.json.encode(stated(thing, addresses=addresses))
                first = False
                if len(piece) >= CHUNK_BYTES:
                    yield bytes(piece)
                    piece.clear()
            piece += b"]"
        yield bytes(piece + b"}\n")
