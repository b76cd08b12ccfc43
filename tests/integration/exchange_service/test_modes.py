"""Verification and comparison of an interface that tells facts: what crosses back is a verdict and nothing else."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from harness.exchange import Running, interface, message, running
from harness.origin import Line, Origin, origin
from harness.postgres import Cluster, Database
from runtime.ids import uuid7
from wire.calls import CallMessage, Obligations
from wire.catalog import Field, Operation

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("EXC-34")]
SECRET_NAME = "欧阳测试"
FIELDS = [Field(name="name", mask="name_first"), Field(name="age"), Field(name="other")]
GRANTED = Obligations(["name", "age"])


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("exchange_service", "exchange")) as lent:
        yield lent


class Register:
    """A provider that knows one person; other answers are set by the test."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []
        self.status = b"200 OK"
        self.content: object = {"name": SECRET_NAME, "age": 41, "other": "nobody asked"}

    async def script(self, line: Line) -> None:
        while True:
            _, body = await line.request()
            self.asked.append(body)
            content = json.dumps(self.content, ensure_ascii=False).encode()
            await line.say(
                b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
                % (self.status, len(content), content)
            )


@pytest.fixture
def register() -> Register:
    return Register()


@pytest.fixture
async def provider(register: Register) -> AsyncIterator[Origin]:
    async with origin(register.script) as it:
        yield it


@pytest.fixture
async def exchange(database: Database, provider: Origin) -> AsyncIterator[Running]:
    async with running(database, interface(provider.port, fields=FIELDS)) as it:
        yield it


def verifying(**changes: Any) -> CallMessage:
    given = {"mode": "verify", "grant": str(uuid7(0)), "content_type": "application/json", "obligations": GRANTED}
    return message(**{**given, **changes})


def claims(question: object = None, **claimed: object) -> bytes:
    said = {"claims": claimed} if question is None else {"claims": claimed, "question": question}
    return json.dumps(said).encode()


RIGHT = claims(name=f" {SECRET_NAME} ", age="41")
WRONG = claims(name=SECRET_NAME, age=42)


@pytest.mark.parametrize(
    ("status", "content", "body", "word"),
    [
        (b"200 OK", None, RIGHT, "yes"),
        (b"200 OK", None, WRONG, "no"),
        (b"404 Not Found", {}, RIGHT, "no_record"),
        (b"200 OK", [], RIGHT, "no_record"),
        (b"200 OK", [{"name": "甲", "age": 1}, {"name": SECRET_NAME, "age": 41}], RIGHT, "yes"),
    ],
    ids=["right", "wrong", "not found", "none", "one of several"],
)
async def test_a_verification_answers_one_word(
    exchange: Running, register: Register, status: bytes, content: object, body: bytes, word: str
) -> None:
    register.status, register.content = status, register.content if content is None else content
    reply, said = await exchange.ask(verifying(), body)
    assert json.loads(said) == {"result": word}
    assert (reply.status, reply.verdict, reply.content_type) == (200, word, "application/json")
    assert (reply.fields, reply.masked) == ([], [])


async def test_a_comparison_answers_a_word_for_each_claim(exchange: Running, register: Register) -> None:
    reply, said = await exchange.ask(verifying(mode="compare"), claims(age=42))
    assert json.loads(said) == {"result": "compared", "fields": {"age": "mismatch"}}
    assert reply.verdict == "no"
    register.content = [register.content, register.content]
    reply, said = await exchange.ask(verifying(mode="compare"), claims(age=42))
    assert (reply.code, said) == ("compare/ambiguous", b"")


async def test_the_question_that_stands_beside_the_claims_is_what_the_provider_gets(
    exchange: Running, register: Register
) -> None:
    reply, _ = await exchange.ask(verifying(method="POST"), claims({"id_card": "x"}, name="a", age=1))
    assert reply.verdict == "no"
    assert json.loads(register.asked[-1]) == {"id_card": "x"}


@pytest.mark.parametrize(
    "body",
    [b"{}", b"", b"[]", claims(), claims(name="a"), claims(name="a", age=1, other=2), claims(name=[], age=1)],
    ids=["no claims", "nothing", "a list", "empty", "one missing", "one too many", "a list claimed"],
)
async def test_claims_that_are_none_ask_nobody(exchange: Running, register: Register, body: bytes) -> None:
    reply, said = await exchange.ask(verifying(), body)
    assert reply.code in ("request/claims", "request/schema")
    assert not said
    assert not register.asked


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("question", [{"id_card": "x"}, "x", 1, False], ids=str)
async def test_what_has_no_body_takes_no_question_beside_the_claims(
    exchange: Running, register: Register, provider: Origin, method: str, question: object
) -> None:
    head = Operation(method="HEAD", path="", target="/thing")
    asked = interface(provider.port, fields=FIELDS)
    exchange.serve(msgspec.structs.replace(asked, operations=[*asked.operations, head]))
    reply, said = await exchange.ask(verifying(method=method), claims(question, name="a", age=1))
    assert (reply.code, said, register.asked) == ("request/claims", b"", [])


