"""The one grant: `client_credentials` (RFC 6749 section 4.4), and the token it ends in (RFC 9068)."""

import re
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidScopeError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant

from identity.keys import SigningKeys
from identity.store import Client
from identity.tokens import access_claims, described
from runtime.clock import Clock
from runtime.ids import uuid7

_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*")


class InvalidTarget(OAuth2Error):  # type: ignore[misc]  # Authlib publishes no types
    """A token was asked for somebody whom we do not issue tokens for (RFC 8707 section 2)."""

    error = "invalid_target"


class AccessTokens:
    """Makes access tokens. Authlib's own generator lets them live ten days and signs with a key picked at random."""

    def __init__(self, keys: SigningKeys, *, issuer: str, audience: str, life_s: int, clock: Clock) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audience = audience
        self._life_s = life_s
        self._clock = clock

    def __call__(self, *, client: Client, scope: str | None, **_: object) -> dict[str, Any]:
        """The members of the answer, and `jti`, which the server takes out again."""
        at = self._clock.now()
        scope = scope or client.scope
        token_id = str(uuid7(int(at.timestamp() * 1000)))
        claims = access_claims(
            issuer=self._issuer, audience=self._audience, client=client.id, department=client.department,
            scope=scope, token_id=token_id, now_s=int(at.timestamp()), life_s=self._life_s,
        )  # fmt: skip
        return {
            "access_token": self._keys.sign(claims),
            "token_type": "Bearer",
            "expires_in": self._life_s,
            "scope": scope,
            "jti": token_id,
        }


def client_credentials(audience: str) -> type:
    """The grant for one audience, as the class that Authlib wants."""

    class ClientCredentials(ClientCredentialsGrant):  # type: ignore[misc]  # Authlib publishes no types
        """Scope and target are checked once the client is known."""

        def validate_requested_scope(self) -> None:
            check_scope(self.request.client, self.request.payload.scope)
            check_target(audience, self.request.form.get("resource"))

    return ClientCredentials


def check_scope(client: Client, scope: str | None) -> None:
    """Raise InvalidScopeError unless the client has every scope that it asks for (RFC 6749 section 3.3)."""
    if scope is None:
        return
    if not _SCOPE.fullmatch(scope):
        raise InvalidScopeError("scope: expected words of printable ASCII with one space between them")
    missing = sorted(set(scope.split(" ")) - client.scopes)
    if missing:
        raise InvalidScopeError(f"scope: expected some of {client.scope}; got {' '.join(missing)[:120]}")


def check_target(audience: str, resource: str | None) -> None:
    """Raise InvalidTarget where a resource is named that is not the one our tokens are for."""
    if resource is not None and resource != audience:
        raise InvalidTarget(described(f"resource: expected {audience}"))
