"""Signed JSON, good and bad: whatever header, payload and signature a test wants, put together by hand."""

import base64
import hmac
import json
import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

from joserfc.jws import JWSRegistry

from wire.dpop import TYPE, token_hash


def b64(raw: bytes) -> str:
    """base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw_of(text: str) -> bytes:
    """What base64url without padding stands for."""
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def text(value: Mapping[str, Any] | bytes) -> bytes:
    """JSON, or bytes as they are; a member that is None is left out."""
    if isinstance(value, bytes):
        return value
    return json.dumps({name: one for name, one in value.items() if one is not None}).encode()


def unsigned(header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes) -> str:
    """The first two parts."""
    return f"{b64(text(header))}.{b64(text(payload))}"


def with_signature(said: str, signature: bytes) -> str:
    """All three."""
    return f"{said}.{b64(signature)}"


def signature_of(said: str, key: Any, algorithm: str) -> bytes:
    """Made with this algorithm, whatever the header says."""
    return JWSRegistry.algorithms[algorithm].sign(said.encode(), key)


def compact(
    header: Mapping[str, Any] | bytes, payload: Mapping[str, Any] | bytes, key: Any, algorithm: str = "ES256"
) -> str:
    """A compact JWS signed by `key`."""
    said = unsigned(header, payload)
    return with_signature(said, signature_of(said, key, algorithm))


def public(key: Any) -> dict[str, Any]:
    """The public JWK without names of its own."""
    return {name: value for name, value in key.as_dict(private=False).items() if name not in ("kid", "use", "alg")}


def with_hmac(header: Mapping[str, Any], payload: Mapping[str, Any], secret: bytes) -> str:
    """Signed with HMAC-SHA-256, by whoever knows `secret`."""
    said = unsigned(header, payload)
    return with_signature(said, hmac.digest(secret, said.encode(), "sha256"))


def dpop(key: Any, method: str, url: str, token: str = "", *, alg: str = "ES256", **changes: Any) -> str:
    """A proof of possession of now; `header` changes members of the header, other names claims, None leaves one out."""
    header = {"typ": TYPE, "alg": alg, "jwk": public(key), **changes.pop("header", {})}
    claims = {
        "htm": method, "htu": url, "iat": int(time.time()), "jti": uuid4().hex,
        "ath": token_hash(token) if token else None, **changes,
    }  # fmt: skip
    return compact(header, claims, key, alg)
