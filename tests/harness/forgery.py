"""Access tokens made with the platform's own key, for tests that need one which identity would not issue."""

import json
import time
from typing import Any

from joserfc import jwk, jwt

from harness.members import Member
from harness.platform import Platform


def forged(platform: Platform, member: Member, key: Any = None, **claims: Any) -> str:
    """A token of this system made with identity's own key (or another), with other claims."""
    own = jwk.import_key(json.loads(platform.secrets.identity_signing.read_text())["keys"][0])
    now = int(time.time())
    stated = {
        "iss": platform.gateway, "aud": platform.gateway, "sub": member.name, "client_id": member.name,
        "department": "sthjj", "scope": "call", "iat": now, "exp": now + 60, "jti": "x", **claims,
    }  # fmt: skip
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": own.kid}, stated, key or own)
