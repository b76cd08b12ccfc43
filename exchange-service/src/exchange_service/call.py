"""One call at the exchange, top to bottom: READ THIS FIRST.

    is it ours → which interface → the question against its contract → was it asked before → breaker and bulkhead
    → the provider (asking.py) → the answer against its contract → only what was granted, masked, or a verdict
    (releasing.py) → back to the gateway

Whatever goes wrong is a `Refusal` with a code; it travels back in the reply's message and the gateway words it.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec
import structlog

from exchange_service.answers import Answers, key_of, question_of, replayed
from exchange_service.asking import Visit, ask, enter
from exchange_service.contract.likeness import NO_BODY, likeness
from exchange_service.contract.text import BadText
from exchange_service.contract.validate import NotMatching, check_parameters, check_request
from exchange_service.contract.verdict import BadClaims, Claimed, Word, check_claims, take_apart
from exchange_service.contract.xml import plain_xml
from exchange_service.guesses import Guesses
from exchange_service.health import now_ms
from exchange_service.providers.kinds import interpreter_of
from exchange_service.providers.provider import Answer, Question
from exchange_service.registry import Registry, Served
from exchange_service.releasing import content_of, judged, projected, whole
from relay.call import BodyTooLarge, Call, ClientGone
from relay.hop.answerer import Asked
from relay.upstream import UpstreamFault
from runtime.errors import Refusal
from runtime.service_auth import ServiceKey
from runtime.tasks import apart
from wire import codes, headers
from wire.calls import CallMessage, ReplyMessage, call_from_header, to_header
from wire.feed import FeedReader

if TYPE_CHECKING:
    from exchange_service.providers.soap import SoapProvider

log = structlog.get_logger()
T = TypeVar("T")
Outcome = tuple[ReplyMessage, bytes | Answer]
"""The reply and its body: an answer that is still arriving where it passes through."""
PREFIX = b"/calls/"
CONTENT_TYPES = {"json": "application/json", "xml": "application/xml", "form": "application/x-www-form-urlencoded"}
"""Of a question that stood beside claims."""
call_from_frame = msgspec.msgpack.Decoder(CallMessage).decode
_UNPRINTABLE = re.compile(rb"[^ -~]")


@dataclass(frozen=True, slots=True)
class Exchange:
    """The parts that a call passes through."""

    key: ServiceKey
    registry: Registry
    feed: FeedReader
    answers: Answers
    guesses: Guesses
    max_staleness_s: float
    body_limit_bytes: int


@dataclass(slots=True)
class Passage:
    """One call on its way.

    body     the operation's body; None where it passes through, and then `arriving` brings it
    trace    value of the header traceparent, b""
    claimed  with `verify` and `compare`: the claims      sent  the whole body as it came, claims and question
    word     what they were judged to be
    visit    from the moment that it is counted in at its provider
    interpreter  turns the envelopes of a consumer round that speaks SOAP: all between has their JSON form
    """

    message: CallMessage
    served: Served
    body: bytes | None
    sent: bytes
    trace: bytes
    arriving: Call | None
    claimed: Claimed | None = None
    word: Word | None = None
    visit: Visit | None = None
    interpreter: "SoapProvider | None" = None

    @property
    def asked_ms(self) -> int:
        """When the provider was asked; 0 as long as it was not."""
        return self.visit.asked_ms if self.visit is not None else 0


async def handle(exchange: Exchange, call: Call) -> None:
    """One call over HTTP; every way out of here has answered the gateway, or found it gone."""
    content: bytes | Answer = b""
    message: CallMessage | None = None
    passage: Passage | None = None
    try:
        message_header, signature = call.headers.get(headers.MESSAGE, b""), call.headers.get(headers.SERVICE, b"")
        exchange.key.check(signature, call.method, call.target, None, message_header)
        message = call_from_header(message_header)
        served = find(exchange, call.target[len(PREFIX) :].decode("ascii"))
        body = None if served.is_streamed else await call.read(exchange.body_limit_bytes)
        exchange.key.check_body(signature, body)
        passage = received(message, served, body, call.headers.get(b"traceparent", b""), call)
        reply, content = await on_its_own(served, once(exchange, passage))
    except ClientGone:
        return
    except Exception as error:
        reply = reply_to(message, refusal_of(error), passage.asked_ms if passage is not None else 0)
    lines = headers.MESSAGE + b": " + to_header(reply) + b"\r\n"
    if isinstance(content, bytes):
        call.answer(200, content, lines)
        return
    assert passage is not None  # noqa: S101  # without a question there is nothing to stream
    try:
        await on_its_own(passage.served, stream(call, content, lines))
    finally:
        if passage.visit is not None:
            passage.visit.leave()


async def handle_asked(exchange: Exchange, asked: Asked) -> None:
    """One call on a framed connection, whose other end has proved that it is one of us."""
    content: bytes | Answer = b""
    message: CallMessage | None = None
    passage: Passage | None = None
    try:
        message = call_from_frame(asked.message)
        served = find(exchange, asked.target)
        check_asked(exchange, served, asked)
        passage = received(message, served, asked.body, asked.trace)
        reply, content = await on_its_own(served, once(exchange, passage))
    except Exception as error:
        reply = reply_to(message, refusal_of(error), passage.asked_ms if passage is not None else 0)
    assert isinstance(content, bytes)  # noqa: S101  # its body is here, so nothing passes through
    asked.answer(reply, content)


def check_asked(exchange: Exchange, served: Served, asked: Asked) -> None:
    """What HTTP checks by itself; raises Refusal, BodyTooLarge."""
    if served.is_streamed:
        raise Refusal(codes.NOT_ONE_OF_US, "what passes through does not come in frames")
    if len(asked.body) > exchange.body_limit_bytes:
        raise BodyTooLarge(exchange.body_limit_bytes)
    if _UNPRINTABLE.search(asked.trace):  # it becomes a header field
        raise Refusal(codes.NOT_ONE_OF_US, "the trace cannot be read")


def on_its_own(served: Served, work: Coroutine[Any, Any, T]) -> Awaitable[T]:
    """What calls drive themselves; drivers of databases and files want a task (see relay.waiting)."""
    return work if served.is_driven else asyncio.ensure_future(work)


def find(exchange: Exchange, key: str) -> Served:
    """The interface "id/version"; raises Refusal where it is unknown here, or what is known is too old."""
    if exchange.feed.age_s() > exchange.max_staleness_s:  # masks and schemas might have become stricter
        raise Refusal(codes.POLICY_STALE, "the exchange has not heard from the catalog for too long", retry_after=1)
    try:
        served = exchange.registry.get(key)
    except KeyError:
        raise Refusal(codes.EXCHANGE_BEHIND, key, retry_after=1) from None
    if served is None:
        raise Refusal(codes.INTERFACE_UNUSABLE, key)
    return served


# --- the question ---------------------------------------------------------------------------------------------------
def received(
    message: CallMessage, served: Served, body: bytes | None, trace: bytes, arriving: Call | None = None
) -> Passage:
    """The question, taken apart and held against the contract; raises Refusal with the place of the error."""
    passage = Passage(message, served, body, body or b"", trace, arriving)
    try:
        if message.mode != "query" and served.interface.mode == "query":
            passage.claimed = claims_of(message, served, body)
            passage.body = passage.claimed.question
        elif body is not None:
            passage.body = heard(passage, body)
        check_parameters(served.contract, message.values, message.query)
        if passage.body is not None:
            check_request(served.contract, passage.body)
            if served.contract.request_format == "xml" and passage.body:
                passage.body = plain_xml(passage.body)
    except NotMatching as mismatch:
        raise Refusal(codes.NOT_MATCHING_SCHEMA, mismatch.reason, path=mismatch.path) from None
    except BadText as bad:
        raise Refusal(codes.NOT_MATCHING_SCHEMA, str(bad), path="") from None
    return passage


def heard(passage: Passage, body: bytes) -> bytes:
    """The body, in its JSON form where the consumer speaks SOAP; raises Refusal."""
    message, served = passage.message, passage.served
    passage.interpreter = interpreter_of(served.interface, served.provider, message.content_type)
    if passage.interpreter is None:
        return body
    return passage.interpreter.heard(served.operations[message.method, message.path], message.content_type, body)


def claims_of(message: CallMessage, served: Served, body: bytes | None) -> Claimed:
    """What is claimed, and the question; raises Refusal, BadText."""
    if body is None:
        raise Refusal(codes.GRANT_MODE, "a file can be neither verified nor compared")
    try:
        claimed = take_apart(served.contract, body)
        if claimed.question and message.method in NO_BODY:
            raise BadClaims(f"{message.method} takes no question beside the claims")
        check_claims(served.contract, message.mode, claimed.claims, message.obligations.fields)
    except BadClaims as bad:
        raise Refusal(codes.CLAIMS_MALFORMED, str(bad)) from None
    return claimed


def once(exchange: Exchange, passage: Passage) -> Coroutine[Any, Any, Outcome]:
    """The reply and its body; with an Idempotency-Key the one that this key got first. Raises Refusal."""
    if passage.message.sandbox:
        return rehearse(passage, exchange.body_limit_bytes)
    if passage.message.idempotency_key and passage.body is not None:
        return once_for_key(exchange, passage)
    return ask_it(exchange, passage)


def ask_it(exchange: Exchange, passage: Passage) -> Coroutine[Any, Any, Outcome]:
    """A question or claims; the outcome once the provider has spoken. Raises Refusal."""
    return converse(exchange, passage) if passage.claimed is None else judge_it(exchange, passage)


async def once_for_key(exchange: Exchange, passage: Passage) -> Outcome:
    """The outcome that the call's Idempotency-Key got first; raises Refusal."""
    message, served = passage.message, passage.served

    async def work() -> tuple[ReplyMessage, bytes]:
        try:
            reply, content = await ask_it(exchange, passage)
        except Refusal as refused:
            return reply_to(message, refused, passage.asked_ms), b""
        return reply, content if isinstance(content, bytes) else b""

    key, left_s = key_of(served.key, message), max(0.0, message.deadline_ms / 1000 - time.time())
    running = exchange.answers.once(
        key, question_of(message, served.interface, passage.sent), message.call, left_s, work
    )
    reply, content = await asyncio.ensure_future(running)
    return (reply, content) if reply.call == message.call else (replayed(reply, message.call), content)


