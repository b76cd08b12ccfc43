"""Token exchange (RFC 8693): one system acts for another that agreed to it, and the record names both.

The actor gives the access token of the system that it acts for (`subject_token`). It needs this grant and the scope
token:exchange, and has to stand in the subject's `may_act`. What it gets is for the subject, names the actor in `act`,
has no scope that one of the two lacks, is bound to the actor's key where the subject's tokens are bound, lives no
longer than the token that was given for it, and is revoked with it.
"""

from collections.abc import Callable
from typing import Any

from authlib.oauth2.rfc6749 import InvalidRequestError, InvalidScopeError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants import BaseGrant, TokenEndpointMixin

from identity.binding import BadProof
from identity.grants import AccessTokens, InvalidTarget, check_among
from identity.revoking import revoked
from identity.server import TokenRequest
from identity.store import Client, find_client
from identity.tokens import Holder, described
from wire import scopes
from wire.tokens import AccessToken

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105  # the name of a type
_NOT_TAKEN = ("actor_token", "actor_token_type")


def token_exchange(audience: str, tokens: AccessTokens, barred: Callable[[Client], str]) -> type:
    """The grant for one audience, as the class that Authlib wants. `barred`: see identity.server.Server."""

    class TokenExchange(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib publishes no types
        """One exchange."""

        GRANT_TYPE = GRANT_TYPE

        def validate_token_request(self) -> None:
            request: TokenRequest = self.request
            request.client = actor = self.authenticate_token_endpoint_client()
            if not actor.check_grant_type(GRANT_TYPE) or scopes.TOKEN_EXCHANGE not in actor.scopes:
                raise UnauthorizedClientError(
                    f"expected a client with this grant and the scope {scopes.TOKEN_EXCHANGE}"
                )
            _check_form(request.form, audience)
            subject_token = _good(request)
            subject = find_client(request.transaction, subject_token.client)
            if subject is None or barred(subject):
                raise InvalidRequestError("subject_token: its system is suspended or gone")
            if actor.id not in subject.may_act:
                raise InvalidRequestError(described(f"subject_token: {subject.id} does not let {actor.id} act for it"))
            if (subject.dpop_bound or subject_token.jkt or subject_token.x5t) and not request.bound:
                raise BadProof("DPoP: expected a proof, because tokens for this system are bound to a key")
            self._subject, self._token = subject, subject_token
            self._scope = _scope(request.form.get("scope"), subject_token.scopes & actor.scopes)

        def create_token_response(self) -> tuple[int, dict[str, Any], object]:
            holder = Holder(self._subject.id, self.client.id, self._subject.department)
            token = tokens(holder, self._scope, self.request, given=self._token)
            token |= {"issued_token_type": ACCESS_TOKEN, "exchanged": self._token.id}
            self.save_token(token)
            return 200, token, self.TOKEN_RESPONSE_HEADER

    return TokenExchange


def _check_form(form: Any, audience: str) -> None:
    """RFC 8693 section 2.1, as far as we serve it: one access token for another, for our own audience."""
    unknown = [name for name in _NOT_TAKEN if name in form]
    if unknown:
        raise InvalidRequestError(f"{unknown[0]}: not taken; the client is the actor")
    if form.get("subject_token_type") != ACCESS_TOKEN:
        raise InvalidRequestError(f"subject_token_type: expected {ACCESS_TOKEN}")
    if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
        raise InvalidRequestError(f"requested_token_type: expected {ACCESS_TOKEN}")
    for name in ("resource", "audience"):
        if form.get(name, audience) != audience:
            raise InvalidTarget(described(f"{name}: expected {audience}"))


def _good(request: TokenRequest) -> AccessToken:
    """The subject's token: ours, current, not revoked, and a system's own; raises InvalidRequestError."""
    token = request.subject_token
    if token is None or revoked(request.transaction, token):
        raise InvalidRequestError("subject_token: expected a valid access token of this server")
    if token.person or token.actor:
        raise InvalidRequestError("subject_token: expected the own token of a system")
    return token


def _scope(wanted: str | None, allowed: frozenset[str]) -> str:
    """What both have, or what was asked for of it."""
    own = allowed - {scopes.TOKEN_EXCHANGE}
    if wanted is not None:
        check_among(wanted, own)
        return wanted
    if not own:
        raise InvalidScopeError("scope: actor and subject_token have none in common")
    return " ".join(sorted(own))
