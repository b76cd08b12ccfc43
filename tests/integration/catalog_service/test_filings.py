"""Filing entries over HTTP: the whole way to publication, changes, and who is told of what."""

import asyncio
from typing import Any

import msgspec
import pytest

from harness.catalog import Catalog
from harness.entries import (
    ABOVE,
    AUTHORITY,
    BODY,
    HEAD,
    LAW,
    OFFICER,
    OPERATOR,
    RULE,
    STRANGER,
    TEXT,
    Person,
    activate,
    events,
    furnish,
    inbox,
    notices,
    publish,
    refused,
    subscribe,
    taken,
)
from wire import scopes

pytestmark = pytest.mark.anyio
PATH = f"/filings/{TEXT.code}"
GROUND = msgspec.to_builtins(LAW)
OTHER_HEAD = Person("gaj", "gaj-officer", (scopes.HEAD,))
SECOND = Person("dsjj", "dsjj-second", (scopes.AUTHORITY,))
GOVERNMENT = Person("gov", "gov-office", (scopes.GOVERNMENT,))


@pytest.mark.requirement("DIR-01")
@pytest.mark.requirement("NAT-11", "NAT-13", "NAT-16", "NAT-17", "B-01")
async def test_an_entry_goes_all_the_way_and_everything_is_on_record(catalog: Catalog) -> None:
    await furnish(catalog)
    created = await OFFICER.writes(catalog)
    assert created.status_code == 201
    draft = taken(created)
    assert (draft["state"], draft["state_label"]["zh"], draft["possible"]) == ("draft", "草稿", ["edit", "send_up"])
    assert (draft["profile"], draft["government"], draft["makers"]) == ("national", True, ["gaj-officer"])
    assert (await OFFICER.does(catalog, "GET", f"/resources/{TEXT.code}")).status_code == 404

    assert taken(await OFFICER.takes(catalog, "send_up"))["state"] == "dept_review"
    assert taken(await HEAD.takes(catalog, "agree"))["state"] == "submitted"
    reviewing = taken(await AUTHORITY.takes(catalog, "take_up"))
    assert reviewing["possible"] == ["return", "reject", "pass"]
    [clock] = reviewing["clocks"]
    assert (clock["key"], clock["base"], clock["responsible"], clock["counterpart"]) == (
        "catalog.authority_review", 2, "", "gaj",
    )  # fmt: skip
    published = taken(await AUTHORITY.takes(catalog, "pass", result="符合要求"))
    assert (published["state"], published["version"], published["makers"]) == ("published", 1, [])
    assert [clock["state"] for clock in published["clocks"]] == ["met"]

    live = (await STRANGER.does(catalog, "GET", f"/resources/{TEXT.code}")).json()
    assert (live["name"], live["state"]["standing"], bool(live["published"])) == (TEXT.name, "active", True)
    steps = [(step["event"], step["source"], step["target"], step["role"]) for step in published["history"]]
    assert steps == [
        ("create", "", "draft", "provider"),
        ("send_up", "draft", "dept_review", "provider"),
        ("agree", "dept_review", "submitted", "provider-head"),
        ("take_up", "submitted", "authority_review", "authority"),
        ("pass", "authority_review", "published", "authority"),
    ]
    assert all(step["article"] and step["profile"] == "national" for step in published["history"])
    assert await events(catalog, "filing.") == [f"filing.{event}" for event, *_ in steps]
    assert await events(catalog, "resource.") == ["resource.registered"]
    assert await inbox(catalog, HEAD) == ["filing.send_up"]
    assert await inbox(catalog, OFFICER) == ["filing.pass"]
    assert await inbox(catalog, AUTHORITY) == ["filing.agree", "filing.pass"]


@pytest.mark.requirement("DIR-01")
@pytest.mark.requirement("CD-04")
async def test_operators_decide_nothing_and_strangers_see_nothing(catalog: Catalog) -> None:
    await furnish(catalog)
    refused(await OPERATOR.writes(catalog), 403, "case/not-your-step")
    refused(await STRANGER.writes(catalog), 403, "case/not-your-step")
    refused(await HEAD.writes(catalog), 403, "case/not-your-step")
    taken(await OFFICER.writes(catalog))
    for event in ("send_up", "suspend", "pass", "withdraw"):
        assert (await OPERATOR.takes(catalog, event)).status_code in (403, 409)
        refused(await STRANGER.takes(catalog, event), 404, "request/not-found")
    refused(await STRANGER.does(catalog, "GET", PATH), 404, "request/not-found")
    for person in (OFFICER, HEAD, AUTHORITY, ABOVE, GOVERNMENT, OPERATOR):
        assert (await person.does(catalog, "GET", PATH)).status_code == 200
    for person, seen in ((STRANGER, 0), (OFFICER, 1), (AUTHORITY, 1), (OPERATOR, 1)):
        assert len((await person.does(catalog, "GET", "/filings?state=draft&provider=gaj")).json()["items"]) == seen
    refused(await OFFICER.does(catalog, "GET", "/filings?state=nowhere"), 422, "request/invalid")


