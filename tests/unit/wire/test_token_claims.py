"""What an access token says of who acts, and what is told to whoever sends one that was good once."""

from typing import Any

import pytest
from joserfc.jwk import ECKey

from harness.jws import compact
from runtime.errors import Refusal
from wire import challenges, codes
from wire.dpop import InvalidProof, NonceWanted
from wire.tokens import InvalidToken, Keys, Presented, UnknownKey, Verifier, presented

ISSUER, AUDIENCE = "https://tongdao.example", "https://gw.example"
KEY, OTHER = ECKey.generate_key("P-256", {"kid": "1"}), ECKey.generate_key("P-256", {"kid": "1"})
NOW = 1_790_000_000
CLAIMS: dict[str, Any] = {
    "iss": ISSUER, "aud": AUDIENCE, "sub": "a", "client_id": "a", "department": "gaj", "scope": "call audit:read",
    "iat": NOW, "exp": NOW + 300, "jti": "1",
}  # fmt: skip
WHO = "sub: expected the client, a person, or a system with act"
PERSON = "person:01939c5e-7a10-7c3e-8d5b-1a2b3c4d5e6f"


def made(key: ECKey = KEY, header: dict[str, Any] | None = None, **changes: Any) -> str:
    return compact({"alg": "ES256", "typ": "at+jwt", "kid": "1", **(header or {})}, {**CLAIMS, **changes}, key)


async def verifier() -> Verifier:
    async def fetch() -> dict[str, Any]:
        return {"keys": [KEY.as_dict(private=False)]}

    keys = Keys(fetch)
    await keys.refresh()
    return Verifier(ISSUER, AUDIENCE, keys)


@pytest.mark.anyio
@pytest.mark.requirement("TOK-10")
async def test_who_acts_and_for_whom() -> None:
    at = await verifier()
    system = at.verify(made(), NOW)
    assert (system.client, system.actor, system.person, system.issuer, system.key) == ("a", "", "", ISSUER, "1")
    assert (system.department, system.scopes, system.issued) == ("gaj", frozenset(("call", "audit:read")), NOW)
    acting = at.verify(made(client_id="b", act={"sub": "b"}), NOW)
    assert (acting.client, acting.actor, acting.person) == ("a", "b", "")
    person = at.verify(made(sub=PERSON, client_id="portal"), NOW)
    assert (person.client, person.person, person.through, person.actor) == (PERSON, PERSON, "portal", "")
    bound = at.verify(made(cnf={"jkt": "k", "x5t#S256": "c"}), NOW)
    assert (bound.jkt, bound.x5t) == ("k", "c")


TOLD: dict[str, tuple[dict[str, Any], str]] = {
    "T-39 other audience": ({"aud": "https://other.example"}, f"aud: expected {AUDIENCE}; got https://other.example"),
    "T-39 none": ({"aud": None}, f"aud: expected {AUDIENCE}; got nothing"),
    "T-39 empty": ({"aud": []}, f"aud: expected {AUDIENCE}; got nothing"),
    "T-39 prefix": ({"aud": AUDIENCE + ".evil"}, f"aud: expected {AUDIENCE}; got {AUDIENCE}.evil"),
    "T-40 expired": ({"iat": NOW - 300, "exp": NOW}, f"exp: expired at {NOW}; now {NOW}"),
    "T-40 none": ({"exp": None}, "exp: expected whole Unix seconds"),
    "T-40 ten years": ({"exp": NOW + 315_360_000}, "exp: expected at most 300 s after iat; got 315360000 s"),
    "T-41 iat": ({"iat": NOW + 11}, f"iat: not valid before {NOW + 11}; now {NOW}"),
    "T-41 nbf": ({"nbf": NOW + 61}, f"nbf: not valid before {NOW + 61}; now {NOW}"),
    "T-42 no jti": ({"jti": None}, "jti: is missing"),
    "T-43 no client": ({"client_id": None}, "client_id: is missing"),
    "T-43 no subject": ({"sub": None}, "sub: is missing"),
    "T-43 another": ({"client_id": "b"}, WHO),
    "acts for itself": ({"act": {"sub": "a"}}, WHO),
    "another acts": ({"client_id": "b", "act": {"sub": "c"}}, WHO),
    "a chain": (
        {"client_id": "b", "act": {"sub": "b", "act": {"sub": "c"}}},
        WHO,
    ),
    "acts for a person": (
        {"sub": PERSON, "client_id": PERSON, "act": {"sub": PERSON}},
        WHO,
    ),
    "no scope": ({"scope": None}, "scope: is missing"),
    "no department": ({"department": ""}, "department: is missing"),
    "bound to nothing": ({"cnf": {}}, "cnf: expected jkt or x5t#S256"),
    "bound to what nobody checks": ({"cnf": {"jkt": "k", "jwk": {}}}, "cnf: expected jkt or x5t#S256"),
    "bound to a number": ({"cnf": {"jkt": 7}}, "cnf: expected thumbprints"),
}  # fmt: skip


