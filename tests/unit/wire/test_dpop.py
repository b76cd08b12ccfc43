"""Proofs of possession: what each has to say, about which request, and when."""

from typing import Any

import pytest
from joserfc.jwk import ECKey, OctKey, OKPKey, RSAKey

from harness.jws import compact, dpop, public, unsigned, with_hmac
from wire.dpop import InvalidProof, Nonces, NonceWanted, check, token_hash
from wire.jose import InvalidToken

pytestmark = pytest.mark.requirement("TOK-02")
EC, OTHER = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
RSA, ED = RSAKey.generate_key(2048), OKPKey.generate_key("Ed25519")
NOW = 1_790_000_000
URL = "https://tongdao.example/x/gaj-person/v1/7?year=2026"
HTU = "https://tongdao.example/x/gaj-person/v1/7"
TOKEN = "the.access.token"
NONCES = Nonces(b"n" * 32)


def looked_at(text: str, **changes: Any) -> Any:
    return check(text, **{"method": "GET", "url": URL, "now": NOW, "token": TOKEN, **changes})


def made(key: Any = EC, **changes: Any) -> str:
    return dpop(key, **{"method": "GET", "url": HTU, "token": TOKEN, "iat": NOW, **changes})


@pytest.mark.parametrize(("key", "alg"), [(EC, "ES256"), (RSA, "PS256"), (ED, "Ed25519"), (ED, "EdDSA")])
def test_a_proof_of_every_kind_of_key_is_good(key: Any, alg: str) -> None:
    found = looked_at(made(key, alg=alg, jti="1"))
    assert (found.thumbprint, len(found.digest), found.until) == (key.thumbprint(), 32, NOW + 120)
    assert looked_at(made(key, alg=alg, jti="1")).digest == found.digest
    assert looked_at(made(key, alg=alg, jti="2")).digest != found.digest
    assert looked_at(made(OTHER, jti="1")).digest != found.digest


SAME = {
    "as it is": HTU, "query": URL, "fragment": HTU + "#a", "port": HTU.replace("example", "example:443"),
    "capitals": HTU.replace("https://tongdao", "HTTPS://TongDao"),
}  # fmt: skip


@pytest.mark.parametrize("htu", SAME.values(), ids=SAME.keys())
def test_an_address_has_several_spellings(htu: str) -> None:
    looked_at(made(htu=htu))


def test_an_address_without_a_path_and_one_of_ipv6_are_addresses() -> None:
    looked_at(made(htu="https://tongdao.example"), url="https://tongdao.example/")
    looked_at(made(htu="http://[::1]:8080/a"), url="http://[::1]:8080/a?b")


def test_without_a_token_no_hash_of_one_is_needed() -> None:
    looked_at(made(ath=None), token="")


@pytest.mark.parametrize("iat", [NOW - 60, NOW, NOW + 60])
def test_a_proof_is_good_for_a_minute_either_way(iat: int) -> None:
    looked_at(made(iat=iat))