# --- the provider ---------------------------------------------------------------------------------------------------
async def judge_it(exchange: Exchange, passage: Passage) -> Outcome:
    """The verdict on claims. They are counted before the provider is asked and put right after; raises Refusal."""
    message, guesses = passage.message, exchange.guesses
    contract, body = passage.served.contract, passage.body or b""
    asked = (message.method, message.path, message.values, message.query)
    alike = await apart(len(body), likeness, contract, *asked, body)
    question = guesses.question(message.grant, alike)
    guess = await asyncio.ensure_future(guesses.admit(message.grant, question))
    try:
        return await converse(exchange, passage)
    finally:
        await asyncio.ensure_future(guesses.settle(guess, passage.word))


async def converse(exchange: Exchange, passage: Passage) -> Outcome:
    """Ask the provider and make the reply of what it says; raises Refusal."""
    served, message = passage.served, passage.message
    at_provider = passage.visit = enter(served, time.monotonic())
    try:
        answer = await ask(at_provider, question_for(passage), message.deadline_ms)
        if passage.body is None:
            reply = whole(served, message, answer, at_provider.asked_ms)
            at_provider.answered(answer.status)
            return reply, answer  # still under way: it leaves its provider when the stream has ended
        outcome = await released(passage, answer, exchange.body_limit_bytes, at_provider.asked_ms)
    except BaseException as error:
        at_provider.leave()
        at_provider.failed(error)
        raise
    at_provider.answered(answer.status)
    at_provider.leave()
    return outcome


