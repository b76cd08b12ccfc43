"""The T-list, signatures: one key, one algorithm, one signature. The gateway holds keys of all kinds here."""

import base64
import zlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from cryptography.hazmat.primitives.serialization import Encoding
from joserfc.jwk import ECKey, OKPKey, RSAKey

from harness.gate import KEY, NUMBER, PEOPLE, PEOPLE_GRANT, Gate, check, public
from harness.jws import b64, compact, raw_of, signature_of, text, unsigned, with_signature
from wire.jose import LONGEST_TOKEN

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("TOK-03"), pytest.mark.requirement("TOK-06")]
TARGET = f"/x/gaj-person/v1/{NUMBER}"
INVALID = 'Bearer realm="tongdao", error="invalid_token"'
RSA, ED = RSAKey.generate_key(2048, {"kid": "rsa"}), OKPKey.generate_key("Ed25519", {"kid": "ed"})
ED448, OTHER = OKPKey.generate_key("Ed448"), ECKey.generate_key("P-256")
NEUTRAL = b"\1" + bytes(31)
"""The point that changes nothing when it is added: as a key, it makes NEUTRAL with s = 0 sign every text."""
SMALL = {"kty": "OKP", "crv": "Ed25519", "x": b64(NEUTRAL), "kid": "small"}
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493
Made = Callable[[Gate], str]


@pytest.fixture
async def held(at: Gate) -> AsyncIterator[Gate]:
    """A gateway that holds keys of all kinds, and was given one of small order."""
    keys, kept = at.verifier.keys, at.verifier.keys._fetch

    async def several() -> dict[str, Any]:
        return {"keys": [*public(KEY, RSA, ED)["keys"], SMALL]}

    keys._fetch, keys._not_before = several, 0.0
    await keys.refresh()
    await at.knows(PEOPLE, PEOPLE_GRANT)
    yield at
    keys._fetch, keys._not_before = kept, 0.0
    await keys.refresh()


def head(alg: str, kid: Any = KEY.kid, **more: Any) -> dict[str, Any]:
    return {"alg": alg, "typ": "at+jwt", "kid": kid, **more}


def by(key: Any, alg: str, kid: Any, made_with: str = "") -> Made:
    """Signed by `key`; the header names an algorithm and a key."""
    return lambda at: compact(head(alg, kid), at.claims(), key, made_with or alg)


def es384(at: Gate) -> str:
    """By the right key, with the longer hash."""
    said = unsigned(head("ES384"), at.claims())
    private: ec.EllipticCurvePrivateKey = KEY.get_op_key("sign")
    return with_signature(said, _raw(*decode_dss_signature(private.sign(said.encode(), ec.ECDSA(SHA384())))))


def _raw(r: int, s: int) -> bytes:
    return r.to_bytes(32) + s.to_bytes(32)


def ecdsa(change: Callable[[int, int], bytes]) -> Made:
    """A good token whose signature (r, s) was written or changed otherwise."""

    def made(at: Gate) -> str:
        said, _, signature = at.token().rpartition(".")
        raw = raw_of(signature)
        return with_signature(said, change(int.from_bytes(raw[:32]), int.from_bytes(raw[32:])))

    return made


def malleable(at: Gate) -> str:
    """The same signature with s + L: as good to whoever does not look at the size of s (RFC 8032 section 5.1.7)."""
    said = unsigned(head("EdDSA", "ed"), at.claims())
    good = signature_of(said, ED, "EdDSA")
    s = int.from_bytes(good[32:], "little") + ED25519_ORDER
    return with_signature(said, good[:32] + s.to_bytes(32, "little"))


def of_small_order(at: Gate) -> str:
    """A signature that the library itself finds good."""
    said = unsigned(head("EdDSA", "small"), at.claims())
    signature = NEUTRAL + bytes(32)
    ed25519.Ed25519PublicKey.from_public_bytes(NEUTRAL).verify(signature, said.encode())
    return with_signature(said, signature)


def chain() -> list[str]:
    """`x5c` (RFC 7515 section 4.1.6): a certificate of OTHER, and the authority that somebody made for it."""
    authority = ec.generate_private_key(ec.SECP256R1())
    holder: ec.EllipticCurvePrivateKey = OTHER.get_op_key("sign")
    made = []
    for name, key in (("identity", holder), ("root", authority)):
        now, called = datetime.now(UTC), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "root")])
        builder = x509.CertificateBuilder(issuer, called, key.public_key(), x509.random_serial_number())
        builder = builder.not_valid_before(now - timedelta(hours=1)).not_valid_after(now + timedelta(hours=1))
        builder = builder.add_extension(x509.BasicConstraints(ca=name == "root", path_length=None), critical=True)
        made.append(builder.sign(authority, SHA256()).public_bytes(Encoding.DER))
    return [base64.b64encode(one).decode() for one in made]


