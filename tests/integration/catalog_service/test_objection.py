"""Objections and disputes from the first word to what comes of them: an entry that changes, a call that is allowed."""

from typing import Any

import msgspec
import pytest

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
    officer,
)
from harness.catalog import RESOURCE_CODE, Catalog
from wire import scopes
from wire.catalog import Grant

pytestmark = pytest.mark.anyio
GOVERNMENT = Person("szf", scopes.GOVERNMENT)
UPPER = Person("sdsj", scopes.UPPER_AUTHORITY)
OBJECTION = {"wanted": "unconditional", "reason": "各部门履职均需"}
DISPUTE = {"matter": "拒绝共享", "wanted": "共享参保状态", "reason": "依法履职需要"}
DECISION = [{"name": "政府专题会议纪要", "sha256": DIGEST}]


async def filing(cases: Cases) -> dict[str, Any]:
    answer = await cases.ask("GET", f"/filings/{RESOURCE_CODE}", GIVING)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


# --- objections -----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("OBJ-01")
@pytest.mark.requirement("OBJ-06")
@pytest.mark.requirement("YN-27-2")
async def test_an_objection_goes_up_to_the_government_and_the_entry_has_to_change(catalog: Catalog) -> None:
    """云南 27 ¶3."""
    cases = Cases(catalog)
    await cases.enforce("yunnan")
    await catalog.furnish()
    case = await cases.opened("objection", ASKING, details=OBJECTION, resource=RESOURCE_CODE)
    assert (case["state"], case["requester"], case["provider"]) == ("raised", "zjj", "rsj")
    await cases.stepped(case, "answer", GIVING, "negotiating", reason="须限用途")
    await cases.stepped(case, "respond", ASKING, "negotiating", reason="用途已有法定限制")
    await cases.stepped(case, "escalate", ASKING, "authority_mediation", reason="协商未果")
    assert (await cases.step(case, "decide", AUTHORITY, result="change", reason="x")).status_code == 409
    await cases.stepped(case, "refer", AUTHORITY, "government_decision", reason="协调未果")
    without = await cases.step(case, "decide", GOVERNMENT, result="change")
    assert [error["path"] for error in without.json()["errors"]] == ["/body/documents"]
    await cases.stepped(case, "decide", GOVERNMENT, "decided", result="change", documents=DECISION)
    assert (await filing(cases))["state"] == "published"
    ended = await cases.stepped(case, "enforce", GIVING, "enforced")
    assert (ended["decision"]["result"], ended["decision"]["decided_by"]) == ("change", "szf")
    changing = await filing(cases)
    assert changing["state"] == "changing"
    assert [(clock["key"], clock["state"]) for clock in changing["clocks"]] == [
        ("catalog.update_on_change", "running"),
    ]


@pytest.mark.requirement("OBJ-02")
@pytest.mark.requirement("OBJ-03")
@pytest.mark.requirement("OBJ-06")
async def test_under_changde_the_authority_has_the_last_word(catalog: Catalog) -> None:
    """常德 9: whoever keeps data back names the law; 11 ¶3."""
    cases = Cases(catalog)
    await cases.enforce("changde")
    await catalog.furnish()
    case = await cases.opened("objection", ASKING, details=OBJECTION, resource=RESOURCE_CODE)
    without = await cases.step(case, "answer", GIVING, reason="须限用途")
    assert (without.status_code, without.json()["errors"][0]["path"]) == (422, "/body/legal_basis")
    await cases.stepped(case, "answer", GIVING, "negotiating", reason="须限用途", legal_basis=[LAWFUL])
    await cases.stepped(case, "escalate", GIVING, "authority_mediation", reason="协商未果")
    assert (await cases.step(case, "refer", AUTHORITY, reason="x")).status_code == 409
    vague = await cases.step(case, "decide", AUTHORITY, result="看情况", reason="依法有据")
    assert (vague.status_code, vague.json()["errors"][0]["path"]) == (422, "/body/result")
    await cases.stepped(case, "decide", AUTHORITY, "decided", result="keep", reason="依法有据")
    await cases.stepped(case, "enforce", AUTHORITY, "enforced")
    assert (await filing(cases))["state"] == "published"


@pytest.mark.requirement("OBJ-01")
@pytest.mark.requirement("OBJ-06")
async def test_the_authority_objects_and_the_provider_gives_way(catalog: Catalog) -> None:
    cases = Cases(catalog)
    await catalog.furnish()
    case = await cases.opened("objection", AUTHORITY, details=OBJECTION, resource=RESOURCE_CODE)
    assert (case["requester"], case["provider"]) == ("", "rsj")
    assert (await cases.step(case, "escalate", GIVING, reason="x")).status_code == 403
    await cases.stepped(case, "agree", GIVING, "agreed")
    assert (await filing(cases))["state"] == "changing"
    inbox = (await cases.ask("GET", "/inbox", AUTHORITY)).json()["items"]
    assert "objection.agree" in {one["word"] for one in inbox}


@pytest.mark.requirement("OBJ-03")
async def test_an_authority_does_not_mediate_about_its_own_data(catalog: Catalog) -> None:
    cases = Cases(catalog)
    await catalog.furnish()
    case = await cases.opened("objection", officer("zjj"), details=OBJECTION, resource=RESOURCE_CODE)
    await cases.stepped(case, "escalate", ASKING, "authority_mediation", reason="协商未果")
    own = await cases.step(case, "settle", Person("rsj", scopes.AUTHORITY), note="一致")
    assert (own.status_code, own.json()["code"]) == (403, "case/not-your-step")
    await cases.stepped(case, "settle", AUTHORITY, "agreed", note="一致同意改为无条件共享")


