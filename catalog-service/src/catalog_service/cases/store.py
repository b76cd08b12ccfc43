"""The tables of cases and of what happened in them. Columns hold what is asked for; `entry` is the whole case as JSON.

History is written once: the service's role may neither change nor delete it.
"""

from collections.abc import Iterable
from datetime import datetime

import msgspec
from sqlalchemy import (
    Boolean,
    Column,
    DateTime,
    Integer,
    LargeBinary,
    MetaData,
    Select,
    Sequence,
    Table,
    Text,
    func,
    insert,
    or_,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from catalog_service.cases.model import Case, Evidence
from catalog_service.clocks.store import clock
from catalog_service.grants.store import grants

metadata = MetaData(schema="catalog")
PROVISIONING = "provisioning"
"""The state in which a case waits until every gateway acts on its grant."""
number = Sequence("case_number", metadata=metadata)
_COLUMNS = ("number", "kind", "state", "requester", "provider", "maker", "parent", "resource", "interface", "system")
cases = Table(
    "cases",
    metadata,
    Column("id", Text, primary_key=True),
    *(Column(name, Text, nullable=False) for name in (*_COLUMNS, "grant_id", "batch")),
    Column("final", Boolean, nullable=False),
    Column("entry", LargeBinary, nullable=False),
)
history = Table(
    "case_history",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("n", Integer, primary_key=True, autoincrement=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("entry", LargeBinary, nullable=False),
)


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """One step of a case: who, as what, on what evidence; `digest` is the SHA-256 of the evidence, or of the form."""

    n: int
    at: str
    event: str
    source: str
    target: str
    client: str
    department: str
    role: str
    article: str
    evidence: Evidence
    digest: str
    profile: str
    profile_version: str
    clocks: list[dict[str, object]]


async def next_number(tx: AsyncConnection) -> int:
    """Never given twice; a case that does not come about leaves a gap, and nobody waits for another."""
    return int((await tx.execute(select(number.next_value()))).scalar_one())


async def find_case(tx: AsyncConnection, case_id: str, *, for_change: bool = False) -> Case | None:
    wanted = select(cases.c.entry).where(cases.c.id == case_id)
    entry = (await tx.execute(wanted.with_for_update() if for_change else wanted)).scalar_one_or_none()
    return None if entry is None else _case(entry)


async def add_case(tx: AsyncConnection, case: Case, *, final: bool) -> None:
    await tx.execute(insert(cases).values(id=case.id, **_row(case, final=final)))


async def keep_case(tx: AsyncConnection, case: Case, *, final: bool) -> None:
    """The case as it is now; its row is held already."""
    await tx.execute(update(cases).where(cases.c.id == case.id).values(_row(case, final=final)))


def _row(case: Case, *, final: bool) -> dict[str, object]:
    row: dict[str, object] = {name: getattr(case, name) for name in (*_COLUMNS, "batch")}
    return {**row, "grant_id": case.grant, "final": final, "entry": msgspec.json.encode(case)}


async def page_of_cases(
    tx: AsyncConnection, wanted: dict[str, str], *, side: str = "", seen_by: tuple[str, str] | None = None, after: str,
    limit: int,
) -> list[Case]:  # fmt: skip
    """Cases in the order of their opening.

    wanted  column -> value, "" for any      side  a department on either side, "" for any
    seen_by (department, client) that may only see what it takes part in or made; None sees all
    """
    found = select(cases.c.entry).where(cases.c.id > after).order_by(cases.c.id).limit(limit)
    for column, value in wanted.items():
        found = found.where(cases.c[column] == value) if value else found
    if side:
        found = found.where(or_(cases.c.requester == side, cases.c.provider == side))
    if seen_by is not None:
        department, client = seen_by
        sides = (cases.c.requester == department, cases.c.provider == department) if department else ()
        found = found.where(or_(cases.c.maker == client, *sides))
    return await _cases(tx, found)


async def running_cases(tx: AsyncConnection, kind: str, **about: str) -> list[Case]:
    """Cases of a kind that are not at an end, about a thing: `resource=`, `interface=`, `grant_id=`, `parent=`…"""
    found = select(cases.c.entry).where(cases.c.kind == kind, cases.c.final.is_(False)).order_by(cases.c.id)
    for column, value in about.items():
        found = found.where(cases.c[column] == value)
    return await _cases(tx, found)


async def cases_of_grant(tx: AsyncConnection, grant_id: str, kinds: Iterable[str]) -> list[Case]:
    """Cases of these kinds that came to this grant or are about it, in the order of their opening."""
    of_grant = (cases.c.grant_id == grant_id, cases.c.kind.in_(list(kinds)))
    return await _cases(tx, select(cases.c.entry).where(*of_grant).order_by(cases.c.id))


async def waiting_for_gateways(tx: AsyncConnection, limit: int) -> list[tuple[str, bytes]]:
    """Cases whose grant is on its way to the gateways, longest first, each with the grant as JSON."""
    joined = cases.join(grants, grants.c.id == cases.c.grant_id)
    found = select(cases.c.id, grants.c.entry).select_from(joined).order_by(cases.c.id).limit(limit)
    rows = await tx.execute(found.where(cases.c.state == PROVISIONING, grants.c.standing != "suspended"))
    return [(row.id, row.entry) for row in rows]


async def ids_overdue(tx: AsyncConnection, key: str, state: str, limit: int) -> list[str]:
    """Cases in a state whose clock of that key has passed and runs still, longest first."""
    passed = (clock.c.subject_kind == "case", clock.c.key == key, clock.c.state == "overdue")
    found = select(cases.c.id).join(clock, clock.c.subject_id == cases.c.id).where(*passed, cases.c.state == state)
    return list((await tx.execute(found.order_by(cases.c.id).limit(limit))).scalars())


async def hold_free_case(tx: AsyncConnection, case_id: str, state: str) -> Case | None:
    """The case, held, if it is still in that state and nobody else holds it."""
    wanted = select(cases.c.entry).where(cases.c.id == case_id, cases.c.state == state)
    entry = (await tx.execute(wanted.with_for_update(skip_locked=True))).scalar_one_or_none()
    return None if entry is None else _case(entry)


async def add_history(tx: AsyncConnection, case_id: str, at: datetime, happened: Happened) -> None:
    row = {"case_id": case_id, "n": happened.n, "at": at, "entry": msgspec.json.encode(happened)}
    await tx.execute(insert(history).values(**row))


async def count_history(tx: AsyncConnection, case_id: str) -> int:
    """How many steps the case has taken; its row is held, so that nobody adds one meanwhile."""
    wanted = select(func.count()).select_from(history).where(history.c.case_id == case_id)
    return int((await tx.execute(wanted)).scalar_one())


async def history_of(tx: AsyncConnection, case_id: str) -> list[Happened]:
    wanted = select(history.c.entry).where(history.c.case_id == case_id).order_by(history.c.n)
    return [msgspec.json.decode(entry, type=Happened) for entry in (await tx.execute(wanted)).scalars()]


async def _cases(tx: AsyncConnection, wanted: Select[bytes]) -> list[Case]:
    return [_case(entry) for entry in (await tx.execute(wanted)).scalars()]


def _case(entry: bytes) -> Case:
    return msgspec.json.decode(entry, type=Case)
