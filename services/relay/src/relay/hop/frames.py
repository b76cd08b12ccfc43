"""What two of our services say to each other on a framed connection, and the records that it travels in. Pure.

record   length of the payload, 4 bytes | HMAC-SHA256 of the payload, its first 16 bytes | payload
payload  msgpack: [number of the record, [frame, …]]; numbers count from 0 in each direction, so none can come twice

All that is said in one turn of the loop is one record: one write, one MAC, one read at the other end.
"""

import hmac
from struct import Struct as Form
from typing import Annotated, Any, Final, Generic, TypeVar

import msgspec

MAX_RECORD_BYTES: Final = 1024 * 1024
MAX_FRAME_BYTES: Final = 512 * 1024
"""A body longer than PART_BYTES goes in parts, so only a message can make a frame as long as that."""
PART_BYTES: Final = 64 * 1024
ENOUGH_BYTES: Final = 256 * 1024
"""A record of this size is sent at once, whatever else its turn brings."""
MAC_BYTES: Final = 16
_HEAD: Final = Form(">I16s")
_OPENING: Final = Form(">BBQBI")
_BEFORE: Final = _HEAD.size + _OPENING.size
_PAIR, _NUMBER, _LIST = 0x92, 0xCF, 0xDD  # msgpack: array of two, unsigned of 8 bytes, array with 4 bytes of length
_encode_into = msgspec.msgpack.Encoder().encode_into

F = TypeVar("F")
M = TypeVar("M")
Number = Annotated[int, msgspec.Meta(ge=1, le=2**62)]


class BadRecord(Exception):
    """What arrived is not what the other end may say next: the connection ends."""


class TooLong(Exception):
    """A message that no frame can carry."""


# --- frames ---------------------------------------------------------------------------------------------------------
class Question(msgspec.Struct, Generic[M], array_like=True, tag=1, forbid_unknown_fields=True, gc=False):
    """A call. `number` is new on this connection.

    target   what is called      message  the service's own, here unread: one that cannot be read fails one call
    trace    value of the header traceparent, b""
    body     its first PART_BYTES      more  the rest follows in parts
    """

    number: Number
    target: str
    message: M
    trace: bytes = b""
    body: bytes = b""
    more: bool = False


class Reply(msgspec.Struct, Generic[M], array_like=True, tag=2, forbid_unknown_fields=True, gc=False):
    """The answer to the question of this number; `body` and `more` as there."""

    number: Number
    message: M
    body: bytes = b""
    more: bool = False


class Part(msgspec.Struct, array_like=True, tag=3, forbid_unknown_fields=True, gc=False):
    """The next part of a body, in either direction."""

    number: Number
    body: bytes
    more: bool


class Failed(msgspec.Struct, array_like=True, tag=4, forbid_unknown_fields=True, gc=False):
    """There will be no reply. `begun` says whether the call may have had an effect."""

    number: Number
    begun: bool


class Leaving(msgspec.Struct, array_like=True, tag=5, forbid_unknown_fields=True, gc=False):
    """The answering end stops: what is under way is answered, and nothing new should be asked of it."""


class Ping(msgspec.Struct, array_like=True, tag=6, forbid_unknown_fields=True, gc=False):
    """Are you there?"""


class Pong(msgspec.Struct, array_like=True, tag=7, forbid_unknown_fields=True, gc=False):
    """Yes."""


Raw = msgspec.Raw
ToAnswerer = Question[Raw] | Part | Ping
ToAsker = Reply[Raw] | Part | Failed | Leaving | Pong
to_answerer = msgspec.msgpack.Decoder(tuple[int, list[Question[Raw] | Part | Ping]])
to_asker = msgspec.msgpack.Decoder(tuple[int, list[Reply[Raw] | Part | Failed | Leaving | Pong]])


# --- records --------------------------------------------------------------------------------------------------------
class Outgoing:
    """Frames that wait for the end of the turn, and the records that they become."""

    __slots__ = ("_buffer", "_count", "_mac", "_number")

    def __init__(self, key: bytes) -> None:
        self._mac = hmac.new(key, digestmod="sha256")  # copied for each record: the key is prepared once
        self._number = 0
        self._begin()

    def _begin(self) -> None:
        self._buffer = bytearray(_BEFORE)
        self._count = 0

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return len(self._buffer)

    @property
    def is_empty(self) -> bool:
        return not self._count

    def add(self, frame: Any) -> None:
        """One more frame; raises TooLong, or what msgspec raises, and then nothing was added."""
        buffer = self._buffer
        before = len(buffer)
        try:
            _encode_into(frame, buffer, before)
            if len(buffer) - before > MAX_FRAME_BYTES:
                raise TooLong(f"a frame of {len(buffer) - before} bytes")
        except BaseException:
            del buffer[before:]
            raise
        self._count += 1

    def seal(self) -> bytes:
        """The record of all frames that waited."""
        buffer = self._buffer
        _OPENING.pack_into(buffer, _HEAD.size, _PAIR, _NUMBER, self._number, _LIST, self._count)
        mac = self._mac.copy()
        with memoryview(buffer) as view:
            mac.update(view[_HEAD.size :])
        _HEAD.pack_into(buffer, 0, len(buffer) - _HEAD.size, mac.digest()[:MAC_BYTES])
        self._number += 1
        self._begin()
        return bytes(buffer)


class Incoming(Generic[F]):
    """Bytes as they arrive, and the frames in them."""

    __slots__ = ("_decode", "_held", "_mac", "_needed", "_number")

    def __init__(self, key: bytes, decoder: "msgspec.msgpack.Decoder[tuple[int, list[F]]]") -> None:
        self._mac = hmac.new(key, digestmod="sha256")
        self._decode = decoder.decode
        self._number = 0
        self._held = bytearray()  # the beginning of a record
        self._needed = 0  # bytes without which nothing can be done

    def feed(self, data: bytes) -> list[F]:
        """The frames of all records that are whole now, in their order; raises BadRecord."""
        if self._held:
            self._held += data
            if len(self._held) < self._needed:
                return []
            data, self._held = bytes(self._held), bytearray()
        frames: list[F] = []
        start, end = 0, len(data)
        with memoryview(data) as view:
            while (stop := self._end_of_record(view, start, end)) <= end:
                frames += self._opened(view[start:stop])
                start = stop
            self._held += view[start:]
        self._needed = stop - start
        return frames

    def _end_of_record(self, view: memoryview, start: int, end: int) -> int:
        """Where the record that begins at `start` ends, or at least its head; raises BadRecord."""
        if end - start < _HEAD.size:
            return start + _HEAD.size
        length = int.from_bytes(view[start : start + 4], "big")
        if not 0 < length <= MAX_RECORD_BYTES:
            raise BadRecord("a record that is empty or too long")
        return start + _HEAD.size + length

    def _opened(self, record: memoryview) -> list[F]:
        """The frames of one record; raises BadRecord."""
        mac = self._mac.copy()
        mac.update(record[_HEAD.size :])
        if not hmac.compare_digest(mac.digest()[:MAC_BYTES], record[4 : _HEAD.size]):
            raise BadRecord("a record that the other end did not send, or not here")
        try:
            number, frames = self._decode(record[_HEAD.size :])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadRecord(str(error)) from None
        if number != self._number:
            raise BadRecord("a record out of its turn")
        self._number += 1
        return frames
