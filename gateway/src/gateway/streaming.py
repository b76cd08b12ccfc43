"""An answer that passes through as it comes: its digest is in the log before its last part leaves."""

import hashlib

from gateway.passage import Passage
from gateway.record import Recorder
from relay.call import ClientGone
from relay.upstream import Answer, UpstreamFault
from runtime.errors import Refusal
from wire import codes
from wire.calls import ReplyMessage


async def stream(recorder: Recorder, passage: Passage, arriving: Answer, reply: ReplyMessage, lines: bytes) -> None:
    """Pass an answer through: its last part is held back until the outcome is committed."""
    call, leaf = passage.call, passage.leaf
    digest = hashlib.sha256(passage.salt)
    length = length_of(passage, arriving, reply)
    failed: Refusal | None = None
    held = b""
    try:
        while chunk := await arriving.body.chunk():
            if held:  # with a single part, or none, not even the head leaves before the outcome
                call.start(reply.status, lines, length)
                await call.send(held)
            digest.update(chunk)
            leaf.answer_bytes += len(chunk)
            held = chunk
    except ClientGone:
        arriving.discard()
        failed = Refusal(codes.CLIENT_GONE)
    except UpstreamFault as fault:
        failed = Refusal(codes.PROVIDER_BROKEN_ANSWER, str(fault))
    leaf.answer_digest = digest.hexdigest()
    passage.close("outcome", reply.status if failed is None or call.started else failed.code.status, failed)
    try:
        await recorder.put(leaf, passage.salt)
    except Refusal:
        failed = Refusal(codes.OUTCOME_UNRECORDED)
    if failed is None:
        call.start(reply.status, lines, length)
        return call.finish(held)
    return call.abort() if call.started else passage.refuse(failed, passage.record)


def length_of(passage: Passage, arriving: Answer, reply: ReplyMessage) -> int | None:
    """The size that the consumer is told, None where it is not known. To HEAD it is that of a body nobody sends."""
    told = reply.lines.get("content-length", "")
    if passage.call.method == b"HEAD" and told.isascii() and told.isdigit():
        return int(told[:15])
    return arriving.body.announced
