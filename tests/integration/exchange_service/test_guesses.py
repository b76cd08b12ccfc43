"""Wrong verifications are counted in PostgreSQL, for all replicas together."""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator

import asyncpg
import pytest

from exchange_service.contract.verdict import Word
from exchange_service.guesses import (
    MOST_OF_A_GRANT,
    MOST_OF_A_QUESTION,
    MOST_WITHOUT_RECORD,
    RIGHT_FOR_A_WRONG,
    Guess,
    Guesses,
)
from harness.postgres import Cluster, Database
from runtime.errors import Refusal
from wire import codes

pytestmark = [pytest.mark.requirement("PRJ-08"), pytest.mark.anyio]
KEY = bytes(range(32))


@pytest.fixture
def database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("exchange_service", "exchange")) as lent:
        yield lent


@pytest.fixture
async def pools(database: Database) -> AsyncIterator[list[asyncpg.Pool]]:
    """The connections of two replicas."""
    made = [await asyncpg.create_pool(database.url_of("exchange"), min_size=1, max_size=8) for _ in range(2)]
    yield made
    for pool in made:
        await pool.close()


@pytest.fixture
def replicas(pools: list[asyncpg.Pool]) -> list[Guesses]:
    return [Guesses(pool, KEY) for pool in pools]


async def guess(guesses: Guesses, question: bytes, wrong: bool | None, grant: str = "g-1") -> None:
    word: Word | None = None if wrong is None else "no" if wrong else "yes"
    await guesses.settle(await guesses.admit(grant, question), word)


async def refused(guesses: Guesses, question: bytes, grant: str = "g-1") -> int:
    with pytest.raises(Refusal) as no:
        await guesses.admit(grant, question)
    assert no.value.code is codes.GUESSES_EXHAUSTED
    wait_s = no.value.facts["retry_after"]
    assert isinstance(wait_s, int)
    return wait_s


async def older(pools: list[asyncpg.Pool], by: str) -> None:
    await pools[0].execute(f"UPDATE exchange.guess SET at = at - interval '{by}'")


async def test_a_question_may_go_wrong_so_often_in_a_day_whoever_counts(
    replicas: list[Guesses], pools: list[asyncpg.Pool]
) -> None:
    question, other = os.urandom(32), os.urandom(32)
    for n in range(MOST_OF_A_QUESTION):
        await guess(replicas[n % 2], question, True)
        await guess(replicas[n % 2], other, False)
        await guess(replicas[n % 2], other, None)
    for replica in replicas:
        assert 23 * 3600 < await refused(replica, question) <= 24 * 3600
        await guess(replica, other, False)
    await older(pools, "23 hours 59 minutes")
    assert 1 <= await refused(replicas[0], question) <= 60
    await older(pools, "2 minutes")
    await guess(replicas[0], question, True)


async def test_right_answers_and_questions_without_one_do_not_count(replicas: list[Guesses]) -> None:
    question = os.urandom(32)
    for n in range(3 * MOST_OF_A_QUESTION):
        await guess(replicas[0], question, None if n % 2 else False)
    await guess(replicas[1], question, True)


async def test_of_many_at_once_no_more_are_asked_than_may_go_wrong(
    replicas: list[Guesses], pools: list[asyncpg.Pool]
) -> None:
    question = os.urandom(32)
    asked = await asyncio.gather(*(replicas[n % 2].admit("g-1", question) for n in range(20)), return_exceptions=True)
    admitted = [one for one in asked if isinstance(one, Guess)]
    assert len(admitted) == MOST_OF_A_QUESTION
    assert {one.code for one in asked if isinstance(one, Refusal)} == {codes.GUESSES_EXHAUSTED}
    assert all(isinstance(one, Guess | Refusal) for one in asked)
    await older(pools, "3 minutes")  # their process died: they never got a verdict
    await guess(replicas[0], question, True)


async def test_a_grant_that_is_often_wrong_has_to_wait(replicas: list[Guesses], pools: list[asyncpg.Pool]) -> None:
    for n in range(MOST_OF_A_GRANT):
        await guess(replicas[n % 2], os.urandom(32), True)
    for replica in replicas:
        assert 0 < await refused(replica, os.urandom(32)) <= 3600
        await guess(replica, os.urandom(32), False, "g-2")
    await older(pools, "61 minutes")
    await guess(replicas[0], os.urandom(32), True)


