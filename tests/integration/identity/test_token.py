"""Getting a token: what it says, that none leaves unrecorded, scopes, forms and secrets."""

import asyncio
import base64
import hashlib
import json
import time
from typing import Any

import httpx2
import pytest

pytestmark = pytest.mark.anyio
ISSUER = "https://tongdao.example"


def part(token: str, index: int) -> dict[str, Any]:
    text = token.split(".")[index]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    return decoded


@pytest.mark.requirement("IDN-01")
async def test_a_token_is_an_rfc_9068_token_that_our_services_accept(service: Any) -> None:
    client_id, key = await service.registered(scope="call audit:read")
    answer = await service.ask(service.assertion(client_id, key), scope="call")
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert body.keys() == {"access_token", "token_type", "expires_in", "scope"}
    assert (body["token_type"], body["expires_in"], body["scope"]) == ("Bearer", 300, "call")
    assert part(body["access_token"], 0) == {"alg": "ES256", "typ": "at+jwt", "kid": "signing-1"}
    claims = part(body["access_token"], 1)
    assert claims.keys() == {"iss", "sub", "aud", "client_id", "department", "scope", "iat", "exp", "jti"}
    assert (claims["iss"], claims["aud"], claims["sub"], claims["department"]) == (ISSUER, ISSUER, client_id, "gaj")
    assert claims["exp"] - claims["iat"] == 300
    verified = (await service.verifier()).verify(body["access_token"], time.time())
    assert (verified.client, verified.scopes) == (client_id, {"call"})


@pytest.mark.requirement("IDN-02")
async def test_a_token_is_in_the_log_before_it_is_answered(service: Any) -> None:
    client_id, key = await service.registered()
    token = await service.token(client_id, key)
    (event,) = service.log.events("token.issued", actor=client_id)
    token_id = part(token, 1)["jti"]
    digest = hashlib.sha256(token_id.encode()).hexdigest()
    assert event.facts == {"jti_sha256": digest, "method": "private_key_jwt", "scope": "call"}
    assert event.department == "gaj"
    assert token_id not in str(event)


@pytest.mark.requirement("IDN-02")
@pytest.mark.parametrize("mode", ["down", "full", "forgetful"])
async def test_without_the_log_there_is_no_token_and_the_next_one_is_recorded(service: Any, mode: str) -> None:
    client_id, key = await service.registered()
    service.log.mode = mode
    answer = await service.ask(service.assertion(client_id, key))
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "audit/unavailable"
    assert "access_token" not in answer.text
    assert "eyJ" not in answer.text
    service.log.mode = "ok"
    await service.token(client_id, key)
    # the record of the token that nobody got is delivered too: a record too many, never one too few
    assert len(service.log.events("token.issued", actor=client_id)) == 2


@pytest.mark.requirement("IDN-02")
async def test_a_lease_that_ended_is_started_anew(service: Any) -> None:
    client_id, key = await service.registered()
    service.log.end_leases()
    await service.token(client_id, key)
    assert len(service.log.events("token.issued", actor=client_id)) == 1


@pytest.mark.requirement("IDN-02")
async def test_many_tokens_at_once_on_two_processes_are_all_recorded(service: Any, start: Any) -> None:
    client_id, key = await service.registered()
    async with start(instance="identity-2") as other:

        async def one(asked: Any) -> bool:
            token_id = part(await asked.token(client_id, key), 1)["jti"]
            digest = hashlib.sha256(token_id.encode()).hexdigest()
            return bool(asked.log.events("token.issued", jti_sha256=digest))

        recorded_when_answered = await asyncio.gather(*(one(asked) for asked in [service, other] * 15))
    assert all(recorded_when_answered)


@pytest.mark.requirement("IDN-06")
@pytest.mark.parametrize(
    ("scope", "error"),
    [
        ("call", ""),
        ("audit:read call", ""),
        ("grant:write", "invalid_scope"),
        ("call grant:write", "invalid_scope"),
        ("CALL", "invalid_scope"),
        ("call  audit:read", "invalid_scope"),
        ('"call"', "invalid_scope"),
        ("call\x00", "invalid_scope"),
        ("范围", "invalid_scope"),
        ("x" * 8000, "invalid_scope"),
    ],
)
async def test_a_token_has_scopes_that_the_client_has(service: Any, scope: str, error: str) -> None:
    client_id, key = await service.registered(scope="call audit:read")
    answer = await service.ask(service.assertion(client_id, key), scope=scope)
    if not error:
        assert answer.json()["scope"] == scope
        return
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"].startswith("scope: expected")


@pytest.mark.requirement("IDN-06")
async def test_who_asks_for_no_scope_gets_all_of_theirs(service: Any) -> None:
    client_id, key = await service.registered(scope="audit:read call")
    assert (await service.ask(service.assertion(client_id, key))).json()["scope"] == "audit:read call"


async def test_a_token_for_somebody_else_is_refused(service: Any) -> None:
    client_id, key = await service.registered()
    answer = await service.ask(service.assertion(client_id, key), resource="https://other.example")
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_target")
    assert (await service.ask(service.assertion(client_id, key), resource=ISSUER)).status_code == 200


FORM = "application/x-www-form-urlencoded"
GRANT = b"grant_type=client_credentials"


