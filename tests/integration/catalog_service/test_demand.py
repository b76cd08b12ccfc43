"""Demands from the first day to the last, under rules that send them different ways."""

import pytest

from catalog_service.cases.model import Case
from harness.law import Bench
from harness.window import AUTHORITY, ENTRY, OF_UTILITY, Window, officer
from runtime.errors import INVALID_REQUEST, Refusal
from wire import codes

pytestmark = pytest.mark.anyio
WANTED = {"title": "参保单位名称", "purpose": "公租房资格审核", "items": ["employer"], "update_cycle": "每日"}


async def window(bench: Bench, profile: str) -> Window:
    opened = Window(bench)
    await opened.furnish(profile)
    return opened


async def demand(at: Window, provider: str = "rsj") -> Case:
    return await at.open(officer("zjj"), "demand", WANTED, provider=provider)


@pytest.mark.requirement("DMD-01")
@pytest.mark.requirement("DMD-03")
@pytest.mark.requirement("CD-12")
async def test_a_demand_that_goes_straight_to_its_source(bench: Bench) -> None:
    at = await window(bench, "changde")
    case = await demand(at)
    assert (case.state, case.number[:3]) == ("dispatched", "XQ-")
    assert await at.told("demand.submit") == ["rsj/officer"]
    reply = (await at.clocks(case))["demand.reply"]
    assert (str(reply.due), reply.source, reply.responsible) == ("2026-03-05", "local", "rsj")
    case = await at.step(officer("rsj"), case, "confirm_source")
    bench.clock.set("2026-02-25 09:00")
    case = await at.step(officer("rsj"), case, "can_meet", note="同意提供")
    clocks = await at.clocks(case)
    assert clocks["demand.reply"].state == "met"
    assert str(clocks["demand.fulfil"].due) == "2026-03-10"  # ten working days from the reply, 28 February is one
    case = await at.step(officer("rsj"), case, "fulfil", resource=ENTRY.code)
    assert (case.state, case.resource) == ("fulfilled", ENTRY.code)
    assert (await at.clocks(case))["demand.fulfil"].state == "met"
    assert await at.told("demand.fulfil") == ["zjj/officer"]


@pytest.mark.requirement("DMD-01")
@pytest.mark.requirement("DMD-06")
@pytest.mark.requirement("NAT-19")
async def test_the_authority_looks_for_the_source_until_it_is_found(bench: Bench) -> None:
    at = await window(bench, "national")
    case = await demand(at, provider="")
    assert case.state == "submitted"
    assert await at.told("demand.submit") == ["/authority"]
    assert await at.clocks(case) == {}
    for turn in (1, 2):
        case = await at.step(AUTHORITY, case, "dispatch", department="jtj")
        assert (case.state, case.provider) == ("dispatched", "jtj")
        case = await at.step(officer("jtj"), case, "not_source", reason="本单位不产生该数据")
        assert (case.state, case.counts["not_source"]) == ("submitted", turn)
    case = await at.step(AUTHORITY, case, "dispatch", department="rsj")
    assert case.provider == "rsj"
    assert case.counts["dispatch"] == 3
    clocks = await at.clocks(case)
    assert (clocks["demand.reply"].state, clocks["demand.reply"].responsible) == ("running", "rsj")
    assert clocks["demand.reply"].source == "platform"


@pytest.mark.requirement("DMD-06")
@pytest.mark.parametrize("department", ["zjj", "nobody"])
async def test_a_source_is_another_department_that_there_is(bench: Bench, department: str) -> None:
    at = await window(bench, "national")
    case = await demand(at, provider="")
    with pytest.raises(Refusal) as refused:
        await at.step(AUTHORITY, case, "dispatch", department=department)
    assert refused.value.code is INVALID_REQUEST


@pytest.mark.requirement("DMD-06")
async def test_whether_the_decree_binds_depends_on_the_source_that_is_found(bench: Bench) -> None:
    at = await window(bench, "changde")
    case = await demand(at, provider="")
    assert case.government
    case = await at.step(AUTHORITY, case, "dispatch", department="shuiwu")
    assert not case.government
    case = await at.step(officer("shuiwu"), case, "not_source", reason="无此数据")
    case = await at.step(AUTHORITY, case, "dispatch", department="rsj")
    assert case.government


