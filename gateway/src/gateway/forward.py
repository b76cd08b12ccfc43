"""The hop to the exchange: the question with its obligations, and a deadline.

It goes over a framed connection with many others where one is open, else over HTTP with our signature under it; what
passes through as it comes always goes over HTTP.
"""

import re
import time
from collections.abc import Awaitable, Callable

import msgspec
import structlog

from gateway.policy.model import Allow
from relay.call import BodyTooLarge, Call
from relay.heads import request_head
from relay.hop.asker import Pending
from relay.hop.frames import Raw, Reply
from relay.hop.pool import Hop
from relay.upstream import Answer, Broken, TimedOut, Unreachable, Upstream, UpstreamFault
from runtime.errors import Refusal
from runtime.service_auth import STREAMED, ServiceKey, digest_of
from wire import codes, headers
from wire.calls import CallMessage, ReplyMessage, reply_from_header, to_header
from wire.catalog import Files

log = structlog.get_logger()
GRACE_S = 1.0
"""The exchange gets this much longer than the provider, to say what went wrong."""
reply_from_frame = msgspec.msgpack.Decoder(ReplyMessage).decode
_RANGE = re.compile(rb"bytes=[0-9, -]{1,200}")


class Unasked(Refusal):
    """A refusal of which it is certain that no provider was asked."""


class Whole:
    """An answer that came in one piece; whoever asked reads it like one that is still arriving."""

    __slots__ = ("_content",)

    def __init__(self, content: bytes) -> None:
        self._content = content

    @property
    def body(self) -> "Whole":
        return self

    async def read(self, limit: int) -> bytes:
        """Raises BodyTooLarge."""
        if len(self._content) > limit:
            raise BodyTooLarge(limit)
        return self._content

    def discard(self) -> None:
        """Nothing is under way."""


class Forwarder:
    """Kept connections to the exchange."""

    def __init__(self, upstream: Upstream, key: ServiceKey, hop: Hop | None = None) -> None:
        self._upstream = upstream
        self._key = key
        self._hop = hop

    async def keep(self) -> None:
        """Open what is missing; called again and again by whoever owns this."""
        if self._hop is not None:
            await self._hop.keep()

    def close(self) -> None:
        """End all connections; calls under way fail."""
        self._upstream.close()
        if self._hop is not None:
            self._hop.close()

    async def ask(
        self, call: Call, record: str, allowed: Allow, body: bytes | None, seen: Callable[[bytes], None]
    ) -> tuple[Answer | Whole, ReplyMessage]:
        """The exchange's answer with its head read; raises Refusal.

        body  None for a streamed one, whose parts are shown to `seen` on their way
        """
        message = self._message(call, record, allowed)
        try:
            pending = None if body is None else self._in_frames(call, message, allowed, body)
            if pending is not None:
                framed = await pending
                return Whole(framed.body), self._framed(framed, record)
            answer = await self._over_http(call, message, allowed, body, seen)
        except UpstreamFault as fault:
            log.warning("exchange.no_answer", call=record, sent=fault.sent, error=str(fault))
            raise refusal_of(fault) from None
        return answer, self._reply(answer, record)

    def _in_frames(self, call: Call, message: CallMessage, allowed: Allow, body: bytes) -> Pending | None:
        """The reply that will come; None where no framed connection is open. Raises UpstreamFault."""
        if self._hop is None:
            return None
        interface, trace = allowed.route.interface, call.headers.get(b"traceparent", b"")
        return self._hop.ask(f"{interface.id}/{interface.version}", message, trace, body, interface.timeout_s + GRACE_S)

    def _over_http(
        self, call: Call, message: CallMessage, allowed: Allow, body: bytes | None, seen: Callable[[bytes], None]
    ) -> Awaitable[Answer]:
        """The answer that will come. Raises UpstreamFault, as waiting for it does."""
        interface = allowed.route.interface
        target = f"/calls/{interface.id}/{interface.version}".encode()
        header = to_header(message)
        digest = STREAMED if body is None else digest_of(body)
        lines = [(headers.MESSAGE, header), (headers.SERVICE, self._key.sign(b"POST", target, digest, header))]
        if b"traceparent" in call.headers:
            lines.append((b"traceparent", call.headers[b"traceparent"]))
        head = request_head(b"POST", target, b"exchange", lines, call.length if body is None else len(body))
        sent = call.parts(seen) if body is None else body
        return self._upstream.send(head, sent, timeout_s=interface.timeout_s + GRACE_S)

    def _framed(self, framed: Reply[Raw], record: str) -> ReplyMessage:
        """The message of a reply; raises Refusal where it cannot be read, or is the answer to another call."""
        try:
            reply = reply_from_frame(framed.message)
        except ValueError as error:
            raise Refusal(codes.EXCHANGE_UNREACHABLE, f"a reply that cannot be read: {error}") from None
        check_is_ours(reply, record)
        return reply

    def _reply(self, answer: Answer, record: str) -> ReplyMessage:
        """The message of the answer; raises Refusal where it has none, or is the answer to another call."""
        try:
            reply = reply_from_header(answer.headers[headers.MESSAGE])
        except (KeyError, ValueError):
            answer.discard()
            raise Refusal(codes.EXCHANGE_UNREACHABLE, f"{answer.status} without a message") from None
        try:
            check_is_ours(reply, record)
        except Refusal:
            answer.discard()
            raise
        return reply

    def _message(self, call: Call, record: str, allowed: Allow) -> CallMessage:
        grant = allowed.rule.grant
        query = call.target.partition(b"?")[2]
        return CallMessage(
            call=record,
            grant=grant.id,
            grant_revision=grant.revision,
            method=allowed.operation.method,
            path=allowed.operation.path,
            values=allowed.values,
            query=query.decode("ascii"),
            content_type=call.headers.get(b"content-type", b"").decode("latin-1"),
            idempotency_key=call.headers.get(b"idempotency-key", b"").decode("latin-1"),
            mode=allowed.mode,
            consumer=grant.department,
            narrowed=allowed.narrowed is not None,
            sandbox=allowed.sandbox,
            range=range_of(call, allowed),
            obligations=allowed.obligations,
            deadline_ms=int((time.time() + allowed.route.interface.timeout_s) * 1000),
        )