@pytest.mark.requirement("IDN-07")
@pytest.mark.parametrize(
    ("headers", "body", "query", "status", "error"),
    [
        ([("Content-Type", FORM)], GRANT, "", 401, "invalid_client"),
        ([("Content-Type", FORM + "; charset=utf-8")], GRANT, "", 401, "invalid_client"),
        ([("Content-Type", FORM)], GRANT, "?client_id=a", 400, "invalid_request"),
        ([("Content-Type", "application/json")], b'{"grant_type":"client_credentials"}', "", 400, "invalid_request"),
        ([("Content-Type", FORM), ("Content-Type", FORM)], GRANT, "", 400, "invalid_request"),
        ([], GRANT, "", 400, "invalid_request"),
        ([("Content-Type", FORM)], GRANT + b"&" + GRANT, "", 400, "invalid_request"),
        ([("Content-Type", FORM)], b"", "", 400, "invalid_request"),
        ([("Content-Type", FORM)], b"scope=call", "", 400, "invalid_request"),
        ([("Content-Type", FORM)], b"grant_type=", "", 400, "invalid_request"),
        ([("Content-Type", FORM)], b"grant_type=%ff%fe", "", 400, "invalid_request"),
        ([("Content-Type", FORM)], "grant_type=中".encode(), "", 400, "invalid_request"),
        ([("Content-Type", FORM)], GRANT + b"&a=1" * 40, "", 400, "invalid_request"),
        ([("Content-Type", FORM)], b"grant_type=password&username=a&password=b", "", 400, "unsupported_grant_type"),
        ([("Content-Type", FORM)], b"grant_type=device_code", "", 400, "unsupported_grant_type"),
        ([("Content-Type", FORM)], b"grant_type=%22%5C%00%E4%B8%AD", "", 400, "unsupported_grant_type"),
        (
            [("Content-Type", FORM), ("Authorization", "Basic YTpi")],
            GRANT + b"&client_assertion=x",
            "",
            400,
            "invalid_request",
        ),
        ([("Content-Type", FORM)], GRANT + b"&client_assertion=x&client_secret=y", "", 400, "invalid_request"),
        ([("Content-Type", FORM)], GRANT + b"&client_id=a&client_secret=y", "", 401, "invalid_client"),
        (
            [("Content-Type", FORM), ("Authorization", "Basic YTpi"), ("Authorization", "Basic YTpi")],
            GRANT,
            "",
            400,
            "invalid_request",
        ),
        ([("Content-Type", FORM), ("Authorization", "Bearer abc")], GRANT, "", 401, "invalid_client"),
    ],
)
async def test_requests_that_are_not_one_plain_form(
    service: Any, headers: list[tuple[str, str]], body: bytes, query: str, status: int, error: str
) -> None:
    answer = await service.http.post("/oauth2/token" + query, content=body, headers=headers)
    assert (answer.status_code, answer.json()) == (status, {"error": error})


@pytest.mark.requirement("IDN-07")
async def test_other_methods_and_large_bodies(service: Any) -> None:
    assert (await service.http.get("/oauth2/token")).status_code == 405
    for body in (b"a" * 1_000_000, b"&".join(b"p%d=1" % n for n in range(10_000))):
        answer = await service.http.post("/oauth2/token", content=body, headers={"Content-Type": FORM})
        assert answer.status_code == 413


async def basic(service: Any, who: str, secret: str, **form: str) -> httpx2.Response:
    answer: httpx2.Response = await service.http.post(
        "/oauth2/token", data={"grant_type": "client_credentials", **form}, auth=(who, secret)
    )
    return answer


SECRET = "a-secret-of-32-bytes-or-more-0123456789"


@pytest.mark.requirement("IDN-08")
async def test_secrets_count_only_where_a_setting_allows_them(start: Any) -> None:
    async with start(allow_client_secret_basic=True) as service:
        client_id, _ = await service.registered(method="client_secret_basic", secret=SECRET, jwks=None)
        good = await basic(service, client_id, SECRET)
        assert good.status_code == 200, good.text
        (event,) = service.log.events("token.issued", actor=client_id)
        assert event.facts["method"] == "client_secret_basic"
        for who, secret in ((client_id, SECRET[:-1]), ("nobody-knows", SECRET), ("", SECRET)):
            bad = await basic(service, who, secret)
            assert (bad.status_code, bad.json()) == (401, {"error": "invalid_client"})
            assert bad.headers["www-authenticate"].startswith("Basic realm=")
        told = await basic(service, client_id, SECRET, scope="audit:read")
        assert "error_description" in told.json()
        other = await basic(service, client_id, SECRET, client_id="other")
        assert (other.status_code, "error_description" in other.json()) == (401, True)
        with_key, _ = await service.registered()
        assert (await basic(service, with_key, SECRET)).status_code == 401
    async with start() as service:
        assert (await basic(service, client_id, SECRET)).status_code == 401


@pytest.mark.requirement("IDN-08")
async def test_a_client_with_a_secret_cannot_sign(start: Any) -> None:
    async with start(allow_client_secret_basic=True) as service:
        client_id, key = await service.registered(method="client_secret_basic", secret=SECRET, jwks=None)
        answer = await service.ask(service.assertion(client_id, key))
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
