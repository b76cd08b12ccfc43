"""What time does to applications and grants: nothing by itself, but people hear of it and may act."""

import asyncio
from datetime import datetime
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from catalog_service.cases.model import Case
from catalog_service.cases.worker import Worker
from catalog_service.directory import store as directory
from catalog_service.directory.entry import Basis, Resource, Share
from catalog_service.feed import store as feed
from catalog_service.grants.flows import renew_grant
from catalog_service.grants.store import find_grant
from harness.law import Bench
from harness.window import AUTHORITY, ENTRY, Window, head, officer
from runtime.errors import Refusal
from statute.profiles import read
from wire import codes
from wire.catalog import Grant

pytestmark = pytest.mark.anyio
ASKING, ASKING_HEAD, GIVING, GIVING_HEAD = officer("zjj"), head("zjj"), officer("rsj"), head("rsj")
FORM: dict[str, Any] = {
    "purpose": "公租房资格审核", "fields": ["pension"], "basis": [{"law": "社会救助暂行办法"}], "scene": "受理",
    "scope": "住房保障科", "duty": "住房保障", "term_months": 12,
}  # fmt: skip
UNCONDITIONAL = Share(type="unconditional")


def at(text: str) -> int:
    """Unix seconds of a time in Shanghai."""
    return int(datetime.fromisoformat(f"{text}+08:00").timestamp())


async def opened(bench: Bench, profile: str, share: Share | None = None) -> Window:
    window = Window(bench)
    await window.furnish(profile)
    if share is not None:
        async with bench.change(AUTHORITY) as change:
            entry = Resource(code=ENTRY.code, name=ENTRY.name, provider="rsj", summary="…", share=share)
            await directory.keep_resource(change.tx, entry)
    return window


async def handed_in(window: Window) -> Case:
    await window.grant("zjj", id="older")  # registers the system
    case = await window.open(ASKING, "application", FORM, interface="rsj-insurance/v1", system="zjj-system")
    await window.step(ASKING, case, "submit")
    return await window.step(ASKING_HEAD, case, "sign")


async def grant_of(bench: Bench, grant_id: str) -> Grant:
    async with bench.database.connect() as tx:
        grant = await find_grant(tx, grant_id)
    assert grant is not None
    return grant


# --- overdue --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("APP-10")
async def test_at_the_end_of_the_time_nothing_is_granted_but_the_authority_may(bench: Bench) -> None:
    window = await opened(bench, "national", UNCONDITIONAL)
    case = await handed_in(window)  # Friday, 13 February; the 14th is a working day
    assert await bench.at("2026-02-14 23:59") >= 0
    with pytest.raises(Refusal) as refused:
        await window.step(AUTHORITY, case, "authority_grant")
    assert refused.value.code is codes.NOT_OVERDUE
    await bench.at("2026-02-15 00:01")
    clock = (await window.clocks(case))["share.unconditional.reply"]
    assert (clock.state, clock.violation) == ("overdue", True)
    assert await window.told("clock.overdue") != []
    granted = await window.step(AUTHORITY, case, "authority_grant")
    assert (granted.state, (await grant_of(bench, granted.grant)).fields) == ("provisioning", ["pension"])
    clocks = await window.clocks(case)
    assert clocks["share.unconditional.reply"].state == "met_late"
    assert clocks["share.unconditional.provide"].state == "running"


@pytest.mark.requirement("APP-10")
async def test_conditional_data_are_never_given_in_the_providers_place(bench: Bench) -> None:
    window = await opened(bench, "national")
    case = await handed_in(window)
    await bench.at("2026-06-01 10:00")
    with pytest.raises(Refusal) as refused:
        await window.step(AUTHORITY, case, "authority_grant")
    assert refused.value.code is codes.NOT_IN_THIS_STATE


@pytest.mark.requirement("APP-09")
async def test_what_is_overdue_is_not_extended(bench: Bench) -> None:
    window = await opened(bench, "national")
    case = await handed_in(window)
    await window.step(GIVING, case, "extend", days=10, reason="涉及多个处室")
    await bench.at("2026-06-01 10:00")
    with pytest.raises(Refusal) as refused:
        await window.step(AUTHORITY, case, "consent")
    assert refused.value.code is codes.NO_CLOCK
    assert (await window.step(GIVING, case, "agree")).state == "reply_sign"


