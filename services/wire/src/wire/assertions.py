"""The client's side of `private_key_jwt`: sign an assertion, exchange it for an access token.

For our own tools and tests; departments use any OAuth library. Source: RFC 7523 section 3, RFC 10070 (the audience is
the issuer and nothing else).
"""

import time
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import msgspec
from joserfc import jwt
from joserfc.jwk import ECKey

from runtime.http import Client

LIFE_S = 60
TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class TokenRefused(Exception):
    """No token: the OAuth error or problem code, and what the server had to say about it."""

    def __init__(self, status: int, error: str, description: str = "") -> None:
        super().__init__(f"{status} {error}: {description}" if description else f"{status} {error}")
        self.status = status
        self.error = error
        self.description = description


def client_assertion(client_id: str, issuer: str, private_jwk: Mapping[str, Any], now: float) -> str:
    """A signed assertion for one use. `now` is Unix seconds."""
    key = ECKey.import_key(dict(private_jwk))
    header = {"alg": "ES256", "typ": "client-authentication+jwt", "kid": private_jwk["kid"]}
    claims = {
        "iss": client_id, "sub": client_id, "aud": issuer,
        "iat": int(now), "exp": int(now) + LIFE_S, "jti": str(uuid4()),
    }  # fmt: skip
    return jwt.encode(header, claims, key, algorithms=["ES256"])


def fetch_token(client: Client, issuer: str, client_id: str, private_jwk: Mapping[str, Any], scope: str = "") -> str:
    """An access token from `/oauth2/token` below the client's base address; raises TokenRefused.

    scope  what the token is for, words with spaces; "" for everything the client has
    """
    form = {
        "grant_type": "client_credentials",
        "client_assertion_type": TYPE,
        "client_assertion": client_assertion(client_id, issuer, private_jwk, time.time()),
    }
    answer = client.post("/oauth2/token", data={**form, "scope": scope} if scope else form)
    body = _object(answer.content)
    if answer.status_code != 200 or not isinstance(body.get("access_token"), str):
        error = str(body.get("error") or body.get("code") or "no-token")
        raise TokenRefused(answer.status_code, error, str(body.get("error_description") or body.get("detail") or ""))
    return str(body["access_token"])


def _object(raw: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(raw)
    except msgspec.DecodeError:
        return {}
    return value if isinstance(value, dict) else {}
