"""What is live: suspension and withdrawal as gateways hear of them, clocks of a change, versions, arrivals of data."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from catalog_service.clocks.flows import clocks_of
from catalog_service.directory import filings, flows
from catalog_service.directory.evidence import Evidence
from catalog_service.directory.model import Department
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.notices.model import Subject
from harness.catalog import Catalog
from harness.entries import (
    AUTHORITY,
    BODY,
    HEAD,
    INTERFACE,
    LAW,
    OFFICER,
    STRANGER,
    TEXT,
    V1,
    events,
    furnish,
    inbox,
    publish,
    refused,
    subscribe,
    taken,
)
from harness.law import Bench
from runtime.errors import Refusal
from wire import codes, scopes
from wire.catalog import Interface

pytestmark = pytest.mark.anyio
RESOURCE = f"/resources/{TEXT.code}"
GROUND = msgspec.to_builtins(LAW)
ENDING = {"reason": "职能划转", "filing_no": "备〔2026〕9号"}


async def standing(catalog: Catalog, after: int) -> list[tuple[str, str, str]]:
    """(id, standing, by) of the interfaces that the feed tells of after a revision."""
    entries = [entry for entry in (await catalog.feed(after)).entries if entry.kind == "interface"]
    told = [msgspec.json.decode(entry.body, type=Interface) for entry in entries]
    return [(one.key, one.state.standing, one.state.by) for one in told]


# --- suspension -----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("DIR-17")
async def test_suspending_an_entry_shuts_its_interfaces_in_the_same_revision_step(catalog: Catalog) -> None:
    await furnish(catalog)
    await publish(catalog)
    grant = await subscribe(catalog)
    await catalog.put(V1.replace("v1", "v2"), INTERFACE)
    before = await catalog.head()
    held = asyncio.create_task(catalog.feed(before, hold_ms=2000))
    suspended = taken(await AUTHORITY.takes(catalog, "suspend", reason="发现数据泄露风险"))
    assert (suspended["state"], (await held).head) == ("suspended", before + 2)
    assert await standing(catalog, before) == [
        ("gaj-household/v1", "suspended", "dsjj"),
        ("gaj-household/v2", "suspended", "dsjj"),
    ]
    assert [one.state.standing for one in (await catalog.snapshot()).interfaces] == ["suspended"] * 2
    live = (await STRANGER.does(catalog, "GET", RESOURCE)).json()
    assert (live["state"]["standing"], live["state"]["reason"]) == ("suspended", "发现数据泄露风险")
    assert "filing.suspend" in await inbox(catalog, STRANGER)

    refused(await catalog.ask("POST", "/grants", {**GRANT, "purpose": "再来"}), 409, "request/conflict")
    await catalog.put(V1.replace("v1", "v3"), INTERFACE)
    assert (await standing(catalog, before + 2)) == [("gaj-household/v3", "suspended", "dsjj")]
    refused(await OFFICER.takes(catalog, "resume", reason="已整改"), 403, "case/not-your-step")
    refused(await AUTHORITY.takes(catalog, "suspend", reason="再次"), 409, "case/not-in-this-state")

    head = await catalog.head()
    assert taken(await AUTHORITY.takes(catalog, "resume", reason="风险已消除"))["state"] == "published"
    assert {one[1] for one in await standing(catalog, head)} == {"active"}
    assert (await catalog.ask("GET", f"/grants/{grant}")).json()["state"]["standing"] == "active"
    assert await inbox(catalog, STRANGER) == ["filing.suspend", "filing.resume"]
    assert await events(catalog, "resource.") == ["resource.registered", "resource.suspended", "resource.resumed"]


GRANT = {"system": "zjj-housing", "interface": "gaj-household/v1", "purpose": "审核", "fields": ["address"]}


@pytest.mark.requirement("DIR-17")
async def test_what_was_suspended_or_revoked_by_itself_stays_so_when_its_entry_resumes(catalog: Catalog) -> None:
    await furnish(catalog)
    await publish(catalog)
    await subscribe(catalog)
    v2 = V1.replace("v1", "v2")
    await catalog.put(v2, INTERFACE)
    await catalog.move(V1, "suspend", by="gaj")
    await catalog.move(v2, "revoke", by="gaj")
    taken(await OFFICER.takes(catalog, "suspend", reason="检修"))
    taken(await AUTHORITY.takes(catalog, "resume", reason="完成"))
    standings = {one.key: one.state.standing for one in (await catalog.snapshot()).interfaces}
    assert standings == {"gaj-household/v1": "suspended", "gaj-household/v2": "revoked"}


@pytest.mark.requirement("DIR-17")
async def test_a_suspension_breaks_off_a_review_and_keeps_the_change(catalog: Catalog) -> None:
    await furnish(catalog)
    await publish(catalog)
    taken(await OFFICER.writes(catalog, summary="新的摘要"))
    taken(await OFFICER.takes(catalog, "resubmit"))
    suspended = taken(await AUTHORITY.takes(catalog, "suspend", reason="风险"))
    assert [clock["state"] for clock in suspended["clocks"]] == ["met", "cancelled"]
    refused(await AUTHORITY.takes(catalog, "pass", result="同意"), 409, "case/not-in-this-state")
    resumed = taken(await AUTHORITY.takes(catalog, "resume", reason="消除"))
    assert (resumed["state"], [one["path"] for one in resumed["differences"]]) == ("changing", ["summary"])
    taken(await OFFICER.takes(catalog, "resubmit"))
    assert taken(await AUTHORITY.takes(catalog, "pass", result="同意"))["version"] == 2


# --- the end --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("DIR-09")
@pytest.mark.requirement("NAT-27")
async def test_no_grant_is_alive_on_an_entry_that_was_withdrawn(catalog: Catalog) -> None:
    await furnish(catalog)
    await publish(catalog)
    await subscribe(catalog)
    document = refused(await OFFICER.takes(catalog, "withdraw", **ENDING), 409, "catalog/not-negotiated")
    assert (document["departments"], document["article"]) == (["zjj"], "国务院令第809号 27")
    document = refused(await OFFICER.takes(catalog, "withdraw", reason="x", negotiated=["zjj"]), 422, "request/invalid")
    assert [error["path"] for error in document["errors"]] == ["/body/filing_no"]
    refused(await AUTHORITY.takes(catalog, "withdraw", **ENDING), 403, "case/not-your-step")
    before = await catalog.head()
    withdrawn = taken(await OFFICER.takes(catalog, "withdraw", **ENDING, negotiated=["zjj"]))
    assert (withdrawn["state"], withdrawn["possible"]) == ("withdrawn", [])
    assert await standing(catalog, before) == [("gaj-household/v1", "revoked", "gaj")]
    assert await inbox(catalog, STRANGER) == ["filing.withdraw"]

    head = await catalog.head()
    for event in ("suspend", "resume", "withdraw", "resubmit"):
        refused(await OFFICER.takes(catalog, event, **ENDING), 409, "case/not-in-this-state")
    refused(await OFFICER.writes(catalog, summary="重来"), 409, "case/not-in-this-state")
    for path, body in ((RESOURCE, BODY), (V1, INTERFACE), (V1.replace("v1", "v2"), INTERFACE)):
        document = refused(await catalog.ask("PUT", path, body), 409, "request/conflict")
        assert document["standing"] == "revoked"
    refused(await catalog.ask("POST", "/grants", GRANT), 409, "request/conflict")
    assert await catalog.head() == head
    with pytest.raises(asyncpg.CheckViolationError):
        await forced(catalog, "UPDATE catalog.resource SET standing = 'active'")


async def forced(catalog: Catalog, statement: str) -> None:
    connection = await asyncpg.connect(catalog.database.url_of("catalog"))
    try:
        await connection.execute(statement)
    finally:
        await connection.close()


@pytest.mark.requirement("DIR-09")
async def test_whose_grant_was_taken_back_or_ran_out_need_not_be_asked(catalog: Catalog) -> None:
    await furnish(catalog)
    await publish(catalog)
    grant = await subscribe(catalog)
    await catalog.move(f"/grants/{grant}", "revoke", by="gaj")
    soon = int(datetime.now(UTC).timestamp()) + 1
    await catalog.give(interface="gaj-household/v1", fields=["address"], not_after=soon)
    while datetime.now(UTC).timestamp() <= soon:
        await asyncio.sleep(0.1)
    assert taken(await OFFICER.takes(catalog, "withdraw", **ENDING))["state"] == "withdrawn"


@pytest.mark.requirement("DIR-09")
async def test_a_grant_and_a_withdrawal_at_the_same_time_leave_one_order(catalog: Catalog) -> None:
    await furnish(catalog)
    await publish(catalog)
    await catalog.put("/systems/zjj-housing", {"department": "zjj", "name": "住房保障"})
    await catalog.put(V1, INTERFACE)
    given, ended = await asyncio.gather(
        catalog.ask("POST", "/grants", GRANT), OFFICER.takes(catalog, "withdraw", **ENDING)
    )
    assert (given.status_code, ended.status_code) in ((201, 409), (409, 200)), (given.text, ended.text)


# --- what the operator declares -------------------------------------------------------------------------------------
@pytest.mark.requirement("DIR-18")
async def test_what_the_operator_declares_is_live_at_once_and_on_record_as_imported(catalog: Catalog) -> None:
    await furnish(catalog)
    refused(await OFFICER.does(catalog, "PUT", RESOURCE, BODY), 403, "request/not-responsible")
    await catalog.put(RESOURCE, BODY)
    filing = taken(await OFFICER.does(catalog, "GET", f"/filings/{TEXT.code}"))
    assert (filing["state"], filing["version"]) == ("published", 1)
    assert [(step["event"], step["client"]) for step in filing["history"]] == [("import", "platform-client")]
    assert (await catalog.put(RESOURCE, BODY)).status_code == 200
    assert taken(await OFFICER.does(catalog, "GET", f"/filings/{TEXT.code}"))["version"] == 1

    taken(await OFFICER.writes(catalog, summary="部门的修改"))
    await catalog.put(RESOURCE, {**BODY, "alias": "户籍"})
    filing = taken(await OFFICER.does(catalog, "GET", f"/filings/{TEXT.code}"))
    assert (filing["state"], filing["version"], filing["text"]["summary"]) == ("changing", 2, "部门的修改")
    assert {one["path"] for one in filing["differences"]} == {"alias", "summary"}


@pytest.mark.requirement("DIR-18")
async def test_an_import_settles_a_first_draft_and_leaves_a_suspension(catalog: Catalog) -> None:
    await furnish(catalog)
    taken(await OFFICER.writes(catalog))
    taken(await OFFICER.takes(catalog, "send_up"))
    taken(await HEAD.takes(catalog, "agree"))
    await catalog.put(RESOURCE, BODY)
    filing = taken(await OFFICER.does(catalog, "GET", f"/filings/{TEXT.code}"))
    assert (filing["state"], [clock["state"] for clock in filing["clocks"]]) == ("published", ["cancelled"])
    taken(await OFFICER.takes(catalog, "suspend", reason="检修"))
    shown = (await catalog.put(RESOURCE, {**BODY, "alias": "户籍"})).json()
    assert (shown["state"]["standing"], shown["alias"]) == ("suspended", "户籍")
    assert taken(await AUTHORITY.takes(catalog, "resume", reason="完成"))["state"] == "published"


@pytest.mark.requirement("DIR-18")
async def test_what_was_live_before_there_were_filings_is_taken_for_one_that_rests(catalog: Catalog) -> None:
    await furnish(catalog, gaj="public_service_operator")
    await catalog.put(RESOURCE, BODY)
    connection = await asyncpg.connect(catalog.database.url)
    await connection.execute("DELETE FROM catalog.filing_step; DELETE FROM catalog.filing")
    await connection.close()
    filing = taken(await OFFICER.does(catalog, "GET", f"/filings/{TEXT.code}"))
    assert (filing["state"], filing["version"], filing["government"]) == ("published", 1, False)
    changing = taken(await OFFICER.writes(catalog, summary="新的摘要"))
    assert (changing["state"], changing["government"], len(changing["history"])) == ("changing", False, 1)
    assert taken(await OFFICER.takes(catalog, "suspend", reason="检修"))["state"] == "suspended"


# --- versions -------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("DIR-10")
async def test_every_publication_is_a_version_and_two_of_them_can_be_compared(catalog: Catalog) -> None:
    await furnish(catalog)
    await publish(catalog)
    taken(await OFFICER.writes(catalog, summary="新的摘要", items=[BODY["items"][0]]))
    taken(await OFFICER.takes(catalog, "resubmit"))
    taken(await AUTHORITY.takes(catalog, "pass", result="同意"))
    listed = (await STRANGER.does(catalog, "GET", f"{RESOURCE}/versions")).json()["items"]
    assert [(one["n"], one["published_by"], one["step"]) for one in listed] == [
        (1, "dsjj-authority", 4),
        (2, "dsjj-authority", 7),
    ]
    first = (await STRANGER.does(catalog, "GET", f"{RESOURCE}/versions/1")).json()
    assert (first["entry"]["summary"], len(first["entry"]["items"])) == (TEXT.summary, 2)
    found = (await STRANGER.does(catalog, "GET", f"{RESOURCE}/diff?from=1&to=2")).json()["items"]
    assert [(one["path"], one["kind"], one["label"]["zh"], one.get("after")) for one in found] == [
        ("summary", "changed", "摘要", "新的摘要"),
        ("items/address", "removed", "信息项", None),
    ]
    back = (await STRANGER.does(catalog, "GET", f"{RESOURCE}/diff?from=2&to=1")).json()["items"]
    assert [one["kind"] for one in back] == ["changed", "added"]
    assert (await STRANGER.does(catalog, "GET", f"{RESOURCE}/diff?from=1&to=1")).json()["items"] == []
    for path in ("versions/3", "diff?from=1&to=3"):
        refused(await STRANGER.does(catalog, "GET", f"{RESOURCE}/{path}"), 404, "request/not-found")
    for path in ("versions/0", "diff?from=1", "versions/99999999999"):
        refused(await STRANGER.does(catalog, "GET", f"{RESOURCE}/{path}"), 422, "request/invalid")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await forced(catalog, "UPDATE catalog.resource_version SET n = 9")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await forced(catalog, "DELETE FROM catalog.filing_step")


@pytest.mark.requirement("DIR-10")
async def test_a_code_that_ends_like_an_address_is_still_a_code(catalog: Catalog) -> None:
    await furnish(catalog)
    code = "1019900100001/versions"
    await catalog.put(f"/resources/{code}", BODY)
    assert (await catalog.ask("GET", f"/resources/{code}")).json()["code"] == code
    assert len((await catalog.ask("GET", f"/resources/{code}/versions")).json()["items"]) == 1


# --- arrivals -------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("DIR-12")
@pytest.mark.requirement("JDZ-06", "JDZ-18-19", "DQ-10")
async def test_an_entry_says_when_data_last_came_and_whether_that_is_too_long_ago(catalog: Catalog) -> None:
    await furnish(catalog)
    await catalog.put(RESOURCE, {**BODY, "update_cycle": "每日", "published": "2026-01-01"})
    shown = (await STRANGER.does(catalog, "GET", RESOURCE)).json()
    assert (shown["last_data_at"], shown["stale"]) == (None, True)
    now = datetime.now(UTC)
    for at, last, stale in (
        (now - timedelta(days=3), 3, True),
        (now - timedelta(hours=20), 0, False),
        (now - timedelta(days=9), 0, False),
    ):
        body = {"at": at.isoformat()}
        shown = taken(await OFFICER.does(catalog, "POST", f"{RESOURCE}/heartbeat", body))
        assert ((now - datetime.fromisoformat(shown["last_data_at"])).days, shown["stale"]) == (last, stale)
    assert taken(await OFFICER.does(catalog, "POST", f"{RESOURCE}/heartbeat", {}))["stale"] is False
    ahead: dict[str, Any] = {"at": (now + timedelta(days=1)).isoformat()}
    refused(await OFFICER.does(catalog, "POST", f"{RESOURCE}/heartbeat", ahead), 422, "request/invalid")
    refused(await OFFICER.does(catalog, "POST", f"{RESOURCE}/heartbeat", {"at": "gestern"}), 422, "request/invalid")
    refused(await STRANGER.does(catalog, "POST", f"{RESOURCE}/heartbeat", {}), 403, "request/not-responsible")
    refused(await catalog.ask("POST", f"{RESOURCE}/heartbeat", {}), 403, "request/not-responsible")
    unknown = "/resources/1019900100001/000009/heartbeat"
    refused(await OFFICER.does(catalog, "POST", unknown, {}), 404, "request/not-found")


# --- clocks of a change ---------------------------------------------------------------------------------------------
async def put_up(bench: Bench) -> None:
    """A published entry of gaj, declared by the operator."""
    async with bench.change(Actor("operator", PLATFORM)) as change:
        await flows.register_department(change, Department(id="gaj", name="公安局"))
        await flows.register_resource(change, TEXT)


AT_GAJ = Actor("gaj-officer", "gaj", frozenset({scopes.OFFICER}))
AT_DSJJ = Actor("dsjj-authority", "dsjj", frozenset({scopes.AUTHORITY}))


async def step(bench: Bench, actor: Actor, event: str, **evidence: Any) -> None:
    async with bench.change(actor) as change:
        await filings.file_step(change, bench.lawbook, TEXT.code, event, Evidence(**evidence))


async def update_clock(bench: Bench) -> tuple[str, str, str]:
    """State, last day and responsible department of the time to update."""
    async with bench.database.connect() as tx:
        [clock] = await clocks_of(tx, [Subject("resource", TEXT.code)])
    return clock.state, str(clock.due), clock.responsible


@pytest.mark.requirement("DIR-19")
@pytest.mark.requirement("NAT-17")
async def test_the_time_to_update_runs_from_the_day_of_the_change_and_is_extended_by_the_authority(
    bench: Bench,
) -> None:
    """国务院令第809号 17: ten working days, five more by consent; 2026-02-09 was the Monday before Spring Festival."""
    await put_up(bench)
    await step(bench, AT_GAJ, "record_change", legal_basis=[LAW], changed_on="2026-02-09")
    assert await update_clock(bench) == ("running", "2026-02-28", "gaj")
    with pytest.raises(Refusal) as refusal:
        await step(bench, AT_GAJ, "record_change", legal_basis=[LAW], changed_on="2026-02-10")
    assert refusal.value.code is codes.NOT_IN_THIS_STATE
    with pytest.raises(Refusal) as refusal:
        await step(bench, AT_DSJJ, "extend", days=6, reason="涉及多个系统")
    assert refusal.value.code is codes.NOT_EXTENDABLE
    with pytest.raises(Refusal) as refusal:
        await step(bench, AT_GAJ, "extend", days=5, reason="涉及多个系统")
    assert refusal.value.code is codes.NOT_YOUR_STEP
    await step(bench, AT_DSJJ, "extend", days=5, reason="涉及多个系统")
    assert await update_clock(bench) == ("extended", "2026-03-06", "gaj")
    await step(bench, AT_DSJJ, "suspend", reason="风险")
    await step(bench, AT_DSJJ, "resume", reason="消除")
    assert (await update_clock(bench))[0] == "extended"
    await step(bench, AT_GAJ, "resubmit")
    assert (await update_clock(bench))[0] == "met"


@pytest.mark.requirement("DIR-19")
async def test_a_change_that_was_recorded_too_late_is_overdue_at_once(bench: Bench) -> None:
    await put_up(bench)
    await step(bench, AT_DSJJ, "record_change", legal_basis=[LAW], changed_on="2026-01-05")
    await bench.at("2026-02-13 10:01")
    assert (await update_clock(bench))[0] == "overdue"
    told = await bench.told("filing.record_change")
    assert [(one.actor, one.facts["state"]) for one in told] == [("dsjj-authority", "changing")]
    await step(bench, AT_GAJ, "resubmit")
    assert (await update_clock(bench))[0] == "met_late"


@pytest.mark.requirement("DIR-19")
@pytest.mark.parametrize("day", ["2026-02-14", "0001-01-01", "2023-12-29"])
async def test_a_change_that_has_not_come_or_is_beyond_every_calendar_is_not_recorded(bench: Bench, day: str) -> None:
    await put_up(bench)
    with pytest.raises(Refusal) as refusal:
        await step(bench, AT_GAJ, "record_change", legal_basis=[LAW], changed_on=day)
    assert [error["path"] for error in refusal.value.facts["errors"]] == ["/body/changed_on"]  # type: ignore[attr-defined]
    assert await bench.told("filing.record_change") == []


@pytest.mark.requirement("DIR-19")
async def test_withdrawing_an_entry_ends_its_clocks(bench: Bench) -> None:
    await put_up(bench)
    await step(bench, AT_GAJ, "record_change", legal_basis=[LAW], changed_on="2026-02-09")
    await step(bench, AT_GAJ, "withdraw", reason="职能划转", filing_no="备1")
    assert (await update_clock(bench))[0] == "cancelled"