PRIVATE = {"jwk": EC.as_dict(private=True)}
BAD = {
    "no JWT": "a.b",
    "alg none": unsigned({"typ": "dpop+jwt", "alg": "none", "jwk": public(EC)}, {}) + ".",
    "HS256": with_hmac(
        {"typ": "dpop+jwt", "alg": "HS256", "jwk": OctKey.import_key(b"k" * 32).as_dict()},
        {"htm": "GET", "htu": HTU, "iat": NOW, "jti": "1", "ath": token_hash(TOKEN)}, b"k" * 32,
    ),
    "typ missing": made(header={"typ": None}),
    "typ at+jwt": made(header={"typ": "at+jwt"}),
    "no key": made(header={"jwk": None}),
    "key is a text": made(header={"jwk": "EC"}),
    "private key": made(header=PRIVATE),
    "weak key": made(header={"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}),
    "signed by another": made(header={"jwk": public(OTHER)}),
    "key and alg differ": made(header={"jwk": public(RSA)}),
    "key at an address": made(header={"jku": "https://elsewhere.example"}),
    "other method": made(htm="POST"), "method in small letters": made(htm="get"), "no method": made(htm=None),
    "other host": made(htu=HTU.replace("tongdao", "elsewhere")),
    "other port": made(htu=HTU.replace("example", "example:8443")),
    "other scheme": made(htu=HTU.replace("https", "http")),
    "other path": made(htu=HTU + "8"), "path in capitals": made(htu=HTU.replace("gaj", "GAJ")),
    "a user": made(htu=HTU.replace("//", "//a@")), "no address": made(htu="/x/gaj-person/v1/7"),
    "no htu": made(htu=None), "htu is a list": made(htu=[HTU]), "white space": made(htu=HTU + " "),
    "port is no number": made(htu=HTU.replace("example", "example:x")), "not ASCII": made(htu=HTU + "道"),
    "too old": made(iat=NOW - 61), "too new": made(iat=NOW + 61), "no iat": made(iat=None),
    "iat is a text": made(iat=str(NOW)), "iat is true": made(iat=True), "iat is no whole number": made(iat=NOW + 0.5),
    "no jti": made(jti=None), "jti is empty": made(jti=""), "jti is long": made(jti="x" * 257),
    "jti is a number": made(jti=7),
    "no ath": made(ath=None), "ath of another token": made(ath=token_hash("another")), "ath is a number": made(ath=7),
    "ath not ASCII": made(ath="道"),
    "too long": made(x="x" * 4096),
}  # fmt: skip


@pytest.mark.parametrize("text", BAD.values(), ids=BAD.keys())
def test_a_proof_with_one_thing_wrong_proves_nothing(text: str) -> None:
    with pytest.raises(InvalidProof) as refused:
        looked_at(text)
    assert not isinstance(refused.value, NonceWanted)


def test_the_longest_jti_is_taken() -> None:
    looked_at(made(jti="x" * 256))


def test_a_nonce_is_good_for_a_minute_or_two_at_every_replica() -> None:
    nonce = NONCES.current(NOW)
    for later in (0, 59, 60):
        looked_at(made(nonce=nonce, iat=NOW + later), nonces=Nonces(b"n" * 32), now=NOW + later)
    for asked in ({"nonce": None}, {"nonce": ""}, {"nonce": 7}, {"nonce": "道"}, {"nonce": Nonces(b"o").current(NOW)}):
        with pytest.raises(NonceWanted):
            looked_at(made(**asked), nonces=NONCES)
    assert not NONCES.good(nonce, NOW + 120)
    assert not NONCES.good(nonce, NOW - 60)


def test_a_nonce_is_asked_for_only_when_the_rest_is_right() -> None:
    with pytest.raises(InvalidProof) as refused:
        looked_at(made(htm="POST"), nonces=NONCES)
    assert not isinstance(refused.value, NonceWanted)


def test_what_nobody_asked_for_is_passed_over() -> None:
    looked_at(made(nonce="anything", more=1))
    looked_at(compact({"typ": "dpop+jwt", "alg": "ES256", "jwk": {**public(EC), "kid": "mine"}},
                      {"htm": "GET", "htu": HTU, "iat": NOW, "jti": "1", "ath": token_hash(TOKEN)}, EC))  # fmt: skip


@pytest.mark.parametrize("iat", [10**400, -(10**400)], ids=["T-57 far ahead", "T-57 far behind"])
def test_a_time_beyond_all_numbers_is_no_time(iat: int) -> None:
    with pytest.raises(InvalidProof, match="iat"):
        looked_at(made(iat=iat))


def test_t58_a_proof_by_another_key_is_not_looked_at_any_further() -> None:
    assert looked_at(made(), jkt=EC.thumbprint()).thumbprint == EC.thumbprint()
    with pytest.raises(InvalidToken, match="another key"):
        looked_at(made(OTHER, header={"jwk": public(OTHER)}) + "A", jkt=EC.thumbprint())
