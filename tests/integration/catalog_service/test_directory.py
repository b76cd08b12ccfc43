"""Registering and governing departments, systems, resources and interfaces over HTTP."""

import asyncio
import json
from typing import Any

import msgspec
import pytest
from httpx2 import Response

from catalog_service.directory.model import Interface
from harness.catalog import INTERFACE, RESOURCE, RESOURCE_CODE, Catalog
from tongdao_cli import demo
from wire import scopes

pytestmark = pytest.mark.anyio
DEPARTMENT = "/departments/rsj"
SYSTEM = "/systems/zjj-housing"
V1 = "/interfaces/rsj-social-insurance/versions/v1"
V2 = "/interfaces/rsj-social-insurance/versions/v2"
FOUND_OUT = {"id", "version", "state", "stage", "entry_state", "successor", "until", "maintenance", "health"}
"""Members of an answer that nobody states."""


def refused(answer: Response, status: int, code: str) -> dict[str, Any]:
    """The problem document of a refusal."""
    document: dict[str, Any] = answer.json()
    assert (answer.status_code, document.get("code")) == (status, code), answer.text
    return document


def paths(document: dict[str, Any]) -> list[str]:
    return [error["path"] for error in document["errors"]]


@pytest.mark.requirement("CAT-16")
async def test_the_whole_demo_registers_and_again_changes_nothing(workshop: Catalog) -> None:
    everything = demo.messages("http://127.0.0.1:4711", "file:///files")
    for message in everything.registrations:
        answer = await workshop.ask(message.method, message.path, message.body)
        assert answer.status_code == 201, answer.text
    for message in everything.grants:
        assert (await workshop.ask("POST", message.path, message.body)).status_code == 201
    head = await workshop.head()
    for message in everything.registrations:
        assert (await workshop.ask(message.method, message.path, message.body)).status_code == 200

    snapshot = await workshop.snapshot()
    assert await workshop.head() == head == snapshot.revision
    counted = (len(snapshot.departments), len(snapshot.systems), len(snapshot.interfaces), len(snapshot.grants))
    assert counted == tuple(
        map(len, (everything.departments, everything.systems, everything.interfaces, everything.grants))
    )
    for message in everything.interfaces:
        shown = (await workshop.ask("GET", message.path)).json()
        stated = msgspec.convert({**message.body, "id": shown["id"], "version": shown["version"]}, Interface)
        assert {name: shown[name] for name in message.body} == {
            name: value for name, value in msgspec.to_builtins(stated).items() if name in message.body
        }


@pytest.mark.requirement("CAT-06")
async def test_stating_the_same_again_publishes_nothing_and_tells_nobody(catalog: Catalog) -> None:
    await catalog.furnish()
    await settle(catalog, 5)
    head = await catalog.head()
    same: list[tuple[str, Any]] = [
        (DEPARTMENT, {"name": "rsj"}),
        (SYSTEM, {"department": "zjj", "name": "住房保障管理系统"}),
        (f"/resources/{RESOURCE_CODE}", RESOURCE),
        (V1, {**INTERFACE, "timeout_s": 10}),
    ]
    for path, body in same:
        assert (await catalog.ask("PUT", path, body)).status_code == 200
    await catalog.put(DEPARTMENT, {"name": "人社局"})
    await settle(catalog, 6)
    assert await catalog.head() == head + 1
    assert catalog.log.events[-1].event == "department.changed"


async def settle(catalog: Catalog, events: int) -> None:
    """Wait until the log has heard so many events, besides what a first start tells of the law."""
    while len(heard := [one for one in catalog.log.events if not one.event.startswith("policy.")]) < events:
        await asyncio.sleep(0.02)
    assert len(heard) == events


