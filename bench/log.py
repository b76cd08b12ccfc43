"""How fast does the log take, sequence and show records? `make bench-log` (RECORDS=600000 PACED_S=60).

A PostgreSQL of its own and one audit service as real processes; a gateway's batches come over HTTP on loopback.
First as fast as they are taken (made before the clock starts), until every ended call can be searched; then calls at a
steady 100 a second, each an intent and an outcome, to see how long after its commit a record stands under a signed
checkpoint. Two lines of JSON; exit 1 where a bar is missed.
"""

import asyncio
import json
import os
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from harness.audit_log import record
from harness.postgres import PASSWORD, Database
from harness.receipts import ORIGIN
from runtime.http import AsyncClient, HTTPError, client
from runtime.ids import uuid7
from runtime.migrate import migrate
from runtime.service_auth import ServiceKey
from tongdao_cli.home import Home
from tongdao_cli.keys import Secrets
from tongdao_cli.postgres import Postgres, free_port
from wire.audit import Phase, frames
from wire.lease import LeaseRequest, ask_lease, batch_headers

RECORDS, PACED_S = int(os.environ.get("RECORDS", "600000")), float(os.environ.get("PACED_S", "60"))
BATCH, IN_FLIGHT, CALLS_PER_S = 500, 2, 100
INGEST_BAR, SEARCHABLE_BAR, PUBLISHED_BAR_MS = 20_000, 10_000, 2_000
SYSTEMS, INTERFACES, PROVIDERS = 60, 40, 16
Batch = tuple[dict[str, str], bytes]


class Gateway:
    """A writer with a lease, over HTTP."""

    def __init__(self, name: str, address: str, key: ServiceKey) -> None:
        self.name = name
        self.http: AsyncClient = client(address, timeout_s=30)
        self._key = key
        self._epoch = self._next = 0

    async def start(self) -> None:
        self._epoch = await ask_lease(self.http, self._key, LeaseRequest(self.name, "start"))

    async def renew(self) -> None:
        while True:
            await ask_lease(self.http, self._key, LeaseRequest(self.name, "renew", self._epoch))
            await asyncio.sleep(1)

    def batch(self, calls: list[str], phase: Phase) -> Batch:
        """The next records of this writer, one for each call."""
        made = [
            record(call, self.name, self._epoch, self._next + n, phase, **_facts(call)) for n, call in enumerate(calls)
        ]
        headers = batch_headers(self.name, self._epoch, self._next, len(made))
        self._next += len(made)
        return headers, frames(made)

    async def send(self, batch: Batch) -> None:
        headers, body = batch
        signed = self._key.headers("POST", "/batches", body)
        answer = await self.http.post("/batches", content=body, headers={**headers, **signed})
        if answer.status_code != 204:
            raise RuntimeError(f"{answer.status_code} {answer.text}")


def _facts(call: str) -> dict[str, Any]:
    """A spread like that of a city, chosen by the call's id."""
    number = int(call[-12:], 16)
    return {
        "system": f"system-{number % SYSTEMS}", "interface": f"interface-{number % INTERFACES}",
        "provider": f"department-{number % PROVIDERS}", "department": f"department-{number // 7 % PROVIDERS}",
        "grant": f"grant-{number % (SYSTEMS * 4)}", "case": f"办件-{number % 1_000_000}",
        "trace": call.replace("-", ""),
        "at_in": time.time_ns() // 1_000_000, "at_ready": time.time_ns() // 1_000_000 + 12, "answer_bytes": 900,
        "retention": "personal" if number % 3 else "general",
    }  # fmt: skip


@asynccontextmanager
async def service(database: Database, folder: Path) -> AsyncIterator[tuple[str, ServiceKey]]:
    """An audit service as a process, and the secret it shares with gateways."""
    home = Home(folder / "home")
    home.make()
    secrets = Secrets(home)
    secrets.make()
    port = free_port()
    told = {
        "HOST": "127.0.0.1", "PORT": port, "LOG_LEVEL": "ERROR", "SERVICE_SECRET_FILE": secrets.service,
        "DATABASE_URL": database.url_of("audit"), "ISSUER": "http://bench", "AUDIENCE": "http://bench",
        "IDENTITY_URL": "http://127.0.0.1:9", "ORIGIN": ORIGIN, "SIGNING_KEY_FILE": secrets.audit_signing,
        "PUBLISHED_FILE": home.published / "checkpoint", "SUBJECT_KEY_FILE": secrets.subject,
        "CATALOG_URL": "http://127.0.0.1:9", "ARCHIVE_URL": home.archive.as_uri(),
    }  # fmt: skip
    environment = {**os.environ, **{f"TONGDAO_AUDIT_{name}": str(value) for name, value in told.items()}}
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "audit_service.app", env=environment)
    address = f"http://127.0.0.1:{port}"
    try:
        await _ready(address)
        yield address, ServiceKey.from_file(secrets.service, "gateway")
    finally:
        process.terminate()
        await process.wait()


async def _ready(address: str) -> None:
    async with client(address) as asker:
        for _ in range(300):
            try:
                if (await asker.get("/health/ready")).status_code == 200:
                    return
            except HTTPError:
                pass
            await asyncio.sleep(0.1)
    raise RuntimeError("the audit service did not become ready")


