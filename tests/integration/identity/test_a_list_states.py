"""Rows of the A-list (security plan 5.3) that need more than one request: replicas, restarts, limits, standing."""

import asyncio
import secrets
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey

from harness.jws import dpop
from identity import throttle
from wire.catalog import Department, Snapshot, State, System

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("IDT-02")]
ISSUER = "https://tongdao.example"
TOKEN = "/oauth2/token"
SECRET = secrets.token_urlsafe(32)


@pytest.mark.parametrize("where", ["A-10 same replica", "A-10 another replica", "A-10 after a restart"])
async def test_an_assertion_counts_once(start: Any, where: str) -> None:
    async with start() as service:
        client, key = await service.registered()
        assertion = service.assertion(client, key)
        assert (await service.ask(assertion)).status_code == 200
        if where == "A-10 same replica":
            assert (await service.ask(assertion)).status_code == 401
        elif where == "A-10 another replica":
            async with start(instance="identity-2") as other:
                assert (await other.ask(assertion)).status_code == 401
    if where == "A-10 after a restart":
        async with start() as again:
            assert (await again.ask(assertion)).status_code == 401


@pytest.mark.parametrize("at_once", [pytest.param(50, id="A-10 50 in parallel on two replicas")])
async def test_one_of_many_at_once_gets_the_token(service: Any, start: Any, at_once: int) -> None:
    client, key = await service.registered()
    assertion = service.assertion(client, key)
    async with start(instance="identity-2") as other:
        asked = [(service, other)[n % 2].ask(assertion, address=f"192.0.2.{n}") for n in range(at_once)]
        statuses = sorted(answer.status_code for answer in await asyncio.gather(*asked))
    assert statuses == [200] + [401] * (at_once - 1)


@pytest.mark.parametrize("secret", [pytest.param("x" * 40, id="A-05 wrong secret")])
async def test_a_wrong_secret_and_an_unknown_client_look_alike(start: Any, secret: str) -> None:
    async with start(allow_client_secret_basic=True) as service:
        client, _ = await service.registered(method="client_secret_basic", secret=SECRET, jwks=None)
        data = {"grant_type": "client_credentials"}
        answers = [await service.http.post(TOKEN, data=data, auth=(who, secret)) for who in (client, "nobody")]
        assert (await service.http.post(TOKEN, data=data, auth=(client, SECRET))).status_code == 200
    assert {(one.status_code, one.text) for one in answers} == {(401, '{"error":"invalid_client"}')}


@pytest.mark.parametrize("known", [True, False], ids=["A-21 a client", "A-21 nobody"])
async def test_who_fails_too_often_waits_and_others_do_not(
    service: Any, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, key = await service.registered()
    name, stranger = client if known else "nobody-knows", ECKey.generate_key("P-256", {"kid": str(key.kid)})
    for _ in range(10):
        failed = await service.ask(service.assertion(name, stranger), address="203.0.113.7")
        assert failed.status_code == 401
    slowed = await service.ask(service.assertion(name, key), address="203.0.113.7")
    assert (slowed.status_code, slowed.json()) == (429, {"error": "slow_down"})
    assert 0 < int(slowed.headers["retry-after"]) <= 60
    assert (await service.ask(service.assertion(client, key), address="198.51.100.4")).status_code == 200
    monkeypatch.setattr(throttle, "WINDOW_S", 0.0)  # the minute is over
    again = service.assertion(name, key)
    assert (await service.ask(again, address="203.0.113.7")).status_code == (200 if known else 401)


@pytest.mark.parametrize("standing", ["suspended", "revoked"])
@pytest.mark.parametrize("what", ["A-22 system", "A-22 department", "A-22 client"])
async def test_who_is_suspended_gets_nothing(start: Any, what: str, standing: Any) -> None:
    async with start() as service:
        client, key = await service.registered()
    state = State(standing=standing, since="2026-01-01T00:00:00Z", by="authority", reason="test")
    whole, usual = (state, State()) if what == "A-22 department" else (State(), state)
    if what != "A-22 client":
        service.catalog.snapshot = Snapshot(
            revision=2, interfaces=[], grants=[], departments=[Department(id="gaj", name="gaj", state=whole)],
            systems=[System(id=client, department="gaj", name="s", state=usual)],
        )  # fmt: skip
    async with start() as service:
        if what == "A-22 client":
            headers = {"Authorization": f"Bearer {await service.operator_token()}"}
            body = {"standing": standing, "reason": "test"}
            answer = await service.http.post(f"/oauth2/clients/{client}/standing", json=body, headers=headers)
            assert answer.status_code == 200, answer.text
        async with asyncio.timeout(10):
            while (answer := await service.ask(service.assertion(client, key))).status_code == 200:
                await asyncio.sleep(0.02)
        assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
        assert standing in answer.json()["error_description"]
        service.catalog.snapshot = Snapshot(revision=3, departments=[], systems=[], interfaces=[], grants=[])


@pytest.mark.parametrize("left_s", [pytest.param(30, id="A-22 the key's end")])
async def test_a_key_that_is_past_its_end_gets_nothing(service: Any, left_s: int) -> None:
    """There is no agreement with an end of its own here: what ends is a client's key, and each grant."""
    now = int(service.clock.now().timestamp())
    key = ECKey.generate_key("P-256", {"kid": "ends-soon"})
    jwks = {"keys": [{**key.as_dict(private=False), "until": now + left_s}]}
    client, _ = await service.registered(jwks=jwks)
    assert (await service.ask(service.assertion(client, key))).status_code == 200
    service.clock.ahead += timedelta(seconds=left_s + 1)
    later = now + left_s + 1
    answer = await service.ask(service.assertion(client, key, iat=later, exp=later + 60))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert "eyJ" not in answer.text


@pytest.mark.parametrize("row", ["A-23 nonce missing, old, right"])
async def test_a_proof_names_a_nonce_where_that_is_set(start: Any, row: str) -> None:
    own, url = ECKey.generate_key("P-256"), ISSUER + TOKEN
    async with start(dpop_nonce=True) as service, start(dpop_nonce=True, instance="identity-2") as other:
        client, key = await service.registered()
        for nonce in (None, "old"):
            answer = await service.ask(service.assertion(client, key), proofs=[dpop(own, "POST", url, nonce=nonce)])
            assert (answer.status_code, answer.json()["error"]) == (400, "use_dpop_nonce"), row
        nonce = answer.headers["dpop-nonce"]
        answer = await other.ask(other.assertion(client, key), proofs=[dpop(own, "POST", url, nonce=nonce)])
    assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP")


@pytest.mark.parametrize("mode", ["down", "full"], ids=["A-24 no log", "A-24 a full log"])
async def test_without_the_log_there_is_no_token(service: Any, mode: str) -> None:
    client, key = await service.registered()
    service.log.mode = mode
    answer = await service.ask(service.assertion(client, key))
    assert (answer.status_code, answer.json()["code"]) == (503, "audit/unavailable")
    assert "eyJ" not in answer.text
    service.log.mode = "ok"
