"""Wrong verifications are counted, so that nobody finds out by trying what a verification was not to tell.

One question (contract.likeness) may go wrong five times in 24 hours. A grant has to wait after fifty wrong ones in an
hour, unless they were less than a tenth: somebody who tries values out is wrong nearly always, and an office that
checks what citizens state is not. A right question counts once, however often it is repeated, so that nobody hides
behind the one answer that he knows. After 200 questions in an hour about which there was no record, a grant waits as
well: who those are that a register does not know is worth knowing, too.

All is counted in PostgreSQL, for all replicas together: a verification is written down before the provider is asked,
and counts as wrong until its verdict is known. Source: 云南 29.

    guess = await guesses.admit(message.grant, guesses.question(message.grant, likeness(…)))
    try:
        …ask, judge…
    finally:
        await guesses.settle(guess, verdict.word)        # before the verdict leaves; None: there is none
"""

import hashlib
import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from exchange_service.contract.verdict import Word
from runtime.errors import Refusal
from wire import codes

MOST_OF_A_QUESTION: Final = 5
MOST_OF_A_GRANT: Final = 50
RIGHT_FOR_A_WRONG: Final = 9
"""A grant with more right questions than this for each wrong one goes on: less than a tenth is wrong."""
MOST_WITHOUT_RECORD: Final = 200
DAY: Final = timedelta(hours=24)
HOUR: Final = timedelta(hours=1)
UNDER_WAY: Final = timedelta(minutes=2)
"""Longer than any call may take: what has no verdict by then has lost its process."""
SHORTEST_KEY_BYTES: Final = 32
_DOMAIN: Final = b"tongdao/guess/1\n"
_WITHOUT_RECORD: Final = b"tongdao/guess/without-record/1\n"

_LOCK: Final = "SELECT pg_advisory_xact_lock($1)"
_OF_THE_QUESTION: Final = """
    SELECT at FROM exchange.guess
    WHERE question = $1 AND at > now() - $2::interval AND (wrong OR (wrong IS NULL AND at > now() - $3::interval))
    ORDER BY at DESC OFFSET $4 LIMIT 1
"""
_WITHOUT: Final = """
    SELECT at FROM exchange.guess WHERE question = $1 AND at > now() - $2::interval ORDER BY at DESC OFFSET $3 LIMIT 1
"""
_OF_THE_GRANT: Final = """
    SELECT count(*) FILTER (WHERE wrong) AS wrong, min(at) FILTER (WHERE wrong) AS first,
        count(*) FILTER (WHERE wrong IS NULL AND at > now() - $3::interval) AS under_way
    FROM exchange.guess WHERE grant_id = $1 AND at > now() - $2::interval
"""
_RIGHT: Final = """
    SELECT count(DISTINCT question) FROM exchange.guess WHERE grant_id = $1 AND at > now() - $2::interval AND NOT wrong
"""
_ADMIT: Final = "INSERT INTO exchange.guess (grant_id, question, at) VALUES ($1, $2, now()) RETURNING id"
_WAIT: Final = "SELECT greatest(1, ceil(extract(epoch FROM $1::timestamptz + $2::interval - now())))::int"
_NEVER_WAS: Final = "DELETE FROM exchange.guess WHERE id = $1"
_TOLD: Final = "UPDATE exchange.guess SET wrong = $2 WHERE id = $1"
_NOBODY: Final = "UPDATE exchange.guess SET wrong = false, question = $2 WHERE id = $1"


@dataclass(frozen=True, slots=True)
class Guess:
    """One verification that was written down."""

    number: int
    grant: str


class Guesses:
    """The counter. `key`: at least 32 bytes; questions are kept as HMACs: nobody can try numbers against them."""

    def __init__(self, pool: asyncpg.Pool, key: bytes) -> None:
        if len(key) < SHORTEST_KEY_BYTES:
            raise ValueError(f"the key of the guesses must have at least {SHORTEST_KEY_BYTES} bytes")
        self._pool = pool
        self._key = key

    def question(self, grant: str, likeness: bytes) -> bytes:
        """The digest of one question (contract.likeness) of a grant: 32 bytes."""
        return hmac.digest(self._key, _DOMAIN + grant.encode() + b"\n" + likeness, "sha256")

    def _without_record(self, grant: str) -> bytes:
        """In place of their question: what all of a grant's questions without a record have in common."""
        return hmac.digest(self._key, _WITHOUT_RECORD + grant.encode(), "sha256")

    async def admit(self, grant: str, question: bytes) -> Guess:
        """Raises Refusal(GUESSES_EXHAUSTED) with `retry_after`; otherwise this guess, to be settled."""
        async with self._connection() as connection, connection.transaction():
            lock = hashlib.sha256(grant.encode()).digest()[:8]  # a question belongs to one grant
            await connection.execute(_LOCK, int.from_bytes(lock, signed=True))
            last = await connection.fetchval(
                _OF_THE_QUESTION, question, DAY, UNDER_WAY, MOST_OF_A_QUESTION - 1
            )  # the oldest that has to be forgotten first
            if last is not None:
                raise await _exhausted(connection, "this question went wrong too often", last, DAY)
            last = await connection.fetchval(_WITHOUT, self._without_record(grant), HOUR, MOST_WITHOUT_RECORD - 1)
            if last is not None:
                raise await _exhausted(connection, "too many questions of this grant had no record", last, HOUR)
            await _check_hour(connection, grant)
            return Guess(await connection.fetchval(_ADMIT, grant, question), grant)

    async def settle(self, guess: Guess, word: Word | None) -> None:
        """The verdict is known; None: there is none, and the guess never was."""
        async with self._connection() as connection:
            if word is None:
                await connection.execute(_NEVER_WAS, guess.number)
            elif word == "no_record":
                await connection.execute(_NOBODY, guess.number, self._without_record(guess.grant))
            else:
                await connection.execute(_TOLD, guess.number, word == "no")

    async def tick(self) -> None:
        """Forget what no rule looks at any more. Every minute or so; safe to repeat."""
        async with self._connection() as connection:
            await connection.execute("DELETE FROM exchange.guess WHERE at < now() - $1::interval", DAY)

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Without the database nothing can be counted, and so nothing verified."""
        try:
            async with self._pool.acquire() as connection:
                yield connection
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            raise Refusal(codes.SERVICE_UNREACHABLE, f"the counter of guesses: {type(error).__name__}") from None


async def _check_hour(connection: asyncpg.Connection, grant: str) -> None:
    """Raise Refusal where too much of a grant's last hour was wrong, or may turn out to be."""
    hour = await connection.fetchrow(_OF_THE_GRANT, grant, HOUR, UNDER_WAY)
    wrong = hour["wrong"] + hour["under_way"]
    if wrong < MOST_OF_A_GRANT or RIGHT_FOR_A_WRONG * wrong < await connection.fetchval(_RIGHT, grant, HOUR):
        return
    if hour["wrong"] < MOST_OF_A_GRANT:
        raise Refusal(codes.GUESSES_EXHAUSTED, "too many verifications of this grant are under way", retry_after=1)
    raise await _exhausted(connection, "too many questions of this grant went wrong", hour["first"], HOUR)


async def _exhausted(connection: asyncpg.Connection, why: str, since: datetime, kept: timedelta) -> Refusal:
    """The refusal, with the time until something is forgotten."""
    return Refusal(codes.GUESSES_EXHAUSTED, why, retry_after=await connection.fetchval(_WAIT, since, kept))
