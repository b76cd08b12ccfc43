"""Keys: the ones that sign our tokens, and which public keys a client may register.

Only EC P-256 with ES256. Every key has a `kid`; the first of our keys signs, all are published, so that a new key is
known everywhere before it signs, and an old one until its last token has ended.
"""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

ALGORITHM = "ES256"
KEYS_AT_MOST = 4
LONGEST_KID = 128
_ALLOWED = {"kty", "crv", "x", "y", "kid", "use", "alg", "key_ops"}
_FIXED = {"kty": "EC", "crv": "P-256"}
_IF_THERE: dict[str, object] = {"use": "sig", "alg": ALGORITHM, "key_ops": ["verify"]}


class SigningKeys:
    """The keys of this authorization server."""

    def __init__(self, jwks: Mapping[str, Any]) -> None:
        private = [ECKey.import_key(key) for key in jwks["keys"]]
        if not private or not all(key.is_private and key.curve_name == "P-256" for key in private):
            raise ValueError("signing keys have to be private EC P-256 keys, at least one")
        self._public = public_keys({"keys": [_published(key) for key in private]})
        self._signer = private[0]
        self._header = {"alg": ALGORITHM, "typ": "at+jwt", "kid": self._public[0]["kid"]}

    @classmethod
    def from_file(cls, path: Path) -> "SigningKeys":
        return cls(json.loads(path.read_text()))

    def sign(self, claims: dict[str, Any]) -> str:
        """An access token (RFC 9068 section 2.1), signed with the first key."""
        return jwt.encode(self._header, claims, self._signer, algorithms=[ALGORITHM])

    def public(self) -> dict[str, Any]:
        """The JWK set that everybody may see."""
        return {"keys": [{**key, "use": "sig", "alg": ALGORITHM} for key in self._public]}


def _published(key: ECKey) -> dict[str, Any]:
    public = key.as_dict(private=False)
    return {"kid": key.thumbprint(), **{name: value for name, value in public.items() if name in _ALLOWED}}


def public_keys(jwks: Mapping[str, Any]) -> list[dict[str, str]]:
    """The keys of a client's JWK set, reduced to kty, crv, x, y and kid; raises ValueError saying what is wrong."""
    keys = jwks.get("keys")
    if jwks.keys() != {"keys"} or not isinstance(keys, list) or not 1 <= len(keys) <= KEYS_AT_MOST:
        raise ValueError(f"a JWK set has one member, keys, with 1 to {KEYS_AT_MOST} keys")
    checked = [_public_key(key) for key in keys]
    if len({key["kid"] for key in checked}) < len(checked):
        raise ValueError("two keys have the same kid")
    if len({key["x"] for key in checked}) < len(checked):
        raise ValueError("a key is there twice")
    return checked


def _public_key(key: object) -> dict[str, str]:
    if not isinstance(key, dict):
        raise ValueError("a key is a JSON object")
    if key.keys() - _ALLOWED:
        raise ValueError(
            f"a key may have {', '.join(sorted(_ALLOWED))} and no other member, least of all a private one"
        )
    if any(key.get(name) != value for name, value in _FIXED.items()):
        raise ValueError("a key has kty EC and crv P-256")
    if any(name in key and key[name] != value for name, value in _IF_THERE.items()):
        raise ValueError("a key is for verifying ES256 signatures")
    kid = key.get("kid")
    if not isinstance(kid, str) or not 0 < len(kid) <= LONGEST_KID or not (kid.isascii() and kid.isprintable()):
        raise ValueError(f"a key has a kid of 1 to {LONGEST_KID} printable ASCII characters")
    point = {name: _coordinate(key.get(name)) for name in ("x", "y")}
    try:
        ECKey.import_key({**_FIXED, **point})
    except ValueError:
        raise ValueError("x and y are not a point of P-256") from None
    return {**_FIXED, **point, "kid": kid}


def _coordinate(value: object) -> str:
    """32 bytes in base64url with one spelling, so that one key cannot be registered as two."""
    if not isinstance(value, str) or not value.isascii():
        raise ValueError("x and y are base64url texts")
    try:
        raw = base64.urlsafe_b64decode(value + "=" * (-len(value) % 4))
    except binascii.Error:
        raise ValueError("x and y are base64url texts") from None
    if len(raw) != 32 or base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != value:
        raise ValueError("x and y are 32 bytes each, base64url without padding")
    return value


def thumbprints(keys: Sequence[Mapping[str, str]]) -> list[str]:
    """RFC 7638 thumbprints, for the log."""
    return [ECKey.import_key(dict(key)).thumbprint() for key in keys]


def decoy() -> dict[str, str]:
    """A public key that nobody can sign for: its private half is forgotten at once."""
    return ECKey.generate_key("P-256").as_dict(private=False)  # type: ignore[return-value]


def signed_by_one_of(assertion: str, keys: Sequence[Mapping[str, str]]) -> bool:
    """Whether one of the keys made the signature. All are tried: how long it takes tells nothing about which."""
    signed = [_signed_by(assertion, key) for key in keys]
    return any(signed)


def _signed_by(assertion: str, key: Mapping[str, str]) -> bool:
    try:
        jws.deserialize_compact(assertion, ECKey.import_key(dict(key)), algorithms=[ALGORITHM])
    except (JoseError, ValueError):
        return False
    return True
