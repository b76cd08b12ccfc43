"""Applications for what is shared, from the first form to the grant, under each of the profiles."""

from typing import Any

import msgspec
import pytest

from harness.applications import (
    INTERFACE_ID,
    NAMED,
    PUBLIC_SERVICE,
    REFUSAL,
    agreed,
    applied,
    grant_of,
    handed_in,
    in_use,
    offer,
    refused,
)
from harness.cases import (
    ASKING,
    ASKING_HEAD,
    AUTHORITY,
    DIGEST,
    GIVING,
    GIVING_HEAD,
    LAWFUL,
    WHOLE,
    Cases,
    Person,
    head,
    officer,
)
from harness.catalog import INTERFACE

pytestmark = pytest.mark.anyio


# --- unconditional --------------------------------------------------------------------------------------------------
@pytest.mark.requirement("APP-15")
@pytest.mark.requirement("CD-11-1", "JDZ-07", "JDZ-08", "JDZ-10-1")
@pytest.mark.parametrize("profile", ["changde", "jingdezhen"])
async def test_unconditional_data_are_opened_in_the_request_itself(cases: Cases, profile: str) -> None:
    await cases.enforce(profile)
    await offer(cases, "unconditional")
    case = await cases.opened("application", ASKING, details={"purpose": "企业开办核对登记信息"}, **NAMED)
    assert (case["state"], case["decision"]) == ("granted", {})
    grant = await grant_of(cases, case)
    assert (grant.system, grant.department, grant.interface) == ("zjj-housing", "zjj", INTERFACE_ID)
    assert (grant.purpose, grant.fields) == ("企业开办核对登记信息", ["name", "pension"])
    assert await cases.clocks(case) == {}
    answer = await cases.open("application", ASKING, details={"purpose": "核对"}, interface=INTERFACE_ID)
    assert [error["path"] for error in answer.json()["errors"]] == ["/body/system"]


@pytest.mark.requirement("APP-10")
@pytest.mark.requirement("YN-29-1", "NAT-21", "NAT-22")
@pytest.mark.parametrize(("profile", "provide"), [("national", "20"), ("yunnan", "2")])
async def test_where_the_provider_replies_nothing_opens_by_itself(cases: Cases, profile: str, provide: str) -> None:
    await cases.enforce(profile)
    await offer(cases, "unconditional")
    case = await handed_in(cases)
    assert await cases.clocks(case) == {"share.unconditional.reply": "running"}
    await refused(cases, 409, "case/not-overdue", case, "authority_grant", AUTHORITY)
    await refused(cases, 409, "case/not-in-this-state", case, "refuse", GIVING, **REFUSAL)
    await refused(cases, 409, "case/not-in-this-state", case, "extend", GIVING, days=1, reason="…")
    await agreed(cases, case)
    shown = await cases.shown(case)
    bases = {clock["key"]: str(clock["base"]) for clock in shown["clocks"]}
    assert bases == {"share.unconditional.reply": "1", "share.unconditional.provide": provide}
    assert (await in_use(cases, case)).fields == ["pension"]
    assert await cases.clocks(case) == {"share.unconditional.reply": "met", "share.unconditional.provide": "met"}


@pytest.mark.requirement("APP-03")
@pytest.mark.requirement("DQ-14-1")
async def test_in_deqing_the_authority_opens_unconditional_data(cases: Cases) -> None:
    await cases.enforce("deqing")
    await offer(cases, "unconditional")
    case = await handed_in(cases, "authority_review")
    assert (await cases.step(case, "agree", GIVING)).status_code == 409
    await refused(cases, 403, "case/not-your-step", case, "approve", GIVING)
    await cases.stepped(case, "return", AUTHORITY, "returned_for_completion", missing=["安全措施"])
    await cases.stepped(case, "complete", ASKING, "authority_review", details={"safeguards": "专机专用"})
    await cases.stepped(case, "approve", AUTHORITY, "provisioning")
    await in_use(cases, case)


