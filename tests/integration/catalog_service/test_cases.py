"""The engine: what every step of every case does, whatever the procedure."""

import asyncio
from typing import Any

import asyncpg
import pytest

from catalog_service.cases import store
from catalog_service.cases.flows import Desk
from catalog_service.cases.kinds import EFFECTS, KINDS
from catalog_service.cases.worker import Worker
from harness.applications import NAMED, agreed, handed_in, rows
from harness.cases import (
    ASKING,
    ASKING_HEAD,
    AUTHORITY,
    GIVING,
    GIVING_HEAD,
    LAWFUL,
    WHOLE,
    Cases,
    Person,
    officer,
)
from harness.catalog import RESOURCE_CODE
from harness.law import Bench
from runtime.db import plain
from wire import scopes

pytestmark = pytest.mark.anyio
EVENTS = ("apply", "submit", "sign", "accept")


@pytest.mark.requirement("CAS-01")
async def test_a_step_leaves_history_clocks_notices_and_an_event(cases: Cases) -> None:
    case = await handed_in(cases)
    await cases.stepped(case, "accept", GIVING, "provider_review", note="已受理")
    shown = await cases.shown(case)
    happened = [(h["event"], h["source"], h["target"], h["role"], h["client"]) for h in shown["history"]]
    assert happened == [
        ("apply", "", "draft", "requester", ASKING.client),
        ("submit", "draft", "internal_sign", "requester", ASKING.client),
        ("sign", "internal_sign", "submitted", "requester-head", ASKING_HEAD.client),
        ("accept", "submitted", "provider_review", "provider", GIVING.client),
    ]
    last = shown["history"][-1]
    assert (last["n"], last["article"], last["evidence"]["note"]) == (4, "国务院令第809号 21 ¶1", "已受理")
    assert (last["profile"], last["profile_version"]) == (shown["profile"], shown["profile_version"])
    assert [clock["key"] for clock in last["clocks"]] == ["share.conditional.reply"]
    assert [clock["responsible"] for clock in shown["clocks"]] == ["rsj"]
    assert shown["state_label"] == {"zh": "提供部门审核中", "en": "With the provider"}
    inbox = (await cases.ask("GET", "/inbox", GIVING)).json()["items"]
    assert [notice["word"] for notice in inbox] == ["application.sign"]
    events = await _events(cases, case)
    assert [event.event for event in events] == [f"case.application.{event}" for event in EVENTS]
    assert events[-1].facts["from"] == "submitted"
    assert events[-1].facts["to"] == "provider_review"
    assert events[-1].facts["evidence"] == last["digest"]
    assert "公租房" not in str(events)


async def _events(cases: Cases, case: dict[str, Any]) -> list[Any]:
    """What the log was told of a case, once all of it has arrived."""
    steps = len((await cases.shown(case))["history"])
    async with asyncio.timeout(60):
        while True:
            told = [event for event in cases.catalog.log.events if event.facts.get("case") == case["id"]]
            found = [event for event in told if event.event.startswith("case.")]
            if len(found) == steps:
                return found
            await asyncio.sleep(0.05)


@pytest.mark.requirement("CAS-01")
async def test_a_step_that_is_refused_leaves_nothing(cases: Cases) -> None:
    case = await handed_in(cases)
    before = await cases.shown(case)
    counts = [await rows(cases, table) for table in ("case_history", "notice", "feed")]
    masks = {"pension": "blur"}
    for evidence in ({"masks": masks}, {"fields": ["employer"]}, {"term_months": 13}, {"case_pattern": "("}):
        answer = await cases.step(case, "agree", GIVING, **evidence)
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), answer.text
    assert await cases.shown(case) == before
    assert [await rows(cases, table) for table in ("case_history", "notice", "feed")] == counts


@pytest.mark.requirement("CAS-02")
@pytest.mark.parametrize("profile", ["changde", "national"])
async def test_of_two_who_decide_at_once_one_wins_and_the_other_is_told(cases: Cases, profile: str) -> None:
    await cases.enforce(profile)
    case = await handed_in(cases)
    others = [officer("rsj", name) for name in "bcdef"]
    refusal = {"reason": "与履行法定职责无关", "legal_basis": [LAWFUL]}
    tried = [cases.step(case, "refuse", one, **refusal) for one in others]
    answers = await asyncio.gather(cases.step(case, "agree", GIVING), *tried)
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
    told = [answer.json() for answer in answers if answer.status_code == 409]
    assert {one["code"] for one in told} == {"case/not-in-this-state"}
    assert {one["state"] for one in told} == {(await cases.shown(case))["state"]} == {"reply_sign"}
    assert told[0]["possible"] == ["authority_grant", "confirm", "send_back", "withdraw"]
    assert len((await cases.shown(case))["history"]) == 4


