"""One call, from the door to the door: READ THIS FIRST.

    who is it → what does the catalog say → may it → not too fast → the question → (a consent's token)
    → intent in the log → (the consent is used up) → the exchange → outcome in the log → the answer

Nothing is asked of a provider before the intent is committed, nothing is answered before the outcome is. A refusal of
somebody we know is recorded like a success. Each step raises `Refusal` with its code; there is one place for each.
`/x/…` asks providers; `/sandbox/…` goes the same way and is answered by the exchange from examples.
"""

import time
from dataclasses import dataclass

import structlog

from gateway import answer, question
from gateway.admit import Admission, Place, rate_lines
from gateway.authenticate import Authenticator
from gateway.consent import Consents
from gateway.forward import Forwarder, Unasked, refused_by_exchange
from gateway.passage import Passage, describe, told
from gateway.peer import Peers
from gateway.policy.decide import decide
from gateway.policy.model import Allow, Asked, Deny
from gateway.record import Recorder
from gateway.snapshot import Catalog
from gateway.strangers import Strangers
from gateway.streaming import stream
from gateway.subject import Subjects
from gateway.usage import Tally
from relay.call import BodyTooLarge, Call, ClientGone
from relay.strict import Rejected
from relay.upstream import Answer, UpstreamFault
from runtime.errors import Refusal
from wire import codes, headers, scopes
from wire.audit import CallLeaf, answer_digest
from wire.calls import ReplyMessage
from wire.feed import FeedReader
from wire.tokens import AccessToken

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Gateway:
    """The parts that a call passes through."""

    authenticator: Authenticator
    peers: Peers
    catalog: Catalog
    feed: FeedReader
    admission: Admission
    recorder: Recorder
    forwarder: Forwarder
    strangers: Strangers
    subjects: Subjects
    consents: Consents
    tally: Tally
    max_staleness_s: float
    body_limit_bytes: int


async def handle(gateway: Gateway, call: Call) -> None:
    """One call. Every way out of here has answered the client, or found it gone."""
    passage = Passage(call)
    peer = gateway.peers.of_call(call)
    try:
        authenticator = gateway.authenticator
        caller = authenticator.at_once(call, passage.at) or await authenticator.caller(call, passage.at, peer)
    except Exception as error:
        refused = error if isinstance(error, Refusal) else Refusal(codes.BROKEN)
        if error is not refused:
            log.exception("caller.crashed", call=passage.record)
        gateway.strangers.count(peer.address, refused.code.name)
        return passage.refuse(refused, record="")
    try:
        gateway.recorder.check()
    except Refusal as unrecorded:
        return passage.refuse(unrecorded, record="")
    place: Place | None = None
    try:
        allowed = permitted(gateway, passage, caller, peer.address)
        place = await gateway.admission.admit(allowed.rule.grant, passage.at, apart_of(allowed))
        await carry_out(gateway, passage, allowed, place)
    except Refusal as refused:
        await break_off(gateway, passage, refused)
    except Rejected as rejected:
        await break_off(gateway, passage, question.cut(rejected))
    except ClientGone:
        await break_off(gateway, passage, Refusal(codes.CLIENT_GONE))
    except Exception:
        log.exception("call.crashed", call=passage.record)
        await break_off(gateway, passage, Refusal(codes.BROKEN))
    finally:
        if place is not None:
            gateway.admission.leave(place)
            if passage.leaf.mode != "sandbox":
                gateway.tally.count(passage.leaf)
    return None


def permitted(gateway: Gateway, passage: Passage, caller: AccessToken, address: str) -> Allow:
    """The decision; raises Refusal with its code. `address` is where the call comes from."""
    call, leaf = passage.call, passage.leaf
    interface, version, path, mode, sandbox = question.destination(call.target)
    leaf.system, leaf.department, leaf.actor = caller.client, caller.department, caller.actor
    leaf.mode = "sandbox" if sandbox else mode
    key = f"{interface}/{version}"
    known = gateway.catalog.known(caller.client, key, caller.actor)
    # What somebody made up is not kept: an address may hold anything, a person's number too.
    if known.route is not None:
        leaf.interface, leaf.version = interface, version
        if not sandbox:
            registered = known.route.interface
            leaf.provider, leaf.retention = registered.provider, registered.retention
            leaf.mode = told(mode, registered.mode)
    leaf.case = question.case_of(call)
    if scopes.CALL not in caller.scopes:
        raise Refusal(codes.SCOPE_MISSING, f"scope {scopes.CALL}", scope=scopes.CALL)
    if gateway.feed.age_s() > gateway.max_staleness_s:
        raise Refusal(codes.POLICY_STALE, retry_after=1)
    asked = Asked(
        caller.client, key, leaf.method, path, address, passage.at,
        passage.header(headers.GRANT), leaf.case, mode, bool(call.headers.get(headers.CONSENT)), sandbox,
    )  # fmt: skip
    decision = decide(known, asked)
    if isinstance(decision, Deny):
        raise Refusal(decision.code, decision.detail, **decision.facts)
    describe(leaf, decision)
    return decision