async def burst(gateways: list[Gateway], database: Database) -> dict[str, float]:
    """Everything at once: records a second until acknowledged, and until the last ended call can be searched."""
    per_gateway = RECORDS // len(gateways) // BATCH // 2
    waiting = [list(_calls(gateway, per_gateway)) for gateway in gateways]
    records = sum(len(batches) for batches in waiting) * BATCH
    looker = await asyncpg.connect(database.url)
    before = await looker.fetchval("SELECT size FROM audit.indexed")
    started = time.monotonic()
    await asyncio.gather(*(_send_all(gateway, batches) for gateway, batches in zip(gateways, waiting, strict=True)))
    accepted_s = time.monotonic() - started
    while await looker.fetchval("SELECT size FROM audit.indexed") < before + records:
        await asyncio.sleep(0.05)
    searchable_s = time.monotonic() - started
    rows = await looker.fetchval("SELECT count(*) FROM audit.record WHERE kind = 'outcome'")
    await looker.close()
    return {
        "records": records, "accepted_s": round(accepted_s, 2), "accepted_per_s": round(records / accepted_s),
        "searchable_s": round(searchable_s, 2), "searchable_per_s": round(records / searchable_s), "search_rows": rows,
    }  # fmt: skip


def _calls(gateway: Gateway, times: int) -> list[Batch]:
    batches = []
    for _ in range(times):
        calls = [str(uuid7()) for _ in range(BATCH)]
        batches += [gateway.batch(calls, "intent"), gateway.batch(calls, "outcome")]
    return batches


async def _send_all(gateway: Gateway, batches: list[Batch]) -> None:
    """In order, IN_FLIGHT at a time, as a gateway does."""
    left = iter(batches)

    async def lane() -> None:
        for batch in left:
            await gateway.send(batch)

    await asyncio.gather(*(lane() for _ in range(IN_FLIGHT)))


async def paced(gateway: Gateway, database: Database) -> dict[str, float]:
    """How long after its acknowledgement a record is under a checkpoint that anybody can fetch, at a steady rate."""
    seen: list[tuple[int, float]] = []
    watching = asyncio.create_task(_watch(gateway.http, seen))
    acknowledged: dict[str, float] = {}
    started = time.monotonic()
    for number in range(int(PACED_S * CALLS_PER_S)):
        await asyncio.sleep(max(0.0, started + number / CALLS_PER_S - time.monotonic()))
        call = str(uuid7())
        await gateway.send(gateway.batch([call], "intent"))
        await gateway.send(gateway.batch([call], "outcome"))
        acknowledged[call] = time.monotonic()
    await asyncio.sleep(3)
    watching.cancel()
    places = await _places(database, list(acknowledged))
    sizes = [size for size, _ in seen]
    late = sorted(seen[bisect_right(sizes, places[call])][1] - at for call, at in acknowledged.items())
    ms = [max(0.0, late[int(len(late) * share)] * 1000) for share in (0.5, 0.99)]
    return {
        "calls": len(late), "calls_per_s": round(len(late) / (PACED_S or 1), 1), "published_p50_ms": round(ms[0]),
        "published_p99_ms": round(ms[1]), "published_max_ms": round(late[-1] * 1000),
    }  # fmt: skip


async def _watch(http: AsyncClient, seen: list[tuple[int, float]]) -> None:
    """Sizes of the newest checkpoint and when each was first seen."""
    while True:
        note = (await http.get("/checkpoint")).text
        size = int(note.split("\n")[1])
        if not seen or size > seen[-1][0]:
            seen.append((size, time.monotonic()))
        await asyncio.sleep(0.02)


async def _places(database: Database, calls: list[str]) -> dict[str, int]:
    """Index of the outcome of each call."""
    connection = await asyncpg.connect(database.url)
    rows = await connection.fetch(
        "SELECT call_id::text, leaf_index FROM audit.entry_index WHERE kind = 'outcome' AND call_id = ANY ($1::uuid[])",
        calls,
    )
    await connection.close()
    return {row[0]: row[1] for row in rows}


async def measure(url: str, folder: Path) -> bool:
    """Both parts; whether every bar was met."""
    database = Database(url)
    await migrate(url, "audit_service", "audit", PASSWORD)
    async with service(database, folder) as (address, key):
        gateways = [Gateway(f"gateway-{n}", address, key) for n in (1, 2)]
        for gateway in gateways:
            await gateway.start()
        renewing = [asyncio.create_task(gateway.renew()) for gateway in gateways]
        fast = await burst(gateways, database)
        sys.stdout.write(json.dumps(fast) + "\n")
        steady = await paced(gateways[0], database)
        sys.stdout.write(json.dumps(steady) + "\n")
        for task in renewing:
            task.cancel()
    return (
        fast["accepted_per_s"] >= INGEST_BAR
        and fast["searchable_per_s"] >= SEARCHABLE_BAR
        and steady["published_p99_ms"] <= PUBLISHED_BAR_MS
    )


def main() -> int:
    """0 where every bar is met."""
    with tempfile.TemporaryDirectory(prefix="tongdao-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        folder.chmod(0o755)
        postgres = Postgres(folder / "postgres")
        try:
            url = postgres.start()
            return 0 if asyncio.run(measure(url, folder)) else 1
        finally:
            postgres.stop()


if __name__ == "__main__":
    sys.exit(main())
