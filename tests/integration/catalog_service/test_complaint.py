"""Complaints: who complained stays unknown, measures are cases of their own, the platform's limits run."""

import hashlib
from typing import Any

import msgspec
import pytest

from catalog_service.cases import store
from catalog_service.cases.effects.complaints import complainant_of
from catalog_service.cases.model import Case
from catalog_service.feed.model import Actor
from harness.law import Bench
from harness.window import AUTHORITY, ENTRY, PERSON, Window, officer
from runtime.errors import INVALID_REQUEST, Refusal
from wire import codes

pytestmark = pytest.mark.anyio
ABOUT = {"about": "misuse", "claim": "同一办件编号批量调用"}
WHO = {"name": "王五测试", "contact": "wangwu@example.org"}


async def window(bench: Bench, profile: str = "changde") -> Window:
    opened = Window(bench)
    await opened.furnish(profile)
    return opened


async def filed(at: Window, by: Actor = PERSON, **details: Any) -> Case:
    return await at.open(by, "complaint", {**ABOUT, **details})


async def investigated(at: Window, **details: Any) -> Case:
    case = await at.step(AUTHORITY, await filed(at, **details), "accept")
    return await at.step(AUTHORITY, case, "investigate")


async def children(bench: Bench, case: Case, kind: str) -> list[Case]:
    async with bench.database.connect() as tx:
        return await store.running_cases(tx, kind, parent=case.id)


@pytest.mark.requirement("CMP-02")
@pytest.mark.requirement("CMP-03")
@pytest.mark.requirement("CD-22", "NAT-35-37")
async def test_who_complains_stays_unknown(bench: Bench) -> None:
    at = await window(bench)
    case = await filed(at, by=officer("wjw"), complainant=WHO, respondent="jtj")
    assert (case.requester, case.provider, case.maker_department, case.person) == ("", "", "", "")
    assert case.details["anonymous"] is False
    case = await at.step(AUTHORITY, case, "accept")
    case = await at.step(AUTHORITY, case, "investigate")
    with pytest.raises(Refusal) as refused:
        await at.step(officer("jtj"), case, "respond", note="无此事")
    assert refused.value.code is codes.NOT_FOUND
    case = await at.step(AUTHORITY, case, "hear", department="jtj", note="请说明")
    assert await at.told("complaint.hear") == ["jtj/officer"]
    case = await at.step(officer("jtj"), case, "respond", note="系统故障所致")
    case = await at.step(AUTHORITY, case, "answer", note="已责令整改")
    assert await at.told("complaint.answer") == ["wjw/officer"]
    case = await at.step(AUTHORITY, case, "close")
    rows = await bench.rows("SELECT entry FROM catalog.cases UNION ALL SELECT entry FROM catalog.case_history")
    kept = b"".join(row.entry for row in rows)
    said = msgspec.json.encode([await bench.told(), [one["facts"] for one in await bench.notices()]])
    for secret in WHO.values():
        assert secret.encode() not in kept + said


@pytest.mark.requirement("CMP-02")
async def test_no_digest_covers_the_name(bench: Bench) -> None:
    at = await window(bench)
    case = await filed(at, complainant=WHO)
    async with bench.database.connect() as tx:
        [first] = await store.history_of(tx, case.id)
    [event] = await bench.told("case.complaint.file")
    kept = hashlib.sha256(msgspec.json.encode(case.details, order="deterministic")).hexdigest()
    assert first.digest == event.facts["evidence"] == kept
    assert "complainant" not in case.details


@pytest.mark.requirement("CMP-02")
@pytest.mark.parametrize(
    ("by", "who", "known"),
    [
        (PERSON, WHO, {"department": "xzspj", "office": "office:subject", **WHO}),
        (PERSON, None, {"department": "xzspj", "office": "office:subject"}),
        (officer("zjj"), {"name": "住建局"}, {"department": "zjj", "office": "office:officer", "name": "住建局"}),
        (AUTHORITY, WHO, {"department": "dsjj", "office": "office:authority", **WHO}),
    ],
)
async def test_those_who_oversee_may_look_and_are_recorded(
    bench: Bench, by: Actor, who: dict[str, str] | None, known: dict[str, str]
) -> None:
    at = await window(bench)
    case = await filed(at, by=by, complainant=who)
    for reader in (AUTHORITY, by):
        async with bench.change(reader) as change:
            assert msgspec.to_builtins(await complainant_of(change, case.id)) == known
    looks = await bench.told("complaint.complainant-read")
    assert [look.actor for look in looks] == [AUTHORITY.client, by.client]


@pytest.mark.requirement("CMP-02")
@pytest.mark.requirement("B-09")
async def test_those_concerned_may_not_look(bench: Bench) -> None:
    at = await window(bench)
    case = await investigated(at, complainant=WHO)
    with pytest.raises(Refusal) as refused:
        await _look(bench, officer("jtj"), case)
    assert refused.value.code is codes.NOT_FOUND
    await at.step(AUTHORITY, case, "hear", department="jtj", note="请说明")
    with pytest.raises(Refusal) as refused:
        await _look(bench, officer("jtj"), case)
    assert refused.value.code is codes.NOT_YOURS
    assert await bench.told("complaint.complainant-read") == []


