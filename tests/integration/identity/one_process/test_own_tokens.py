"""What a client may do with tokens: ask what they say, give them back, act for another system with them."""

import asyncio
import time
from typing import Any

import httpx2
import pytest
from joserfc.jwk import ECKey

from harness.jws import dpop
from wire import scopes

pytestmark = pytest.mark.anyio
INTROSPECT, REVOKE, URL = "/oauth2/introspect", "/oauth2/revoke", "https://tongdao.example/oauth2/token"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
Who = tuple[str, ECKey]
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


async def told(service: Any, who: Who, token: str) -> dict[str, Any]:
    answer = await service.ask(service.assertion(*who), path=INTROSPECT, token=token)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    said: dict[str, Any] = answer.json()
    return said


async def revoke(service: Any, who: Who, token: str) -> httpx2.Response:
    answer: httpx2.Response = await service.ask(service.assertion(*who), path=REVOKE, token=token)
    return answer


# --- introspection ----------------------------------------------------------------------------------------------------
@pytest.mark.requirement("IDT-04")
async def test_a_client_is_told_what_its_token_says(shared: Any) -> None:
    client, key = await shared.registered()
    own = ECKey.generate_key("P-256")
    answer = await shared.ask(shared.assertion(client, key), proofs=[dpop(own, "POST", URL)])
    said = await told(shared, (client, key), answer.json()["access_token"])
    assert said.pop("exp") - said.pop("iat") == 300
    assert said.pop("jti")
    assert said == {
        "active": True, "iss": "https://tongdao.example", "sub": client, "client_id": client, "department": "gaj",
        "scope": "call", "token_type": "DPoP", "cnf": {"jkt": own.thumbprint()},
    }  # fmt: skip


@pytest.mark.requirement("IDT-04")
async def test_others_are_told_nothing_but_those_with_the_scope(shared: Any) -> None:
    client, key = await shared.registered()
    token = await shared.token(client, key)
    stranger = await shared.registered()
    asking = await shared.registered(scope=scopes.TOKEN_INTROSPECT)
    assert await told(shared, stranger, token) == {"active": False}
    assert (await told(shared, asking, token))["sub"] == client
    assert await told(shared, asking, token[:-3] + "AAA") == {"active": False}


# --- revocation -------------------------------------------------------------------------------------------------------
@pytest.mark.requirement("IDT-04")
async def test_a_token_that_was_given_back_counts_no_longer_and_the_catalog_knows(service: Any, start: Any) -> None:
    client, key = await service.registered()
    token, other = await service.token(client, key), await service.token(client, key)
    said = await told(service, (client, key), token)
    answer = await revoke(service, (client, key), token)
    assert (answer.status_code, answer.content) == (200, b"")
    (revoked,) = [one for one in service.catalog.revocations if one.name == said["jti"]]
    assert (revoked.what, revoked.name, revoked.until) == ("token", said["jti"], said["exp"] + 60)
    assert await told(service, (client, key), token) == {"active": False}
    assert (await told(service, (client, key), other))["active"]
    async with start(instance="identity-2") as elsewhere:
        assert await told(elsewhere, (client, key), token) == {"active": False}
    async with asyncio.timeout(10):
        while not (events := service.log.events("token.revoked", actor=client)):
            await asyncio.sleep(0.02)
    assert said["jti"] not in str(events)


@pytest.mark.requirement("IDT-04")
async def test_a_token_of_somebody_else_is_not_revoked(service: Any) -> None:
    client, key = await service.registered()
    token = await service.token(client, key)
    answer = await revoke(service, await service.registered(), token)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_grant")
    said = await told(service, (client, key), token)
    assert said["active"]
    assert not any(one.name == said["jti"] for one in service.catalog.revocations)


@pytest.mark.requirement("IDT-04")
async def test_a_catalog_that_is_away_learns_of_it_later(service: Any) -> None:
    client, key = await service.registered()
    token = await service.token(client, key)
    service.catalog.away = True
    assert (await revoke(service, (client, key), token)).status_code == 200
    assert await told(service, (client, key), token) == {"active": False}
    before = list(service.catalog.revocations)
    service.catalog.away = False
    async with asyncio.timeout(10):
        while service.catalog.revocations == before:
            await asyncio.sleep(0.02)
    assert [one.what for one in service.catalog.revocations[len(before) :]] == ["token"]


