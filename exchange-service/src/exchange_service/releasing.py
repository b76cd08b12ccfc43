"""What leaves of a provider's answer: read within limits, unpacked, held against the contract, projected or judged."""

import zlib
from collections.abc import Sequence
from typing import Final

import structlog

from exchange_service.contract.model import BadContract
from exchange_service.contract.release import Released, facts, release
from exchange_service.contract.text import BadText
from exchange_service.contract.validate import NotMatching
from exchange_service.contract.verdict import Ambiguous, Claimed, Verdict, judge
from exchange_service.health import now_ms
from exchange_service.providers.provider import Answer
from exchange_service.registry import Served
from relay.call import BodyTooLarge
from relay.upstream import TimedOut, UpstreamFault
from runtime.errors import Refusal
from runtime.tasks import LARGE_BYTES, apart
from wire import codes
from wire.calls import CallMessage, ReplyMessage
from wire.catalog import Files, Table

log = structlog.get_logger()
MOST_RATIO: Final = 20
"""A packed answer may become this many times as long, no more."""
NO_RECORD: Final = 404
LONGEST_CONTENT_TYPE: Final = 200
"""Bytes."""
GZIP: Final = 16 + zlib.MAX_WBITS
OF_FILES: Final = (b"content-range", b"accept-ranges", b"etag", b"last-modified")
"""Header fields of a file's answer that reach the consumer."""


def check_status(answer: Answer) -> None:
    """Redirects lead to places that nobody registered; raises Refusal."""
    if 300 <= answer.status < 400 and answer.status != 304:
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, f"status {answer.status}: redirects are not followed")


async def content_of(answer: Answer, limit_bytes: int) -> bytes:
    """The body, read to its end and unpacked; raises Refusal."""
    try:
        check_status(answer)
        coding = answer.headers.get(b"content-encoding", b"identity").strip().lower()
        if coding not in (b"identity", b"gzip"):
            raise Refusal(codes.PROVIDER_BROKEN_ANSWER, "a content coding that was not asked for")
        content = await answer.body.read(limit_bytes)
    except TimedOut as late:
        answer.discard()
        raise Refusal(codes.PROVIDER_TIMEOUT, str(late)) from None
    except (UpstreamFault, BodyTooLarge) as fault:
        answer.discard()
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, str(fault)) from None
    except Refusal:
        answer.discard()
        raise
    return await apart(len(content), inflated, content, limit_bytes) if coding == b"gzip" and content else content


def inflated(packed: bytes, limit_bytes: int) -> bytes:
    """What one gzip member holds (RFC 1952); raises Refusal for anything beside it, and for what grows too large."""
    most = min(limit_bytes, MOST_RATIO * len(packed))
    unpacking = zlib.decompressobj(GZIP)
    try:
        content = unpacking.decompress(packed, most + 1)
    except zlib.error:
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, "the packed answer cannot be unpacked") from None
    if len(content) > most:
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, f"the packed answer grows beyond {most} bytes")
    if not unpacking.eof or unpacking.unused_data:
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, "the packed answer is cut, or has something behind it")
    return content


# --- a query --------------------------------------------------------------------------------------------------------
async def projected(
    served: Served, message: CallMessage, answer: Answer, content: bytes, asked_ms: int
) -> tuple[ReplyMessage, bytes]:
    """The reply to a query: what the grant names, masked where it says so; raises Refusal."""
    answered_ms = now_ms()
    succeeded = 200 <= answer.status < 300
    content_type = answer.headers.get(b"content-type", b"")
    if len(content) > LARGE_BYTES:
        out = await apart(len(content), released, served, message, content, content_type, succeeded)
    else:  # as `apart` would, for the price of a call
        out = released(served, message, content, content_type, succeeded)
    asked_whole = not message.sandbox and not isinstance(served.interface.adapter, Table)  # of a table, granted columns
    if succeeded and out.tree is not None and asked_whole and served.pulse.is_sampled():
        served.pulse.differs(await apart(len(content), served.drift.look, out.tree), answered_ms)
    reply = ReplyMessage(
        status=answer.status, call=message.call, asked_ms=asked_ms, answered_ms=answered_ms, fields=out.fields,
        masked=out.masked, content_type=out.content_type if out.body else "",
    )  # fmt: skip
    return reply, out.body


