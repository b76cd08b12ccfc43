"""Why a grant was given, as the audit service puts it into evidence packages; and who names the person asked about."""

import json
from typing import Any

import pytest

from harness.applications import INTERFACE_ID, agreed, handed_in, in_use
from harness.cases import GIVING, Cases
from harness.catalog import INTERFACE, RESOURCE, RESOURCE_CODE, Catalog
from runtime.ids import uuid7

pytestmark = pytest.mark.anyio
V1 = "/interfaces/rsj-social-insurance/versions/v1"


async def dossier(catalog: Catalog, grant: str) -> dict[str, Any]:
    answer = await catalog.internal(f"/dossiers/{grant}")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store"), answer.text
    return dict(answer.json())


@pytest.mark.requirement("EVI-03")
async def test_a_dossier_tells_how_a_grant_came_about(cases: Cases) -> None:
    await cases.enforce("national")
    case = await handed_in(cases)
    await cases.stepped(case, "accept", GIVING, "provider_review")
    await agreed(cases, case, conditions="限公租房")
    grant = await in_use(cases, case)
    told = await dossier(cases.catalog, grant.id)
    assert (told["grant"]["id"], told["grant"]["fields"]) == (grant.id, ["pension"])
    assert f"{told['interface']['id']}/{told['interface']['version']}" == INTERFACE_ID
    [application] = told["cases"]
    assert (application["kind"], application["state"], application["number"]) == (
        "application", "granted", case["number"]
    )  # fmt: skip
    assert application["details"]["basis"][0]["law"] == "社会救助暂行办法"
    assert application["details"]["materials"] == [{"name": "需求申请表", "sha256": "0" * 64}]
    assert application["decision"]["reply"]["conditions"] == "限公租房"
    events = [one["event"] for one in application["history"]]
    assert events[0] == "apply"
    assert {"submit", "sign", "accept", "agree", "confirm"} <= set(events)
    assert all(one["department"] and one["article"] and one["digest"] for one in application["history"][:-1])


@pytest.mark.requirement("EVI-03")
async def test_a_grant_that_was_given_directly_has_no_application(catalog: Catalog) -> None:
    await catalog.furnish()
    told = await dossier(catalog, await catalog.give())
    assert (told["cases"], told["grant"]["system"]) == ([], "zjj-housing")
    assert (await catalog.internal(f"/dossiers/{uuid7()}")).status_code == 404
    assert (await catalog.internal("/dossiers/x%20y")).status_code == 422


@pytest.mark.requirement("EVI-03")
async def test_a_dossier_is_for_services_and_tells_nobody_where_systems_stand(catalog: Catalog) -> None:
    await catalog.furnish()
    grant = await catalog.give()
    text = json.dumps(await dossier(catalog, grant), ensure_ascii=False)
    for inside in ("rsj.example", "10.0.0.0/8", "/v1/insurance"):
        assert inside not in text
    assert (await catalog.ask("GET", f"/dossiers/{grant}")).status_code == 401
    assert (await catalog.client.get(f"/dossiers/{grant}")).status_code == 401


@pytest.mark.requirement("SUB-03")
async def test_gateways_hear_what_names_the_person_asked_about(catalog: Catalog) -> None:
    await catalog.furnish()
    naming = {**INTERFACE, "subject": "id_card"}
    assert (await catalog.put(V1, naming)).json()["subject"] == "id_card"
    assert [one.subject for one in (await catalog.snapshot()).interfaces] == ["id_card"]
    answer = await catalog.ask("PUT", V1, INTERFACE)
    assert (answer.status_code, answer.json()["code"]) == (409, "request/conflict")
    answer = await catalog.ask("PUT", V1, {**INTERFACE, "subject": "passport"})
    assert (answer.status_code, answer.json()["errors"][0]["path"]) == (422, "/body/subject")


@pytest.mark.requirement("SUB-04")
async def test_an_entry_of_important_data_makes_records_of_its_calls_last(catalog: Catalog) -> None:
    await catalog.furnish()
    await catalog.put(f"/resources/{RESOURCE_CODE}", {**RESOURCE, "classification": "重要数据"})
    assert [one.retention for one in (await catalog.snapshot()).interfaces] == ["personal"]
    assert (await catalog.put(V1, {**INTERFACE, "retention": "general"})).json()["retention"] == "personal"
