"""Who uses a token besides the one it is for: their standing counts, and the record names them."""

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey

from harness.jws import dpop
from wire import scopes
from wire.catalog import Department, State, System

pytestmark = pytest.mark.anyio
ISSUER = "https://tongdao.example"
URL = f"{ISSUER}/oauth2/token"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"
GONE = State(standing="suspended", since="2026-03-02T12:00:00Z", by="dsjj")
RIGHTS = f"{scopes.CALL} {scopes.CLIENT_WRITE} {scopes.KEY_ROTATE}"


class Two:
    """A system that lets another act for it."""

    def __init__(self, service: Any) -> None:
        self.service = service
        self.home = f"d{secrets.token_hex(4)}"

    async def begin(self, **subject: Any) -> "Two":
        register = self.service.registered
        self.actor = await register(
            department=self.home, scope=f"{RIGHTS} {scopes.TOKEN_EXCHANGE}", grants=["client_credentials", EXCHANGE]
        )
        self.subject = await register(scope=RIGHTS, may_act=[self.actor[0]], **subject)
        return self

    async def exchange(self, token: str, **more: Any) -> Any:
        members = {"subject_token": token, "subject_token_type": ACCESS_TOKEN, "grant_type": EXCHANGE, **more}
        return await self.service.ask(self.service.assertion(*self.actor), **members)

    async def tokens(self) -> tuple[str, str]:
        """The subject's, and what the actor got for it."""
        own = str(await self.service.token(*self.subject))
        answer = await self.exchange(own)
        assert answer.status_code == 200, answer.text
        return own, str(answer.json()["access_token"])

    async def at_door(self, token: str) -> tuple[int, str]:
        """What our own API says to this token."""
        headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en"}
        answer = await self.service.http.get(f"/oauth2/clients/{self.subject[0]}", headers=headers)
        return answer.status_code, str(answer.json().get("code", ""))

    async def active(self, token: str) -> bool:
        """What introspection says of it to somebody who may ask about all."""
        who = self.service.assertion("platform-operator", self.service.home.operator)
        answer = await self.service.ask(who, path="/oauth2/introspect", token=token)
        return bool(answer.json()["active"])


@pytest.fixture
async def two(service: Any) -> Two:
    return await Two(service).begin()


