"""The engine: what every step of every case does, whatever the procedure."""

import asyncio
from typing import Any

import asyncpg
import pytest
from sqlalchemy import text

from catalog_service.cases.flows import Desk
from catalog_service.cases.kinds import EFFECTS, KINDS
from catalog_service.cases.worker import Worker
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
from harness.catalog import INTERFACE, RESOURCE, RESOURCE_CODE, Catalog
from harness.law import Bench
from runtime.db import plain
from wire import scopes

pytestmark = pytest.mark.anyio
NAMED = {"interface": "rsj-social-insurance/v1", "system": "zjj-housing"}
EVENTS = ("apply", "submit", "sign", "accept")


@pytest.fixture
async def cases(catalog: Catalog) -> Cases:
    await catalog.furnish()
    return Cases(catalog)


async def submitted(cases: Cases, **details: Any) -> dict[str, Any]:
    """An application that the provider has."""
    case = await cases.opened("application", ASKING, details={**WHOLE, **details}, **NAMED)
    await cases.stepped(case, "submit", ASKING, "internal_sign")
    return await cases.stepped(case, "sign", ASKING_HEAD, "submitted")


async def rows(cases: Cases, table: str) -> int:
    connection = await asyncpg.connect(plain(cases.catalog.database.url))
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM catalog.{table}"))
    finally:
        await connection.close()


@pytest.mark.requirement("CAS-01")
async def test_a_step_leaves_history_clocks_notices_and_an_event(cases: Cases) -> None:
    case = await submitted(cases)
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
    case = await submitted(cases)
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
    case = await submitted(cases)
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
    case = await submitted(cases)
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
    case = await submitted(cases)
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


BAD_FORMS: list[tuple[Any, str]] = [
    ({}, "/body/details/purpose"),
    ({"purpose": ""}, "/body/details/purpose"),
    ({"purpose": 1}, "/body/details/purpose"),
    ({"purpose": "…", "urgent": True}, "/body/details/urgent"),
    ({"purpose": "…", "fields": ["pension", 1]}, "/body/details/fields/1"),
    ({"purpose": "…", "fields": ["pension", "salary"]}, "/body/details/fields/1"),
    ({"purpose": "…", "basis": [{"law": "…", "rank": "家规"}]}, "/body/details/basis/0/rank"),
    ({"purpose": "…", "basis": [{"article": "…"}]}, "/body/details/basis/0/law"),
    ({"purpose": "…", "basis": [{"law": "…", "extra": 1}]}, "/body/details/basis/0/extra"),
    ({"purpose": "…", "term_months": 121}, "/body/details/term_months"),
    ({"purpose": "…", "term_months": True}, "/body/details/term_months"),
    ({"purpose": "…", "method": "fax"}, "/body/details/method"),
    ({"purpose": "…", "mode": "compare"}, "/body/details/mode"),
    ({"purpose": "x" * 201}, "/body/details/purpose"),
    ({"purpose": "\x00"}, "/body/details"),
    ({"purpose": "x" * 4001}, "/body/details"),
    ({"purpose": "…", "x": [[[[[[[[[1]]]]]]]]]}, "/body/details"),
    ({"purpose": "…", "x": [0] * 5001}, "/body/details"),
    ({"purpose": "…", "term_months": 10**30}, "/body/details"),
]
"""Details of an application, and where they do not fit."""


@pytest.mark.requirement("CAS-04")
async def test_a_form_that_does_not_fit_says_where(cases: Cases) -> None:
    for details, path in BAD_FORMS:
        answer = await cases.open("application", ASKING, details=details, **NAMED)
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), answer.text
        assert [error["path"] for error in answer.json()["errors"]] == [path]
    assert await rows(cases, "cases") == 0


BAD_NAMES: list[tuple[dict[str, Any], str]] = [
    ({"kind": "divorce"}, "/body/kind"),
    ({"system": ""}, "/body/system"),
    ({"interface": ""}, "/body/interface"),
    ({"system": "nobody"}, "/body/system"),
    ({"interface": "rsj-social-insurance/v9"}, "/body/interface"),
    ({"interface": "rsj-social-insurance"}, "/body/interface"),
    ({"resource": "2039900100003/000009"}, "/body/resource"),
    ({"grant": "0"}, "/body/grant"),
    ({"parent": "0"}, "/body/parent"),
    ({"requester": "jyj"}, "/body/requester"),
    ({"provider": "zjj"}, "/body/provider"),
    ({"event": "SELECT"}, "/body/event"),
    ({"urgent": True}, "/body/urgent"),
    ({"details": []}, "/body/details"),
]
"""What an application names, and what of it is not there."""


@pytest.mark.requirement("CAS-04")
async def test_what_is_named_has_to_be_there(cases: Cases) -> None:
    for named, path in BAD_NAMES:
        body = {"kind": "application", "details": WHOLE, **NAMED, **named}
        answer = await cases.ask("POST", "/cases", ASKING, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), answer.text
        assert [error["path"] for error in answer.json()["errors"]] == [path]


