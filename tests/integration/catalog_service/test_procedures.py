"""Demands, corrections and complaints as people meet them: over HTTP, under rules that differ."""

from typing import Any

import pytest

from harness.cases import ASKING, AUTHORITY, GIVING, GIVING_HEAD, Cases, Person, officer
from harness.catalog import RESOURCE, RESOURCE_CODE, Catalog
from wire import scopes

pytestmark = pytest.mark.anyio
PORTAL = Person("xzspj", scopes.SUBJECT)
WANTED = {"title": "公交IC卡老年优惠卡发放名单", "purpose": "老年人健康体检邀约"}
DOUBT = {"item": "employer", "claim": "单位名称与营业执照不符", "record_key": "id_card 末四位 0X21"}
DIGESTS = {"before_digest": "a" * 64, "after_digest": "b" * 64}
COMPLAINED = {"about": "misuse", "claim": "批量调用"}
CITY = ("dsjj", "xzspj", "jtj")


@pytest.fixture
async def cases(catalog: Catalog) -> Cases:
    await catalog.furnish()
    for department in CITY:
        await catalog.put(f"/departments/{department}", {"name": department})
    items = [{"name": "employer", "label": "单位名称", "type": "C"}]
    await catalog.put(f"/resources/{RESOURCE_CODE}", {**RESOURCE, "items": items})
    return Cases(catalog)


@pytest.mark.requirement("DMD-01")
@pytest.mark.parametrize(("profile", "first"), [("changde", "dispatched"), ("national", "submitted")])
async def test_a_demand_under_two_rules(cases: Cases, profile: str, first: str) -> None:
    await cases.enforce(profile)
    case = await cases.opened("demand", ASKING, provider="rsj", details=WANTED)
    assert case["state"] == first
    shown = await cases.shown(case, GIVING)
    if first == "submitted":
        assert shown["possible"] == []
        await cases.stepped(case, "dispatch", AUTHORITY, "dispatched", department="rsj")
    await cases.stepped(case, "can_meet", GIVING, "collecting", note="同意提供")
    await cases.stepped(case, "fulfil", GIVING, "fulfilled", resource=RESOURCE_CODE)
    assert await cases.clocks(case) == {"demand.reply": "met", "demand.fulfil": "met"}


@pytest.mark.requirement("COR-02")
@pytest.mark.parametrize(("profile", "extended"), [("changde", 200), ("national", 409)])
async def test_a_doubt_under_two_rules(cases: Cases, profile: str, extended: int) -> None:
    await cases.enforce(profile)
    case = await cases.opened("correction", ASKING, resource=RESOURCE_CODE, details=DOUBT)
    answer = await cases.step(case, "extend", GIVING_HEAD, days=5, reason="须实地核查")
    assert answer.status_code == extended
    await cases.stepped(case, "confirm_corrected", GIVING, "confirmed_corrected", **DIGESTS)
    [notice] = (await cases.ask("GET", "/inbox", ASKING)).json()["items"][-1:]
    assert notice["word"] == "correction.confirm_corrected"
    assert RESOURCE_CODE in notice["text"]["zh"]
    await cases.stepped(case, "close", ASKING, "closed")


@pytest.mark.requirement("COR-06")
async def test_a_person_comes_to_the_authority(cases: Cases) -> None:
    await cases.enforce("yunnan")
    form = {**DOUBT, "identity": "XZSPJ-2026-17"}
    case = await cases.opened("correction", PORTAL, event="receive", resource=RESOURCE_CODE, details=form)
    assert (await cases.ask("GET", f"/cases/{case['id']}", ASKING)).status_code == 404
    await cases.stepped(case, "forward", AUTHORITY, "checking")
    await cases.stepped(case, "confirm_correct", GIVING, "confirmed_correct", note="与登记一致")
    shown = await cases.shown(case, PORTAL)
    assert shown["possible"] == ["appeal", "close"]
    assert [step["event"] for step in shown["history"]] == ["receive", "forward", "confirm_correct"]