async def test_no_spelling_of_a_question_is_another_question(exchange: Running, register: Register) -> None:
    asked = verifying().grant
    for n in range(6):
        body = b'{"claims": {"name": "a", "age": %d}, "question": {"id":%b "1"}}' % (n, b" " * n)
        reply, _ = await exchange.ask(verifying(grant=asked, method="POST"), body)
        assert (reply.verdict or reply.code) == ("no" if n < 5 else "verify/too-many-wrong")
    assert len(register.asked) == 5


async def test_a_broken_contract_says_nothing_about_what_is_not_granted(
    exchange: Running, register: Register, provider: Origin
) -> None:
    schema: dict[str, object] = {"properties": {"age": {"maximum": 150}, "other": {"type": "array", "maxItems": 0}}}
    exchange.serve(interface(provider.port, fields=FIELDS, response=schema))
    register.content = {"name": SECRET_NAME, "age": 41, "other": ["x"]}
    with capture_logs() as logs:
        asked, _ = await exchange.ask(message(obligations=GRANTED))
        verified, _ = await exchange.ask(verifying(), RIGHT)
    assert asked.code == verified.code == "provider/broken-answer"
    assert asked.detail == verified.detail == "it breaks the contract"
    assert [line["reason"] for line in logs if line["event"] == "answer.breaks_contract"] == (
        ["/other: breaks `maxItems`"] * 2
    )
    register.content = {"age": 151}
    asked, _ = await exchange.ask(message(obligations=GRANTED))
    verified, _ = await exchange.ask(verifying(), RIGHT)
    assert (asked.detail, verified.detail) == ("/age: breaks `maximum`", "it breaks the contract")


@pytest.mark.parametrize("status", [b"500 Oops", b"400 Bad Request", b"403 Forbidden"])
async def test_an_error_of_the_provider_is_no_verdict(exchange: Running, register: Register, status: bytes) -> None:
    register.status = status
    reply, said = await exchange.ask(verifying(), RIGHT)
    assert (reply.status, reply.verdict, said) == (int(status[:3]), "", b"")


async def test_after_five_wrong_ones_nobody_is_asked(exchange: Running, register: Register) -> None:
    asked = verifying().grant
    for _ in range(5):
        assert (await exchange.ask(verifying(grant=asked), WRONG))[0].verdict == "no"
    reply, said = await exchange.ask(verifying(grant=asked), RIGHT)
    assert (reply.status, said) == (429, b"")
    assert int(reply.facts["retry_after"]) > 3600
    assert len(register.asked) == 5
    assert (await exchange.ask(verifying(grant=asked, query="another=one"), RIGHT))[0].verdict == "yes"


async def test_a_comparison_cannot_try_one_value_after_the_other(exchange: Running, register: Register) -> None:
    asked = verifying().grant
    for age in range(20, 25):
        reply, said = await exchange.ask(verifying(mode="compare", grant=asked), claims(age=age))
        assert json.loads(said) == {"result": "compared", "fields": {"age": "mismatch"}}
    for age in (25, 41):
        reply, said = await exchange.ask(verifying(mode="compare", grant=asked), claims(age=age))
        assert (reply.status, reply.code, said) == (429, "verify/too-many-wrong", b"")
    assert len(register.asked) == 5


async def test_the_same_guess_under_one_key_is_one_guess(exchange: Running, register: Register) -> None:
    one = verifying(idempotency_key=str(uuid7(0)))
    for number in range(8):
        again = verifying(grant=one.grant, idempotency_key=one.idempotency_key)
        reply, said = await exchange.ask(again, WRONG)
        assert (json.loads(said), reply.verdict, reply.replayed) == ({"result": "no"}, "no", number > 0)
    assert len(register.asked) == 1


async def test_a_file_can_be_neither_verified_nor_compared(exchange: Running, provider: Origin) -> None:
    exchange.serve(interface(provider.port, format="binary", fields=[]))
    reply, _ = await exchange.stream(verifying(obligations=Obligations(["*"])))
    assert reply.code == "grant/mode"