def deflated(at: Gate) -> bytes:
    """Good claims and a megabyte of spaces, in some kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return packer.compress(text(at.claims()) + b" " * 1_000_000) + packer.flush()


def encrypted(at: Gate) -> str:
    """JWE with `zip` (RFC 7516 section 4.1.3)."""
    header = {"alg": "dir", "enc": "A128GCM", "zip": "DEF", "kid": KEY.kid}
    return ".".join([b64(text(header)), "", b64(bytes(12)), b64(deflated(at)), b64(bytes(16))])


GOOD: dict[str, Made] = {
    "ES256": by(KEY, "ES256", KEY.kid), "PS256": by(RSA, "PS256", "rsa"), "EdDSA": by(ED, "EdDSA", "ed"),
    "Ed25519": by(ED, "Ed25519", "ed"), "T-22 r and s as they were": ecdsa(_raw),
}  # fmt: skip


@pytest.mark.parametrize("made", GOOD.values(), ids=GOOD.keys())
async def test_the_algorithm_of_a_key_is_let_in(held: Gate, made: Made) -> None:
    answer = await held.client.get(TARGET, headers={"Authorization": f"Bearer {made(held)}"})
    assert answer.status_code == 200, answer.text


BAD: dict[str, Made] = {
    "T-21 RS256 by a PS256 key": by(RSA, "RS256", "rsa"),
    "T-21 PS256 said, RS256 made": by(RSA, "PS256", "rsa", "RS256"),
    "T-21 ES256 by an RSA key's name": by(KEY, "ES256", "rsa"),
    "T-21 PS256 by an EC key's name": by(RSA, "PS256", KEY.kid),
    "T-21 EdDSA by an EC key's name": by(ED, "EdDSA", KEY.kid),
    "T-21 ES384": es384,
    "T-21 ES256K": lambda at: compact(head("ES256K"), at.claims(), ECKey.generate_key("secp256k1"), "ES256K"),
    "T-21 Ed448": by(ED448, "EdDSA", "ed"),
    "T-22 r and s are 0": ecdsa(lambda _r, _s: bytes(64)),
    "T-22 r is 0": ecdsa(lambda _r, s: _raw(0, s)),
    "T-22 s is 0": ecdsa(lambda r, _s: _raw(r, 0)),
    "T-22 r is n": ecdsa(lambda _r, s: _raw(P256_ORDER, s)),
    "T-22 s is n": ecdsa(lambda r, _s: _raw(r, P256_ORDER)),
    "T-22 DER": ecdsa(encode_dss_signature),
    "T-22 63 bytes": ecdsa(lambda r, s: _raw(r, s)[:63]),
    "T-22 65 bytes": ecdsa(lambda r, s: _raw(r, s) + b"\0"),
    "T-22 65 bytes, a zero first": ecdsa(lambda r, s: b"\0" + _raw(r, s)),
    "T-23 s + L": malleable,
    "T-23 key of small order": of_small_order,
    "T-23 all zeros": lambda at: with_signature(unsigned(head("EdDSA", "ed"), at.claims()), bytes(64)),
    "T-28 x5c of its own": lambda at: compact(head("ES256", x5c=chain()), at.claims(), OTHER),
    "T-28 x5c, and a name that nobody knows": lambda at: compact(head("ES256", "x", x5c=chain()), at.claims(), OTHER),
    "T-34 bomb in a JWS": lambda at: compact(head("ES256", zip="DEF"), deflated(at), KEY),
    "T-34 bomb in a JWE": encrypted,
}


@pytest.mark.parametrize("made", BAD.values(), ids=BAD.keys())
async def test_every_other_signature_is_a_strangers(held: Gate, made: Made) -> None:
    token = made(held)
    assert len(token) <= LONGEST_TOKEN, "refused for its length, not for what the row says"
    answer = await held.client.get(TARGET, headers={"Authorization": f"Bearer {token}"})
    problem = check(answer, 401, "token/invalid")
    assert "detail" not in problem
    assert answer.headers.get_list("www-authenticate") == [INVALID]
    assert (held.asked, held.happened) == ([], [])
