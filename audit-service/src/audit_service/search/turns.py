"""Whose turn it is: files take memory and time, and nobody's are to hold up everybody else's."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from runtime.errors import Refusal
from wire import codes, scopes
from wire.tokens import AccessToken

MOST_WAITING = 32
RETRY_S = 5


class Turns:
    """At most so many files under way at once, one for each department (auditors: for each client); some more wait."""

    def __init__(self, at_once: int) -> None:
        self._at_once = asyncio.Semaphore(at_once)
        self._most = at_once + MOST_WAITING
        self._held: set[tuple[str, str]] = set()

    @asynccontextmanager
    async def of(self, token: AccessToken) -> AsyncIterator[None]:
        """Until the file is made. Raises Refusal(ONE_FILE_AT_A_TIME) at once."""
        one = _one(token)
        if one in self._held:
            raise Refusal(codes.ONE_FILE_AT_A_TIME, "another one of yours is under way", retry_after=RETRY_S)
        if len(self._held) >= self._most:
            raise Refusal(codes.ONE_FILE_AT_A_TIME, "too many are waiting", retry_after=RETRY_S)
        self._held.add(one)
        try:
            async with self._at_once:
                yield
        finally:
            self._held.discard(one)


def _one(token: AccessToken) -> tuple[str, str]:
    if scopes.AUDIT_READ in token.scopes or not token.department:
        return "client", token.client
    return "department", token.department
