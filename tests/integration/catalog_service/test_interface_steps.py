"""Moving versions of interfaces through their stages over HTTP, and what gateways hear of it."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from httpx2 import Response

from catalog_service.directory.interface_stages import NOTICE_DAYS
from catalog_service.policy.flows import today
from harness.catalog import Catalog
from harness.entries import (
    AUTHORITY,
    BODY,
    HEAD,
    INTERFACE,
    OFFICER,
    OPERATOR,
    STRANGER,
    TEXT,
    V1,
    Person,
    activate,
    events,
    furnish,
    inbox,
    notices,
    refused,
    subscribe,
    taken,
)

pytestmark = pytest.mark.anyio
V2 = V1.replace("v1", "v2")
SAMPLE = {"address": "某区某路1号"}
NEXT_YEAR = (datetime.now(UTC) + timedelta(days=365)).date().isoformat()


async def moves(catalog: Catalog, path: str, event: str, person: Person = OFFICER, **evidence: Any) -> Response:
    return await person.does(catalog, "POST", f"{path}/steps/{event}", evidence)


async def bring_online(catalog: Catalog, path: str, body: dict[str, Any] = INTERFACE) -> None:
    """By the department, through all stages."""
    taken(await OFFICER.does(catalog, "PUT", path, body))
    taken(await moves(catalog, path, "test", sample=SAMPLE))
    for event in ("mount", "open"):
        taken(await moves(catalog, path, event))


async def served(catalog: Catalog) -> list[str]:
    return sorted(interface.key for interface in (await catalog.snapshot()).interfaces)


@pytest.mark.requirement("DIR-13")
@pytest.mark.requirement("DQ-02", "B-02")
async def test_a_department_s_version_comes_online_stage_by_stage(catalog: Catalog) -> None:
    await furnish(catalog)
    await catalog.put(f"/resources/{TEXT.code}", BODY)
    head = await catalog.head()
    registered = taken(await OFFICER.does(catalog, "PUT", V1, INTERFACE))
    assert (registered["stage"], await served(catalog)) == ("registered", [])
    refused(await moves(catalog, V1, "open"), 409, "case/not-in-this-state")
    for person in (HEAD, STRANGER, AUTHORITY, OPERATOR):
        refused(await moves(catalog, V1, "test", person, sample=SAMPLE), 403, "case/not-your-step")
    refused(await moves(catalog, V1, "test"), 422, "request/invalid")
    document = refused(await moves(catalog, V1, "test", sample={"address": 5}), 422, "interface/sample")
    assert document["errors"] == [{"path": "/body/sample", "error": "/address breaks properties/address/type"}]
    refused(await catalog.ask("POST", "/grants", {**GRANT}), 422, "request/invalid")
    assert taken(await moves(catalog, V1, "test", sample=SAMPLE))["stage"] == "tested"
    assert taken(await OFFICER.does(catalog, "PUT", V1, {**INTERFACE, "timeout_s": 3}))["stage"] == "registered"
    taken(await moves(catalog, V1, "test", sample=SAMPLE))
    assert taken(await moves(catalog, V1, "mount"))["stage"] == "mounted"
    await catalog.put("/systems/zjj-housing", {"department": "zjj", "name": "住房保障"})
    refused(await catalog.ask("POST", "/grants", GRANT), 409, "request/conflict")
    assert (await catalog.head(), await served(catalog)) == (head + 1, [])
    assert taken(await moves(catalog, V1, "open"))["stage"] == "online"
    assert (await catalog.head(), await served(catalog)) == (head + 2, ["gaj-household/v1"])

    shown = taken(await OFFICER.does(catalog, "GET", f"{V1}/steps"))
    assert (shown["stage"], shown["possible"]) == ("online", ["deprecate"])
    assert [step["event"] for step in shown["history"]] == ["test", "test", "mount", "open"]
    assert list(shown["history"][0]["evidence"]["sample"]) == ["sha256"]
    assert taken(await STRANGER.does(catalog, "GET", f"{V1}/steps"))["possible"] == []
    heard = await events(catalog, "interface.")
    assert heard == ["interface.registered", "interface.test", "interface.changed"] + [
        f"interface.{event}" for event in ("test", "mount", "open")
    ]
    assert SAMPLE["address"] not in str([event.facts for event in catalog.log.events])


GRANT = {"system": "zjj-housing", "interface": "gaj-household/v1", "purpose": "审核", "fields": ["address"]}


@pytest.mark.requirement("DIR-14")
@pytest.mark.requirement("JDZ-11")
async def test_a_version_is_mounted_to_a_published_and_described_entry(catalog: Catalog) -> None:
    await furnish(catalog)
    await activate(catalog, "jingdezhen")
    await catalog.put(f"/resources/{TEXT.code}", BODY)
    bare = {**INTERFACE, "response": None}
    taken(await OFFICER.does(catalog, "PUT", V1, bare))
    taken(await moves(catalog, V1, "test", sample=SAMPLE))
    document = refused(await moves(catalog, V1, "mount"), 422, "catalog/incomplete")
    assert [(error["path"], "art.11" in error["article"]) for error in document["errors"]] == [("/response", True)]
    taken(await OFFICER.does(catalog, "PUT", V1, INTERFACE))
    taken(await moves(catalog, V1, "test", sample=SAMPLE))
    taken(await AUTHORITY.takes(catalog, "suspend", reason="风险"))
    refused(await moves(catalog, V1, "mount"), 409, "interface/entry-not-published")
    taken(await AUTHORITY.takes(catalog, "resume", reason="消除"))
    taken(await moves(catalog, V1, "mount"))


@pytest.mark.requirement("DIR-14")
@pytest.mark.requirement("NAT-27")
async def test_users_of_a_version_that_ends_are_told_in_time_and_gateways_forget_it(catalog: Catalog) -> None:
    await furnish(catalog)
    await catalog.put(f"/resources/{TEXT.code}", BODY)
    grant = await subscribe(catalog)
    renamed = {**INTERFACE, "fields": [{"name": "home"}], "response": {"type": "object", "required": ["home"]}}
    taken(await OFFICER.does(catalog, "PUT", V2, renamed))
    notice: dict[str, Any] = {"reason": "数据项调整", "successor": "v2", "until": NEXT_YEAR}
    refused(await moves(catalog, V1, "deprecate", **notice), 422, "request/invalid")
    taken(await moves(catalog, V2, "test", sample={"home": "某区"}))
    taken(await moves(catalog, V2, "mount"))
    taken(await moves(catalog, V2, "open"))
    document = refused(
        await moves(catalog, V1, "deprecate", **{**notice, "until": "2026-01-01"}), 422, "interface/notice-too-short"
    )
    earliest = (today(datetime.now(UTC)) + timedelta(days=NOTICE_DAYS)).isoformat()
    assert (document["earliest"], document["days"]) == (earliest, NOTICE_DAYS)
    refused(await moves(catalog, V1, "deprecate", **{**notice, "successor": "v1"}), 422, "request/invalid")

    deprecated = taken(await moves(catalog, V1, "deprecate", **notice))
    assert (deprecated["stage"], deprecated["successor"], deprecated["until"]) == ("deprecated", "v2", NEXT_YEAR)
    assert await served(catalog) == ["gaj-household/v1", "gaj-household/v2"]
    assert await inbox(catalog, STRANGER) == ["interface.deprecate"]
    [told] = await notices(catalog, STRANGER)
    assert "fields/address" in told["facts"]["breaking"].split(",")
    assert (NEXT_YEAR in told["text"]["zh"], told["facts"]["article"]) == (True, "国务院令第809号 27 para 3")

    refused(await moves(catalog, V1, "close"), 422, "request/invalid")
    document = refused(await moves(catalog, V1, "close", filing_no="备1"), 409, "interface/still-used")
    assert document["departments"] == ["zjj"]
    await catalog.move(f"/grants/{grant}", "revoke", by="gaj")
    before = await catalog.head()
    held = asyncio.create_task(catalog.feed(before, hold_ms=2000))
    assert taken(await moves(catalog, V1, "close", filing_no="备〔2026〕3号"))["stage"] == "offline"
    [entry] = (await held).entries
    assert (entry.kind, entry.id, entry.gone) == ("interface", "gaj-household/v1", True)
    assert await served(catalog) == ["gaj-household/v2"]
    refused(await catalog.ask("PUT", V1, INTERFACE), 409, "request/conflict")
    refused(await moves(catalog, V1, "test", sample=SAMPLE), 409, "case/not-in-this-state")


@pytest.mark.requirement("DIR-14")
async def test_what_would_break_users_takes_a_new_version(catalog: Catalog) -> None:
    await furnish(catalog)
    await catalog.put(f"/resources/{TEXT.code}", BODY)
    await bring_online(catalog, V1)
    closed = {**INTERFACE, "parameters": {"type": "object", "required": ["purpose"]}}
    document = refused(await OFFICER.does(catalog, "PUT", V1, closed), 409, "interface/breaking-change")
    assert (document["breaks"][0].startswith("parameters"), document["article"]) == (True, "国务院令第809号 27")
    assert taken(await OFFICER.does(catalog, "PUT", V1, {**INTERFACE, "timeout_s": 3}))["stage"] == "online"
    await bring_online(catalog, V2, closed)
    found = taken(await STRANGER.does(catalog, "GET", "/interfaces/gaj-household/changes?from=v1&to=v2"))
    assert (found["breaking"], {one["path"].partition("/")[0] for one in found["items"] if one["breaking"]}) == (
        True, {"parameters"},
    )  # fmt: skip
    back = taken(await STRANGER.does(catalog, "GET", "/interfaces/gaj-household/changes?from=v2&to=v1"))
    assert {one["path"].partition("/")[0] for one in back["items"] if one["breaking"]} <= {"timeout_s"}
    refused(
        await STRANGER.does(catalog, "GET", "/interfaces/gaj-household/changes?from=v1&to=v9"), 404, "interface/unknown"
    )
    refused(
        await STRANGER.does(catalog, "GET", "/interfaces/gaj-household/changes?from=1&to=v2"), 422, "request/invalid"
    )


@pytest.mark.requirement("DIR-13")
async def test_the_operator_s_versions_are_online_at_once(catalog: Catalog) -> None:
    await furnish(catalog)
    await catalog.put(f"/resources/{TEXT.code}", BODY)
    assert (await catalog.put(V1, INTERFACE)).json()["stage"] == "online"
    taken(await OFFICER.does(catalog, "PUT", V2, INTERFACE))
    assert await served(catalog) == ["gaj-household/v1"]
    assert (await catalog.put(V2, INTERFACE)).json()["stage"] == "online"
    assert await served(catalog) == ["gaj-household/v1", "gaj-household/v2"]


@pytest.mark.requirement("DIR-13")
async def test_a_version_that_nobody_serves_is_suspended_without_a_word_to_gateways(catalog: Catalog) -> None:
    await furnish(catalog)
    await catalog.put(f"/resources/{TEXT.code}", BODY)
    taken(await OFFICER.does(catalog, "PUT", V1, INTERFACE))
    head = await catalog.head()
    assert (await catalog.move(V1, "suspend", by="gaj")).status_code == 200
    assert (await catalog.move(V1, "revoke", by="gaj")).status_code == 200
    refused(await moves(catalog, V1, "test", sample=SAMPLE), 409, "request/conflict")
    assert taken(await OFFICER.does(catalog, "GET", f"{V1}/steps"))["possible"] == []
    assert await catalog.head() == head
    refused(await moves(catalog, V2, "test", sample=SAMPLE), 404, "interface/unknown")
    refused(await OFFICER.does(catalog, "GET", f"{V2}/steps"), 404, "interface/unknown")


@pytest.mark.requirement("DIR-14")
@pytest.mark.parametrize(
    "sample",
    ['{"address": NaN}', '{"address": "\\ud800"}', '{"address": 1e999}', f"[{10**30}]", "[" * 100 + "]" * 100],
)
async def test_a_sample_that_nobody_could_write_again_is_refused(catalog: Catalog, sample: str) -> None:
    await furnish(catalog)
    await catalog.put(f"/resources/{TEXT.code}", BODY)
    taken(await OFFICER.does(catalog, "PUT", V1, {**INTERFACE, "response": None}))
    token = catalog.token("gaj", ("office:officer",), client_id="gaj-officer")
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    answer = await catalog.client.post(f"{V1}/steps/test", content=f'{{"sample": {sample}}}', headers=headers)
    assert answer.status_code == 422, answer.text


async def test_two_who_open_a_version_at_once_open_it_once(catalog: Catalog) -> None:
    await furnish(catalog)
    await catalog.put(f"/resources/{TEXT.code}", BODY)
    taken(await OFFICER.does(catalog, "PUT", V1, INTERFACE))
    answers = await asyncio.gather(*(moves(catalog, V1, "test", sample=SAMPLE) for _ in range(4)))
    assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409]
    assert msgspec.json.decode(answers[0].content)
