"""Which assertions count: what is refused, what is told to whom, and that each one counts once."""

import asyncio
import base64
import hmac
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import ECKey

pytestmark = pytest.mark.anyio
ISSUER = "https://tongdao.example"


def other_alg(service: Any, client_id: str, key: ECKey) -> str:
    """HS256 keyed with the public key: the oldest trick there is."""
    head = {"alg": "HS256", "kid": key.kid}
    said = b".".join(encoded(json.dumps(part).encode()) for part in (head, service.claims(client_id)))
    return (said + b"." + encoded(hmac.digest(key.as_pem(private=False), said, "sha256"))).decode()


def encoded(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


NONE = b'{"alg":"none"}'


def unsigned(service: Any, client_id: str, key: ECKey) -> str:
    return f"{encoded(NONE).decode()}.{service.assertion(client_id, key).split('.')[1]}."


def twice_a_member(service: Any, client_id: str, key: ECKey) -> str:
    claims = json.dumps(service.claims(client_id))
    doubled = '{"aud" :"https://elsewhere.example",' + claims[1:]
    return jws.serialize_compact({"alg": "ES256", "kid": key.kid}, doubled, key)


def without_typ(service: Any, client_id: str, key: ECKey) -> str:
    claims = json.dumps(service.claims(client_id))
    return jws.serialize_compact({"alg": "ES256", "kid": key.kid}, claims, key)


def not_json(service: Any, client_id: str, key: ECKey) -> str:
    return jws.serialize_compact({"alg": "ES256", "kid": key.kid}, b"\xff\xfe{}", key)


def spare_bits(service: Any, client_id: str, key: ECKey) -> str:
    return f"{service.assertion(client_id, key)}="


def in_claims(**over: Any) -> Callable[..., str]:
    return lambda service, client_id, key: service.assertion(client_id, key, **over)


def in_header(**over: Any) -> Callable[..., str]:
    return lambda service, client_id, key: service.assertion(client_id, key, header=over)


def at(**seconds: float) -> Callable[..., str]:
    """Times relative to now."""
    return lambda service, client_id, key: service.assertion(
        client_id, key, **{name: int(time.time() + ahead) for name, ahead in seconds.items()}
    )


def new_key(like: ECKey) -> ECKey:
    """Another key under the same name."""
    return ECKey.generate_key("P-256", {"kid": str(like.kid)})


def by_somebody_else(service: Any, client_id: str, key: ECKey) -> str:
    return str(service.assertion(client_id, new_key(key)))


UNPROVEN = [
    pytest.param(other_alg, id="HS256 with the public key"),
    pytest.param(unsigned, id="alg none"),
    pytest.param(twice_a_member, id="a member twice"),
    pytest.param(not_json, id="not JSON"),
    pytest.param(spare_bits, id="padding"),
    pytest.param(by_somebody_else, id="same kid, another key"),
    pytest.param(in_header(kid="unknown"), id="unknown kid"),
    pytest.param(in_header(crit=["kid"]), id="crit"),
    pytest.param(in_claims(sub="nobody-knows"), id="unknown client"),
    pytest.param(in_claims(sub=...), id="no sub"),
    pytest.param(in_claims(sub=7), id="sub a number"),
    pytest.param(in_claims(sub="a\x00b"), id="NUL in sub"),
    pytest.param(lambda *_: "", id="empty"),
    pytest.param(lambda *_: "a.b", id="two parts"),
    pytest.param(lambda *_: "e30.e30.e30", id="empty objects"),
    pytest.param(lambda *_: "x" * 5000, id="too long"),
]


@pytest.mark.requirement("IDN-03")
@pytest.mark.parametrize("make", UNPROVEN)
async def test_whoever_proved_nothing_learns_nothing(service: Any, make: Callable[..., str]) -> None:
    client_id, key = await service.registered()
    answer = await service.ask(make(service, client_id, key))
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    assert answer.headers["cache-control"] == "no-store"
    assert "www-authenticate" not in answer.headers


WRONG = [
    pytest.param(in_claims(aud=ISSUER + "/oauth2/token"), "assertion aud: expected", id="aud is the token endpoint"),
    pytest.param(in_claims(aud=[ISSUER, "https://other.example"]), "aud", id="aud has a second member"),
    pytest.param(in_claims(aud=[]), "aud", id="aud empty"),
    pytest.param(in_claims(aud=ISSUER + "/"), "aud", id="aud with a slash"),
    pytest.param(in_claims(aud=ISSUER.upper()), "aud", id="aud in another case"),
    pytest.param(
        in_claims(aud=...), "aud: expected https://tongdao.example and nothing else; got nothing", id="no aud"
    ),
    pytest.param(in_claims(iss="somebody"), "iss", id="iss is not sub"),
    pytest.param(in_claims(iss=...), "iss", id="no iss"),
    pytest.param(at(exp=-1), "exp", id="expired a second ago"),
    pytest.param(at(exp=320), "at most 300 s later", id="exp too far ahead"),
    pytest.param(in_claims(exp=...), "exp", id="no exp"),
    pytest.param(in_claims(exp="9999999999"), "exp", id="exp a text"),
    pytest.param(in_claims(exp=True), "exp", id="exp a truth value"),
    pytest.param(in_claims(exp=1e300), "exp", id="exp a fraction"),
    pytest.param(in_claims(exp=-(10**40)), "exp", id="exp before all time"),
    pytest.param(at(iat=61), "iat", id="issued in the future"),
    pytest.param(at(iat=-4000), "iat", id="issued long ago"),
    pytest.param(in_claims(iat="now"), "iat", id="iat a text"),
    pytest.param(at(nbf=61), "nbf", id="not yet valid"),
    pytest.param(in_claims(jti=...), "jti", id="no jti"),
    pytest.param(in_claims(jti=""), "jti", id="jti empty"),
    pytest.param(in_claims(jti=["a"]), "jti", id="jti a list"),
    pytest.param(in_claims(jti="x" * 257), "jti", id="jti too long"),
    pytest.param(in_header(typ="at+jwt"), "typ", id="an access token's typ"),
    pytest.param(in_header(typ="dpop+jwt"), "typ", id="a DPoP proof's typ"),
    pytest.param(in_claims(aud='q"\\\n中'), "got q????", id="characters that a description may not have"),
]


@pytest.mark.requirement("IDN-04")
@pytest.mark.parametrize(("make", "told"), WRONG)
async def test_whoever_proved_their_key_is_told_what_is_wrong(
    service: Any, make: Callable[..., str], told: str
) -> None:
    client_id, key = await service.registered()
    answer = await service.ask(make(service, client_id, key))
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    assert told in answer.json()["error_description"]
    assert not service.log.events("token.issued", actor=client_id)


RIGHT = [
    pytest.param(in_claims(aud=[ISSUER]), id="aud alone in a list"),
    pytest.param(at(iat=9), id="a clock nine seconds ahead"),
    pytest.param(at(nbf=-5), id="nbf"),
    pytest.param(at(exp=299), id="nearly 300 s"),
    pytest.param(in_claims(iat=...), id="no iat"),
    pytest.param(in_claims(extra={"any": "thing"}), id="a claim more"),
    pytest.param(in_header(typ="client-authentication+jwt"), id="typ of RFC 10070"),
    pytest.param(in_header(typ="JWT"), id="typ JWT"),
    pytest.param(without_typ, id="no typ"),
    pytest.param(in_header(kid=...), id="no kid"),
    pytest.param(in_claims(jti="办件 \x00 " + "x" * 200), id="any text as jti"),
]


@pytest.mark.requirement("IDN-04")
@pytest.mark.parametrize("make", RIGHT)
async def test_what_other_libraries_send_is_taken(service: Any, make: Callable[..., str]) -> None:
    client_id, key = await service.registered()
    answer = await service.ask(make(service, client_id, key))
    assert answer.status_code == 200, answer.text


async def test_exp_is_judged_by_the_clock(service: Any) -> None:
    client_id, key = await service.registered()
    assertion = service.assertion(client_id, key)
    service.clock.ahead += type(service.clock.ahead)(seconds=61)
    assert (await service.ask(assertion)).status_code == 401


@pytest.mark.requirement("IDN-03")
async def test_form_and_assertion_name_the_same_client(service: Any) -> None:
    client_id, key = await service.registered()
    assert (await service.ask(service.assertion(client_id, key), client_id=client_id)).status_code == 200
    answer = await service.ask(service.assertion(client_id, key), client_id="other")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")
    wrong_type = await service.ask(service.assertion(client_id, key), client_assertion_type="urn:other")
    assert (wrong_type.status_code, wrong_type.json()) == (401, {"error": "invalid_client"})


@pytest.mark.requirement("IDN-05")
async def test_an_assertion_counts_once(service: Any) -> None:
    client_id, key = await service.registered()
    assertion = service.assertion(client_id, key)
    assert (await service.ask(assertion)).status_code == 200
    again = await service.ask(assertion)
    assert (again.status_code, again.json()["error"]) == (401, "invalid_client")
    assert "used before" in again.json()["error_description"]


@pytest.mark.requirement("IDN-05")
async def test_an_assertion_that_came_with_a_wrong_scope_is_used_up_too(service: Any) -> None:
    client_id, key = await service.registered()
    assertion = service.assertion(client_id, key)
    assert (await service.ask(assertion, scope="grant:write")).json()["error"] == "invalid_scope"
    assert (await service.ask(assertion)).status_code == 401


@pytest.mark.requirement("IDN-05")
async def test_two_clients_may_use_the_same_jti(service: Any) -> None:
    for _ in range(2):
        client_id, key = await service.registered()
        assert (await service.ask(service.assertion(client_id, key, jti="1"))).status_code == 200


@pytest.mark.requirement("IDN-05")
async def test_twenty_at_once_on_two_processes_get_one_token(service: Any, start: Any) -> None:
    client_id, key = await service.registered()
    assertion = service.assertion(client_id, key)
    async with start(instance="identity-2") as other:
        answers = await asyncio.gather(*(s.ask(assertion) for s in [service, other] * 10))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 19
    assert len(service.log.events("token.issued", actor=client_id)) == 1


@pytest.mark.requirement("IDN-09")
async def test_refusals_of_known_clients_are_counted_into_one_event(service: Any) -> None:
    client_id, key = await service.registered()
    began = time.monotonic()
    for _ in range(5):
        await service.ask(by_somebody_else(service, client_id, key))
        await service.ask(service.assertion("nobody-knows", key))
    await service.ask(service.assertion(client_id, key, aud="https://elsewhere.example"))

    async def counted() -> int:
        return sum(int(e.facts["count"]) for e in service.log.events("client.refused", actor=client_id))

    async with asyncio.timeout(10):
        while await counted() < 6:
            await asyncio.sleep(0.05)
    events = service.log.events("client.refused")
    assert len(events) <= 2 + time.monotonic() - began  # one a round, and a round takes a second
    assert events[-1].facts["reason"] == "aud"
    assert {event.actor for event in events} == {client_id}
