"""Who is calling: the access token, verified once and then known by its digest until it runs out."""

import hashlib

import structlog

from relay.call import Call
from runtime.errors import Refusal
from wire import codes
from wire.tokens import AccessToken, InvalidToken, Verifier, bearer

log = structlog.get_logger()
CACHE_SIZE = 100_000


class Authenticator:
    """Turns the Authorization header of a call into the caller."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._verified: dict[bytes, AccessToken] = {}

    async def caller(self, call: Call, now: float) -> AccessToken:
        """The verified token; raises Refusal (400, 401). `now` is Unix seconds."""
        header = call.headers.get(b"authorization", b"")
        digest = hashlib.sha256(header).digest()
        token = self._verified.get(digest)
        if token is None or now >= token.expires:
            token = await self._verify(header, now)
            self._remember(digest, token)
        return token

    async def _verify(self, header: bytes, now: float) -> AccessToken:
        text = bearer([header.decode("latin-1")] if header else [])
        try:
            return await self._verifier.keys.tried(lambda: self._verifier.verify(text, now))
        except InvalidToken as invalid:
            log.debug("token.refused", reason=str(invalid))
            raise Refusal(codes.TOKEN_INVALID) from None

    def _remember(self, digest: bytes, token: AccessToken) -> None:
        if len(self._verified) >= CACHE_SIZE:
            self._verified.clear()
        self._verified[digest] = token