@pytest.mark.requirement("CAT-06")
async def test_the_same_stated_at_once_is_registered_once(catalog: Catalog) -> None:
    answers = await asyncio.gather(*(catalog.ask("PUT", "/departments/gaj", {"name": "公安局"}) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 7 + [201]
    assert await catalog.head() == 1


@pytest.mark.requirement("CAT-05")
@pytest.mark.parametrize("path", [DEPARTMENT, SYSTEM, V1])
async def test_a_suspension_is_in_the_feed_at_once_and_nothing_revoked_comes_back(catalog: Catalog, path: str) -> None:
    await catalog.furnish()
    before = await catalog.head()
    waiting = asyncio.create_task(catalog.feed(before, hold_ms=2000))
    assert (await catalog.move(path, "suspend")).status_code == 200
    [entry] = (await waiting).entries
    state = msgspec.json.decode(entry.body)["state"]
    assert entry.revision == before + 1
    assert (state["standing"], state["by"], state["reason"]) == ("suspended", "platform", "a reason")

    again = refused(await catalog.move(path, "suspend"), 409, "request/conflict")
    assert again["standing"] == "suspended"
    body = (await catalog.ask("GET", path)).json()
    restated = {name: value for name, value in body.items() if name not in FOUND_OUT}
    assert (await catalog.put(path, {**restated, "name": "新名称"})).json()["state"]["standing"] == "suspended"

    assert (await catalog.move(path, "resume")).json()["state"]["standing"] == "active"
    assert (await catalog.move(path, "revoke")).json()["state"]["standing"] == "revoked"
    head = await catalog.head()
    for act in ("suspend", "resume", "revoke"):
        refused(await catalog.move(path, act), 409, "request/conflict")
    refused(await catalog.ask("PUT", path, restated), 409, "request/conflict")
    assert await catalog.head() == head


@pytest.mark.requirement("CAT-10")
async def test_departments_change_only_what_is_theirs(catalog: Catalog) -> None:
    await catalog.furnish()
    system = {"department": "zjj", "name": "另一个系统"}
    assert (await catalog.ask("PUT", "/systems/zjj-two", system, by="zjj")).status_code == 201
    assert (await catalog.ask("PUT", V1, {**INTERFACE, "timeout_s": 5}, by="rsj")).status_code == 200
    head = await catalog.head()
    attempts = [
        await catalog.ask("PUT", DEPARTMENT, {"name": "x"}, by="rsj"),
        await catalog.ask("PUT", "/systems/rsj-one", {"department": "rsj", "name": "x"}, by="zjj"),
        await catalog.ask("PUT", V1, {**INTERFACE, "base_url": "http://zjj.example"}, by="zjj"),
        await catalog.ask("PUT", f"/resources/{RESOURCE_CODE}", RESOURCE, by="zjj"),
        await catalog.ask("PUT", f"/resources/{RESOURCE_CODE}", RESOURCE, by="rsj"),
        await catalog.move(SYSTEM, "suspend", by="rsj"),
        await catalog.move(V1, "revoke", by="zjj"),
        await catalog.move(DEPARTMENT, "suspend", by="rsj"),
    ]
    for attempt in attempts:
        refused(attempt, 403, "request/not-responsible")
    takeovers = [
        await catalog.ask("PUT", SYSTEM, {"department": "rsj", "name": "x"}, by="rsj"),
        await catalog.ask("PUT", f"/resources/{RESOURCE_CODE}", {**RESOURCE, "provider": "zjj"}),
        await catalog.ask("PUT", V2, {**INTERFACE, "provider": "zjj"}, by="zjj"),
    ]
    for takeover in takeovers:
        refused(takeover, 409, "request/conflict")
    assert await catalog.head() == head


@pytest.mark.requirement("CAT-10")
async def test_what_the_platform_suspended_the_department_does_not_resume(catalog: Catalog) -> None:
    await catalog.furnish()
    await catalog.move(V1, "suspend", by="platform")
    document = refused(await catalog.move(V1, "resume", by="rsj"), 403, "request/not-responsible")
    assert document["responsible"] == "platform"
    assert (await catalog.move(V1, "resume", by="platform")).status_code == 200
    await catalog.move(V1, "suspend", by="rsj")
    assert (await catalog.move(V1, "resume", by="rsj")).status_code == 200


@pytest.mark.requirement("CAT-07")
@pytest.mark.parametrize(
    ("path", "changes", "wrong"),
    [
        (V1, {"networks": []}, ["/body/networks"]),
        (V1, {"provider": "swj"}, ["/body/provider"]),
        (V1, {"resource": "1019900100001/000009"}, ["/body/resource"]),
        (V1, {"fields": [{"name": "a", "mask": "x"}, {"name": "*"}]}, ["/body/fields/0/mask", "/body/fields/1/name"]),
        (V1, {"timeout_s": 0}, ["/body/timeout_s"]),
        (V1, {"name": "a\u0000b"}, ["/body/name"]),
        (V1, {"surprise": 1}, ["/body/surprise"]),
        (V1, {"consent_required": "no"}, ["/body/consent_required"]),
        (V1.replace("v1", "1"), {}, ["/path/version"]),
        (V1.replace("rsj-", "RSJ-"), {}, ["/path/interface_id"]),
        (V1.replace("v1", "v01"), {}, ["/path/version"]),
    ],
)
async def test_an_interface_that_cannot_work_is_refused(
    catalog: Catalog, path: str, changes: dict[str, Any], wrong: list[str]
) -> None:
    await catalog.furnish()
    head = await catalog.head()
    new = path.replace("rsj-social", "rsj-other").replace("RSJ-social", "RSJ-other")
    document = refused(await catalog.ask("PUT", new, {**INTERFACE, **changes}), 422, "request/invalid")
    assert paths(document) == wrong
    assert await catalog.head() == head


@pytest.mark.requirement("CAT-07")
@pytest.mark.parametrize(
    ("member", "text", "wrong"),
    [
        ("name", '"\\ud800"', "/body/name"),
        ("request", '{"title": "\\udc00"}', "/body/request/title"),
        ("request", '{"maximum": NaN}', "/body/request/maximum"),
        ("timeout_s", "NaN", "/body/timeout_s"),
    ],
)
async def test_what_cannot_be_written_as_json_again_is_refused(
    catalog: Catalog, member: str, text: str, wrong: str
) -> None:
    await catalog.furnish()
    body = json.dumps({**INTERFACE, member: "HERE"}).replace('"HERE"', text)
    headers = {"Authorization": f"Bearer {catalog.token()}", "Content-Type": "application/json"}
    answer = await catalog.client.put(V2, content=body, headers=headers)
    assert paths(refused(answer, 422, "request/invalid")) == [wrong]


@pytest.mark.requirement("CAT-09")
async def test_taking_a_mask_off_takes_a_new_version(catalog: Catalog) -> None:
    await catalog.furnish()
    bare = {**INTERFACE, "fields": [{"name": "name", "level": "L2"}, {"name": "pension"}]}
    document = refused(await catalog.ask("PUT", V1, bare), 409, "request/conflict")
    assert document["breaks"] == ["field name is gone or has another mask"]
    assert (await catalog.ask("PUT", V2, bare)).status_code == 201


@pytest.mark.requirement("CAT-12")
async def test_interfaces_follow_what_becomes_known_of_their_resource(catalog: Catalog) -> None:
    await catalog.furnish()
    await catalog.put(V2, INTERFACE)
    await catalog.move(V2, "revoke")
    head = await catalog.head()
    await catalog.put(f"/resources/{RESOURCE_CODE}", {**RESOURCE, "contains_personal_info": True})
    [entry] = (await catalog.feed(head)).entries
    assert (entry.id, msgspec.json.decode(entry.body)["retention"]) == ("rsj-social-insurance/v1", "personal")
    assert (await catalog.put(V1, INTERFACE)).json()["retention"] == "personal"
    assert await catalog.head() == head + 1


async def test_a_resource_states_ground_and_condition(catalog: Catalog) -> None:
    await catalog.furnish()
    none = {**RESOURCE, "share": {"type": "none", "reason": "法律禁止"}}
    document = refused(await catalog.ask("PUT", f"/resources/{RESOURCE_CODE}", none), 422, "request/invalid")
    assert paths(document) == ["/body/share/legal_basis"]
    refused(await catalog.ask("PUT", "/resources/0019900100003/1", RESOURCE), 422, "request/invalid")
    refused(await catalog.ask("PUT", "/resources/2039900100003", RESOURCE), 422, "request/invalid")


async def test_where_a_provider_stands_is_shown_to_it_and_the_platform_only(catalog: Catalog) -> None:
    await catalog.furnish()
    for reader, shown in (("rsj", True), ("platform", True), ("zjj", False)):
        one = (await catalog.ask("GET", V1, by=reader)).json()
        [listed] = (await catalog.ask("GET", "/interfaces", by=reader)).json()["items"]
        for interface in (one, listed):
            assert ("base_url" in interface, "networks" in interface) == (shown, shown)
            assert ("target" in interface["operations"][0]) is shown
            assert interface["fields"][0]["mask"] == "name_first"


async def test_lists_come_in_pages_and_by_owner(catalog: Catalog) -> None:
    await catalog.furnish()
    for version in ("v2", "v10"):
        await catalog.put(V1.replace("v1", version), INTERFACE)
    lists = [
        ("/departments", "", ["rsj", "zjj"]),
        ("/systems", "department=zjj", ["zjj-housing"]),
        ("/systems", "department=rsj", []),
        ("/resources", "provider=rsj", [RESOURCE_CODE]),
        ("/interfaces", "provider=rsj", ["v1", "v10", "v2"]),
        ("/interfaces", "provider=zjj", []),
    ]
    for path, query, expected in lists:
        found: list[str] = []
        after: str | None = ""
        while after is not None:
            page = (await catalog.ask("GET", f"{path}?limit=1&after={after}&{query}")).json()
            found += [item.get("version") or item.get("code") or item["id"] for item in page["items"]]
            after = page["next"]
        assert found == expected
    refused(await catalog.ask("GET", "/departments?after=%00"), 422, "request/invalid")


@pytest.mark.requirement("CAT-15")
async def test_every_address_asks_for_a_token_with_its_scope(catalog: Catalog) -> None:
    """Taken from the service's own description, so that a new address cannot be forgotten."""
    described = (await catalog.client.get("/openapi.json")).json()["paths"]
    addresses = [(method.upper(), path) for path, methods in described.items() for method in methods]
    for method, path in addresses:
        address = path.format_map(Parts())
        body: dict[str, str] | None = None if method == "GET" else {}
        stranger = await catalog.client.request(method, address, json=body)
        if path.startswith(OF_SERVICES) or path.endswith(("/use", "/release")) or (method, path) in TOLD_BY_SERVICES:
            refused(stranger, 401, "service/unauthenticated")
            continue
        if path in PUBLIC:
            assert stranger.status_code == 200
            continue
        refused(stranger, 401, "token/missing")
        if method != "GET":
            poor = await catalog.ask(method, address, body, allowed=(scopes.CALL, scopes.AUDIT_READ))
            assert poor.status_code in ((403,) if path.startswith(WRITTEN_BY_SCOPE) else (403, 404, 422)), poor.text
    assert len(addresses) > 20


OF_SERVICES = ("/feed", "/snapshot", "/usage", "/dossiers/", "/health", "/registrations/", "/revocations")
TOLD_BY_SERVICES = (("POST", "/notices"),)
"""Others may read there."""
PUBLIC = ("/consents/jwks",)
WRITTEN_BY_SCOPE = ("/departments", "/systems", "/resources", "/grants")
"""The others go by office: any token may try, and what it may do stands in the table of the procedure."""


class Parts(dict[str, str]):
    """What stands in an address for each of its variables."""

    def __missing__(self, name: str) -> str:
        classification, _, number = RESOURCE_CODE.partition("/")
        known = {"department_id": "rsj", "version": "v1", "code": RESOURCE_CODE, "act": "suspend", "n": "1"}
        return {**known, "classification": classification, "number": number, "event": "test"}.get(name, "x")


@pytest.mark.requirement("CAT-15")
async def test_registering_needs_the_scope_and_a_good_token(catalog: Catalog) -> None:
    body = {"name": "人社局"}
    refused(await catalog.client.put(DEPARTMENT, json=body), 401, "token/missing")
    refused(await catalog.ask("PUT", DEPARTMENT, body, allowed=(scopes.GRANT_WRITE,)), 403, "token/insufficient-scope")
    refused(await catalog.ask("PUT", DEPARTMENT, body, aud="https://elsewhere.example"), 401, "token/invalid")
    refused(await catalog.ask("PUT", DEPARTMENT, body, iss="https://elsewhere.example"), 401, "token/invalid")
    refused(await catalog.ask("PUT", DEPARTMENT, body, exp=1), 401, "token/invalid")
    assert await catalog.head() == 0


@pytest.mark.requirement("CAT-15")
async def test_feed_and_snapshot_are_for_our_own_services(catalog: Catalog) -> None:
    token = {"Authorization": f"Bearer {catalog.token()}"}
    for target in ("/feed?after=0", "/snapshot"):
        refused(await catalog.client.get(target, headers=token), 401, "service/unauthenticated")
        other = catalog.service_key.headers("GET", "/feed?after=1")
        refused(await catalog.client.get(target, headers=other), 401, "service/unauthenticated")


async def test_unknown_things_are_not_found(catalog: Catalog) -> None:
    for path in ("/departments/x", "/systems/x", f"/resources/{RESOURCE_CODE}", "/grants/x"):
        refused(await catalog.ask("GET", path), 404, "request/not-found")
    refused(await catalog.ask("GET", V1), 404, "interface/unknown")
    for path in ("/departments/x", "/systems/x", "/grants/x"):
        refused(await catalog.move(path, "suspend"), 404, "request/not-found")
    refused(await catalog.move(V1, "suspend"), 404, "interface/unknown")


async def test_it_is_ready_while_the_database_answers(catalog: Catalog) -> None:
    assert (await catalog.client.get("/health/ready")).status_code == 200