# --- conditional ----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("APP-06")
@pytest.mark.requirement("JDZ-10-2", "YN-25")
@pytest.mark.parametrize("profile", ["changde", "jingdezhen", "national", "yunnan", "zibo"])
async def test_conditional_data_are_applied_for_agreed_to_and_opened(cases: Cases, profile: str) -> None:
    await cases.enforce(profile)
    case = await handed_in(cases)
    assert await cases.clocks(case) == {"share.conditional.reply": "running"}
    await cases.stepped(case, "accept", GIVING, "provider_review")
    reply: dict[str, Any] = {
        "conditions": "限公租房", "case_pattern": "YJ[0-9]{4}", "hours": "08:00-18:00", "networks": ["10.1.0.0/16"],
        "masks": {"pension": "mid4"}, "term_months": 3, "rate_per_s": 2.5, "quota_day": 500, "quota_month": 9000,
    }  # fmt: skip
    await agreed(cases, case, **reply)
    grant = await in_use(cases, case)
    assert (grant.fields, grant.masks, grant.case_pattern) == (["pension"], {"pension": "mid4"}, "YJ[0-9]{4}")
    assert (grant.hours, grant.networks, grant.rate_per_s) == ("08:00-18:00", ["10.1.0.0/16"], 2.5)
    assert (grant.quota_day, grant.quota_month) == (500, 9000)
    assert grant.basis == "社会救助暂行办法 第五十八条"
    assert await cases.clocks(case) == {"share.conditional.reply": "met", "share.conditional.provide": "met"}
    shown = await cases.shown(case)
    assert shown["decision"]["reply"]["conditions"] == "限公租房"
    assert 85 * 86_400 < grant.not_after - shown["opened"] / 1000 < 95 * 86_400


@pytest.mark.requirement("APP-03")
async def test_between_others_than_departments_only_the_local_rule_holds(cases: Cases) -> None:
    await cases.enforce("changde")
    await cases.catalog.put("/departments/rsj", {"name": "供水公司", **PUBLIC_SERVICE})
    case = await applied(cases)
    case = await cases.stepped(case, "submit", ASKING, "submitted")
    assert case["government"] is False
    case = await cases.stepped(case, "agree", GIVING, "provisioning")
    assert await cases.clocks(case) == {"share.conditional.reply": "met", "share.conditional.provide": "running"}


@pytest.mark.requirement("APP-03")
@pytest.mark.requirement("DQ-14-1")
async def test_in_deqing_provider_and_authority_both_agree(cases: Cases) -> None:
    await cases.enforce("deqing")
    case = await agreed(cases, await handed_in(cases), "authority_review", case_pattern="DQ.{3}")
    assert case["grant"] == ""
    assert (await cases.clocks(case))["share.conditional.reply"] == "running"
    case = await cases.stepped(case, "approve", AUTHORITY, "provisioning", hours="09:00-17:00")
    grant = await in_use(cases, case)
    assert (grant.case_pattern, grant.hours) == ("DQ.{3}", "09:00-17:00")
    other = await agreed(cases, await handed_in(cases), "authority_review")
    await cases.stepped(other, "return", AUTHORITY, "returned_for_completion", missing=["安全措施"])
    await cases.stepped(other, "complete", ASKING, "provider_review", details={"safeguards": "专机专用"})
    other = await agreed(cases, other, "authority_review")  # the same hands as before: their first reply is void
    await refused(cases, 422, "case/ground-not-allowed", other, "refuse", AUTHORITY, reason="不符合规定")
    await cases.stepped(other, "refuse", AUTHORITY, "refused", **REFUSAL)
    assert await cases.clocks(other) == {"share.conditional.reply": "met"}


@pytest.mark.requirement("APP-02")
@pytest.mark.requirement("NAT-20")
async def test_whoever_drafted_does_not_sign(cases: Cases) -> None:
    case = await applied(cases)
    await cases.stepped(case, "submit", ASKING, "internal_sign")
    path = f"/cases/{case['id']}"

    async def sign(event: str, head_of: Person, client: str) -> int:
        answer = await cases.catalog.ask(
            "POST", f"{path}/{event}", {}, head_of.department, allowed=(head_of.office,), client_id=client
        )
        assert answer.status_code == 200 or answer.json()["code"] == "case/four-eyes"
        return int(answer.status_code)

    assert await sign("sign", ASKING_HEAD, ASKING.client) == 403
    assert await sign("sign", ASKING_HEAD, "zjj-chief") == 200
    await cases.stepped(case, "agree", GIVING, "reply_sign")
    assert await sign("confirm", GIVING_HEAD, GIVING.client) == 403
    await cases.stepped(case, "send_back", GIVING_HEAD, "provider_review", reason="请补充使用条件")
    await cases.stepped(case, "agree", GIVING, "reply_sign", conditions="限公租房")  # the same officer drafts anew
    assert await sign("confirm", GIVING_HEAD, GIVING.client) == 403
    assert await sign("confirm", GIVING_HEAD, "rsj-chief") == 200


