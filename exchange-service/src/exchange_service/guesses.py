"""Wrong verifications are counted, so that nobody finds out by trying what a verification was not to tell.

One question may go wrong five times in 24 hours; a grant whose verifications of the last hour were wrong fifty times,
and mostly wrong, has to wait. Both are counted in PostgreSQL, for all replicas together: a verification is written down
before the provider is asked, and counts as wrong for its question until its verdict is known. Source: 云南 29.

    guess = await guesses.admit(message.grant, guesses.question(message.grant, path, values, query, question_body))
    try:
        …ask, judge…
        await guesses.settle(guess, verdict.wrong)       # before the verdict leaves
    except BaseException:
        await guesses.settle(guess, None)                # no verdict: it never was
        raise
"""

import hmac
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Final

import asyncpg
import msgspec

from runtime.errors import Refusal
from wire import codes

MOST_OF_A_QUESTION: Final = 5
MOST_OF_A_GRANT: Final = 50
DAY: Final = timedelta(hours=24)
HOUR: Final = timedelta(hours=1)
UNDER_WAY: Final = timedelta(minutes=2)
"""Longer than any call may take: what has no verdict by then has lost its process."""
SHORTEST_KEY_BYTES: Final = 32
_DOMAIN: Final = b"tongdao/guess/1\n"

_LOCK: Final = "SELECT pg_advisory_xact_lock($1)"
_OF_THE_QUESTION: Final = """
    SELECT at FROM exchange.guess
    WHERE question = $1 AND at > now() - $2::interval AND (wrong OR (wrong IS NULL AND at > now() - $3::interval))
    ORDER BY at DESC OFFSET $4 LIMIT 1
"""
_OF_THE_GRANT: Final = """
    SELECT count(*) FILTER (WHERE wrong) AS wrong, count(wrong) AS told, min(at) FILTER (WHERE wrong) AS first
    FROM exchange.guess WHERE grant_id = $1 AND at > now() - $2::interval
"""
_ADMIT: Final = "INSERT INTO exchange.guess (grant_id, question, at) VALUES ($1, $2, now()) RETURNING id"
_WAIT: Final = "SELECT greatest(1, ceil(extract(epoch FROM $1::timestamptz + $2::interval - now())))::int"


class Guesses:
    """The counter. `key`: at least 32 bytes; questions are kept as HMACs: nobody can try numbers against them."""

    def __init__(self, pool: asyncpg.Pool, key: bytes) -> None:
        if len(key) < SHORTEST_KEY_BYTES:
            raise ValueError(f"the key of the guesses must have at least {SHORTEST_KEY_BYTES} bytes")
        self._pool = pool
        self._key = key

    def question(self, grant: str, path: str, values: Mapping[str, str], query: str, body: bytes) -> bytes:
        """The digest of one question: 32 bytes. `path` is the operation's template, `body` the question's."""
        head = msgspec.json.encode([grant, path, sorted(values.items()), query])
        return hmac.digest(self._key, _DOMAIN + head + b"\n" + body, "sha256")

    async def admit(self, grant: str, question: bytes) -> int:
        """Raises Refusal(GUESSES_EXHAUSTED) with `retry_after`; otherwise the id of this guess, to be settled."""
        async with self._connection() as connection, connection.transaction():
            await connection.execute(_LOCK, int.from_bytes(question[:8], signed=True))
            last = await connection.fetchval(
                _OF_THE_QUESTION, question, DAY, UNDER_WAY, MOST_OF_A_QUESTION - 1
            )  # the oldest that has to be forgotten first
            if last is not None:
                wait_s = await connection.fetchval(_WAIT, last, DAY)
                raise Refusal(codes.GUESSES_EXHAUSTED, "this question went wrong too often", retry_after=wait_s)
            hour = await connection.fetchrow(_OF_THE_GRANT, grant, HOUR)
            if hour["wrong"] >= MOST_OF_A_GRANT and 2 * hour["wrong"] > hour["told"]:
                wait_s = await connection.fetchval(_WAIT, hour["first"], HOUR)
                raise Refusal(codes.GUESSES_EXHAUSTED, "most questions of this grant went wrong", retry_after=wait_s)
            return int(await connection.fetchval(_ADMIT, grant, question))

    async def settle(self, guess: int, wrong: bool | None) -> None:
        """The verdict is known; None: there is none, and the guess never was."""
        async with self._connection() as connection:
            if wrong is None:
                await connection.execute("DELETE FROM exchange.guess WHERE id = $1", guess)
            else:
                await connection.execute("UPDATE exchange.guess SET wrong = $2 WHERE id = $1", guess, wrong)

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