BAD_EVIDENCE: list[tuple[dict[str, Any], str]] = [
    ({"reason": "\x00"}, "/body/reason"),
    ({"reason": 1}, "/body/reason"),
    ({"until": "2026-02-30"}, "/body/until"),
    ({"until": "tomorrow"}, "/body/until"),
    ({"days": -1}, "/body/days"),
    ({"legal_basis": [{"law": ""}]}, "/body/legal_basis/0/law"),
    ({"documents": [{"name": "x", "sha256": "x"}]}, "/body/documents/0/sha256"),
    ({"masks": {"": "x"}}, "/body/masks//[key]"),
    ({"rate_per_s": -0.5}, "/body/rate_per_s"),
    ({"case": "../x"}, "/body/case"),
    ({"before_digest": "x"}, "/body/before_digest"),
    ({"mode": "steal"}, "/body/mode"),
    ({"decision": "yes"}, "/body/decision"),
]
"""What may come with a step, and where it is wrong."""


@pytest.mark.requirement("CAS-04")
async def test_evidence_is_checked_member_by_member(cases: Cases) -> None:
    case = await submitted(cases)
    for evidence, path in BAD_EVIDENCE:
        answer = await cases.step(case, "accept", GIVING, **evidence)
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), answer.text
        assert [error["path"] for error in answer.json()["errors"]] == [path]


@pytest.mark.requirement("CAS-04")
async def test_what_is_named_has_to_belong_together(cases: Cases) -> None:
    await cases.catalog.put("/systems/zjj-repairs", {"department": "zjj", "name": "维修资金系统"})
    await cases.catalog.put("/interfaces/rsj-z/versions/v1", INTERFACE)
    other = "2039900100003/000002"
    await cases.catalog.put(f"/resources/{other}", RESOURCE)
    grant = await cases.catalog.give()
    for named, path in (
        ({"interface": "rsj-z/v1", "grant": grant}, "/body/interface"),
        ({"system": "zjj-repairs", "grant": grant}, "/body/system"),
        ({"interface": "rsj-z/v1", "resource": other}, "/body/resource"),
    ):
        answer = await cases.open("renewal", ASKING, details={}, **named)
        assert [error["path"] for error in answer.json()["errors"]] == [path]


@pytest.mark.requirement("CAS-04")
async def test_a_missing_member_is_named_with_its_article(cases: Cases) -> None:
    case = await submitted(cases)
    answer = await cases.step(case, "return", GIVING)
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"path": "/body/missing", "error": "required by 国务院令第809号 21 ¶2"}]
    assert answer.json()["article"] == "国务院令第809号 21 ¶2"


async def test_a_side_that_was_shut_out_opens_no_case(cases: Cases) -> None:
    await cases.catalog.move("/departments/rsj", "suspend")
    answer = await cases.open("application", ASKING, details=WHOLE, **NAMED)
    assert (answer.status_code, answer.json()["code"]) == (409, "request/conflict")


@pytest.mark.requirement("CAS-05")
@pytest.mark.requirement("CD-19-20")
@pytest.mark.parametrize("attack", ["UPDATE catalog.case_history SET entry = ''", "DELETE FROM catalog.case_history"])
async def test_history_cannot_be_rewritten(cases: Cases, attack: str) -> None:
    await submitted(cases)
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
    case = await submitted(cases)
    await cases.enforce("changde")
    shown = await cases.shown(case)
    assert (shown["profile"], shown["calendar"].split("/")[0]) == ("national", "CN")
    extension = {"days": 10, "reason": "涉及多个处室"}  # 常德 knows none
    await cases.stepped(case, "extend", GIVING, "extension_requested", **extension)
    new = await submitted(cases)
    assert new["profile"] == "changde"
    assert (await cases.step(new, "extend", GIVING, **extension)).json()["code"] == "clock/not-extendable"


@pytest.mark.requirement("CAS-07")
async def test_a_case_at_its_end_has_no_clock_that_runs(cases: Cases) -> None:
    case = await submitted(cases)
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
    case = await submitted(cases)
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


# --- batches --------------------------------------------------------------------------------------------------------
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


# --- live at every gateway ------------------------------------------------------------------------------------------
async def agreed(cases: Cases) -> dict[str, Any]:
    case = await submitted(cases)
    await cases.stepped(case, "agree", GIVING, "reply_sign")
    return await cases.stepped(case, "confirm", GIVING_HEAD, "provisioning")


@pytest.mark.requirement("CAS-11")
@pytest.mark.requirement("NAT-22")
async def test_an_application_ends_when_its_grant_is_live_at_every_gateway(cases: Cases, bench: Bench) -> None:
    case = await agreed(cases)
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
    case = await agreed(cases)
    await cases.catalog.move(f"/grants/{case['grant']}", "revoke")
    await cases.until(case, "revoked")
    assert await cases.clocks(case) == {"share.conditional.reply": "met", "share.conditional.provide": "cancelled"}


@pytest.mark.requirement("CAS-11")
async def test_a_grant_that_is_suspended_before_it_is_live_is_waited_for(cases: Cases, bench: Bench) -> None:
    case = await agreed(cases)
    await cases.catalog.move(f"/grants/{case['grant']}", "suspend")
    await cases.poll()
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