# --- completeness ---------------------------------------------------------------------------------------------------
@pytest.mark.requirement("APP-05")
@pytest.mark.requirement("NAT-21")
async def test_what_is_missing_is_said_once_and_refused_never(cases: Cases) -> None:
    bare = {"purpose": "入学资格核对"}
    case = await cases.opened("application", ASKING, details=bare, **NAMED)
    await cases.stepped(case, "submit", ASKING, "internal_sign")
    case = await cases.stepped(case, "sign", ASKING_HEAD, "submitted")
    assert case["decision"]["lacking"] == ["使用依据", "使用场景", "使用范围", "使用时限"]
    missing = ["使用时限", "法定依据"]
    await refused(cases, 409, "case/incomplete-is-no-ground", case, "refuse", GIVING, missing=missing, **REFUSAL)
    case = await cases.stepped(case, "return", GIVING, "returned_for_completion", missing=missing)
    assert case["decision"]["missing"] == missing
    assert await cases.clocks(case) == {"share.conditional.reply": "running"}
    await refused(cases, 409, "case/not-in-this-state", case, "refuse", GIVING, **REFUSAL)
    wrong = {"details": {"fields": ["salary"]}}
    await refused(cases, 422, "request/invalid", case, "complete", ASKING, **wrong)
    whole = {name: WHOLE[name] for name in ("basis", "term_months", "scene", "scope", "fields")}
    case = await cases.stepped(case, "complete", ASKING, "provider_review", details=whole)
    assert (case["decision"]["lacking"], case["details"]["purpose"]) == ([], "入学资格核对")
    document = await refused(cases, 409, "case/told-once", case, "return", GIVING, missing=["安全措施"])
    assert document["article"] == "国务院令第809号 21"


@pytest.mark.requirement("APP-05")
@pytest.mark.requirement("JDZ-02", "JDZ-10-2")
async def test_where_no_notice_is_owed_a_missing_member_keeps_it_from_going_out(cases: Cases) -> None:
    await cases.enforce("jingdezhen")
    await cases.catalog.put("/departments/rsj", {"name": "供水公司", **PUBLIC_SERVICE})
    case = await applied(cases, scope="", fields=[], materials=[])
    document = await refused(cases, 422, "request/invalid", case, "submit", ASKING)
    assert [error["path"] for error in document["errors"]] == ["/body/details/scope", "/body/details/fields"]
    assert "景德镇" in document["errors"][0]["error"]
    await cases.stepped(case, "edit", ASKING, "draft", details={"scope": "住房保障科", "fields": ["pension"]})
    document = await refused(cases, 422, "request/invalid", case, "submit", ASKING)
    assert [error["path"] for error in document["errors"]] == ["/body/details/materials"]
    form = {"materials": [{"name": "需求申请表", "sha256": DIGEST}]}
    await cases.stepped(case, "edit", ASKING, "draft", details=form)
    await cases.stepped(case, "submit", ASKING, "submitted")


@pytest.mark.requirement("APP-09")
@pytest.mark.requirement("NAT-21")
async def test_an_extension_is_asked_of_the_authority_and_told_to_the_requester(cases: Cases) -> None:
    case = await handed_in(cases)
    await refused(cases, 422, "request/invalid", case, "extend", GIVING, days=11, reason="涉及多个处室")
    await cases.stepped(case, "extend", GIVING, "extension_requested", days=10, reason="涉及多个处室")
    await refused(cases, 403, "case/not-your-step", case, "consent", GIVING)
    before = (await cases.shown(case))["clocks"][0]
    await cases.stepped(case, "consent", AUTHORITY, "provider_review")
    after = (await cases.shown(case))["clocks"][0]
    assert (before["state"], after["state"], after["extended_by"]) == ("running", "extended", 10)
    assert after["due"] > before["due"]
    inbox = (await cases.ask("GET", "/inbox", ASKING)).json()["items"]
    assert "clock.extended" in [notice["word"] for notice in inbox]
    again = await refused(cases, 409, "clock/not-extendable", case, "extend", GIVING, days=1, reason="…")
    assert "21" in again["article"]


@pytest.mark.requirement("APP-09")
async def test_an_extension_that_is_denied_leaves_the_time_as_it_was(cases: Cases) -> None:
    case = await handed_in(cases)
    await cases.stepped(case, "extend", GIVING, "extension_requested", days=5, reason="涉及多个处室")
    case = await cases.stepped(case, "deny", AUTHORITY, "provider_review", reason="理由不充分")
    assert await cases.clocks(case) == {"share.conditional.reply": "running"}
    await agreed(cases, case)


