"""Feeds over one log in process: rows as the indexer makes them, a clock that stands, the routes and the jobs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import msgspec
from fastapi import APIRouter

from audit_service.anomalies.flows import Alerts
from audit_service.anomalies.judging import Judge
from audit_service.anomalies.rules import Rule, rules_in
from audit_service.api import anomalies, feeds
from audit_service.archive.cold import Cold
from audit_service.entry import Batch, entries
from audit_service.feeds.delivering import Sender
from audit_service.feeds.digests import Digests
from audit_service.feeds.flows import Feeds
from audit_service.search.finder import Finder
from audit_service.summary import Summary
from audit_service.writer import Writer
from harness.audit_doors import Doors, opened
from harness.audit_log import Log
from harness.endpoint import Endpoint
from harness.log_rows import keep
from relay.egress import Egress
from runtime.ids import uuid7
from runtime.service_auth import ServiceKey
from wire.scopes import AUDIT_READ, OFFICER
from wire.tokens import Door

KEY = ServiceKey(b"a secret that is shared by all services", "audit")
HOME = Egress(allow_loopback=True, forbidden_ports=frozenset())
NOON = datetime(2026, 3, 4, 4, 0, tzinfo=UTC)
"""A Wednesday, noon in China."""


class StandingClock:
    """A clock that a test sets."""

    def __init__(self, at: datetime = NOON) -> None:
        self.at = at

    def now(self) -> datetime:
        return self.at

    def on(self, **by: float) -> None:
        self.at += timedelta(**by)


def call(index: int, **members: Any) -> Summary:
    """The row of one call of 民政局 to 公安局."""
    whole: dict[str, Any] = {
        "segment": "20260304-personal", "leaf_index": index, "call_id": str(uuid7(index)), "kind": "outcome",
        "at": NOON, "department": "民政局", "system": "mzj-relief", "provider": "公安局",
        "interface": "gaj-identity-verify", "version": "v1", "grant_id": "g-1", "case_no": f"办件-{index}",
        "status": 200, "subject": f"p1:{index}", "gateway": "gateway-1", **members,
    }  # fmt: skip
    return Summary(**whole)


class Bench:
    """One installation. `finder` sees what `add` put there."""

    def __init__(self, log: Log, rules: list[Rule] | None = None) -> None:
        self.log = log
        self.clock = StandingClock()
        self.rules = rules_in(None) if rules is None else rules
        self.finder = Finder(log.database, cast(Cold, None))  # nothing here is old enough for the archive
        self.writer = Writer("audit-1", log.database, log.ingest)
        self.feeds = Feeds(log.database, self.finder, self.writer, self.clock)
        self.alerts = Alerts(log.database, self.finder, self.writer, self.rules, self.clock)
        self.doors: Doors

    def routes(self, door: Door) -> APIRouter:
        routes = APIRouter()
        routes.include_router(feeds.router(self.feeds, KEY, door))
        routes.include_router(anomalies.router(self.alerts, door))
        return routes

    async def add(self, *rows: Summary) -> None:
        """Rows that are searchable from now on."""
        await keep(self.log.url, list(rows))

    async def ask(self, method: str, path: str, department: str = "民政局", *scopes: str, **more: Any) -> Any:
        """A request that is expected to be answered; what the answer says."""
        answer = await self.doors.ask(method, path, department, *scopes, **more)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    async def subscribe(self, there: Endpoint | str, department: str = "民政局", **changed: Any) -> dict[str, Any]:
        url = there if isinstance(there, str) else f"http://127.0.0.1:{there.it.port}/in?from=tongdao"
        body = {"url": url, "networks": ["127.0.0.0/8"], "as": "both", "from": "beginning", **changed}
        made: dict[str, Any] = await self.ask("POST", "/subscriptions", department, OFFICER, json=body)
        return made

    def sender(self, egress: Egress = HOME) -> Sender:
        """One replica's."""
        return Sender(self.log.database, self.finder, self.writer, egress, KEY, self.clock)

    async def send(self, egress: Egress = HOME) -> None:
        """Whatever can be sent now."""
        sender = self.sender(egress)
        await sender.tick()
        await sender.idle()

    async def digest(self) -> None:
        await Digests(self.log.database, self.clock).tick()

    def judge(self) -> Judge:
        return Judge(self.log.database, self.writer, self.rules, self.clock)

    async def told(self, *names: str) -> list[dict[str, Any]]:
        """What the service wrote into the log about itself, oldest first; these events only."""
        rows = await self.log.fetch(
            "SELECT gateway, epoch, first_sequence, count, bytes, sha256 FROM audit.batch ORDER BY id"
        )
        events = [msgspec.json.decode(one.leaf) for row in rows for one in entries(Batch(*row))]
        return [one for one in events if one["event"] in names] if names else events


@asynccontextmanager
async def bench_on(log: Log, rules: list[Rule] | None = None) -> AsyncIterator[Bench]:
    bench = Bench(log, rules)
    async with opened(bench.routes) as bench.doors:
        yield bench


# --- what was unusual -------------------------------------------------------------------------------------------------
async def alerts(bench: Bench, department: str = "审计局", *allowed: str, query: str = "") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await bench.ask("GET", f"/alerts{query}", department, *(allowed or (AUDIT_READ,))))[
        "items"
    ]
    return found


async def again(bench: Bench, *indexes: int, **members: Any) -> None:
    """Calls about the same person, judged a minute later."""
    await bench.add(*[call(index, **{"subject": "p1:p", **members}) for index in indexes])
    bench.clock.on(minutes=1)
    await bench.judge().tick()


# --- what an endpoint was sent ----------------------------------------------------------------------------------------
def bodies(there: Endpoint, kind: str = "usage") -> list[dict[str, Any]]:
    """What an endpoint was sent, in order."""
    every = [msgspec.json.decode(body) for _, body in there.got]
    return [body for body in every if body["kind"] == kind]


def indexes(there: Endpoint) -> list[int]:
    return [record["index"] for body in bodies(there) for record in body["records"]]


def ids(there: Endpoint) -> list[bytes]:
    return [fields[b"tongdao-delivery"] for fields, _ in there.got]