@pytest.mark.requirement("COR-05")
@pytest.mark.parametrize("member", ["before_digest", "after_digest"])
async def test_a_value_is_no_digest(cases: Cases, member: str) -> None:
    case = await cases.opened("correction", ASKING, resource=RESOURCE_CODE, details=DOUBT)
    answer = await cases.step(case, "confirm_corrected", GIVING, **{**DIGESTS, member: "某某公司"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == f"/body/{member}"


@pytest.mark.requirement("CMP-02")
async def test_those_concerned_do_not_see_who_complained(cases: Cases) -> None:
    who = {"name": "王五测试", "contact": "wangwu@example.org"}
    form = {**COMPLAINED, "complainant": who}
    case = await cases.opened("complaint", officer("zjj", "whistle"), details=form)
    assert case["maker"] == "zjj-officer-whistle"
    await cases.stepped(case, "accept", AUTHORITY, "accepted")
    await cases.stepped(case, "investigate", AUTHORITY, "investigating")
    await cases.stepped(case, "hear", AUTHORITY, "investigating", department="jtj", note="请说明")
    concerned = officer("jtj")
    answers = [
        await cases.step(case, "respond", concerned, note="系统故障"),
        await cases.ask("GET", f"/cases/{case['id']}", concerned),
        await cases.ask("GET", "/cases?kind=complaint", concerned),
        await cases.ask("GET", "/inbox", concerned),
    ]
    for answer in answers:
        assert answer.status_code == 200
        for secret in ("zjj", "whistle", *who.values()):
            assert secret not in answer.text
    assert (await cases.ask("GET", f"/cases/{case['id']}/complainant", concerned)).status_code == 403
    known = await cases.ask("GET", f"/cases/{case['id']}/complainant", AUTHORITY)
    assert known.json() == {"department": "zjj", "office": "office:officer", **who}
    seen = await cases.shown(case)
    assert (seen["maker"], seen["history"][0]["client"]) == ("zjj-officer-whistle", "zjj-officer-whistle")


@pytest.mark.requirement("CMP-07")
async def test_a_request_of_the_person_concerned(cases: Cases) -> None:
    form = {"right": "delete", "claim": "删除已注销账户", "identity": "XZSPJ-2026-18"}
    case = await cases.opened("subject_rights", PORTAL, resource=RESOURCE_CODE, details=form)
    await cases.stepped(case, "verify_identity", GIVING, "identity_verified", note="窗口核验")
    await cases.stepped(case, "assess", GIVING, "assessing")
    answer = await cases.step(case, "refuse", GIVING)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"path": "/body/reason", "error": "required by 个人信息保护法 50"}]
    await cases.stepped(case, "refuse", GIVING, "refused", reason="法定保存期限未满")
    await cases.stepped(case, "close", PORTAL, "done")


@pytest.mark.parametrize(
    ("kind", "named", "details", "path"),
    [
        ("demand", {}, {"title": "名单"}, "/body/details/purpose"),
        ("demand", {}, {**WANTED, "titel": "名单"}, "/body/details/titel"),
        ("demand", {"provider": "zjj"}, WANTED, "/body/provider"),
        ("demand", {"provider": "nobody"}, WANTED, "/body/provider"),
        ("demand", {}, {**WANTED, "update_cycle": "每秒"}, "/body/details/update_cycle"),
        ("correction", {}, DOUBT, "/body/resource"),
        ("correction", {"resource": RESOURCE_CODE}, {**DOUBT, "item": "salary"}, "/body/details/item"),
        ("correction", {"resource": RESOURCE_CODE}, {**DOUBT, "record_key": 1}, "/body/details/record_key"),
        ("correction", {"resource": RESOURCE_CODE}, {**DOUBT, "record_key": "13800138000"}, "/body/details/record_key"),
        ("subject_rights", {}, {"right": "read", "claim": "x"}, "/body/provider"),
        ("correction", {"resource": RESOURCE_CODE}, {"item": "employer", "claim": "x"}, "/body/details/record_key"),
        ("subject_rights", {"provider": "rsj"}, {"right": "sell", "claim": "x"}, "/body/details/right"),
        ("complaint", {}, {"claim": "批量调用"}, "/body/details/about"),
        ("complaint", {}, {**COMPLAINED, "to": "provider"}, "/body/provider"),
        ("complaint", {}, {**COMPLAINED, "complainant": {"id": "1"}}, "/body/details/complainant/id"),
    ],
)
async def test_a_form_that_does_not_fit_is_told_where(
    cases: Cases, kind: str, named: dict[str, str], details: dict[str, Any], path: str
) -> None:
    answer = await cases.open(kind, ASKING, details=details, **named)
    assert answer.status_code == 422, answer.text
    assert path in [error["path"] for error in answer.json()["errors"]]


@pytest.mark.requirement("CMP-04")
async def test_a_measure_whose_details_do_not_fit_leaves_nothing(cases: Cases) -> None:
    case = await cases.opened("complaint", PORTAL, details=COMPLAINED)
    await cases.stepped(case, "accept", AUTHORITY, "accepted")
    await cases.stepped(case, "investigate", AUTHORITY, "investigating")
    suspended: list[dict[str, Any]] = [{"grant": ["x"]}, {"grant": {"a": 1}}, {"grant": 7, "trigger": None}, {}]
    ordered: list[dict[str, Any]] = [{"item": 1}, {"item": "employer", "claim": ""}, {"other": {}}]
    order = {"until": "2099-01-01", "resource": RESOURCE_CODE}
    tried = [("suspend_grant", {"reason": "超目的", "details": details}) for details in suspended]
    tried += [("order_correction", {**order, "details": details}) for details in ordered]
    for event, evidence in tried:
        answer = await cases.step(case, event, AUTHORITY, **evidence)
        assert answer.status_code == 422, answer.text
    assert (await cases.shown(case))["state"] == "investigating"
    items = (await cases.ask("GET", "/cases", AUTHORITY)).json()["items"]
    assert [one["id"] for one in items] == [case["id"]]
