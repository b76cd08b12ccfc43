"""What a call costs of its grant: one where it was asked, none where it was refused; and who is told about it."""

import re
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI
from httpx2 import ASGITransport

from gateway.allowances import quotas_router
from gateway.shares import Shares
from harness.gate import NUMBER, PEOPLE, PEOPLE_GRANT, PROVIDER, SYSTEM, Gate, check
from runtime.db import engine
from runtime.http import AsyncClient
from runtime.http import Response as Answer
from runtime.problems import install
from wire.tokens import Door

pytestmark = pytest.mark.anyio
TARGET = f"/x/gaj-person/v1/{NUMBER}"
LIMITED = msgspec.structs.replace(PEOPLE_GRANT, quota_day=2, quota_month=50)


@pytest.mark.requirement("QUO-05", "QUO-07")
async def test_a_call_costs_one_and_a_refusal_nothing(at: Gate) -> None:
    await at.knows(PEOPLE, LIMITED)
    assert (await at.call("POST", "/x/gaj-person/v1", content=b"<x/>")).status_code == 415
    assert (await at.call("GET", TARGET, headers={"Idempotency-Key": "a b"})).status_code == 400
    answer = await at.call("GET", TARGET)
    assert re.fullmatch(
        r'"grant";q=10;w=1, "day";q=2;w=86400, "month";q=50;w=(2419200|2505600|2592000|2678400)',
        answer.headers["ratelimit-policy"],
    )
    assert re.fullmatch(r'"grant";r=\d+;t=1, "day";r=1;t=\d+, "month";r=49;t=\d+', answer.headers["ratelimit"])
    assert (await at.call("GET", TARGET)).status_code == 200
    asked = len(at.asked)
    refused = await at.call("GET", TARGET)
    problem = check(refused, 429, "quota/day")
    assert (problem["limit"], problem["resets"][10:], len(at.asked)) == (2, "T00:00:00+08:00", asked)
    assert 0 < int(refused.headers["retry-after"]) <= 86_401
    assert re.fullmatch(r'"day";r=0;t=\d+', refused.headers["ratelimit"])
    assert at.leaves[-1].code == "quota/day"


@pytest.mark.requirement("QUO-05", "GAT-05")
async def test_the_sandbox_uses_nothing_of_a_quota(at: Gate) -> None:
    await at.knows(PEOPLE, LIMITED)
    for _ in range(3):
        assert (await at.call("GET", f"/sandbox/gaj-person/v1/{NUMBER}")).status_code == 200
    assert await at.gateway.admission.quotas.taken(["g1"], 0) == {}


@pytest.mark.requirement("GWY-03")
async def test_calls_under_way_are_bounded_and_places_come_back(at: Gate) -> None:
    admission, grant = at.gateway.admission, msgspec.structs.replace(PEOPLE_GRANT, max_in_flight=2)
    first = await admission.admit(grant, 0)
    await admission.admit(grant, 0)
    with pytest.raises(Exception, match="rate/too-many-at-once"):
        await admission.admit(grant, 0)
    admission.leave(first)
    await admission.admit(grant, 0)


@pytest.mark.requirement("QUO-04")
async def test_nothing_is_asked_of_a_provider_while_nobody_knows(at: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    lost = Shares("lost", engine("postgresql://nobody@127.0.0.1:1/nothing"))
    monkeypatch.setattr(at.gateway.admission, "shares", lost)
    check(await at.call("GET", TARGET), 503, "quota/unknown")
    assert at.asked == []


# --- who is told ----------------------------------------------------------------------------------------------------
ROLES: dict[str, dict[str, Any]] = {
    "consumer": {},
    "consumer's department": {"sub": "other", "client_id": "other"},
    "provider's department": {"sub": "other", "client_id": "other", "department": PROVIDER},
    "authority": {"sub": "other", "client_id": "other", "department": "x", "scope": "office:authority"},
    "operator": {"sub": "other", "client_id": "other", "department": "x", "scope": "grant:write"},
    "somebody else": {"sub": "other", "client_id": "other", "department": "x", "scope": "call audit:read"},
}


async def told(at: Gate, query: str, who: str, **headers: str) -> Answer:
    app = FastAPI()
    install(app)
    app.include_router(quotas_router(at.gateway.catalog, at.gateway.admission.quotas, Door(at.verifier)))
    sent = {"Authorization": f"Bearer {at.token(**ROLES[who])}", **headers}
    async with AsyncClient(transport=ASGITransport(app), base_url="http://gateway", headers=sent) as client:
        return await client.get(f"/api/quotas{query}")


@pytest.mark.requirement("QUO-07")
@pytest.mark.parametrize("who", [who for who in ROLES if who != "somebody else"])
async def test_those_who_use_it_and_those_who_provide_it_are_told(at: Gate, who: str) -> None:
    await at.knows(PEOPLE, LIMITED)
    await at.call("GET", TARGET)
    for query in ("?grant=g1", "?interface=gaj-person/v1"):
        (item,) = (await told(at, query, who)).json()["items"]
        assert (item["grant"], item["system"], item["interface"]) == ("g1", SYSTEM, "gaj-person/v1")
        assert item["rate"] == {"per_s": 10.0, "burst": 10, "in_flight": 32}
        assert [(one["period"], one["limit"], one["used"], one["left"]) for one in item["quotas"]] == [
            ("day", 2, 1, 1), ("month", 50, 1, 49),
        ]  # fmt: skip


@pytest.mark.requirement("QUO-07")
async def test_nobody_else_is_told(at: Gate) -> None:
    await at.knows(PEOPLE, LIMITED)
    check(await told(at, "?grant=g1", "somebody else"), 403, "request/not-yours")
    check(await told(at, "?grant=g2", "operator"), 404, "request/not-found")
    for query in ("", "?interface=gaj-person/v1"):
        assert (await told(at, query, "somebody else")).json() == {"items": [], "more": False}


@pytest.mark.requirement("QUO-07")
@pytest.mark.parametrize(("language", "title"), [("zh", "今日调用次数"), ("en", "calls today")])
async def test_a_system_sees_its_own_in_its_language(at: Gate, language: str, title: str) -> None:
    await at.knows(PEOPLE, LIMITED)
    (item,) = (await told(at, "", "consumer", **{"Accept-Language": language})).json()["items"]
    assert (item["quotas"][0]["title"], item["quotas"][0]["used"]) == (title, 0)
    await at.knows(PEOPLE, PEOPLE_GRANT)
    (item,) = (await told(at, "", "consumer")).json()["items"]
    assert item["quotas"] == []
