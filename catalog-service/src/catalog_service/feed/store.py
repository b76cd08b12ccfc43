"""The tables of the feed and the outbox.

`feed_head` is one row. Whoever publishes takes the next revision from it and so holds it until the end of the
transaction: revisions have no gaps, and their order is the order of commit. Hence publish last, and briefly.
"""

import msgspec
from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    LargeBinary,
    MetaData,
    Table,
    Text,
    column,
    func,
    insert,
    or_,
    select,
    table,
    text,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.ext.asyncio import AsyncConnection

from runtime.outbox import outbox_table
from wire.catalog import Entry, Feed, Kind

SCHEMA = "catalog"
CHANNEL = "catalog_feed"
metadata = MetaData(schema=SCHEMA)
outbox = outbox_table(metadata, SCHEMA)
feed_head = Table("feed_head", metadata, Column("revision", BigInteger, nullable=False))
feed = Table(
    "feed",
    metadata,
    Column("revision", BigInteger, primary_key=True, autoincrement=False),
    Column("kind", Text, nullable=False),
    Column("id", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
)
follower = Table(
    "follower",
    metadata,
    Column("name", Text, primary_key=True),
    Column("revision", BigInteger, nullable=False),
    Column("seen", DateTime(timezone=True), nullable=False),
)
SEEN_EVERY = text("interval '5 s'")
SEEN_LATELY = text("interval '30 s'")
"""A gateway that has not been heard of for so long refuses every call by itself."""


async def lock(tx: AsyncConnection, name: str) -> None:
    """One writer at a time for whatever `name` stands for, until the transaction ends."""
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(name, 0))))


async def next_revision(tx: AsyncConnection) -> int:
    """The next revision; everybody else who publishes waits until this transaction has ended."""
    taken = update(feed_head).values(revision=feed_head.c.revision + 1).returning(feed_head.c.revision)
    return int((await tx.execute(taken)).scalar_one())


async def append(tx: AsyncConnection, revision: int, kind: Kind, thing_id: str, body: bytes) -> None:
    """Add one entry and ring the bell, which sounds at commit."""
    await tx.execute(insert(feed).values(revision=revision, kind=kind, id=thing_id, body=body))
    await tx.execute(select(func.pg_notify(CHANNEL, str(revision))))


async def head(connection: AsyncConnection) -> int:
    """The newest revision, 0 where nothing was ever published."""
    return int((await connection.execute(select(feed_head.c.revision))).scalar_one())


async def entries_after(connection: AsyncConnection, revision: int, limit: int) -> Feed:
    """At most `limit` entries after `revision`, with the head, in one statement and so of one moment."""
    wanted = (
        select(feed_head.c.revision.label("head"), feed.c.revision, feed.c.kind, feed.c.id, feed.c.body)
        .select_from(feed_head.outerjoin(feed, feed.c.revision > revision))
        .order_by(feed.c.revision)
        .limit(limit)
    )
    rows = (await connection.execute(wanted)).all()
    entries = [
        Entry(revision=row.revision, kind=row.kind, id=row.id, body=msgspec.Raw(row.body))
        for row in rows
        if row.revision is not None
    ]
    return Feed(head=rows[0].head, entries=entries)


async def keep_follower(tx: AsyncConnection, name: str, revision: int) -> None:
    """How far this follower has come; written when that has changed, or a while after it was last written."""
    new = upsert(follower).values(name=name, revision=revision, seen=func.now())
    worth_it = or_(follower.c.revision != new.excluded.revision, follower.c.seen < func.now() - SEEN_EVERY)
    known = {"revision": new.excluded.revision, "seen": new.excluded.seen}
    await tx.execute(new.on_conflict_do_update(index_elements=[follower.c.name], set_=known, where=worth_it))


async def part_with(tx: AsyncConnection, name: str) -> None:
    """This follower counts as not seen lately, until it asks again."""
    await tx.execute(update(follower).where(follower.c.name == name).values(seen=func.to_timestamp(0)))


async def slowest(tx: AsyncConnection) -> int | None:
    """The revision that every gateway which runs acts on: what is not above it is live. No gateway, no proof: None."""
    seen = select(func.min(follower.c.revision)).where(follower.c.seen > func.now() - SEEN_LATELY)
    revision: int | None = (await tx.execute(seen)).scalar_one()
    return revision


async def standing_of(tx: AsyncConnection, department: str) -> str:
    """The standing of an actor's department, "" for one that is not in the directory."""
    of_the_directory = table("department", schema=SCHEMA)
    wanted = select(column("standing", Text)).select_from(of_the_directory).where(column("id") == department)
    return str((await tx.execute(wanted)).scalar_one_or_none() or "")
