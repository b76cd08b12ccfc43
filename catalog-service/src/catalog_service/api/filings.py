"""Filings over HTTP: the text of an entry, and every step until it is live, changes, rests or ends."""

from typing import Any

import msgspec
from fastapi import APIRouter, Depends, Response

from catalog_service.api.answers import actor_of, answer, page
from catalog_service.api.bodies import Classification, Event, Number
from catalog_service.api.directory import After, Filter, Limit
from catalog_service.api.entry_bodies import NOTHING_SAID, EntryStepBody, ResourceBody, evidence_of
from catalog_service.directory import filing_store, filings
from catalog_service.directory.entry import Resource
from catalog_service.directory.filing import MACHINE
from catalog_service.feed.flows import Journal
from catalog_service.feed.model import PLATFORM
from catalog_service.policy.flows import Lawbook
from runtime.documents import MADE
from runtime.errors import INVALID_REQUEST, Refusal
from wire.tokens import AccessToken, Door


def router(door: Door, journal: Journal, lawbook: Lawbook) -> APIRouter:
    """All routes of the filings. Which office a step takes stands in its table, so any token may try."""
    routes = APIRouter(prefix="/filings", tags=["filings"])
    any_token = Depends(door.needing())

    async def seen(code: str, token: AccessToken) -> dict[str, Any]:
        async with journal.database.connect() as tx:
            return await filings.view(tx, lawbook, code, actor_of(token), journal.now())

    @routes.put("/{classification}/{number}", responses=MADE)
    async def write(
        classification: Classification, number: Number, body: ResourceBody, token: AccessToken = any_token
    ) -> Response:
        code = f"{classification}/{number}"
        async with journal.change(actor_of(token)) as change:
            stated = msgspec.convert({**body.model_dump(), "code": code}, Resource)
            filing = await filings.draft(change, lawbook, stated)
        return answer(await seen(code, token), 201 if filing.steps == 1 else 200)

    @routes.post("/{classification}/{number}/{event}")
    async def take_step(
        classification: Classification, number: Number, event: Event, body: EntryStepBody = NOTHING_SAID,
        token: AccessToken = any_token,
    ) -> Response:  # fmt: skip
        code = f"{classification}/{number}"
        async with journal.change(actor_of(token)) as change:
            await filings.file_step(change, lawbook, code, event, evidence_of(body))
        return answer(await seen(code, token))

    @routes.get("/{classification}/{number}")
    async def one(classification: Classification, number: Number, token: AccessToken = any_token) -> Response:
        return answer(await seen(f"{classification}/{number}", token))

    @routes.get("")
    async def some(
        state: Filter = "", provider: Filter = "", after: After = "", limit: Limit = 100,
        token: AccessToken = any_token,
    ) -> Response:  # fmt: skip
        if state and state not in MACHINE.states:
            errors = [{"path": "/query/state", "error": f"one of {', '.join(MACHINE.states)}"}]
            raise Refusal(INVALID_REQUEST, state, errors=errors)
        actor = actor_of(token)
        sees_all = actor.department == PLATFORM or actor.oversees
        wanted = {name: value for name, value in (("state", state), ("provider", provider)) if value}
        async with journal.database.connect() as tx:
            found = await filing_store.page_of_filings(tx, wanted, None if sees_all else actor.side, after, limit)
        return page(found, limit, found[-1].code if found else "")

    return routes