def apart_of(allowed: Allow) -> str:
    """Under which name the sandbox counts by itself; "" for a real call."""
    grant = allowed.rule.grant
    return f"sandbox {grant.system} {grant.interface}" if allowed.sandbox else ""


async def deny(gateway: Gateway, passage: Passage, refused: Refusal) -> None:
    """A refusal before the intent: recorded like a success, then answered."""
    passage.close("denied", refused.code.status, refused)
    try:
        await gateway.recorder.put(passage.leaf, passage.salt)
    except Refusal as unrecorded:
        return passage.refuse(unrecorded, record="")
    return passage.refuse(refused, passage.record)


async def carry_out(gateway: Gateway, passage: Passage, allowed: Allow, place: Place) -> None:
    """The question, the intent, the exchange, the outcome, the answer. Raises Refusal before the intent only."""
    streamed = answer.streams(allowed)
    body = await read_question(gateway, passage, allowed, streamed)
    if allowed.needs_consent:
        allowed = await consented(gateway, passage, allowed)
    try:
        await intent(gateway, passage, body)
    except Refusal as unrecorded:
        return passage.refuse(unrecorded, record="")
    place.used = True
    asked = time.monotonic()
    try:
        if passage.leaf.consent:
            await gateway.consents.use(passage.leaf)
        reply_answer, reply = await gateway.forwarder.ask(passage.call, passage.record, allowed, body, passage.note)
        if streamed:
            passage.leaf.request_digest = passage.digest.hexdigest()
        check_reply(passage.leaf, reply)
        content = b"" if streamed else await reply_answer.body.read(gateway.body_limit_bytes)
    except (UpstreamFault, BodyTooLarge) as fault:
        reply_answer.discard()
        return await conclude(gateway, passage, Refusal(codes.EXCHANGE_UNREACHABLE, str(fault)))
    except Refusal as refused:
        if passage.leaf.consent and isinstance(refused, Unasked):
            await gateway.consents.release(passage.leaf)
        return await conclude(gateway, passage, refused)
    lines = answer_lines(passage, allowed, place, reply, time.monotonic() - asked)
    if streamed:
        assert isinstance(reply_answer, Answer)  # noqa: S101  # what comes in frames is whole
        return await stream(gateway.recorder, passage, reply_answer, reply, lines)
    return await whole(gateway, passage, reply, content, lines)


async def read_question(gateway: Gateway, passage: Passage, allowed: Allow, streamed: bool) -> bytes | None:
    """The body, None where it passes through, and whom it asks about; raises Refusal or ClientGone."""
    call = passage.call
    if streamed:
        question.check_passed_on(call)
        body = None
    else:
        body = await question.body_of(call, allowed, gateway.body_limit_bytes)
    if allowed.route.interface.subject and not allowed.sandbox:  # examples are about nobody
        media_type = question.kind_of(call.headers.get(b"content-type", b""))[0]
        passage.leaf.subject = gateway.subjects.of(allowed, passage.query, body, media_type)
    return body


async def consented(gateway: Gateway, passage: Passage, allowed: Allow) -> Allow:
    """The decision with the fields that the person concerned consents to; raises Refusal."""
    token, leaf = passage.header(headers.CONSENT), passage.leaf
    leaf.consent, allowed = await gateway.consents.check(token, allowed, leaf.subject, passage.at)
    return allowed


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
        passage.close("outcome", unrecorded.code.status, unrecorded)
        gateway.recorder.put(leaf, passage.salt)
        raise


def check_reply(leaf: CallLeaf, reply: ReplyMessage) -> None:
    """Note what the exchange says; raises Refusal where it refused."""
    leaf.at_provider_out, leaf.at_provider_in, leaf.verdict = reply.asked_ms, reply.answered_ms, reply.verdict
    if reply.code:
        raise refused_by_exchange(reply)
    leaf.fields_returned, leaf.fields_masked = len(reply.fields), len(reply.masked)
    leaf.fields_digest = answer.fields_digest(tuple(reply.fields))


async def conclude(gateway: Gateway, passage: Passage, refused: Refusal) -> None:
    """A refusal after the intent: the outcome is committed, then the refusal is answered."""
    passage.close("outcome", refused.code.status, refused)
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
    passage.close("outcome", reply.status, None)
    try:
        await gateway.recorder.put(leaf, passage.salt)
    except Refusal:
        return passage.refuse(Refusal(codes.OUTCOME_UNRECORDED), passage.record)
    return passage.call.answer(reply.status, content, lines)


def answer_lines(passage: Passage, allowed: Allow, place: Place, reply: ReplyMessage, hop_s: float) -> bytes:
    """The header lines of the provider's answer as it leaves."""
    timing = answer.timing(passage.started, reply, hop_s)
    lines = answer.provider_lines(passage.record, passage.salt, passage.leaf.request_digest, reply, timing)
    lines += rate_lines(allowed.rule.grant, place, passage.at)
    return lines.encode("latin-1") + answer.trace_line(passage.call)