@pytest.mark.requirement("DIR-02")
@pytest.mark.requirement("NAT-13")
async def test_whoever_wrote_or_signed_an_entry_does_not_decide_it(catalog: Catalog) -> None:
    await furnish(catalog)
    taken(await OFFICER.writes(catalog))
    taken(await OFFICER.takes(catalog, "send_up"))
    document = refused(await OTHER_HEAD.takes(catalog, "agree"), 403, "case/four-eyes")
    assert document["article"] == "国务院令第809号 13"
    taken(await HEAD.takes(catalog, "agree"))
    both = Person("dsjj", "gaj-head", (scopes.AUTHORITY,))
    refused(await both.takes(catalog, "pass", result="好"), 403, "case/four-eyes")
    taken(await AUTHORITY.takes(catalog, "return", missing=["摘要过于简略"]))
    assert await inbox(catalog, OFFICER) == ["filing.return"]
    taken(await OFFICER.writes(catalog, summary="按公民身份号码查询户籍登记的基本信息"))
    taken(await OFFICER.takes(catalog, "send_up"))
    assert taken(await HEAD.takes(catalog, "agree"))["state"] == "submitted"


@pytest.mark.requirement("DIR-05")
async def test_what_a_step_needs_is_told_with_path_and_article(catalog: Catalog) -> None:
    await furnish(catalog)
    document = refused(await OFFICER.writes(catalog, secret=True), 422, "catalog/secret")
    assert (document["excluded"], "art.3" in document["article"]) == (["国家秘密", "工作秘密"], True)
    taken(await OFFICER.writes(catalog, items=[], use_requirements="", secrecy_assessment=""))
    document = refused(await OFFICER.takes(catalog, "send_up"), 422, "catalog/incomplete")
    assert [(error["path"], "art.13" in error["article"]) for error in document["errors"]] == [("/text/items", True)]
    taken(await OFFICER.writes(catalog))
    taken(await OFFICER.takes(catalog, "send_up"))
    taken(await HEAD.takes(catalog, "agree"))
    document = refused(await AUTHORITY.takes(catalog, "pass"), 422, "request/invalid")
    assert (document["errors"][0]["path"], "809" in document["article"]) == ("/body/result", True)
    document = refused(await AUTHORITY.takes(catalog, "withdraw"), 409, "case/not-in-this-state")
    assert (document["state"], "pass" in document["possible"]) == ("submitted", True)
    document = refused(await OFFICER.takes(catalog, "pass", result="好"), 403, "case/not-your-step")
    assert (document["roles"], document["yours"]) == (["authority"], ["provider"])


@pytest.mark.requirement("DIR-11")
@pytest.mark.parametrize(
    ("code", "changes", "status", "path"),
    [
        ("4019900100001/000002", {}, 422, "/body/code"),
        (TEXT.code, {"provider": "nobody"}, 422, "/body/provider"),
        (TEXT.code, {"items": [{"name": "a", "label": "甲", "type": "C", "mask": "blur"}]}, 422, "/body/items/0/mask"),
        (TEXT.code, {"published": "2026-02-30"}, 422, "/body/published"),
        (TEXT.code, {"surprise": 1}, 422, "/body/surprise"),
        ("1019900100001/0000/2", {}, 404, ""),
        ("x/000002", {}, 422, "/path/classification"),
    ],
)
async def test_a_text_that_cannot_be_is_refused(
    catalog: Catalog, code: str, changes: dict[str, Any], status: int, path: str
) -> None:
    await furnish(catalog)
    answer = await OFFICER.does(catalog, "PUT", f"/filings/{code}", {**BODY, **changes})
    assert answer.status_code in (status, 405), answer.text
    if path:
        assert [error["path"] for error in answer.json()["errors"]] == [path]
    assert (await OFFICER.does(catalog, "GET", "/filings")).json()["items"] == []


