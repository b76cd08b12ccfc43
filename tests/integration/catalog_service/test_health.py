"""Health as exchanges tell it: kept, shown, moving stages, and drift that is told once."""

import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from fastapi import FastAPI

from catalog_service.api import health
from catalog_service.directory.health.flows import take_report
from catalog_service.directory.health.model import STEADY_MS
from harness.catalog import SECRET, Catalog
from harness.entries import (
    BODY,
    INTERFACE,
    OFFICER,
    STRANGER,
    TEXT,
    V1,
    Person,
    events,
    furnish,
    notices,
    refused,
    subscribe,
    taken,
)
from harness.law import Bench, SetClock
from harness.postgres import Database
from runtime.db import engine
from runtime.service_auth import ServiceKey
from wire.catalog import Interface
from wire.health import Drift, Health, HealthReport

pytestmark = pytest.mark.anyio
KEY = "gaj-household/v1"
BYSTANDER = Person("mzj", "mzj-officer", ())
OPEN = Health(calls=4, failures=4, breaker="open", p50_ms=30, p95_ms=90)


class Watch:
    """A catalog with one interface that zjj uses, and exchanges that tell about it at moments that a test sets."""

    def __init__(self, catalog: Catalog, bench: Bench) -> None:
        self.catalog = catalog
        self.bench = bench
        self._begin = datetime.now(UTC) - timedelta(minutes=20)
        self._told: dict[str, int] = {}
        self.after(0)

    def after(self, s: int) -> None:
        """So many seconds after the beginning."""
        self.bench.clock.at = self._begin + timedelta(seconds=s)

    @property
    def now_ms(self) -> int:
        return int(self.bench.clock.at.timestamp() * 1000)

    async def tells(self, seen: Health, exchange: str = "exchange-1", key: str = KEY) -> bool:
        since = self._told.get(exchange, 0)
        self._told[exchange] = until = max(self.now_ms, since + 1)
        report = HealthReport(exchange=exchange, since=since, until=until, interfaces={key: seen})
        return await take_report(self.bench.journal, self.bench.lawbook, report)

    async def stage(self) -> str:
        return str(taken(await STRANGER.does(self.catalog, "GET", f"{V1}/steps"))["stage"])


@pytest.fixture
async def watch(catalog: Catalog, database: Database) -> AsyncIterator[Watch]:
    connections = engine(database.url_of("catalog"))
    bench = Bench(connections, SetClock("2026-02-13 10:00"))
    serve(catalog.app, bench)
    await furnish(catalog)
    await catalog.put(f"/resources/{TEXT.code}", BODY)
    await subscribe(catalog)
    yield Watch(catalog, bench)
    await connections.dispose()


def serve(app: FastAPI, bench: Bench) -> None:
    """Doors for our own services, where the service does not have them anyway."""
    if not any(getattr(route, "path", "") == "/registrations/{interface_id}/{version}" for route in app.routes):
        app.include_router(health.internal(bench.journal, bench.lawbook, ServiceKey(SECRET, "catalog")))


