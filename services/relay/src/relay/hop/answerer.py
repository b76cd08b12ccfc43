"""The answering end of a framed connection, and the door that lets it in beside HTTP on one port.

Only a service that takes calls from our own services offers it, never one that the world can reach.
"""

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import Any, ClassVar, Final

import structlog

from relay.hop.frames import (
    PART_BYTES,
    BadRecord,
    Failed,
    Incoming,
    Leaving,
    Part,
    Pong,
    Question,
    Raw,
    Reply,
    ToAnswerer,
    to_answerer,
)
from relay.hop.greeting import PREFACE, BadGreeting, Hello, Proof, Secrets, packed, taken, welcome
from relay.hop.line import Gathered, Line
from relay.protocol import CallProtocol
from relay.waiting import drive
from runtime.service_auth import ServiceKey

GREETING_S: Final = 5.0
SILENT_S: Final = 30.0
"""The asking end pings every few seconds, however much it hears; after so long without a word it is gone."""
GOODBYE_S: Final = 2.0
"""An asking end that was told that we leave ends the connection after its last answer; so long is waited for it."""
REFUSED_S: Final = 10.0
"""A greeting that is refused is logged, and others in the next so many seconds are not: anybody can send them."""
MOST_UNDER_WAY: Final = 8192
"""More than an asking end has under way: calls that it gave up are still being worked on here."""


class Asked:
    """One question, whole, and the one reply that it gets."""

    __slots__ = ("_gathered", "_line", "answered", "body", "message", "number", "target", "trace")

    def __init__(self, line: "Answerer", question: Question[Raw]) -> None:
        self.number = question.number
        self.target = question.target
        self.message = question.message.copy()  # else it keeps all that was read with it, as long as the call takes
        self.trace = question.trace
        self.body = question.body
        self.answered = False
        self._line = line
        self._gathered: Gathered | None = None

    def answer(self, message: Any, body: bytes = b"") -> None:
        """Nothing happens where the asking end has gone. Raises TooLong, and what msgspec raises."""
        if not self.answered:
            self._line.reply(self.number, message, body)
            self.answered = True

    def crashed(self) -> None:
        """The handler failed."""
        if not self.answered:
            self.answered = True
            self._line.fail(self.number)

    def returned(self) -> None:
        """The handler came to its end; that it left a question without a reply is a fault of it."""
        if not self.answered:
            log.error("call.unanswered", target=self.target)
            self.crashed()

    def gather(self, part: bytes, *, limit_bytes: int) -> None:
        """A part of the body behind the first."""
        if self._gathered is None:
            self._gathered = Gathered(self.body, limit_bytes)
        self._gathered.add(part)

    def gathered(self) -> None:
        """That was the last one. A body that is longer than the limit is cut, and still longer."""
        if self._gathered is not None:
            self.body, self._gathered = self._gathered.whole(), None


Handler = Callable[[Asked], Coroutine[Any, Any, None]]
log = structlog.get_logger()


