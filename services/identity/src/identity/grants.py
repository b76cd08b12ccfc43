"""What a token is given for: `client_credentials` (RFC 6749 section 4.4), and the token itself (RFC 9068).

A grant of Authlib's checks the request; `generate_token` of ours says for whom the token is and lets `AccessTokens`
make it.
"""

import re
from typing import Any

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidScopeError
from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant

from identity.keys import SigningKeys
from identity.revoking import last_revoked
from identity.server import TokenRequest
from identity.store import Client
from identity.tokens import Holder, access_claims, described
from runtime.clock import Clock
from runtime.ids import uuid7
from wire.tokens import AccessToken

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

    def __call__(
        self, holder: Holder, scope: str, request: TokenRequest, *, given: AccessToken | None = None
    ) -> dict[str, Any]:
        """The members of the answer, and `jti` and `holder`, which the server takes out again (`save_token`).

        request  says what the token is bound to
        given    the token that is exchanged for it, which it may not outlive and with which it is revoked
        """
        at = self._clock.now()
        now_s = int(at.timestamp())
        life_s = self._life_s if given is None else min(self._life_s, given.expires - now_s)
        issued = max(now_s, last_revoked(request.transaction, holder) + 1)
        token_id = str(uuid7(int(at.timestamp() * 1000)))
        claims = access_claims(
            holder, issuer=self._issuer, audience=self._audience, scope=scope, token_id=token_id, issued=issued,
            expires=now_s + life_s, bound=request.bound, origin=given.id if given else "",
        )  # fmt: skip
        return {
            "access_token": self._keys.sign(claims),
            "token_type": "DPoP" if "jkt" in request.bound else "Bearer",
            "expires_in": life_s,
            "scope": scope,
            "jti": token_id,
            "holder": holder,
        }


def client_credentials(audience: str, tokens: AccessTokens) -> type:
    """The grant for one audience, as the class that Authlib wants."""

    class ClientCredentials(ClientCredentialsGrant):  # type: ignore[misc]  # Authlib publishes no types
        """Scope and target are checked once the client is known."""

        def validate_requested_scope(self) -> None:
            check_scope(self.request.client, self.request.payload.scope)
            check_target(audience, self.request.form.get("resource"))

        def generate_token(self, *, scope: str | None, **_: object) -> dict[str, Any]:
            client: Client = self.request.client
            holder = Holder(client.id, client.id, client.department)
            return tokens(holder, scope or client.scope, self.request)

    return ClientCredentials


def check_scope(client: Client, scope: str | None) -> None:
    """Raise InvalidScopeError unless the client has every scope that it asks for (RFC 6749 section 3.3)."""
    if scope is not None:
        check_among(scope, client.scopes)


def check_among(scope: str, allowed: frozenset[str]) -> None:
    """Raise InvalidScopeError unless the scopes asked for are some of these."""
    if not _SCOPE.fullmatch(scope):
        raise InvalidScopeError("scope: expected words of printable ASCII with one space between them")
    missing = sorted(set(scope.split(" ")) - allowed)
    if missing:
        raise InvalidScopeError(f"scope: expected some of {' '.join(sorted(allowed))}; got {' '.join(missing)[:120]}")


def check_target(audience: str, resource: str | None) -> None:
    """Raise InvalidTarget where a resource is named that is not the one our tokens are for."""
    if resource is not None and resource != audience:
        raise InvalidTarget(described(f"resource: expected {audience}"))