# --- token exchange ---------------------------------------------------------------------------------------------------
class Two:
    """A system that lets another act for it."""

    def __init__(self, service: Any) -> None:
        self.service = service

    async def begin(self, *, may_act: bool = True, allowed: str = "call audit:read token:exchange") -> "Two":
        grants = ["client_credentials", EXCHANGE]
        self.actor = await self.service.registered(department="mzj", scope=allowed, grants=grants)
        self.subject = await self.service.registered(
            scope="call grant:write", may_act=[self.actor[0]] if may_act else []
        )
        return self

    async def exchange(self, token: str, **form: str) -> httpx2.Response:
        members = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, "grant_type": EXCHANGE, **form}
        answer: httpx2.Response = await self.service.ask(self.service.assertion(*self.actor), **members)
        return answer

    async def token(self) -> str:
        return str(await self.service.token(*self.subject))


@pytest.mark.requirement("IDT-05")
async def test_an_actor_gets_a_token_for_the_subject_that_names_both(shared: Any) -> None:
    two = await Two(shared).begin()
    answer = await two.exchange(await two.token())
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body.keys() == {"access_token", "issued_token_type", "token_type", "expires_in", "scope"}
    assert (body["issued_token_type"], body["token_type"], body["scope"]) == (ACCESS_TOKEN, "Bearer", "call")
    verified = (await shared.verifier()).verify(body["access_token"], time.time())
    assert (verified.client, verified.actor, verified.department) == (two.subject[0], two.actor[0], "gaj")
    (event,) = shared.log.events("token.exchanged", actor=two.actor[0])
    assert (event.facts["subject"], event.facts["scope"]) == (two.subject[0], "call")
    for who in (two.subject, two.actor):
        assert (await told(shared, who, body["access_token"]))["act"] == {"sub": two.actor[0]}
    assert (await revoke(shared, two.subject, body["access_token"])).status_code == 200
    assert await told(shared, two.actor, body["access_token"]) == {"active": False}


@pytest.mark.requirement("IDT-05")
@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"scope": "grant:write"}, "invalid_scope"),
        ({"scope": "audit:read"}, "invalid_scope"),
        ({"scope": "token:exchange"}, "invalid_scope"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:jwt"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"actor_token": "x"}, "invalid_request"),
        ({"audience": "https://b.example"}, "invalid_target"),
        ({"subject_token": "a.b.c"}, "invalid_request"),
    ],
)
async def test_an_exchange_that_is_not_as_it_should_be(shared: Any, form: dict[str, str], error: str) -> None:
    two = await Two(shared).begin()
    answer = await two.exchange(await two.token(), **form)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert shared.log.events("token.exchanged", actor=two.actor[0]) == []


@pytest.mark.requirement("IDT-05")
async def test_nobody_acts_for_a_system_that_did_not_agree(shared: Any) -> None:
    two = await Two(shared).begin(may_act=False)
    answer = await two.exchange(await two.token())
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")


@pytest.mark.requirement("IDT-05")
async def test_nobody_acts_without_the_scope(shared: Any) -> None:
    two = await Two(shared).begin(allowed="call")
    answer = await two.exchange(await two.token())
    assert (answer.status_code, answer.json()["error"]) == (400, "unauthorized_client")


@pytest.mark.requirement("IDT-05")
async def test_revoked_and_exchanged_tokens_are_not_given_in_exchange(shared: Any) -> None:
    two = await Two(shared).begin()
    token = await two.token()
    exchanged = (await two.exchange(token)).json()["access_token"]
    assert (await two.exchange(exchanged)).json()["error"] == "invalid_request"
    await revoke(shared, two.subject, token)
    assert (await two.exchange(token)).json()["error"] == "invalid_request"


@pytest.mark.requirement("IDT-05")
async def test_an_exchanged_token_lives_no_longer_than_the_one_given(start: Any) -> None:
    async with start(token_life_s=20) as short, start(instance="identity-2") as service:
        two = await Two(service).begin()
        token = await short.token(*two.subject)
        assert (await two.exchange(token)).json()["expires_in"] <= 20
