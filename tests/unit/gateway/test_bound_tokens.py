"""Tokens that are bound to a key (DPoP) or to a certificate: who sends them has to prove it, each time anew."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from joserfc.jwk import ECKey, OKPKey, RSAKey
from msgspec.structs import replace as changed

from gateway.proofs import Proofs
from harness.gate import ISSUER, NUMBER, PEOPLE, PEOPLE_GRANT, Gate, check, gate
from harness.jws import dpop, public, with_hmac
from runtime.db import engine
from runtime.http import Response
from wire.dpop import Nonces, Proof

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("TOK-03"), pytest.mark.requirement("TOK-05")]
TARGET = f"/x/gaj-person/v1/{NUMBER}"
URL = ISSUER + TARGET
KEY, OTHER = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
GRANT = changed(PEOPLE_GRANT, rate_per_s=1000.0, burst=1000)
"""Two gateways share its rate: here it is not what anybody waits for."""
ED, RSA = OKPKey.generate_key("Ed25519"), RSAKey.generate_key(2048)
DPOP = 'DPoP realm="tongdao", error="{}", algs="ES256 PS256 Ed25519 EdDSA"'


def bound(at: Gate, key: Any = KEY) -> str:
    return at.token(cnf={"jkt": key.thumbprint()})


async def asked(at: Gate, token: str, *proofs: str, scheme: str = "DPoP", target: str = TARGET) -> Response:
    await at.knows(PEOPLE, GRANT)
    sent = [("Authorization", f"{scheme} {token}"), *(("DPoP", one) for one in proofs)]
    return await at.client.get(target, headers=sent)


def turned_away(at: Gate, answer: Response, code: str, error: str) -> dict[str, Any]:
    problem = check(answer, 401, code)
    assert answer.headers.get_list("www-authenticate") == [DPOP.format(error)]
    assert (at.asked, at.happened) == ([], [])
    return problem


@pytest.mark.parametrize(("key", "alg"), [(KEY, "ES256"), (ED, "EdDSA"), (ED, "Ed25519"), (RSA, "PS256")])
async def test_whoever_proves_the_key_is_let_in(at: Gate, key: Any, alg: str) -> None:
    token = bound(at, key)
    assert (await asked(at, token, dpop(key, "GET", URL, token, alg=alg))).status_code == 200
    assert len(at.asked) == 1


HTU: dict[str, str] = {
    "T-54 query": URL + "?a=1", "T-54 fragment": URL + "#a", "T-54 port": URL.replace("example", "example:443"),
    "T-54 capitals": URL.replace("tongdao", "TongDao"),
}  # fmt: skip


@pytest.mark.parametrize("htu", HTU.values(), ids=HTU.keys())
async def test_query_and_fragment_do_not_count(at: Gate, htu: str) -> None:
    token = bound(at)
    answer = await asked(at, token, dpop(KEY, "GET", URL, token, htu=htu), target=TARGET + "?year=2026")
    assert answer.status_code == 200, answer.text


@pytest.mark.parametrize("proved", [False, True], ids=["T-52 as Bearer", "T-52 as Bearer, with a proof"])
async def test_a_bound_token_is_not_taken_as_a_bearer_token(at: Gate, proved: bool) -> None:
    token = bound(at)
    answer = await asked(at, token, *([dpop(KEY, "GET", URL, token)] if proved else []), scheme="Bearer")
    assert check(answer, 401, "token/invalid")["detail"] == "bound to a key: send it with DPoP and a proof"
    assert answer.headers["www-authenticate"] == 'Bearer realm="tongdao", error="invalid_token"'
    assert (at.asked, at.happened) == ([], [])
    token = at.token()
    problem = turned_away(at, await asked(at, token, dpop(KEY, "GET", URL, token)), "token/invalid", "invalid_token")
    assert problem["detail"] == "not bound to a key: send it as Bearer"


@pytest.mark.parametrize(
    ("key", "header"), [(OTHER, {}), (KEY, {"jwk": public(OTHER)})],
    ids=["T-58 thumbprint is not cnf.jkt", "T-58 another key in the header"],
)  # fmt: skip
async def test_a_proof_by_another_key_does_not_open(at: Gate, key: ECKey, header: dict[str, Any]) -> None:
    token = bound(at)
    proof = dpop(key, "GET", URL, token, header=header)
    problem = turned_away(at, await asked(at, token, proof), "token/invalid", "invalid_token")
    assert problem["detail"] == "bound to another key than the one that signed the proof"


def hmac_proof(token: str) -> str:
    claims = {"htm": "GET", "htu": URL, "iat": int(time.time()), "jti": "1"}
    return with_hmac({"typ": "dpop+jwt", "alg": "HS256", "jwk": {"kty": "oct", "k": "AAAA"}}, claims, token.encode())


PROOFS: dict[str, Any] = {
    "T-53 none": lambda _: [],
    "T-53 two": lambda token: [dpop(KEY, "GET", URL, token), dpop(KEY, "GET", URL, token)],
    "T-53 no JWT": lambda _: ["x"],
    "T-53 the token itself": lambda token: [token],
    "T-54 method": lambda token: [dpop(KEY, "POST", URL, token)],
    "T-54 host": lambda token: [dpop(KEY, "GET", URL.replace("tongdao", "elsewhere"), token)],
    "T-54 port": lambda token: [dpop(KEY, "GET", URL.replace("example", "example:8443"), token)],
    "T-54 path": lambda token: [dpop(KEY, "GET", URL + "/more", token)],
    "T-54 scheme": lambda token: [dpop(KEY, "GET", URL.replace("https", "http"), token)],
    "T-55 no ath": lambda token: [dpop(KEY, "GET", URL, token, ath=None)],
    "T-55 of another token": lambda _: [dpop(KEY, "GET", URL, "another")],
    "T-57 -61 s": lambda token: [dpop(KEY, "GET", URL, token, iat=int(time.time()) - 62)],
    "T-57 beyond all clocks": lambda token: [dpop(KEY, "GET", URL, token, iat=10**400)],
    "T-57 +61 s": lambda token: [dpop(KEY, "GET", URL, token, iat=int(time.time()) + 63)],
    "T-58 private key": lambda token: [dpop(KEY, "GET", URL, token, header={"jwk": KEY.as_dict(private=True)})],
    "T-58 symmetric": lambda token: [hmac_proof(token)],
    "T-58 alg none": lambda token: [dpop(KEY, "GET", URL, token, header={"alg": "none"})],
    "T-58 typ": lambda token: [dpop(KEY, "GET", URL, token, header={"typ": "at+jwt"})],
}


@pytest.mark.parametrize("made", PROOFS.values(), ids=PROOFS.keys())
async def test_a_bad_proof_does_not_open(at: Gate, made: Any) -> None:
    token = bound(at)
    problem = turned_away(at, await asked(at, token, *made(token)), "token/dpop-proof", "invalid_dpop_proof")
    assert problem["detail"]


# --- once -----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
async def second(shared: str) -> AsyncIterator[Gate]:
    """Another gateway of the same platform, which asks for nonces."""
    async with gate(shared, Nonces(b"n" * 32)) as it:
        yield it


@pytest.mark.parametrize("row", ["T-56 same gateway"])
async def test_a_proof_opens_once(at: Gate, row: str) -> None:
    token = bound(at)
    used = dpop(KEY, "GET", URL, token)
    assert (await asked(at, token, used)).status_code == 200
    at._forget()
    problem = turned_away(at, await asked(at, token, used), "token/dpop-proof", "invalid_dpop_proof")
    assert problem["detail"].startswith("jti: was used before"), row
    assert (await asked(at, token, dpop(KEY, "GET", URL, token))).status_code == 200


@pytest.mark.parametrize("row", ["T-56 another gateway"])
async def test_a_proof_opens_once_at_every_gateway(at: Gate, second: Gate, row: str) -> None:
    await second.clear()
    token = bound(at)
    used = dpop(KEY, "GET", URL, token, nonce=Nonces(b"n" * 32).current(time.time()))
    assert (await asked(at, token, used)).status_code == 200, row
    turned_away(second, await asked(second, token, used), "token/dpop-proof", "invalid_dpop_proof")


@pytest.mark.parametrize("races", [pytest.param(5, id="M-14 two gateways")])
async def test_of_two_uses_at_once_one_wins(at: Gate, second: Gate, races: int) -> None:
    nonce = Nonces(b"n" * 32).current(time.time())
    for one in (at, second):
        await one.knows(PEOPLE, GRANT)
    for _ in range(races):
        token = bound(at)
        sent = {"Authorization": f"DPoP {token}", "DPoP": dpop(KEY, "GET", URL, token, nonce=nonce)}
        asking = (one.client.get(TARGET, headers=sent) for one in (at, second, at, second))
        answers = await asyncio.gather(*asking)
        assert sorted(answer.status_code for answer in answers) == [200, 401, 401, 401]


async def test_a_bad_proof_is_not_used_up(at: Gate) -> None:
    token, jti = bound(at), uuid4().hex
    assert (await asked(at, token, dpop(KEY, "POST", URL, token, jti=jti))).status_code == 401
    assert (await asked(at, token, dpop(KEY, "GET", URL, token, jti=jti))).status_code == 200


async def test_used_proofs_are_forgotten_when_they_are_old(at: Gate) -> None:
    proofs, now = Proofs(at.database), int(time.time())
    old, new = (Proof("t", hashlib.sha256(b"%d" % until).digest(), until) for until in (now - 60, now + 60))
    assert [await proofs.use(one) for one in (old, new, old, new)] == [True, True, False, False]
    await proofs.forget()
    assert [await proofs.use(one) for one in (old, new)] == [True, False]


async def test_where_used_proofs_cannot_be_looked_up_nobody_comes_in(at: Gate) -> None:
    authenticator, nowhere = at.gateway.authenticator, engine("postgresql://nobody@127.0.0.1:1/nothing")
    kept, authenticator._proofs = authenticator._proofs, Proofs(nowhere)
    token = bound(at)
    answer = await asked(at, token, dpop(KEY, "GET", URL, token))
    authenticator._proofs = kept
    check(answer, 503, "exchange/service-unreachable")
    assert (at.asked, at.happened) == ([], [])
    assert (await asked(at, at.token(), scheme="Bearer")).status_code == 200


@pytest.mark.parametrize("stated", [{}, {"nonce": "old"}], ids=["T-59 nonce missing", "T-59 nonce old"])
async def test_a_nonce_is_asked_for_where_the_operator_wants_one(second: Gate, stated: dict[str, str]) -> None:
    await second.clear()
    token = bound(second)
    answer = await asked(second, token, dpop(KEY, "GET", URL, token, **stated))
    turned_away(second, answer, "token/dpop-nonce", "use_dpop_nonce")
    nonce = answer.headers["dpop-nonce"]
    assert (await asked(second, token, dpop(KEY, "GET", URL, token, nonce=nonce))).status_code == 200


FORGED: dict[str, dict[str, str]] = {
    "T-50 no certificate": {},
    "T-50 X-Client-Cert": {"X-Client-Cert": "x"}, "T-50 Client-Cert": {"Client-Cert": ":AAAA:"},
}  # fmt: skip


@pytest.mark.parametrize("forged", FORGED.values(), ids=FORGED.keys())
async def test_without_its_certificate_a_bound_token_does_not_open(at: Gate, forged: dict[str, str]) -> None:
    await at.knows(PEOPLE, GRANT)
    token = at.token(cnf={"x5t#S256": "2kNBXo6JdfPZ3mE5o-2nlSvpEGpm_2uHL4aV1Pc8yXQ"})
    answer = await at.client.get(TARGET, headers={"Authorization": f"Bearer {token}", **forged})
    assert check(answer, 401, "token/invalid")["detail"].startswith("bound to a certificate")
    assert at.asked == []
