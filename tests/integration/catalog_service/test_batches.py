"""Batch applications: many at once, all of them or none."""

import asyncio
from typing import Any

import pytest
from sqlalchemy import text

from harness.applications import NAMED, rows
from harness.cases import (
    ASKING,
    ASKING_HEAD,
    GIVING,
    WHOLE,
    Cases,
    officer,
)
from harness.catalog import INTERFACE, RESOURCE, RESOURCE_CODE
from harness.law import Bench

pytestmark = pytest.mark.anyio


async def batch(cases: Cases, systems: list[str], items: list[Any], **details: Any) -> Any:
    body = {"systems": systems, "items": items, "details": {**WHOLE, "fields": [], **details}}
    return await cases.ask("POST", "/cases/batch", ASKING, body)


PENSION = {"interface": NAMED["interface"], "details": {"fields": ["pension"]}}
NAME = {"interface": NAMED["interface"], "details": {"fields": ["name"]}}


@pytest.mark.requirement("CAS-09")
async def test_a_batch_is_one_application_for_each_interface_and_system(cases: Cases) -> None:
    await cases.catalog.put("/systems/zjj-repairs", {"department": "zjj", "name": "维修资金系统"})
    answer = await batch(cases, ["zjj-housing", "zjj-repairs"], [PENSION, NAME])
    assert answer.status_code == 201, answer.text
    number, made = answer.json()["batch"], answer.json()["items"]
    asked = [(one["system"], one["details"]["fields"]) for one in made]
    systems = ["zjj-housing", "zjj-repairs"]
    assert asked == [(system, fields) for fields in (["pension"], ["name"]) for system in systems]
    listed = (await cases.ask("GET", f"/cases?batch={number}", ASKING)).json()["items"]
    assert [one["id"] for one in listed] == [one["id"] for one in made]
    path = f"/cases/batch/{number}"
    for event, by, state in (("submit", ASKING, "internal_sign"), ("sign", ASKING_HEAD, "submitted")):
        moved = await cases.ask("POST", f"{path}/{event}", by, {})
        assert {one["state"] for one in moved.json()["items"]} == {state}, moved.text
    await cases.stepped(made[0], "accept", GIVING, "provider_review")
    stopped = await cases.ask("POST", f"{path}/accept", GIVING, {})
    assert (stopped.status_code, stopped.json()["case"]) == (409, made[0]["id"])
    assert (await cases.shown(made[1]))["state"] == "submitted"
    hidden = await cases.ask("POST", f"{path}/accept", officer("jyj"), {})
    assert (hidden.status_code, hidden.json().get("case")) == (404, None)


@pytest.mark.requirement("CAS-09")
@pytest.mark.parametrize(
    ("systems", "items", "item", "status"),
    [
        (["zjj-housing"], [PENSION, {**NAME, "details": {"fields": ["salary"]}}], 1, 422),
        (["zjj-housing", "nobody"], [PENSION], 0, 422),
        (["zjj-housing"], [PENSION, {"interface": "gaj-household-info/v1"}], 1, 422),
        (["rsj-own"], [PENSION], 0, 403),
    ],
)
async def test_a_batch_with_one_mistake_does_not_come_about(
    cases: Cases, systems: list[str], items: list[Any], item: int, status: int
) -> None:
    await cases.catalog.put("/systems/rsj-own", {"department": "rsj", "name": "人社系统"})
    answer = await batch(cases, systems, items)
    assert (answer.status_code, answer.json()["item"]) == (status, item), answer.text
    assert await rows(cases, "cases") == await rows(cases, "case_history") == 0


@pytest.mark.requirement("CAS-09")
async def test_a_batch_has_a_bound(cases: Cases) -> None:
    answer = await batch(cases, ["zjj-housing"] * 15, [PENSION] * 15)
    assert answer.status_code == 422
    assert [error["path"] for error in answer.json()["errors"]] == ["/body/items"]


@pytest.mark.requirement("CAS-09")
async def test_a_batch_holds_what_it_rests_on_before_it_publishes(cases: Cases, bench: Bench) -> None:
    """Whoever changes an interface holds it and then asks for the feed; a batch must not hold the feed meanwhile."""
    await cases.enforce("changde")
    await cases.catalog.put(f"/resources/{RESOURCE_CODE}", {**RESOURCE, "share": {"type": "unconditional"}})
    await cases.catalog.put("/interfaces/rsj-z/versions/v1", INTERFACE)
    both = [PENSION, {**PENSION, "interface": "rsj-z/v1"}]
    async with bench.database.begin() as tx:
        await tx.execute(text("SELECT 1 FROM catalog.interface WHERE id = 'rsj-z' FOR UPDATE"))
        waiting = asyncio.create_task(batch(cases, ["zjj-housing"], both))
        async with asyncio.timeout(60):
            await bench.until_somebody_waits()
        await tx.execute(text("SELECT 1 FROM catalog.feed_head FOR UPDATE NOWAIT"))
    answer = await waiting
    assert [one["state"] for one in answer.json()["items"]] == ["granted", "granted"], answer.text
