"""The door before all others: where the world is told https, nothing that came in the clear is looked at.

No redirect: the token has been on the line already, and who follows one would never learn it (OWASP ASVS 4.1.2).
/health stays open, for whoever looks after this process.
"""

from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from gateway import answer
from gateway.peer import Peers
from gateway.strangers import Strangers
from relay.call import Call
from relay.protocol import Handler
from runtime import problems
from runtime.errors import Refusal
from wire import codes

OPEN = "/health/"


class Entrance:
    """Both lanes' first step."""

    def __init__(self, peers: Peers, strangers: Strangers, *, encrypted_only: bool) -> None:
        self._peers = peers
        self._strangers = strangers
        self._encrypted_only = encrypted_only

    def before(self, handle: Handler) -> Handler:
        """The handler of calls, for calls that may come in."""
        if not self._encrypted_only:
            return handle

        async def enter(call: Call) -> None:
            peer = self._peers.of_call(call)
            if peer.secure:
                return await handle(call)
            self._strangers.count(peer.address, codes.NOT_ENCRYPTED.name)
            return call.answer(*answer.refusal(call, Refusal(codes.NOT_ENCRYPTED), record=""))

        return enter

    def around(self, app: ASGIApp) -> ASGIApp:
        """The same for the other lane, as a middleware."""

        async def enter(scope: Scope, receive: Receive, send: Send) -> None:
            if scope["type"] == "http" and self._encrypted_only and not scope["path"].startswith(OPEN):
                peer = self._peers.of_request(Request(scope))
                if not peer.secure:
                    self._strangers.count(peer.address, codes.NOT_ENCRYPTED.name)
                    await problems.answer(Request(scope), codes.NOT_ENCRYPTED)(scope, receive, send)
                    return
            await app(scope, receive, send)

        return enter
