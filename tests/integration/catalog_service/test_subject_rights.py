"""Requests of the person concerned, and the platform's own limit for them."""

from typing import Any

import pytest

from catalog_service.cases.model import Case
from harness.law import Bench
from harness.window import ENTRY, PERSON, Window, officer
from runtime.errors import Refusal
from wire import codes

pytestmark = pytest.mark.anyio
ASKED = {"claim": "本人参保记录", "identity": "XZSPJ-2026-17", "items": ["employer"]}
ANSWER = "subject_rights.answer"
DIGESTS = {"before_digest": "a" * 64, "after_digest": "b" * 64}


async def assessed(at: Window, right: str) -> Case:
    case = await at.open(PERSON, "subject_rights", {**ASKED, "right": right}, resource=ENTRY.code)
    case = await at.step(officer("rsj"), case, "verify_identity", note="窗口核验")
    return await at.step(officer("rsj"), case, "assess")


@pytest.mark.requirement("CMP-05")
@pytest.mark.requirement("CMP-07")
@pytest.mark.requirement("YN-24")
@pytest.mark.parametrize("profile", ["national", "yunnan"])
async def test_a_person_sees_their_data(bench: Bench, profile: str) -> None:
    at = Window(bench)
    await at.furnish(profile)
    case = await at.open(PERSON, "subject_rights", {**ASKED, "right": "read"}, resource=ENTRY.code)
    assert (case.state, case.number[:3]) == ("received", "QY-")
    assert await at.told("subject_rights.ask") == ["rsj/officer"]
    clock = (await at.clocks(case))[ANSWER]
    assert (clock.source, clock.base, str(clock.due), clock.responsible) == ("platform", 3, "2026-02-25", "rsj")
    case = await at.step(officer("rsj"), case, "verify_identity", note="窗口核验")
    case = await at.step(officer("rsj"), case, "assess")
    case = await at.step(officer("rsj"), case, "grant")
    case = await at.step(officer("rsj"), case, "carry_out", note="已在窗口提供查阅")
    assert case.state == "done"
    assert (await at.clocks(case))[ANSWER].state == "met"
    assert await at.told("subject_rights.carry_out") == ["xzspj/subject"]


@pytest.mark.requirement("CMP-07")
@pytest.mark.requirement("YN-24")
@pytest.mark.parametrize(
    ("right", "proof", "spread"),
    [("correct", DIGESTS, ["jtj/officer"]), ("delete", {"before_digest": "a" * 64}, ["jtj/officer"]), ("copy", {}, [])],
)
async def test_what_changes_the_data_is_told_to_their_users(
    bench: Bench, right: str, proof: dict[str, Any], spread: list[str]
) -> None:
    at = Window(bench)
    await at.furnish("yunnan")
    await at.grant("jtj")
    case = await at.step(officer("rsj"), await assessed(at, right), "grant")
    case = await at.step(officer("rsj"), case, "carry_out", note="已办理", **proof)
    assert case.state == "done"
    assert await at.told("correction.spread") == spread


@pytest.mark.requirement("CMP-07")
async def test_a_refusal_reaches_the_person_with_its_reason(bench: Bench) -> None:
    at = Window(bench)
    await at.furnish("yunnan")
    case = await at.step(officer("rsj"), await assessed(at, "delete"), "refuse", reason="法定保存期限未满")
    assert case.state == "refused"
    [notice] = await bench.notices("subject_rights.refuse")
    assert notice["facts"]["reason"] == "法定保存期限未满"
    assert (await at.step(PERSON, case, "close")).state == "done"


@pytest.mark.requirement("CMP-05")
async def test_an_answer_that_does_not_come_is_marked(bench: Bench) -> None:
    at = Window(bench)
    await at.furnish("yunnan")
    case = await assessed(at, "read")
    await bench.at("2026-02-26 00:00")
    assert (await at.clocks(case))[ANSWER].state == "overdue"


@pytest.mark.requirement("CMP-06")
async def test_nobody_speaks_for_a_person_but_the_one_who_asked(bench: Bench) -> None:
    at = Window(bench)
    await at.furnish("yunnan")
    case = await at.open(officer("rsj"), "subject_rights", {**ASKED, "right": "read"}, resource=ENTRY.code)
    with pytest.raises(Refusal) as refused:
        await at.step(PERSON, case, "withdraw")
    assert refused.value.code is codes.NOT_FOUND
