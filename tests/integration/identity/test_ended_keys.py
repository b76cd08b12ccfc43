"""A key's end is its end: what was taken away or has run out never counts again, whoever states it anew."""

import time
from collections.abc import Awaitable
from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("IDK-05")]
DAY = 86400
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
"""The prime of P-256."""


def new_key(kid: str) -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid})


def public(key: ECKey, **more: Any) -> dict[str, Any]:
    return {**key.as_dict(private=False), **more}


def ask(service: Any, token: str, method: str, path: str, body: Any = None) -> Awaitable[Any]:
    headers = {"Authorization": f"Bearer {token}", "Accept-Language": "en"}
    asked: Awaitable[Any] = service.http.request(method, f"/oauth2/clients/{path}", json=body, headers=headers)
    return asked


def set_of(*keys: dict[str, Any]) -> dict[str, Any]:
    return {"department": "gaj", "scope": "call", "method": "private_key_jwt", "jwks": {"keys": list(keys)}}


def mirrored(key: ECKey, **more: Any) -> dict[str, Any]:
    """The other point with the same x: whoever can sign for one can sign for both."""
    shown = public(key, **more)
    numbers = key.public_key.public_numbers()
    other = ECKey.import_key(type(numbers)(numbers.x, P - numbers.y, numbers.curve).public_key(), {"kid": shown["kid"]})
    return public(other, **more)


def check_conflict(answer: Any) -> None:
    assert (answer.status_code, answer.json()["code"]) == (409, "request/conflict"), answer.text


async def test_a_key_that_was_taken_away_does_not_come_back(service: Any) -> None:
    client_id, first = await service.registered()
    token = await service.token(client_id, first)
    second = new_key("second")
    short = public(second, until=int(time.time()) + 60)
    assert (await ask(service, token, "POST", f"{client_id}/keys", {"jwk": short})).status_code == 201
    assert (await ask(service, token, "DELETE", f"{client_id}/keys/second")).status_code == 204
    for jwk in (
        short,
        public(second, until=int(time.time()) + 700 * DAY),
        public(second, kid="other"),
        mirrored(second),
    ):
        check_conflict(await ask(service, token, "POST", f"{client_id}/keys", {"jwk": jwk}))
        check_conflict(await service.put(client_id, set_of(public(first), jwk)))
    assert (await service.ask(service.assertion(client_id, second))).status_code == 401
    elsewhere, _ = await service.registered(jwks={"keys": [public(second)]})  # it is this client's end
    assert elsewhere != client_id


async def test_nor_one_that_was_left_out_when_the_client_was_registered_again(service: Any) -> None:
    client_id, first = await service.registered()
    second = new_key("second")
    assert (await service.put(client_id, set_of(public(second)))).status_code == 200
    check_conflict(await service.put(client_id, set_of(public(first), public(second))))


async def test_nor_does_one_that_has_run_out(service: Any) -> None:
    client_id, first = await service.registered()
    token = await service.token(client_id, first)
    short = public(new_key("short"), until=int(time.time()) + DAY)
    assert (await ask(service, token, "POST", f"{client_id}/keys", {"jwk": short})).status_code == 201
    service.clock.ahead += timedelta(days=1, seconds=1)
    later = {**short, "until": int(time.time()) + 30 * DAY}
    for jwk in (later, {**later, "kid": "renamed"}):
        check_conflict(await ask(service, token, "POST", f"{client_id}/keys", {"jwk": jwk}))


async def test_nobody_makes_a_key_last_longer_than_it_was_said_to(service: Any) -> None:
    client_id, _ = await service.registered()
    key, until = new_key("one"), int(time.time()) + 5 * DAY
    assert (await service.put(client_id, set_of(public(key, until=until)))).status_code == 200
    check_conflict(await service.put(client_id, set_of(public(key, until=until + DAY))))
    assert (await service.put(client_id, set_of(public(key, until=until - DAY)))).status_code == 200
