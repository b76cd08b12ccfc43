"""Corrections in their four ways, with their limits, under the rules that know them."""

from typing import Any

import msgspec
import pytest

from catalog_service.cases.model import Case
from harness.law import Bench
from harness.window import AUTHORITY, ENTRY, OF_UTILITY, PERSON, Window, head, officer
from runtime.errors import INVALID_REQUEST, Refusal
from wire import codes
from wire.catalog import State

pytestmark = pytest.mark.anyio
DOUBT = {"item": "employer", "claim": "单位名称与营业执照不符", "record_key": "id_card 末四位 0X21"}
OF_PERSON = {**DOUBT, "identity": "XZSPJ-2026-17"}
DIGESTS = {"before_digest": "a" * 64, "after_digest": "b" * 64}


async def window(bench: Bench, profile: str) -> Window:
    opened = Window(bench)
    await opened.furnish(profile)
    return opened


async def raised(at: Window, entry: str = ENTRY.code, **changes: Any) -> Case:
    return await at.open(officer("zjj"), "correction", {**DOUBT, **changes}, resource=entry)


@pytest.mark.requirement("COR-02")
@pytest.mark.requirement("CD-14", "YN-15-16", "NAT-26")
@pytest.mark.parametrize(
    ("profile", "entry", "due", "longest", "source"),
    [
        ("national", ENTRY.code, "2026-03-05", 10, "local"),
        ("changde", ENTRY.code, "2026-02-27", 10, "mixed"),
        ("changde", OF_UTILITY.code, "2026-02-27", 20, "local"),
        ("yunnan", ENTRY.code, "2026-03-05", 10, "floor"),
    ],
)
async def test_a_department_that_uses_the_data_doubts_them(
    bench: Bench, profile: str, entry: str, due: str, longest: int, source: str
) -> None:
    at = await window(bench, profile)
    case = await raised(at, entry)
    assert case.state == "checking"
    clock = (await at.clocks(case))["correction.by_requester"]
    assert (str(clock.due), clock.total, clock.source, clock.responsible) == (due, longest, source, case.provider)
    assert await at.told("correction.raise") == [f"{case.provider}/officer"]
    case = await at.step(officer(case.provider), case, "confirm_correct", note="与登记一致")
    assert (await at.clocks(case))["correction.by_requester"].state == "met"
    assert await at.told("correction.confirm_correct") == ["zjj/officer"]
    assert (await at.step(officer("zjj"), case, "close")).state == "closed"


@pytest.mark.requirement("COR-02")
@pytest.mark.requirement("CD-14")
async def test_the_head_extends_a_check_within_the_total(bench: Bench) -> None:
    at = await window(bench, "changde")
    case = await raised(at)
    longer = {"days": 5, "reason": "须实地核查"}
    with pytest.raises(Refusal) as refused:
        await at.step(officer("rsj"), case, "extend", **longer)
    assert refused.value.code is codes.NOT_YOUR_STEP
    case = await at.step(head("rsj"), case, "extend", **longer)
    assert case.state == "checking"
    clock = (await at.clocks(case))["correction.by_requester"]
    assert (clock.state, clock.extended_by, str(clock.due)) == ("extended", 5, "2026-03-05")
    assert await at.told("correction.extend") == ["zjj/officer"]
    with pytest.raises(Refusal) as refused:
        await at.step(head("rsj"), case, "extend", days=1, reason="再延一天")
    assert refused.value.code is codes.NOT_EXTENDABLE
    assert (await at.clocks(case))["correction.by_requester"] == clock


@pytest.mark.requirement("COR-02")
async def test_where_the_law_knows_no_extension_there_is_none(bench: Bench) -> None:
    at = await window(bench, "national")
    with pytest.raises(Refusal) as refused:
        await at.step(head("rsj"), await raised(at), "extend", days=1, reason="须实地核查")
    assert refused.value.code is codes.NOT_EXTENDABLE


@pytest.mark.requirement("COR-05")
@pytest.mark.requirement("CD-14")
async def test_a_correction_is_told_to_every_other_user_of_the_data(bench: Bench) -> None:
    at = await window(bench, "national")
    for department in ("zjj", "rsj", "jtj"):
        await at.grant(department)
    await at.grant("wjw", state=State(standing="suspended"))
    await at.grant("xzspj", not_after=int(bench.clock.now().timestamp()))
    case = await at.step(officer("rsj"), await raised(at), "confirm_corrected", **DIGESTS)
    assert case.state == "confirmed_corrected"
    assert await at.told("correction.confirm_corrected") == ["zjj/officer"]
    assert await at.told("correction.spread") == ["jtj/officer"]
    [event] = await bench.told("resource.data-corrected")
    assert event.facts["item"] == "employer"
    everything = msgspec.json.encode([await bench.notices(), await bench.told()]).decode()
    assert "0X21" not in everything
    assert "营业执照" not in everything


@pytest.mark.requirement("COR-02")
@pytest.mark.requirement("YN-22-1")
@pytest.mark.parametrize(("profile", "source"), [("yunnan", "local"), ("changde", "platform")])
async def test_a_person_asks_the_institution(bench: Bench, profile: str, source: str) -> None:
    at = await window(bench, profile)
    case = await at.open(PERSON, "correction", OF_PERSON, "request", resource=ENTRY.code)
    assert (case.state, case.requester, case.provider) == ("checking", "", "rsj")
    case = await at.step(head("rsj"), case, "extend", days=5, reason="情况复杂")
    clock = (await at.clocks(case))["correction.by_subject"]
    assert (str(clock.due), clock.total, clock.source) == ("2026-03-05", 10, source)
    case = await at.step(officer("rsj"), case, "leave_undetermined", reason="原始凭证已销毁")
    assert await at.told("correction.leave_undetermined") == ["xzspj/subject"]
    assert (await at.step(PERSON, case, "close")).state == "closed"


