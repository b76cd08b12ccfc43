"""What a provider can do wrong, each by a real one that does it: F-, H- and D-rows of security.md."""

import asyncio
import gzip
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from exchange_service.asking import Visit, may_ask_again
from exchange_service.providers.provider import Question
from harness.exchange import Running, interface, message, running
from harness.origin import Line, Origin, Script, origin, says
from harness.postgres import Cluster, Database
from wire import codes
from wire.calls import Obligations
from wire.catalog import Operation

pytestmark = pytest.mark.anyio
HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BODY = b'{"a":1}'


def answer(body: bytes = BODY, *more: bytes, status: bytes = b"200 OK", kind: bytes = b"application/json") -> bytes:
    lines = [b"HTTP/1.1 " + status, b"content-type: " + kind, b"content-length: %d" % len(body), *more]
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


GOOD = answer()


def keeps_saying(*answers: bytes) -> Script:
    """These answers one after another, whatever the connection; the last for ever."""
    left = list(answers)

    async def script(line: Line) -> None:
        while True:
            await line.request()
            await line.say(left.pop(0) if len(left) > 1 else left[0])

    return script


async def trickle(line: Line) -> None:
    """One byte at a time, each long before anybody loses patience."""
    await line.request()
    await line.say(HEAD + b"Content-Length: 1000\r\n\r\n")
    while True:
        await line.say(b" ")
        await asyncio.sleep(0.02)


async def never(line: Line) -> None:
    await line.request()
    await line.closed()


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    """One for all tests of this module: nothing is kept in it."""
    with cluster.lent(("exchange_service", "exchange")) as lent:
        yield lent


@pytest.fixture
async def exchange(database: Database) -> AsyncIterator[Running]:
    async with running(database, provider_in_flight=8) as it:
        yield it


async def code_of(exchange: Running, it: Origin, **changes: Any) -> str:
    """The code with which one question is answered."""
    exchange.serve(interface(it.port))
    reply, content = await exchange.ask(message(obligations=Obligations(["a"]), **changes))
    assert bool(reply.code) == (not content)
    assert not reply.code or codes.REGISTRY[reply.code].fault == "provider"
    return reply.code


