"""Cases of every kind over HTTP."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Depends, Path, Response
from msgspec.structs import replace

from catalog_service.api.answers import actor_of, answer, page
from catalog_service.api.bodies import Body
from catalog_service.api.case_bodies import NOTHING_SAID, BatchBody, CaseBody, Event, StepBody
from catalog_service.api.directory import After, Filter, Limit
from catalog_service.cases import flows, store
from catalog_service.cases.batch import Item, act_on_all, apply_for_all
from catalog_service.cases.effects.complaints import complainant_of
from catalog_service.cases.flows import Desk, Named
from catalog_service.cases.model import Case, Evidence
from catalog_service.cases.permissions import may_see, sees_maker
from catalog_service.clocks.flows import clocks_of
from catalog_service.feed.flows import Journal
from catalog_service.feed.model import Actor
from catalog_service.notices.model import Subject
from runtime.errors import Refusal
from wire import codes
from wire.tokens import AccessToken, Door

CaseId = Annotated[str, Path(pattern=r"^[0-9a-f-]{1,36}$")]
Batch = Annotated[str, Path(pattern=r"^[A-Z0-9-]{1,40}$")]


def evidence_of(body: Body) -> Evidence:
    return msgspec.convert(body.model_dump(), Evidence)


def router(door: Door, journal: Journal, desk: Desk) -> APIRouter:
    """All routes of the cases. Which office a step takes stands in its table, so any token may try."""
    routes = APIRouter(prefix="/cases", tags=["cases"])
    any_token = Depends(door.needing())

    @routes.post("", status_code=201)
    async def open_one(body: CaseBody, token: AccessToken = any_token) -> Response:
        stated = body.model_dump()
        details, event = stated.pop("details"), stated.pop("event")
        async with journal.change(actor_of(token)) as change:
            case = await flows.open_case(change, desk, Named(**stated), details, event)
        return answer(case, 201)

    @routes.post("/batch", status_code=201)
    async def open_many(body: BatchBody, token: AccessToken = any_token) -> Response:
        items = [Item(item.interface, item.details) for item in body.items]
        async with journal.change(actor_of(token)) as change:
            number, made = await apply_for_all(change, desk, body.systems, items, body.details)
        return answer({"batch": number, "items": made}, 201)

    @routes.post("/batch/{number}/{event}")
    async def step_many(
        number: Batch, event: Event, body: StepBody = NOTHING_SAID, token: AccessToken = any_token
    ) -> Response:
        async with journal.change(actor_of(token)) as change:
            done = await act_on_all(change, desk, number, event, evidence_of(body))
        return answer({"batch": number, "items": done})

    @routes.post("/{case_id}/{event}")
    async def take_step(
        case_id: CaseId, event: Event, body: StepBody = NOTHING_SAID, token: AccessToken = any_token
    ) -> Response:
        async with journal.change(actor_of(token)) as change:
            case = await flows.act(change, desk, case_id, event, evidence_of(body))
        return answer(_shown(desk, case, change.actor))

    @routes.get("/{case_id}/complainant")
    async def complainant(case_id: CaseId, token: AccessToken = any_token) -> Response:
        """Who complained, for those who oversee; each look is recorded."""
        async with journal.change(actor_of(token)) as change:
            known = await complainant_of(change, case_id)
        return answer(known)

    @routes.get("/{case_id}")
    async def one(case_id: CaseId, token: AccessToken = any_token) -> Response:
        return answer(await _whole(journal, desk, case_id, token))

    @routes.get("")
    async def some(
        kind: Filter = "", state: Filter = "", side: Filter = "", batch: Filter = "", after: After = "",
        limit: Limit = 100, token: AccessToken = any_token,
    ) -> Response:  # fmt: skip
        actor = actor_of(token)
        seen_by = None if actor.oversees else (actor.side, actor.client)
        wanted = {"kind": kind, "state": state, "batch": batch}
        async with journal.database.connect() as tx:
            found = await store.page_of_cases(tx, wanted, side=side, seen_by=seen_by, after=after, limit=limit)
        return page([_shown(desk, case, actor) for case in found], limit, found[-1].id if found else "")

    return routes


async def _whole(journal: Journal, desk: Desk, case_id: str, token: AccessToken) -> dict[str, Any]:
    """The case with its history, its clocks, and what the asker may do next."""
    actor = actor_of(token)
    async with journal.database.connect() as tx:
        case = await store.find_case(tx, case_id)
        if case is None or not may_see(case, actor):
            raise Refusal(codes.NOT_FOUND, f"case {case_id}")
        history = await store.history_of(tx, case_id)
        clocks = await clocks_of(tx, [Subject("case", case_id)])
        events = await flows.possible(tx, desk, case, actor, journal.now())
    label = desk.kind(case.kind).machine.labels[case.state]
    shown = _shown(desk, case, actor)
    if shown is not case:
        history = [replace(one, client="", department="") if one.client == case.maker else one for one in history]
    return {
        **msgspec.structs.asdict(shown), "state_label": {"zh": label[0], "en": label[1]}, "history": history,
        "clocks": clocks, "possible": events,
    }  # fmt: skip


def _shown(desk: Desk, case: Case, actor: Actor) -> Case:
    """The case as the actor may see it."""
    if not desk.kind(case.kind).hides_maker or sees_maker(case, actor):
        return case
    return replace(case, maker="", maker_department="", makers=[])