@pytest.mark.requirement("COR-06")
@pytest.mark.requirement("YN-22-2")
async def test_the_authority_forwards_what_a_person_brings(bench: Bench) -> None:
    at = await window(bench, "yunnan")
    case = await at.open(PERSON, "correction", OF_PERSON, "receive", resource=ENTRY.code)
    assert case.state == "received"
    clock = (await at.clocks(case))["correction.authority_forward"]
    assert (str(clock.due), clock.responsible) == ("2026-02-24", "")
    assert await at.told("correction.receive") == ["/authority"]
    bench.clock.set("2026-02-24 16:00")
    case = await at.step(AUTHORITY, case, "forward")
    clocks = await at.clocks(case)
    assert clocks["correction.authority_forward"].state == "met"
    assert (clocks["correction.by_subject"].base, str(clocks["correction.by_subject"].due)) == (5, "2026-03-02")
    case = await at.step(officer("rsj"), case, "confirm_corrected", **DIGESTS)
    assert await at.told("correction.confirm_corrected") == ["/authority", "xzspj/subject"]


@pytest.mark.requirement("COR-06")
async def test_what_came_on_paper_the_authority_brings_to_an_end(bench: Bench) -> None:
    at = await window(bench, "yunnan")
    case = await at.open(AUTHORITY, "correction", OF_PERSON, "receive", resource=ENTRY.code)
    case = await at.step(AUTHORITY, case, "forward")
    case = await at.step(officer("rsj"), case, "confirm_correct", note="与登记一致")
    case = await at.step(AUTHORITY, case, "close", note="已电话告知当事人")
    assert case.state == "closed"


@pytest.mark.requirement("COR-07")
@pytest.mark.requirement("YN-22-3")
async def test_a_check_that_the_authority_orders_is_due_on_its_day(bench: Bench) -> None:
    at = await window(bench, "yunnan")
    case = await at.open(AUTHORITY, "correction", {**DOUBT, "until": "2026-02-27"}, "order", resource=ENTRY.code)
    clock = (await at.clocks(case))["ordered_check"]
    assert (str(clock.due), clock.source, clock.responsible) == ("2026-02-27", "set", "rsj")
    with pytest.raises(Refusal) as refused:
        await at.step(head("rsj"), case, "extend", days=1, reason="须实地核查")
    assert refused.value.code is codes.NOT_EXTENDABLE
    await bench.at("2026-02-28 00:00")
    assert (await at.clocks(case))["ordered_check"].state == "overdue"
    case = await at.step(officer("rsj"), case, "confirm_correct", note="一致")
    assert (await at.clocks(case))["ordered_check"].state == "met_late"
    assert await at.told("correction.confirm_correct") == ["/authority"]


@pytest.mark.requirement("COR-02")
async def test_a_check_that_is_late_is_marked(bench: Bench) -> None:
    at = await window(bench, "changde")
    case = await raised(at)
    await bench.at("2026-02-28 00:00")
    assert (await at.clocks(case))["correction.by_requester"].state == "overdue"
    assert await at.told("clock.overdue") == ["/authority", "rsj/head", "rsj/officer", "zjj/officer"]


@pytest.mark.requirement("COR-08")
async def test_a_person_turns_to_the_authority(bench: Bench) -> None:
    at = await window(bench, "yunnan")
    case = await at.open(PERSON, "correction", OF_PERSON, "request", resource=ENTRY.code)
    case = await at.step(officer("rsj"), case, "confirm_correct", note="一致")
    case = await at.step(PERSON, case, "appeal", reason="与社保卡记载不符")
    assert await at.told("correction.appeal") == ["/authority", "rsj/officer"]
    again = {"until": "2026-02-27", "reason": "请调取原始档案"}
    case = await at.step(AUTHORITY, case, "recheck", **again)
    clocks = await at.clocks(case)
    assert (case.state, str(clocks["ordered_check"].due)) == ("checking", "2026-02-27")
    case = await at.step(officer("rsj"), case, "confirm_correct", note="一致")
    assert (await at.clocks(case))["ordered_check"].state == "met"
    case = await at.step(PERSON, case, "appeal", reason="仍不符")
    case = await at.step(AUTHORITY, case, "dismiss", reason="档案与登记一致")
    assert case.state == "closed"
    assert await at.told("correction.dismiss") == ["rsj/officer", "xzspj/subject"]


@pytest.mark.requirement("COR-08")
async def test_only_the_person_who_asked_appeals(bench: Bench) -> None:
    at = await window(bench, "yunnan")
    case = await raised(at)
    case = await at.step(officer("rsj"), case, "confirm_correct", note="一致")
    with pytest.raises(Refusal) as refused:
        await at.step(PERSON, case, "appeal", reason="不服")
    assert refused.value.code is codes.NOT_FOUND


@pytest.mark.requirement("COR-03")
async def test_a_case_with_an_identity_number_does_not_come_about(bench: Bench) -> None:
    at = await window(bench, "national")
    with pytest.raises(Refusal) as refused:
        await raised(at, claim="11010519491231002X 的单位有误")
    assert refused.value.code is INVALID_REQUEST
    assert await bench.rows("SELECT id FROM catalog.cases") == []