def question_for(passage: Passage) -> Question:
    """What the provider is asked."""
    message, arriving = passage.message, passage.arriving
    sent: bytes | AsyncIterator[bytes] = passage.body or b""
    length: int | None = len(passage.body or b"")
    if passage.body is None and arriving is not None and arriving.length != 0:  # else nothing passes through, after all
        sent, length = arriving.parts(), arriving.length
    return Question(
        operation=passage.served.operations[message.method, message.path], values=message.values, query=message.query,
        body=sent, length=length, content_type=content_type_of(passage), fields=message.obligations.fields,
        call=message.call, trace=passage.trace, idempotency_key=message.idempotency_key, range=message.range,
    )  # fmt: skip


def content_type_of(passage: Passage) -> str:
    """What the question's body is; beside claims, which are JSON, it is what the interface takes."""
    if passage.interpreter is not None:
        return CONTENT_TYPES["json"]
    if passage.claimed is None:
        return passage.message.content_type
    return CONTENT_TYPES.get(passage.served.contract.request_format, "application/json") if passage.body else ""


async def released(passage: Passage, answer: Answer, limit_bytes: int, asked_ms: int) -> Outcome:
    """The answer read to its end, and what may leave of it; raises Refusal."""
    content = await content_of(answer, limit_bytes)
    if passage.claimed is None:
        outcome = await projected(passage.served, passage.message, answer, content, asked_ms)
        return outcome if passage.interpreter is None else await said(passage, passage.interpreter, *outcome)
    reply, body, verdict = await judged(passage.served, passage.message, passage.claimed, answer, content, asked_ms)
    passage.word = verdict.word if verdict is not None else None
    return reply, body


