"""Articles that no procedure's own tests go into: what an entry keeps of its items, the places' own times, the gate."""

from datetime import date
from typing import Any

import msgspec
import pytest

from catalog_service.clocks.flows import clocks_of
from catalog_service.directory import filings, flows
from catalog_service.directory.evidence import Evidence
from catalog_service.directory.model import Department
from catalog_service.feed.model import PLATFORM, Actor
from catalog_service.notices.model import Subject
from harness.cases import ASKING, ASKING_HEAD, AUTHORITY, DIGEST, GIVING, GIVING_HEAD, WHOLE, Cases
from harness.catalog import RESOURCE, RESOURCE_CODE, Catalog
from harness.entries import LAW, STRANGER, TEXT, activate, furnish, publish
from harness.law import AUTHORITY as AT_THE_AUTHORITY
from harness.law import Bench
from wire import scopes
from wire.catalog import Grant

pytestmark = pytest.mark.anyio
AT_THE_WATERWORKS = Actor("gaj-officer", "gaj", frozenset({scopes.OFFICER}))
PAPER = [{"name": "材料", "sha256": DIGEST}]


@pytest.mark.requirement("JDZ-06")
async def test_an_item_says_what_it_identifies_and_whose_it_is(catalog: Catalog) -> None:
    """景德镇 6 (一数一源), 淄博 12: who reads the published entry sees it."""
    await furnish(catalog)
    await activate(catalog, "jingdezhen")
    items = [
        {"name": "id_card", "label": "公民身份号码", "type": "C", "key": True, "identifier": "公民身份号码"},
        {"name": "address", "label": "住址", "type": "C", "single_source": True},
    ]
    await publish(catalog, items=items)
    shown = (await STRANGER.does(catalog, "GET", f"/resources/{TEXT.code}")).json()["items"]
    assert [(one["key"], one["identifier"], one["single_source"]) for one in shown] == [
        (True, "公民身份号码", False), (False, "", True),
    ]  # fmt: skip


# --- the time of the place ------------------------------------------------------------------------------------------
async def step(bench: Bench, event: str, **evidence: Any) -> None:
    async with bench.change(AT_THE_WATERWORKS) as change:
        await filings.file_step(change, bench.lawbook, TEXT.code, event, Evidence(**evidence))


async def limits(bench: Bench, subject: Subject) -> dict[str, tuple[int, int, str, str]]:
    """Key -> days, longest days, whose word that is, the last day."""
    async with bench.database.connect() as tx:
        found = await clocks_of(tx, [subject])
    return {clock.key: (clock.base, clock.total, clock.source, str(clock.due)) for clock in found}


@pytest.mark.requirement("YN-13-2", "YN-13-3", "ZB-10-4")
@pytest.mark.parametrize(("profile", "review", "source"), [("yunnan", 5, "local"), ("zibo", 5, "platform")])
async def test_who_is_no_department_updates_in_the_time_of_the_place(
    bench: Bench, profile: str, review: int, source: str
) -> None:
    """云南 13, 淄博 10: fifteen working days from the change, and no more; 2026-02-09 was a Monday."""
    async with bench.change(AT_THE_AUTHORITY) as change:
        await bench.activate(change, profile, override=True)
    async with bench.change(Actor("operator", PLATFORM)) as change:
        waterworks = Department(id="gaj", name="自来水公司", kind="public_service_operator")
        await flows.register_department(change, waterworks)
        await flows.register_resource(change, TEXT)
    await step(bench, "record_change", legal_basis=[LAW], changed_on="2026-02-09")
    assert await limits(bench, Subject("resource", TEXT.code)) == {
        "catalog.update_on_change": (15, 15, "local", str(date(2026, 3, 6))),
    }  # fmt: skip
    await step(bench, "resubmit")
    [found] = (await limits(bench, Subject("filing", TEXT.code))).items()
    assert (found[0], found[1][:3]) == ("catalog.authority_review", (review, review, source))


# --- permissions ----------------------------------------------------------------------------------------------------
async def standing(catalog: Catalog, grant: str) -> str:
    """As gateways were told last."""
    entry = [entry for entry in (await catalog.feed(0)).entries if entry.id == grant][-1]
    return str(msgspec.json.decode(entry.body, type=Grant).state.standing)


