"""What the log looks at in a leaf, what a batch has to be, and how an orphaned intent is closed.

Pure: no I/O, no clock, no HTTP. The leaves themselves are `wire.audit`'s; here are the rules that they have to keep.
"""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, ClassVar, Literal

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
Number = Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\Z")]


class BadBatch(ValueError):
    """A batch that the log does not take; the message says which record and why, and quotes nothing of it."""


class Head(msgspec.Struct, frozen=True, gc=False):
    """The members of a leaf that the log itself needs, whatever else stands in it."""

    gateway: str
    epoch: int
    sequence: int
    kind: Literal["call", "event"]
    call: Number
    retention: Retention
    phase: Literal["", "intent", "outcome", "denied"] = ""


class NewCall(CallLeaf, forbid_unknown_fields=True, kw_only=True):
    """A leaf that is taken in has no member that nobody looked at: one that is nested deeply could stop a later reader.
    So a log is upgraded before those who write into it. And nothing that the log needs is left to be guessed."""

    kind: Literal["call"]
    call: Number
    retention: Retention

    @property
    def latest_ms(self) -> int:
        return max(self.at_in, self.at_provider_in, self.at_provider_out, self.at_ready)


class NewEvent(EventLeaf, forbid_unknown_fields=True, kw_only=True, gc=False):
    """The same."""

    phase: ClassVar[Literal[""]] = ""
    kind: Literal["event"]
    call: Number
    retention: Retention

    @property
    def latest_ms(self) -> int:
        return self.at


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One record of a batch: what the log needs to know, the very bytes that are hashed, the erasable part."""

    head: Head | NewCall | NewEvent
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


_head = msgspec.json.Decoder(Head)
_call = msgspec.json.Decoder(CallLeaf)
_new_call, _new_event = msgspec.json.Decoder(NewCall), msgspec.json.Decoder(NewEvent)
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def batch_of(gateway: str, epoch: int, first: int, pairs: list[tuple[bytes, bytes]]) -> Batch:
    """A batch of (leaf, private part) pairs."""
    content = frames(pairs)
    return Batch(gateway, epoch, first, len(pairs), content, hashlib.sha256(content).digest())


def is_name(text: str) -> bool:
    """Whether a writer may call itself so."""
    return _NAME.fullmatch(text) is not None


def check(batch: Batch, now_ms: int) -> list[Entry]:
    """The records of a batch that comes in, each read once and whole.

    Raises BadBatch unless frames, leaves and what the batch says about itself agree, and no leaf is ahead of time.
    """
    found = _read(batch, _new)
    latest_ms = now_ms + AHEAD_MS
    for number, entry in enumerate(found):
        head: Any = entry.head
        if len(entry.leaf) > LARGEST_LEAF_BYTES or len(entry.private) > LARGEST_PRIVATE_BYTES:
            raise BadBatch(f"record {number} is too large")
        if head.retention == "permanent" and (head.kind == "call" or retention_of(head.event) != "permanent"):
            raise BadBatch(f"record {number} is kept for ever, and is nothing that the log says of itself")
        if head.latest_ms > latest_ms:
            raise BadBatch(f"record {number} is of the future; check the writer's clock")
    return found


def _new(leaf: bytes) -> NewCall | NewEvent:
    """Calls first: there are a hundred of them for each event."""
    try:
        return _new_call.decode(leaf)
    except msgspec.ValidationError:
        return _new_event.decode(leaf)


def entries(batch: Batch) -> list[Entry]:
    """The records of a batch, each where the batch says it is; raises BadBatch."""
    return _read(batch, _head.decode)


def _read(batch: Batch, decode: Callable[[bytes], Head | NewCall | NewEvent]) -> list[Entry]:
    found: list[Entry] = []
    try:
        for leaf, private in records(batch.content):
            found.append(Entry(decode(leaf), leaf, private))
    except (BrokenFrame, *_UNREADABLE) as error:
        raise BadBatch(f"record {len(found)}: {type(error).__name__}") from None
    if not found or len(found) != batch.count:
        raise BadBatch(f"{len(found)} records in a batch that says {batch.count}")
    gateway, epoch = batch.gateway, batch.epoch
    for number, entry in enumerate(found):
        head = entry.head
        if head.sequence != batch.first + number or head.epoch != epoch or head.gateway != gateway:
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
