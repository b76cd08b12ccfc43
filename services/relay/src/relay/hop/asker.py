"""The asking end of a framed connection: many calls under way, each with a deadline, answered in any order."""

import time
from typing import Any, Final

import structlog

from relay.connection import Broken, Cut, TimedOut, Unreachable, UpstreamFault
from relay.hop.frames import (
    PART_BYTES,
    BadRecord,
    Failed,
    Incoming,
    Leaving,
    Part,
    Ping,
    Question,
    Raw,
    Reply,
    ToAsker,
    TooLong,
    to_asker,
)
from relay.hop.greeting import PREFACE, BadGreeting, Welcome, accept, hello, packed, taken
from relay.hop.line import Gathered, Line
from relay.waiting import Promise
from runtime.service_auth import ServiceKey

log = structlog.get_logger()
MOST_UNDER_WAY: Final = 4096
PING_S: Final = 2.0
"""How often the other end is asked whether it is there, whatever else is said: so it hears that we are, too."""
SILENT_S: Final = 6.0
"""After so long without a word it is asked nothing more; what it was asked keeps its deadline."""


class NoFrames(BadGreeting):
    """The other end speaks HTTP alone."""


class Pending(Promise[Reply[Raw]]):
    """A question that was sent and not yet answered. `deadline` is on the loop's clock."""

    __slots__ = ("begun", "deadline", "gathered")

    def __init__(self, deadline: float) -> None:
        super().__init__()
        self.deadline = deadline
        self.begun: Reply[Raw] | None = None
        self.gathered: Gathered


class Asker(Line[ToAsker]):
    """One connection. `ready` is kept once both ends have greeted each other, or fails with why they have not."""

    def __init__(self, key: ServiceKey, limit_bytes: int) -> None:
        """limit_bytes  of an answer's body; of one that is longer no more is kept than shows that it is"""
        super().__init__()
        self.ready: Promise[None] = Promise()
        self.address = ""
        self.leaving = False
        """Nothing new may be asked."""
        self._key = key
        self._hello = hello(key, time.time())
        self._limit_bytes = limit_bytes
        self._pending: dict[int, Pending] = {}
        self._last = 0
        self._silent_since = self._loop.time()
        self._pinged_at = self._silent_since

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._out.write(PREFACE + packed(self._hello))

    @property
    def usable(self) -> bool:
        """Whether it can be asked now; not where what was asked before still waits for the other end to read it."""
        return (
            self._greeted
            and not (self.leaving or self.lost or self._behind or self._transport.is_closing())
            and len(self._pending) < MOST_UNDER_WAY
        )

    @property
    def under_way(self) -> int:
        """Calls that were asked and not yet answered."""
        return len(self._pending)

    def ask(self, target: str, message: Any, trace: bytes, body: bytes, deadline: float) -> Pending:
        """The reply that will come, or an UpstreamFault. Raises Unreachable for a message that no frame can carry."""
        number = self._last = self._last + 1
        pending = Pending(deadline)
        more = len(body) > PART_BYTES
        try:
            self.say(Question(number, target, message, trace, body[:PART_BYTES] if more else body, more))
        except TooLong as long:
            raise Unreachable(str(long), sent=False) from None
        if more:
            self.say_rest(number, body)
        self._pending[number] = pending
        return pending

    # --- what the other end says
    def greet(self, words: bytearray) -> None:
        if words and words[0]:
            raise NoFrames("it speaks HTTP alone")
        welcome = taken(words, Welcome)
        if welcome is None:
            return
        proof, secrets = accept(self._key, self._hello, welcome, time.time())
        self._out.write(packed(proof))
        self.greeted(secrets.key_of("asker"), lambda: Incoming(secrets.key_of("answerer"), to_asker))
        self.ready.resolve(None)

    def take(self, frame: ToAsker) -> None:
        if isinstance(frame, Reply):
            self._replied(frame)
        elif isinstance(frame, Part):
            self._continued(frame)
        elif isinstance(frame, Failed):
            self._failed(frame)
        elif isinstance(frame, Leaving):
            self.leave()

    def _replied(self, reply: Reply[Raw]) -> None:
        pending = self._pending_of(reply.number)
        if pending is None:
            return
        if pending.begun is not None:
            raise BadRecord("a second reply")
        if reply.more:
            reply.message = reply.message.copy()  # else it keeps all that was read with it
            pending.begun, pending.gathered = reply, Gathered(reply.body, self._limit_bytes)
        else:
            self._done(reply.number)
            pending.resolve(reply)

    def _continued(self, part: Part) -> None:
        pending = self._pending_of(part.number)
        if pending is None:
            return
        reply = pending.begun
        if reply is None:
            raise BadRecord("a part of nothing")
        pending.gathered.add(part.body)
        if not part.more:
            self._done(part.number)
            reply.body = pending.gathered.whole()
            pending.resolve(reply)

    def _failed(self, frame: Failed) -> None:
        pending = self._pending_of(frame.number)
        if pending is None:
            return
        self._done(frame.number)
        if frame.begun:
            pending.fail(Broken("no reply", sent=True))
        else:
            pending.fail(Unreachable("it has too much to do", sent=False))

    def _pending_of(self, number: int) -> Pending | None:
        """Whom it is for; None where nobody waits any longer. Raises BadRecord where nobody ever did."""
        if number > self._last:
            raise BadRecord("an answer to nothing")
        return self._pending.get(number)

    def _done(self, number: int) -> None:
        del self._pending[number]
        if self.leaving and not self._pending:
            self.close()

    # --- its end
    def leave(self) -> None:
        """Ask nothing new; the connection ends with the last answer."""
        self.leaving = True
        if not self._pending:
            self.close()

    def end(self, why: Exception) -> None:
        self.ready.fail(why)
        super().end(why)

    def abort(self) -> None:
        """End it as it is."""
        self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self.ready.fail(BadGreeting("the connection ended"))
        self.fail_all(Cut("the connection was cut", sent=True))

    def fail_all(self, fault: UpstreamFault) -> None:
        """Nobody knows what became of the calls under way."""
        pending, self._pending = self._pending, {}
        for asked in pending.values():
            tell(asked, fault)

    def sweep(self, now: float) -> None:
        """End calls that are over time, and look whether the other end is still there."""
        for number in [number for number, asked in self._pending.items() if asked.deadline <= now]:
            asked = self._pending[number]
            self._done(number)
            tell(asked, TimedOut("no answer in time", sent=True))
        if self.leaving and not self._pending:
            self.abort()  # closing had its time
            return
        if self.heard:
            self.heard = False
            self._silent_since = now
        elif now - self._silent_since > SILENT_S:
            self.leave()
        if now - self._pinged_at > PING_S and self._greeted:
            self._pinged_at = now
            self.say(Ping())


def tell(asked: Pending, fault: UpstreamFault) -> None:
    """There will be no reply. What goes wrong in whoever waits for it is not the others' fault."""
    try:
        asked.fail(fault)
    except Exception:
        log.exception("frames.waiting_crashed")
