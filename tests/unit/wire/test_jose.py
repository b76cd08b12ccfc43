"""Signatures and keys that must not be taken, in the manner of Wycheproof: each breaks one rule.

Each case is its own name. Source: RFC 7515, RFC 7517, RFC 7518, RFC 8032, RFC 8037, RFC 8725.
"""

import base64
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc.jwk import ECKey, OKPKey, RSAKey

from harness.jws import b64, compact, public, raw_of, signature_of, text, unsigned, with_hmac, with_signature
from wire.jose import ALGORITHMS, InvalidKey, InvalidToken, check_signature, keys_in, public_key, read, read_with_key

pytestmark = pytest.mark.requirement("TOK-01")
EC, OTHER_EC = ECKey.generate_key("P-256"), ECKey.generate_key("P-256")
P384 = ECKey.generate_key("P-384")
RSA, ED = RSAKey.generate_key(2048), OKPKey.generate_key("Ed25519")
ED448 = OKPKey.generate_key("Ed448")
KEYS = {"ES256": EC, "PS256": RSA, "Ed25519": ED, "EdDSA": ED}
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
FIELD = 2**256 - 2**224 + 2**192 + 2**96 - 1
ED_ORDER = 2**252 + 27742317777372353535851937790883648493
CLAIMS = {"a": 1}


def verified(token: str, key: Any, **options: Any) -> dict[str, Any]:
    """What our reader makes of it."""
    header, payload = read(token, algorithms=(*ALGORITHMS, "RS256"))
    check_signature(token, header["alg"], public_key(public(key), **options))
    return payload


# --- controls -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("alg", KEYS)
def test_a_good_signature_is_taken(alg: str) -> None:
    assert verified(compact({"alg": alg}, CLAIMS, KEYS[alg], alg), KEYS[alg]) == CLAIMS


def test_rs256_is_taken_only_where_it_is_asked_for() -> None:
    token = compact({"alg": "RS256"}, CLAIMS, RSA, "RS256")
    assert verified(token, RSA, rs256=True) == CLAIMS
    with pytest.raises(InvalidToken):
        verified(token, RSA)


# --- signatures -----------------------------------------------------------------------------------------------------
def spoiled(alg: str, change: Callable[[bytes], bytes]) -> str:
    said = unsigned({"alg": alg}, CLAIMS)
    return with_signature(said, change(signature_of(said, KEYS[alg], alg)))


def pair(r: int, s: int) -> bytes:
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def parts(raw: bytes) -> tuple[int, int]:
    return int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big")


def der(raw: bytes) -> bytes:
    return encode_dss_signature(*parts(raw))


