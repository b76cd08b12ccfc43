"""Permissions that are suspended, given back and ended: what gateways hear, and that nobody gets past it."""

import asyncio

import msgspec
import pytest

from harness.cases import ASKING, AUTHORITY, DIGEST, GIVING, GIVING_HEAD, OTHER_AUTHORITY, Cases, officer
from harness.catalog import GRANT, INTERFACE, RESOURCE, RESOURCE_CODE, WRITE, Catalog
from wire.catalog import Grant, System

pytestmark = pytest.mark.anyio
FORM = {"trigger": "over_purpose", "finding": "用于营销短信"}
PAPER = [{"name": "整改报告", "sha256": DIGEST}]
FAR = "2999-12-31"


async def standings(catalog: Catalog, thing: str) -> list[str]:
    """Every standing of a grant or a system that gateways were told, in order."""
    entries = [entry for entry in (await catalog.feed(0)).entries if entry.id == thing]
    of = {"grant": Grant, "system": System}
    states = [msgspec.json.decode(entry.body, type=of[entry.kind]).state for entry in entries]
    return [state.standing for state in states]


@pytest.mark.requirement("SUS-01")
@pytest.mark.requirement("SUS-06")
@pytest.mark.requirement("JDZ-13", "YN-48", "NAT-27")
@pytest.mark.parametrize("profile", ["national", "yunnan"])
async def test_a_provider_suspends_has_it_put_right_and_restores(catalog: Catalog, profile: str) -> None:
    cases = Cases(catalog)
    await cases.enforce(profile)
    await catalog.furnish()
    grant = await catalog.give()
    case = await cases.opened("suspension", GIVING, details=FORM, grant=grant)
    assert (case["state"], case["requester"], case["provider"]) == ("suspended", "zjj", "rsj")
    assert case["decision"] == {"suspended_by": "provider", "grants": [grant], "system": ""}
    assert await standings(catalog, grant) == ["active", "suspended"]
    shown = (await catalog.ask("GET", f"/grants/{grant}")).json()["state"]
    assert (shown["by"], shown["reason"]) == (case["number"], "over_purpose")

    await cases.stepped(case, "order", GIVING, "rectifying", reason="停止营销用途", until=FAR)
    assert await cases.clocks(case) == {"rectification": "running"}
    await cases.stepped(case, "report", ASKING, "rectifying", result="已停用", documents=PAPER)
    assert await cases.clocks(case) == {"rectification": "met"}
    await cases.stepped(case, "order", GIVING, "rectifying", reason="整改不到位，再限期", until=FAR)
    stale = await cases.step(case, "restore", GIVING_HEAD, note="已核实")
    assert (stale.status_code, stale.json()["code"]) == (409, "case/nothing-reported")
    await cases.stepped(case, "report", ASKING, "rectifying", result="已清除", documents=PAPER)
    own = await cases.step(case, "restore", GIVING, note="已核实")
    assert (own.status_code, own.json()["code"]) == (403, "case/four-eyes")
    await cases.stepped(case, "restore", GIVING_HEAD, "restored", note="已核实")
    assert await standings(catalog, grant) == ["active", "suspended", "active"]
    notices = (await cases.ask("GET", "/inbox", ASKING)).json()["items"]
    assert {"suspension.suspend", "suspension.order", "suspension.restore"} <= {one["word"] for one in notices}


@pytest.mark.requirement("SUS-02")
@pytest.mark.requirement("SUS-06")
@pytest.mark.requirement("DQ-14-2", "DQ-39", "NAT-27")
@pytest.mark.parametrize(("profile", "on_record"), [("national", False), ("deqing", True)])
async def test_who_mends_nothing_loses_it_for_good(catalog: Catalog, profile: str, on_record: bool) -> None:
    cases = Cases(catalog)
    await cases.enforce(profile)
    await catalog.furnish()
    grant = await catalog.give()
    case = await cases.opened("suspension", AUTHORITY, details=FORM, grant=grant)
    await cases.stepped(case, "order", AUTHORITY, "rectifying", reason="限期整改", until=FAR)
    early = await cases.step(case, "terminate", AUTHORITY, reason="整改不到位")
    assert (early.status_code, early.json()["code"], early.json()["until"]) == (409, "case/too-early", FAR)
    ended = await cases.stepped(case, "terminate", GIVING, "terminated", reason="拒不整改", result="refused")
    assert (ended["decision"]["credit_record"], ended["decision"]["ended"]) == (on_record, [grant])
    assert await standings(catalog, grant) == ["active", "suspended", "revoked"]
    assert await cases.clocks(case) == {"rectification": "cancelled"}


@pytest.mark.requirement("SUS-06")
async def test_nobody_gets_past_a_suspension(catalog: Catalog) -> None:
    """Not with the right to write grants, not as the side that is suspended, not the provider past the authority."""
    cases = Cases(catalog)
    await catalog.furnish()
    grant = await catalog.give()
    case = await cases.opened("suspension", AUTHORITY, details=FORM, grant=grant)
    past = await catalog.ask("POST", f"/grants/{grant}/resume", {"reason": "恢复"}, by="rsj", allowed=WRITE)
    assert (past.status_code, past.json()["responsible"]) == (403, case["number"])
    for who, status in ((ASKING, 403), (GIVING, 403), (AUTHORITY, 403), (officer("jyj"), 404)):
        assert (await cases.step(case, "lift", who, reason="查无实据")).status_code == status
    await cases.stepped(case, "lift", OTHER_AUTHORITY, "restored", reason="查无实据")
    assert await standings(catalog, grant) == ["active", "suspended", "active"]


