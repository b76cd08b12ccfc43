"""Evidence packages of matters that others fill up: nobody makes somebody else's package impossible."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from audit_service.evidence import packages
from harness.audit_archive import Archiving, days_ago, folder_store
from harness.audit_log import Log, ids
from harness.evidence import Office, catalog_of, dossier, office
from runtime.ids import uuid7
from wire import scopes

pytestmark = pytest.mark.anyio
GRANT = str(uuid7())


@pytest.fixture
async def desk(log: Log, tmp_path: Path) -> AsyncIterator[Office]:
    kept = Archiving(log, days_ago(40), folder_store(tmp_path))
    async with office(kept, catalog_of(dossier(GRANT))) as desk:
        yield desk


async def denied(desk: Office, number: int, **members: Any) -> list[str]:
    calls = list(ids(number))
    at = int(desk.kept.clock.at.timestamp() * 1000)
    facts = {"at_in": at, "at_ready": at, "grant": "", "case": "YJ-1", "code": "grant/missing", "status": 403}
    await desk.kept.log.write(*((call, "denied") for call in calls), **{**facts, **members})
    await desk.kept.settle()
    return calls


@pytest.mark.requirement("EVI-02")
async def test_a_stranger_who_asks_again_and_again_spoils_nobodys_package(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "MOST_EVENTS", 3)
    monkeypatch.setattr(packages, "PAGE_ROWS", 2)
    [given] = await desk.tell(("grant.given", {"grant": GRANT}))
    for _ in range(5):
        assert (await desk.ask(f"grant={GRANT}", "卫健委")).status_code == 403
    await desk.tell(*[("record.viewed", {"grant": GRANT})] * 5)
    [ended] = await desk.tell(("grant.ended", {"grant": GRANT}))
    assert (await desk.package(f"grant={GRANT}")).receipts == {given, ended}
    rows = await desk.kept.log.fetch("SELECT grant_id, case_no FROM audit.record WHERE event LIKE 'evidence.%'")
    assert {tuple(row) for row in rows} == {("", "")}
    await desk.tell(*[("grant.changed", {"grant": GRANT})] * 2)
    assert (await desk.ask(f"grant={GRANT}")).json()["code"] == "evidence/too-much"


@pytest.mark.requirement("EVI-02")
async def test_refused_calls_have_what_room_is_left_and_the_rest_is_counted(
    desk: Office, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(packages, "MOST_CALLS", 3)
    first = await denied(desk, 4, department="教育局")
    ours = await desk.kept.calls(2, "personal", grant=GRANT, case="YJ-1")
    await desk.kept.settle()
    package = await desk.package("case=YJ-1")
    assert package.receipts == {*ours, first[0]}
    assert package.manifest["denied_left_out"] == "3"
    assert "3 refused calls had no room here" in package.readme
    assert package.verified(tmp_path, desk.kept.log.signer.vkey)[0] == 0
    monkeypatch.setattr(packages, "MOST_COUNTED", 2)
    assert (await desk.package("case=YJ-1")).manifest["denied_left_out"] == "more than 2"
    narrowed = await desk.package("case=YJ-1&department=民政局")
    assert (narrowed.receipts, narrowed.manifest["denied_left_out"]) == (set(ours), "0")
    assert narrowed.manifest["about"] == {"case": "YJ-1", "party": "民政局"}
    assert "REFUSED CALLS LEFT OUT" not in narrowed.readme


@pytest.mark.requirement("EVI-02")
async def test_a_department_narrows_what_an_auditor_gets_and_nobody_elses(desk: Office) -> None:
    [call] = await desk.kept.calls(1, "personal", grant=GRANT, case="YJ-1")
    await desk.kept.calls(1, "personal", grant=GRANT, case="YJ-1", department="教育局", provider="税务局")
    await desk.kept.settle()
    assert (await desk.package("case=YJ-1&department=公安局")).receipts == {call}
    assert (await desk.package("case=YJ-1&department=民政局", "民政局")).receipts == {call}
    refused = await desk.ask("case=YJ-1&department=民政局", "教育局")
    assert (refused.status_code, refused.json()["code"]) == (403, "request/not-yours")
    assert (await desk.events())[-1][2] == {"about": "case=YJ-1&party=民政局"}
    assert (await desk.ask(f"call={call}&department=民政局")).status_code == 422


@pytest.mark.requirement("EVI-02")
async def test_the_refusal_says_how_to_ask_for_less(desk: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages, "MOST_CALLS", 1)
    await desk.kept.calls(2, "personal", grant=GRANT, case="YJ-1")
    await desk.kept.settle()
    assert "narrow it with since, before or department" in (await desk.ask("case=YJ-1")).json()["detail"]


@pytest.mark.requirement("SUB-06")
async def test_a_number_that_was_asked_for_as_a_case_is_not_kept(desk: Office) -> None:
    assert (await desk.ask("case=990100 19900307 0131", "卫健委")).status_code == 403
    assert [facts for _, _, facts in await desk.events()] == [{"about": "case=*"}]


@pytest.mark.requirement("EVI-02")
async def test_one_package_at_a_time_for_each_department_and_each_auditor(
    desk: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.kept.calls(1, "personal", grant=GRANT, case="YJ-1")
    await desk.kept.settle()
    who = ("民政局", "民政局", "公安局", "审计局", "审计局")
    answers = await asyncio.gather(*(desk.ask("case=YJ-1", one) for one in who))
    assert [answer.status_code for answer in answers] == [200, 429, 200, 200, 429]
    assert (answers[1].json()["code"], answers[1].headers["retry-after"]) == ("rate/one-file-at-a-time", "5")
    assert (await desk.ask("case=YJ-1", "民政局", scopes.AUDIT_KEEP)).status_code == 200