ECDSA: dict[str, Callable[[bytes], bytes]] = {
    "r and s are 0": lambda _: bytes(64),
    "r is 0": lambda raw: pair(0, parts(raw)[1]),
    "s is 0": lambda raw: pair(parts(raw)[0], 0),
    "r is 0, s is 1": lambda _: pair(0, 1),
    "r is 1, s is 0": lambda _: pair(1, 0),
    "r and s are 1": lambda _: pair(1, 1),
    "r is the order": lambda raw: pair(ORDER, parts(raw)[1]),
    "s is the order": lambda raw: pair(parts(raw)[0], ORDER),
    "r and s are the order": lambda _: pair(ORDER, ORDER),
    "r is the order - 1": lambda raw: pair(ORDER - 1, parts(raw)[1]),
    "s is the order - 1": lambda raw: pair(parts(raw)[0], ORDER - 1),
    "r is the order + 1": lambda raw: pair(ORDER + 1, parts(raw)[1]),
    "r is the field's prime": lambda raw: pair(FIELD, parts(raw)[1]),
    "r is 2^256 - 1": lambda raw: pair(2**256 - 1, parts(raw)[1]),
    "s is 2^256 - 1": lambda raw: pair(parts(raw)[0], 2**256 - 1),
    "r and s change places": lambda raw: raw[32:] + raw[:32],
    "r twice": lambda raw: raw[:32] * 2,
    "DER": der,
    "DER without its frame": lambda raw: der(raw)[2:],
    "63 bytes": lambda raw: raw[:-1],
    "65 bytes, 0 behind": lambda raw: raw + b"\0",
    "65 bytes, 0 before": lambda raw: b"\0" + raw,
    "r without a leading 0": lambda raw: raw[1:],
    "96 bytes, as P-384 has": lambda raw: bytes(16) + raw[:32] + bytes(16) + raw[32:],
    "only r": lambda raw: raw[:32],
    "twice": lambda raw: raw + raw,
    "little-endian": lambda raw: raw[:32][::-1] + raw[32:][::-1],
    "r negated": lambda raw: pair(ORDER - parts(raw)[0], parts(raw)[1]),
    "one byte": lambda _: b"\0",
    "first bit flipped": lambda raw: bytes([raw[0] ^ 128]) + raw[1:],
    "last bit flipped": lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
}  # fmt: skip
EDDSA: dict[str, Callable[[bytes], bytes]] = {
    "S + L": lambda raw: raw[:32] + (int.from_bytes(raw[32:], "little") + ED_ORDER).to_bytes(32, "little"),
    "S is L": lambda raw: raw[:32] + ED_ORDER.to_bytes(32, "little"),
    "S is 0": lambda raw: raw[:32] + bytes(32),
    "R is 0": lambda raw: bytes(32) + raw[32:],
    "R is the neutral point, S is 0": lambda _: b"\1" + bytes(63),
    "all 0": lambda _: bytes(64),
    "all 1": lambda _: b"\xff" * 64,
    "R negated": lambda raw: raw[:31] + bytes([raw[31] ^ 128]) + raw[32:],
    "R and S change places": lambda raw: raw[32:] + raw[:32],
    "63 bytes": lambda raw: raw[:-1],
    "65 bytes": lambda raw: raw + b"\0",
    "114 bytes, as Ed448 has": lambda raw: raw + bytes(50),
    "last bit flipped": lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
}  # fmt: skip
PSS: dict[str, Callable[[bytes], bytes]] = {
    "0": lambda raw: bytes(len(raw)),
    "1": lambda raw: bytes(len(raw) - 1) + b"\1",
    "the modulus": lambda _: raw_of(public(RSA)["n"]),
    "signature + modulus": lambda raw: (
        int.from_bytes(raw, "big") + int.from_bytes(raw_of(public(RSA)["n"]), "big")
    ).to_bytes(257, "big"),
    "a byte less": lambda raw: raw[1:],
    "0 before": lambda raw: b"\0" + raw,
    "0 behind": lambda raw: raw + b"\0",
    "last bit flipped": lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]),
    "made for RS256": lambda _: signature_of(unsigned({"alg": "PS256"}, CLAIMS), RSA, "RS256"),
    "made for PS384": lambda _: signature_of(unsigned({"alg": "PS256"}, CLAIMS), RSA, "PS384"),
    "one byte": lambda _: b"\0",
}  # fmt: skip
SPOILED = [
    (alg, name, change) for alg, rows in (("ES256", ECDSA), ("Ed25519", EDDSA), ("PS256", PSS))
    for name, change in rows.items()
]  # fmt: skip


@pytest.mark.parametrize(("alg", "name", "change"), SPOILED, ids=[f"{alg}: {name}" for alg, name, _ in SPOILED])
def test_a_spoiled_signature_is_refused(alg: str, name: str, change: Callable[[bytes], bytes]) -> None:
    with pytest.raises(InvalidToken):
        verified(spoiled(alg, change), KEYS[alg])


GOOD = compact({"alg": "ES256"}, CLAIMS, EC)
HEAD, BODY, SIGNATURE = GOOD.split(".")
FORMS: dict[str, str] = {
    "alg none": unsigned({"alg": "none"}, CLAIMS) + ".",
    "alg none with a signature": f"{b64(text({'alg': 'none'}))}.{BODY}.{SIGNATURE}",
    "alg nOnE": f"{b64(text({'alg': 'nOnE'}))}.{BODY}.{SIGNATURE}",
    "no alg": f"{b64(text({}))}.{BODY}.{SIGNATURE}",
    "alg is a number": f"{b64(text({'alg': 256}))}.{BODY}.{SIGNATURE}",
    "alg is a list": f"{b64(text({'alg': ['ES256']}))}.{BODY}.{SIGNATURE}",
    "alg es256": f"{b64(text({'alg': 'es256'}))}.{BODY}.{SIGNATURE}",
    "alg is another of the same key": f"{b64(text({'alg': 'PS256'}))}.{BODY}.{SIGNATURE}",
    "HS256 with the public key": with_hmac({"alg": "HS256"}, CLAIMS, EC.as_pem(private=False)),
    "ES256 made by P-384": with_signature(
        unsigned({"alg": "ES256"}, CLAIMS), signature_of(unsigned({"alg": "ES256"}, CLAIMS), P384, "ES384")
    ),
    "ES384": compact({"alg": "ES384"}, CLAIMS, P384, "ES384"),
    "Ed448": compact({"alg": "EdDSA"}, CLAIMS, ED448, "EdDSA"),
    "another key": compact({"alg": "ES256"}, CLAIMS, OTHER_EC),
    "no signature": f"{HEAD}.{BODY}.",
    "two parts": f"{HEAD}.{BODY}",
    "four parts": f"{GOOD}.{SIGNATURE}",
    "parts change places": f"{BODY}.{HEAD}.{SIGNATURE}",
    "padding": f"{GOOD}{'=' * (-len(SIGNATURE) % 4 or 1)}",
    "padding inside": f"{HEAD}=.{BODY}.{SIGNATURE}",
    "plus and slash": base64.b64encode(b"\xfb\xff\xfe").decode() + f".{BODY}.{SIGNATURE}",
    "white space": f"{HEAD}. {BODY}.{SIGNATURE}",
    "line end": GOOD + "\n",
    "flattened JSON": f'{{"protected":"{HEAD}","payload":"{BODY}","signature":"{SIGNATURE}"}}',
    "another header": f"{b64(text({'alg': 'ES256', 'x': 1}))}.{BODY}.{SIGNATURE}",
    "another payload": f"{HEAD}.{b64(text({'a': 2}))}.{SIGNATURE}",
    **{f"header with {name}": compact({"alg": "ES256", name: "x"}, CLAIMS, EC)
       for name in ("jku", "x5u", "x5c", "crit", "b64", "zip", "jwk")},
}  # fmt: skip


