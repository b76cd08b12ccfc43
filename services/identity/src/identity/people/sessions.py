"""Sessions: a random cookie whose digest lies in PostgreSQL, so that they end on every replica at once.

A session ends when it was not used for a while, at a fixed age, or when its owner, or security administration, ends it.
Its refresh tokens go with it, and the access tokens that came of them are revoked.

Locks are taken in one order everywhere: the person (where they change or come in), their sessions by number, then codes
and refresh tokens. Whoever holds a session's lock sees everything that was issued in it.
"""

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Delete, Select

from identity.people.lockout import Place
from identity.people.model import Limits, Session, digest
from identity.people.tables import refresh_token, session
from identity.revoking import of_token, revoke

SEEN_EVERY = timedelta(seconds=30)
"""How exactly it is kept when a session was used last."""
SECOND_LIFE = timedelta(minutes=5)
"""How long somebody whose password was right may take for the second factor."""
COLUMNS = (
    session.c.number, session.c.person, session.c.stage, session.c.means, session.c.created_at,
    session.c.signed_in_at, session.c.seen_at, session.c.address, session.c.agent,
)  # fmt: skip


def alive(limits: Limits, now: datetime) -> ColumnElement[bool]:
    """The condition on a session that has not run out."""
    in_use = (session.c.created_at > limits.begun_after(now)) & (session.c.seen_at > limits.seen_after(now))
    return in_use & or_(session.c.stage != "second", session.c.created_at > now - SECOND_LIFE)


def _select(*conditions: ColumnElement[bool]) -> Select[Any]:
    return select(*COLUMNS).where(*conditions)


def session_of(row: Any) -> Session:
    """The session of a row of COLUMNS."""
    return Session(*row)


async def begin(transaction: AsyncConnection, person: UUID, stage: str, means: str, place: Place, at: datetime) -> str:
    """A new session's cookie. Every step of signing in begins a new one: no cookie from before is worth more after."""
    cookie = secrets.token_urlsafe(32)
    values = {
        "digest": digest(cookie), "number": uuid4(), "person": person, "stage": stage, "means": means,
        "created_at": at, "signed_in_at": at, "seen_at": at, "address": place.address[:64], "agent": place.agent[:200],
    }  # fmt: skip
    await transaction.execute(insert(session).values(values))
    return cookie


async def find(transaction: AsyncConnection, cookie: str, limits: Limits, now: datetime) -> Session | None:
    """The session of this cookie, None if it has ended; notes that it was used."""
    row = (await transaction.execute(_select(session.c.digest == digest(cookie), alive(limits, now)))).one_or_none()
    if row is None:
        return None
    found = session_of(row)
    if found.seen_at < now - SEEN_EVERY:
        await transaction.execute(update(session).where(session.c.number == found.number).values(seen_at=now))
    return found


async def list_of(transaction: AsyncConnection, person: UUID, limits: Limits, now: datetime) -> Sequence[Session]:
    """Somebody's sessions that have not ended, the newest first."""
    rows = await transaction.execute(
        _select(session.c.person == person, session.c.stage != "second", alive(limits, now)).order_by(
            session.c.signed_in_at.desc()
        )
    )
    return [session_of(row) for row in rows]


def locked(*conditions: ColumnElement[bool]) -> Select[tuple[UUID]]:
    """The numbers of these sessions, which nobody else uses until the transaction ends."""
    return select(session.c.number).where(*conditions).order_by(session.c.number).with_for_update()


async def end(transaction: AsyncConnection, numbers: Collection[UUID], at: datetime) -> int:
    """End these sessions, with everything that was issued in them; answers how many were still there."""
    return await _end(transaction, session.c.number.in_(numbers), at) if numbers else 0


async def end_all(transaction: AsyncConnection, person: UUID, at: datetime) -> int:
    """End all of somebody's sessions; answers how many there were."""
    return await _end(transaction, session.c.person == person, at)


async def _end(transaction: AsyncConnection, which: ColumnElement[bool], at: datetime) -> int:
    numbers = (await transaction.execute(locked(which))).scalars().all()
    await revoke_tokens(transaction, refresh_token.c.session.in_(numbers), at)
    await transaction.execute(delete(session).where(session.c.number.in_(numbers)))
    return len(numbers)


async def revoke_all(transaction: AsyncConnection, person: UUID, at: datetime) -> None:
    """Revoke what was issued in somebody's sessions, which go on."""
    numbers = (await transaction.execute(locked(session.c.person == person))).scalars().all()
    await revoke_tokens(transaction, refresh_token.c.session.in_(numbers), at)


async def give_back(transaction: AsyncConnection, secret: str, client: str, at: datetime) -> UUID | None:
    """End the authorization of a refresh token of this client; answers whose it was, None for what is none."""
    mine = (refresh_token.c.digest == digest(secret)) & (refresh_token.c.client == client)
    found = select(refresh_token.c.family, refresh_token.c.session).where(mine)
    row = (await transaction.execute(found)).one_or_none()
    if row is None or not (await transaction.execute(locked(session.c.number == row.session))).all():
        return None
    await end_family(transaction, row.family, at)
    owner = select(session.c.person).where(session.c.number == row.session)
    whose: UUID = (await transaction.execute(owner)).scalar_one()
    return whose


async def end_family(transaction: AsyncConnection, family: UUID, at: datetime) -> None:
    """Revoke everything that came of one authorization; the lock of its session is held."""
    await revoke_tokens(transaction, refresh_token.c.family == family, at)
    await transaction.execute(delete(refresh_token).where(refresh_token.c.family == family))


async def revoke_tokens(transaction: AsyncConnection, condition: ColumnElement[bool], at: datetime) -> None:
    """Revoke the access tokens that these refresh tokens came with and that could still be good."""
    issued = select(refresh_token.c.token_id, refresh_token.c.token_until).where(
        condition, refresh_token.c.token_until > at
    )
    rows = (await transaction.execute(issued)).all()
    tokens = [of_token(row.token_id, int(row.token_until.timestamp())) for row in rows]
    await revoke(transaction, *tokens, at=at)


def forget_sessions(limits: Limits, now: datetime) -> Delete:
    """Sessions that have run out: their tokens have too, or will within five minutes."""
    idle = select(session.c.number).where(~alive(limits, now)).order_by(session.c.number)
    return delete(session).where(session.c.number.in_(idle.with_for_update(skip_locked=True)))
