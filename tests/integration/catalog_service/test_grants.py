"""Giving grants and taking them away over HTTP."""

import asyncio
from typing import Any

import msgspec
import pytest

from harness.catalog import GRANT, INTERFACE, RESOURCE, RESOURCE_CODE, Catalog
from wire.catalog import Grant

pytestmark = pytest.mark.anyio


async def published(catalog: Catalog, grant_id: str) -> list[Grant]:
    """Every state of a grant that the feed has told."""
    entries = (await catalog.feed(0)).entries
    return [
        msgspec.json.decode(entry.body, type=Grant)
        for entry in entries
        if (entry.kind, entry.id) == ("grant", grant_id)
    ]


async def test_a_grant_names_the_department_and_the_revision_of_its_last_change(catalog: Catalog) -> None:
    await catalog.furnish()
    grant_id = await catalog.give()
    shown = (await catalog.ask("GET", f"/grants/{grant_id}")).json()
    [entry] = await published(catalog, grant_id)
    assert msgspec.convert(shown, Grant) == entry
    assert (entry.department, entry.revision) == ("zjj", await catalog.head())
    await catalog.move(f"/grants/{grant_id}", "suspend")
    assert (await published(catalog, grant_id))[-1].revision == entry.revision + 1


@pytest.mark.requirement("CAT-05")
async def test_a_grant_taken_away_is_in_the_feed_at_once_and_never_comes_back(catalog: Catalog) -> None:
    await catalog.furnish()
    path = f"/grants/{await catalog.give()}"
    before = await catalog.head()
    waiting = asyncio.create_task(catalog.feed(before, hold_ms=2000))
    assert (await catalog.move(path, "suspend", by="rsj")).status_code == 200
    [entry] = (await waiting).entries
    assert msgspec.json.decode(entry.body, type=Grant).state.standing == "suspended"
    for act, status in (("resume", 200), ("revoke", 200), ("resume", 409), ("suspend", 409), ("revoke", 409)):
        assert (await catalog.move(path, act, by="rsj")).status_code == status
    standings = [grant.state.standing for grant in await published(catalog, path.rpartition("/")[2])]
    assert standings == ["active", "suspended", "active", "revoked"]


@pytest.mark.requirement("CAT-08")
@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({"fields": ["name", "salary"]}, ["/body/fields/1"]),
        ({"fields": ["*"]}, ["/body/fields"]),
        ({"fields": []}, ["/body/fields"]),
        ({"masks": {"name": "blur"}}, ["/body/masks/name"]),
        ({"system": "nobody"}, ["/body/system"]),
        ({"interface": "rsj-social-insurance/v9"}, ["/body/interface"]),
        ({"interface": "rsj-social-insurance"}, ["/body/interface"]),
        ({"case_pattern": "(a+)+"}, ["/body/case_pattern"]),
        ({"hours": "8-18", "networks": ["x"]}, ["/body/networks/0", "/body/hours"]),
        ({"not_after": 1}, ["/body/not_after"]),
        ({"purpose": ""}, ["/body/purpose"]),
        ({"rate_per_s": 0}, ["/body/rate_per_s"]),
        ({"quota_day": -1, "quota_month": 1.5}, ["/body/quota_day", "/body/quota_month"]),
        ({"mode": "steal"}, ["/body/mode"]),
        ({"mode": "verify", "fields": ["*"], "masks": {"name": "drop"}}, ["/body/fields", "/body/masks/name"]),
        ({"department": "rsj"}, ["/body/department"]),
        ({"state": {"standing": "active"}}, ["/body/state"]),
    ],
)
async def test_a_grant_beyond_its_interface_is_refused(
    catalog: Catalog, changes: dict[str, Any], wrong: list[str]
) -> None:
    await catalog.furnish()
    head = await catalog.head()
    answer = await catalog.ask("POST", "/grants", {**GRANT, **changes})
    assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid")
    assert [error["path"] for error in answer.json()["errors"]] == wrong
    assert await catalog.head() == head


async def test_an_interface_that_needs_consent_can_be_granted(catalog: Catalog) -> None:
    """Whether a consent is there is asked call by call (德清 14), not when the grant is given."""
    await catalog.furnish()
    await catalog.put(
        "/interfaces/rsj-social-insurance/versions/v1", {**INTERFACE, "consent_required": True, "subject": "id_card"}
    )
    await catalog.give()


@pytest.mark.requirement("CAT-05")
@pytest.mark.parametrize("path", ["/systems/zjj-housing", "/interfaces/rsj-social-insurance/versions/v1"])
@pytest.mark.parametrize("act", ["suspend", "revoke"])
async def test_nothing_is_granted_to_or_for_what_may_not_be_used(catalog: Catalog, path: str, act: str) -> None:
    await catalog.furnish()
    await catalog.move(path, act)
    answer = await catalog.ask("POST", "/grants", GRANT)
    assert (answer.status_code, answer.json()["code"]) == (409, "request/conflict")


