"""What holds for every route: bodies take what they state and no more, GET changes nothing, pages have an end."""

import asyncio
import hashlib
import re
from collections.abc import Iterator
from typing import Any

import asyncpg
import pytest
from joserfc.jwk import ECKey

from harness.errors import check_hygiene
from harness.proving import Ground

pytestmark = [pytest.mark.xdist_group("ground")]
SERVICES = {
    "catalog-service": ("catalog-everything", "system-administrator"),
    "audit-service": ("audit-everything",),
    "exchange-service": ("catalog-everything",),
    "identity": ("identity-everything",),
    "gateway": ("catalog-everything",),
}
TOO_MUCH = {"status": "published", "approved_by": "me", "dept_id": "gaj", "role": "admin", "quota": 10**9}
MOST_AT_ONCE = 5000
HOSTILE = {
    "half-a-document": (b'{"a":', "application/json"),
    "deep": (b"[" * 100_000, "application/json"),
    "not-utf-8": (b'{"name": "\xff\xfe"}', "application/json"),
    "half-a-character": (b'{"name": "\\ud800"}', "application/json"),
    "another-kind": (b"<a/>", "application/xml"),
    "a-form": (b"a=1&a=2", "application/x-www-form-urlencoded"),
    "a-number": (b"1e999999", "application/json"),
    "nothing": (b"", "application/json"),
}


def operations(ground: Ground, service: str) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Method, an address and the operation, without those for our own services alone."""
    for path, methods in ground.document(service)["paths"].items():
        for method, operation in methods.items():
            if {"service": []} not in operation["security"]:
                yield method.upper(), re.sub(r"\{[^}]+\}", "gaj", path), operation


@pytest.mark.requirement("ROU-04")
@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("service", SERVICES)
def test_a_hostile_body_is_refused_without_a_word_about_us(ground: Ground, service: str, what: str) -> None:
    content, kind = HOSTILE[what]
    for method, path, _ in operations(ground, service):
        if method not in ("GET", "DELETE"):
            answer = ground.ask(
                service, method, path, SERVICES[service][0], content=content, headers={"Content-Type": kind}
            )
            assert answer.status_code < 500, f"{method} {path}: {answer.status_code} {answer.text}"
            check_hygiene(answer)


@pytest.mark.requirement("ROU-04")
@pytest.mark.parametrize("query", ["limit=%00", "after=%ff%fe", "from=0x41&to=%27%3B--", "%5B%5D=1", "limit=1&limit=x"])
@pytest.mark.parametrize("service", SERVICES)
def test_a_hostile_query_is_refused_without_a_word_about_us(ground: Ground, service: str, query: str) -> None:
    for method, path, _ in operations(ground, service):
        if method == "GET":
            answer = ground.ask(service, method, f"{path}?{query}", SERVICES[service][0])
            assert answer.status_code < 500, f"{method} {path}: {answer.status_code} {answer.text}"
            check_hygiene(answer)


@pytest.mark.requirement("ROU-05")
@pytest.mark.parametrize("service", SERVICES)
def test_no_body_takes_what_it_does_not_state(ground: Ground, service: str) -> None:
    """Each member that is too much, also one that a record really has, is refused by name."""
    document, asked = ground.document(service), 0
    for method, path, operation in operations(ground, service):
        schema = _body(document, operation)
        if schema is None:
            continue
        assert schema.get("additionalProperties") is False, f"{method} {path} takes anything"
        extras = {name: value for name, value in TOO_MUCH.items() if name not in schema["properties"]}
        answers = [ground.ask(service, method, path, role, json=extras) for role in SERVICES[service]]
        assert all(answer.status_code in (403, 404, 422) for answer in answers), f"{method} {path}: {answers}"
        refused = [answer for answer in answers if answer.status_code == 422]
        assert refused, f"{method} {path}: nobody came so far: {answers}"
        assert any(name in refused[0].text for name in extras) or "errors" in refused[0].json(), refused[0].text
        asked += 1
    assert asked or service == "gateway"


PUBLIC_KEY = {**ECKey.generate_key("P-256", {"kid": "rou-05"}).as_dict(private=False)}
WHOLE: dict[str, tuple[str, str, str, str, dict[str, Any], dict[str, Any]]] = {
    "client": (
        "identity", "security-administrator", "PUT", "/oauth2/clients/rou-05",
        {"department": "gaj", "jwks": {"keys": [PUBLIC_KEY]}}, {"standing": "active", "quota": 1},
    ),
    "person": (
        "identity", "security-administrator", "POST", "/oauth2/people",
        {"login": "rou-05", "name": "张三", "department": "gaj", "roles": ["officer"]},
        {"state": "active", "scopes": "x"},
    ),
    "grant": (
        "catalog-service", "catalog-everything", "POST", "/grants",
        {"system": "sthjj-emission", "interface": "gaj-vehicle-info/v1", "purpose": "核验", "fields": ["status"]},
        {"id": "mine", "state": {"standing": "active"}, "approved_by": "me", "department": "gaj", "revision": 1},
    ),
    "system": (
        "catalog-service", "catalog-everything", "PUT", "/systems/rou-05", {"department": "gaj", "name": "系统"},
        {"state": {"standing": "active"}, "role": "admin", "scope": "catalog:write"},
    ),
    "application": (
        "catalog-service", "officer", "POST", "/cases",
        {"kind": "application", "interface": "sthjj-air-quality/v1", "system": "gaj-rou-05", "details": {}},
        {"state": "granted", "department": "gaj", "quota": 10**9, "approved_by": "me"},
    ),
}  # fmt: skip
"""Service, who asks, method, address, a body that is taken, and what somebody would like to have in it."""


@pytest.mark.requirement("ROU-05")
@pytest.mark.parametrize("what", WHOLE, ids=[f"E-5 {what}" for what in WHOLE])
def test_a_good_body_with_one_member_too_much_is_refused_by_its_name(ground: Ground, what: str) -> None:
    service, role, method, path, body, extras = WHOLE[what]
    for name, value in extras.items():
        answer = ground.ask(service, method, path, role, json={**body, name: value})
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), f"{name}: {answer.text}"
        assert [error["path"].strip("/").split("/")[-1] for error in answer.json()["errors"]] == [name], answer.text
    whole = ground.ask(service, method, path, role, json=body)
    assert whole.status_code in TAKEN.get(what, (200, 201)), f"refused for something else: {whole.text}"


TAKEN = {"application": (201, 404, 409, 422)}
"""What the law's own table says of an application without its papers; its form was read."""


