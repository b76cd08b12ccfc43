"""What gateways share in PostgreSQL: who runs, shares of rates, what was taken of quotas.

A transaction that deals out a grant's rate holds that grant's advisory lock; renewing does not, and so only ever makes
a share less. Times are the database's.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import asyncpg
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    MetaData,
    Table,
    TableValuedAlias,
    Text,
    delete,
    func,
    literal,
    select,
    tuple_,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, insert
from sqlalchemy.exc import DataError, IntegrityError, ProgrammingError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.rates import fair, pooled

PATIENCE_S = 1.0
"""The database answers within so many seconds, or it is away."""
UNFIT = (ProgrammingError, DataError, IntegrityError)
"""What is raised where the database answers, but has not what is needed: it was not migrated, or rights are missing."""
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


class Away(Exception):
    """The database does not answer."""


@asynccontextmanager
async def transaction(database: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """One transaction within PATIENCE_S; raises Away, or UNFIT as it comes."""
    try:
        async with asyncio.timeout(PATIENCE_S), database.begin() as tx:
            yield tx
    except UNFIT:
        raise
    except (OSError, TimeoutError, SQLAlchemyError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Away(repr(error)) from error


def _given(**columns: tuple[Any, Sequence[object]]) -> TableValuedAlias:
    """Rows out of columns, each of a type and its values."""
    arrays = (literal(list(values), ARRAY(kind)) for kind, values in columns.values())
    return func.unnest(*arrays).table_valued(*columns).render_derived("given")


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


async def ask(tx: AsyncConnection, name: str, asked: Sequence[Request]) -> dict[str, tuple[float, float]]:
    """The shares that the gateway holds for LIFE_S from now on, and the calls out of the pools that come with them.

    grant -> (calls per second, calls); one request for each grant
    """
    asked = sorted(asked, key=lambda one: one.grant)  # everybody locks in this order
    grants = [one.grant for one in asked]
    named = func.unnest(literal(grants, ARRAY(Text))).column_valued("named")
    await tx.execute(select(func.pg_advisory_xact_lock(func.hashtextextended(named, _GRANT_SEED))))
    at: datetime = (await tx.execute(select(func.clock_timestamp()))).scalar_one()
    lapsed = await _end_lapsed(tx, grants, at)
    others = await _others(tx, name, grants, at)
    known = select(pool).where(pool.c.grant_id == func.any(literal(grants, ARRAY(Text))))
    pools = {row.grant_id: row for row in await tx.execute(known)}
    shares: list[tuple[float, float]] = []
    left: list[tuple[float, float]] = []
    for one in asked:
        ended = lapsed.get(one.grant, {})
        held = 0.0 if name in ended else one.held
        theirs = others.get(one.grant, [])
        free = max(0.0, one.rate - sum(per_s for per_s, _ in theirs) - held)
        level = one.burst * free / one.rate  # of a grant that was not asked for lately
        if (found := pools.get(one.grant)) is not None:
            level = pooled(found.level, found.per_s, (at - found.at).total_seconds(), ended.values(), level)
        part = fair(one.rate, one.wanted, [wanted for _, wanted in theirs], one.replicas)
        per_s = min(one.most, max(held, min(part, held + free)))
        more = max(0.0, per_s - held)
        credit = level * more / free if free else 0.0
        shares.append((per_s, credit))
        left.append((level - credit, max(0.0, free - more)))
    await _put(tx, name, asked, [per_s for per_s, _ in shares], left, at)
    return dict(zip(grants, shares, strict=True))


async def _put(
    tx: AsyncConnection, name: str, asked: Sequence[Request], shares: Sequence[float],
    left: Sequence[tuple[float, float]], at: datetime,
) -> None:  # fmt: skip
    """Write shares and pools down."""
    grants = (Text, [one.grant for one in asked])
    given = _given(grant_id=grants, per_s=(Double, shares), wanted=(Double, [one.wanted for one in asked]))
    rows = select(given.c.grant_id, literal(name, Text), given.c.per_s, given.c.wanted, literal(at + _LIFE))
    said = insert(share).from_select(["grant_id", "replica", "per_s", "wanted", "until"], rows)
    new: Any = said.excluded
    mine = {"per_s": new.per_s, "wanted": new.wanted, "until": new.until}
    await tx.execute(said.on_conflict_do_update(index_elements=[share.c.grant_id, share.c.replica], set_=mine))
    levels, rates = [level for level, _ in left], [per_s for _, per_s in left]
    given = _given(grant_id=grants, level=(Double, levels), per_s=(Double, rates))
    rows = select(given.c.grant_id, given.c.level, given.c.per_s, literal(at))
    put = insert(pool).from_select(["grant_id", "level", "per_s", "at"], rows)
    new = put.excluded
    free = {"level": new.level, "per_s": new.per_s, "at": new.at}
    await tx.execute(put.on_conflict_do_update(index_elements=[pool.c.grant_id], set_=free))


async def _others(
    tx: AsyncConnection, name: str, grants: Sequence[str], at: datetime
) -> dict[str, list[tuple[float, float]]]:
    """What other gateways hold and want: grant -> (calls per second, wanted)."""
    other = select(share.c.grant_id, share.c.per_s, share.c.wanted).where(
        share.c.grant_id == func.any(literal(list(grants), ARRAY(Text))),
        share.c.replica != name, (share.c.per_s > 0) | (share.c.until > at),
    )  # fmt: skip
    found: dict[str, list[tuple[float, float]]] = {}
    for row in await tx.execute(other):
        found.setdefault(row.grant_id, []).append((row.per_s, row.wanted))
    return found


async def _end_lapsed(
    tx: AsyncConnection, grants: Sequence[str], at: datetime
) -> dict[str, dict[str, tuple[float, float]]]:
    """Shares that nobody renewed become nothing, for good: grant -> replica -> (calls per second, seconds since then).

    One that is being renewed at this moment is left alone, and counts.
    """
    ended = select(share.c.grant_id, share.c.replica, share.c.per_s, share.c.until).where(
        share.c.grant_id == func.any(literal(list(grants), ARRAY(Text))), share.c.per_s > 0, share.c.until <= at
    )
    rows = (await tx.execute(ended.with_for_update(skip_locked=True))).all()
    found: dict[str, dict[str, tuple[float, float]]] = {}
    for row in rows:
        found.setdefault(row.grant_id, {})[row.replica] = (row.per_s, (at - row.until).total_seconds())
    if rows:
        named = tuple_(share.c.grant_id, share.c.replica).in_([(row.grant_id, row.replica) for row in rows])
        await tx.execute(update(share).where(named).values(per_s=0.0))
    return found


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
    per_s, wanted = ([pair[n] for pair in held.values()] for n in (0, 1))
    given = _given(grant_id=(Text, list(held)), per_s=(Double, per_s), wanted=(Double, wanted))
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


async def give_back(tx: AsyncConnection, unused: Mapping[tuple[str, str], int]) -> None:
    """Calls that were leased and not made: (grant, period) -> calls."""
    grants, periods = ([key[n] for key in unused] for n in (0, 1))
    given = _given(grant_id=(Text, grants), period=(Text, periods), n=(BigInteger, list(unused.values())))
    of_it = (quota.c.grant_id == given.c.grant_id, quota.c.period == given.c.period)
    in_order = select(quota.c.grant_id).where(*of_it).order_by(quota.c.grant_id, quota.c.period)
    await tx.execute(in_order.with_for_update(of=quota))  # nobody locks crosswise
    await tx.execute(update(quota).where(*of_it).values(taken=func.greatest(0, quota.c.taken - given.c.n)))


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
