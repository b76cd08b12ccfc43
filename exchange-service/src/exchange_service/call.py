"""One call at the exchange, top to bottom: READ THIS FIRST.

    is it ours → which interface → the question against its contract → breaker and bulkhead → the provider
    → the answer against its contract → only what was granted, masked → back to the gateway

Whatever goes wrong is a `Refusal` with a code; it travels back in the reply's message and the gateway words it.
"""

import asyncio
import time
from dataclasses import dataclass

import msgspec
import structlog

from exchange_service.contract.project import Projected, project
from exchange_service.contract.text import BadJson, read
from exchange_service.contract.validate import NotMatching, check_parameters, check_request, check_response
from exchange_service.providers.provider import Answer, Question
from exchange_service.registry import Registry, Served
from relay.call import BodyTooLarge, Call, ClientGone
from relay.upstream import UpstreamFault
from runtime.errors import Refusal
from runtime.service_auth import ServiceKey
from wire import codes, headers
from wire.calls import CallMessage, ReplyMessage, call_from_header, to_header
from wire.feed import FeedReader

log = structlog.get_logger()
PREFIX = b"/calls/"
IN_A_THREAD_BYTES = 256 * 1024
"""Larger answers are checked and projected in a thread, so that nobody else waits for them."""
ASKED_MS = "asked_ms"
COUNTED_AS_FAILURE = (codes.PROVIDER_UNREACHABLE, codes.PROVIDER_TIMEOUT, codes.PROVIDER_BROKEN_ANSWER)


@dataclass(frozen=True, slots=True)
class Exchange:
    """The parts that a call passes through."""

    key: ServiceKey
    registry: Registry
    feed: FeedReader
    max_staleness_s: float
    body_limit_bytes: int


async def handle(exchange: Exchange, call: Call) -> None:
    """One call; every way out of here has answered the gateway, or found it gone."""
    message_header, signature = call.headers.get(headers.MESSAGE, b""), call.headers.get(headers.SERVICE, b"")
    content: bytes | Answer = b""
    message: CallMessage | None = None
    try:
        exchange.key.check(signature, call.method, call.target, None, message_header)
        message = call_from_header(message_header)
        served = find(exchange, call.target)
        streamed = served is not None and served.interface.format == "binary"
        body = None if streamed else await call.read(exchange.body_limit_bytes)
        exchange.key.check_body(signature, body)
        reply, content = await carry(exchange, call, message, served, body)
    except ClientGone:
        return
    except BodyTooLarge as large:
        reply = refusal(message, Refusal(codes.BODY_TOO_LARGE, limit_bytes=large.limit))
    except msgspec.DecodeError:
        reply = refusal(message, Refusal(codes.NOT_ONE_OF_US, "the message cannot be read"))
    except Refusal as refused:
        reply = refusal(message, refused)
    lines = headers.MESSAGE + b": " + to_header(reply) + b"\r\n"
    if not isinstance(content, bytes):
        try:
            await stream(call, content, lines)
        finally:
            leave(served)
    else:
        call.answer(200, content, lines)


def find(exchange: Exchange, target: bytes) -> Served | None:
    """The interface that the target names; raises Refusal where it is unknown here, or what is known is too old."""
    key = target[len(PREFIX) :].decode("ascii")
    if exchange.feed.age_s() > exchange.max_staleness_s:  # masks and schemas might have become stricter
        raise Refusal(codes.POLICY_STALE, "the exchange has not heard from the catalog for too long", retry_after=1)
    try:
        return exchange.registry.get(key)
    except KeyError:
        raise Refusal(codes.EXCHANGE_BEHIND, key, retry_after=1) from None


def refusal(message: CallMessage | None, refused: Refusal) -> ReplyMessage:
    """A refusal as the gateway gets it. When the provider was asked is not for the consumer, but for the log."""
    facts = {name: fact for name, fact in refused.facts.items() if isinstance(fact, str | int | float)}
    asked_ms = int(facts.pop(ASKED_MS, 0))
    return ReplyMessage(
        status=refused.code.status, call=message.call if message else "", code=refused.code.name,
        detail=refused.detail, facts=facts, asked_ms=asked_ms,
    )  # fmt: skip


async def carry(
    exchange: Exchange, call: Call, message: CallMessage, served: Served | None, body: bytes | None
) -> tuple[ReplyMessage, bytes | Answer]:
    """The reply and its body (an `Answer` that is still arriving for a streamed interface); raises Refusal."""
    if served is None:
        raise Refusal(codes.INTERFACE_UNUSABLE, call.target.decode("ascii"))
    check_question(served, message, body)
    admitted = enter(served, time.monotonic())
    asked_ms = now_ms()
    try:
        reply, content = await converse(exchange, call, message, served, body)
    except BaseException as error:
        if isinstance(error, Refusal):
            error.facts[ASKED_MS] = asked_ms
        leave(served)
        failed(served, error, admitted)
        raise
    answered(served, reply.status, admitted)
    if isinstance(content, bytes):
        leave(served)  # a streamed answer is still under way
    return reply, content


