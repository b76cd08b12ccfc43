"""What a service believes of the other end of the line, and whom it lets in for it."""

import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Request
from httpx2 import ASGITransport, AsyncClient, Response
from joserfc.jwk import ECKey

from harness.jws import compact
from runtime import problems
from runtime.errors import Refusal
from runtime.service_auth import ServiceKey, digest_of, only_services
from wire.front import Front, front_of, to_message, x5t_of
from wire.tokens import AccessToken, Door, Keys, Verifier

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("TOK-09")]
SECRET = b"the secret of all the services here"
GATEWAY, EXCHANGE = ServiceKey(SECRET, "gateway"), ServiceKey(SECRET, "exchange")
ISSUER = "https://tongdao.example"
KEY = ECKey.generate_key("P-256", {"kid": "1"})
CERTIFICATE = b"the DER of a certificate"
FRONT = Front("192.0.2.7", base64.b64encode(CERTIFICATE).decode())


@asynccontextmanager
async def service() -> AsyncIterator[AsyncClient]:
    """A service with a door for tokens, one for services, and one that says who is there."""

    async def keys() -> dict[str, Any]:
        return {"keys": [KEY.as_dict(private=False)]}

    door = Door(Verifier(ISSUER, ISSUER, Keys(keys)), ServiceKey(SECRET, "catalog"))
    app = FastAPI()
    problems.install(app)

    @app.post("/who")
    async def who(caller: Annotated[AccessToken, Depends(door.needing("call"))]) -> dict[str, str]:
        return {"client": caller.client}

    @app.post("/inner")
    async def inner(caller: Annotated[str, Depends(only_services(GATEWAY))]) -> dict[str, str]:
        return {"service": caller}

    @app.post("/front")
    async def front(request: Request) -> dict[str, str]:
        found = await front_of(request, GATEWAY)
        return {"address": found.address, "bound": found.bound, "x5t": found.x5t}

    async with AsyncClient(transport=ASGITransport(app), base_url="http://catalog.test") as client:
        yield client


def signed(target: str, front: Front, key: ServiceKey = GATEWAY, method: str = "POST") -> dict[str, str]:
    message = to_message(front)
    signature = key.sign(method.encode(), target.encode(), digest_of(b""), message)
    return {"Tongdao-Message": message.decode(), "Tongdao-Service": signature.decode()}


def token(**changes: Any) -> str:
    now = int(time.time())
    claims = {
        "iss": ISSUER, "aud": ISSUER, "sub": "a", "client_id": "a", "department": "gaj", "scope": "call", "iat": now,
        "exp": now + 60, "jti": "1", **changes,
    }  # fmt: skip
    return compact({"alg": "ES256", "typ": "at+jwt", "kid": "1"}, claims, KEY)


async def asked(target: str, headers: dict[str, str]) -> Response:
    async with service() as client:
        return await client.post(target, headers=headers)


async def test_what_the_gateway_says_is_believed() -> None:
    answer = await asked("/front?a=1", signed("/front?a=1", FRONT))
    assert answer.json() == {"address": "192.0.2.7", "bound": "", "x5t": x5t_of(CERTIFICATE)}


async def test_where_nothing_is_said_nobody_is_known() -> None:
    for headers in ({}, GATEWAY.headers("POST", "/front")):
        assert (await asked("/front", headers)).json() == {"address": "", "bound": "", "x5t": ""}


GOOD = signed("/front", FRONT)
FORGED = {
    "unsigned": {"Tongdao-Message": GOOD["Tongdao-Message"]},
    "signature of nothing": {**GOOD, "Tongdao-Service": "gateway;1;a;b"},
    "signed without it": {**GOOD, **GATEWAY.headers("POST", "/front")},
    "for another address": signed("/who", FRONT),
    "for another query": signed("/front?a=1", FRONT),
    "for another method": signed("/front", FRONT, method="GET"),
    "by another service": signed("/front", FRONT, EXCHANGE),
    "with another secret": signed("/front", FRONT, ServiceKey(b"another secret of other services", "gateway")),
    "changed": {**GOOD, "Tongdao-Message": to_message(Front("192.0.2.8")).decode()},
    "certificate is no base64": signed("/front", Front("192.0.2.7", "*")),
}  # fmt: skip