# --- disputes -------------------------------------------------------------------------------------------------------
async def refused_application(cases: Cases) -> dict[str, Any]:
    """An application of zjj that rsj has refused, whoever has to sign under the profile."""
    named = {"system": "zjj-housing", "interface": "rsj-social-insurance/v1"}
    case = await cases.opened("application", ASKING, details=WHOLE, **named)
    for event, by, evidence in (
        ("submit", ASKING, {}), ("sign", ASKING_HEAD, {}),
        ("refuse", GIVING, {"reason": "与履职无关", "legal_basis": [LAWFUL]}), ("confirm", GIVING_HEAD, {}),
    ):  # fmt: skip
        if event in (await cases.shown(case, by))["possible"]:
            answer = await cases.step(case, event, by, **evidence)
            assert answer.status_code == 200, answer.text
    assert (await cases.shown(case))["state"] == "refused"
    return case


async def grants_alive(catalog: Catalog) -> int:
    entries = [entry for entry in (await catalog.feed(0)).entries if entry.kind == "grant"]
    newest = {entry.id: msgspec.json.decode(entry.body, type=Grant) for entry in entries}
    return sum(grant.state.standing == "active" for grant in newest.values())


@pytest.mark.requirement("OBJ-04")
@pytest.mark.requirement("OBJ-06")
@pytest.mark.requirement("NAT-28")
@pytest.mark.parametrize(
    ("profile", "steps"),
    [
        ("national", [("refer", AUTHORITY, "government_decision", {"reason": "协调未果"}),
                      ("decide", GOVERNMENT, "closed", {"result": "share", "documents": DECISION})]),
        ("changde", [("decide", AUTHORITY, "closed", {"result": "share", "reason": "依法应当共享"})]),
        ("jingdezhen", [("settle", AUTHORITY, "closed", {"result": "share", "note": "提供部门同意"})]),
    ],
)  # fmt: skip
async def test_a_refusal_that_does_not_stand_ends_with_a_call_being_allowed(
    catalog: Catalog, profile: str, steps: list[Any]
) -> None:
    cases = Cases(catalog)
    await cases.enforce(profile)
    await catalog.furnish()
    application = await refused_application(cases)
    case = await cases.opened("dispute", ASKING, details=DISPUTE, parent=application["id"])
    assert (case["requester"], case["provider"]) == ("zjj", "rsj")
    own = await cases.step(case, "answer", ASKING, reason="x")
    assert (own.status_code, own.json()["code"]) == (403, "case/not-your-step")
    await cases.stepped(case, "answer", GIVING, "negotiating", reason="维持拒绝")
    await cases.stepped(case, "escalate", ASKING, "authority_coordination", reason="协商未果")
    assert await grants_alive(catalog) == 0
    for event, by, to, evidence in steps:
        await cases.stepped(case, event, by, to, **evidence)
    assert await grants_alive(catalog) == 1
    await cases.poll()
    granted = await cases.until(application, "granted")
    assert granted["grant"]


@pytest.mark.requirement("OBJ-06")
async def test_a_refusal_that_stands_leaves_the_application_refused(catalog: Catalog) -> None:
    cases = Cases(catalog)
    await catalog.furnish()
    application = await refused_application(cases)
    case = await cases.opened("dispute", ASKING, details=DISPUTE, parent=application["id"])
    await cases.stepped(case, "escalate", ASKING, "authority_coordination", reason="协商未果")
    await cases.stepped(case, "settle", AUTHORITY, "closed", result="refuse", note="双方同意维持")
    assert ((await cases.shown(application))["state"], await grants_alive(catalog)) == ("refused", 0)


@pytest.mark.requirement("OBJ-06")
async def test_an_application_that_was_given_up_meanwhile_stays_so(catalog: Catalog) -> None:
    cases = Cases(catalog)
    await catalog.furnish()
    application = await refused_application(cases)
    case = await cases.opened("dispute", ASKING, details=DISPUTE, parent=application["id"])
    await cases.stepped(application, "accept_refusal", ASKING, "refusal_accepted")
    await cases.stepped(case, "agree", GIVING, "closed", note="同意共享")
    assert ((await cases.shown(application))["state"], await grants_alive(catalog)) == ("refusal_accepted", 0)


@pytest.mark.requirement("OBJ-05")
async def test_only_a_refusal_is_disputed(catalog: Catalog) -> None:
    cases = Cases(catalog)
    await catalog.furnish()
    named = {"system": "zjj-housing", "interface": "rsj-social-insurance/v1"}
    application = await cases.opened("application", ASKING, details=WHOLE, **named)
    answer = await cases.open("dispute", ASKING, details=DISPUTE, parent=application["id"])
    assert (answer.status_code, answer.json()["code"]) == (409, "case/unfit-parent")
    assert (await cases.open("dispute", ASKING, details=DISPUTE, provider="rsj")).status_code == 201


@pytest.mark.requirement("OBJ-04")
@pytest.mark.requirement("NAT-28")
async def test_between_a_county_and_the_city_the_authority_above_coordinates(catalog: Catalog) -> None:
    cases = Cases(catalog)
    await catalog.furnish()
    await catalog.put("/departments/zjj", {"name": "zjj", "level": "county", "region": "990121"})
    await catalog.put("/departments/rsj", {"name": "rsj", "level": "city", "region": "990100"})
    case = await cases.opened("dispute", ASKING, details=DISPUTE, provider="rsj")
    await cases.stepped(case, "escalate", ASKING, "upper_coordination", reason="协商未果")
    assert (await cases.step(case, "settle", AUTHORITY, result="share", note="x")).status_code == 403
    await cases.stepped(case, "remit", UPPER, "negotiating", reason="请再协商")
    await cases.stepped(case, "withdraw", ASKING, "withdrawn")
