"""Rectification, and the short procedures as far as they touch sharing, through the API."""

from typing import Any

import msgspec
import pytest

from catalog_service.cases.worker import Worker
from catalog_service.directory import store as directory
from catalog_service.feed.model import Actor
from harness.cases import ASKING, ASKING_HEAD, AUTHORITY, BASIS, DIGEST, GIVING, GIVING_HEAD, OTHER_AUTHORITY, Cases
from harness.catalog import RESOURCE, RESOURCE_CODE, Catalog
from harness.law import Bench
from harness.window import AUTHORITY as AT_THE_AUTHORITY
from harness.window import Window, head, officer
from runtime.errors import Refusal
from wire import codes, scopes
from wire.catalog import Grant, System

pytestmark = pytest.mark.anyio
AT_THE_GOVERNMENT = Actor("szf-client", "szf", frozenset({scopes.GOVERNMENT}))
PAPER = [{"name": "材料", "sha256": DIGEST}]
FAR = "2999-12-31"


async def standing(catalog: Catalog, thing: str) -> str:
    """As gateways were told last."""
    entry = [entry for entry in (await catalog.feed(0)).entries if entry.id == thing][-1]
    of = {"grant": Grant, "system": System}
    return str(msgspec.json.decode(entry.body, type=of[entry.kind]).state.standing)


def order(breach: str) -> dict[str, Any]:
    return {"breach": breach, "finding": "目录逾期未更新", "documents": PAPER}


# --- rectification --------------------------------------------------------------------------------------------------
@pytest.mark.requirement("SUS-04")
@pytest.mark.requirement("CD-28", "NAT-39-41")
@pytest.mark.parametrize(("profile", "breach"), [("changde", "未履行安全职责"), ("national", "未按规定更新目录")])
async def test_a_breach_is_put_right_in_time(catalog: Catalog, profile: str, breach: str) -> None:
    cases = Cases(catalog)
    await cases.enforce(profile)
    await catalog.furnish()
    case = await cases.opened("rectification", AUTHORITY, details=order(breach), provider="rsj")
    await cases.stepped(case, "serve", AUTHORITY, "notice_served", reason="限期整改", until=FAR)
    assert await cases.clocks(case) == {"rectification": "running"}
    unheard = await cases.step(case, "confirm", AUTHORITY, note="已核实")
    assert (unheard.status_code, unheard.json()["code"]) == (409, "case/nothing-reported")
    await cases.stepped(case, "report", GIVING, "notice_served", result="已更新")
    assert await cases.clocks(case) == {"rectification": "met"}
    await cases.stepped(case, "confirm", AUTHORITY, "rectified", note="已核实")
    await cases.stepped(case, "close", AUTHORITY, "closed", note="办结")
    inbox = (await cases.ask("GET", "/inbox", GIVING)).json()["items"]
    assert "整改" in next(one["text"]["zh"] for one in inbox if one["word"] == "rectification.serve")


@pytest.mark.requirement("SUS-05")
@pytest.mark.requirement("JDZ-21", "YN-47")
@pytest.mark.parametrize(
    ("profile", "breach", "circulates", "other"),
    [
        ("jingdezhen", "超目的使用", AT_THE_AUTHORITY, AT_THE_GOVERNMENT),  # 21
        ("yunnan", "未及时核查异议数据", AT_THE_GOVERNMENT, AT_THE_AUTHORITY),  # 47
    ],
)
async def test_a_breach_that_is_not_mended_is_made_known_and_goes_up(
    bench: Bench, profile: str, breach: str, circulates: Actor, other: Actor
) -> None:
    """The day passes by itself; until then nobody may call it over."""
    at = Window(bench)
    await at.furnish(profile)
    case = await at.open(AT_THE_AUTHORITY, "rectification", order(breach), provider="rsj")
    case = await at.step(AT_THE_AUTHORITY, case, "serve", reason="限期整改", until="2026-02-27")
    worker = Worker(bench.journal, at.desk)
    await bench.at("2026-02-27 18:00")
    assert await worker.pass_days() == 0
    with pytest.raises(Refusal) as refused:
        await at.step(AT_THE_AUTHORITY, case, "mark_overdue")
    assert refused.value.code is codes.TOO_EARLY
    await bench.at("2026-02-28 00:01")
    assert [await worker.pass_days(), await worker.pass_days()] == [1, 0]
    assert (await at.clocks(case))["rectification"].state == "overdue"
    with pytest.raises(Refusal) as refused:
        await at.step(other, case, "circulate", reason="逾期未改")
    assert refused.value.code is codes.NOT_YOUR_STEP
    case = await at.step(circulates, case, "circulate", reason="逾期未改")
    case = await at.step(officer("rsj"), case, "report", result="已更新")
    assert (await at.clocks(case))["rectification"].state == "met_late"
    case = await at.step(AT_THE_AUTHORITY, case, "escalate", reason="上报")
    case = await at.step(AT_THE_AUTHORITY, case, "close", note="已追责")
    assert case.state == "closed"