@pytest.mark.requirement("DIR-01")
async def test_of_two_officers_who_decide_at_once_one_wins_and_the_other_is_told(catalog: Catalog) -> None:
    await furnish(catalog)
    taken(await OFFICER.writes(catalog))
    taken(await OFFICER.takes(catalog, "send_up"))
    taken(await HEAD.takes(catalog, "agree"))
    answers = await asyncio.gather(
        AUTHORITY.takes(catalog, "pass", result="符合"),
        SECOND.takes(catalog, "return", missing=["摘要"]),
        SECOND.takes(catalog, "reject", reason="不属于目录范围"),
    )
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    losers = [answer.json() for answer in answers if answer.status_code == 409]
    assert {loser["code"] for loser in losers} == {"case/not-in-this-state"}
    history = (await OFFICER.does(catalog, "GET", PATH)).json()["history"]
    assert [step["n"] for step in history] == [1, 2, 3, 4]


@pytest.mark.requirement("DIR-03")
@pytest.mark.requirement("CD-04", "CD-09")
async def test_in_changde_a_hospital_s_head_publishes_and_what_has_no_ground_is_shared(catalog: Catalog) -> None:
    await furnish(catalog, gaj="public_service_operator")
    await activate(catalog, "changde")
    share = {**BODY["share"], "legal_basis": [msgspec.to_builtins(RULE)]}
    draft = taken(await OFFICER.writes(catalog, share=share))
    assert (draft["government"], draft["flags"]) == (False, ["treated_as_unconditional"])
    taken(await OFFICER.takes(catalog, "send_up"))
    published = taken(await HEAD.takes(catalog, "agree"))
    assert (published["state"], published["flags"]) == ("published", ["treated_as_unconditional"])
    live = (await STRANGER.does(catalog, "GET", f"/resources/{TEXT.code}")).json()["share"]
    assert (live["type"], live["condition"], live["legal_basis"]) == ("unconditional", "", [])
    [told] = await notices(catalog, AUTHORITY)
    assert (told["word"], told["facts"]["flags"]) == ("filing.agree", "treated_as_unconditional")


@pytest.mark.requirement("DIR-03")
@pytest.mark.requirement("YN-12")
async def test_in_yunnan_an_authority_s_own_entry_is_decided_one_level_up(catalog: Catalog) -> None:
    await furnish(catalog, gaj="data_authority")
    await activate(catalog, "yunnan")
    taken(await OFFICER.writes(catalog))
    taken(await OFFICER.takes(catalog, "send_up"))
    taken(await HEAD.takes(catalog, "agree"))
    above = taken(await AUTHORITY.takes(catalog, "pass", result="同意"))
    assert (above["state"], [clock["state"] for clock in above["clocks"]]) == ("upper_review", ["met"])
    assert await inbox(catalog, ABOVE) == ["filing.pass"]
    refused(await AUTHORITY.takes(catalog, "approve", result="同意"), 403, "case/not-your-step")
    same = Person("provincial", "dsjj-authority", (scopes.UPPER_AUTHORITY,))
    refused(await same.takes(catalog, "approve", result="同意"), 403, "case/four-eyes")
    assert taken(await ABOVE.takes(catalog, "approve", result="审定"))["state"] == "published"


@pytest.mark.requirement("DIR-15")
async def test_a_round_keeps_the_law_that_it_began_under(catalog: Catalog) -> None:
    await furnish(catalog)
    taken(await OFFICER.writes(catalog, data_class=""))
    await activate(catalog, "zibo")
    taken(await OFFICER.takes(catalog, "send_up"))  # 淄博 10 would ask for the class
    taken(await HEAD.takes(catalog, "agree"))
    published = taken(await AUTHORITY.takes(catalog, "pass", result="同意"))
    assert {step["profile"] for step in published["history"]} == {"national"}
    assert published["profile"] == "zibo"  # by which a next round would go
    changed = taken(await OFFICER.writes(catalog, data_class="", summary="新的摘要"))
    assert (changed["profile"], changed["state"]) == ("zibo", "changing")
    document = refused(await OFFICER.takes(catalog, "resubmit"), 422, "catalog/incomplete")
    assert [error["path"] for error in document["errors"]] == ["/text/data_class"]