@pytest.mark.requirement("DMD-05")
@pytest.mark.requirement("NAT-20")
async def test_what_is_there_already_ends_a_demand(bench: Bench) -> None:
    at = await window(bench, "national")
    case = await at.step(AUTHORITY, await demand(at), "match_existing", resource=ENTRY.code)
    assert (case.state, case.resource) == ("matched_existing", ENTRY.code)
    assert await at.told("demand.match_existing") == ["rsj/officer", "zjj/officer"]


@pytest.mark.requirement("DMD-05")
@pytest.mark.requirement("CD-12")
@pytest.mark.parametrize("code", [OF_UTILITY.code, "2030010100001/000009"])
async def test_a_source_supplies_its_own_entry(bench: Bench, code: str) -> None:
    at = await window(bench, "changde")
    case = await at.step(officer("rsj"), await demand(at), "can_meet", note="同意提供")
    with pytest.raises(Refusal) as refused:
        await at.step(officer("rsj"), case, "fulfil", resource=code)
    assert refused.value.code is INVALID_REQUEST
    assert (await at.clocks(case))["demand.fulfil"].state == "running"


@pytest.mark.requirement("DMD-04")
@pytest.mark.requirement("CD-12")
@pytest.mark.parametrize(("profile", "rank"), [("changde", "地方政府规章"), ("jingdezhen", "地方政府规章")])
async def test_a_refusal_on_a_ground_of_too_low_a_rank_changes_nothing(bench: Bench, profile: str, rank: str) -> None:
    at = await window(bench, profile)
    case = await demand(at)
    if case.state == "submitted":
        case = await at.step(AUTHORITY, case, "dispatch", department="rsj")
    ground = {"law": "某办法", "article": "3", "rank": rank}
    with pytest.raises(Refusal) as refused:
        await at.step(officer("rsj"), case, "refuse", reason="不宜提供", legal_basis=[ground])
    assert refused.value.code is codes.GROUND_NOT_ALLOWED
    ground["rank"] = "法律"
    case = await at.step(officer("rsj"), case, "refuse", reason="不宜提供", legal_basis=[ground])
    assert case.state == "cannot_meet"
    assert await at.told("demand.refuse") == ["/authority", "zjj/officer"]


@pytest.mark.requirement("DMD-03")
async def test_what_cannot_be_met_is_coordinated_and_may_be_ordered(bench: Bench) -> None:
    at = await window(bench, "changde")
    case = await at.step(officer("rsj"), await demand(at), "cannot_meet", reason="未电子化")
    case = await at.step(officer("zjj"), case, "ask_coordination", reason="履职必需")
    case = await at.step(AUTHORITY, case, "order_supply", note="请限期提供")
    assert case.state == "collecting"
    assert (await at.clocks(case))["demand.fulfil"].state == "running"
    case = await at.step(officer("rsj"), case, "cannot_meet", reason="仍无法提供")
    case = await at.step(officer("zjj"), case, "ask_coordination", reason="履职必需")
    case = await at.step(AUTHORITY, case, "decide", reason="确无法提供")
    assert case.state == "decided"
    assert {clock.state for clock in (await at.clocks(case)).values()} == {"met"}


@pytest.mark.requirement("DMD-03")
async def test_a_reply_that_does_not_come_is_marked(bench: Bench) -> None:
    at = await window(bench, "changde")
    case = await demand(at)
    await bench.at("2026-03-06 00:00")
    assert (await at.clocks(case))["demand.reply"].state == "overdue"
    assert await at.told("clock.overdue") == ["/authority", "rsj/head", "rsj/officer", "zjj/officer"]
    case = await at.step(officer("rsj"), case, "can_meet", note="同意提供")
    assert (await at.clocks(case))["demand.reply"].state == "met_late"


@pytest.mark.requirement("DMD-02")
async def test_a_withdrawn_demand_owes_nothing(bench: Bench) -> None:
    at = await window(bench, "changde")
    case = await at.step(officer("zjj"), await demand(at), "withdraw")
    assert case.state == "withdrawn"
    assert (await at.clocks(case))["demand.reply"].state == "cancelled"
    with pytest.raises(Refusal) as refused:
        await at.step(officer("rsj"), case, "can_meet", note="同意提供")
    assert refused.value.code is codes.NOT_IN_THIS_STATE


@pytest.mark.requirement("DMD-02")
async def test_nobody_else_sees_a_demand(bench: Bench) -> None:
    at = await window(bench, "changde")
    case = await demand(at)
    with pytest.raises(Refusal) as refused:
        await at.step(officer("wjw"), case, "withdraw")
    assert refused.value.code is codes.NOT_FOUND