class Answerer(Line[ToAnswerer]):
    """One connection, among those of its server: swept and shut down like any other."""

    _next_refused: ClassVar[float] = 0.0  # when the next refused greeting is logged

    def __init__(self, key: ServiceKey, handle: Handler, limit_bytes: int, connections: set[Any]) -> None:
        """limit_bytes  of a question's body; of one that is longer no more is kept than shows that it is"""
        super().__init__()
        self._key = key
        self._handle = handle
        self._limit_bytes = limit_bytes
        self._connections = connections
        self._secrets: Secrets | None = None
        self._arriving: dict[int, Asked] = {}
        self._under_way = 0
        self._last = 0
        self._leaving = False
        self._quiet_since = self._loop.time()
        connections.add(self)

    # --- what the other end says
    def greet(self, words: bytearray) -> None:
        if self._secrets is None:
            if not PREFACE.startswith(bytes(words[: len(PREFACE)])):
                raise BadGreeting("it speaks something else")
            behind = words[len(PREFACE) :]
            heard = taken(behind, Hello)
            if heard is None:
                return
            words[:] = behind
            own, self._secrets = welcome(self._key, heard, time.time())
            self._out.write(packed(own))
        proof = taken(words, Proof)
        if proof is not None:
            secrets = self._secrets
            secrets.check("asker", proof.proof)
            self.greeted(secrets.key_of("answerer"), lambda: Incoming(secrets.key_of("asker"), to_answerer))
            self._quiet_since = self._loop.time()
            if self._leaving:
                self.say(Leaving())

    def end(self, why: Exception) -> None:
        """The asking end only sees that its connection ended: why, and whether it is the clocks, is said here."""
        now = self._loop.time()
        if not self._greeted and now >= Answerer._next_refused:
            Answerer._next_refused = now + REFUSED_S
            address = self._transport.get_extra_info("peername")
            log.warning("frames.refused", address=address[0] if address else "", reason=str(why))
        super().end(why)

    def take(self, frame: ToAnswerer) -> None:
        if isinstance(frame, Question):
            self._asked(frame)
        elif isinstance(frame, Part):
            self._continued(frame)
        else:
            self.say(Pong())

    def _asked(self, question: Question[Raw]) -> None:
        if question.number <= self._last:
            raise BadRecord("a question a second time")
        self._last = question.number
        if self._under_way >= MOST_UNDER_WAY:
            self.say(Failed(question.number, begun=False))
            return
        self._under_way += 1
        asked = Asked(self, question)
        if question.more:
            self._arriving[question.number] = asked
        else:
            self._begin(asked)

    def _continued(self, part: Part) -> None:
        if part.number > self._last:
            raise BadRecord("a part of nothing")
        asked = self._arriving.get(part.number)
        if asked is None:
            return  # of a question that was refused
        asked.gather(part.body, limit_bytes=self._limit_bytes)
        if not part.more:
            del self._arriving[part.number]
            asked.gathered()
            self._begin(asked)

    def _begin(self, asked: Asked) -> None:
        drive(self._handle(asked), asked.crashed, asked.returned)

    # --- what we say
    def reply(self, number: int, message: Any, body: bytes) -> None:
        more = len(body) > PART_BYTES
        self.say(Reply(number, message, body[:PART_BYTES] if more else body, more))
        if more and not self.lost:
            self.say_rest(number, body)
        self._under_way -= 1

    def fail(self, number: int) -> None:
        self.say(Failed(number, begun=True))
        self._under_way -= 1

    # --- the server's side
    def shutdown(self) -> None:
        """The server drains: the asking end is told, what is under way is answered."""
        self._leaving = True
        self._quiet_since = self._loop.time()
        if self._greeted:
            self.say(Leaving())

    def late(self, now: float) -> None:
        """Called by the server's sweep: end the connection if its time is over."""
        answers = self._under_way or self._bodies  # under way, or on their way
        if self._greeted and (self.heard or (answers and self._leaving)):
            self.heard = False
            self._quiet_since = now
        limit_s = GOODBYE_S if self._leaving else SILENT_S if self._greeted else GREETING_S
        if now - self._quiet_since > limit_s:
            self._transport.abort()

    def pause_writing(self) -> None:
        """Whoever does not take replies asks nothing new: else they would pile up here."""
        super().pause_writing()
        self._transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self._transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._connections.discard(self)
        self._arriving.clear()


class HandedOver(Exception):
    """For the HTTP side of a door, a connection that speaks frames has ended."""


class FramesDoor(CallProtocol):
    """The front of a service that takes framed connections too: what begins with the preface's first byte is one."""

    framed: ClassVar[Callable[[set[Any]], Answerer]]

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._undecided = True

    def data_received(self, data: bytes) -> None:
        if self._undecided and not self._deaf:
            self._undecided = False
            if data[0] == PREFACE[0]:
                self._hand_over(data)
                return
        super().data_received(data)

    def _hand_over(self, data: bytes) -> None:
        connections: set[Any] = self.connections
        answerer = type(self).framed(connections)
        super().connection_lost(HandedOver())
        self.transport.set_protocol(answerer)
        answerer.connection_made(self.transport)
        answerer.data_received(data)


def frames_beside(protocol: type[CallProtocol], key: ServiceKey, handle: Handler, limit_bytes: int) -> type[FramesDoor]:
    """The protocol class `protocol`, made by `call_protocol`, with a door for framed connections.

    limit_bytes  of a question's body: one that is longer reaches `handle` cut, and is still longer
    """

    def framed(connections: set[Any]) -> Answerer:
        return Answerer(key, handle, limit_bytes, connections)

    return type("ServiceProtocol", (FramesDoor, protocol), {"framed": staticmethod(framed)})
