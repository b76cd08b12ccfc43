"""Who is calling: the access token, verified once and then known by its digest until it runs out.

What can change while a token lives is looked at for every request: whether it was revoked, and whether its sender
proves to hold the key or certificate that it is bound to (RFC 9449, RFC 8705).
"""

import hashlib
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import parse_qsl

import msgspec
import structlog
from starlette.requests import Request

from gateway.peer import Peer
from gateway.proofs import Proofs
from gateway.snapshot import Catalog
from relay.call import BodyTooLarge, Call, ClientGone
from relay.strict import Rejected
from runtime.errors import Refusal
from wire import challenges, codes, dpop
from wire.front import x5t_of
from wire.tokens import KEEP_S, AccessToken, InvalidToken, Verifier, check_bound, may_hold_token, presented

log = structlog.get_logger()
CACHE_SIZE = 100_000
LONGEST_FORM = 8192
FORM = b"application/x-www-form-urlencoded"
_BEARER = b"Bearer "
_NOBODY: tuple[None, float] = (None, 0.0)


class Sent(NamedTuple):
    """What a request brings along to prove that its token is its own.

    proofs       values of the header DPoP    path  raw, without query
    certificate  DER of what was proved in TLS, b"" for none
    """

    proofs: list[str]
    method: str
    path: str
    certificate: bytes


class Authenticator:
    """Turns what a request brings along into its caller."""

    def __init__(
        self,
        verifier: Verifier,
        catalog: Catalog,
        proofs: Proofs,
        address: str,
        nonces: dpop.Nonces | None = None,
    ) -> None:
        """address  under which the world knows this door: what proofs are made for, whatever a Host header says
        nonces   given where a proof has to name one
        """
        self._verifier = verifier
        self._catalog = catalog
        self._proofs = proofs
        self._address = address.rstrip("/")
        self._nonces = nonces
        self._verified: dict[bytes, tuple[AccessToken, float]] = {}

    def at_once(self, call: Call, now: float) -> AccessToken | None:
        """The caller of nearly every call: one whose unbound token is known already. None: ask `caller`."""
        authorization = call.headers.get(b"authorization", b"")
        if b"?" in call.target and may_hold_token(call.target.decode("latin-1")):
            return None
        if not authorization.startswith(_BEARER):
            return None
        token, until = self._verified.get(hashlib.sha256(authorization[len(_BEARER) :]).digest(), _NOBODY)
        if token is None or now >= until or token.jkt or token.x5t or self._catalog.revoked(token, now):
            return None
        return token if token.department else self._in_department(token)

    async def caller(self, call: Call, now: float, peer: Peer) -> AccessToken:
        """The verified token; raises Refusal (400, 401, 503). `now` is Unix seconds."""
        authorization = call.headers.get(b"authorization")
        brought = [authorization.decode("latin-1")] if authorization is not None else []
        query = call.target.partition(b"?")[2]
        try:
            return await self.known(brought, query.decode("latin-1"), lambda: _sent(call, peer), now)
        except Refusal as refused:
            if refused.code is codes.TOKEN_MISSING and await _in_form(call):
                raise Refusal(codes.TOKEN_MALFORMED, "an access token in the body") from None
            raise

    async def sender(self, request: Request, now: float, peer: Peer) -> AccessToken:
        """The same for a request on the other lane."""
        headers, path = request.headers, request.scope["raw_path"].decode("latin-1")

        def sent() -> Sent:
            return Sent(headers.getlist("dpop"), request.method, path, peer.certificate)

        return await self.known(headers.getlist("authorization"), request.url.query, sent, now)

    async def known(self, authorization: list[str], query: str, sent: Callable[[], Sent], now: float) -> AccessToken:
        """Who sent this; raises Refusal (400, 401, 503). `sent` is asked where the token is bound."""
        scheme, text = presented(authorization, query)
        try:
            token = await self._token(text, now)
            if reason := self._catalog.revoked(token, now):
                raise InvalidToken("revoked", f"revoked: {reason}")
            if token.jkt or token.x5t or scheme != challenges.BEARER:
                await self._check_holder(token, scheme, text, sent(), now)
        except InvalidToken as invalid:
            log.debug("token.refused", reason=str(invalid))
            raise challenges.invalid_token(invalid, scheme) from None
        except dpop.InvalidProof as invalid:
            log.debug("proof.refused", reason=str(invalid))
            raise challenges.invalid_proof(invalid, self._nonces.current(now) if self._nonces else "") from None
        return token if token.department else self._in_department(token)

    async def _token(self, text: str, now: float) -> AccessToken:
        digest = hashlib.sha256(text.encode("latin-1", "replace")).digest()
        token, until = self._verified.get(digest, _NOBODY)
        if token is None or now >= until:
            token = await self._verifier.verified(text, now)
            self._remember(digest, token, now)
        return token

    async def _check_holder(self, token: AccessToken, scheme: str, text: str, sent: Sent, now: float) -> None:
        """Raise InvalidToken or InvalidProof unless the sender holds what the token is bound to."""
        x5t = x5t_of(sent.certificate) if token.x5t and sent.certificate else ""
        if not token.jkt or scheme != challenges.DPOP:
            return check_bound(token, scheme, jkt="", x5t=x5t)
        if len(sent.proofs) != 1:
            raise dpop.InvalidProof(f"expected one DPoP header; got {len(sent.proofs)}")
        url = self._address + sent.path
        proof = dpop.check(
            sent.proofs[0].strip(), method=sent.method, url=url, now=now, token=text, jkt=token.jkt, nonces=self._nonces
        )
        check_bound(token, scheme, jkt=proof.thumbprint, x5t=x5t)
        if not await self._proofs.use(proof):
            raise dpop.InvalidProof("jti: was used before; make a new proof for every request")
        return None

    def _in_department(self, token: AccessToken) -> AccessToken:
        """Tokens of other issuers do not name a department of ours."""
        return msgspec.structs.replace(token, department=self._catalog.department_of(token.client))

    def _remember(self, digest: bytes, token: AccessToken, now: float) -> None:
        """Until it runs out, and no longer than its issuer's key is believed without asking again."""
        if len(self._verified) >= CACHE_SIZE:
            self._verified.clear()
        self._verified[digest] = token, min(token.expires, now + KEEP_S)


def _sent(call: Call, peer: Peer) -> Sent:
    proof = call.headers.get(b"dpop")
    return Sent(
        proof.decode("latin-1").split(",") if proof is not None else [], call.method.decode(),
        call.target.partition(b"?")[0].decode("latin-1"), peer.certificate,
    )  # fmt: skip


async def _in_form(call: Call) -> bool:
    """Whether somebody put a token into a form (RFC 6750 section 2.2, which we do not take)."""
    if call.headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != FORM:
        return False
    try:
        body = await call.read(LONGEST_FORM)
    except (BodyTooLarge, ClientGone, Rejected):
        return False
    return any(name == "access_token" for name, _ in parse_qsl(body.decode("latin-1"), keep_blank_values=True))
