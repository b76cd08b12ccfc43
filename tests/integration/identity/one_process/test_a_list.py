"""Every row of the A-list (security plan 5.3) against the authorization server: exact status and error.

A-28, what people and their browsers may do, stands with the people.
"""

import base64
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from joserfc import jws
from joserfc.jwk import ECKey

from harness.jws import dpop
from wire import scopes

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("IDT-02")]
ISSUER = "https://tongdao.example"
TOKEN = "/oauth2/token"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
GRANT = "grant_type=client_credentials"
Case = Callable[[Any, str, ECKey], Awaitable[httpx2.Response]]


def raw(body: str | bytes, headers: list[tuple[str, str]] | None = None, query: str = "", method: str = "POST") -> Case:
    """A request as it is written here, without a client."""

    async def sent(service: Any, _client: str, _key: ECKey) -> httpx2.Response:
        content = body.encode() if isinstance(body, str) else body
        answer: httpx2.Response = await service.http.request(
            method, TOKEN + query, content=content, headers=headers or list(FORM.items())
        )
        return answer

    return sent


def form(**members: str) -> Case:
    """A good assertion with another form."""

    async def sent(service: Any, client: str, key: ECKey) -> httpx2.Response:
        answer: httpx2.Response = await service.ask(service.assertion(client, key), **members)
        return answer

    return sent


def claims(**over: Any) -> Case:
    """A good signature over other claims; times are relative to now."""

    async def sent(service: Any, client: str, key: ECKey) -> httpx2.Response:
        now = service.claims(client)["iat"]
        moved = {
            name: now + value if name in ("exp", "iat", "nbf") and type(value) is int else value
            for name, value in over.items()
        }
        answer: httpx2.Response = await service.ask(service.assertion(client, key, **moved))
        return answer

    return sent


def header(**over: Any) -> Case:
    """A good assertion under another header."""

    async def sent(service: Any, client: str, key: ECKey) -> httpx2.Response:
        answer: httpx2.Response = await service.ask(service.assertion(client, key, header=over))
        return answer

    return sent


def text(make: Callable[[Any, str, ECKey], str]) -> Case:
    """Something else in the place of the assertion."""

    async def sent(service: Any, client: str, key: ECKey) -> httpx2.Response:
        answer: httpx2.Response = await service.ask(make(service, client, key))
        return answer

    return sent


def signed_otherwise(alg: str, sign: Callable[[bytes, ECKey], bytes]) -> Case:
    """The right claims under another algorithm."""

    def made(service: Any, client: str, key: ECKey) -> str:
        said = ".".join(
            base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()
            for part in ({"alg": alg, "kid": key.kid}, service.claims(client))
        )
        return f"{said}.{base64.urlsafe_b64encode(sign(said.encode(), key)).rstrip(b'=').decode()}"

    return text(made)


def hmac_with_public_key(said: bytes, key: ECKey) -> bytes:
    return hmac.digest(key.as_pem(private=False), said, "sha256")


def rs256_weak(said: bytes, _key: ECKey) -> bytes:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505  # that is the point
    return weak.sign(said, padding.PKCS1v15(), hashes.SHA256())


def with_proof(method: str = "POST", **over: Any) -> Case:
    """A good assertion with a proof of possession."""

    async def sent(service: Any, client: str, key: ECKey) -> httpx2.Response:
        own = ECKey.generate_key("P-256")
        answer: httpx2.Response = await service.ask(
            service.assertion(client, key), proofs=[dpop(own, method, ISSUER + TOKEN, **over)]
        )
        return answer

    return sent


async def by_another_departments_key(service: Any, client: str, key: ECKey) -> httpx2.Response:
    """A key with the same kid, registered for somebody else."""
    twin = ECKey.generate_key("P-256", {"kid": str(key.kid)})
    await service.registered(department="mzj", jwks={"keys": [dict(twin.as_dict(private=False))]})
    answer: httpx2.Response = await service.ask(service.assertion(client, twin))
    return answer


async def by_a_removed_key(service: Any, client: str, key: ECKey) -> httpx2.Response:
    fresh = ECKey.generate_key("P-256", {"kid": "fresh"})
    jwks = {"keys": [dict(fresh.as_dict(private=False))]}
    body = {"department": "gaj", "scope": scopes.CALL, "method": "private_key_jwt", "jwks": jwks}
    assert (await service.put(client, body)).status_code == 200
    answer: httpx2.Response = await service.ask(service.assertion(client, key))
    return answer