# --- slow, cut, broken ----------------------------------------------------------------------------------------------
FLOOD = b"HTTP/1.1 100 Continue\r\n\r\n" * 1000 + GOOD
FAULTS: dict[str, tuple[Script, str]] = {
    "F-16 silent": (never, "provider/timeout"),
    "F-17 hangs before the head": (never, "provider/timeout"),
    "F-17 hangs in the head": (says(HEAD), "provider/timeout"),
    "F-17 hangs behind the head": (says(HEAD + b"Content-Length: 9\r\n\r\n"), "provider/timeout"),
    "F-17 a byte at a time": (trickle, "provider/timeout"),
    "F-18 garbage": (says(b"\x00\xff\x16\x03 no HTTP\r\n\r\n"), "provider/broken-answer"),
    "F-18 a body cut short": (says(HEAD + b"Content-Length: 9\r\n\r\n{", then_close=True), "provider/broken-answer"),
    "F-18 a length too small": (says(HEAD + b"Content-Length: 2\r\n\r\n" + BODY), "provider/broken-answer"),
    "F-18 a head too large": (says(HEAD + b"x: " + b"y" * 40_000 + b"\r\n\r\n"), "provider/broken-answer"),
    "F-18 a body too large": (says(HEAD + b"Content-Length: 10485761\r\n\r\n"), "provider/broken-answer"),
    "H-89 CR in a value": (says(HEAD + b"x: a\rset-cookie: b\r\nContent-Length: 0\r\n\r\n"), "provider/broken-answer"),
    "H-89 a folded line": (says(HEAD + b"x: a\r\n b\r\nContent-Length: 0\r\n\r\n"), "provider/broken-answer"),
    "H-89 two lengths": (says(HEAD + b"Content-Length: 7\r\n" * 2 + b"\r\n" + BODY), "provider/broken-answer"),
    "H-89 length and chunks": (
        says(HEAD + b"Content-Length: 7\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        "provider/broken-answer",
    ),
    "H-89 no status line": (says(b"content-type: application/json\r\n\r\n{}"), "provider/broken-answer"),
    "H-89 a thousand interim answers": (says(FLOOD), "provider/broken-answer"),
    "H-89 another protocol": (
        says(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        "provider/broken-answer",
    ),
}  # fmt: skip

WRONG: dict[str, bytes] = {
    "F-18 not JSON": answer(b"{"),
    "F-18 JSON with a member twice": answer(b'{"a":1,"a":2}'),
    "F-18 another kind": answer(b"<a/>", kind=b"text/html"),
    "F-18 no kind": b"HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n" + BODY,
    "F-18 two kinds in one": answer(kind=b"application/json, text/html"),
    "F-18 another character set": answer(kind=b"application/json; charset=utf-16"),
    "F-18 a redirect": answer(b"", b"location: /", status=b"302 Found"),
}


@pytest.mark.requirement("EXC-24")
@pytest.mark.parametrize("row", FAULTS)
async def test_a_fault_is_the_provider_s_and_its_connection_is_not_used_again(exchange: Running, row: str) -> None:
    script, code = FAULTS[row]
    within_s = 0.2 if code == "provider/timeout" else 5
    async with origin(script) as it:
        assert await code_of(exchange, it, method="POST", within_s=within_s) == code
        exchange.served().breaker.succeeded(0)
        assert await code_of(exchange, it, method="POST", within_s=within_s) == code
        assert len(it.lines) == 2
        pulse = exchange.served().pulse
        assert (pulse.calls, pulse.failures) == (2, 2)


@pytest.mark.requirement("EXC-24")
@pytest.mark.parametrize("row", WRONG)
async def test_an_answer_of_another_kind_than_registered_does_not_pass(exchange: Running, row: str) -> None:
    async with origin(says(WRONG[row])) as it:
        assert await code_of(exchange, it) == "provider/broken-answer"


# --- packed answers -------------------------------------------------------------------------------------------------
def packed(content: bytes, coding: bytes = b"gzip") -> Script:
    return says(answer(content, b"content-encoding: " + coding))


PACKED = gzip.compress(BODY)
SPACES = b'{"a":1' + b" " * 20 * 1024 * 1024 + b"}"
PACKING: dict[str, Script] = {
    "D-6 bomb": packed(gzip.compress(SPACES)),
    "D-6 ratio": packed(gzip.compress(b'{"a":1' + b" " * 4000 + b"}")),
    "D-6 deflate": packed(zlib.compress(BODY), b"deflate"),
    "D-6 br": packed(BODY, b"br"),
    "D-6 gzip twice": packed(gzip.compress(PACKED), b"gzip, gzip"),
    "D-6 gzip inside gzip": packed(gzip.compress(PACKED)),
    "D-6 not packed at all": packed(BODY),
    "D-6 cut": packed(PACKED[:-3]),
    "D-6 something behind": packed(PACKED + b"x"),
    "D-6 two members": packed(PACKED + PACKED),
    "D-6 a wrong checksum": packed(PACKED[:-8] + b"\0\0\0\0" + PACKED[-4:]),
}


@pytest.mark.requirement("EXC-24")
@pytest.mark.parametrize("row", PACKING)
async def test_a_packed_answer_that_is_not_plainly_one_is_refused(exchange: Running, row: str) -> None:
    async with origin(PACKING[row]) as it:
        assert await code_of(exchange, it) == "provider/broken-answer"


@pytest.mark.requirement("EXC-24")
async def test_a_packed_answer_is_unpacked_and_projected(exchange: Running) -> None:
    async with origin(packed(gzip.compress(b'{"a":1.0,"b":2}'), b"GZIP")) as it:
        exchange.serve(interface(it.port))
        reply, content = await exchange.ask(message(obligations=Obligations(["a"])))
        assert (content, reply.content_type, reply.fields) == (b'{"a":1.0}', "application/json", ["a"])


# --- answers that meet the wrong question ---------------------------------------------------------------------------
@pytest.mark.requirement("EXC-25")
@pytest.mark.parametrize(("row", "code"), [("H-90 at once", "provider/broken-answer"), ("H-90 a moment later", "")])
async def test_bytes_behind_an_answer_reach_nobody(exchange: Running, row: str, code: str) -> None:
    answered, poison = asyncio.Event(), answer(b'{"a":"poison"}')

    async def script(line: Line) -> None:
        await line.request()
        await line.say(answer(b'{"a":"of %d"}' % line.number) + (poison if code else b""))
        await answered.wait()
        await line.say(poison)
        await line.closed()

    async with origin(script) as it:
        exchange.serve(interface(it.port))
        for number in range(4):  # a breaker opens at five
            answered.clear()
            reply, content = await exchange.ask(message(grant=f"g{number}"))
            assert (reply.code, content) == (code, b"" if code else b'{"a":"of %d"}' % number)
            answered.set()
            await it.wait_for(lambda: it.open == 0)


@pytest.mark.requirement("EXC-25")
@pytest.mark.parametrize("row", ["H-91"])
async def test_nothing_is_answered_from_memory(exchange: Running, row: str) -> None:
    cached = b"cache-control: public, max-age=3600"
    async with origin(keeps_saying(answer(b'{"a":1}', cached), answer(b'{"a":2}', cached))) as it:
        exchange.serve(interface(it.port))
        _, first = await exchange.ask(message(grant="g1", consumer="xzspj"))
        _, second = await exchange.ask(message(grant="g2", consumer="rsj"))
        assert (first, second) == (b'{"a":1}', b'{"a":2}')


# --- once more, or not ----------------------------------------------------------------------------------------------
class Counting:
    """Counts questions; the first `faults` of them get `fault`, the others a good answer once `held` is set."""

    def __init__(self, fault: bytes | None, faults: int) -> None:
        self.questions = 0
        self.held: asyncio.Event | None = None
        self._fault = fault
        self._faults = faults

    async def __call__(self, line: Line) -> None:
        while True:
            await line.request()
            self.questions += 1
            if self.questions > self._faults:
                if self.held is not None:
                    await self.held.wait()
                await line.say(GOOD)
            elif self._fault is None:
                return  # the connection ends
            else:
                await line.say(self._fault)


def operation(method: str, *, repeatable: bool) -> Operation:
    return Operation(method=method, path="", target="/thing", repeatable=repeatable)


BUSY = answer(b"{}", status=b"503 Service Unavailable")
FAILED = answer(b"{}", status=b"500 Internal Server Error")
AGAIN: dict[str, tuple[str, bool, bytes | None, int, int, str, int]] = {
    # method, repeatable, fault, so often; status, code, questions
    "F-20 POST": ("POST", False, None, 1, 504, "provider/unknown-outcome", 1),
    "F-20 GET": ("GET", False, None, 1, 200, "", 2),
    "F-20 PUT": ("PUT", False, None, 1, 200, "", 2),
    "F-20 DELETE": ("DELETE", False, None, 1, 200, "", 2),
    "F-20 POST that may be repeated": ("POST", True, None, 1, 200, "", 2),
    "F-20 GET for ever": ("GET", False, None, 9, 504, "provider/unknown-outcome", 2),
    "busy POST": ("POST", False, BUSY, 1, 503, "", 1),
    "busy GET": ("GET", False, BUSY, 1, 200, "", 2),
    "busy GET for ever": ("GET", False, BUSY, 9, 503, "", 2),
    "failed GET": ("GET", False, FAILED, 1, 500, "", 1),
    "broken GET": ("GET", False, answer(b"{"), 1, 502, "provider/broken-answer", 1),
}


@pytest.mark.requirement("EXC-26")
@pytest.mark.parametrize("row", AGAIN)
async def test_only_what_may_be_made_twice_is_asked_once_more(exchange: Running, row: str) -> None:
    method, repeatable, fault, faults, status, code, questions = AGAIN[row]
    script = Counting(fault, faults)
    async with origin(script) as it:
        exchange.serve(interface(it.port, operations=[operation(method, repeatable=repeatable)]))
        reply, _ = await exchange.ask(message(method=method, obligations=Obligations(["a"])))
        assert (reply.status, reply.code, script.questions) == (status, code, questions)
        assert reply.asked_ms


@pytest.mark.requirement("EXC-26")
async def test_a_kept_connection_that_died_costs_the_one_more_question(exchange: Running) -> None:
    asked: Counter[int] = Counter()

    async def script(line: Line) -> None:
        await line.request()
        asked[line.number] += 1
        await line.say(GOOD)
        await line.request()
        asked[line.number] += 1

    async with origin(script) as it:
        exchange.serve(interface(it.port))
        assert (await exchange.ask())[0].status == 200
        assert (await exchange.ask())[0].status == 200
        assert asked == {0: 2, 1: 1}
        assert (await exchange.ask(message(method="POST")))[0].code == "provider/unknown-outcome"
        assert asked == {0: 2, 1: 2}


@pytest.mark.requirement("EXC-26")
async def test_after_a_time_out_nobody_is_asked_again(exchange: Running) -> None:
    async with origin(never) as it:
        exchange.serve(interface(it.port, timeout_s=0.2))
        assert (await exchange.ask())[0].code == "provider/timeout"
        assert len(it.lines) == 1


@pytest.mark.requirement("EXC-26")
async def test_with_less_left_than_the_first_took_nobody_is_asked_again(exchange: Running) -> None:
    exchange.serve(interface(1))
    visit, question = (
        Visit(exchange.served(), 1, is_probe=False),
        Question(operation=operation("GET", repeatable=False)),
    )
    for took_s, left_s, may in ((0, 60, True), (30, 60, True), (90, 60, False), (0, -1, False)):
        deadline_ms = int((time.time() + left_s) * 1000)
        assert may_ask_again(visit, question, deadline_ms, time.monotonic() - took_s) is may


@pytest.mark.requirement("EXC-26")
async def test_a_provider_that_was_never_asked_was_never_asked(exchange: Running) -> None:
    exchange.serve(interface(1))
    reply, _ = await exchange.ask(message(method="POST"))
    assert (reply.code, reply.asked_ms) == ("provider/unreachable", 0)
    reply, _ = await exchange.ask(message(within_s=-1))
    assert (reply.code, reply.asked_ms) == ("provider/timeout", 0)


# --- the others -----------------------------------------------------------------------------------------------------
CUT = "provider/unknown-outcome"


def hanging() -> tuple[asyncio.Event, Script]:
    """A provider that takes questions and says nothing, until the event ends all connections."""
    released = asyncio.Event()

    async def hang(line: Line) -> None:
        await line.request()
        await released.wait()

    return released, hang


@pytest.mark.requirement("EXC-27")
@pytest.mark.parametrize("row", ["F-17 others"])
async def test_a_provider_that_hangs_takes_its_own_share_and_nobody_else_s(exchange: Running, row: str) -> None:
    released, hang = hanging()
    async with origin(hang) as hung, origin(keeps_saying(GOOD)) as well:
        slow = [interface(hung.port, id=name, max_in_flight=6) for name in ("one", "two")]
        exchange.serve(*slow, interface(well.port, id="other", provider="rsj", max_in_flight=50))
        ones = asyncio.gather(*(exchange.ask(message(method="POST"), key="one/v1") for _ in range(10)))
        await hung.wait_for(lambda: len(hung.lines) == 6)
        twos = asyncio.gather(*(exchange.ask(message(method="POST"), key="two/v1") for _ in range(10)))
        await hung.wait_for(lambda: len(hung.lines) == 8)
        others = [await asyncio.gather(*(exchange.ask(key="other/v1") for _ in range(8))) for _ in range(6)]
        assert Counter(reply.status for batch in others for reply, _ in batch) == {200: 48}
        released.set()
        assert Counter(reply.code for reply, _ in await ones) == {CUT: 6, "provider/busy": 4}
        assert Counter(reply.code for reply, _ in await twos) == {CUT: 2, "provider/busy": 8}


@pytest.mark.requirement("EXC-27")
async def test_an_interface_that_is_registered_anew_keeps_its_calls_counted(exchange: Running) -> None:
    released, hang = hanging()
    async with origin(hang) as hung:
        exchange.serve(interface(hung.port, max_in_flight=2))
        first = asyncio.gather(*(exchange.ask(message(method="POST")) for _ in range(2)))
        await hung.wait_for(lambda: len(hung.lines) == 2)
        exchange.serve(interface(hung.port, max_in_flight=3, name="新名"))
        more = await exchange.asks(2, within_s=0.2)
        assert Counter(reply.code for reply, _ in more) == {"provider/timeout": 1, "provider/busy": 1}
        released.set()
        assert {reply.code for reply, _ in await first} == {CUT}


@pytest.mark.requirement("EXC-08")
@pytest.mark.parametrize("row", ["F-19"])
async def test_a_provider_that_fails_rests_and_comes_back_by_one_call(exchange: Running, row: str) -> None:
    script, held = Counting(FAILED, 5), asyncio.Event()
    script.held = held

    async with origin(script) as it:
        exchange.serve(interface(it.port))
        for _ in range(5):
            assert (await exchange.ask())[0].status == 500
        reply, _ = await exchange.ask()
        assert (reply.code, reply.status, script.questions) == ("provider/resting", 503, 5)
        assert 1 <= int(reply.facts["retry_after"]) <= 6
        exchange.served().breaker.waits_until = 0.0  # the pause is over
        together = [asyncio.create_task(exchange.ask()) for _ in range(20)]
        await it.wait_for(lambda: sum(task.done() for task in together) == 19)
        held.set()
        assert Counter([(await task)[0].code for task in together]) == {"": 1, "provider/resting": 19}
        assert script.questions == 6
        assert {reply.status for reply, _ in await exchange.asks(8)} == {200}


@pytest.mark.requirement("EXC-08", "EXC-26")
@pytest.mark.parametrize("row", ["F-19 probe"])
async def test_the_one_call_that_is_let_through_is_one_question(exchange: Running, row: str) -> None:
    script = Counting(BUSY, 99)
    async with origin(script) as it:
        exchange.serve(interface(it.port))
        assert {(await exchange.ask(message(method="POST")))[0].status for _ in range(5)} == {503}
        exchange.served().breaker.waits_until = 0.0  # the pause is over
        reply, _ = await exchange.ask()
        assert (reply.status, reply.code, script.questions) == (503, "", 6)
        assert (await exchange.ask())[0].code == "provider/resting"
