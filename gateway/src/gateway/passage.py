"""One call on its way: what was asked, and what the log will say of it."""

import os
import re
import time

from gateway import answer
from gateway.policy.model import Allow
from relay.call import Call
from runtime.errors import Refusal
from runtime.ids import uuid7_text
from wire.audit import CallLeaf, Phase, request_hasher
from wire.catalog import Mode

_TRACE = re.compile(rb"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}(?:-[!-~]*)?")
_SALT_BYTES, _ID_BYTES = 16, 10


class Passage:
    """One call on its way: what was asked, and what the log will say of it."""

    __slots__ = ("at", "call", "digest", "leaf", "record", "salt", "started")

    def __init__(self, call: Call) -> None:
        self.call = call
        self.at = time.time()
        self.started = time.monotonic()
        random, at_ms = os.urandom(_SALT_BYTES + _ID_BYTES), int(self.at * 1000)
        self.record = uuid7_text(at_ms, random[_SALT_BYTES:])
        self.salt = random[:_SALT_BYTES]  # erasable: without it the digests say nothing
        self.leaf = CallLeaf(
            at_in=at_ms, call=self.record, method=call.method.decode(), phase="denied",
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

    @property
    def query(self) -> bytes:
        """As it was sent, without "?"."""
        return self.call.target.partition(b"?")[2]

    def close(self, phase: Phase, status: int, refused: Refusal | None) -> None:
        """Turn the leaf into how the call ended."""
        leaf = self.leaf
        leaf.phase, leaf.status, leaf.at_ready = phase, status, int(time.time() * 1000)
        if refused is not None:
            leaf.code, leaf.fault = refused.code.name, refused.code.fault

    def refuse(self, refused: Refusal, record: str) -> None:
        """Answer with a problem document; nothing happens when the client has gone or was answered."""
        self.call.answer(*answer.refusal(self.call, refused, record))


def trace_of(call: Call) -> str:
    """The trace that the caller is in (W3C Trace Context). A header of any other form is as none: nobody gets it."""
    sent = call.headers.get(b"traceparent")
    if sent is None:
        return ""
    form = _TRACE.fullmatch(sent)
    if form is None:
        del call.headers[b"traceparent"]
        return ""
    return form[1].decode()


def describe(leaf: CallLeaf, allowed: Allow) -> None:
    """What the log keeps of the decision. Examples are nobody's data: no provider, and kept no longer than others."""
    grant, interface = allowed.rule.grant, allowed.route.interface
    leaf.department = grant.department
    leaf.grant, leaf.grant_revision, leaf.purpose = grant.id, grant.revision, grant.purpose
    leaf.path, leaf.operation = allowed.operation.path, interface.operation_word
    if allowed.sandbox:
        return
    leaf.provider, leaf.retention = interface.provider, interface.retention


def told(mode: Mode, own: Mode) -> Mode:
    """What a call is told: as it was asked, or, asked plainly, as the interface's provider tells it."""
    return own if mode == "query" else mode
