"""Signed JSON (RFC 7515) as strict as we take it: one spelling, one reading, keys of three kinds, one signature.

The mathematics is joserfc's; the checks around it are ours, because libraries leave them open: one spelling per token,
no duplicate members, the algorithm is what the key says and not what the header says, no keys brought along, no weak
keys. Pure: nothing is fetched. Source: RFC 7515, RFC 7517, RFC 7518, RFC 8037, RFC 8725, RFC 9864.
"""

import base64
import binascii
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec
from joserfc import jwk
from joserfc.errors import JoseError
from joserfc.jws import JWSRegistry

ALGORITHMS = ("ES256", "PS256", "Ed25519", "EdDSA")
"""What a signature of ours or of a client may be; RS256 only where an external issuer knows no better."""
LONGEST_TOKEN = 4096
FEWEST_RSA_BITS, MOST_RSA_BITS = 2048, 8192
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_UNWANTED = frozenset(("jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"))
_PRIVATE = frozenset(("d", "p", "q", "dp", "dq", "qi", "oth", "k"))
_OF_KIND = {"EC": ("ES256",), "RSA": ("PS256", "RS256"), "OKP": ("Ed25519", "EdDSA")}
_ED25519_PRIME = 2**255 - 19
_ED25519_ORDER_8 = (
    0x05FC536D880238B13933C6D305ACDFD5F098EFF289F4C345B027B2C28F95E826,
    0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7,
)


class InvalidToken(Exception):
    """The token is no good; the message says why, for our logs.

    told  what the caller may know: "" as long as nobody has proved anything
    """

    def __init__(self, reason: str, told: str = "") -> None:
        super().__init__(reason)
        self.told = told


class InvalidKey(ValueError):
    """This is no public key that we take; the message says why."""


class PublicKey(NamedTuple):
    """A key and what it may be used for: the first of `algorithms` is what we would choose."""

    key: Any
    algorithms: tuple[str, ...]

    def thumbprint(self) -> str:
        """SHA-256 in base64url (RFC 7638)."""
        return str(self.key.thumbprint())


