"""What a token is bound to, so that nobody can use it who merely saw it: a key (DPoP) or a certificate (mutual TLS).

A proof comes first: who sends one wants its key. A client that proved itself by its certificate gets tokens for that
certificate. Source: RFC 9449 sections 5 and 8, RFC 8705 section 3.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

from authlib.oauth2 import OAuth2Error

from identity.certificates import TLS_CLIENT_AUTH
from identity.server import TokenRequest
from identity.store import Client, use_assertion
from identity.tokens import described
from wire import dpop


class BadProof(OAuth2Error):  # type: ignore[misc]  # Authlib publishes no types
    """The proof of possession proves nothing (RFC 9449 section 5)."""

    error = "invalid_dpop_proof"


class NonceNeeded(OAuth2Error):  # type: ignore[misc]  # Authlib publishes no types
    """The proof has to name this nonce (RFC 9449 section 8)."""

    error = "use_dpop_nonce"

    def __init__(self, nonce: str) -> None:
        super().__init__("nonce: expected the one in DPoP-Nonce")
        self.nonce = nonce


class Binder:
    """Says what the token of a request is bound to.

    url     public address of the token endpoint    nonces  given where a proof has to name one
    """

    def __init__(self, url: str, nonces: dpop.Nonces | None = None) -> None:
        self._url = url
        self._nonces = nonces

    def __call__(self, request: TokenRequest, client: Client) -> dict[str, str]:
        """`cnf` of the token, {} for one that is bound to nothing; raises BadProof, NonceNeeded."""
        if request.proofs:
            return {"jkt": self._proved(request, request.proofs)}
        if client.method == TLS_CLIENT_AUTH:
            return {"x5t#S256": request.front.x5t}
        if client.dpop_bound:
            raise BadProof("DPoP: expected a proof, because tokens of this client are bound to a key")
        return {}

    def _proved(self, request: TokenRequest, proofs: Sequence[str]) -> str:
        if len(proofs) > 1:
            raise BadProof("DPoP: expected one proof")
        now = request.at.timestamp()
        try:
            proof = dpop.check(proofs[0], method="POST", url=self._url, now=now, nonces=self._nonces)
        except dpop.NonceWanted:
            raise NonceNeeded(self._nonces.current(now) if self._nonces else "") from None
        except dpop.InvalidProof as error:
            raise BadProof(described(str(error))) from None
        if not use_assertion(request.transaction, proof.digest, datetime.fromtimestamp(proof.until, UTC)):
            raise BadProof("jti: was used before; sign a new proof for each request")
        return proof.thumbprint