def check_is_ours(reply: ReplyMessage, record: str) -> None:
    """No answer reaches another call, whatever mixed them up; raises Refusal."""
    if reply.call not in ("", record) or (not reply.code and reply.call != record):
        log.error("exchange.other_answer", call=record, answered=reply.call)
        raise Refusal(codes.EXCHANGE_UNREACHABLE, "the answer belongs to another call")


def range_of(call: Call, allowed: Allow) -> str:
    """The part of a file that is asked for; "" where none is, and for all that are no files (RFC 9110 section 14.2)."""
    interface = allowed.route.interface
    if interface.format != "binary" or not isinstance(interface.adapter, Files):
        return ""
    asked = call.headers.get(b"range", b"")
    return asked.decode("ascii") if _RANGE.fullmatch(asked) else ""


def refused_by_exchange(reply: ReplyMessage) -> Refusal:
    """The exchange's refusal in our words. That it does not know us, or we its code, is no consumer's fault."""
    kind = Refusal if reply.asked_ms else Unasked
    code = codes.REGISTRY.get(reply.code)
    if code is None or code is codes.NOT_ONE_OF_US:
        log.error("exchange.refused_us", code=reply.code, detail=reply.detail)
        return kind(codes.EXCHANGE_UNREACHABLE, reply.code)
    return kind(code, reply.detail, **reply.facts)


def refusal_of(fault: UpstreamFault) -> Refusal:
    """What a failed hop means for the consumer."""
    kind = Refusal if fault.sent else Unasked
    if isinstance(fault, TimedOut):
        return kind(codes.EXCHANGE_TIMEOUT, str(fault))
    if isinstance(fault, Unreachable | Broken) and not fault.sent:
        return Unasked(codes.EXCHANGE_UNREACHABLE, str(fault))
    return kind(codes.EXCHANGE_UNREACHABLE, f"{fault}; the call may have taken effect")