async def right(pools: list[asyncpg.Pool], count: int, question: bytes | None = None) -> None:
    """So many right ones of one question, or each of another."""
    rows = [("g-1", question or os.urandom(32), False) for _ in range(count)]
    statement = "INSERT INTO exchange.guess (grant_id, question, at, wrong) VALUES ($1, $2, now(), $3)"
    await pools[0].executemany(statement, rows)


async def test_a_grant_that_is_nearly_always_right_goes_on(replicas: list[Guesses], pools: list[asyncpg.Pool]) -> None:
    for _ in range(MOST_OF_A_GRANT):
        await guess(replicas[0], os.urandom(32), True)
    await right(pools, RIGHT_FOR_A_WRONG * MOST_OF_A_GRANT)
    await refused(replicas[0], os.urandom(32))
    await right(pools, 1)
    await guess(replicas[1], os.urandom(32), True)
    await refused(replicas[0], os.urandom(32))


async def test_nobody_hides_behind_one_answer_that_he_knows(replicas: list[Guesses], pools: list[asyncpg.Pool]) -> None:
    await right(pools, 20 * MOST_OF_A_GRANT, os.urandom(32))
    for _ in range(MOST_OF_A_GRANT):
        await guess(replicas[0], os.urandom(32), True)
    await refused(replicas[1], os.urandom(32))


async def test_what_is_under_way_counts_as_wrong_until_it_is_known(
    replicas: list[Guesses], pools: list[asyncpg.Pool]
) -> None:
    asking = (replicas[n % 2].admit("g-1", os.urandom(32)) for n in range(MOST_OF_A_GRANT + 10))
    asked = await asyncio.gather(*asking, return_exceptions=True)
    admitted = [one for one in asked if isinstance(one, Guess)]
    assert len(admitted) == MOST_OF_A_GRANT
    assert await refused(replicas[0], os.urandom(32)) == 1
    await replicas[0].settle(admitted[0], "yes")
    await guess(replicas[0], os.urandom(32), None)
    await older(pools, "3 minutes")  # their process died
    await guess(replicas[0], os.urandom(32), True)


async def test_who_has_no_record_is_not_tried_out_either(replicas: list[Guesses], pools: list[asyncpg.Pool]) -> None:
    question = os.urandom(32)
    for n in range(MOST_WITHOUT_RECORD):
        asked = await replicas[n % 2].admit("g-1", question if n < 10 else os.urandom(32))
        await replicas[n % 2].settle(asked, "no_record")
    for replica in replicas:
        assert 0 < await refused(replica, os.urandom(32)) <= 3600
        await guess(replica, os.urandom(32), True, "g-2")
    await older(pools, "61 minutes")
    await guess(replicas[0], question, True)


async def test_what_no_rule_looks_at_is_forgotten(replicas: list[Guesses], pools: list[asyncpg.Pool]) -> None:
    await guess(replicas[0], os.urandom(32), True)
    await replicas[1].tick()
    assert await pools[0].fetchval("SELECT count(*) FROM exchange.guess") == 1
    await older(pools, "25 hours")
    await replicas[0].tick()
    await replicas[1].tick()
    assert await pools[0].fetchval("SELECT count(*) FROM exchange.guess") == 0


async def test_nothing_of_a_question_is_kept(replicas: list[Guesses], pools: list[asyncpg.Pool]) -> None:
    number = "990101199003070218"
    question = replicas[0].question("g-1", f"person {number}".encode())
    await guess(replicas[0], question, True)
    kept = await pools[0].fetchval("SELECT string_agg(guess::text, ' ') FROM exchange.guess")
    assert number not in kept
    assert number.encode().hex() not in kept


def test_a_question_belongs_to_one_grant_and_one_key() -> None:
    of, other = Guesses(None, KEY).question, Guesses(None, b"another key of thirty-two bytes!").question
    questions = [of("g", b"a"), of("h", b"a"), of("g", b"b"), other("g", b"a")]
    assert len(set(questions)) == len(questions)
    assert of("g", b"a") == questions[0]
    with pytest.raises(ValueError, match="32 bytes"):
        Guesses(None, b"short")


async def test_without_the_database_nothing_is_verified(replicas: list[Guesses], pools: list[asyncpg.Pool]) -> None:
    await pools[0].close()
    with pytest.raises(Refusal) as no:
        await replicas[0].admit("g-1", os.urandom(32))
    assert no.value.code is codes.SERVICE_UNREACHABLE