# --- refusal --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("APP-08")
@pytest.mark.requirement("CD-11-2", "JDZ-10-2", "DQ-12", "YN-29-2")
@pytest.mark.parametrize("profile", ["changde", "jingdezhen", "deqing", "yunnan"])
async def test_a_refusal_names_reason_and_ground(cases: Cases, profile: str) -> None:
    await cases.enforce(profile)
    case = await handed_in(cases)
    document = await refused(cases, 422, "request/invalid", case, "refuse", GIVING, legal_basis=[LAWFUL])
    assert [error["path"] for error in document["errors"]] == ["/body/reason"]
    rumour = {"law": "内部惯例", "rank": ""}
    document = await refused(
        cases, 422, "case/ground-not-allowed", case, "refuse", GIVING, reason="…", legal_basis=[rumour]
    )
    assert [error["path"] for error in document["errors"]] == ["/body/legal_basis"]
    assert "法律" in document["allowed"]
    await cases.stepped(case, "refuse", GIVING, "reply_sign", **REFUSAL)
    case = await cases.stepped(case, "confirm", GIVING_HEAD, "refused")
    assert (case["grant"], case["decision"]["reason"]) == ("", REFUSAL["reason"])
    assert case["decision"]["legal_basis"] == [{"law": "个人信息保护法", "article": "第三十四条", "rank": "法律"}]
    assert await cases.clocks(case) == {"share.conditional.reply": "met"}
    reported = [notice["word"] for notice in (await cases.ask("GET", "/inbox", AUTHORITY)).json()["items"]]
    assert ("application.refusal_reported" in reported) is (profile == "jingdezhen")
    assert case["decision"].get("reported_to_authority", False) is (profile == "jingdezhen")
    await cases.stepped(case, "accept_refusal", ASKING, "refusal_accepted")


@pytest.mark.requirement("APP-08")
async def test_a_head_may_send_a_refusal_back(cases: Cases) -> None:
    case = await handed_in(cases)
    await cases.stepped(case, "refuse", GIVING, "reply_sign", reason="…")
    case = await cases.stepped(case, "send_back", GIVING_HEAD, "provider_review", reason="理由不成立")
    assert "result" not in case["decision"]
    await agreed(cases, case)


async def test_a_dispute_over_a_refusal_may_end_in_a_grant(cases: Cases) -> None:
    await cases.enforce("changde")
    case = await handed_in(cases)
    await cases.stepped(case, "refuse", GIVING, "reply_sign", **REFUSAL)
    await cases.stepped(case, "confirm", GIVING_HEAD, "refused")
    form = {"matter": "不予共享", "wanted": "共享", "reason": "履职需要"}
    dispute = await cases.opened("dispute", ASKING, parent=case["id"], details=form)
    await cases.stepped(dispute, "agree", GIVING, "closed", note="同意共享")
    assert (await cases.shown(case))["state"] == "provider_review"  # the reply goes its way again, heads and all
    await cases.stepped(case, "agree", GIVING, "reply_sign")
    await cases.stepped(case, "confirm", GIVING_HEAD, "provisioning")
    assert (await in_use(cases, case)).fields == ["pension"]


# --- what stands still ----------------------------------------------------------------------------------------------
@pytest.mark.requirement("APP-16")
async def test_nothing_is_given_on_what_stands_still(cases: Cases) -> None:
    case = await handed_in(cases)
    await cases.stepped(case, "agree", GIVING, "reply_sign")
    path = "/interfaces/rsj-social-insurance/versions/v1"
    await cases.catalog.move(path, "suspend")
    await refused(cases, 409, "request/conflict", case, "confirm", GIVING_HEAD)
    answer = await cases.open("application", ASKING, details=WHOLE, **NAMED)
    assert (answer.status_code, answer.json()["code"]) == (409, "request/conflict")
    await cases.catalog.move(path, "resume")
    await cases.catalog.move("/systems/zjj-housing", "suspend")
    await refused(cases, 409, "request/conflict", case, "confirm", GIVING_HEAD)
    await cases.catalog.move("/systems/zjj-housing", "resume")
    await cases.stepped(case, "confirm", GIVING_HEAD, "provisioning")


async def test_a_grant_by_case_names_it_in_the_log(cases: Cases) -> None:
    case = await agreed(cases, await handed_in(cases))
    await cases.poll()
    await cases.until(case, "granted")
    [given] = [event for event in cases.catalog.log.events if event.event == "grant.given"]
    assert (given.facts["case"], given.facts["grant"]) == (case["number"], case["grant"])
    assert msgspec.json.encode(given).decode().count("rsj-head-a") >= 1


@pytest.mark.requirement("NAT-11")
async def test_another_department_neither_signs_nor_replies(cases: Cases) -> None:
    case = await handed_in(cases)
    for stranger in (officer("jyj"), head("jyj")):
        assert (await cases.step(case, "agree", stranger)).status_code == 404
    await refused(cases, 403, "case/not-your-step", case, "agree", ASKING)
    assert INTERFACE["provider"] == "rsj"