def _body(document: dict[str, Any], operation: dict[str, Any]) -> dict[str, Any] | None:
    """The schema of a JSON object that the operation takes, None where it takes none."""
    schema = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    for choice in schema.get("anyOf", [schema]):
        found = document["components"]["schemas"].get(choice.get("$ref", "").rpartition("/")[2], choice)
        if found.get("type") == "object":
            return dict(found)
    return None


@pytest.mark.requirement("ROU-07")
@pytest.mark.parametrize("service", SERVICES)
def test_every_page_has_an_end(ground: Ground, service: str) -> None:
    for method, path, operation in operations(ground, service):
        for one in operation.get("parameters", ()):
            if one["name"] == "limit":
                bounds = one["schema"]
                assert bounds["minimum"] == 1, path
                assert bounds["maximum"] <= MOST_AT_ONCE, path
                for limit in (0, -1, bounds["maximum"] + 1, 10**30, "1e3", ""):
                    answer = ground.ask(service, method, f"{path}?limit={limit}", SERVICES[service][0])
                    assert answer.status_code in (404, 422), f"{path}?limit={limit}: {answer.status_code}"


# --- GET changes nothing ----------------------------------------------------------------------------------------------
MOVING = {
    "catalog.outbox", "catalog.follower", "catalog.usage_report", "catalog.grant_use", "identity.outbox",
    "identity.used_assertion", "catalog.health_report", "catalog.interface_day", "catalog.interface_health",
}  # fmt: skip
"""What moves by itself, and where it is written down that somebody looked."""


@pytest.mark.requirement("ROU-06")
@pytest.mark.parametrize("service", ["catalog-service", "exchange-service", "identity"])
def test_get_changes_nothing(ground: Ground, service: str) -> None:
    schema = service.removesuffix("-service")
    for role in SERVICES[service]:
        ground.token(role)
    before = asyncio.run(_digests(ground.platform.database_url, schema))
    for method, path, _ in operations(ground, service):
        if method == "GET":
            for role in (*SERVICES[service], "anonymous"):
                check_hygiene(ground.ask(service, "GET", path, role))
                check_hygiene(ground.ask(service, "HEAD", path, role))
    after = asyncio.run(_digests(ground.platform.database_url, schema))
    assert {table for table in before if before[table] != after[table]} <= MOVING


async def _digests(url: str, schema: str) -> dict[str, str]:
    """Digest of all rows of every table."""
    connection = await asyncpg.connect(url)
    try:
        tables = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
        digests = {}
        for (table,) in tables:
            rows = await connection.fetch(f'SELECT t::text FROM "{schema}"."{table}" t ORDER BY 1')
            digests[f"{schema}.{table}"] = hashlib.sha256(repr([row[0] for row in rows]).encode()).hexdigest()
        return digests
    finally:
        await connection.close()
