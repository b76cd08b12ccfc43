"""One call, from the door to the door: READ THIS FIRST.

    who is it → what does the catalog say → may it → not too fast → the question → intent in the log
    → the exchange → outcome in the log → the answer

Nothing is asked of a provider before the intent is committed, nothing is answered before the outcome is. A refusal of
somebody we know is recorded like a success. Each step raises `Refusal` with its code; there is one place for each.
"""

import hashlib
import os
import re
import time
from dataclasses import dataclass

import structlog

from gateway import answer
from gateway.admit import Admission, Usage, burst_of
from gateway.authenticate import Authenticator
from gateway.forward import Forwarder
from gateway.policy.decide import decide
from gateway.policy.model import Allow, Asked, Deny
from gateway.record import Recorder
from gateway.snapshot import Catalog
from gateway.strangers import Strangers
from gateway.subject import Subjects
from gateway.usage import Tally
from relay.call import BodyTooLarge, Call, ClientGone
from relay.strict import Rejected
from relay.upstream import Answer, UpstreamFault
from runtime.errors import Refusal
from runtime.ids import uuid7
from wire import codes, headers, scopes
from wire.audit import CallLeaf, Phase, answer_digest, request_hasher
from wire.calls import ReplyMessage
from wire.feed import FeedReader
from wire.subjects import holds_a_number
from wire.tokens import AccessToken

