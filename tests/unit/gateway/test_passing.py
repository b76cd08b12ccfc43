"""Requests that go on to our other services: what the gateway says of their senders, and whom it stops itself."""

import base64
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI, Request
from httpx2 import ASGITransport, AsyncClient, Response
from joserfc.jwk import ECKey

from gateway.api import Passing, explain_router, passing_router
from gateway.authenticate import OwnDoor
from gateway.peer import Peers
from harness.gate import ISSUER, PEOPLE, PEOPLE_GRANT, SERVICES, SYSTEM, Gate, check
from harness.jws import dpop
from runtime import problems
from runtime.service_auth import only_services
from wire.catalog import Entry, Revocation
from wire.front import front_of, x5t_of
from wire.tokens import Door

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("TOK-09")]
KEY = ECKey.generate_key("P-256")
CERTIFICATE = b"the DER of a certificate"
PROXY = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}


@asynccontextmanager
async def front(at: Gate) -> AsyncIterator[AsyncClient]:
    """The other lane in front of a service that says what it was told; behind a proxy that is trusted."""
    service, app = FastAPI(), FastAPI()
    door = Door(at.verifier, SERVICES)
    for one in (service, app):
        problems.install(one)

    @service.api_route("/{rest:path}", methods=["GET", "POST"])
    async def told(request: Request) -> dict[str, Any]:
        if request.url.path == "/inner":
            return {"service": await only_services(SERVICES)(request)}
        found = await front_of(request, SERVICES)
        brought = "authorization" in request.headers and request.url.path.startswith("/in/")
        said = {"client": (await door.caller(request)).client} if brought else {}
        return {**msgspec.to_builtins(found), **said, "body": (await request.body()).decode()}

    peers = Peers(["127.0.0.1"])
    authenticator = at.gateway.authenticator
    authenticator._peers = peers
    async with AsyncClient(transport=ASGITransport(service), base_url="http://catalog.test") as inner:
        routes = {prefix: (inner, to) for prefix, to in (("/api/catalog", "/in"), ("/oauth2", "/o"), ("/api/x", ""))}
        app.include_router(explain_router(at.gateway, OwnDoor(at.verifier, authenticator)))
        app.include_router(
            passing_router({**routes, "/login": (inner, "/login")}, Passing(authenticator, peers, SERVICES))
        )
        async with AsyncClient(transport=ASGITransport(app), base_url="http://gateway.test") as client:
            yield client
    authenticator._peers = Peers()


async def asked(at: Gate, target: str = "/api/catalog/a", **more: Any) -> Response:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    async with front(at) as client:
        return await client.request(more.pop("method", "GET"), target, **more)


def bearing(token: str, scheme: str = "Bearer", **more: str) -> dict[str, str]:
    return {"Authorization": f"{scheme} {token}", **more}


async def test_the_service_learns_the_address_and_the_certificate(at: Gate) -> None:
    shown = base64.b64encode(CERTIFICATE).decode()
    answer = await asked(
        at, "/api/catalog/a?b=1", headers={**PROXY, "Client-Cert": f":{shown}:"}, method="POST", content="x"
    )
    assert answer.json() == {"address": "192.0.2.7", "certificate": shown, "body": "x"}


async def test_what_a_client_says_of_itself_does_not_cross(at: Gate) -> None:
    forged = {"Tongdao-Message": '{"address":"10.0.0.1","bound":"x"}', "Tongdao-Service": "gateway;1;a;b", **PROXY}
    assert (await asked(at, headers=forged)).json() == {"address": "192.0.2.7", "body": ""}
    signed = SERVICES.headers("GET", "/inner")
    check(await asked(at, "/api/x/inner", headers=signed), 401, "service/unauthenticated")


