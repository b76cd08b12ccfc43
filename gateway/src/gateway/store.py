"""What gateways share in PostgreSQL: who runs, shares of rates, what was taken of quotas.

A transaction that deals out a grant's rate holds that grant's advisory lock; renewing does not, and so only ever makes
a share less. Times are the database's.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    MetaData,
    Table,
    Text,
    delete,
    func,
    literal,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.ext.asyncio import AsyncConnection

from gateway.rates import fair, pooled

LIFE_S = 3.0
"""A share lasts so long unless it is renewed; a gateway that was silent for longer is missing."""
REMEMBERED_S = 120.0
"""A missing gateway may still be at work, cut off from here: its portion of every rate is kept free for so long."""
_LIFE = timedelta(seconds=LIFE_S)
_REMEMBERED = timedelta(seconds=REMEMBERED_S)
_KEPT = timedelta(days=1)
_REPLICAS_LOCK = 0x7265706C
_GRANT_SEED = 0x72617465

metadata = MetaData(schema="gateway")
replica = Table(
    "replica",
    metadata,
    Column("name", Text, primary_key=True),
    Column("seen_at", DateTime(timezone=True), nullable=False),
    Column("portion", Double, nullable=False),
    Column("by_itself", Boolean, nullable=False),
)
share = Table(
    "share",
    metadata,
    Column("grant_id", Text, primary_key=True),
    Column("replica", Text, primary_key=True),
    Column("per_s", Double, nullable=False),
    Column("wanted", Double, nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
)
pool = Table(
    "pool",
    metadata,
    Column("grant_id", Text, primary_key=True),
    Column("level", Double, nullable=False),
    Column("per_s", Double, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
)
quota = Table(
    "quota",
    metadata,
    Column("grant_id", Text, primary_key=True),
    Column("period", Text, primary_key=True),
    Column("taken", BigInteger, nullable=False),
    Column("until", DateTime(timezone=True), nullable=False),
)


# --- who runs -------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Standing:
    """How things stand among gateways.

    replicas  gateways that run or are missing, this one too
    missing   whether one of them is not heard of, or works by itself: then each keeps to its portion of every rate
    portion   part of every rate that this gateway may use whatever happens; of all together at most 1
    """

    replicas: int
    missing: bool
    portion: float


async def beat(tx: AsyncConnection, name: str, portion: float, *, by_itself: bool) -> Standing:
    """Say that this gateway runs, and that it would have this portion of every rate; it gets what is left of it.

    by_itself  it works without the others just now
    """
    await tx.execute(select(func.pg_advisory_xact_lock(_REPLICAS_LOCK)))
    now = func.clock_timestamp()
    await tx.execute(delete(replica).where(replica.c.seen_at < now - _REMEMBERED))
    is_missing = replica.c.by_itself | (replica.c.seen_at <= now - _LIFE)
    others = (await tx.execute(select(replica.c.portion, is_missing).where(replica.c.name != name))).all()
    left = max(0.0, 1 - sum(other.portion for other in others))
    mine = min(portion, left)
    said = insert(replica).values(name=name, seen_at=now, portion=mine, by_itself=by_itself)
    new = said.excluded
    known = {"seen_at": new.seen_at, "portion": new.portion, "by_itself": new.by_itself}
    await tx.execute(said.on_conflict_do_update(index_elements=[replica.c.name], set_=known))
    return Standing(len(others) + 1, any(missing for _, missing in others), mine)


async def leave(tx: AsyncConnection, name: str) -> None:
    """This gateway stops: what it holds is free at once."""
    now = func.clock_timestamp()
    held = share.c.replica == name
    await tx.execute(update(share).where(held, share.c.until > now).values(until=now))
    await tx.execute(delete(replica).where(replica.c.name == name))


# --- rates ------------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Request:
    """What a gateway asks of a grant's rate.

    rate, burst  the grant's                    held  what the gateway holds already
    wanted       for what is asked of it        most  it may not get more, whatever is free
    """

    grant: str
    rate: float
    burst: int
    wanted: float
    held: float
    most: float
    replicas: int


async def ask(tx: AsyncConnection, name: str, asked: Request) -> tuple[float, float]:
    """The share that the gateway holds for LIFE_S from now on, and the calls out of the pool that come with it."""
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(asked.grant, _GRANT_SEED))))
    at: datetime = (await tx.execute(select(func.clock_timestamp()))).scalar_one()
    lapsed = await _end_lapsed(tx, asked.grant, at)
    held = 0.0 if name in lapsed else asked.held
    other = select(share.c.per_s, share.c.wanted).where(
        share.c.grant_id == asked.grant, share.c.replica != name, (share.c.per_s > 0) | (share.c.until > at)
    )
    others = (await tx.execute(other)).all()
    free = max(0.0, asked.rate - sum(one.per_s for one in others) - held)
    level = await _pool_level(tx, asked, free, lapsed, at)
    part = fair(asked.rate, asked.wanted, [one.wanted for one in others], asked.replicas)
    per_s = min(asked.most, max(held, min(part, held + free)))
    credit = level * max(0.0, per_s - held) / free if free else 0.0
    mine = {"per_s": per_s, "wanted": asked.wanted, "until": at + _LIFE}
    said = insert(share).values(grant_id=asked.grant, replica=name, **mine)
    await tx.execute(said.on_conflict_do_update(index_elements=[share.c.grant_id, share.c.replica], set_=mine))
    left = {"level": level - credit, "per_s": max(0.0, free - max(0.0, per_s - held)), "at": at}
    put = insert(pool).values(grant_id=asked.grant, **left)
    await tx.execute(put.on_conflict_do_update(index_elements=[pool.c.grant_id], set_=left))
    return per_s, credit


async def _end_lapsed(tx: AsyncConnection, grant: str, at: datetime) -> dict[str, tuple[float, float]]:
    """Shares that nobody renewed become nothing, for good: replica -> (calls per second, seconds since its end).

    One that is being renewed at this moment is left alone, and counts.
    """
    ended = select(share.c.replica, share.c.per_s, share.c.until).where(
        share.c.grant_id == grant, share.c.per_s > 0, share.c.until <= at
    )
    rows = (await tx.execute(ended.with_for_update(skip_locked=True))).all()
    if rows:
        named = share.c.replica.in_([row.replica for row in rows])
        await tx.execute(update(share).where(share.c.grant_id == grant, named).values(per_s=0.0))
    return {row.replica: (row.per_s, (at - row.until).total_seconds()) for row in rows}


async def _pool_level(
    tx: AsyncConnection, asked: Request, free: float, lapsed: Mapping[str, tuple[float, float]], at: datetime
) -> float:
    """Calls in the pool; of a grant that was not asked for lately the whole burst."""
    cap = asked.burst * free / asked.rate
    known = (
        await tx.execute(select(pool.c.level, pool.c.per_s, pool.c.at).where(pool.c.grant_id == asked.grant))
    ).first()
    if known is None:
        return cap
    return pooled(known.level, known.per_s, (at - known.at).total_seconds(), lapsed.values(), cap)


async def wants(tx: AsyncConnection, name: str, grants: Sequence[str]) -> dict[str, list[float]]:
    """What other gateways want of these grants, calls per second."""
    other = select(share.c.grant_id, share.c.wanted).where(
        share.c.grant_id == func.any(literal(list(grants), ARRAY(Text))),
        share.c.replica != name, share.c.until > func.clock_timestamp(),
    )  # fmt: skip
    found: dict[str, list[float]] = {}
    for row in await tx.execute(other):
        found.setdefault(row.grant_id, []).append(row.wanted)
    return found


async def renew(tx: AsyncConnection, name: str, held: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """Hold on to shares for LIFE_S more: grant -> (calls per second, wanted). What is held then; ended ones are not."""
    columns = [list(held), [per_s for per_s, _ in held.values()], [wanted for _, wanted in held.values()]]
    kinds = (Text, Double, Double)
    given = func.unnest(
        *(literal(column, ARRAY(kind)) for column, kind in zip(columns, kinds, strict=True))
    ).table_valued("grant_id", "per_s", "wanted").render_derived("given")  # fmt: skip
    now = func.clock_timestamp()
    more = (
        update(share)
        .where(share.c.replica == name, share.c.grant_id == given.c.grant_id, share.c.until > now)
        .values(per_s=func.least(share.c.per_s, given.c.per_s), wanted=given.c.wanted, until=now + _LIFE)
        .returning(share.c.grant_id, share.c.per_s)
    )
    return {row.grant_id: row.per_s for row in await tx.execute(more)}


# --- quotas -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Block:
    """Calls to be taken of a quota.

    known  as many were taken when the gateway looked last: it counts where the row was lost
    """

    grant: str
    period: str
    n: int
    limit: int
    until: datetime
    known: int = 0


async def lease(tx: AsyncConnection, block: Block) -> int | None:
    """Take the block; how many calls are taken then, None where so many are not left."""
    more, is_left = quota.c.taken + block.n, quota.c.taken + block.n <= block.limit
    statement: Any
    if block.known + block.n <= block.limit:
        first = insert(quota).values(
            grant_id=block.grant, period=block.period, taken=block.known + block.n, until=block.until
        )
        key = [quota.c.grant_id, quota.c.period]
        statement = first.on_conflict_do_update(index_elements=key, set_={"taken": more}, where=is_left)
    else:
        of_it = (quota.c.grant_id == block.grant, quota.c.period == block.period)
        statement = update(quota).where(*of_it, is_left).values(taken=more)
    taken: int | None = (await tx.execute(statement.returning(quota.c.taken))).scalar_one_or_none()
    return taken


async def give_back(tx: AsyncConnection, grant: str, period: str, n: int) -> None:
    """Calls that were leased and not made."""
    of_it = (quota.c.grant_id == grant, quota.c.period == period)
    await tx.execute(update(quota).where(*of_it).values(taken=func.greatest(0, quota.c.taken - n)))


async def taken(tx: AsyncConnection, grants: Sequence[str], periods: Sequence[str]) -> dict[tuple[str, str], int]:
    """What was taken: (grant, period) -> calls; nothing stands for none."""
    wanted = select(quota.c.grant_id, quota.c.period, quota.c.taken).where(
        quota.c.grant_id == func.any(literal(list(grants), ARRAY(Text))), quota.c.period.in_(list(periods))
    )
    return {(row.grant_id, row.period): row.taken for row in await tx.execute(wanted)}


async def forget(tx: AsyncConnection) -> None:
    """Take away what says nothing any more. Safe to repeat."""
    long_ago = func.clock_timestamp() - _KEPT
    await tx.execute(delete(share).where(share.c.until < long_ago))
    await tx.execute(delete(pool).where(pool.c.at < long_ago))
    await tx.execute(delete(quota).where(quota.c.until < long_ago))