@pytest.mark.requirement("DIR-16")
@pytest.mark.requirement("CD-08", "DQ-07-08", "YN-19-20", "ZB-11", "NAT-19")
async def test_a_department_is_told_what_others_already_provide(catalog: Catalog) -> None:
    await furnish(catalog)
    items = [
        {"name": f"f{n}", "label": label, "type": "C"} for n, label in enumerate(("参保状态", "缴费基数", "缴费月数"))
    ]
    code = "2039900100003/000001"
    other = {**BODY, "provider": "mzj", "name": "社会保险参保信息", "items": items}
    assert (await catalog.ask("PUT", f"/resources/{code}", other)).status_code == 201
    draft = taken(await OFFICER.writes(catalog, items=items))
    [found] = draft["alike"]
    assert (found["code"], found["provider"]) == (code, "mzj")
    document = refused(await OFFICER.takes(catalog, "send_up"), 409, "catalog/alike")
    assert [one["code"] for one in document["alike"]] == [code]
    assert taken(await OFFICER.takes(catalog, "send_up", duplicates_seen=True))["state"] == "dept_review"


# --- changes --------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("DIR-04")
async def test_while_a_change_is_reviewed_the_old_version_stays_live(catalog: Catalog) -> None:
    await furnish(catalog)
    await publish(catalog)
    same = taken(await OFFICER.writes(catalog))
    assert (same["state"], same["steps"]) == ("published", 4)
    changing = taken(await OFFICER.writes(catalog, summary="新的摘要"))
    assert (changing["state"], [one["path"] for one in changing["differences"]]) == ("changing", ["summary"])
    assert taken(await OFFICER.takes(catalog, "resubmit"))["state"] == "submitted"
    live = (await OFFICER.does(catalog, "GET", f"/resources/{TEXT.code}")).json()
    assert live["summary"] == TEXT.summary
    taken(await AUTHORITY.takes(catalog, "return", missing=["说明变更原因"]))
    taken(await OFFICER.writes(catalog, summary="更新的摘要"))
    taken(await OFFICER.takes(catalog, "resubmit"))
    rejected = taken(await AUTHORITY.takes(catalog, "reject", reason="无必要"))
    assert (rejected["state"], rejected["text"]["summary"], rejected["differences"]) == ("published", TEXT.summary, [])
    taken(await OFFICER.writes(catalog, summary="新的摘要"))
    taken(await OFFICER.takes(catalog, "resubmit"))
    published = taken(await AUTHORITY.takes(catalog, "pass", result="同意"))
    assert (published["state"], published["version"]) == ("published", 2)
    live = (await OFFICER.does(catalog, "GET", f"/resources/{TEXT.code}")).json()
    assert live["summary"] == "新的摘要"


@pytest.mark.requirement("DIR-08")
@pytest.mark.requirement("CD-28")
async def test_sharing_less_is_declared_flagged_and_told_to_those_who_use_it(catalog: Catalog) -> None:
    await furnish(catalog)
    wide = {"type": "unconditional", "content": "户籍", "scope": "全部", "purpose": "履职"}
    await publish(catalog, share=wide)
    await subscribe(catalog)
    narrowed = taken(await OFFICER.writes(catalog))
    assert [one["note"] for one in narrowed["differences"] if one["path"] == "share/type"] == ["擅自缩小"]
    document = refused(await OFFICER.takes(catalog, "resubmit"), 409, "catalog/narrowed")
    assert (document["narrowed"], document["article"]) == (["share.type"], "常德 28, 德清 22")
    document = refused(
        await OFFICER.takes(catalog, "downgrade", reason="安全", legal_basis=[GROUND]), 422, "request/invalid"
    )
    assert [error["path"] for error in document["errors"]] == ["/body/filing_no"]
    taken(await OFFICER.takes(catalog, "downgrade", reason="安全管理", legal_basis=[GROUND], filing_no="备〔2026〕7号"))
    assert await inbox(catalog, STRANGER) == ["filing.downgrade"]
    [told] = await notices(catalog, AUTHORITY, "filing.downgrade")
    assert (told["facts"]["flags"], "缩小" in told["text"]["zh"]) == ("擅自缩小", True)
    taken(await OFFICER.takes(catalog, "resubmit"))
    taken(await AUTHORITY.takes(catalog, "pass", result="同意"))
    await events(catalog, "")
    [event] = [event for event in catalog.log.events if event.event == "resource.changed"]
    assert event.facts["narrowed"] == "share.type"