async def eventually(check: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(10):
        while not await check():
            await asyncio.sleep(0.02)


@pytest.mark.requirement("IDK-09")
@pytest.mark.parametrize("what", ["system", "department", "department that the catalog names"])
async def test_whoever_acts_for_another_and_is_suspended_acts_no_more(service: Any, two: Two, what: str) -> None:
    own, exchanged = await two.tokens()
    assert await two.at_door(exchanged) == (200, "")
    assert await two.active(exchanged)
    if what == "system":
        service.catalog.tell("system", System(id=two.actor[0], department=two.home, name="系统", state=GONE))
    elif what == "department":
        service.catalog.tell("department", Department(id=two.home, name="部门", state=GONE))
    else:
        there = f"d{secrets.token_hex(4)}"
        service.catalog.tell("system", System(id=two.actor[0], department=there, name="系统"))
        service.catalog.tell("department", Department(id=there, name="部门", state=GONE))

    async def refused() -> bool:
        return await two.at_door(exchanged) == (403, f"{what.partition(' ')[0]}/suspended")

    await eventually(refused)
    assert not await two.active(exchanged)
    assert (await two.at_door(own), await two.active(own)) == ((200, ""), True)


@pytest.mark.requirement("IDT-04")
@pytest.mark.parametrize("what", ["system", "department"])
async def test_what_gateways_refuse_is_not_active(service: Any, what: str) -> None:
    department = f"d{secrets.token_hex(4)}"
    client_id, key = await service.registered(department=department)
    token, two = await service.token(client_id, key), Two(service)
    assert await two.active(token)
    one: System | Department = Department(id=department, name="部门", state=GONE)
    if what == "system":
        one = System(id=client_id, department=department, name="系统", state=GONE)
    service.catalog.tell("system" if what == "system" else "department", one)

    async def passive() -> bool:
        return not await two.active(token)

    await eventually(passive)


@pytest.mark.requirement("IDT-05")
@pytest.mark.parametrize("why", ["always bound", "bound this time"])
async def test_an_exchange_takes_no_binding_off(service: Any, why: str) -> None:
    two = await Two(service).begin(dpop_bound=why == "always bound")
    bound = await service.ask(service.assertion(*two.subject), proofs=[dpop(ECKey.generate_key("P-256"), "POST", URL)])
    token = bound.json()["access_token"]
    refused = await two.exchange(token)
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_dpop_proof")
    own = ECKey.generate_key("P-256")
    answer = await two.exchange(token, proofs=[dpop(own, "POST", URL)])
    assert (answer.status_code, answer.json()["token_type"]) == (200, "DPoP")
    assert (await service.verifier()).verify(answer.json()["access_token"], time.time()).jkt == own.thumbprint()


@pytest.mark.requirement("IDT-05")
async def test_what_was_exchanged_for_a_token_is_revoked_with_it(service: Any, two: Two) -> None:
    own, exchanged = await two.tokens()
    other = (await two.tokens())[1]
    answer = await service.ask(service.assertion(*two.subject), path="/oauth2/revoke", token=own)
    assert answer.status_code == 200
    assert await two.at_door(exchanged) == (401, "token/invalid")
    assert not await two.active(exchanged)
    assert await two.at_door(other) == (200, "")


@pytest.mark.requirement("IDT-05")
async def test_the_log_names_who_did_it_and_for_whom(service: Any, two: Two) -> None:
    own, exchanged = await two.tokens()
    made = []
    for token in (own, exchanged):
        key = ECKey.generate_key("P-256", {"kid": "k1"}).as_dict(private=False)
        made.append(f"gaj-{secrets.token_hex(5)}")
        body = {"department": "gaj", "scope": "call", "jwks": {"keys": [key]}}
        assert (await service.put(made[-1], body, token)).status_code == 201
        headers = {"Authorization": f"Bearer {token}"}
        for path, more in (
            (f"clients/{made[-1]}/standing", {"standing": "suspended"}), ("keys/rotate", {"at_once": False}),
        ):  # fmt: skip
            answer = await service.http.post(f"/oauth2/{path}", json={**more, "reason": "检验"}, headers=headers)
            assert answer.status_code in (200, 201, 409), answer.text
    await service.operator_token()  # which carries what was written
    for client, through in zip(made, (None, two.actor[0]), strict=True):
        for name in ("client.registered", "client.standing_changed"):
            (event,) = service.log.events(name, client=client)
            assert (event.actor, event.facts.get("through")) == (two.subject[0], through)


# --- who may suspend whom -------------------------------------------------------------------------------------------
@pytest.mark.requirement("IDK-08")
async def test_nobody_suspends_or_lets_back_in_whoever_has_more_rights(service: Any) -> None:
    token = await service.token(*await service.registered(scope="client:write", department="weak"))
    strong, _ = await service.registered(scope="audit:read grant:write")
    plain, _ = await service.registered()

    async def stands(client: str, standing: str, by: str) -> tuple[int, str]:
        headers = {"Authorization": f"Bearer {by}"}
        body = {"standing": standing, "reason": "检验"}
        answer = await service.http.post(f"/oauth2/clients/{client}/standing", json=body, headers=headers)
        return answer.status_code, str(answer.json().get("code", ""))

    operator = await service.operator_token()
    for client in (strong, "platform-operator"):
        assert await stands(client, "revoked", token) == (403, "token/insufficient-scope")
    assert await stands(strong, "suspended", operator) == (200, "")
    assert await stands(strong, "active", token) == (403, "token/insufficient-scope")
    assert await stands(plain, "suspended", token) == (200, "")
    for standing in ("suspended", "revoked"):
        assert await stands("platform-operator", standing, operator) == (409, "request/conflict")
    assert await service.operator_token()


@pytest.mark.requirement("IDK-08")
@pytest.mark.parametrize("reason", ["a\u0007b", "\u0000", "a\nb", "\u007f", "  ", "x" * 501], ids=ascii)
async def test_a_reason_is_one_line_of_text(service: Any, reason: str) -> None:
    client, _ = await service.registered()
    headers = {"Authorization": f"Bearer {await service.operator_token()}"}
    for path, more in ((f"clients/{client}/standing", {"standing": "suspended"}), ("keys/rotate", {})):
        answer = await service.http.post(f"/oauth2/{path}", json={**more, "reason": reason}, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid")


@pytest.mark.requirement("IDK-08")
async def test_a_replica_whose_clock_is_ahead_leaves_no_token_behind(service: Any, start: Any) -> None:
    client, key = await service.registered()
    headers = {"Authorization": f"Bearer {await service.operator_token()}"}

    async def stands(standing: str) -> None:
        body = {"standing": standing, "reason": "检验"}
        answer = await service.http.post(f"/oauth2/clients/{client}/standing", json=body, headers=headers)
        assert answer.status_code == 200

    async with start(instance="identity-2") as other:
        other.clock.ahead = timedelta(seconds=8)
        token = await other.token(client, key)
        two = Two(service)
        assert await two.active(token)
        await stands("suspended")
        await stands("active")
        assert not await two.active(token)
        for one in (service, other):  # what is issued from now on counts, at the latest in the next second
            fresh = await one.token(client, key)

            async def counts(fresh: str = fresh) -> bool:
                return await two.active(fresh)

            await eventually(counts)