# --- the short ones -------------------------------------------------------------------------------------------------
@pytest.mark.requirement("REC-03")
@pytest.mark.requirement("DQ-34", "YN-23")
@pytest.mark.parametrize("event", ["seal", "destroy"])
async def test_after_an_emergency_the_application_is_shut(catalog: Catalog, event: str) -> None:
    """德清 34, 云南 23."""
    cases = Cases(catalog)
    await catalog.furnish()
    grant = await catalog.give()
    form = {"emergency": "洪水", "measures": "人员转移", "legal_basis": [BASIS]}
    case = await cases.opened("emergency", ASKING, details=form, grant=grant)
    await cases.stepped(case, "collect", ASKING, "collected", note="已收集")
    await cases.stepped(case, "end_event", AUTHORITY, "event_ended", reason="应急响应终止")
    await cases.stepped(case, "classify", ASKING, "classified", result="含个人信息")
    own = await cases.step(case, event, ASKING, documents=PAPER)
    assert (own.status_code, own.json()["code"]) == (403, "case/four-eyes")
    done = {"seal": "sealed", "destroy": "destroyed"}[event]
    await cases.stepped(case, event, ASKING_HEAD, done, documents=PAPER)
    assert await standing(catalog, grant) == "active"
    await cases.stepped(case, "shut_app", ASKING, "app_shut")
    assert await standing(catalog, grant) == "revoked"


@pytest.mark.requirement("REC-03")
@pytest.mark.requirement("CD-23-25", "DQ-32-33", "DQ-36", "NAT-35-37")
async def test_an_incident_is_contained_at_once_and_opened_again_when_it_is_over(catalog: Catalog) -> None:
    """德清 36, 常德 25. What somebody suspended before stays suspended."""
    cases = Cases(catalog)
    await catalog.furnish()
    one, two = await catalog.give(), await catalog.give()
    assert (await catalog.move(f"/grants/{two}", "suspend", by="rsj")).status_code == 200
    form = {"what": "疑似泄露", "since": "2026-10-12 09:00"}
    case = await cases.opened("incident", ASKING, details=form, system="zjj-housing", provider="rsj")
    await cases.stepped(case, "contain", GIVING, "contained", reason="暂停调用")
    assert [await standing(catalog, grant) for grant in (one, two)] == ["suspended", "suspended"]
    silent = await cases.step(case, "report", GIVING)
    assert [error["path"] for error in silent.json()["errors"]] == ["/body/filing_no"]
    await cases.stepped(case, "report", GIVING, "reported", filing_no="网信报〔2026〕3号")
    await cases.stepped(case, "recover", GIVING_HEAD, "recovered", result="已修复")
    assert [await standing(catalog, grant) for grant in (one, two)] == ["active", "suspended"]
    await cases.stepped(case, "review", AUTHORITY, "reviewed", result="已复盘", documents=PAPER)