@pytest.mark.requirement("SUS-06")
async def test_of_two_who_suspend_at_once_one_does(catalog: Catalog) -> None:
    cases = Cases(catalog)
    await catalog.furnish()
    grant = await catalog.give()
    answers = await asyncio.gather(
        *(cases.open("suspension", by, details=FORM, grant=grant) for by in (GIVING, GIVING_HEAD, AUTHORITY))
    )
    assert sorted(answer.status_code for answer in answers) == [201, 409, 409]
    assert await standings(catalog, grant) == ["active", "suspended"]


async def furnish_another_provider(catalog: Catalog) -> str:
    """A grant of another department's interface to the same system."""
    await catalog.put("/departments/gaj", {"name": "gaj"})
    code = f"{RESOURCE_CODE}2"
    await catalog.put(f"/resources/{code}", {**RESOURCE, "provider": "gaj"})
    interface = {**INTERFACE, "provider": "gaj", "resource": code}
    await catalog.put("/interfaces/gaj-household/versions/v1", interface)
    return await catalog.give(interface="gaj-household/v1")


@pytest.mark.requirement("SUS-06")
async def test_a_provider_suspends_all_that_it_gave_to_a_system_and_nothing_else(catalog: Catalog) -> None:
    cases = Cases(catalog)
    await catalog.furnish()
    one, two, other = await catalog.give(), await catalog.give(), await furnish_another_provider(catalog)
    assert (await catalog.move(f"/grants/{two}", "suspend", by="rsj")).status_code == 200
    case = await cases.opened("suspension", GIVING, details=FORM, system="zjj-housing")
    assert case["decision"]["grants"] == [one]
    again = await cases.open("suspension", GIVING, details=FORM, system="zjj-housing")
    assert (again.status_code, again.json()["code"]) == (409, "request/conflict")
    await cases.stepped(case, "lift", GIVING_HEAD, "restored", reason="查无实据")
    assert await standings(catalog, one) == ["active", "suspended", "active"]
    assert await standings(catalog, two) == ["active", "suspended"]
    assert await standings(catalog, other) == ["active"]


@pytest.mark.requirement("SUS-06")
async def test_the_authority_shuts_a_system_as_a_whole(catalog: Catalog) -> None:
    cases = Cases(catalog)
    await catalog.furnish()
    grant = await catalog.give()
    case = await cases.opened("suspension", AUTHORITY, details=FORM, system="zjj-housing")
    assert await standings(catalog, "zjj-housing") == ["active", "suspended"]
    assert (await catalog.ask("POST", "/grants", GRANT)).status_code == 409
    past = await catalog.ask("POST", "/systems/zjj-housing/resume", {"reason": "恢复"}, by="zjj", allowed=WRITE)
    assert past.status_code == 403
    await cases.stepped(case, "order", AUTHORITY, "rectifying", reason="限期整改", until=FAR)
    await cases.stepped(case, "terminate", AUTHORITY, "terminated", reason="拒不整改", result="refused")
    assert await standings(catalog, grant) == ["active", "revoked"]
    assert await standings(catalog, "zjj-housing") == ["active", "suspended", "active"]


@pytest.mark.requirement("SUS-03")
@pytest.mark.parametrize(("profile", "kind", "status"), [
    ("changde", "public_service_operator", 403),  # 22 ¶3: the provider
    ("changde", "government_department", 201),
    ("national", "public_service_operator", 201),
])  # fmt: skip
async def test_whether_the_authority_may_suspend_stands_in_the_profile(
    catalog: Catalog, profile: str, kind: str, status: int
) -> None:
    cases = Cases(catalog)
    await cases.enforce(profile)
    await catalog.furnish()
    await catalog.put("/departments/zjj", {"name": "zjj", "kind": kind})
    grant = await catalog.give()
    answer = await cases.open("suspension", AUTHORITY, details=FORM, grant=grant)
    assert answer.status_code == status, answer.text
    assert await standings(catalog, grant) == (["active", "suspended"] if status == 201 else ["active"])


@pytest.mark.requirement("SUS-01")
async def test_a_suspension_says_what_and_why(catalog: Catalog) -> None:
    cases = Cases(catalog)
    await catalog.furnish()
    grant = await catalog.give()
    for changes, named, path in (
        ({"trigger": "mood"}, {}, "/body/details/trigger"),
        ({"trigger": None}, {}, "/body/details/trigger"),
        ({"finding": ""}, {}, "/body/details/finding"),
        ({"findings": "x"}, {}, "/body/details/findings"),
        ({}, {"grant": "0"}, "/body/grant"),
        ({}, {"grant": ""}, "/body/grant"),
    ):
        answer = await cases.open("suspension", GIVING, details={**FORM, **changes}, **{"grant": grant, **named})
        assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, path), answer.text
    assert await standings(catalog, grant) == ["active"]


@pytest.mark.requirement("SUS-06")
async def test_suspensions_and_grants_at_the_same_time_wait_for_nobody_in_a_circle(catalog: Catalog) -> None:
    cases = Cases(catalog)
    await catalog.furnish()
    grants = [await catalog.give() for _ in range(3)]
    case = await cases.opened("suspension", GIVING, details=FORM, grant=grants[0])
    answers = await asyncio.gather(
        *(catalog.ask("POST", "/grants", GRANT) for _ in range(6)),
        cases.open("suspension", AUTHORITY, details=FORM, system="zjj-housing"),
        cases.open("suspension", GIVING, details=FORM, system="zjj-housing"),
        cases.step(case, "lift", GIVING_HEAD, reason="查无实据"),
        catalog.move(f"/grants/{grants[1]}", "suspend", by="rsj"),
        catalog.move("/systems/zjj-housing", "suspend", by="platform"),
    )
    assert {answer.status_code for answer in answers} <= {200, 201, 409}
    assert (await standings(catalog, "zjj-housing"))[-1] == "suspended"