# --- form -----------------------------------------------------------------------------------------------------------
def read(
    token: str,
    longest: int = LONGEST_TOKEN,
    algorithms: Iterable[str] = ("ES256",),
    unwanted: frozenset[str] = _UNWANTED,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and payload of a compact JWS whose form and algorithm are ours; raises InvalidToken. Not yet verified.

    longest  characters    unwanted  members that the header may not have
    """
    if len(token) > longest or not _FORM.fullmatch(token):
        raise InvalidToken("not one compact JWS")
    header_part, payload_part, signature_part = token.split(".")
    header = _object(_decoded(header_part))
    payload = _object(_decoded(payload_part))
    _decoded(signature_part)
    if header.get("alg") not in tuple(algorithms) or unwanted & header.keys():
        raise InvalidToken("the header is not one of ours")
    return header, payload


def read_with_key(token: str, longest: int = LONGEST_TOKEN) -> tuple[dict[str, Any], dict[str, Any]]:
    """The same for a kind of token whose header does bring its key: a proof of possession (RFC 9449 section 4.2)."""
    return read(token, longest, ALGORITHMS, _UNWANTED - {"jwk"})


def check_signature(token: str, algorithm: object, key: PublicKey) -> None:
    """Raise InvalidToken unless `key`, which is for this algorithm, signed the token. Its form was read before."""
    if algorithm not in key.algorithms:
        raise InvalidToken("the key is for another algorithm")
    said, _, signature = token.rpartition(".")
    try:
        is_good = JWSRegistry.algorithms[str(algorithm)].verify(said.encode(), _decoded(signature), key.key)
    except (JoseError, ValueError) as error:
        raise InvalidToken(f"signature: {error}") from None
    if not is_good:
        raise InvalidToken("signature")


def _decoded(part: str) -> bytes:
    """base64url with one spelling only: no padding, no spare bits (RFC 7515 section 2, RFC 4648 section 3.5)."""
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise InvalidToken("base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise InvalidToken("base64url with another spelling")
    return raw


def _object(raw: bytes) -> dict[str, Any]:
    """A JSON object without duplicate members (RFC 8725 section 2.4)."""
    try:
        msgspec.json.decode(raw)  # stricter than the standard library: UTF-8 only, no NaN, no half characters
        value = json.loads(raw.decode(), object_pairs_hook=_members)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise InvalidToken("not JSON, or a member twice") from None
    if not isinstance(value, dict):
        raise InvalidToken("not one JSON object")
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


# --- keys -----------------------------------------------------------------------------------------------------------
def public_key(document: object, *, rs256: bool = False) -> PublicKey:
    """The key of a JWK (RFC 7517): public, for signatures, P-256, RSA or Ed25519; raises InvalidKey.

    rs256  whether an RSA key may be used for RS256 (PKCS #1 v1.5) too
    """
    if not isinstance(document, Mapping):
        raise InvalidKey("not an object")
    kind = document.get("kty")
    if not isinstance(kind, str) or kind not in _OF_KIND:
        raise InvalidKey("kty is not EC, RSA or OKP")
    if _PRIVATE & document.keys():
        raise InvalidKey("a private or symmetric key")
    if document.get("use", "sig") != "sig" or document.get("key_ops", ["verify"]) != ["verify"]:
        raise InvalidKey("not a key that verifies signatures")
    parts = _CHECKED[kind](document)
    try:
        key: Any = jwk.import_key({"kty": kind, **parts})
        key.get_op_key("verify")  # finds out whether the point lies on its curve
    except (JoseError, ValueError, KeyError) as error:
        raise InvalidKey(f"not a key: {type(error).__name__}") from None
    return PublicKey(key, _algorithms(kind, document.get("alg"), rs256))


def keys_in(document: object, *, rs256: bool = False) -> dict[str, PublicKey]:
    """Usable keys of a JWK set by their `kid`; what is not usable, has no name or shares it is left out."""
    listed = document.get("keys") if isinstance(document, Mapping) else None
    if not isinstance(listed, list):
        raise InvalidKey("not a JWK set")
    names = [key["kid"] for key in listed if isinstance(key, Mapping) and isinstance(key.get("kid"), str)]
    found = {}
    for key in listed:
        name = key.get("kid") if isinstance(key, Mapping) else None
        if isinstance(name, str) and names.count(name) == 1:
            try:
                found[name] = public_key(key, rs256=rs256)
            except InvalidKey:
                continue
    return found


def _algorithms(kind: str, stated: object, rs256: bool) -> tuple[str, ...]:
    able = tuple(name for name in _OF_KIND[kind] if name != "RS256" or rs256)
    if stated is None:
        return able
    if stated not in able:
        raise InvalidKey("alg does not fit the key")
    return able if kind == "OKP" else (str(stated),)  # Ed25519 and EdDSA are two names of one thing (RFC 9864)


def _number(document: Mapping[str, Any], name: str, size: int = 0) -> bytes:
    """A member in base64url; `size` bytes where that is not 0."""
    text = document.get(name)
    if not isinstance(text, str) or not text or len(text) > MOST_RSA_BITS // 4:
        raise InvalidKey(f"{name} is missing or too long")
    try:
        raw = _decoded(text)
    except InvalidToken:
        raise InvalidKey(f"{name} is not base64url") from None
    if size and len(raw) != size:
        raise InvalidKey(f"{name} does not have {size} bytes")
    return raw


def _elliptic(document: Mapping[str, Any]) -> dict[str, Any]:
    if document.get("crv") != "P-256":
        raise InvalidKey("another curve than P-256")
    for name in ("x", "y"):
        _number(document, name, 32)
    return {name: document[name] for name in ("crv", "x", "y")}


def _rsa(document: Mapping[str, Any]) -> dict[str, Any]:
    modulus, exponent = _number(document, "n"), int.from_bytes(_number(document, "e"), "big")
    bits = int.from_bytes(modulus, "big").bit_length()
    if not FEWEST_RSA_BITS <= bits <= MOST_RSA_BITS or modulus[0] == 0 or modulus[-1] % 2 == 0:
        raise InvalidKey(f"RSA with {bits} bits, or not a modulus")
    if exponent != 65537:
        raise InvalidKey("another exponent than 65537")
    return {name: document[name] for name in ("n", "e")}


def _edwards(document: Mapping[str, Any]) -> dict[str, Any]:
    """Points of small order are refused: with them one signature fits every text (RFC 8032 section 8.9)."""
    if document.get("crv") != "Ed25519":
        raise InvalidKey("another curve than Ed25519")
    point = int.from_bytes(_number(document, "x", 32), "little") & (2**255 - 1)
    if point >= _ED25519_PRIME or point in (0, 1, _ED25519_PRIME - 1, *_ED25519_ORDER_8):
        raise InvalidKey("a point of small order, or no point")
    return {name: document[name] for name in ("crv", "x")}


_CHECKED = {"EC": _elliptic, "RSA": _rsa, "OKP": _edwards}
