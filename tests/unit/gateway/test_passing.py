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
from starlette.responses import RedirectResponse
from starlette.responses import Response as Said

from gateway.allowances import quotas_router
from gateway.api import Passing, explain_router, passing_router
from gateway.peer import Peers
from gateway.senders import OwnDoor, Senders
from harness.gate import ISSUER, NUMBER, PEOPLE, PEOPLE_GRANT, SERVICES, SYSTEM, Gate, check
from harness.jws import dpop
from runtime import problems
from runtime.service_auth import only_services
from wire.catalog import Department, Entry, Revocation, State, System
from wire.front import front_of, x5t_of
from wire.tokens import Door

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("TOK-09")]
KEY = ECKey.generate_key("P-256")
CERTIFICATE = b"the DER of a certificate"
PROXY = {"X-Forwarded-For": "192.0.2.7", "X-Forwarded-Proto": "https"}


@asynccontextmanager
async def front(at: Gate, staleness_s: float = 1e9) -> AsyncIterator[AsyncClient]:
    """The other lane in front of a service that says what it was told; behind a proxy that is trusted."""
    service, app = FastAPI(), FastAPI()
    door = Door(at.verifier, SERVICES)
    for one in (service, app):
        problems.install(one)

    @service.get("/in/moved")
    @service.get("/login/moved")
    async def moved(to: str) -> Said:
        return RedirectResponse(to)

    @service.get("/in/heard")
    async def heard(request: Request) -> dict[str, str]:
        return dict(request.headers)

    @service.api_route("/{rest:path}", methods=["GET", "POST"])
    async def told(request: Request) -> dict[str, Any]:
        if request.url.path == "/inner":
            return {"service": await only_services(SERVICES)(request)}
        found = await front_of(request, SERVICES)
        brought = "authorization" in request.headers and request.url.path.startswith("/in/")
        said = {"client": (await door.caller(request)).client} if brought else {}
        return {**msgspec.to_builtins(found), **said, "body": (await request.body()).decode()}

    peers = Peers(["127.0.0.1"])
    gateway = at.gateway
    senders = Senders(gateway.authenticator, gateway.catalog, gateway.feed, peers, gateway.strangers, staleness_s)
    async with AsyncClient(transport=ASGITransport(service), base_url="http://catalog.test") as inner:
        routes = {prefix: (inner, to) for prefix, to in (("/api/catalog", "/in"), ("/oauth2", "/o"), ("/api/x", ""))}
        app.include_router(explain_router(gateway, OwnDoor(at.verifier, senders, open_to_suspended=True)))
        own = OwnDoor(at.verifier, senders)
        app.include_router(quotas_router(gateway.catalog, gateway.admission.quotas, own))
        app.include_router(passing_router({**routes, "/login": (inner, "/login")}, Passing(senders, ISSUER, SERVICES)))
        async with AsyncClient(transport=ASGITransport(app), base_url="http://gateway.test") as client:
            yield client


async def asked(at: Gate, target: str = "/api/catalog/a", **more: Any) -> Response:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    async with front(at) as client:
        return await client.request(more.pop("method", "GET"), target, **more)


def bearing(token: str, scheme: str = "Bearer", **more: str) -> dict[str, str]:
    return {"Authorization": f"{scheme} {token}", **more}


async def test_the_service_learns_the_address_and_the_certificate(at: Gate) -> None:
    shown = base64.b64encode(CERTIFICATE).decode()
    certified: dict[str, Any] = {
        "headers": {**PROXY, "Client-Cert": f":{shown}:"}, "method": "POST", "content": "x",
    }  # fmt: skip
    answer = await asked(at, "/oauth2/token?b=1", **certified)
    assert answer.json() == {"address": "192.0.2.7", "certificate": shown, "body": "x"}
    answer = await asked(at, "/api/catalog/a?b=1", **certified)
    assert answer.json() == {"address": "192.0.2.7", "thumbprint": x5t_of(CERTIFICATE), "body": "x"}


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


# --- who is suspended, and what nobody knows
SUSPENDED = State(standing="suspended", since="2026-09-21T00:00:00Z", by="dsjj")
ACTOR, THEIRS = "jtj-transport", "jtj"


def suspend(at: Gate, *, department: bool) -> None:
    """The system ACTOR, or its department."""
    state = State() if department else SUSPENDED
    system = System(id=ACTOR, department=THEIRS, name="x", state=state)
    owner = Department(id=THEIRS, name="x", state=SUSPENDED if department else State())
    at.gateway.catalog._systems[ACTOR] = system
    at.gateway.catalog._departments[THEIRS] = owner


def tokens_of(at: Gate) -> dict[str, str]:
    """Tokens behind which ACTOR stands."""
    return {
        "its own": at.token(sub=ACTOR, client_id=ACTOR, department=THEIRS),
        "acting": at.token(client_id=ACTOR, act={"sub": ACTOR}),
        "through": at.token(sub="person:7", client_id=ACTOR, department="gaj"),
    }


