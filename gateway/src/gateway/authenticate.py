"""Who is calling: the access token, verified once and then known by its digest until it runs out.

What can change while a token lives is looked at for every request: whether it was revoked, and whether its sender
proves to hold the key or certificate that it is bound to (RFC 9449, RFC 8705).
"""

import hashlib
import time
from typing import NamedTuple
from urllib.parse import parse_qsl

import msgspec
import structlog
from starlette.requests import Request

from gateway.peer import Peers
from gateway.proofs import Proofs
from gateway.snapshot import Catalog
from relay.call import BodyTooLarge, Call, ClientGone
from relay.strict import Rejected
from runtime.errors import Refusal
from wire import challenges, codes, dpop
from wire.front import x5t_of
from wire.tokens import AccessToken, Door, InvalidToken, Verifier, check_bound, presented

log = structlog.get_logger()
CACHE_SIZE = 100_000
LONGEST_FORM = 8192
FORM = b"application/x-www-form-urlencoded"


class Sent(NamedTuple):
    """What a request says of its sender.

    query        of the address    proofs  values of the header DPoP
    path         raw               certificate  DER of what was proved in TLS, b"" for none
    """

    authorization: list[str]
    query: str
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
        peers: Peers,
        proofs: Proofs,
        address: str,
        nonces: dpop.Nonces | None = None,
    ) -> None:
        """address  under which the world knows this door: what proofs are made for, whatever a Host header says
        nonces   given where a proof has to name one
        """
        self._verifier = verifier
        self._catalog = catalog
        self._peers = peers
        self._proofs = proofs
        self._address = address.rstrip("/")
        self._nonces = nonces
        self._verified: dict[bytes, AccessToken] = {}

    async def caller(self, call: Call, now: float) -> AccessToken:
        """The verified token; raises Refusal (400, 401, 503). `now` is Unix seconds."""
        path, _, query = call.target.decode("latin-1").partition("?")
        authorization, proof = call.headers.get(b"authorization"), call.headers.get(b"dpop")
        sent = Sent(
            [authorization.decode("latin-1")] if authorization is not None else [], query,
            proof.decode("latin-1").split(",") if proof is not None else [],
            call.method.decode(), path, self._peers.of_call(call).certificate,
        )  # fmt: skip
        try:
            return await self.known(sent, now)
        except Refusal as refused:
            if refused.code is codes.TOKEN_MISSING and await _in_form(call):
                raise Refusal(codes.TOKEN_MALFORMED, "an access token in the body") from None
            raise

    async def sender(self, request: Request, now: float) -> AccessToken:
        """The same for a request on the other lane."""
        headers = request.headers
        sent = Sent(
            headers.getlist("authorization"), request.url.query, headers.getlist("dpop"), request.method,
            request.scope["raw_path"].decode("latin-1"), self._peers.of_request(request).certificate,
        )  # fmt: skip
        return await self.known(sent, now)

    async def known(self, sent: Sent, now: float) -> AccessToken:
        """Who sent this; raises Refusal (400, 401, 503)."""
        scheme, text = presented(sent.authorization, sent.query)
        try:
            token = await self._token(text, now)
            if reason := self._catalog.revoked(token, now):
                raise InvalidToken("revoked", f"revoked: {reason}")
            await self._check_holder(token, scheme, text, sent, now)
        except InvalidToken as invalid:
            log.debug("token.refused", reason=str(invalid))
            raise challenges.invalid_token(invalid, scheme) from None
        except dpop.InvalidProof as invalid:
            log.debug("proof.refused", reason=str(invalid))
            raise challenges.invalid_proof(invalid, self._nonces.current(now) if self._nonces else "") from None
        return token if token.department else self._in_department(token)

    async def _token(self, text: str, now: float) -> AccessToken:
        digest = hashlib.sha256(text.encode("latin-1", "replace")).digest()
        token = self._verified.get(digest)
        if token is None or now >= token.expires:
            token = await self._verifier.verified(text, now)
            self._remember(digest, token)
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
            sent.proofs[0].strip(), method=sent.method, url=url, now=now, token=text, nonces=self._nonces
        )
        check_bound(token, scheme, jkt=proof.thumbprint, x5t=x5t)
        if not await self._proofs.use(proof):
            raise dpop.InvalidProof("jti: was used before; make a new proof for every request")
        return None

    def _in_department(self, token: AccessToken) -> AccessToken:
        """Tokens of other issuers do not name a department of ours."""
        return msgspec.structs.replace(token, department=self._catalog.department_of(token.client))

    def _remember(self, digest: bytes, token: AccessToken) -> None:
        if len(self._verified) >= CACHE_SIZE:
            self._verified.clear()
        self._verified[digest] = token


async def _in_form(call: Call) -> bool:
    """Whether somebody put a token into a form (RFC 6750 section 2.2, which we do not take)."""
    if call.headers.get(b"content-type", b"").partition(b";")[0].strip().lower() != FORM:
        return False
    try:
        body = await call.read(LONGEST_FORM)
    except (BodyTooLarge, ClientGone, Rejected):
        return False
    return any(name == "access_token" for name, _ in parse_qsl(body.decode("latin-1"), keep_blank_values=True))


class OwnDoor(Door):
    """The door of the gateway's own routes: who comes in here comes straight from outside."""

    def __init__(self, verifier: Verifier, authenticator: Authenticator) -> None:
        super().__init__(verifier)
        self._authenticator = authenticator

    async def caller(self, request: Request) -> AccessToken:
        """Whose token came along; raises Refusal (400, 401, 503)."""
        return await self._authenticator.sender(request, time.time())