@pytest.mark.requirement("CAT-10")
async def test_the_provider_or_the_platform_gives_and_takes(catalog: Catalog) -> None:
    await catalog.furnish()
    refused = await catalog.ask("POST", "/grants", GRANT, by="zjj")
    assert (refused.status_code, refused.json()["code"]) == (403, "request/not-responsible")
    given = await catalog.ask("POST", "/grants", GRANT, by="rsj")
    assert given.status_code == 201
    path = f"/grants/{given.json()['id']}"
    assert (await catalog.move(path, "revoke", by="zjj")).status_code == 403
    assert (await catalog.move(path, "suspend", by="platform")).status_code == 200
    assert (await catalog.move(path, "resume", by="rsj")).status_code == 403


@pytest.mark.requirement("CAT-13", "CON-09")
async def test_what_is_not_shared_is_not_granted_for_query(catalog: Catalog) -> None:
    await catalog.furnish()
    kept_back = {"type": "none", "reason": "法律禁止", "legal_basis": [{"law": "税收征收管理法"}]}
    for offered, mode, status in (
        ("query", "query", 409), ("query", "verify", 201), ("compare", "query", 409), ("compare", "compare", 201),
        ("verify", "compare", 422), ("verify", "verify", 201),
    ):  # fmt: skip
        await catalog.put(f"/resources/{RESOURCE_CODE}", {**RESOURCE, "share": {**kept_back, "mode": offered}})
        answer = await catalog.ask("POST", "/grants", {**GRANT, "mode": mode})
        assert answer.status_code == status, (offered, mode, answer.text)
        if status == 201:
            assert (await published(catalog, answer.json()["id"]))[-1].mode == mode
        elif status == 409:
            assert answer.json()["code"] == "resource/not-shared"
        else:
            assert [error["path"] for error in answer.json()["errors"]] == ["/body/mode"]


@pytest.mark.requirement("CAT-13", "CON-09")
async def test_what_tells_no_facts_by_itself_is_granted_as_it_is(catalog: Catalog) -> None:
    await catalog.furnish()
    share = {"type": "none", "mode": "compare", "reason": "法律禁止", "legal_basis": [{"law": "税收征收管理法"}]}
    await catalog.put(f"/resources/{RESOURCE_CODE}", {**RESOURCE, "share": share})
    await catalog.put("/interfaces/rsj-compare/versions/v1", {**INTERFACE, "mode": "compare"})
    for mode, status in (("query", 201), ("compare", 422), ("verify", 422)):
        answer = await catalog.ask("POST", "/grants", {**GRANT, "interface": "rsj-compare/v1", "mode": mode})
        assert answer.status_code == status, answer.text


async def test_a_suspension_and_grants_at_the_same_time_leave_one_order(catalog: Catalog) -> None:
    """Every grant that was given stands in the feed before the suspension, none after it."""
    await catalog.furnish()
    grants = [catalog.ask("POST", "/grants", GRANT) for _ in range(12)]
    *given, suspended = await asyncio.gather(*grants, catalog.move("/systems/zjj-housing", "suspend"))
    assert suspended.status_code == 200
    assert {answer.status_code for answer in given} <= {201, 409}
    entries = (await catalog.feed(0)).entries
    [at] = [n for n, e in enumerate(entries) if e.kind == "system" and b"suspended" in bytes(e.body)]
    assert all(entry.kind != "grant" for entry in entries[at:])
    assert sum(entry.kind == "grant" for entry in entries) == [a.status_code for a in given].count(201)


async def test_grants_are_listed_by_system_and_interface(catalog: Catalog) -> None:
    await catalog.furnish()
    await catalog.put("/interfaces/rsj-social-insurance/versions/v2", INTERFACE)
    await catalog.put("/systems/zjj-two", {"department": "zjj", "name": "二"})
    one, two, three = (
        await catalog.give(),
        await catalog.give(system="zjj-two"),
        await catalog.give(interface="rsj-social-insurance/v2"),
    )
    for query, expected in (
        ("", {one, two, three}),
        ("system=zjj-two", {two}),
        ("interface=rsj-social-insurance/v2", {three}),
        ("system=zjj-housing&interface=rsj-social-insurance/v1", {one}),
    ):
        page = (await catalog.ask("GET", f"/grants?{query}", by="zjj")).json()
        assert {grant["id"] for grant in page["items"]} == expected
        assert page["next"] is None