@pytest.mark.parametrize("token", FORMS.values(), ids=FORMS.keys())
def test_another_form_is_refused(token: str) -> None:
    with pytest.raises(InvalidToken):
        verified(token, EC)


@pytest.mark.parametrize("name", ["jku", "x5u", "x5c", "crit", "b64", "zip"])
def test_even_where_a_key_may_come_along_nothing_else_may(name: str) -> None:
    with pytest.raises(InvalidToken):
        read_with_key(compact({"alg": "ES256", "jwk": public(EC), name: "x"}, CLAIMS, EC))


@settings(max_examples=500, deadline=None)
@given(st.integers(0, len(GOOD) * 6 - 1))
@pytest.mark.requirement("TOK-04")
def test_a_token_with_one_bit_flipped_is_refused(bit: int) -> None:
    """T-24."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    place, flip = divmod(bit, 6)
    if GOOD[place] == ".":
        return
    other = alphabet[alphabet.index(GOOD[place]) ^ (1 << flip)]
    with pytest.raises(InvalidToken):
        verified(GOOD[:place] + other + GOOD[place + 1 :], EC)


# --- keys -----------------------------------------------------------------------------------------------------------
def twisted(key: Any, **changes: Any) -> dict[str, Any]:
    made = {**public(key), **changes}
    return {name: value for name, value in made.items() if value is not None}


def point(y: int) -> str:
    return b64(y.to_bytes(32, "little"))


PRIME = 2**255 - 19
SMALL = {"kty": "RSA", "n": b64((1 << 1023 | 1).to_bytes(128, "big")), "e": "AQAB"}
N = int.from_bytes(raw_of(public(RSA)["n"]), "big")
ORDER_8 = "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"
OTHER_ORDER_8 = "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a"
BAD_KEYS: dict[str, Any] = {
    "nothing": None, "a text": "key", "empty": {},
    "symmetric": {"kty": "oct", "k": b64(b"secret")},
    "symmetric as EC": twisted(EC, k="AA"),
    "kty is a list": twisted(EC, kty=["EC"]),
    "kty of another kind": twisted(EC, kty="RSA"),
    "private EC": EC.as_dict(private=True),
    "private RSA": RSA.as_dict(private=True),
    "private Ed25519": ED.as_dict(private=True),
    "only p": twisted(RSA, p="AA"),
    "for encryption": twisted(EC, use="enc"),
    "use is nothing": {**public(EC), "use": None},
    "that signs": twisted(EC, key_ops=["sign"]),
    "that signs and verifies": twisted(EC, key_ops=["sign", "verify"]),
    "that does nothing": twisted(EC, key_ops=[]),
    "alg of another kind": twisted(EC, alg="PS256"),
    "alg none": twisted(EC, alg="none"),
    "alg HS256": twisted(EC, alg="HS256"),
    "RSA with a large exponent": twisted(RSA, e=b64((2**32 - 1).to_bytes(4, "big"))),
    "RSA for RS256 only": twisted(RSA, alg="RS256"),
    "P-384": public(P384),
    "no curve": twisted(EC, crv=None),
    "P-384 that calls itself P-256": {**public(P384), "crv": "P-256"},
    "no y": twisted(EC, y=None),
    "x is a number": twisted(EC, x=7),
    "x too short": twisted(EC, x=b64(raw_of(public(EC)["x"])[1:])),
    "x too long": twisted(EC, x=b64(b"\0" + raw_of(public(EC)["x"]))),
    "x with padding": twisted(EC, x=public(EC)["x"] + "="),
    "x is the prime": twisted(EC, x=b64(FIELD.to_bytes(32, "big"))),
    "the point at infinity": twisted(EC, x=b64(bytes(32)), y=b64(bytes(32))),
    "not on the curve": twisted(EC, y=public(EC)["x"]),
    "a point of another key": twisted(EC, y=public(OTHER_EC)["y"]),
    "RSA with 1024 bits": SMALL,
    "RSA with 16384 bits": twisted(RSA, n=b64((1 << 16383 | 1).to_bytes(2048, "big"))),
    "RSA with a leading 0": twisted(RSA, n=b64(b"\0" + raw_of(public(RSA)["n"]))),
    "RSA with an even modulus": twisted(RSA, n=b64((N + 1).to_bytes(256, "big"))),
    "RSA with e = 1": twisted(RSA, e=b64(b"\1")),
    "RSA with e = 3": twisted(RSA, e=b64(b"\3")),
    "RSA with an even e": twisted(RSA, e=b64(b"\1\0\2")),
    "RSA with a huge e": twisted(RSA, e=b64(b"\1" * 32)),
    "RSA without e": twisted(RSA, e=None),
    "Ed448": public(ED448),
    "X25519": public(OKPKey.generate_key("X25519")),
    "Ed25519 with 31 bytes": twisted(ED, x=b64(raw_of(public(ED)["x"])[1:])),
    "Ed25519: neutral point": twisted(ED, x=point(1)),
    "Ed25519: neutral point, other sign": twisted(ED, x=point(1 | 1 << 255)),
    "Ed25519: order 2": twisted(ED, x=point(PRIME - 1)),
    "Ed25519: order 4": twisted(ED, x=point(0)),
    "Ed25519: order 4, other sign": twisted(ED, x=point(1 << 255)),
    "Ed25519: order 8": twisted(ED, x=b64(bytes.fromhex(ORDER_8))),
    "Ed25519: other order 8": twisted(ED, x=b64(bytes.fromhex(OTHER_ORDER_8))),
    "Ed25519: 0 in another spelling": twisted(ED, x=point(PRIME)),
    "Ed25519: 1 in another spelling": twisted(ED, x=point(PRIME + 1)),
}  # fmt: skip


@pytest.mark.parametrize("key", BAD_KEYS.values(), ids=BAD_KEYS.keys())
def test_a_bad_key_is_refused(key: Any) -> None:
    with pytest.raises(InvalidKey):
        public_key(key)


@pytest.mark.parametrize(
    ("key", "algorithms"),
    [(EC, ("ES256",)), (RSA, ("PS256",)), (ED, ("Ed25519", "EdDSA"))],
    ids=["EC", "RSA", "Ed25519"],
)
def test_a_good_key_says_what_it_is_for(key: Any, algorithms: tuple[str, ...]) -> None:
    made = public_key({**public(key), "use": "sig", "key_ops": ["verify"], "alg": algorithms[0]})
    assert made.algorithms == algorithms
    assert made.thumbprint() == key.thumbprint()


def test_a_point_of_small_order_would_sign_everything() -> None:
    """Why they are refused: with such a key the library takes one signature for every text."""
    weak = Ed25519PublicKey.from_public_bytes(raw_of(point(1)))
    weak.verify(b"\1" + bytes(63), b"whatever")  # raises where it is not taken


def test_a_set_gives_the_keys_that_are_good_and_named_once() -> None:
    named = [{**public(EC), "kid": "a"}, {**public(OTHER_EC), "kid": "b"}, {**public(ED), "kid": "b"}]
    found = keys_in({"keys": [*named, public(EC), {"kty": "oct", "kid": "c", "k": "AA"}, 7, {**public(RSA), "kid": 7}]})
    assert list(found) == ["a"]
    with pytest.raises(InvalidKey):
        keys_in({"keys": {}})


def test_a_point_of_another_curve_is_refused() -> None:
    numbers = ec.generate_private_key(ec.SECP256K1()).public_key().public_numbers()
    x, y = (b64(number.to_bytes(32, "big")) for number in (numbers.x, numbers.y))
    with pytest.raises(InvalidKey):
        public_key({"kty": "EC", "crv": "P-256", "x": x, "y": y})
