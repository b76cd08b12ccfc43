"""Answers to questions with an Idempotency-Key: who asks again within a day gets the very same bytes, and nobody else
is asked.

A row of `exchange.answer` is claimed before the provider is asked. `running` becomes `ended` with the answer, or goes
away where the provider was never asked; where the process that held it died it becomes `unknown`, for the call may
have taken effect. Answers are personal data and sealed. All times are the database's, so that replicas agree.
Source: IETF draft-ietf-httpapi-idempotency-key-header; security.md F-27.
"""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable

import asyncpg
import msgspec
import structlog

from runtime.errors import Refusal
from runtime.seal import CannotOpen, Seal
from wire import codes
from wire.calls import CallMessage, ReplyMessage
from wire.catalog import Interface

log = structlog.get_logger()
KEPT_S = 24 * 3600
GRACE_S = 5.0
"""After the deadline of its call a holder that lives has ended."""
POLL_S = 0.05
STATEMENT_S = 5.0
PRUNED_AT_ONCE = 1000
AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

CLAIM = """
INSERT INTO exchange.answer AS a (key, question, state, call, held_until, expires)
VALUES ($1, $2, 'running', $3, now() + make_interval(secs => $4), now() + make_interval(secs => $5))
ON CONFLICT (key) DO UPDATE
SET question = EXCLUDED.question, state = 'running', call = EXCLUDED.call, held_until = EXCLUDED.held_until,
    expires = EXCLUDED.expires, reply = NULL, content = NULL
WHERE a.expires <= now()
RETURNING 1
"""
LOOK = "SELECT question, state, held_until <= now() AS abandoned, reply, content FROM exchange.answer WHERE key = $1"
FREE = "DELETE FROM exchange.answer WHERE key = $1 AND call = $2 AND state = 'running'"
END = """
UPDATE exchange.answer SET state = 'ended', reply = $3, content = $4
WHERE key = $1 AND call = $2 AND state IN ('running', 'unknown')
"""
GIVE_UP = "UPDATE exchange.answer SET state = 'unknown' WHERE key = $1 AND state = 'running' AND held_until <= now()"
LOSE = "UPDATE exchange.answer SET state = 'unknown' WHERE key = $1 AND call = $2 AND state = 'running'"
PRUNE = "DELETE FROM exchange.answer WHERE key IN (SELECT key FROM exchange.answer WHERE expires <= now() LIMIT $1)"

Ended = tuple[ReplyMessage, bytes]
Work = Callable[[], Awaitable[Ended]]
_reply_of = msgspec.json.Decoder(ReplyMessage).decode


def key_of(interface: str, message: CallMessage) -> bytes:
    """Where the answer is kept: 32 bytes of grant, interface and Idempotency-Key."""
    return _digest(message.grant, interface, message.idempotency_key)


def question_of(message: CallMessage, interface: Interface, body: bytes) -> bytes:
    """What was asked, and what of the answer may leave: 32 bytes. With claims, `body` is claims and question together.

    A grant that was narrowed since, or an interface that masks more, makes it another question: nothing may leave that
    would not leave now.
    """
    registered = msgspec.json.encode(
        [[(item.name, item.mask) for item in interface.fields if item.mask], interface.masks]
    )
    values = [part for pair in sorted(message.values.items()) for part in pair]
    media_type = message.content_type.partition(";")[0]
    masks = [part for pair in sorted(message.obligations.masks.items()) for part in pair]
    return _digest(
        message.method, message.path, *values, "?", message.query, message.mode, media_type.strip().lower(),
        *sorted(message.obligations.fields), "=", *masks, registered, body,
    )  # fmt: skip


def _digest(*parts: str | bytes) -> bytes:
    """SHA-256 of parts that cannot run into one another."""
    hashed = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        hashed.update(b"%d:" % len(data))
        hashed.update(data)
    return hashed.digest()


