"""Bodies that are arriving: whole or in parts, with bounds."""

import gc
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from relay.inflow import HIGH_WATER_BYTES, MAX_PADDING_BYTES, BodyTooLarge, Inflow, Padding
from relay.waiting import drive

pytestmark = pytest.mark.requirement("REL-05")
PIECE = b"a piece of a body that broke off"


class Body:
    """An inflow, its peer's brakes, and what a reader got."""

    def __init__(self) -> None:
        self.brakes: list[str] = []
        self.inflow = Inflow(lambda: self.brakes.append("pause"), lambda: self.brakes.append("resume"))
        self.got: list[Any] = []

    def give(self, *chunks: bytes, end: bool = False) -> None:
        for chunk in chunks:
            self.inflow.feed(chunk)
        if end:
            self.inflow.end()
        self.inflow.settle()

    def read(self, reading: Coroutine[Any, Any, bytes]) -> None:
        async def run() -> None:
            try:
                self.got.append(await reading)
            except (BodyTooLarge, ConnectionError) as error:
                self.got.append(error)

        drive(run(), lambda: self.got.append("crashed"))


@given(st.lists(st.lists(st.binary(min_size=1, max_size=20), max_size=5), max_size=8), st.integers(0, 8))
def test_a_body_is_what_came_in_whatever_pieces_and_whenever_it_is_read(packets: list[list[bytes]], at: int) -> None:
    body = Body()
    for number, packet in enumerate(packets):
        if number == at:
            body.read(body.inflow.read(10_000))
        body.give(*packet)
    if at >= len(packets):
        body.read(body.inflow.read(10_000))
    assert body.got == []
    body.give(end=True)
    assert body.got == [b"".join(chunk for packet in packets for chunk in packet)]


@given(st.lists(st.integers(1, 50), max_size=10), st.integers(0, 200))
def test_a_body_over_the_limit_is_told_as_soon_as_it_is(sizes: list[int], limit: int) -> None:
    body = Body()
    body.read(body.inflow.read(limit))
    total = 0
    for size in sizes:
        total += size
        body.give(b"x" * size)
        assert bool(body.got) == (total > limit)
        if body.got:
            assert isinstance(body.got[0], BodyTooLarge)
            return
    body.give(end=True)
    assert body.got == [b"x" * total]


def test_an_announced_body_over_the_limit_is_not_waited_for() -> None:
    body = Body()
    body.inflow.announced = 11
    body.read(body.inflow.read(10))
    assert isinstance(body.got[0], BodyTooLarge)


def test_the_peer_is_held_back_while_nobody_reads_and_let_go_by_the_reader() -> None:
    body = Body()
    body.give(b"x" * HIGH_WATER_BYTES)
    assert body.brakes == []
    body.give(b"x")
    body.give(b"x")
    assert body.brakes == ["pause"]
    body.read(body.inflow.chunk())
    assert body.brakes == ["pause", "resume"]
    assert len(body.got[0]) == HIGH_WATER_BYTES + 2


def test_a_reader_of_the_whole_is_not_held_back() -> None:
    body = Body()
    body.read(body.inflow.read(10 * HIGH_WATER_BYTES))
    for _ in range(4):
        body.give(b"x" * HIGH_WATER_BYTES)
    body.give(end=True)
    assert body.brakes == []
    assert len(body.got[0]) == 4 * HIGH_WATER_BYTES


def test_after_the_end_the_peer_belongs_to_the_next_message() -> None:
    body = Body()
    body.give(b"x" * (HIGH_WATER_BYTES + 1))
    body.give(end=True)
    body.read(body.inflow.read(10 * HIGH_WATER_BYTES))
    assert body.brakes == ["pause"]


def test_chunks_that_came_are_read_before_the_failure() -> None:
    body = Body()
    body.give(b"one")
    body.inflow.fail(ConnectionError())
    body.read(body.inflow.chunk())
    body.read(body.inflow.chunk())
    assert body.got[0] == b"one"
    assert isinstance(body.got[1], ConnectionError)


def test_a_whole_body_does_not_fail_any_more() -> None:
    body = Body()
    body.give(b"one", end=True)
    body.inflow.fail(ConnectionError())
    assert not body.inflow.failed
    body.read(body.inflow.read(10))
    assert body.got == [b"one"]


@given(st.lists(st.tuples(st.integers(1, 5000), st.integers(0, 15)), max_size=200))
def test_an_honest_sender_never_has_too_much_padding(chunks: list[tuple[int, int]]) -> None:
    padding = Padding()
    for size, extra in chunks:
        padding.arrived(size + extra)
        padding.was_body(size)
        assert not padding.too_much


@given(st.integers(1, 1000))
def test_padding_without_a_body_is_bounded(size: int) -> None:
    padding = Padding()
    arrived = 0
    while not padding.too_much:
        padding.arrived(size)
        arrived += size
    assert MAX_PADDING_BYTES < arrived <= MAX_PADDING_BYTES + size
    padding.clear()
    assert not padding.too_much


def test_a_body_that_breaks_off_is_let_go_without_the_garbage_collector() -> None:
    async def handler(body: Inflow) -> None:
        with suppress(ConnectionError):
            await body.read(1000)

    gc.disable()
    try:
        for _ in range(10):
            body = Body()
            drive(handler(body.inflow), lambda: None)
            body.inflow.feed(PIECE)
            body.inflow.fail(ConnectionError())
        left = [one for one in gc.get_objects() if type(one) is Inflow]
        assert not any(one._chunks for one in left)
    finally:
        gc.enable()