@pytest.mark.parametrize("headers", FORGED.values(), ids=FORGED.keys())
async def test_what_is_forged_is_refused(headers: dict[str, str]) -> None:
    answer = await asked("/front", headers)
    assert (answer.status_code, answer.json()["code"]) == (401, "service/unauthenticated")


async def test_what_is_no_front_is_refused() -> None:
    for message in ("{}", '"x"', '{"address":7}'):
        signature = GATEWAY.sign(b"POST", b"/front", digest_of(b""), message.encode()).decode()
        answer = await asked("/front", {"Tongdao-Message": message, "Tongdao-Service": signature})
        assert answer.status_code == 401


async def test_a_request_that_was_passed_on_opens_no_inner_route() -> None:
    """The gateway's signature is on it, and it is still the client's request."""
    headers = signed("/inner", FRONT)
    assert (await asked("/inner", headers)).status_code == 401
    assert (await asked("/inner", {"Tongdao-Service": headers["Tongdao-Service"]})).status_code == 401
    assert (await asked("/inner", GATEWAY.headers("POST", "/inner"))).json() == {"service": "gateway"}


# --- bound tokens at a service --------------------------------------------------------------------------------------
JKT = ECKey.generate_key("P-256").thumbprint()
Row = tuple[str, dict[str, Any], Front | None]
BY_KEY = {"cnf": {"jkt": JKT}}
BY_CERTIFICATE = {"cnf": {"x5t#S256": x5t_of(CERTIFICATE)}}
LET_IN: dict[str, Row] = {
    "unbound, unsigned": ("Bearer", {}, None),
    "unbound, through the gateway": ("bearer", {}, FRONT),
    "key proved": ("DPoP", BY_KEY, Front("192.0.2.7", bound=JKT)),
    "certificate proved": ("Bearer", BY_CERTIFICATE, Front("192.0.2.7", bound=x5t_of(CERTIFICATE))),
    "certificate shown": ("Bearer", BY_CERTIFICATE, FRONT),
}
TURNED_AWAY: dict[str, Row] = {
    "T-52 key, as Bearer": ("Bearer", BY_KEY, Front("192.0.2.7", bound=JKT)),
    "T-52 unbound, as DPoP": ("DPoP", {}, Front("192.0.2.7", bound=JKT)),
    "key, unsigned": ("DPoP", BY_KEY, None),
    "key, not proved": ("DPoP", BY_KEY, FRONT),
    "key, another proved": ("DPoP", BY_KEY, Front("192.0.2.7", bound="another")),
    "T-50 certificate, unsigned": ("Bearer", BY_CERTIFICATE, None),
    "T-50 certificate, none": ("Bearer", BY_CERTIFICATE, Front("192.0.2.7")),
    "T-50 certificate, another": ("Bearer", BY_CERTIFICATE, Front("192.0.2.7", base64.b64encode(b"x").decode())),
}


def headers_of(scheme: str, claims: dict[str, Any], front: Front | None) -> dict[str, str]:
    said = {"Authorization": f"{scheme} {token(**claims)}"}
    return said if front is None else {**said, **signed("/who", front)}


@pytest.mark.parametrize("row", LET_IN.values(), ids=LET_IN.keys())
async def test_a_service_lets_in_whoever_proved_it_to_the_gateway(row: Row) -> None:
    assert (await asked("/who", headers_of(*row))).json() == {"client": "a"}


@pytest.mark.parametrize("row", TURNED_AWAY.values(), ids=TURNED_AWAY.keys())
async def test_a_service_believes_no_tie_by_itself(row: Row) -> None:
    answer = await asked("/who", headers_of(*row))
    assert (answer.status_code, answer.json()["code"]) == (401, "token/invalid")
    assert answer.headers["www-authenticate"].startswith(f'{row[0]} realm="tongdao", error="invalid_token"')


async def test_a_door_that_knows_no_gateway_lets_no_bound_token_in() -> None:
    async def keys() -> dict[str, Any]:
        return {"keys": [KEY.as_dict(private=False)]}

    door = Door(Verifier(ISSUER, ISSUER, Keys(keys)))
    headers = headers_of("DPoP", BY_KEY, Front("192.0.2.7", bound=JKT))
    scope = {
        "type": "http", "method": "POST", "path": "/who", "query_string": b"",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }  # fmt: skip
    with pytest.raises(Refusal):
        await door.caller(Request(scope))
