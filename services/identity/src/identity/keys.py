"""Keys: the ones that sign our tokens, and which public keys a client may register.

Only EC P-256 with ES256. Every key has a `kid`. All of our keys that are known are published and one of them signs, so
that a new key is known everywhere before it signs, and an old one until its last token has ended; see `signing`.
A client's key ends: `until`, in Unix seconds, stands beside it.
"""

import base64
import binascii
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from joserfc import jws, jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

ALGORITHM = "ES256"
KEYS_AT_MOST = 4
SIGNING_KEYS_AT_MOST = 32
LONGEST_KID = 128
_ALLOWED = {"kty", "crv", "x", "y", "kid", "use", "alg", "key_ops", "until"}
_FIXED = {"kty": "EC", "crv": "P-256"}
_IF_THERE: dict[str, object] = {"use": "sig", "alg": ALGORITHM, "key_ops": ["verify"]}


class SigningKeys:
    """The keys of this authorization server, as this process knows them now."""

    def __init__(self, jwks: Mapping[str, Any] | None = None) -> None:
        self._public: list[dict[str, str]] = []
        self._signer: ECKey | None = None
        if jwks is not None:
            self.take(jwks)

    def take(self, jwks: Mapping[str, Any]) -> None:
        """From now on the first of these signs and all are published; raises ValueError and then changes nothing."""
        private = [ECKey.import_key(key) for key in jwks["keys"]]
        if not private or not all(key.is_private and key.curve_name == "P-256" for key in private):
            raise ValueError("signing keys have to be private EC P-256 keys, at least one")
        self._public = public_keys({"keys": [_published(key) for key in private]}, at_most=SIGNING_KEYS_AT_MOST)
        self._signer = private[0]

    def sign(self, claims: dict[str, Any], typ: str = "at+jwt") -> str:
        """A token of this type, an access token (RFC 9068 section 2.1) by default, signed with the first key."""
        if self._signer is None:
            raise RuntimeError("no signing key was taken in yet")
        header = {"alg": ALGORITHM, "typ": typ, "kid": self._public[0]["kid"]}
        return jwt.encode(header, claims, self._signer, algorithms=[ALGORITHM])

    def public(self) -> dict[str, Any]:
        """The JWK set that everybody may see."""
        return {"keys": [{**key, "use": "sig", "alg": ALGORITHM} for key in self._public]}


def new_signing_key(at: datetime) -> dict[str, Any]:
    """A new private key, named after its day."""
    kid = f"{at:%Y-%m-%d}-{secrets.token_hex(4)}"
    return dict(ECKey.generate_key("P-256", {"kid": kid}).as_dict(private=True))


def _published(key: ECKey) -> dict[str, Any]:
    public = key.as_dict(private=False)
    return {"kid": key.thumbprint(), **{name: value for name, value in public.items() if name in _ALLOWED}}


def public_keys(jwks: Mapping[str, Any], *, at_most: int = KEYS_AT_MOST) -> list[dict[str, Any]]:
    """The keys of a client's JWK set, reduced to kty, crv, x, y, kid, until; raises ValueError saying what is wrong."""
    keys = jwks.get("keys")
    if jwks.keys() != {"keys"} or not isinstance(keys, list) or not 1 <= len(keys) <= at_most:
        raise ValueError(f"a JWK set has one member, keys, with 1 to {at_most} keys")
    checked = [public_key(key) for key in keys]
    if len({key["kid"] for key in checked}) < len(checked):
        raise ValueError("two keys have the same kid")
    if len({key["x"] for key in checked}) < len(checked):
        raise ValueError("a key is there twice")
    return checked


def public_key(key: object) -> dict[str, Any]:
    """One key of a client, reduced like those of a set; raises ValueError saying what is wrong."""
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
    return {**_FIXED, **point, "kid": kid, **_end(key)}


def _end(key: Mapping[str, object]) -> dict[str, int]:
    if "until" not in key:
        return {}
    until = key["until"]
    if type(until) is not int or not 0 < until < 2**40:
        raise ValueError("until is a time in whole Unix seconds")
    return {"until": until}


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


def thumbprint(key: Mapping[str, Any]) -> str:
    """RFC 7638 thumbprint: the name of a key that nobody chose."""
    return _imported(key).thumbprint()


def thumbprints(keys: Sequence[Mapping[str, Any]]) -> list[str]:
    """RFC 7638 thumbprints, for the log."""
    return [thumbprint(key) for key in keys]


def decoy() -> dict[str, str]:
    """A public key that nobody can sign for: its private half is forgotten at once."""
    return ECKey.generate_key("P-256").as_dict(private=False)  # type: ignore[return-value]


def signer_among(assertion: str, keys: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The key that made the signature, or None. All are tried: how long it takes tells nothing about which."""
    signed = [key for key in keys if _signed_by(assertion, key)]
    return signed[0] if signed else None


def expiry(key: Mapping[str, Any], at: datetime) -> str:
    """Since when a client's key is good no more, in words; "" while it is."""
    until = key.get("until")
    if until is None or at.timestamp() < until:
        return ""
    return f"expired at {datetime.fromtimestamp(until, UTC):%Y-%m-%dT%H:%M:%SZ}; now {at:%Y-%m-%dT%H:%M:%SZ}"


def _signed_by(assertion: str, key: Mapping[str, Any]) -> bool:
    try:
        jws.deserialize_compact(assertion, _imported(key), algorithms=[ALGORITHM])
    except (JoseError, ValueError):
        return False
    return True


def _imported(key: Mapping[str, Any]) -> ECKey:
    return ECKey.import_key({name: value for name, value in key.items() if name != "until"})
