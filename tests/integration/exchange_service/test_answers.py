"""Idempotency-Key: the same bytes for the same question, one question to the provider, whoever asks how often."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from exchange_service.answers import key_of
from harness.exchange import Running, interface, message, running
from harness.origin import Line, Origin, origin
from harness.postgres import Cluster, Database
from runtime.ids import uuid7
from wire.calls import CallMessage, Obligations

pytestmark = [pytest.mark.anyio, pytest.mark.requirement("EXC-28")]
FEW = Obligations(["a"])


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    """One for all tests of this module: every test has a key of its own."""
    with cluster.lent(("exchange_service", "exchange")) as lent:
        yield lent


@pytest.fixture
async def provider() -> AsyncIterator[Origin]:
    """Numbers its answers, and keeps what it was asked; a question that says `hang` gets none."""
    async with origin(numbering) as it:
        yield it


async def numbering(line: Line) -> None:
    while True:
        _, body = await line.request()
        numbers[line.writer.get_extra_info("sockname")[1]] += 1
        if b"hang" in body:
            await line.closed()
        content = b'{"a":%d}' % numbers[line.writer.get_extra_info("sockname")[1]]
        status = b"200 OK" if b"fail" not in body else b"418 No"
        await line.say(
            b"HTTP/1.1 %b\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n%b"
            % (status, len(content), content)
        )


numbers: Counter[int] = Counter()


@pytest.fixture
async def exchange(database: Database, provider: Origin) -> AsyncIterator[Running]:
    async with running(database, interface(provider.port)) as it:
        yield it


@pytest.fixture
def key() -> str:
    return str(uuid7(0))


def posted(key: str, **changes: Any) -> CallMessage:
    return message(**{"method": "POST", "content_type": "application/json", "idempotency_key": key, **changes})


async def test_the_same_question_gets_the_same_bytes(exchange: Running, provider: Origin, key: str) -> None:
    first, content = await exchange.ask(posted(key), b'{"n":1}')
    second, again = await exchange.ask(posted(key), b'{"n":1}')
    assert content == again == b'{"a":1}'
    assert (first.replayed, second.replayed) == (False, True)
    assert first.asked_ms
    assert not second.asked_ms
    assert (second.status, second.content_type, second.fields) == (first.status, first.content_type, first.fields)
    assert numbers[provider.port] == 1


async def test_twenty_at_once_ask_the_provider_once(
    exchange: Running, database: Database, provider: Origin, key: str
) -> None:
    async with running(database, interface(provider.port)) as replica:
        replica.exchange.answers._seal = exchange.exchange.answers._seal  # both have the same key file
        asked = [one.ask(posted(key), b"{}") for one in (exchange, replica) for _ in range(10)]
        replies = await asyncio.gather(*asked)
    assert {content for _, content in replies} == {b'{"a":1}'}
    assert Counter(reply.replayed for reply, _ in replies) == {True: 19, False: 1}
    assert numbers[provider.port] == 1


OTHER: dict[str, tuple[dict[str, Any], bytes]] = {
    "body": ({}, b'{"n":2}'),
    "query": ({"query": "x=1"}, b'{"n":1}'),
    "method": ({"method": "PUT"}, b'{"n":1}'),
    "fewer fields": ({"obligations": FEW}, b'{"n":1}'),
    "another mask": ({"obligations": Obligations(["*"], {"a": "drop"})}, b'{"n":1}'),
}


@pytest.mark.parametrize("what", OTHER)
async def test_another_question_under_the_same_key_is_refused(
    exchange: Running, provider: Origin, key: str, what: str
) -> None:
    changes, body = OTHER[what]
    await exchange.ask(posted(key), b'{"n":1}')
    reply, content = await exchange.ask(posted(key, **changes), body)
    assert (reply.code, reply.status, content) == ("idempotency/other-question", 422, b"")
    assert numbers[provider.port] == 1


async def test_keys_belong_to_a_grant(exchange: Running, provider: Origin, key: str) -> None:
    await exchange.ask(posted(key), b"{}")
    reply, content = await exchange.ask(posted(key, grant="g2"), b"{}")
    assert (reply.replayed, content) == (False, b'{"a":2}')


async def test_a_refusal_of_the_provider_is_kept_too(exchange: Running, provider: Origin, key: str) -> None:
    first, _ = await exchange.ask(posted(key), b'{"x":"fail"}')
    second, _ = await exchange.ask(posted(key), b'{"x":"fail"}')
    assert (first.status, second.status, second.replayed, numbers[provider.port]) == (418, 418, True, 1)


async def test_a_call_that_may_have_taken_effect_is_not_made_again(
    exchange: Running, provider: Origin, key: str
) -> None:
    first, _ = await exchange.ask(posted(key, within_s=0.3), b'{"x":"hang"}')
    second, _ = await exchange.ask(posted(key), b'{"x":"hang"}')
    assert (first.code, second.code, second.replayed) == ("provider/timeout", "provider/timeout", True)
    assert numbers[provider.port] == 1


async def test_a_provider_that_was_not_asked_leaves_the_key_free(exchange: Running, provider: Origin, key: str) -> None:
    exchange.serve(interface(1))
    assert (await exchange.ask(posted(key), b"{}"))[0].code == "provider/unreachable"
    exchange.serve(interface(provider.port))
    reply, _ = await exchange.ask(posted(key), b"{}")
    assert (reply.code, reply.replayed) == ("", False)


async def test_whoever_cannot_wait_is_told_that_the_call_is_under_way(
    exchange: Running, provider: Origin, key: str
) -> None:
    first = asyncio.create_task(exchange.ask(posted(key, within_s=1), b'{"x":"hang"}'))
    await provider.wait_for(lambda: numbers[provider.port] == 1)
    reply, _ = await exchange.ask(posted(key, within_s=0.2), b'{"x":"hang"}')
    assert (reply.code, reply.status, reply.facts["retry_after"]) == ("idempotency/in-progress", 409, 1)
    assert (await first)[0].code == "provider/timeout"


async def test_nobody_knows_how_a_call_ended_whose_exchange_died(
    exchange: Running, database: Database, provider: Origin, key: str
) -> None:
    await exchange.ask(posted(key), b"{}")
    await change(database, key, "state = 'running', reply = NULL, content = NULL, held_until = now()")
    for _ in range(2):
        reply, _ = await exchange.ask(posted(key), b"{}")
        assert (reply.code, reply.status) == ("idempotency/unknown-outcome", 409)
    assert numbers[provider.port] == 1


async def test_after_a_day_a_key_is_as_good_as_new(
    exchange: Running, database: Database, provider: Origin, key: str
) -> None:
    await exchange.ask(posted(key), b"{}")
    assert timedelta(hours=24, minutes=-1) < await left(database, key) <= timedelta(hours=24)
    await change(database, key, "expires = now()")
    reply, content = await exchange.ask(posted(key), b"{}")
    assert (reply.replayed, content) == (False, b'{"a":2}')
    assert timedelta(hours=24, minutes=-1) < await left(database, key) <= timedelta(hours=24)
    await change(database, key, "expires = now()")
    await exchange.exchange.answers.tick()
    assert await row(database, key) is None


async def test_what_is_kept_is_sealed_and_bound_to_its_key(
    exchange: Running, database: Database, provider: Origin, key: str
) -> None:
    await exchange.ask(posted(key), b"{}")
    kept = await row(database, key)
    assert kept is not None
    assert b'{"a"' not in kept["content"]
    assert b"fields" not in kept["reply"]
    other = f"{key}-other"
    await exchange.ask(posted(other), b"{}")
    await change(database, other, "content = (SELECT content FROM exchange.answer WHERE key = $2)", digest(key))
    assert (await exchange.ask(posted(other), b"{}"))[0].code == "idempotency/unknown-outcome"


async def test_without_the_database_nothing_is_asked_that_was_to_be_asked_once(
    exchange: Running, provider: Origin, key: str
) -> None:
    await exchange.exchange.answers._pool.close()
    assert (await exchange.ask(posted(key), b"{}"))[0].code == "exchange/service-unreachable"
    assert numbers[provider.port] == 0
    assert (await exchange.ask(message(method="POST"), b"{}"))[0].status == 200


def digest(key: str) -> bytes:
    return key_of("thing/v1", posted(key))


async def change(database: Database, key: str, assignments: str, *arguments: Any) -> None:
    connection = await asyncpg.connect(database.url)
    done = await connection.execute(f"UPDATE exchange.answer SET {assignments} WHERE key = $1", digest(key), *arguments)
    await connection.close()
    assert done == "UPDATE 1"


async def row(database: Database, key: str) -> Any:
    connection = await asyncpg.connect(database.url)
    found = await connection.fetchrow(
        "SELECT *, expires - now() AS left FROM exchange.answer WHERE key = $1", digest(key)
    )
    await connection.close()
    return found


async def left(database: Database, key: str) -> timedelta:
    """How long the answer is kept from now on."""
    kept = await row(database, key)
    assert isinstance(kept["left"], timedelta)
    return kept["left"]
