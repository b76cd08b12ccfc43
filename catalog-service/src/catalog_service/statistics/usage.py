"""How often grants are used, as gateways tell it: a row per grant and day. Hints for people; the log is the proof."""

from datetime import UTC, datetime

from sqlalchemy import BigInteger, Column, Date, DateTime, MetaData, Table, Text, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.grants.store import grants
from statute.calendar import SHANGHAI
from wire.usage import Report, Use

metadata = MetaData(schema="catalog")
Moment = DateTime(timezone=True)
grant_use = Table(
    "grant_use",
    metadata,
    Column("grant_id", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("calls", BigInteger, nullable=False),
    Column("errors", BigInteger, nullable=False),
    Column("last_at", Moment, nullable=False),
)
usage_report = Table(
    "usage_report",
    metadata,
    Column("gateway", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
)


async def take_report(tx: AsyncConnection, report: Report) -> bool:
    """Add what a gateway counted; False where that was counted before. Grants that nobody knows are left out.

    A gateway tells one report after the other, so the last one that was taken tells all of them.
    """
    new = insert(usage_report).values(gateway=report.gateway, since=report.since)
    newer = new.on_conflict_do_update(
        index_elements=[usage_report.c.gateway], set_={"since": new.excluded.since},
        where=usage_report.c.since < new.excluded.since,
    )  # fmt: skip
    if (await tx.execute(newer.returning(usage_report.c.since))).first() is None:
        return False
    known = (await tx.execute(select(grants.c.id).where(grants.c.id.in_(report.grants)))).scalars()
    rows = [_row(grant, report.grants[grant]) for grant in sorted(known)]  # in one order: two gateways never block
    if rows:
        await _add(tx, rows)
    return True


def _row(grant: str, use: Use) -> dict[str, object]:
    """All of it is put on the day of the last call: a report spans a minute."""
    last = datetime.fromtimestamp(use.last_ms / 1000, UTC)
    day = last.astimezone(SHANGHAI).date()
    return {"grant_id": grant, "day": day, "calls": use.calls, "errors": use.errors, "last_at": last}


async def _add(tx: AsyncConnection, rows: list[dict[str, object]]) -> None:
    new = insert(grant_use).values(rows)
    c = grant_use.c
    added = {name: c[name] + new.excluded[name] for name in ("calls", "errors")}
    latest = {"last_at": func.greatest(c.last_at, new.excluded.last_at)}
    await tx.execute(new.on_conflict_do_update(index_elements=[c.grant_id, c.day], set_={**added, **latest}))