def released(served: Served, message: CallMessage, content: bytes, content_type: bytes, succeeded: bool) -> Released:
    """Contract and projection; raises Refusal where the provider breaks the contract."""
    if not content:
        return Released(b"", [], [], "")
    try:
        return release(served.contract, served.projection(message), content, content_type, succeeded)
    except BadContract as bad:  # a mask that a grant names and this exchange does not know: nothing leaves
        raise Refusal(codes.INTERFACE_UNUSABLE, str(bad)) from None
    except (BadText, NotMatching) as broken:
        raise broken_contract(served, message, broken) from None


def broken_contract(served: Served, message: CallMessage, broken: BadText | NotMatching) -> Refusal:
    """The provider broke its contract: our log says where and which rule, the consumer hears of granted fields alone.

    That something else is too long, or is there at all, says something about the person; beside claims everything does.
    """
    log.warning("answer.breaks_contract", interface=served.key, call=message.call, reason=str(broken))
    may_be_told = message.mode == "query" and (
        not isinstance(broken, NotMatching) or lies_inside(broken.path, message.obligations.fields)
    )
    return Refusal(codes.PROVIDER_BROKEN_ANSWER, str(broken) if may_be_told else "it breaks the contract")


def lies_inside(pointer: str, fields: Sequence[str]) -> bool:
    """Whether a place (RFC 6901) lies inside something granted; places in arrays are no names."""
    steps = [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]
    dotted = ".".join(step for step in steps if not step.isdecimal()) + "."
    return any(name == "*" or dotted.startswith(name + ".") for name in fields)


# --- a verification or comparison -----------------------------------------------------------------------------------
async def judged(
    served: Served, message: CallMessage, claimed: Claimed, answer: Answer, content: bytes, asked_ms: int
) -> tuple[ReplyMessage, bytes, Verdict | None]:
    """The reply to claims: a verdict and nothing of the answer. None where the provider answered with an error of its
    own, whose status alone leaves. Raises Refusal."""
    answered_ms = now_ms()
    status = answer.status
    if status != NO_RECORD and not 200 <= status < 300:
        return ReplyMessage(status=status, call=message.call, asked_ms=asked_ms, answered_ms=answered_ms), b"", None
    content_type = answer.headers.get(b"content-type", b"")
    verdict = await apart(len(content), verdict_on, served, message, claimed, content, content_type, status)
    reply = ReplyMessage(
        status=200, call=message.call, asked_ms=asked_ms, answered_ms=answered_ms, verdict=verdict.word,
        content_type="application/json",
    )  # fmt: skip
    return reply, verdict.body, verdict


def verdict_on(
    served: Served, message: CallMessage, claimed: Claimed, content: bytes, content_type: bytes, status: int
) -> Verdict:
    """Hold the claims against the answer; raises Refusal."""
    try:
        tree = None if status == NO_RECORD else facts(served.contract, content, content_type, True)
        return judge(served.contract, message.mode, claimed.claims, message.obligations.fields, tree, status)
    except Ambiguous as several:
        raise Refusal(codes.COMPARE_AMBIGUOUS, str(several)) from None
    except (BadText, NotMatching) as broken:
        raise broken_contract(served, message, broken) from None


# --- a file ---------------------------------------------------------------------------------------------------------
def whole(served: Served, message: CallMessage, answer: Answer, asked_ms: int) -> ReplyMessage:
    """The reply to a streamed question: such an answer leaves whole, so the grant has to say so. Raises Refusal."""
    try:
        check_status(answer)
        if answer.headers.get(b"content-encoding", b"identity") != b"identity":
            raise Refusal(codes.PROVIDER_BROKEN_ANSWER, "a content coding that was not asked for")
        check_whole(message.obligations.fields)
        kind = content_type_of(answer)
    except Refusal:
        answer.discard()
        raise
    passed_on = OF_FILES if isinstance(served.interface.adapter, Files) else ()
    return ReplyMessage(
        status=answer.status, call=message.call, asked_ms=asked_ms, answered_ms=now_ms(), fields=["*"],
        content_type=kind,
        lines={name.decode(): answer.headers[name].decode("latin-1") for name in passed_on if name in answer.headers},
    )  # fmt: skip


def content_type_of(answer: Answer) -> str:
    """What the provider calls it; it stands in our message and at the consumer. Raises Refusal."""
    told = answer.headers.get(b"content-type", b"application/octet-stream")
    if len(told) > LONGEST_CONTENT_TYPE or not told.isascii() or not told.decode().isprintable():
        raise Refusal(codes.PROVIDER_BROKEN_ANSWER, "a content type that is none")
    return told.decode()


def check_whole(fields: Sequence[str]) -> None:
    """Raises Refusal unless everything is granted."""
    if list(fields) != ["*"]:
        raise Refusal(codes.GRANT_NONE, "this interface is released whole or not at all")
