"""Who sent a request that is not a call, and whether they may ask at all: what `handle` sees to for calls.

Whoever is suspended may still learn why (`/api/explain`) and get a token; everything else is shut to them.
"""

import time

from starlette.requests import Request

from gateway.authenticate import Authenticator
from gateway.peer import Peer, Peers
from gateway.policy.conditions import in_good_standing
from gateway.snapshot import Catalog
from gateway.strangers import Strangers
from runtime.errors import Refusal
from wire import codes
from wire.feed import FeedReader
from wire.tokens import AccessToken, Door, Verifier


class Senders:
    """Knows the senders of requests on the other lane."""

    def __init__(
        self,
        authenticator: Authenticator,
        catalog: Catalog,
        feed: FeedReader,
        peers: Peers,
        strangers: Strangers,
        max_staleness_s: float,
    ) -> None:
        """max_staleness_s  without word from the catalog, after which nobody knows what was revoked"""
        self._authenticator = authenticator
        self._catalog = catalog
        self._feed = feed
        self._peers = peers
        self._strangers = strangers
        self._max_staleness_s = max_staleness_s

    def peer(self, request: Request) -> Peer:
        """The other end of the line."""
        return self._peers.of_request(request)

    async def known(self, request: Request, peer: Peer) -> AccessToken:
        """Whose token came along; raises Refusal (400, 401, 503), and counts it."""
        try:
            return await self._authenticator.sender(request, time.time(), peer)
        except Refusal as refused:
            self._strangers.count(peer.address, refused.code.name)
            raise

    def check_fresh(self) -> None:
        """Raise Refusal(POLICY_STALE) where the catalog was not heard for too long."""
        if self._feed.age_s() > self._max_staleness_s:
            raise Refusal(codes.POLICY_STALE, retry_after=1)

    def check_standing(self, token: AccessToken) -> None:
        """Raise Refusal (403) where a system behind the token, or its department, is suspended."""
        for party in self._catalog.parties(token):
            if (denied := in_good_standing(party)) is not None:
                raise Refusal(denied.code, denied.detail, **denied.facts)


class OwnDoor(Door):
    """The door of the gateway's own routes: who comes in here comes straight from outside."""

    def __init__(self, verifier: Verifier, senders: Senders, *, open_to_suspended: bool = False) -> None:
        super().__init__(verifier)
        self._senders = senders
        self._open_to_suspended = open_to_suspended

    async def caller(self, request: Request) -> AccessToken:
        """Whose token came along; raises Refusal (400, 401, 403, 503)."""
        token = await self._senders.known(request, self._senders.peer(request))
        self._senders.check_fresh()
        if not self._open_to_suspended:
            self._senders.check_standing(token)
        return token
