"""Keys of clients that have ended or were taken away: none of them comes back, however long it is said to last.

A key is remembered by `x` of its point: the same `x` with the other `y` is in the same hands.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Column, DateTime, MetaData, Table, Text, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from identity.keys import expiry
from runtime.errors import Refusal
from wire import codes

ended_key = Table(
    "ended_key",
    MetaData(schema="identity"),
    Column("client_id", Text, primary_key=True),
    Column("x", Text, primary_key=True),
    Column("ended_at", DateTime(timezone=True), nullable=False),
)
Key = Mapping[str, Any]


async def check_new(
    transaction: AsyncConnection, client_id: str, known: Sequence[Key], wanted: Sequence[Key], at: datetime
) -> None:
    """Raise Refusal(CONFLICT) where a key of `wanted` had ended, or is to last longer than it was said to.

    known  the keys that the client has, among them those that have ended
    """
    ends = {key["x"]: key for key in known}
    table = ended_key.c
    statement = select(table.x).where(table.client_id == client_id, table.x.in_([key["x"] for key in wanted]))
    gone = set((await transaction.execute(statement)).scalars())
    for key in wanted:
        before = ends.get(key["x"])
        if key["x"] in gone or (before and expiry(before, at) and key["until"] != before["until"]):
            raise Refusal(codes.CONFLICT, f"key {key['kid']} has ended or was taken away; make a new one")
        if before and "until" in before and key["until"] > before["until"]:
            raise Refusal(codes.CONFLICT, f"key {key['kid']} ends at {before['until']}, not later; make a new one")


async def remember(transaction: AsyncConnection, client_id: str, gone: Sequence[Key], at: datetime) -> None:
    """These are the client's no longer, and will not be again. The client has to be there."""
    if gone:
        rows = [{"client_id": client_id, "x": key["x"], "ended_at": at} for key in gone]
        await transaction.execute(insert(ended_key).values(rows).on_conflict_do_nothing())