class Answers:
    """The answers that are kept."""

    def __init__(self, pool: asyncpg.Pool, seal: Seal) -> None:
        self._pool = pool
        self._seal = seal

    async def once(self, key: bytes, question: bytes, call: str, left_s: float, work: Work) -> Ended:
        """What `work` brings, or what it brought another call with this key; raises Refusal.

        call    id of this call      left_s  seconds until its deadline
        work    asks the provider; a refusal is a reply with a code, and `asked_ms` says whether the provider was asked
        """
        kept = await self._claim(key, question, call, left_s)
        if kept is not None:
            return kept
        try:
            reply, content = await work()
        except BaseException:
            await self._run(LOSE, key, call)
            raise
        if reply.code and not reply.asked_ms:
            await self._run(FREE, key, call)
        else:
            await self._run(END, key, call, *self._sealed(key, reply, content))
        return reply, content

    async def _claim(self, key: bytes, question: bytes, call: str, left_s: float) -> Ended | None:
        """None: the question is ours to ask. Otherwise the answer that is kept; raises Refusal."""
        loop = asyncio.get_running_loop()
        until = loop.time() + left_s
        while True:
            try:
                if await self._fetch(CLAIM, key, question, call, left_s + GRACE_S, KEPT_S) is not None:
                    return None
                row = await self._fetch(LOOK, key)
            except AWAY as error:
                log.error("answers.away", error=type(error).__name__)
                raise Refusal(codes.SERVICE_UNREACHABLE, "the kept answers cannot be reached", retry_after=1) from None
            if row is not None:  # None: it was freed in between, and can be claimed
                if (ended := await self._what_it_says(key, question, row)) is not None:
                    return ended
                if loop.time() + POLL_S >= until:
                    raise Refusal(codes.KEY_IN_USE, retry_after=1)
                await asyncio.sleep(POLL_S)

    async def _what_it_says(self, key: bytes, question: bytes, row: asyncpg.Record) -> Ended | None:
        """The kept answer, None while its call is under way; raises Refusal."""
        if bytes(row["question"]) != question:
            raise Refusal(codes.KEY_REUSED)
        if row["state"] == "ended":
            return self._opened(key, row)
        if row["state"] == "unknown":
            raise Refusal(codes.KEY_WITHOUT_END)
        if row["abandoned"]:
            await self._run(GIVE_UP, key)
        return None

    def _sealed(self, key: bytes, reply: ReplyMessage, content: bytes) -> tuple[bytes, bytes]:
        return self._seal.seal(msgspec.json.encode(reply), b"reply " + key), self._seal.seal(content, b"body " + key)

    def _opened(self, key: bytes, row: asyncpg.Record) -> Ended:
        try:
            reply = _reply_of(self._seal.open(row["reply"], b"reply " + key))
            return reply, self._seal.open(row["content"], b"body " + key)
        except (CannotOpen, msgspec.DecodeError) as error:
            log.error("answer.cannot_be_opened", reason=str(error))
            raise Refusal(codes.KEY_WITHOUT_END, "the kept answer cannot be read") from None

    async def _fetch(self, statement: str, *arguments: object) -> asyncpg.Record | None:
        return await self._pool.fetchrow(statement, *arguments, timeout=STATEMENT_S)

    async def _run(self, statement: str, *arguments: object) -> None:
        """Note how a call ended. Where that fails the answer still leaves; whoever asks again is told that it is not
        known."""
        try:
            await asyncio.shield(self._pool.execute(statement, *arguments, timeout=STATEMENT_S))
        except AWAY as error:
            log.error("answer.not_kept", error=type(error).__name__)

    async def tick(self) -> None:
        """Forget what is older than a day; every minute or so. Raises what the database raises."""
        while await self._pool.execute(PRUNE, PRUNED_AT_ONCE, timeout=STATEMENT_S) == f"DELETE {PRUNED_AT_ONCE}":
            pass


def replayed(reply: ReplyMessage, call: str) -> ReplyMessage:
    """An earlier answer as the answer to this call."""
    return msgspec.structs.replace(reply, call=call, replayed=True, asked_ms=0, answered_ms=0)
