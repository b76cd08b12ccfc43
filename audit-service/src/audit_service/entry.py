"""What the log looks at in a leaf, what a batch has to be, and how an orphaned intent is closed.

Pure: no I/O, no clock, no HTTP. The leaves themselves are `wire.audit`'s; here are the rules that they have to keep.
"""

import hashlib
import re
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Literal, NamedTuple

import msgspec

from wire.audit import UNKNOWN, BrokenFrame, CallLeaf, EventLeaf, encode, frames, records, retention_of

LARGEST_LEAF_BYTES = 64 * 1024
LARGEST_PRIVATE_BYTES = 4 * 1024
LARGEST_BATCH_BYTES = 4 * 1024 * 1024
AHEAD_MS = 5 * 60 * 1000
"""How far a writer's clock may be ahead of ours."""
Retention = Literal["general", "personal", "permanent"]
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
# \Z, not $: that would let a line end through, at which the database stops the sequencer.
_UUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z"


class BadBatch(ValueError):
    """A batch that the log does not take; the message says which record and why, and quotes nothing of it."""


class Head(msgspec.Struct, frozen=True, gc=False):
    """The members of a leaf that the log itself needs, whatever else stands in it."""

    gateway: str
    epoch: int
    sequence: int
    kind: Literal["call", "event"]
    call: Annotated[str, msgspec.Meta(pattern=_UUID)]
    retention: Retention
    phase: Literal["", "intent", "outcome", "denied"] = ""
    at: int = 0
    at_in: int = 0
    at_provider_in: int = 0
    at_provider_out: int = 0
    at_ready: int = 0

    @property
    def latest_ms(self) -> int:
        return max(self.at, self.at_in, self.at_provider_in, self.at_provider_out, self.at_ready)


class Entry(NamedTuple):
    """One record of a batch: what the log needs to know, the very bytes that are hashed, the erasable part."""

    head: Head
    leaf: bytes
    private: bytes


@dataclass(frozen=True, slots=True)
class Batch:
    """Records `first` to `first + count - 1` of one writer's epoch, as they came."""

    gateway: str
    epoch: int
    first: int
    count: int
    content: bytes
    digest: bytes

    @property
    def key(self) -> str:
        """How log lines and findings name it."""
        return f"{self.gateway}/{self.epoch}/{self.first}"


class _Call(CallLeaf, forbid_unknown_fields=True, kw_only=True):
    """What is taken in has no member that nobody looked at: one that is nested deeply could stop a later reader. So a
    log is upgraded before those who write into it."""


class _Event(EventLeaf, forbid_unknown_fields=True, kw_only=True):
    """The same."""


_head = msgspec.json.Decoder(Head)
_call, _event = msgspec.json.Decoder(CallLeaf), msgspec.json.Decoder(EventLeaf)
_new_call, _new_event = msgspec.json.Decoder(_Call), msgspec.json.Decoder(_Event)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def batch_of(gateway: str, epoch: int, first: int, pairs: list[tuple[bytes, bytes]]) -> Batch:
    """A batch of (leaf, private part) pairs."""
    content = frames(pairs)
    return Batch(gateway, epoch, first, len(pairs), content, hashlib.sha256(content).digest())


def is_name(text: str) -> bool:
    """Whether a writer may call itself so."""
    return _NAME.fullmatch(text) is not None


def check(batch: Batch, now_ms: int) -> None:
    """Raise BadBatch unless frames, leaves and what the batch says about itself agree, and no leaf is ahead of time."""
    for number, entry in enumerate(entries(batch)):
        head = entry.head
        if len(entry.leaf) > LARGEST_LEAF_BYTES or len(entry.private) > LARGEST_PRIVATE_BYTES:
            raise BadBatch(f"record {number} is too large")
        if head.retention == "permanent" and (head.kind == "call" or not _is_permanent(entry.leaf)):
            raise BadBatch(f"record {number} is kept for ever, and is nothing that the log says of itself")
        if head.latest_ms > now_ms + AHEAD_MS:
            raise BadBatch(f"record {number} is of the future; check the writer's clock")
        try:
            (_new_call if head.kind == "call" else _new_event).decode(entry.leaf)
        except _UNREADABLE:
            raise BadBatch(f"record {number} is not the leaf that its kind says") from None


def _is_permanent(leaf: bytes) -> bool:
    try:
        return retention_of(_event.decode(leaf).event) == "permanent"
    except _UNREADABLE:
        return False


def entries(batch: Batch) -> list[Entry]:
    """The records of a batch, each where the batch says it is; raises BadBatch."""
    found: list[Entry] = []
    try:
        for leaf, private in records(batch.content):
            found.append(Entry(_head.decode(leaf), leaf, private))
    except (BrokenFrame, *_UNREADABLE) as error:
        raise BadBatch(f"record {len(found)}: {type(error).__name__}") from None
    if not found or len(found) != batch.count:
        raise BadBatch(f"{len(found)} records in a batch that says {batch.count}")
    for number, (head, _, _) in enumerate(found):
        if (head.gateway, head.epoch, head.sequence) != (batch.gateway, batch.epoch, batch.first + number):
            raise BadBatch(f"record {number} is of another writer, epoch or sequence than the batch")
        if (head.kind == "call") != bool(head.phase):
            raise BadBatch(f"record {number} has no phase, or one that its kind does not have")
    return found


def undamaged(batch: Batch) -> list[Entry]:
    """The records of a stored batch whose bytes still have the digest that was acknowledged; raises BadBatch."""
    if hashlib.sha256(batch.content).digest() != batch.digest:
        raise BadBatch("the bytes are not those that were acknowledged")
    return entries(batch)


def head_of(leaf: bytes) -> Head:
    """What the log needs of one leaf; raises BadBatch."""
    try:
        return _head.decode(leaf)
    except _UNREADABLE:
        raise BadBatch("not a leaf") from None


def segment_of(day: date, retention: str) -> str:
    """Name of the partition for leaves sequenced on `day` (UTC): one for each day and retention class."""
    return f"{day:%Y%m%d}-{retention}"


def parties(leaf: bytes) -> set[str]:
    """The departments that took part in what a leaf tells of."""
    members = msgspec.json.decode(leaf)
    return {members[name] for name in ("department", "provider") if members.get(name)}


def closing(intent: bytes, writer: str, epoch: int, sequence: int) -> bytes:
    """The outcome of a call whose gateway died: everything as in the intent, and that nobody knows how it ended."""
    return encode(
        msgspec.structs.replace(
            _call.decode(intent),
            gateway=writer,
            epoch=epoch,
            sequence=sequence,
            phase="outcome",
            code=UNKNOWN,
            fault="exchange",
            status=0,
        )
    )
