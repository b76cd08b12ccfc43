"""Several gateways' shares and quotas on one real database: time that is moved, lines that are cut."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal, cast

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from gateway.quota import Quotas
from gateway.rates import burst_of
from gateway.shares import Shares
from harness.postgres import Database
from runtime.db import engine
from runtime.errors import Refusal
from wire.catalog import Grant

Way = Literal["good", "cut", "answers lost"]


def grant(**changes: object) -> Grant:
    """One that allows ten calls a second."""
    told = {
        "id": "g",
        "revision": 1,
        "system": "s",
        "department": "d",
        "interface": "i/v1",
        "purpose": "",
        "fields": [],
    }
    return Grant(**{**told, **changes})  # type: ignore[arg-type]  # a test's own words


class Line:
    """The way of one gateway to the database, in place of the engine: what goes over it is real."""

    def __init__(self, database: AsyncEngine) -> None:
        self._database = database
        self.way: Way = "good"

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[AsyncConnection]:
        if self.way == "cut":
            raise ConnectionRefusedError("the line is cut")
        async with self._database.begin() as tx:
            yield tx
        if self.way == "answers lost":
            raise ConnectionResetError("the answer was lost")

    connect = begin


class Replica:
    """One gateway: its shares, its quotas, and when it admitted a call."""

    def __init__(self, name: str, gateways: "Gateways") -> None:
        self.line = Line(gateways.database)
        database = cast(AsyncEngine, self.line)
        self.shares = Shares(name, database, gateways.now)
        self.quotas = Quotas(database, gateways.now, lambda: self.shares.replicas)
        self._gateways = gateways

    async def offer(self, asked: Grant) -> str:
        """One call; the code of the refusal, "" where it was admitted."""
        try:
            await self.shares.take(asked)
        except Refusal as refused:
            return refused.code.name
        self._gateways.admitted.append(self._gateways.now())
        return ""

    async def admits(self, asked: Grant, calls: int) -> int:
        """How many of so many calls at once were admitted."""
        return [await self.offer(asked) for _ in range(calls)].count("")


class Gateways:
    """Some gateways on one database. `now` is real time, moved."""

    def __init__(self, database: AsyncEngine, superuser: AsyncEngine) -> None:
        self.database = database
        self.superuser = superuser
        self.admitted: list[float] = []
        self._ahead_s = 0.0
        self._stopped: float | None = None

    def now(self) -> float:
        return (time.monotonic() if self._stopped is None else self._stopped) + self._ahead_s

    def stop_clock(self) -> None:
        """From now on time passes here only as it is told; in the database it goes on."""
        self._stopped = time.monotonic()

    async def pass_time(self, seconds: float) -> None:
        """Let so much time pass, here and in the database."""
        async with self.superuser.begin() as tx:
            columns = (("replica", "seen_at"), ("share", "until"), ("pool", "at"))
            for table, column in columns:
                moved = f"UPDATE gateway.{table} SET {column} = {column} - make_interval(secs => :s)"
                await tx.execute(text(moved), {"s": seconds})
        self._ahead_s += seconds

    async def told(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows that a statement of the test itself answers."""
        async with self.superuser.begin() as tx:
            answer = await tx.execute(text(statement))
            return [tuple(row) for row in answer] if answer.returns_rows else []

    def most_above(self, asked: Grant) -> float:
        """By how many calls the busiest window went over burst + rate * seconds."""
        rate, burst = asked.rate_per_s, burst_of(asked)
        worst, least = -float("inf"), float("inf")
        for n, at in enumerate(sorted(self.admitted)):
            least = min(least, n - rate * at)
            worst = max(worst, n + 1 - rate * at - least - burst)
        return worst


@asynccontextmanager
async def gateways(database: Database) -> AsyncIterator[Gateways]:
    """On a database with the schema of gateways."""
    own, superuser = engine(database.url_of("gateway")), engine(database.url)
    try:
        yield Gateways(own, superuser)
    finally:
        await own.dispose()
        await superuser.dispose()