async def said(passage: Passage, interpreter: "SoapProvider", reply: ReplyMessage, body: bytes) -> Outcome:
    """What was released, as an envelope: the consumer speaks SOAP. Raises Refusal."""
    message = passage.message
    operation = passage.served.operations[message.method, message.path]
    status, kind, envelope = await apart(
        len(body), interpreter.said, operation, message.content_type, reply.status, body
    )  # fmt: skip
    return msgspec.structs.replace(reply, status=status, content_type=kind), envelope


async def rehearse(passage: Passage, limit_bytes: int) -> Outcome:
    """The sandbox: the same contract, projection and masks over an example; nobody is asked, nothing is counted."""
    served, message = passage.served, passage.message
    answer = await served.twin.ask(question_for(passage), served.interface.timeout_s)
    if passage.body is None:
        return whole(served, message, answer, 0), answer
    return await released(passage, answer, limit_bytes, 0)


# --- the reply ------------------------------------------------------------------------------------------------------
def refusal_of(error: Exception) -> Refusal:
    """What went wrong, in our words."""
    if isinstance(error, Refusal):
        return error
    if isinstance(error, BodyTooLarge):
        return Refusal(codes.BODY_TOO_LARGE, limit_bytes=error.limit)
    if isinstance(error, msgspec.DecodeError):
        return Refusal(codes.NOT_ONE_OF_US, "the message cannot be read")
    log.error("call.crashed", exc_info=error)
    return Refusal(codes.BROKEN)


def reply_to(message: CallMessage | None, refused: Refusal, asked_ms: int) -> ReplyMessage:
    """A refusal as the gateway gets it, and when the provider was asked, 0 if it was not."""
    facts = {name: fact for name, fact in refused.facts.items() if isinstance(fact, str | int | float)}
    return ReplyMessage(
        status=refused.code.status, call=message.call if message else "", code=refused.code.name,
        detail=refused.detail, facts=facts, asked_ms=asked_ms, answered_ms=now_ms() if asked_ms else 0,
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
