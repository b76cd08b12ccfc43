"""What the log holds: leaves, the erasable part beside them, and the frames of a batch.

A leaf is canonical JSON (RFC 8785): the members of each class below stand in alphabetical order, all numbers are
integers below 2**53, so that msgspec's encoder writes exactly the canonical bytes (a property test holds it to that).
A record is a leaf and its private part: the salt that keeps a digest of an identity number from being guessed.
The private part may be erased without touching the leaf.
"""

import hashlib
import struct
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Literal

import msgspec

from runtime.ids import uuid7

Phase = Literal["intent", "outcome", "denied"]
UNKNOWN = "audit/unknown"
"""Code of an outcome that nobody could report: the gateway died after the intent."""


class CallLeaf(msgspec.Struct, kw_only=True, gc=False):
    """One phase of one call; filled in as the call goes on. Times are Unix milliseconds, 0 where the moment never came.

    actor           the client that acted for `system` after a token exchange, "" where it acted for itself
    answer_digest   hex SHA-256 of salt ‖ answer body as sent, "" before the outcome
    request_digest  hex SHA-256 of salt ‖ method ‖ SP ‖ target ‖ LF ‖ body; the target itself is never kept
    at_*            request in, provider asked, provider answered, answer ready
    fields_*        number of fields; the digest is over their sorted names, one a line
    mode            `sandbox` for one that was answered from examples
    path            the registered template, never the path that was sent
    verdict         of a verification or comparison: yes, no, no_record
    """

    actor: str = ""
    answer_bytes: int = 0
    answer_digest: str = ""
    at_in: int
    at_provider_in: int = 0
    at_provider_out: int = 0
    at_ready: int = 0
    call: str
    case: str = ""
    code: str = ""
    consent: str = ""
    department: str
    epoch: int
    fault: str = ""
    fields_digest: str = ""
    fields_masked: int = 0
    fields_returned: int = 0
    gateway: str
    grant: str = ""
    grant_revision: int = 0
    interface: str
    kind: Literal["call"] = "call"
    method: str
    mode: Literal["query", "verify", "compare", "sandbox"] = "query"
    operation: str = "查询"
    path: str
    phase: Phase
    policy: str = ""
    provider: str = ""
    purpose: str = ""
    request_bytes: int = 0
    request_digest: str = ""
    retention: str = "general"
    sequence: int
    status: int = 0
    subject: str = ""
    system: str
    trace: str = ""
    v: Literal[1] = 1
    verdict: str = ""
    version: str


class EventLeaf(msgspec.Struct, kw_only=True):
    """Something that is not a call: a token issued, a grant given, a look-up in the log itself.

    event  noun.past_verb    facts  plain strings; never a payload, never an identity number
    """

    actor: str
    at: int
    call: str
    """The event's own id (UUIDv7), in the same place as a call's."""
    department: str
    epoch: int
    event: str
    facts: dict[str, str]
    gateway: str
    kind: Literal["event"] = "event"
    retention: str = "general"
    sequence: int
    v: Literal[1] = 1


class Event(msgspec.Struct, kw_only=True, frozen=True):
    """An event before the log gave it a place: what an outbox keeps."""

    id: str
    at: int
    event: str
    actor: str
    department: str
    facts: dict[str, str]


def new_event(name: str, at: datetime, actor: str, department: str, facts: dict[str, str], number: str = "") -> Event:
    """Something that happened at `at`. `number` is its id, a new one (UUIDv7) by default."""
    at_ms = int(at.timestamp() * 1000)
    return Event(
        id=number or str(uuid7(at_ms)), at=at_ms, event=name, actor=actor, department=department, facts=facts
    )  # fmt: skip


_PERMANENT = frozenset({"log", "segment", "disposal", "hold"})
_LONG = frozenset({"case", "grant", "consent", "filing", "subject", "evidence"})


def retention_of(event: str) -> str:
    """The retention class of an event, by its noun: what the log says of itself is needed as long as anything is; who
    was allowed what, and who looked for a person, is kept as long as personal data.

    Source: 国务院令第809号 29; 个人信息保护法 56.
    """
    noun = event.partition(".")[0]
    return (
        "permanent"
        if noun in _PERMANENT
        else "personal"
        if noun in _LONG or event == "client.registered"
        else "general"
    )


def event_leaf(event: Event, writer: str, epoch: int, sequence: int) -> EventLeaf:
    """The event in its place in the log."""
    return EventLeaf(
        actor=event.actor, at=event.at, call=event.id, department=event.department, epoch=epoch,
        event=event.event, facts=event.facts, gateway=writer, retention=retention_of(event.event), sequence=sequence,
    )  # fmt: skip


Leaf = CallLeaf | EventLeaf
_encoder = msgspec.json.Encoder(order="deterministic")


def encode(leaf: Leaf) -> bytes:
    """Canonical bytes of a leaf (RFC 8785)."""
    return _encoder.encode(leaf)


def request_hasher(salt: bytes, method: bytes, target: bytes) -> "hashlib._Hash":
    """SHA-256 that binds an answer to its question, still without the body; whoever asked can recompute it."""
    return hashlib.sha256(b"%b%b %b\n" % (salt, method, target))


def answer_digest(salt: bytes, body: bytes) -> str:
    """Hex SHA-256 of an answer as it was sent."""
    return hashlib.sha256(salt + body).hexdigest()


# --- frames ---------------------------------------------------------------------------------------------------------
_LENGTHS = struct.Struct(">II")


class BrokenFrame(ValueError):
    """A batch whose lengths do not add up."""


def frame(leaf: bytes, private: bytes) -> bytes:
    """One record of a batch: two lengths (32 bits, big endian), the leaf, the private part."""
    return _LENGTHS.pack(len(leaf), len(private)) + leaf + private


def frames(records: Iterable[tuple[bytes, bytes]]) -> bytes:
    """A whole batch."""
    return b"".join(frame(leaf, private) for leaf, private in records)


def records(batch: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The (leaf, private part) pairs of a batch; raises BrokenFrame."""
    position, end = 0, len(batch)
    while position < end:
        if end - position < _LENGTHS.size:
            raise BrokenFrame("a length is cut off")
        leaf_length, private_length = _LENGTHS.unpack_from(batch, position)
        start = position + _LENGTHS.size
        middle = start + leaf_length
        position = middle + private_length
        if leaf_length == 0 or position > end:
            raise BrokenFrame("a record is cut off")
        yield batch[start:middle], batch[middle:position]