ROWS: list[Any] = [
    pytest.param(raw(b"", method="GET"), 405, None, id="A-01 GET"),
    pytest.param(raw(GRANT, query="?client_id=a"), 400, "invalid_request", id="A-01 parameters in the address"),
    pytest.param(
        raw(b'{"grant_type":"client_credentials"}', [("Content-Type", "application/json")]), 400, "invalid_request",
        id="A-01 JSON",
    ),
    pytest.param(raw(GRANT, [*FORM.items()] * 2), 400, "invalid_request", id="A-01 two Content-Types"),
    pytest.param(raw(f"{GRANT}&{GRANT}"), 400, "invalid_request", id="A-02 a parameter twice"),
    pytest.param(raw("scope=call"), 400, "invalid_request", id="A-02 no grant_type"),
    pytest.param(form(grant_type="password", username="a", password="b"), 400, "unsupported_grant_type",
                 id="A-03 password"),
    pytest.param(form(grant_type="implicit"), 400, "unsupported_grant_type", id="A-03 implicit"),
    pytest.param(form(grant_type="urn:unknown"), 400, "unsupported_grant_type", id="A-03 unknown"),
    pytest.param(form(grant_type="refresh_token", refresh_token="x"), 400, "unauthorized_client",
                 id="A-03 refresh_token of a machine"),
    pytest.param(
        form(grant_type="urn:ietf:params:oauth:grant-type:token-exchange"), 400, "unauthorized_client",
        id="A-04 a grant that the client does not have",
    ),
    pytest.param(raw(GRANT), 401, "invalid_client", id="A-05 no authentication"),
    pytest.param(raw(GRANT, [*FORM.items(), ("Authorization", "Basic eDp5")]), 401, "invalid_client",
                 id="A-05 unknown client"),
    pytest.param(raw(f"{GRANT}&client_assertion=a&client_secret=b"), 400, "invalid_request", id="A-06 two methods"),
    pytest.param(
        raw(f"{GRANT}&client_assertion=a", [*FORM.items(), ("Authorization", "Basic eDp5")]), 400, "invalid_request",
        id="A-06 assertion and Basic",
    ),
    pytest.param(claims(aud=ISSUER + TOKEN), 401, "invalid_client", id="A-07 aud is the token endpoint"),
    pytest.param(claims(aud=[ISSUER, "https://b.example"]), 401, "invalid_client", id="A-08 aud has two members"),
    pytest.param(claims(aud=ISSUER + "/"), 401, "invalid_client", id="A-08 aud with a slash"),
    pytest.param(claims(aud="https://b.example"), 401, "invalid_client", id="A-08 aud another issuer"),
    pytest.param(claims(exp=-1), 401, "invalid_client", id="A-09 expired"),
    pytest.param(claims(exp=330), 401, "invalid_client", id="A-09 exp too far ahead"),
    pytest.param(claims(exp=...), 401, "invalid_client", id="A-09 no exp"),
    pytest.param(claims(jti=...), 401, "invalid_client", id="A-09 no jti"),
    pytest.param(claims(iss="somebody"), 401, "invalid_client", id="A-11 iss is not sub"),
    pytest.param(claims(sub="somebody"), 401, "invalid_client", id="A-11 sub is not iss"),
    pytest.param(form(client_id="somebody"), 401, "invalid_client", id="A-11 another client_id in the form"),
    pytest.param(signed_otherwise("none", lambda _said, _key: b""), 401, "invalid_client", id="A-12 alg none"),
    pytest.param(signed_otherwise("HS256", hmac_with_public_key), 401, "invalid_client", id="A-12 HS256"),
    pytest.param(signed_otherwise("RS256", rs256_weak), 401, "invalid_client", id="A-12 1024-bit RS256, of no client"),
    pytest.param(form(client_assertion_type="urn:other"), 401, "invalid_client", id="A-13 another assertion type"),
    pytest.param(form(client_assertion_type=""), 401, "invalid_client", id="A-13 no assertion type"),
    pytest.param(by_a_removed_key, 401, "invalid_client", id="A-14 a key that was removed"),
    pytest.param(by_another_departments_key, 401, "invalid_client", id="A-14 another department's key, same kid"),
    pytest.param(claims(iat=9), 200, None, id="A-15 a clock 9 s ahead"),
    pytest.param(claims(iat=61), 401, "invalid_client", id="A-15 a clock 61 s ahead"),
    pytest.param(header(), 200, None, id="A-16 typ missing"),
    pytest.param(header(typ="client-authentication+jwt"), 200, None, id="A-16 typ of RFC 10070"),
    pytest.param(header(typ="JWT"), 200, None, id="A-16 typ JWT"),
    pytest.param(header(typ="at+jwt"), 401, "invalid_client", id="A-16 typ of an access token"),
    pytest.param(form(scope=scopes.GRANT_WRITE), 400, "invalid_scope", id="A-17 not granted"),
    pytest.param(form(scope='"call"'), 400, "invalid_scope", id="A-17 quotes"),
    pytest.param(form(scope="call\x00"), 400, "invalid_scope", id="A-17 NUL"),
    pytest.param(form(scope="x" * 10_000), 400, "invalid_scope", id="A-17 10 kB"),
    pytest.param(form(resource="https://b.example"), 400, "invalid_target", id="A-18 another resource"),
    pytest.param(raw("a" * 1_000_000), 413, None, id="A-20 a megabyte"),
    pytest.param(raw("&".join(f"p{n}=1" for n in range(10_000))), 413, None, id="A-20 10,000 parameters"),
    pytest.param(with_proof(htu="https://b.example/oauth2/token"), 400, "invalid_dpop_proof", id="A-23 htu"),
    pytest.param(with_proof(method="GET"), 400, "invalid_dpop_proof", id="A-23 htm"),
    pytest.param(with_proof(iat=1), 400, "invalid_dpop_proof", id="A-23 iat"),
    pytest.param(with_proof(jti=None), 400, "invalid_dpop_proof", id="A-23 no jti"),
    pytest.param(with_proof(header={"typ": "JWT"}), 400, "invalid_dpop_proof", id="A-23 typ"),
    pytest.param(with_proof(header={"jwk": {"kty": "oct", "k": "AAAA"}}), 400, "invalid_dpop_proof", id="A-23 oct"),
    pytest.param(with_proof(), 200, None, id="A-23 a good proof"),
]  # fmt: skip


