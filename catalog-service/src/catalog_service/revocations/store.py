"""The table of revocations. `entry` is the whole one as published."""

import msgspec
from sqlalchemy import BigInteger, Column, LargeBinary, MetaData, Table, Text, delete, func, or_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from wire.catalog import Revocation

metadata = MetaData(schema="catalog")
revocations = Table(
    "revocation",
    metadata,
    Column("id", Text, primary_key=True),
    Column("before", BigInteger, nullable=False),
    Column("until", BigInteger, nullable=False),
    Column("entry", LargeBinary, nullable=False),
)


async def keep(tx: AsyncConnection, revocation: Revocation) -> Revocation | None:
    """The revocation as it stands now, or None where nothing new was said.

    The same one twice reaches as far as the farther of both: it never becomes less.
    """
    table = revocations.c
    new = insert(revocations).values(
        id=revocation.id, before=revocation.before, until=revocation.until, entry=msgspec.json.encode(revocation)
    )
    farther = {
        "before": func.greatest(table.before, new.excluded.before),
        "until": func.greatest(table.until, new.excluded.until),
    }
    worth_it = or_(new.excluded.before > table.before, new.excluded.until > table.until)
    kept = new.on_conflict_do_update(index_elements=[table.id], set_=farther, where=worth_it)
    row = (await tx.execute(kept.returning(table.before, table.until))).one_or_none()
    if row is None:
        return None
    standing = msgspec.structs.replace(revocation, before=row.before, until=row.until)
    if standing != revocation:
        entry = msgspec.json.encode(standing)
        await tx.execute(revocations.update().where(table.id == standing.id).values(entry=entry))
    return standing


async def take_past(tx: AsyncConnection, now: int, limit: int) -> list[Revocation]:
    """Take out at most `limit` that no token could need any more at the Unix second `now`."""
    past = revocations.select().with_only_columns(revocations.c.id).where(revocations.c.until < now)
    some = past.order_by(revocations.c.id).limit(limit).with_for_update(skip_locked=True)
    gone = delete(revocations).where(revocations.c.id.in_(some)).returning(revocations.c.entry)
    return [msgspec.json.decode(entry, type=Revocation) for entry in (await tx.execute(gone)).scalars()]