async def converse(
    exchange: Exchange, call: Call, message: CallMessage, served: Served, body: bytes | None
) -> tuple[ReplyMessage, bytes | Answer]:
    """Ask the provider and make the reply of what it says; raises Refusal."""
    asked_ms = now_ms()
    answer = await ask(served, call, message, body)
    try:
        check_kind(answer)
        if body is None:
            return whole_release(message, answer, asked_ms), answer
        content = await answer.body.read(exchange.body_limit_bytes)
    except (UpstreamFault, BodyTooLarge) as fault:
        answer.discard()
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, str(fault)) from None
    except Refusal:
        answer.discard()
        raise
    answered_ms = now_ms()
    projected = await release(served, message, answer, content)
    reply = ReplyMessage(
        status=answer.status, call=message.call, asked_ms=asked_ms, answered_ms=answered_ms, fields=projected.fields,
        masked=projected.masked, content_type="application/json" if projected.body else "",
    )  # fmt: skip
    return reply, projected.body


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def check_question(served: Served, message: CallMessage, body: bytes | None) -> None:
    """The question against the interface's contract; raises Refusal(422) with the place of the error."""
    try:
        check_parameters(served.contract, message.values, message.query)
        if body is not None:
            check_request(served.contract, body)
    except NotMatching as mismatch:
        raise Refusal(codes.NOT_MATCHING_SCHEMA, mismatch.reason, path=mismatch.path) from None
    except BadJson as bad:
        raise Refusal(codes.NOT_MATCHING_SCHEMA, str(bad), path="") from None


def enter(served: Served, now: float) -> int:
    """Breaker and bulkhead: a provider that fails gets a pause, a slow one holds up nobody else.

    The breaker's round, which it wants to hear again with the result.
    """
    if served.in_flight >= served.interface.max_in_flight:
        raise Refusal(codes.PROVIDER_BUSY, f"{served.in_flight} calls under way", retry_after=1)
    admitted = served.breaker.admit(now)
    if not admitted:
        wait_s = max(1, round(served.breaker.retry_after(now) + 0.5))
        raise Refusal(codes.PROVIDER_RESTING, retry_after=wait_s)
    served.in_flight += 1
    return admitted


def leave(served: Served | None) -> None:
    """The call has ended."""
    if served is not None:
        served.in_flight -= 1


async def ask(served: Served, call: Call, message: CallMessage, body: bytes | None) -> Answer:
    """The provider's answer within what is left of the deadline; raises Refusal."""
    left_s = message.deadline_ms / 1000 - time.time()
    if left_s <= 0:
        raise Refusal(codes.PROVIDER_TIMEOUT, "nothing was left of the deadline")
    timeout_s = min(left_s, served.interface.timeout_s)
    sent, length = (call.parts(), call.length) if body is None else (body, len(body))
    question = Question(
        operation=served.operations[message.method, message.path], values=message.values, query=message.query,
        body=sent, length=length, content_type=message.content_type, fields=message.obligations.fields,
        call=message.call, trace=call.headers.get(b"traceparent", b""), idempotency_key=message.idempotency_key,
        range=message.range,
    )  # fmt: skip
    return await served.provider.ask(question, timeout_s)


def answered(served: Served, status: int, admitted: int) -> None:
    """The provider spoke; a 5xx is an answer, but not a sign of health."""
    if status >= 500:
        served.breaker.failed(time.monotonic(), admitted)
    else:
        served.breaker.succeeded(time.monotonic(), admitted)


def failed(served: Served, error: BaseException, admitted: int) -> None:
    """Tell the breaker what a call that brought no answer means for it."""
    if isinstance(error, Refusal) and error.code in COUNTED_AS_FAILURE:
        served.breaker.failed(time.monotonic(), admitted)
    else:
        served.breaker.abandoned(time.monotonic(), admitted)


def check_kind(answer: Answer) -> None:
    """Only an answer that our parser and the consumer's read alike may go on."""
    if answer.headers.get(b"content-encoding", b"identity") != b"identity":
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, "a content coding that was not asked for")
    if 300 <= answer.status < 400 and answer.status != 304:
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, f"status {answer.status}: redirects are not followed")


async def release(served: Served, message: CallMessage, answer: Answer, content: bytes) -> Projected:
    """What may leave of the answer; raises Refusal where it breaks the contract."""
    if not content:
        return Projected(b"", [], [])
    media_type = answer.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if media_type != b"application/json" and not media_type.endswith(b"+json"):
        if answer.status < 400:
            raise Refusal(codes.PROVIDER_BROKEN_ANSWER, "the answer is not JSON")
        return Projected(b"", [], [])  # an error page is not among the granted fields
    work = (served, message, content, 200 <= answer.status < 300)
    if len(content) > IN_A_THREAD_BYTES:
        return await asyncio.get_running_loop().run_in_executor(None, checked, *work)
    return checked(*work)


def checked(served: Served, message: CallMessage, content: bytes, succeeded: bool) -> Projected:
    """Contract and projection. Errors of the provider are projected too, but have no schema of their own."""
    contract, projection = served.contract, served.projection(message)
    if projection.whole and contract.response is None:
        return Projected(content, projection.fields, [])  # released whole and unvalidated: nothing to look for
    try:
        text = read(content)
        if succeeded:
            check_response(contract, text)
        return project(text, projection)
    except (BadJson, NotMatching) as broken:
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, str(broken)) from None


def whole_release(message: CallMessage, answer: Answer, asked_ms: int) -> ReplyMessage:
    """The reply to a streamed question: such an answer leaves whole, so the grant has to say so."""
    if message.obligations.fields != ["*"]:
        raise Refusal(codes.GRANT_NONE, "this interface is released whole or not at all")
    return ReplyMessage(
        status=answer.status, call=message.call, asked_ms=asked_ms, answered_ms=now_ms(), fields=["*"],
        content_type=answer.headers.get(b"content-type", b"application/octet-stream").decode("latin-1"),
    )  # fmt: skip


async def stream(call: Call, answer: Answer, lines: bytes) -> None:
    """Pass a body on as it comes, at the gateway's pace; cut off where the provider's was."""
    call.start(200, lines, answer.body.announced)
    held = b""
    try:
        while chunk := await answer.body.chunk():
            await call.send(held)
            held = chunk
    except ClientGone:
        answer.discard()
        return
    except UpstreamFault as fault:
        log.warning("answer.cut", error=str(fault))
        call.abort()
        return
    call.finish(held)
