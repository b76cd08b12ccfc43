"""Tokens of another issuer: found by discovery, taken for the systems that were named, and good for calls alone."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from gateway.issuers import External, issuers, safe_address
from harness.gate import DEPARTMENT, ISSUER, NUMBER, PEOPLE, PEOPLE_GRANT, SYSTEM, Gate, check, serving
from harness.jws import compact
from runtime.http import client
from wire.scopes import AUDIT_READ, CALL
from wire.tokens import InvalidToken, UnknownKey, Verifier

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("TOK-08")]
TARGET = f"/x/gaj-person/v1/{NUMBER}"
EC, RSA = ECKey.generate_key("P-256", {"kid": "e"}), RSAKey.generate_key(2048, {"kid": "r"})


class Provider:
    """An OIDC provider. `moved` makes its keys lie elsewhere."""

    def __init__(self) -> None:
        self.fetched: list[str] = []
        self.issuer = ""
        self.jwks_uri = ""
        self.named = ""

    def app(self) -> Starlette:
        async def discovery(request: Request) -> Response:
            self.fetched.append(request.url.path)
            keys = self.jwks_uri or f"{self.issuer}/jwks"
            return JSONResponse({"issuer": self.named or self.issuer, "jwks_uri": keys})

        async def jwks(request: Request) -> Response:
            self.fetched.append(request.url.path)
            return JSONResponse({"keys": [key.as_dict(private=False) for key in (EC, RSA)]})

        async def moved(_request: Request) -> Response:
            return RedirectResponse(f"{self.issuer}/jwks")

        async def large(_request: Request) -> Response:
            return JSONResponse({"keys": [], "more": "x" * 300_000})

        routes = {"/.well-known/openid-configuration": discovery, "/jwks": jwks, "/moved": moved, "/large": large}
        return Starlette(routes=[Route("/realms/city" + path, to) for path, to in routes.items()])

    def token(self, key: Any = EC, alg: str = "ES256", typ: str = "JWT", **changes: Any) -> str:
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": ["account", "tongdao"], "sub": "u-1", "azp": "sthjj-over-there",
            "scope": "email call-tongdao", "iat": now, "exp": now + 3600, "jti": "1", **changes,
        }  # fmt: skip
        return compact({"alg": alg, "typ": typ, "kid": key.kid}, claims, key, alg)


@asynccontextmanager
async def provider() -> AsyncIterator[tuple[Provider, Verifier]]:
    it = Provider()
    async with serving(it.app()) as port, client("") as outside:
        it.issuer = f"http://127.0.0.1:{port}/realms/city"
        stated = External(
            issuer=it.issuer, audience="tongdao", systems={"sthjj-over-there": SYSTEM}, call_scope="call-tongdao"
        )
        own = Verifier(ISSUER, ISSUER, Gate("postgresql://nobody@127.0.0.1:1/x").verifier.keys)
        yield it, Verifier(ISSUER, ISSUER, own.keys, issuers([stated], outside))


TAKEN = [(EC, "ES256", "JWT"), (RSA, "RS256", "JWT"), (RSA, "PS256", "at+jwt"), (EC, "ES256", "AT+JWT")]


@pytest.mark.parametrize(("key", "alg", "typ"), TAKEN, ids=[f"{alg} {typ}" for _, alg, typ in TAKEN])
async def test_a_named_system_is_known_by_its_token(key: Any, alg: str, typ: str) -> None:
    async with provider() as (it, verifier):
        token = await verifier.verified(it.token(key, alg, typ), time.time())
        said = (token.client, token.department, token.scopes, token.issuer)
        assert said == (SYSTEM, "", frozenset((CALL,)), it.issuer)
        await verifier.verified(it.token(key, alg, typ, jti="2"), time.time())
        with pytest.raises(UnknownKey):
            await verifier.verified(it.token(ECKey.generate_key("P-256", {"kid": "x"})), time.time())
        assert it.fetched == ["/realms/city/.well-known/openid-configuration", "/realms/city/jwks"]


async def test_a_token_gives_no_more_than_calls() -> None:
    async with provider() as (it, verifier):
        call, nothing = frozenset((CALL,)), frozenset[str]()
        said_of = (("call-tongdao audit:read", call), (["call-tongdao"], call), (AUDIT_READ, nothing), (7, nothing))
        for said, expected in said_of:
            token = await verifier.verified(it.token(scope=said, department="gaj", act={"sub": "x"}), time.time())
            assert (token.scopes, token.department, token.actor) == (expected, "", "")


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another audience": ({"aud": "account"}, "aud: expected tongdao; got account"),
    "another system": ({"azp": "unknown"}, "azp: unknown stands for no system here"),
    "no system": ({"azp": None}, "azp: is missing"),
    "too long-lived": ({"exp": int(time.time()) + 7200}, "exp: expected at most 3600 s after iat; got "),
    "expired": ({"iat": 1, "exp": 2}, "exp: expired at 2"),
    "another key": ({"key": ECKey.generate_key("P-256", {"kid": "r"})}, ""),
    "our issuer": ({"iss": ISSUER}, ""), "nobody": ({"iss": "https://evil.example"}, ""),
    "logout token": ({"typ": "logout+jwt"}, ""),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "told"), REFUSED.values(), ids=REFUSED.keys())
async def test_what_does_not_fit_is_refused(changes: dict[str, Any], told: str) -> None:
    async with provider() as (it, verifier):
        with pytest.raises(InvalidToken) as refused:
            await verifier.verified(it.token(**changes), time.time())
        assert refused.value.told.startswith(told)
        assert bool(told) == bool(refused.value.told)


@pytest.mark.parametrize(
    "what", [{"named": "https://evil.example"}, {"jwks_uri": "moved"}, {"jwks_uri": "large"}, {"jwks_uri": "http://192.0.2.1/"}],
    ids=["discovery of another", "redirected", "too large", "in the clear"],
)  # fmt: skip
async def test_keys_come_from_nowhere_else(what: dict[str, str]) -> None:
    async with provider() as (it, verifier):
        for name, value in what.items():
            setattr(it, name, value if "//" in value else f"{it.issuer}/{value}")
        with pytest.raises(UnknownKey):
            await verifier.verified(it.token(), time.time())


UNSAFE = ["http://idp.example", "ftp://idp.example", "https://", "https://a@idp.example", "https://a.example?b", "x"]


@pytest.mark.parametrize("address", UNSAFE)
def test_an_issuer_lies_behind_tls_or_on_this_machine(address: str) -> None:
    with pytest.raises(ValueError, match=r"address|loopback"):
        safe_address(address)
    with pytest.raises(ValidationError):
        External(issuer=address, audience="a", systems={})
    for good in ("https://idp.example/realms/city", "http://127.0.0.1:8080", "http://[::1]", "http://localhost:1"):
        assert safe_address(good) == good


async def test_such_a_system_calls_in_its_own_department(at: Gate) -> None:
    await at.knows(PEOPLE, PEOPLE_GRANT)
    authenticator = at.gateway.authenticator
    own = authenticator._verifier
    async with provider() as (it, verifier):
        authenticator._verifier = verifier
        answer = await at.client.get(TARGET, headers={"Authorization": f"Bearer {it.token()}"})
        assert answer.status_code == 200, answer.text
        assert (at.leaves[-1].system, at.leaves[-1].department) == (SYSTEM, DEPARTMENT)
        at._forget()
        answer = await at.client.get(TARGET, headers={"Authorization": f"Bearer {it.token(scope='email')}"})
        check(answer, 403, "token/insufficient-scope")
        assert at.asked == []
    authenticator._verifier = own