@pytest.mark.requirement("TOK-05")
async def test_a_proof_is_looked_at_by_the_gateway_and_believed_by_the_service(at: Gate) -> None:
    token, url = at.token(cnf={"jkt": KEY.thumbprint()}), f"{ISSUER}/api/catalog/a"
    used = dpop(KEY, "GET", url, token)
    answer = await asked(at, "/api/catalog/a?b=1", headers=bearing(token, "DPoP", DPoP=used))
    assert (answer.json()["client"], answer.json()["bound"]) == (SYSTEM, KEY.thumbprint())
    check(await asked(at, headers=bearing(token, "DPoP", DPoP=used)), 401, "token/dpop-proof")
    check(await asked(at, headers=bearing(token, "DPoP")), 401, "token/dpop-proof")
    check(await asked(at, headers=bearing(token)), 401, "token/invalid")
    other = dpop(KEY, "GET", f"{ISSUER}/a", token)
    check(await asked(at, headers=bearing(token, "DPoP", DPoP=other)), 401, "token/dpop-proof")


@pytest.mark.requirement("TOK-03")
async def test_t50_a_certificate_is_looked_at_by_the_gateway(at: Gate) -> None:
    token = at.token(cnf={"x5t#S256": x5t_of(CERTIFICATE)})
    shown = {**PROXY, "Client-Cert": f":{base64.b64encode(CERTIFICATE).decode()}:"}
    answer = await asked(at, headers=bearing(token, **shown))
    assert (answer.json()["client"], answer.json()["bound"]) == (SYSTEM, x5t_of(CERTIFICATE))
    other = {**PROXY, "Client-Cert": f":{base64.b64encode(b'another').decode()}:"}
    for headers in (PROXY, other, {**PROXY, "X-Client-Cert": shown["Client-Cert"]}):
        check(await asked(at, headers=bearing(token, **headers)), 401, "token/invalid")


@pytest.mark.requirement("TOK-07")
async def test_a_revoked_token_goes_nowhere(at: Gate) -> None:
    token = at.token(jti="revoked-2")
    assert (await asked(at, headers=bearing(token))).json()["client"] == SYSTEM
    revocation = Revocation(what="token", name="revoked-2", until=int(time.time()) + 400)
    entry = Entry(revision=2, kind="revocation", id=revocation.id, body=msgspec.Raw(msgspec.json.encode(revocation)))
    async with front(at) as client:
        at.gateway.catalog.apply([entry])
        for target in ("/api/catalog/a", "/oauth2/clients", "/api/explain?interface=gaj-person/v1"):
            answer = await client.get(target, headers=bearing(token))
            assert check(answer, 401, "token/invalid")["detail"] == "revoked: this token"
        assert (await client.get("/login/a", headers=bearing(token))).status_code == 200


async def test_the_token_endpoint_is_asked_without_a_token(at: Gate) -> None:
    for headers in ({}, {"Authorization": "Basic eDp5"}, {"DPoP": "x"}):
        assert (await asked(at, "/oauth2/token", method="POST", headers=headers)).status_code == 200


@pytest.mark.requirement("TOK-05")
async def test_the_gateways_own_routes_look_at_the_proof_themselves(at: Gate) -> None:
    token, target = at.token(cnf={"jkt": KEY.thumbprint()}), "/api/explain?interface=gaj-person/v1"
    used = dpop(KEY, "GET", f"{ISSUER}/api/explain", token)
    assert (await asked(at, target, headers=bearing(token, "DPoP", DPoP=used))).json()["system"] == SYSTEM
    check(await asked(at, target, headers=bearing(token)), 401, "token/invalid")


@pytest.mark.requirement("TOK-03")
@pytest.mark.parametrize(
    ("target", "headers", "status", "code"),
    [
        ("/api/catalog/a", {"Authorization": "Bearer"}, 400, "token/malformed"),
        ("/api/catalog/a", {"Authorization": "Bearer a.b.c"}, 401, "token/invalid"),
        ("/api/catalog/a?access_token=x", {"Authorization": "Bearer a.b.c"}, 400, "token/malformed"),
        ("/api/explain?interface=a/b&access_token=x", {}, 400, "token/malformed"),
        ("/api/explain?interface=a/b", {}, 401, "token/missing"),
    ],
    ids=["T-03 explained", "T-10 explained", "T-07 on", "T-05 own", "T-01 own"],
)
async def test_the_other_lane_refuses_as_the_first_does(
    at: Gate, target: str, headers: dict[str, str], status: int, code: str
) -> None:
    check(await asked(at, target, headers=headers), status, code)