@pytest.mark.requirement("TOK-03")
@pytest.mark.parametrize("department", [False, True], ids=["T-43 system", "T-44 department"])
async def test_whoever_is_suspended_may_learn_why_and_no_more(at: Gate, department: bool) -> None:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    code = "department/suspended" if department else "system/suspended"
    async with front(at) as client:
        for token in tokens_of(at).values():
            assert (await client.get("/api/catalog/a", headers=bearing(token))).status_code == 200
        suspend(at, department=department)
        for token in tokens_of(at).values():
            for target in ("/api/catalog/a", "/api/quotas"):
                problem = check(await client.get(target, headers=bearing(token)), 403, code)
                assert problem["detail"] == (THEIRS if department else ACTOR)
            assert (await client.get("/oauth2/a", headers=bearing(token))).status_code == 200
        explained = await client.get("/api/explain?interface=gaj-person/v1", headers=bearing(tokens_of(at)["its own"]))
        assert explained.json()["decision"] == code
        nobody = at.token(sub="jtj-officer", client_id="jtj-officer", department=THEIRS)
        assert (await client.get("/api/catalog/a", headers=bearing(nobody))).status_code == 200


@pytest.mark.requirement("TOK-03")
@pytest.mark.parametrize("department", [False, True], ids=["T-43 actor", "T-44 actor's department"])
async def test_a_call_by_a_suspended_actor_is_refused(at: Gate, department: bool) -> None:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    headers = bearing(tokens_of(at)["acting"])
    assert (await at.client.get(f"/x/gaj-person/v1/{NUMBER}", headers=headers)).status_code == 200
    at._forget()
    suspend(at, department=department)
    answer = await at.client.get(f"/x/gaj-person/v1/{NUMBER}", headers=headers)
    problem = check(answer, 403, "department/suspended" if department else "system/suspended")
    assert problem["detail"] == (THEIRS if department else ACTOR)
    assert (at.asked, at.happened) == ([], ["denied"])


@pytest.mark.requirement("TOK-07")
async def test_without_word_from_the_catalog_no_token_counts(at: Gate) -> None:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    async with front(at, staleness_s=-1) as client:
        for target in ("/api/catalog/a", "/api/quotas", "/api/explain?interface=gaj-person/v1"):
            answer = await client.get(target, headers=bearing(at.token()))
            check(answer, 503, "policy/stale")
            assert answer.headers["retry-after"] == "1"
        for target in ("/oauth2/a", "/login/a"):
            assert (await client.get(target, headers=bearing(at.token()))).status_code == 200


# --- what crosses
async def test_refused_tokens_are_counted_here_too(at: Gate) -> None:
    counts = at.gateway.strangers._counts
    for target in ("/api/catalog/a", "/api/explain?interface=a/b"):
        before = counts.get(("192.0.2.7", "token/invalid"), 0)
        check(await asked(at, target, headers=bearing("a.b.c", **PROXY)), 401, "token/invalid")
        assert counts[("192.0.2.7", "token/invalid")] == before + 1


@pytest.mark.parametrize("name", ["accept", "accept-language", "traceparent", "dpop", "if-none-match", "cookie"])
async def test_bytes_beyond_ascii_cross_as_they_are(at: Gate, name: str) -> None:
    headers = [(name.encode(), b"\xe9"), (b"user-agent", b"\xe9")]
    for target in ("/api/catalog/heard", "/login/a"):
        answer = await asked(at, target, headers=headers)
        assert answer.status_code == 200, answer.text
    check(await asked(at, headers=[(b"authorization", b"Bearer \xe9")]), 401, "token/invalid")


async def test_nothing_goes_on_but_what_was_sent(at: Gate) -> None:
    sent = {"Accept": "text/plain", "X-Other": "1", "Tongdao-Case": "1"}
    heard = (await asked(at, "/api/catalog/heard", headers=sent)).json()
    assert set(heard) == {"accept", "accept-encoding", "host", "tongdao-message", "tongdao-service"}
    assert heard["accept"] == "text/plain"


@pytest.mark.parametrize("name", ["authorization", "dpop", "content-type", "traceparent", "cookie"])
async def test_what_stands_twice_goes_nowhere(at: Gate, name: str) -> None:
    answer = await asked(at, headers=[(name, "a"), (name, "a")])
    check(answer, 400, "token/malformed" if name == "authorization" else "request/malformed")
    lists = await asked(at, "/api/catalog/heard", headers=[("Accept", "a/b"), ("Accept", "c/d")])
    assert lists.json()["accept"] == "a/b, c/d"


@pytest.mark.parametrize(
    ("path", "to", "crosses"),
    [
        pytest.param("/api/catalog/moved", "/there", True, id="within"),
        pytest.param("/api/catalog/moved", f"{ISSUER}/there", True, id="at our address"),
        pytest.param("/api/catalog/moved", "http://catalog.test/in/there", False, id="inside"),
        pytest.param("/api/catalog/moved", "//evil.example/", False, id="without scheme"),
        pytest.param("/api/catalog/moved", f"{ISSUER}.evil.example/", False, id="a longer name"),
        pytest.param("/api/catalog/moved", "https://portal.example/", False, id="outside"),
        pytest.param("/login/moved", "https://portal.example/callback", True, id="from a page to a client"),
        pytest.param("/login/moved", "http://catalog.test/login/", False, id="from a page inside"),
    ],
)
async def test_no_address_of_the_inside_is_told(at: Gate, path: str, to: str, crosses: bool) -> None:
    answer = await asked(at, path, params={"to": to})
    assert (answer.status_code, answer.headers.get("location", "")) == (307, to if crosses else "")
