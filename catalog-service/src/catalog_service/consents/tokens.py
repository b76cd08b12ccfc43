"""Tokens of consent: JWTs (RFC 7519) that the catalog signs and gateways verify by its published keys.

EC P-256 with ES256 alone. The first key of the file signs, all are published, so that a new key is known everywhere
before it signs, and an old one until its last token has ended.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey

from catalog_service.consents.model import Consent

ALGORITHM = "ES256"
TYPE = "consent+jwt"


class Signer:
    """Signs consents of one issuer for one audience."""

    def __init__(self, jwks: Mapping[str, Any], issuer: str, audience: str) -> None:
        """Raises ValueError unless all keys are private EC P-256 keys, each with a kid of its own."""
        try:
            keys = [ECKey.import_key(key) for key in jwks["keys"]]
        except JoseError as error:
            raise ValueError(f"a key that signs consents: {error}") from None
        if not keys or not all(key.is_private and key.curve_name == "P-256" for key in keys):
            raise ValueError("keys that sign consents are private EC P-256 keys, at least one")
        self._public = [_published(key) for key in keys]
        if len({key["kid"] for key in self._public}) < len(keys):
            raise ValueError("two keys have the same kid")
        self._key = keys[0]
        self._header = {"alg": ALGORITHM, "typ": TYPE, "kid": self._public[0]["kid"]}
        self._whom = {"iss": issuer, "aud": audience}

    @classmethod
    def from_file(cls, path: Path, issuer: str, audience: str) -> "Signer":
        """From a private JWK set (RFC 7517 section 5)."""
        return cls(json.loads(path.read_text()), issuer, audience)

    def token(self, consent: Consent) -> str:
        """The token that its bearer sends in `Tongdao-Consent`."""
        claims = {
            **self._whom, "jti": consent.id, "iat": consent.given, "exp": consent.expires,
            "subject": consent.subject, "system": consent.system, "interface": consent.interface,
            "purpose": consent.purpose, "fields": consent.fields,
        }  # fmt: skip
        return jws.serialize_compact(self._header, msgspec.json.encode(claims), self._key, algorithms=[ALGORITHM])

    def public(self) -> dict[str, Any]:
        """The JWK set that everybody may see."""
        return {"keys": self._public}


def _published(key: ECKey) -> dict[str, Any]:
    public = key.as_dict(private=False)
    members = {name: public[name] for name in ("kty", "crv", "x", "y")}
    return {**members, "kid": public.get("kid") or key.thumbprint(), "use": "sig", "alg": ALGORITHM}
