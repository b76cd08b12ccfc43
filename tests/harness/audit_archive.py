"""A log whose days pass by hand, with its indexer and its archive on a folder."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from fastapi import APIRouter

from audit_service import store
from audit_service.api import archive as archive_routes
from audit_service.api import keeping as keeping_routes
from audit_service.archive import store as sql
from audit_service.archive.archiving import Archive
from audit_service.archive.cold import Cold
from audit_service.archive.objects import Objects
from audit_service.archive.periods import Periods
from audit_service.archive.rows import OWN
from audit_service.keeping.disposals import Disposals
from audit_service.keeping.disposing import Disposing
from audit_service.keeping.holds import Holds
from audit_service.keeping.segments import Segments
from audit_service.search.indexer import Indexer
from audit_service.sequencer import Sequencer
from audit_service.summary import Filter, Summary
from audit_service.writer import Writer
from harness.audit_log import Log, ids
from wire.audit import EventLeaf
from wire.tokens import Door


class Hand:
    """A clock that is set by hand."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at


class Archiving:
    """One replica's archive, and the days that it is about."""

    def __init__(self, log: Log, at: datetime, store: str | Objects, **settings: Any) -> None:
        self.log = log
        self.clock = Hand(at)
        self.objects = Objects.at(store) if isinstance(store, str) else store
        self.periods = Periods()
        self.indexer = Indexer(log.database, self.clock)
        self.writer = Writer("audit-1", log.database, log.ingest)
        self.cold = Cold(log.database, self.objects)
        self.archive = self.another(**settings)
        log.sequencer = Sequencer(log.database, log.signer, log.published, clock=self.clock)

    def another(self, objects: Objects | None = None, **settings: Any) -> Archive:
        """An archive of the same log; `objects` is a store that fails, for example."""
        return Archive(
            self.log.database, self.writer, objects or self.objects, self.periods, clock=self.clock,
            **settings,
        )  # fmt: skip

    async def calls(self, number: int, retention: str, **members: Any) -> list[str]:
        """Whole calls of one class, now."""
        at, calls = int(self.clock.at.timestamp() * 1000), ids(number)
        facts = {"retention": retention, "at_in": at, "at_ready": at + 5, "status": 200, **members}
        await self.log.write(*((call, "intent") for call in calls), **facts)
        await self.log.write(*((call, "outcome") for call in calls), **facts)
        return list(calls)

    async def settle(self) -> None:
        """Everything that was written has a place in the tree and a row to search by."""
        await self.log.sequence()
        await self.indexer.tick()

    async def tick(self) -> None:
        """The archive's job, and what it says of itself in the log."""
        await self.archive.tick()
        await self.settle()
        await self.archive.tick()

    def pass_days(self, days: float) -> None:
        """Time goes by."""
        self.clock.at += timedelta(days=days)

    @property
    def today(self) -> str:
        return f"{self.clock.at:%Y%m%d}"

    async def states(self) -> dict[str, str]:
        """Segment -> state of all that is sealed or more."""
        return {name: kept.state for name, kept in (await sql.archived(self.log.database.reader)).items()}

    async def hot(self) -> list[str]:
        """Segments that are in the database."""
        return await sql.hot(self.log.database.reader)


class Keeping(Archiving):
    """The same with disposals and holds, and doors to them. `ana` and `bo` are two people."""

    def __init__(self, log: Log, at: datetime, store: str | Objects, **settings: Any) -> None:
        super().__init__(log, at, store, **settings)
        self.holds = Holds(log.database, self.writer, self.cold, self.clock)
        self.disposals = Disposals(log.database, self.writer, self.holds, self.periods, self.clock)
        self.segments = Segments(log.database, self.writer, self.periods, self.clock)
        self.disposing = self.another_disposing()

    def another_disposing(self, objects: Objects | None = None) -> Disposing:
        """A disposal job on another store."""
        return Disposing(
            self.log.database, self.writer, self.holds, self.periods, objects or self.objects, self.cold, self.clock
        )

    def router(self, door: Door) -> APIRouter:
        """All routes of keeping."""
        routes = APIRouter()
        routes.include_router(archive_routes.router(self.segments, door))
        routes.include_router(keeping_routes.router(self.disposals, self.holds, door, self.clock))
        return routes

    async def carry_out(self) -> None:
        """The job until nothing more happens: publish the approval, tell, publish, delete."""
        for _ in range(3):
            await self.disposing.tick()
            await self.settle()

    async def said(self, event: str) -> list[dict[str, Any]]:
        """Events of a name that are in the log, oldest first."""
        rows = await self.log.fetch("SELECT body FROM audit.leaf ORDER BY leaf_index")
        leaves = [msgspec.json.decode(row[0]) for row in rows]
        return [leaf for leaf in leaves if leaf.get("event") == event]

    async def told(self) -> list[EventLeaf]:
        """Every event in the log, also of what went to the archive, oldest first."""
        leaves = await self.log.fetch("SELECT leaf_index, body FROM audit.leaf")
        found = dict(leaves)
        for name, kept in (await sql.archived(self.log.database.reader)).items():
            if kept.state == "archived":
                away = await self.cold.leaves(name, range(kept.first_index, kept.last_index + 1))
                found |= {leaf.index: leaf.leaf for leaf in away}
        return [msgspec.json.decode(body, type=EventLeaf) for _, body in sorted(found.items()) if b'"event"' in body]


def days_ago(days: float) -> datetime:
    """So many days before the last noon (UTC): the database compares with its own clock, which no test can set, and
    ingest takes nothing from the future."""
    last_noon = (datetime.now(UTC) - timedelta(hours=12)).replace(hour=12, minute=0, second=0, microsecond=0)
    return last_noon - timedelta(days=days)


def folder_store(folder: Path) -> str:
    """Address of a store in a folder."""
    return f"file://{folder}/archive"


ALL = {"before": 2**63 - 1, "after": -1, "limit": 1000}


async def old_day(archiving: Archiving, number: int = 3) -> str:
    """A day's segment of class general with some calls, long past."""
    segment = f"{archiving.today}-general"
    await archiving.calls(number, "general", case="办件-1")
    await archiving.calls(number, "general", case="办件-2", provider="税务局")
    await archiving.settle()
    archiving.pass_days(35)
    return segment


async def in_database(archiving: Archiving, segment: str) -> tuple[list[store.Kept], list[Summary]]:
    leaves = await archiving.log.fetch(
        """SELECT l.leaf_index, l.body, coalesce(e.body, ''), i.kind FROM audit.leaf l
           JOIN audit.entry_index i USING (leaf_index) LEFT JOIN audit.erasable e USING (leaf_index)
           WHERE l.segment = $1 ORDER BY 1""",
        segment,
    )
    rows = await archiving.log.fetch(
        f"""SELECT segment, leaf_index, call_id::text AS call_id, kind, {", ".join(OWN)} FROM audit.record
            WHERE segment = $1 ORDER BY leaf_index""",
        segment,
    )
    return [store.Kept(*row) for row in leaves], [Summary(**dict(row)) for row in rows]


async def in_archive(archiving: Archiving, segment: str) -> tuple[list[store.Kept], list[Summary]]:
    leaves = await archiving.cold.leaves(segment, range(1000))
    return leaves, await archiving.cold.rows(segment, Filter(), **ALL, newest_first=False)