@pytest.mark.requirement("HEA-02", "B-02-r")
async def test_an_open_circuit_is_told_and_ends_once_the_provider_answers_again(watch: Watch) -> None:
    head = await watch.catalog.head()
    await watch.tells(Health(calls=50, last_success_ms=watch.now_ms, p95_ms=40))
    assert await watch.stage() == "online"
    watch.after(15)
    await watch.tells(OPEN)
    await watch.tells(Health(calls=50), "exchange-2")
    assert await watch.stage() == "circuit_open", "the only one that knows it finds it open"
    watch.after(30)
    await watch.tells(Health(breaker="half-open"))
    await watch.tells(Health(calls=50), "exchange-2")
    watch.after(15 + STEADY_MS // 1000)
    await watch.tells(Health(breaker="open", reachable=False))
    assert await watch.stage() == "circuit_open"
    watch.after(30 + STEADY_MS // 1000)
    for exchange in ("exchange-1", "exchange-2"):
        await watch.tells(Health(calls=30, last_success_ms=watch.now_ms), exchange)
    assert await watch.stage() == "online"

    assert await events(watch.catalog, "interface.t") == ["interface.trip"]
    assert await events(watch.catalog, "interface.rec") == ["interface.recover"]
    for person in (OFFICER, STRANGER):
        told = await notices(watch.catalog, person)
        assert [one["word"] for one in told] == ["interface.trip", "interface.recover"]
        assert ("熔断器断开 1/1" in told[0]["text"]["zh"], "1/1 breakers open" in told[0]["text"]["en"]) == (True, True)
        assert not any(word in told[0]["text"]["zh"] for word in ("breakers", "open"))
    history = taken(await OFFICER.does(watch.catalog, "GET", f"{V1}/steps"))["history"]
    assert [(one["event"], one["role"], one["client"]) for one in history] == [
        ("trip", "worker", "health-worker"), ("recover", "worker", "health-worker"),
    ]  # fmt: skip
    assert await watch.catalog.head() == head, "gateways and exchanges know all of it already"
    assert (await watch.catalog.snapshot()).interfaces[0].state.standing == "active"


@pytest.mark.requirement("HEA-02", "B-02-r")
async def test_failures_degrade_an_interface_and_only_its_provider_is_told(watch: Watch) -> None:
    for n in range(4):
        watch.after(15 * n)
        await watch.tells(Health(calls=10, failures=2))
    assert await watch.stage() == "degraded"
    assert [one["word"] for one in await notices(watch.catalog, OFFICER)] == ["interface.degrade"]
    watch.after(200)
    await watch.tells(Health(calls=100, failures=1))
    assert await watch.stage() == "degraded", "of the last minutes too many failed still"
    watch.after(400)
    await watch.tells(Health(calls=100, failures=1))
    assert await watch.stage() == "online"
    assert await notices(watch.catalog, STRANGER) == []
    refused(await OFFICER.does(watch.catalog, "POST", f"{V1}/steps/trip", {}), 403, "case/not-your-step")


@pytest.mark.requirement("HEA-02")
async def test_a_version_that_ends_or_was_revoked_does_not_move(watch: Watch) -> None:
    await watch.catalog.move(V1, "revoke")
    await watch.tells(OPEN)
    assert await watch.stage() == "online"


@pytest.mark.requirement("HEA-01")
async def test_health_is_shown_to_everybody_and_counted_once(watch: Watch) -> None:
    nothing = taken(await BYSTANDER.does(watch.catalog, "GET", f"{V1}/health"))
    assert (nothing["last_success"], nothing["availability"], nothing["lately"]["breaker"]) == (None, None, None)
    assert await watch.tells(Health(calls=90, failures=3, last_success_ms=watch.now_ms, p50_ms=20, p95_ms=80))
    assert await watch.tells(Health(calls=10, p50_ms=40, p95_ms=200, reachable=True), "exchange-2")
    late = HealthReport(exchange="exchange-1", since=0, until=1, interfaces={KEY: Health(calls=10)})
    assert not await take_report(watch.bench.journal, watch.bench.lawbook, late)
    assert await watch.tells(Health(calls=1), key="nobody-knows/v1")

    one = taken(await BYSTANDER.does(watch.catalog, "GET", V1))["health"]
    [listed] = taken(await BYSTANDER.does(watch.catalog, "GET", "/interfaces"))["items"]
    assert one == listed["health"]
    assert (one["availability"], one["stage"]) == (0.97, "online")
    assert datetime.fromisoformat(one["last_success"]).timestamp() == watch.now_ms // 1000
    whole = taken(await BYSTANDER.does(watch.catalog, "GET", f"{V1}/health"))
    assert (whole["calls"], whole["failures"], whole["days"], "drift" in whole) == (100, 3, 30, False)
    refused(await BYSTANDER.does(watch.catalog, "GET", V1.replace("v1", "v9") + "/health"), 404, "interface/unknown")


@pytest.mark.requirement("HEA-01")
async def test_what_is_lately_is_of_all_exchanges(watch: Watch) -> None:
    watch.after(20 * 60)
    await watch.tells(Health(calls=30, p50_ms=20, p95_ms=80))
    await watch.tells(Health(calls=10, p50_ms=40, p95_ms=200, breaker="open"), "exchange-2")
    lately = taken(await BYSTANDER.does(watch.catalog, "GET", f"{V1}/health"))["lately"]
    assert lately == {
        "seconds": 300, "exchanges": 2, "calls": 40, "failures": 0, "availability": 1.0, "p50_ms": 25, "p95_ms": 200,
        "breaker": "open",
    }  # fmt: skip


@pytest.mark.requirement("HEA-03")
async def test_drift_is_told_once_and_shown_to_those_concerned(watch: Watch) -> None:
    places = [
        Drift(path="phone", kind="new", seen=3, first_ms=1),
        Drift(path="address", kind="missing", seen=1, first_ms=1),
    ]
    for n, exchange in enumerate(("exchange-1", "exchange-2", "exchange-1")):
        watch.after(15 * n)
        await watch.tells(Health(calls=1, drift=places), exchange)
    for person in (OFFICER, STRANGER):
        [told] = await notices(watch.catalog, person)
        assert (told["word"], told["facts"]["places"]) == ("interface.drifted", "phone (new), address (missing)")
        assert told["text"]["zh"].endswith("与登记不符，共 2 处：phone（多出）、address（缺少）")
        shown = taken(await person.does(watch.catalog, "GET", f"{V1}/health"))["drift"]
        assert [(one["path"], one["seen"]) for one in shown] == [("phone", 6), ("address", 2)]
    assert "drift" not in taken(await BYSTANDER.does(watch.catalog, "GET", f"{V1}/health"))
    assert await events(watch.catalog, "interface.drifted") == ["interface.drifted"]

    more = {**INTERFACE, "fields": [*INTERFACE["fields"], {"name": "phone"}]}
    taken(await OFFICER.does(watch.catalog, "PUT", V1, more))
    assert taken(await OFFICER.does(watch.catalog, "GET", f"{V1}/health"))["drift"] == []
    await watch.tells(Health(calls=1, drift=places[1:]))
    assert len(await notices(watch.catalog, OFFICER, "interface.drifted")) == 2, "another contract, told anew"


# --- doors for our own services -------------------------------------------------------------------------------------
@pytest.mark.requirement("HEA-01")
async def test_reports_come_signed_and_in_form(watch: Watch) -> None:
    catalog, now = watch.catalog, int(time.time() * 1000)
    good = msgspec.json.encode(HealthReport(exchange="e", since=0, until=now, interfaces={KEY: Health(calls=1)}))
    for body, status in ((good, 200), (b"{", 422), (good.replace(b'"calls":1', b'"calls":-1'), 422),
                         (good.replace(b"gaj-household/v1", b"../etc"), 422), (b"\xff", 422)):  # fmt: skip
        answer = await catalog.client.post(
            "/health", content=body, headers=catalog.service_key.headers("POST", "/health", body)
        )
        assert answer.status_code == status, answer.text
    assert (await catalog.client.post("/health", content=good)).status_code == 401
    token = {"Authorization": f"Bearer {catalog.token()}"}
    assert (await catalog.client.post("/health", content=good, headers=token)).status_code == 401


@pytest.mark.requirement("REG-05")
async def test_exchanges_read_registrations_that_nobody_serves_yet(watch: Watch) -> None:
    v2 = V1.replace("v1", "v2")
    taken(await OFFICER.does(watch.catalog, "PUT", v2, {**INTERFACE, "credential": "main"}))
    answer = await watch.catalog.internal("/registrations/gaj-household/v2")
    interface = msgspec.json.decode(answer.content, type=Interface)
    assert (interface.key, interface.base_url, interface.credential) == (
        "gaj-household/v2",
        "https://gaj.example",
        "main",
    )
    assert [one.key for one in (await watch.catalog.snapshot()).interfaces] == [KEY]
    assert (await watch.catalog.internal("/registrations/gaj-household/v9")).status_code == 404
    refusal: dict[str, Any] = (await watch.catalog.client.get("/registrations/gaj-household/v2")).json()
    assert refusal["status"] == 401
