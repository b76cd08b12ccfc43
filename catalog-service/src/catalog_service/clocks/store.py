"""The table of clocks. Columns hold what the database has to know; `entry` is the whole as JSON bytes."""

from collections.abc import Collection, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import (
    Column,
    DateTime,
    LargeBinary,
    MetaData,
    Select,
    Table,
    Text,
    func,
    literal,
    or_,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.clocks.model import Clock
from catalog_service.clocks.states import State
from catalog_service.notices.model import Subject
from catalog_service.policy.store import CALENDARS

Moment = DateTime(timezone=True)
clock = Table(
    "clock",
    MetaData(schema="catalog"),
    Column("id", Text, primary_key=True),
    Column("subject_kind", Text, nullable=False),
    Column("subject_id", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("responsible", Text, nullable=False),
    Column("counterpart", Text, nullable=False),
    Column("region", Text, nullable=False),
    Column("started_at", Moment, nullable=False),
    Column("due_at", Moment, nullable=False),
    Column("ended_at", Moment),
    Column("next_look_at", Moment),
    Column("entry", LargeBinary, nullable=False),
)
_LOOKED_AFTER = ("id", "subject_kind", "subject_id", "key", "responsible", "counterpart", "region", "started_at")


async def hold_calendars(tx: AsyncConnection) -> None:
    """Until the transaction ends nobody imports a year, so that no clock is reckoned by a calendar that is gone.

    Every flow that touches clocks takes this before them; the import takes the same lock for itself alone.
    """
    await tx.execute(select(func.pg_advisory_xact_lock_shared(func.hashtextextended(CALENDARS, 0))))


async def keep_clock(tx: AsyncConnection, one: Clock, next_look_at: datetime | None) -> None:
    """Insert or replace."""
    new = insert(clock).values(
        id=one.id, subject_kind=one.subject.kind, subject_id=one.subject.id, key=one.key, state=one.state,
        responsible=one.responsible, counterpart=one.counterpart, region=one.region, started_at=one.started_at,
        due_at=one.due_at, ended_at=one.ended_at, next_look_at=next_look_at, entry=msgspec.json.encode(one),
    )  # fmt: skip
    changes = {c.name: new.excluded[c.name] for c in clock.columns if c.name not in _LOOKED_AFTER}
    await tx.execute(new.on_conflict_do_update(index_elements=[clock.c.id], set_=changes))


async def keep_passed(tx: AsyncConnection, one: Clock) -> None:
    """A clock whose end has passed, whose next reminder stands."""
    entry = msgspec.json.encode(one)
    await tx.execute(update(clock).where(clock.c.id == one.id).values(due_at=one.due_at, entry=entry))


async def running_of(tx: AsyncConnection, subject: Subject, keys: Collection[str] = ()) -> list[Clock]:
    """Clocks of a subject that have not ended, held for change. keys (): all"""
    wanted = _running().where(clock.c.subject_kind == subject.kind, clock.c.subject_id == subject.id)
    return await _all(tx, wanted.where(clock.c.key.in_(keys)) if keys else wanted)


async def running_in(tx: AsyncConnection, region: str) -> list[Clock]:
    """Every clock that runs by a region's calendar, held for change."""
    return await _all(tx, _running().where(clock.c.region == region))


def _running() -> Select[bytes]:
    """In one order, so that no two who hold several wait for each other."""
    return select(clock.c.entry).where(clock.c.ended_at.is_(None)).order_by(clock.c.id).with_for_update()


async def next_due(tx: AsyncConnection, at: datetime) -> Clock | None:
    """A clock that has to be looked at and that nobody else is looking at, held for change."""
    wanted = select(clock.c.entry).where(clock.c.next_look_at <= at)
    first = wanted.order_by(clock.c.next_look_at, clock.c.id).limit(1).with_for_update(skip_locked=True)
    return next(iter(await _all(tx, first)), None)


async def look_later(tx: AsyncConnection, clock_id: str, at: datetime) -> None:
    """Come back to a clock at another time."""
    later = update(clock).where(clock.c.id == clock_id, clock.c.next_look_at.is_not(None))
    await tx.execute(later.values(next_look_at=at))


async def of_subjects(tx: AsyncConnection, subjects: Sequence[Subject]) -> list[Clock]:
    """All clocks of these, ended ones too, in the order in which they started."""
    names = [(subject.kind, subject.id) for subject in subjects]
    wanted = select(clock.c.entry).where(tuple_(clock.c.subject_kind, clock.c.subject_id).in_(names))
    return await _all(tx, wanted.order_by(clock.c.id))


async def page_of_clocks(
    tx: AsyncConnection, *, seen_by: str | None, state: State | None, responsible: str, after: str, limit: int
) -> list[Clock]:
    """seen_by  a department that is on one of the sides, "" sees none, None all    responsible  "" for any"""
    wanted = select(clock.c.entry).where(clock.c.id > after).order_by(clock.c.id).limit(limit)
    if seen_by is not None:
        wanted = wanted.where(
            literal(seen_by) != "", or_(clock.c.responsible == seen_by, clock.c.counterpart == seen_by)
        )
    if state is not None:
        wanted = wanted.where(clock.c.state == state)
    return await _all(tx, wanted.where(clock.c.responsible == responsible) if responsible else wanted)


async def _all(tx: AsyncConnection, wanted: Select[bytes]) -> list[Clock]:
    return [msgspec.json.decode(entry, type=Clock) for entry in (await tx.execute(wanted)).scalars()]