@pytest.mark.requirement("REC-03")
@pytest.mark.requirement("YN-45", "NAT-35-37")
async def test_when_a_vendors_contract_ends_its_account_is_shut(bench: Bench) -> None:
    """云南 45: on the day, whether anybody looks or not."""
    at = Window(bench)
    await at.furnish("yunnan")
    await at.grant("zjj")
    form = {"vendor": "某公司", "contract": "运维合同", "review": "已作安全审查"}
    case = await at.open(officer("zjj"), "vendor_account", form, system="zjj-system")
    case = await at.step(head("zjj"), case, "activate", documents=PAPER, until="2026-02-27")
    worker = Worker(bench.journal, at.desk)
    await bench.at("2026-02-28 00:01")
    assert await worker.pass_days() == 1
    async with bench.database.connect() as tx:
        system = await directory.find_system(tx, "zjj-system")
        assert system is not None
        assert (system.state.standing, system.state.by) == ("suspended", case.number)
    case = await at.step(head("zjj"), case, "disable", documents=PAPER)
    assert case.state == "disabled"


@pytest.mark.requirement("REC-04")
@pytest.mark.requirement("CD-07", "YN-14")
async def test_a_project_is_not_accepted_before_its_entries_are_published(catalog: Catalog) -> None:
    """常德 7, 云南 14."""
    cases = Cases(catalog)
    await catalog.furnish()
    codes_of = [RESOURCE_CODE, f"{RESOURCE_CODE}9"]
    form = {"project": "XM-1", "name": "社保系统", "resources": codes_of}
    case = await cases.opened("project_gate", GIVING, details=form)
    await cases.stepped(case, "pass_approval", AUTHORITY, "approval_passed", note="目录齐备")
    await cases.stepped(case, "complete", GIVING, "built")
    await cases.stepped(case, "check", AUTHORITY, "acceptance_checked", result="已核对")
    early = await cases.step(case, "pass", AUTHORITY, filing_no="合格1号")
    assert (early.status_code, early.json()["code"], early.json()["missing"]) == (
        409,
        "case/not-catalogued",
        codes_of[1:],
    )
    await catalog.put(f"/resources/{codes_of[1]}", RESOURCE)
    await cases.stepped(case, "pass", AUTHORITY, "passed", filing_no="合格1号")


@pytest.mark.requirement("REC-01")
@pytest.mark.requirement("CD-23-25", "CD-26", "JDZ-16-1", "DQ-32-33")
async def test_what_is_kept_a_list_of_goes_its_way(catalog: Catalog) -> None:
    """Officers, assets, drills, log disposal: two people where the table asks for two."""
    cases = Cases(catalog)
    await catalog.furnish()
    await catalog.put("/departments/dsjj", {"name": "dsjj"})
    officers = {"name": "张小米", "office": "数据专员", "phone": "0990-0001001", "since": "2026-10-01"}
    change = await cases.opened("officer_change", ASKING, details=officers)
    await cases.stepped(change, "enter", ASKING_HEAD, "active")
    await cases.stepped(change, "replace", ASKING, "replaced", reason="调离")
    asset = await cases.opened("asset", GIVING, details={"name": "参保库", "keeper": "信息中心", "storage": "政务云"})
    await cases.stepped(asset, "confirm", GIVING_HEAD, "dept_confirm")
    await cases.stepped(asset, "register", AUTHORITY, "registered", filing_no="资产1号")
    drill = await cases.opened("drill", AUTHORITY, details={"exercise": "drill", "year": "2026", "plan": "断网演练"})
    await cases.stepped(drill, "schedule", AUTHORITY, "due", until=FAR)
    assert await cases.clocks(drill) == {"drill": "running"}
    await cases.stepped(drill, "record", AUTHORITY, "done", result="达标", documents=PAPER)
    logs = {"retention": "general", "before": "2020-01-01", "reason": "保存期满"}
    disposal = await cases.opened("log_disposal", AUTHORITY, details=logs)
    assert (await cases.step(disposal, "approve", AUTHORITY, note="同意")).status_code == 403
    await cases.stepped(disposal, "approve", OTHER_AUTHORITY, "approved", note="同意")
    await cases.stepped(disposal, "seal", AUTHORITY, "sealed", documents=PAPER)
    await cases.stepped(disposal, "delete", OTHER_AUTHORITY, "deleted", note="已删除")
