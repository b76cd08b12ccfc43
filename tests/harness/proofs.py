"""Proofs of possession (RFC 9449) as a client makes them, and wrong ones."""

import base64
import json
import time
from typing import Any
from uuid import uuid4

from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry


def proof(key: ECKey, url: str, *, method: str = "POST", header: dict[str, Any] | None = None, **over: Any) -> str:
    """A proof for one request; members that are `...` are left out."""
    head = {"typ": "dpop+jwt", "alg": "ES256", "jwk": dict(key.as_dict(private=False)), **(header or {})}
    claims = {"htm": method, "htu": url, "iat": int(time.time()), "jti": uuid4().hex, **over}
    said = b".".join(
        _part({name: value for name, value in part.items() if value is not ...}) for part in (head, claims)
    )
    signature = JWSRegistry.algorithms["ES256"].sign(said, key)
    return (said + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


def _part(members: dict[str, Any]) -> bytes:
    return base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=")