@pytest.mark.requirement("JDZ-13", "DQ-16", "NAT-25")
@pytest.mark.parametrize("profile", ["national", "jingdezhen", "deqing"])
async def test_data_that_were_handed_on_are_a_ground_of_suspension(catalog: Catalog, profile: str) -> None:
    """国务院令第809号 25, 27; 景德镇 13; 德清 16."""
    cases = Cases(catalog)
    await cases.enforce(profile)
    await catalog.furnish()
    grant = await catalog.give()
    form = {"trigger": "third_party", "finding": "转给企业使用"}
    await cases.opened("suspension", GIVING, details=form, grant=grant)
    assert await standing(catalog, grant) == "suspended"


@pytest.mark.requirement("NAT-21")
async def test_a_refusal_under_the_decree_has_a_reason(catalog: Catalog) -> None:
    """国务院令第809号 21 ¶2: a reason, and no ground of any rank."""
    cases = Cases(catalog)
    await catalog.furnish()
    named = {"interface": "rsj-social-insurance/v1", "system": "zjj-housing"}
    case = await cases.opened("application", ASKING, details=WHOLE, **named)
    await cases.stepped(case, "submit", ASKING, "internal_sign")
    await cases.stepped(case, "sign", ASKING_HEAD, "submitted")
    silent = await cases.step(case, "refuse", GIVING)
    assert (silent.status_code, [error["path"] for error in silent.json()["errors"]]) == (422, ["/body/reason"])
    await cases.stepped(case, "refuse", GIVING, "reply_sign", reason="与履行法定职责无关")
    await cases.stepped(case, "confirm", GIVING_HEAD, "refused")


# --- who is responsible ---------------------------------------------------------------------------------------------
@pytest.mark.requirement("JDZ-07", "JDZ-18-19", "ZB-05-06")
async def test_who_is_responsible_is_reported_to_the_authority(catalog: Catalog) -> None:
    """景德镇 7, 19; 淄博 6: each officer, and each change of officer."""
    cases = Cases(catalog)
    await catalog.furnish()
    form = {"name": "张小米", "office": "数据专员", "phone": "0990-0001001", "since": "2026-10-01"}
    bare = await cases.open("officer_change", ASKING, details={**form, "phone": ""})
    assert [error["path"] for error in bare.json()["errors"]] == ["/body/details/phone"]
    case = await cases.opened("officer_change", ASKING, details=form)
    own = await cases.step(case, "enter", ASKING)
    assert (own.status_code, own.json()["code"]) == (403, "case/not-your-step")
    await cases.stepped(case, "enter", ASKING_HEAD, "active")
    await cases.stepped(case, "replace", ASKING, "replaced", reason="调离")
    heard = (await cases.ask("GET", "/inbox", AUTHORITY)).json()["items"]
    assert {"officer_change.report", "officer_change.replace"} <= {notice["word"] for notice in heard}
    assert (await cases.shown(case))["details"]["name"] == "张小米"


# --- the gate of a project ------------------------------------------------------------------------------------------
@pytest.mark.requirement("CD-07")
async def test_an_entry_that_rests_does_not_open_the_gate(catalog: Catalog) -> None:
    """常德 7: what is suspended or withdrawn is not in the directory that the project has to bring."""
    cases = Cases(catalog)
    await catalog.furnish()
    form = {"project": "XM-1", "name": "社保系统", "resources": [RESOURCE_CODE]}
    case = await cases.opened("project_gate", GIVING, details=form)
    await cases.stepped(case, "pass_approval", AUTHORITY, "approval_passed", note="目录齐备")
    await cases.stepped(case, "complete", GIVING, "built")
    await cases.stepped(case, "check", AUTHORITY, "acceptance_checked", result="已核对")
    filing = f"/filings/{RESOURCE_CODE}"
    assert (await cases.ask("POST", f"{filing}/suspend", AUTHORITY, {"reason": "核查"})).status_code == 200
    early = await cases.step(case, "pass", AUTHORITY, filing_no="合格1号")
    assert (early.status_code, early.json()["code"], early.json()["missing"]) == (
        409, "case/not-catalogued", [RESOURCE_CODE],
    )  # fmt: skip
    assert (await cases.ask("POST", f"{filing}/resume", AUTHORITY, {"reason": "无误"})).status_code == 200
    await cases.stepped(case, "pass", AUTHORITY, "passed", filing_no="合格1号")
    assert RESOURCE["provider"] == case["requester"]