async def _look(bench: Bench, by: Actor, case: Case) -> None:
    async with bench.change(by) as change:
        await complainant_of(change, case.id)


@pytest.mark.requirement("CMP-05")
@pytest.mark.parametrize("profile", ["changde", "national"])
async def test_the_platforms_own_limits_run(bench: Bench, profile: str) -> None:
    at = await window(bench, profile)
    case = await filed(at)
    clock = (await at.clocks(case))["complaint.accept"]
    assert (clock.source, clock.base, str(clock.due), clock.responsible) == ("platform", 5, "2026-02-27", "")
    case = await at.step(AUTHORITY, case, "accept")
    clocks = await at.clocks(case)
    assert (clocks["complaint.accept"].state, clocks["complaint.resolve"].base) == ("met", 15)
    await bench.at("2026-03-13 00:00")
    assert (await at.clocks(case))["complaint.resolve"].state == "overdue"
    case = await at.step(AUTHORITY, case, "investigate")
    case = await at.step(AUTHORITY, case, "answer", note="查无实据")
    assert (await at.clocks(case))["complaint.resolve"].state == "met_late"


@pytest.mark.requirement("CMP-05")
async def test_a_limit_into_an_unannounced_year_is_provisional(bench: Bench) -> None:
    at = await window(bench)
    bench.clock.set("2026-12-25 10:00")
    case = await at.step(AUTHORITY, await filed(at), "accept")
    clock = (await at.clocks(case))["complaint.resolve"]
    assert clock.due.year == 2027
    assert clock.provisional


@pytest.mark.requirement("CMP-01")
async def test_a_complaint_that_is_not_accepted_says_why(bench: Bench) -> None:
    at = await window(bench)
    case = await at.step(AUTHORITY, await filed(at), "reject", reason="不属于受理范围")
    assert case.state == "not_accepted"
    [notice] = await bench.notices("complaint.reject")
    assert notice["facts"]["reason"] == "不属于受理范围"
    assert await at.told("complaint.reject") == ["xzspj/subject"]
    assert (await at.clocks(case))["complaint.accept"].state == "met"


@pytest.mark.requirement("CMP-03")
@pytest.mark.requirement("CD-22")
async def test_a_department_deals_with_what_concerns_others(bench: Bench) -> None:
    at = await window(bench)
    details = {**ABOUT, "to": "provider", "respondent": "jtj"}
    case = await at.open(PERSON, "complaint", details, resource=ENTRY.code)
    assert case.provider == "rsj"
    assert await at.told("complaint.file") == ["rsj/officer"]
    assert (await at.clocks(case))["complaint.accept"].responsible == "rsj"
    case = await at.step(officer("rsj"), case, "accept")
    case = await at.step(officer("rsj"), case, "investigate")
    case = await at.step(officer("rsj"), case, "transfer", note="移送公安机关 云公移〔2026〕3号")
    case = await at.step(officer("rsj"), case, "answer", note="已移送")
    assert (await at.step(PERSON, case, "close")).state == "closed"


@pytest.mark.requirement("CMP-04")
@pytest.mark.requirement("CD-22")
async def test_a_permission_is_suspended_by_a_case_of_its_own(bench: Bench) -> None:
    at = await window(bench)
    grant = await at.grant("jtj", id="0198c0de-0000-7000-8000-000000000001")
    case = await investigated(at)
    details = {"grant": grant.id, "trigger": "over_purpose"}
    case = await at.step(AUTHORITY, case, "suspend_grant", reason="超目的使用", details=details)
    assert case.state == "measures"
    [suspension] = await children(bench, case, "suspension")
    assert (suspension.grant, suspension.requester) == (grant.id, "jtj")
    [row] = await bench.rows("SELECT standing FROM catalog.grants")
    assert row.standing == "suspended"


@pytest.mark.requirement("CMP-04")
async def test_a_grant_that_is_not_there_suspends_nothing(bench: Bench) -> None:
    at = await window(bench)
    case = await investigated(at)
    with pytest.raises(Refusal) as refused:
        await at.step(AUTHORITY, case, "suspend_grant", reason="超目的使用", details={"grant": "nothing"})
    assert refused.value.code is INVALID_REQUEST


@pytest.mark.requirement("CMP-04")
async def test_a_correction_is_ordered_by_a_case_of_its_own(bench: Bench) -> None:
    at = await window(bench)
    case = await investigated(at, about="data_quality")
    details = {"item": "employer", "claim": "单位名称多处有误"}
    ordered = {"until": "2026-02-27", "resource": ENTRY.code, "details": details}
    case = await at.step(AUTHORITY, case, "order_correction", **ordered)
    [correction] = await children(bench, case, "correction")
    assert (correction.state, correction.provider) == ("checking", "rsj")
    assert str((await at.clocks(correction))["ordered_check"].due) == "2026-02-27"
    with pytest.raises(Refusal) as refused:
        await at.step(AUTHORITY, case, "order_correction", **{**ordered, "details": {"item": "salary", "claim": "x"}})
    assert refused.value.code is INVALID_REQUEST
