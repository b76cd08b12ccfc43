"""Both ends of a framed connection, each by itself: when it may be used, when it ends, and what it keeps."""

import sys
import time
from typing import Any

import pytest

from relay.hop.answerer import GOODBYE_S, Answerer, Asked
from relay.hop.asker import Asker
from relay.hop.frames import PART_BYTES, Incoming, Outgoing, Part, Question, to_answerer
from relay.hop.greeting import PREFACE, Welcome, accept, hello, packed, taken, welcome
from runtime.service_auth import ServiceKey

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("REL-13")]
SECRET = b"the secret of all the services here"
GATEWAY, EXCHANGE = ServiceKey(SECRET, "gateway"), ServiceKey(SECRET, "exchange")


class Transport:
    """What a line asks of one."""

    def __init__(self) -> None:
        self.written = b""
        self.closing = self.aborted = False

    def write(self, data: bytes) -> None:
        self.written += data

    def is_closing(self) -> bool:
        return self.closing

    def abort(self) -> None:
        self.aborted = True

    def set_write_buffer_limits(self, high: int) -> None:
        """It never holds any back."""


@pytest.fixture
def transport() -> Any:
    return Transport()


@pytest.fixture
async def asking_end(transport: Any) -> Asker:
    line = Asker(GATEWAY, PART_BYTES)
    line.connection_made(transport)
    line.data_received(packed(welcome(EXCHANGE, line._hello, time.time())[0]))
    return line


@pytest.fixture
async def answering_end(transport: Any) -> Answerer:
    async def handle(asked: Asked) -> None:
        raise AssertionError

    line = Answerer(EXCHANGE, handle, PART_BYTES, set())
    line.connection_made(transport)
    own = hello(GATEWAY, time.time())
    line.data_received(PREFACE + packed(own))
    heard = taken(bytearray(transport.written), Welcome)
    assert heard is not None
    proof = accept(GATEWAY, own, heard, time.time())[0]
    line.data_received(packed(proof) + b"\0\0")  # and the beginning of a record
    return line


async def test_an_asking_end_is_usable_while_its_other_end_reads_and_stays(asking_end: Asker, transport: Any) -> None:
    assert asking_end.usable
    asking_end.pause_writing()
    assert not asking_end.usable
    asking_end.resume_writing()
    assert asking_end.usable
    transport.closing = True  # the other end has sent its last, and some of ours still waits
    assert not asking_end.usable


async def test_a_server_that_ends_waits_for_replies_that_are_still_leaving(
    answering_end: Answerer, transport: Any
) -> None:
    now = answering_end._loop.time()
    answering_end.shutdown()
    answering_end.say_rest(1, b"z" * PART_BYTES * 2)
    for _ in range(3):
        now += GOODBYE_S * 2
        answering_end.late(now)
    assert not transport.aborted
    answering_end._bodies.clear()
    answering_end.late(now + GOODBYE_S + 0.1)
    assert transport.aborted


async def test_nothing_of_the_greeting_is_kept(answering_end: Answerer) -> None:
    assert answering_end._words == b""


async def test_a_question_keeps_nothing_that_was_read_with_it(answering_end: Answerer) -> None:
    out = Outgoing(bytes(32))
    out.add(Question(1, "thing/v1", {"n": 1}))
    out.add(Part(1, bytes(PART_BYTES), more=True))
    record = out.seal()
    alone = sys.getrefcount(record)
    asked = [Asked(answering_end, frame) for frame in Incoming(bytes(32), to_answerer).feed(record)[:1]]  # type: ignore[arg-type]  # the question
    assert sys.getrefcount(record) == alone
    assert bytes(asked[0].message) == b"\x81\xa1n\x01"