@pytest.mark.anyio
@pytest.mark.requirement("TOK-06")
@pytest.mark.requirement("TOK-10")
@pytest.mark.parametrize(("changes", "told"), TOLD.values(), ids=TOLD.keys())
async def test_after_the_signature_all_is_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(InvalidToken) as refused:
        (await verifier()).verify(made(**changes), NOW)
    assert refused.value.told == told


@pytest.mark.anyio
@pytest.mark.requirement("TOK-06")
async def test_before_the_signature_nothing_is_told() -> None:
    at = await verifier()
    strangers = [
        made(OTHER), made(header={"kid": "2"}), made(header={"typ": "JWT"}), made(iss="https://other.example"),
        made(iss=[ISSUER]), made(iss=ISSUER + "/"), "a.b.c", made(OTHER, exp=0),
    ]  # fmt: skip
    for token in strangers:
        with pytest.raises(InvalidToken) as refused:
            at.verify(token, NOW)
        assert refused.value.told == ""


@pytest.mark.anyio
@pytest.mark.requirement("TOK-07")
async def test_a_key_that_was_dropped_is_fetched_again_at_once_but_others_wait() -> None:
    fetched = []

    async def fetch() -> dict[str, Any]:
        fetched.append(1)
        return {"keys": [KEY.as_dict(private=False)]}

    keys = Keys(fetch)
    await keys.refresh()
    await keys.refresh()
    assert len(fetched) == 1
    keys.drop("unknown")
    await keys.refresh()
    assert len(fetched) == 1
    keys.drop("1")
    with pytest.raises(UnknownKey):
        keys.get("1")
    await keys.refresh()
    assert len(fetched) == 2


def test_a_token_is_presented_in_one_way() -> None:
    assert presented(["Bearer x"]) == presented(["bEaReR x"], "a=1") == Presented("Bearer", "x")
    assert presented(["dpop x"]) == Presented("DPoP", "x")


@pytest.mark.parametrize(
    ("authorization", "query", "code"),
    [
        ([], "", codes.TOKEN_MISSING), (["Basic x"], "", codes.TOKEN_MISSING), (["Bearerx y"], "", codes.TOKEN_MISSING),
        (["Bearer"], "", codes.TOKEN_MALFORMED), (["Bearer a b"], "", codes.TOKEN_MALFORMED),
        (["Bearer a, Bearer b"], "", codes.TOKEN_MALFORMED), (["Bearer, Bearer b"], "", codes.TOKEN_MALFORMED),
        (["Bearer a", "Bearer a"], "", codes.TOKEN_MALFORMED), (["DPoP"], "", codes.TOKEN_MALFORMED),
        ([], "a=1&access_token=x", codes.TOKEN_MALFORMED), (["Bearer a"], "access%5Ftoken=", codes.TOKEN_MALFORMED),
    ],
)  # fmt: skip
def test_other_ways_are_refused(authorization: list[str], query: str, code: object) -> None:
    with pytest.raises(Refusal) as refused:
        presented(authorization, query)
    assert refused.value.code is code


def test_a_refusal_says_how_to_go_on() -> None:
    proof = challenges.invalid_proof(InvalidProof("htm: expected GET"), nonce="n")
    assert (proof.code, proof.detail, proof.headers["DPoP-Nonce"]) == (codes.PROOF_INVALID, "htm: expected GET", "n")
    assert proof.headers["WWW-Authenticate"].startswith('DPoP realm="tongdao", error="invalid_dpop_proof", algs="ES256')
    nonce = challenges.invalid_proof(NonceWanted("nonce"), nonce="n")
    assert nonce.code is codes.PROOF_NONCE
    assert 'error="use_dpop_nonce"' in nonce.headers["WWW-Authenticate"]
    token = challenges.invalid_token(InvalidToken("secret reason"), challenges.BEARER)
    assert (token.detail, token.headers) == ("", {"WWW-Authenticate": 'Bearer realm="tongdao", error="invalid_token"'})