@pytest.mark.requirement("APP-05")
async def test_where_a_profile_says_so_the_time_pauses_for_what_is_missing(bench: Bench) -> None:
    texts = dict(bench.lawbook._texts)
    switch = "  pause_on_incomplete: {v: true, cite: art.99}\n"
    texts["yunnan.yaml"] = texts["yunnan.yaml"].replace("\nshare:\n", f"\nshare:\n{switch}")
    bench.lawbook._texts, bench.lawbook.bundled = texts, read(texts)
    window = await opened(bench, "yunnan")
    case = await handed_in(window)
    await window.step(GIVING, case, "return", missing=["安全措施"])
    assert (await window.clocks(case))["share.conditional.reply"].state == "cancelled"
    bench.clock.set("2026-03-20 10:00")
    await window.step(ASKING, case, "complete", details={"safeguards": "专机专用"})
    clock = (await window.clocks(case))["share.conditional.reply"]
    assert (clock.state, str(clock.due)) == ("running", "2026-03-27")


# --- live -----------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("CAS-11")
async def test_of_two_workers_one_ends_an_application(bench: Bench) -> None:
    window = await opened(bench, "national")
    case = await handed_in(window)
    await window.step(GIVING, case, "agree")
    case = await window.step(GIVING_HEAD, case, "confirm")
    workers = [Worker(bench.journal, window.desk) for _ in range(4)]
    assert [await worker.tick() for worker in workers] == [0, 0, 0, 0]
    async with bench.database.begin() as tx:
        await feed.keep_follower(tx, "gateway-1", await feed.head(tx))
    assert sum(await asyncio.gather(*(worker.tick() for worker in workers))) == 1
    assert len(await bench.rows("SELECT 1 FROM catalog.case_history WHERE case_id = :id", id=case.id)) == 6
    assert await workers[0].tick() == 0


@pytest.mark.requirement("CAS-11")
async def test_one_case_that_cannot_be_looked_at_holds_up_no_other(bench: Bench) -> None:
    window = await opened(bench, "national")
    cases = []
    for _ in range(2):
        case = await handed_in(window)
        await window.step(GIVING, case, "agree")
        cases.append(await window.step(GIVING_HEAD, case, "confirm"))
    async with bench.database.begin() as tx:
        await feed.keep_follower(tx, "gateway-1", await feed.head(tx))
        await tx.exec_driver_sql("UPDATE catalog.grants SET entry = 'x' WHERE id = $1", (cases[0].grant,))
    assert await Worker(bench.journal, window.desk).tick() == 1
    states = await bench.rows("SELECT state FROM catalog.cases ORDER BY id")
    assert [row.state for row in states] == ["provisioning", "granted"]


# --- renewal --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("APP-13")
@pytest.mark.parametrize(
    ("end", "renewed"),
    [("2026-03-01 20:00", "2026-06-01 20:00"), ("2026-01-01 20:00", "2026-05-13 10:00")],
)
async def test_a_renewal_keeps_the_id_and_counts_from_the_end_or_from_now(bench: Bench, end: str, renewed: str) -> None:
    window = await opened(bench, "changde", UNCONDITIONAL)
    given = await window.grant("zjj", not_after=at(end))
    case = await window.open(ASKING, "renewal", {"term_months": 3}, grant=given.id)
    assert (case.state, case.interface, case.system) == ("renewed", "rsj-insurance/v1", "zjj-system")
    grant = await grant_of(bench, given.id)
    assert (grant.id, grant.not_after) == (given.id, at(renewed))
    [entry] = await bench.rows("SELECT revision, id FROM catalog.feed WHERE kind = 'grant'")
    assert (entry.revision, entry.id) == (grant.revision, given.id)
    [told] = await bench.told("grant.renewed")
    assert (told.facts["case"], told.actor) == (case.number, ASKING.client)


@pytest.mark.requirement("APP-13")
async def test_whoever_had_to_agree_to_a_grant_agrees_to_its_renewal(bench: Bench) -> None:
    window = await opened(bench, "deqing")
    given = await window.grant("zjj", not_after=at("2026-03-01 20:00"))
    case = await window.open(ASKING, "renewal", {}, grant=given.id)
    assert (case.state, list(await window.clocks(case))) == ("submitted", ["share.conditional.reply"])
    with pytest.raises(Refusal) as refused:
        await window.open(ASKING, "renewal", {}, grant=given.id)
    assert (refused.value.code, refused.value.facts["case"]) == (codes.CONFLICT, case.number)
    await window.step(GIVING, case, "agree", term_months=6)
    case = await window.step(GIVING_HEAD, case, "confirm")
    assert (case.state, await grant_of(bench, given.id)) == ("authority_review", given)
    await window.step(AUTHORITY, case, "approve")
    assert (await grant_of(bench, given.id)).not_after == at("2026-09-01 20:00")
    assert [clock.state for clock in (await window.clocks(case)).values()] == ["met"]
    again = await window.open(ASKING, "renewal", {}, grant=given.id)
    assert again.state == "submitted"


