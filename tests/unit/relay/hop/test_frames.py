"""Frames and the records that carry them: what is changed, repeated or out of its turn is never taken for said."""

import os
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.hop.frames import (
    MAX_FRAME_BYTES,
    MAX_RECORD_BYTES,
    BadRecord,
    Failed,
    Incoming,
    Leaving,
    Outgoing,
    Part,
    Ping,
    Pong,
    Question,
    Reply,
    ToAnswerer,
    ToAsker,
    TooLong,
    to_answerer,
    to_asker,
)

pytestmark = pytest.mark.requirement("REL-13")
KEY = bytes(range(32))
HEAD_BYTES = 20


def incoming(key: bytes = KEY) -> Incoming[ToAnswerer]:
    return Incoming(key, to_answerer)


def sealed(*frames: Any, out: Outgoing | None = None) -> bytes:
    out = out or Outgoing(KEY)
    for frame in frames:
        out.add(frame)
    return out.seal()


def plain(frame: Any) -> Any:
    """A frame with its message decoded, to be compared."""
    if isinstance(frame, Question | Reply):
        return msgspec.structs.replace(frame, message=msgspec.msgpack.decode(frame.message))
    return frame


messages = st.dictionaries(st.text(max_size=5), st.integers(-5, 5) | st.text(max_size=9), max_size=3)
numbers = st.integers(1, 2**62)
questions = st.builds(Question, numbers, st.text(max_size=9), messages, st.binary(max_size=9), st.binary(max_size=99))
parts = st.builds(Part, numbers, st.binary(max_size=99), st.booleans())
asked = st.lists(st.lists(questions | parts | st.just(Ping()), min_size=1, max_size=4), max_size=6)


@given(asked, st.data())
def test_frames_arrive_as_they_were_sent_wherever_the_stream_is_cut(
    turns: list[list[Any]], data: st.DataObject
) -> None:
    out = Outgoing(KEY)
    stream = b"".join(sealed(*frames, out=out) for frames in turns)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    came = incoming()
    found: list[ToAnswerer] = []
    for start, stop in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        found += came.feed(stream[start:stop])
    assert [plain(frame) for frame in found] == [frame for frames in turns for frame in frames]


def test_frames_arrive_byte_by_byte() -> None:
    came = incoming()
    found = [frame for byte in sealed(Ping(), Part(1, b"x" * 300, more=False)) for frame in came.feed(bytes([byte]))]
    assert found == [Ping(), Part(1, b"x" * 300, more=False)]


def test_the_answering_ends_frames_are_told_apart() -> None:
    said = [Reply(1, {"a": 1}, b"b"), Part(1, b"c", more=True), Failed(2, begun=False), Leaving(), Pong()]
    came: Incoming[ToAsker] = Incoming(KEY, to_asker)
    assert [plain(frame) for frame in came.feed(sealed(*said))] == said


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_noticed(place: int, change: int) -> None:
    record = bytearray(sealed(Question(1, "a/v1", {"call": "x"}, b"", b"y" * 50)))
    record[place % len(record)] ^= change
    came = incoming()
    try:
        assert came.feed(bytes(record)) == []  # its length was changed: the rest is waited for, and never fits
        found = came.feed(os.urandom(MAX_RECORD_BYTES + HEAD_BYTES))
    except BadRecord:
        return
    assert found == []


def test_a_record_under_another_key_is_none() -> None:
    with pytest.raises(BadRecord, match="did not send"):
        incoming(bytes(32)).feed(sealed(Ping()))


def test_a_record_is_taken_once() -> None:
    came, record = incoming(), sealed(Question(1, "a/v1", {}))
    assert len(came.feed(record)) == 1
    with pytest.raises(BadRecord, match="out of its turn"):
        came.feed(record)


def test_a_record_that_was_taken_away_is_missed() -> None:
    out = Outgoing(KEY)
    sealed(Ping(), out=out)
    with pytest.raises(BadRecord, match="out of its turn"):
        incoming().feed(sealed(Ping(), out=out))


@pytest.mark.parametrize("length", [0, MAX_RECORD_BYTES + 1, 2**32 - 1])
def test_a_length_that_cannot_be_is_refused_before_anything_is_kept(length: int) -> None:
    with pytest.raises(BadRecord, match="empty or too long"):
        incoming().feed(length.to_bytes(4, "big") + bytes(16))


@pytest.mark.parametrize(
    "frame",
    [
        Pong(), Reply(1, {}), Leaving(), Question(0, "a", {}), Question(-1, "a", {}), [1, 2],
        [99, 1], {"a": 1}, None, [3, 1, b"", True, "more than there is"], [1, 1, b"\xff", {}],
    ],
)  # fmt: skip
def test_what_the_asking_end_cannot_say_is_refused(frame: Any) -> None:
    with pytest.raises(BadRecord):
        incoming().feed(sealed(frame))


def test_a_frame_that_is_too_long_is_not_sent_and_leaves_nothing_behind() -> None:
    out = Outgoing(KEY)
    out.add(Ping())
    with pytest.raises(TooLong):
        out.add(Question(1, "a/v1", {"a": "x" * MAX_FRAME_BYTES}))
    with pytest.raises(UnicodeEncodeError):
        out.add(Question(1, "a/v1", {"a": "\ud800"}))
    assert incoming().feed(out.seal()) == [Ping()]


def test_a_message_of_another_form_is_its_own_calls_matter() -> None:
    """A newer gateway may say what an older exchange does not know: that fails one call, not all."""
    found = incoming().feed(sealed(Question(1, "a/v1", ["none", "of", "ours"]), Ping()))
    assert plain(found[0]).message == ["none", "of", "ours"]
    assert found[1] == Ping()


def test_a_turn_without_frames_is_empty() -> None:
    out = Outgoing(KEY)
    assert out.is_empty
    out.add(Ping())
    assert not out.is_empty
    out.seal()
    assert out.is_empty
