"""The audit service: settings -> parts -> process. Run as `python -m audit_service.app`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from audit_service import store
from audit_service.api import batches, leases, proofs, records
from audit_service.append import Ingest
from audit_service.checkpoint import Published, Signer
from audit_service.reaper import SWEEP_S, Reaper
from audit_service.records import Records
from audit_service.sequencer import Refused, Sequencer
from audit_service.settings import Settings
from audit_service.writer import Writer
from relay.protocol import Handler, call_protocol
from runtime import env, logs
from runtime.db import check_server
from runtime.errors import Refusal
from runtime.http import AsyncClient, client
from runtime.server import make_app, serve
from runtime.service_auth import ServiceKey
from runtime.tasks import Tasks
from wire.tokens import Door, Verifier, keys_of

RENEW_S = 1.0


def build(settings: Settings, identity: AsyncClient) -> tuple[FastAPI, Handler]:
    """The application for the slow lane and the handler for the fast one. `identity` is asked for the issuer's keys."""
    key = ServiceKey.from_file(settings.service_secret_file, "audit")
    signer = Signer.from_file(settings.origin, settings.signing_key_file)
    database = store.Database(settings.database_url)
    sequencer = Sequencer(database, signer, Published(settings.published_file))
    ingest = Ingest(database, sequencer.wake.set)
    writer = Writer(settings.instance, database, ingest)
    reaper = Reaper(f"{settings.instance}-reaper", database, settings.lease_s)
    door = Door(Verifier(settings.issuer, settings.audience, keys_of(identity)))

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await check_server(settings.database_url)
        await database.open()
        tasks = Tasks()
        tasks.forever("sequencer", sequencer.lead)
        tasks.every(SWEEP_S, "reaper", reaper.sweep)
        tasks.every(RENEW_S, "lease", writer.renew)
        yield
        await tasks.stop()
        await _drain(writer, reaper)
        await database.close()
        await identity.aclose()

    async def ready() -> None:
        await database.reader.fetchval("SELECT 1")
        if sequencer.refused:
            raise Refused(sequencer.refused)

    app = make_app("Tongdao audit", lifespan, ready)
    app.include_router(leases.router(database, key))
    app.include_router(records.router(Records(database, writer, settings.origin), door))
    app.include_router(proofs.router(database, signer.vkey))
    return app, batches.BatchDoor(key, ingest).handle


async def _drain(writer: Writer, reaper: Reaper) -> None:
    """Leases end at once instead of running out. Best effort: kill -9 is as safe."""
    with suppress(Refusal):
        await writer.drain()
        await reaper.drain()


def main() -> None:
    """Start and serve until told to stop."""
    settings = env.load(Settings)
    logs.configure("audit", settings.log_level)
    app, handle = build(settings, client(settings.identity_url))
    serve(app, settings.host, settings.port, call_protocol(b"/batches", handle), root_path="/api/audit")


if __name__ == "__main__":
    main()