@pytest.mark.parametrize(("case", "status", "error"), ROWS)
async def test_row(shared: Any, case: Case, status: int, error: str | None) -> None:
    client, key = await shared.registered()
    answer = await case(shared, client, key)
    assert answer.status_code == status, answer.text
    if error is not None:
        assert answer.json()["error"] == error
    if status != 200:
        assert "access_token" not in answer.text
        assert shared.log.events("token.issued", actor=client) == []


@pytest.mark.parametrize("row", ["A-19 jwks_uri is not a thing that can be registered"])
async def test_keys_are_never_fetched_for_a_client(shared: Any, row: str) -> None:
    body = {"department": "gaj", "jwks_uri": "http://169.254.169.254/latest/meta-data"}
    assert (await shared.put("gaj-uri", body)).status_code == 422, row


@pytest.mark.parametrize("bits", [1024, 4096], ids=["A-12 1024 bits registered", "A-12 RSA registered"])
async def test_no_client_has_an_rsa_key(shared: Any, bits: int) -> None:
    """Keys of clients are EC or Ed25519: a short RSA key does not even come in."""
    numbers = rsa.generate_private_key(65537, bits).public_key().public_numbers()  # that is the point
    n = base64.urlsafe_b64encode(numbers.n.to_bytes(bits // 8)).rstrip(b"=").decode()
    body = {"department": "gaj", "jwks": {"keys": [{"kty": "RSA", "kid": "r", "n": n, "e": "AQAB"}]}}
    answer = await shared.put(f"gaj-rsa-{bits}", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "request/invalid"), answer.text


@pytest.mark.parametrize("row", ["A-25 metadata and keys"])
async def test_metadata_say_what_is_so_and_no_more(shared: Any, row: str) -> None:
    told = (await shared.http.get("/.well-known/oauth-authorization-server")).json()
    assert told["issuer"] == ISSUER, row
    for endpoint in ("token", "introspection", "revocation"):
        assert told[f"{endpoint}_endpoint_auth_methods_supported"] == ["private_key_jwt", "tls_client_auth"]
        assert told[f"{endpoint}_endpoint"].startswith(ISSUER + "/oauth2/")
    assert "none" not in json.dumps(told)
    assert {"client_credentials", "urn:ietf:params:oauth:grant-type:token-exchange"} <= {*told["grant_types_supported"]}
    keys = (await shared.http.get("/oauth2/jwks")).json()["keys"]
    assert len({key["kid"] for key in keys}) == len(keys) > 0
    assert all(key.keys() <= {"kty", "crv", "x", "y", "kid", "use", "alg"} for key in keys)
    client, key = await shared.registered()
    assert (await shared.ask(shared.assertion(client, key))).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("path", ["/oauth2/introspect", "/oauth2/revoke"], ids=["A-26 introspect", "A-26 revoke"])
async def test_nobody_asks_without_proof(shared: Any, path: str) -> None:
    client, key = await shared.registered()
    token = await shared.token(client, key)
    answer = await shared.http.post(path, data={"token": token, "client_id": client})
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    assert (await shared.http.post(path, data={})).status_code == 400


@pytest.mark.parametrize("token", ["unknown", "a.b.c"], ids=["A-26 revoke an unknown token", "A-26 revoke no token"])
async def test_what_is_unknown_is_as_good_as_revoked(shared: Any, token: str) -> None:
    client, key = await shared.registered()
    answer = await shared.ask(shared.assertion(client, key), path="/oauth2/revoke", token=token)
    assert (answer.status_code, answer.content) == (200, b"")


@pytest.mark.parametrize("over", [{"aud": "https://b.example"}, {"iss": "https://b.example"}, {"exp": 1}],
                         ids=["A-27 another audience", "A-27 another issuer", "A-27 expired"])  # fmt: skip
async def test_tokens_for_others_are_not_active(shared: Any, over: dict[str, Any]) -> None:
    client, key = await shared.registered(scope=f"{scopes.CALL} {scopes.TOKEN_INTROSPECT}")
    good = await shared.token(client, key)
    payload = json.loads(base64.urlsafe_b64decode(good.split(".")[1] + "=="))
    signing = shared.home.signing[0]
    head = {"alg": "ES256", "typ": "at+jwt", "kid": signing.kid}
    other = jws.serialize_compact(head, json.dumps({**payload, **over}), signing)
    for token, active in ((good, True), (other, False)):
        answer = await shared.ask(shared.assertion(client, key), path="/oauth2/introspect", token=token)
        assert (answer.status_code, answer.json()["active"]) == (200, active)