@pytest.mark.requirement("CAS-03")
async def test_others_do_not_see_the_case(cases: Cases) -> None:
    case = await handed_in(cases)
    path = f"/cases/{case['id']}"
    stranger, government = officer("jyj"), Person("sfb", scopes.GOVERNMENT)
    for seen in (ASKING, ASKING_HEAD, GIVING, AUTHORITY, government):
        assert (await cases.ask("GET", path, seen)).status_code == 200
        assert [one["id"] for one in (await cases.ask("GET", "/cases", seen)).json()["items"]] == [case["id"]]
    unseen = await cases.ask("GET", path, stranger)
    nowhere = await cases.ask("GET", "/cases/0", stranger)
    assert (
        (unseen.status_code, unseen.json()["code"])
        == (nowhere.status_code, nowhere.json()["code"])
        == (404, "request/not-found")
    )
    assert (await cases.step(case, "agree", stranger)).status_code == 404
    assert (await cases.ask("GET", "/cases", stranger)).json()["items"] == []
    form = {"matter": "…", "wanted": "…", "reason": "…"}
    followed = await cases.open("dispute", stranger, parent=case["id"], details=form)
    assert [error["path"] for error in followed.json()["errors"]] == ["/body/parent"]


async def test_cases_are_found_by_kind_state_and_side(cases: Cases) -> None:
    case = await handed_in(cases)
    other = await cases.opened("application", ASKING, details=WHOLE, **NAMED)

    async def found(query: str) -> list[str]:
        return [one["id"] for one in (await cases.ask("GET", f"/cases?{query}", AUTHORITY)).json()["items"]]

    assert await found("kind=application") == [case["id"], other["id"]]
    assert await found("kind=renewal") == []
    assert await found("state=draft") == [other["id"]]
    assert await found("side=rsj") == await found("side=zjj") == [case["id"], other["id"]]
    assert await found("side=jyj") == []
    assert await found("limit=1") == [case["id"]]
    assert await found(f"after={case['id']}") == [other["id"]]


async def test_a_side_that_was_shut_out_opens_no_case(cases: Cases) -> None:
    await cases.catalog.move("/departments/rsj", "suspend")
    answer = await cases.open("application", ASKING, details=WHOLE, **NAMED)
    assert (answer.status_code, answer.json()["code"]) == (409, "request/conflict")


@pytest.mark.requirement("CAS-05")
@pytest.mark.requirement("CD-19-20")
@pytest.mark.parametrize("attack", ["UPDATE catalog.case_history SET entry = ''", "DELETE FROM catalog.case_history"])
async def test_history_cannot_be_rewritten(cases: Cases, attack: str) -> None:
    await handed_in(cases)
    connection = await asyncpg.connect(plain(cases.catalog.database.url_of("catalog")))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(attack)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("DELETE FROM catalog.cases")
    finally:
        await connection.close()


@pytest.mark.requirement("CAS-06")
async def test_a_running_case_keeps_its_law(cases: Cases) -> None:
    case = await handed_in(cases)
    await cases.enforce("changde")
    shown = await cases.shown(case)
    assert (shown["profile"], shown["calendar"].split("/")[0]) == ("national", "CN")
    extension = {"days": 10, "reason": "涉及多个处室"}  # 常德 knows none
    await cases.stepped(case, "extend", GIVING, "extension_requested", **extension)
    new = await handed_in(cases)
    assert new["profile"] == "changde"
    assert (await cases.step(new, "extend", GIVING, **extension)).json()["code"] == "clock/not-extendable"


@pytest.mark.requirement("CAS-07")
async def test_a_case_at_its_end_has_no_clock_that_runs(cases: Cases) -> None:
    case = await handed_in(cases)
    assert await cases.clocks(case) == {"share.conditional.reply": "running"}
    await cases.stepped(case, "withdraw", ASKING, "withdrawn")
    assert await cases.clocks(case) == {"share.conditional.reply": "cancelled"}
    answer = await cases.step(case, "agree", GIVING)
    assert (answer.status_code, answer.json()["possible"]) == (409, [])