@pytest.mark.requirement("APP-13")
async def test_a_renewal_may_be_refused_on_a_lawful_ground(bench: Bench) -> None:
    window = await opened(bench, "national")
    given = await window.grant("zjj", not_after=at("2026-03-01 20:00"))
    case = await window.open(ASKING, "renewal", {}, grant=given.id)
    await window.step(GIVING, case, "refuse", reason="职责已调整", legal_basis=[Basis(law="…", rank="法律")])
    case = await window.step(GIVING_HEAD, case, "confirm")
    assert (case.state, case.decision["reason"]) == ("refused", "职责已调整")
    assert await grant_of(bench, given.id) == given


@pytest.mark.requirement("APP-13")
async def test_another_department_does_not_renew_it(bench: Bench) -> None:
    window = await opened(bench, "changde", UNCONDITIONAL)
    given = await window.grant("zjj", not_after=at("2026-03-01 20:00"))
    with pytest.raises(Refusal) as refused:
        await window.open(officer("jtj"), "renewal", {}, grant=given.id)
    assert refused.value.code is codes.NOT_YOUR_STEP


@pytest.mark.requirement("APP-16")
@pytest.mark.parametrize("table", ["system", "grants", "interface"])
async def test_what_stands_still_is_not_renewed_even_if_it_stopped_just_now(bench: Bench, table: str) -> None:
    """The flow looks at the rows that it holds, whatever the case had seen before."""
    window = await opened(bench, "changde", UNCONDITIONAL)
    given = await window.grant("zjj", not_after=at("2026-03-01 20:00"))
    async with bench.database.begin() as tx:
        [row] = await tx.execute(text(f"SELECT entry FROM catalog.{table}"))
        entry = msgspec.json.decode(row.entry)
        entry["state"] = {"standing": "suspended", "since": "…", "by": "rsj", "reason": "…"}
        await tx.execute(text(f"UPDATE catalog.{table} SET entry = :entry"), {"entry": msgspec.json.encode(entry)})
    with pytest.raises(Refusal) as refused:
        async with bench.change(ASKING) as change:
            await renew_grant(change, given.id, 3, "XS-2026-000001")
    assert refused.value.code is codes.CONFLICT


# --- reminders ------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("APP-14")
async def test_the_end_of_a_grant_is_told_of_thrice_and_once_each(bench: Bench) -> None:
    window = await opened(bench, "changde", UNCONDITIONAL)
    given = await window.grant("zjj", not_after=at("2026-04-01 00:00"))
    await window.grant("jtj", id="endless")
    worker = Worker(bench.journal, window.desk)
    told = []
    for moment in (
        "2026-03-01 23:59", "2026-03-02 00:00", "2026-03-02 00:01", "2026-03-25 00:00", "2026-03-30 12:00",
        "2026-03-31 00:00", "2026-03-31 23:59", "2026-04-01 00:00", "2026-05-01 00:00",
    ):  # fmt: skip
        bench.clock.set(moment)
        told.append(await worker.remind())
    assert told == [0, 1, 0, 1, 0, 1, 0, 0, 0]
    assert await window.told("grant.ending") == ["zjj/officer"] * 3
    facts = [notice["facts"] for notice in await bench.notices("grant.ending")]
    assert {one["ends"] for one in facts} == {"2026-04-01 00:00"}
    assert [(one["grant"], one["days"]) for one in facts] == [(given.id, "30"), (given.id, "7"), (given.id, "1")]


@pytest.mark.requirement("APP-14")
async def test_of_several_marks_the_nearest_is_told_and_a_renewal_begins_anew(bench: Bench) -> None:
    window = await opened(bench, "changde", UNCONDITIONAL)
    given = await window.grant("zjj", not_after=at("2026-02-14 09:00"))  # within a day
    workers = [Worker(bench.journal, window.desk) for _ in range(3)]
    assert sum(await asyncio.gather(*(worker.remind() for worker in workers))) == 1
    await window.open(ASKING, "renewal", {"term_months": 1}, grant=given.id)
    assert await workers[0].remind() == 1  # a month from then is 28 days
    assert sorted(notice["facts"]["days"] for notice in await bench.notices("grant.ending")) == ["1", "30"]


@pytest.mark.requirement("APP-14")
async def test_of_a_grant_that_was_taken_away_nobody_is_reminded(bench: Bench) -> None:
    window = await opened(bench, "changde", UNCONDITIONAL)
    await window.grant("zjj", not_after=at("2026-02-20 00:00"))
    async with bench.database.begin() as tx:
        await tx.exec_driver_sql("UPDATE catalog.grants SET standing = 'revoked'")
    assert await Worker(bench.journal, window.desk).remind() == 0