log = structlog.get_logger()
PREFIX = b"/x/"
LONGEST_CASE = 128
LONGEST_WITHOUT_A_NUMBER = 17
_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]*)?")
LONGEST_PASSED_ON = 255
"""Bytes of a header of the consumer that goes on to the provider."""


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts that a call passes through."""

    authenticator: Authenticator
    catalog: Catalog
    feed: FeedReader
    admission: Admission
    recorder: Recorder
    forwarder: Forwarder
    strangers: Strangers
    subjects: Subjects
    tally: Tally
    max_staleness_s: float
    body_limit_bytes: int


class Passage:
    """One call on its way: what was asked, and what the log will say of it."""

    __slots__ = ("at", "call", "digest", "leaf", "record", "salt", "started")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.at = time.time()
        self.started = time.monotonic()
        self.record = str(uuid7(int(self.at * 1000)))
        self.salt = os.urandom(16)  # erasable: without it the digests say nothing
        self.leaf = CallLeaf(
            at_in=int(self.at * 1000), call=self.record, method=call.method.decode(), phase="denied",
            department="", epoch=0, gateway="", interface="", path="", sequence=0, system="", version="",
            trace=trace_of(call),
        )  # fmt: skip
        self.digest = request_hasher(self.salt, call.method, call.target)

    def note(self, chunk: bytes) -> None:
        """A part of the question, on its way."""
        self.digest.update(chunk)
        self.leaf.request_bytes += len(chunk)

    def header(self, name: bytes) -> str:
        return self.call.headers.get(name, b"").decode("latin-1")

    def refuse(self, refused: Refusal, record: str) -> None:
        """Answer with a problem document; nothing happens when the client has gone or was answered."""
        self.call.answer(*answer.refusal(self.call, refused, record))


async def handle(gateway: Gateway, call: Call) -> None:
    """One call. Every way out of here has answered the client, or found it gone."""
    passage = Passage(call)
    try:
        caller = await gateway.authenticator.caller(call, passage.at)
    except Refusal as refused:
        gateway.strangers.count(call.client, refused.code.name)
        return passage.refuse(refused, record="")
    try:
        gateway.recorder.check()
    except Refusal as unrecorded:
        return passage.refuse(unrecorded, record="")
    usage: Usage | None = None
    try:
        allowed = permitted(gateway, passage, caller)
        usage = gateway.admission.admit(allowed.rule.grant, passage.started)
        await carry_out(gateway, passage, allowed, usage)
    except Refusal as refused:
        await break_off(gateway, passage, refused)
    except Rejected as rejected:
        await break_off(gateway, passage, cut(rejected))
    except ClientGone:
        await break_off(gateway, passage, Refusal(codes.CLIENT_GONE))
    except Exception:
        log.exception("call.crashed", call=passage.record)
        await break_off(gateway, passage, Refusal(codes.BROKEN))
    finally:
        if usage is not None:
            gateway.admission.leave(usage)
            gateway.tally.count(passage.leaf)
    return None


def permitted(gateway: Gateway, passage: Passage, caller: AccessToken) -> Allow:
    """The decision; raises Refusal with its code."""
    call, leaf = passage.call, passage.leaf
    interface, version, path = destination(call.target)
    leaf.system, leaf.department = caller.client, caller.department
    key = f"{interface}/{version}"
    known = gateway.catalog.known(caller.client, key)
    # What somebody made up is not kept: an address may hold anything, a person's number too.
    if known.route is not None:
        leaf.interface, leaf.version = interface, version
        leaf.provider, leaf.retention = known.route.interface.provider, known.route.interface.retention
    leaf.case = case_of(call)
    if scopes.CALL not in caller.scopes:
        raise Refusal(codes.SCOPE_MISSING, f"scope {scopes.CALL}", scope=scopes.CALL)
    if gateway.feed.age_s() > gateway.max_staleness_s:
        raise Refusal(codes.POLICY_STALE, retry_after=1)
    asked = Asked(
        caller.client, key, leaf.method, path, call.client, passage.at,
        passage.header(headers.GRANT), leaf.case,
    )  # fmt: skip
    decision = decide(known, asked)
    if isinstance(decision, Deny):
        raise Refusal(decision.code, decision.detail, **decision.facts)
    describe(leaf, decision)
    return decision


def trace_of(call: Call) -> str:
    """The trace that the caller is in (W3C Trace Context), "" for a header of any other form."""
    form = _TRACE.fullmatch(call.headers.get(b"traceparent", b""))
    return form[1].decode() if form else ""


def case_of(call: Call) -> str:
    """The case number (办件编号) as UTF-8, which Chinese numbers need; raises Refusal for what cannot be one."""
    raw = call.headers.get(headers.CASE, b"")
    try:
        case = raw.decode()
    except UnicodeDecodeError:
        raise Refusal(codes.CASE_MALFORMED, "not UTF-8") from None
    if len(case) > LONGEST_CASE:
        raise Refusal(codes.CASE_MALFORMED, f"over {LONGEST_CASE} characters")
    if len(case) > LONGEST_WITHOUT_A_NUMBER and holds_a_number(case):
        raise Refusal(codes.CASE_MALFORMED, "it holds an identity number, which the log must not keep")
    return case


def destination(target: bytes) -> tuple[str, str, str]:
    """Interface, version and the raw path below them of `/x/{interface}/{version}[/path][?query]`."""
    interface, _, rest = target.partition(b"?")[0][len(PREFIX) :].decode("ascii").partition("/")
    version, slash, path = rest.partition("/")
    return interface, version, slash + path


def describe(leaf: CallLeaf, allowed: Allow) -> None:
    """What the log keeps of the decision."""
    grant, interface = allowed.rule.grant, allowed.route.interface
    leaf.department = grant.department
    leaf.grant, leaf.grant_revision, leaf.purpose = grant.id, grant.revision, grant.purpose
    leaf.provider, leaf.path, leaf.operation = interface.provider, allowed.operation.path, interface.operation_word
    leaf.retention = interface.retention


async def deny(gateway: Gateway, passage: Passage, refused: Refusal) -> None:
    """A refusal before the intent: recorded like a success, then answered."""
    close(passage.leaf, "denied", refused.code.status, refused)
    try:
        await gateway.recorder.put(passage.leaf, passage.salt)
    except Refusal as unrecorded:
        return passage.refuse(unrecorded, record="")
    return passage.refuse(refused, passage.record)


async def carry_out(gateway: Gateway, passage: Passage, allowed: Allow, usage: Usage) -> None:
    """The question, the intent, the exchange, the outcome, the answer. Raises Refusal before the intent only."""
    streamed = answer.streams(allowed)
    body = None if streamed else await question(gateway, passage)
    passage.leaf.subject = gateway.subjects.of(allowed, passage.call.target.partition(b"?")[2], body)
    try:
        await intent(gateway, passage, body)
    except Refusal as unrecorded:
        return passage.refuse(unrecorded, record="")
    asked = time.monotonic()
    try:
        reply_answer, reply = await gateway.forwarder.ask(passage.call, passage.record, allowed, body, passage.note)
        if streamed:
            passage.leaf.request_digest = passage.digest.hexdigest()
        check_reply(passage.leaf, reply)
        content = b"" if streamed else await reply_answer.body.read(gateway.body_limit_bytes)
    except (UpstreamFault, BodyTooLarge) as fault:
        reply_answer.discard()
        return await conclude(gateway, passage, Refusal(codes.EXCHANGE_UNREACHABLE, str(fault)))
    except Refusal as refused:
        return await conclude(gateway, passage, refused)
    lines = answer_lines(gateway, passage, allowed, usage, reply, time.monotonic() - asked)
    if streamed:
        return await stream(gateway, passage, reply_answer, reply, lines)
    return await whole(gateway, passage, reply, content, lines)


async def question(gateway: Gateway, passage: Passage) -> bytes:
    """The body of a JSON call; raises Refusal (400, 408, 413, 415) or ClientGone."""
    call = passage.call
    try:
        body = await call.read(gateway.body_limit_bytes)
    except BodyTooLarge as large:
        raise Refusal(codes.BODY_TOO_LARGE, limit_bytes=large.limit) from None
    except Rejected as rejected:
        raise cut(rejected) from None
    if body and call.method in (b"GET", b"HEAD"):
        raise Refusal(codes.UNEXPECTED_BODY, call.method.decode())
    if max(len(call.headers.get(name, b"")) for name in (b"content-type", b"idempotency-key")) > LONGEST_PASSED_ON:
        raise Refusal(codes.MALFORMED, f"Content-Type or Idempotency-Key over {LONGEST_PASSED_ON} bytes")
    media_type = call.headers.get(b"content-type", b"").partition(b";")[0].strip().lower()
    if b"content-encoding" in call.headers or (body and media_type != b"application/json"):
        raise Refusal(codes.UNSUPPORTED_BODY, media_type.decode("latin-1")[:80])
    return body


def cut(rejected: Rejected) -> Refusal:
    """What a body that broke off means: too slow, or not HTTP."""
    return Refusal(codes.REQUEST_TIMEOUT if rejected.status == 408 else codes.MALFORMED, rejected.reason)


async def intent(gateway: Gateway, passage: Passage, body: bytes | None) -> None:
    """Commit the intent; raises Refusal(AUDIT_UNAVAILABLE), and then leaves an outcome behind in case it arrived."""
    leaf = passage.leaf
    leaf.phase = "intent"
    if body is not None:
        passage.note(body)
        leaf.request_digest = passage.digest.hexdigest()
    try:
        await gateway.recorder.put(leaf, passage.salt)
    except Refusal as unrecorded:
        close(leaf, "outcome", unrecorded.code.status, unrecorded)
        gateway.recorder.put(leaf, passage.salt)
        raise


def check_reply(leaf: CallLeaf, reply: ReplyMessage) -> None:
    """Note what the exchange says; raises Refusal where it refused."""
    leaf.at_provider_out, leaf.at_provider_in = reply.asked_ms, reply.answered_ms
    if reply.code:
        raise refused_by_exchange(reply)
    leaf.fields_returned, leaf.fields_masked = len(reply.fields), len(reply.masked)
    leaf.fields_digest = answer.fields_digest(tuple(reply.fields))


def refused_by_exchange(reply: ReplyMessage) -> Refusal:
    """The exchange's refusal in our words. That it does not know us, or we its code, is no consumer's fault."""
    code = codes.REGISTRY.get(reply.code)
    if code is None or code is codes.NOT_ONE_OF_US:
        log.error("exchange.refused_us", code=reply.code, detail=reply.detail)
        return Refusal(codes.EXCHANGE_UNREACHABLE, reply.code)
    return Refusal(code, reply.detail, **reply.facts)


def close(leaf: CallLeaf, phase: Phase, status: int, refused: Refusal | None) -> None:
    """Turn the leaf into how the call ended."""
    leaf.phase, leaf.status, leaf.at_ready = phase, status, int(time.time() * 1000)
    if refused is not None:
        leaf.code, leaf.fault = refused.code.name, refused.code.fault


async def conclude(gateway: Gateway, passage: Passage, refused: Refusal) -> None:
    """A refusal after the intent: the outcome is committed, then the refusal is answered."""
    close(passage.leaf, "outcome", refused.code.status, refused)
    try:
        await gateway.recorder.put(passage.leaf, passage.salt)
    except Refusal:
        refused = Refusal(codes.OUTCOME_UNRECORDED)
    passage.refuse(refused, passage.record)


async def break_off(gateway: Gateway, passage: Passage, refused: Refusal) -> None:
    """The call ends here: an intent gets its outcome, what never came so far is a denial, what had ended stays so."""
    if passage.leaf.phase == "intent":
        await conclude(gateway, passage, refused)
    elif passage.leaf.phase == "denied":
        await deny(gateway, passage, refused)
    else:
        passage.refuse(refused, passage.record)


async def whole(gateway: Gateway, passage: Passage, reply: ReplyMessage, content: bytes, lines: bytes) -> None:
    """An answer that was read to its end: outcome, then answer."""
    leaf = passage.leaf
    leaf.answer_bytes, leaf.answer_digest = len(content), answer_digest(passage.salt, content)
    close(leaf, "outcome", reply.status, None)
    try:
        await gateway.recorder.put(leaf, passage.salt)
    except Refusal:
        return passage.refuse(Refusal(codes.OUTCOME_UNRECORDED), passage.record)
    return passage.call.answer(reply.status, content, lines)


async def stream(gateway: Gateway, passage: Passage, reply_answer: Answer, reply: ReplyMessage, lines: bytes) -> None:
    """An answer that passes through: its last part is held back until the outcome is committed."""
    call, leaf = passage.call, passage.leaf
    digest = hashlib.sha256(passage.salt)
    length = reply_answer.body.announced
    failed: Refusal | None = None
    held = b""
    try:
        while chunk := await reply_answer.body.chunk():
            if held:  # with a single part, or none, not even the head leaves before the outcome
                call.start(reply.status, lines, length)
                await call.send(held)
            digest.update(chunk)
            leaf.answer_bytes += len(chunk)
            held = chunk
    except ClientGone:
        reply_answer.discard()
        failed = Refusal(codes.CLIENT_GONE)
    except UpstreamFault as fault:
        failed = Refusal(codes.PROVIDER_BROKEN_ANSWER, str(fault))
    leaf.answer_digest = digest.hexdigest()
    close(leaf, "outcome", reply.status if failed is None or call.started else failed.code.status, failed)
    try:
        await gateway.recorder.put(leaf, passage.salt)
    except Refusal:
        failed = Refusal(codes.OUTCOME_UNRECORDED)
    if failed is None:
        call.start(reply.status, lines, length)
        return call.finish(held)
    return call.abort() if call.started else passage.refuse(failed, passage.record)


def answer_lines(
    gateway: Gateway,
    passage: Passage,
    allowed: Allow,
    usage: Usage,
    reply: ReplyMessage,
    hop_s: float,
) -> bytes:
    """The header lines of the provider's answer as it leaves."""
    grant = allowed.rule.grant
    remaining = gateway.admission.remaining(grant, usage, time.monotonic())
    timing = answer.timing(passage.started, reply, hop_s)
    return (
        answer.provider_lines(passage.record, passage.salt, passage.leaf.request_digest, reply, timing)
        + answer.rate_lines(grant, burst_of(grant), remaining)
        + answer.trace_line(passage.call)
    )
