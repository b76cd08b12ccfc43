"""Who complained: a table of its own, read by those who oversee alone, so that no case, notice or event holds it."""

import msgspec
from sqlalchemy import Column, LargeBinary, MetaData, Table, Text, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

metadata = MetaData(schema="catalog")
complainant = Table(
    "complainant",
    metadata,
    Column("case_id", Text, primary_key=True),
    Column("entry", LargeBinary, nullable=False),
)


class Known(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is known of a complainant; department, office and client are those through which the answer reaches them."""

    department: str
    office: str
    client: str = ""
    name: str = ""
    contact: str = ""


async def keep(tx: AsyncConnection, case_id: str, known: Known) -> None:
    await tx.execute(insert(complainant).values(case_id=case_id, entry=msgspec.json.encode(known)))


async def find(tx: AsyncConnection, case_id: str) -> Known | None:
    entry = (await tx.execute(select(complainant.c.entry).where(complainant.c.case_id == case_id))).scalar_one_or_none()
    return None if entry is None else msgspec.json.decode(entry, type=Known)
