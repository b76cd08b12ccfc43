"""Tokens of ours that somebody shows us: in exchange, to have them revoked, to ask what they say."""

import structlog

from runtime.clock import Clock
from wire.tokens import AccessToken, InvalidToken, Verifier

log = structlog.get_logger()


class Presented:
    """Reads them."""

    def __init__(self, verifier: Verifier, clock: Clock) -> None:
        self._verifier = verifier
        self._clock = clock

    async def read(self, token: str | None) -> AccessToken | None:
        """What it says, or None for one that is not ours, for another audience, or has run out.

        Whether it was revoked is for identity.revoking to say.
        """
        if not token:
            return None
        try:
            return await self._verifier.verified(token, self._clock.now().timestamp())
        except InvalidToken as error:
            log.info("token.not_read", reason=str(error))
            return None