@pytest.mark.requirement("CAS-08")
async def test_everybody_sees_what_they_may_do_next(cases: Cases) -> None:
    case = await cases.opened("application", ASKING, details=WHOLE, **NAMED)
    await cases.stepped(case, "submit", ASKING, "internal_sign")
    same_hands = Person("zjj", scopes.OFFICER)

    async def possible(by: Person) -> list[str]:
        return list((await cases.shown(case, by))["possible"])

    assert await possible(ASKING_HEAD) == ["sign", "send_back"]
    assert await possible(same_hands) == ["withdraw"]
    assert await possible(GIVING) == await possible(AUTHORITY) == []
    await cases.stepped(case, "sign", ASKING_HEAD, "submitted")
    assert await possible(GIVING) == ["accept", "return", "extend", "agree", "refuse"]
    assert await possible(AUTHORITY) == []  # it grants in the provider's place what is unconditional alone
    await cases.stepped(case, "agree", GIVING, "reply_sign")
    assert await possible(GIVING_HEAD) == ["confirm", "send_back"]
    drafter_and_head = await cases.catalog.ask(
        "GET", f"/cases/{case['id']}", None, "rsj", allowed=(scopes.HEAD,), client_id=GIVING.client
    )
    assert drafter_and_head.json()["possible"] == ["send_back"]


async def test_operators_decide_nothing(cases: Cases) -> None:
    case = await handed_in(cases)
    offices = scopes.OFFICES
    answer = await cases.catalog.ask("POST", f"/cases/{case['id']}/agree", {}, "platform", allowed=offices)
    assert answer.status_code == 404
    opened = {"kind": "application", "details": WHOLE, **NAMED}
    refused = await cases.catalog.ask("POST", "/cases", opened, "platform", allowed=offices)
    assert (refused.status_code, refused.json()["code"]) == (403, "case/not-your-step")


async def test_numbers_are_told_apart_and_bear_letters_and_year(cases: Cases) -> None:
    numbers = [(await cases.opened("application", ASKING, details=WHOLE, **NAMED))["number"] for _ in range(3)]
    assert len(set(numbers)) == 3
    assert all(number[:5] == "SQ-20" and len(number) == len("SQ-2026-000001") for number in numbers)


# --- live at every gateway ------------------------------------------------------------------------------------------
@pytest.mark.requirement("CAS-11")
@pytest.mark.requirement("NAT-22")
async def test_an_application_ends_when_its_grant_is_live_at_every_gateway(cases: Cases, bench: Bench) -> None:
    case = await agreed(cases, await handed_in(cases))
    assert await cases.clocks(case) == {"share.conditional.reply": "met", "share.conditional.provide": "running"}
    await cases.poll("gateway-1")
    await cases.poll("gateway-2", behind=1)
    worker = Worker(bench.journal, Desk(bench.lawbook, KINDS, EFFECTS))
    assert await worker.tick() == 0
    assert (await cases.shown(case))["state"] == "provisioning"
    await cases.poll("gateway-2")
    shown = await cases.until(case, "granted")
    assert (shown["history"][-1]["event"], shown["history"][-1]["role"]) == ("live", "worker")
    assert await cases.clocks(case) == {"share.conditional.reply": "met", "share.conditional.provide": "met"}


@pytest.mark.requirement("CAS-11")
async def test_a_grant_that_is_revoked_before_it_is_live_ends_the_application(cases: Cases) -> None:
    case = await agreed(cases, await handed_in(cases))
    await cases.catalog.move(f"/grants/{case['grant']}", "revoke")
    await cases.until(case, "revoked")
    assert await cases.clocks(case) == {"share.conditional.reply": "met", "share.conditional.provide": "cancelled"}


@pytest.mark.requirement("CAS-11")
async def test_a_grant_that_is_suspended_before_it_is_live_is_waited_for(cases: Cases, bench: Bench) -> None:
    case = await agreed(cases, await handed_in(cases))
    await cases.catalog.move(f"/grants/{case['grant']}", "suspend")
    await cases.poll()
    async with bench.database.connect() as tx:
        assert await store.waiting_for_gateways(tx, 10) == []
    assert await Worker(bench.journal, Desk(bench.lawbook, KINDS, EFFECTS)).tick() == 0
    assert (await cases.shown(case))["state"] == "provisioning"
    await cases.catalog.move(f"/grants/{case['grant']}", "resume")
    await cases.poll()
    shown = await cases.until(case, "granted")
    assert shown["history"][-1]["evidence"]["note"] == f"revision {await cases.catalog.head()}"


async def test_a_resource_of_its_own_needs_no_interface(cases: Cases) -> None:
    """A case may name an entry alone; the engine finds nothing else that belongs to it."""
    answer = await cases.open("application", ASKING, details=WHOLE, resource=RESOURCE_CODE, system="zjj-housing")
    assert [error["path"] for error in answer.json()["errors"]] == ["/body/interface"]
