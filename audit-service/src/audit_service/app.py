"""The audit service: settings -> parts -> process. Run as `python -m audit_service.app`."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from fastapi import FastAPI

from audit_service import store
from audit_service.anomalies.flows import Alerts
from audit_service.anomalies.judging import Judge
from audit_service.anomalies.rules import BadRules, rules_in
from audit_service.api import (
    anomalies,
    archive,
    batches,
    evidence,
    feeds,
    keeping,
    leases,
    monitor,
    proofs,
    records,
    search,
    subjects,
    witnesses,
)
from audit_service.append import Ingest
from audit_service.archive.archiving import Archive
from audit_service.archive.cold import Cold
from audit_service.archive.objects import Objects
from audit_service.checkpoint import Published, Signer
from audit_service.evidence.dossiers import Dossiers
from audit_service.evidence.packages import Evidence
from audit_service.evidence.packages import Parts as EvidenceParts
from audit_service.feeds.delivering import Sender
from audit_service.feeds.digests import Digests
from audit_service.feeds.flows import Feeds
from audit_service.fresh import Fresh, Tail
from audit_service.keeping.disposals import Disposals
from audit_service.keeping.disposing import Disposing
from audit_service.keeping.holds import Holds
from audit_service.keeping.law import under
from audit_service.keeping.segments import Segments
from audit_service.monitor.checker import TICK_S, Monitor
from audit_service.monitor.figures import Figures
from audit_service.reaper import SWEEP_S, Reaper
from audit_service.records import Records
from audit_service.search.exporting import Exporter
from audit_service.search.finder import Finder
from audit_service.search.indexer import Indexer
from audit_service.search.looking import LookUps
from audit_service.sequencer import Refused, Sequencer
from audit_service.settings import Settings
from audit_service.subjects.look_ups import LookUps as SubjectLookUps
from audit_service.witnessing.policy import Policy
from audit_service.witnessing.posting import Witnessing
from audit_service.witnessing.store import newest_witnessed
from audit_service.writer import Writer
from relay.egress import Egress
from relay.protocol import Handler, call_protocol
from runtime import env, logs
from runtime.db import check_server
from runtime.errors import Refusal
from runtime.http import AsyncClient, client
from runtime.server import make_app, serve
from runtime.service_auth import ServiceKey
from runtime.tasks import Tasks
from statute.model import UnknownKey
from tlog.hashes import SUITES
from wire.subjects import SubjectKey
from wire.tokens import Door, Verifier, keys_of

RENEW_S = 1.0


class Parts:
    """What the service is made of, each part after those that it rests on."""

    def __init__(self, settings: Settings, identity: AsyncClient, catalog: AsyncClient) -> None:
        self.settings = settings
        self.clients = (identity, catalog)
        self.key = key = ServiceKey.from_file(settings.service_secret_file, "audit")
        self.door = Door(Verifier(settings.issuer, settings.audience, keys_of(identity)), key)
        signer = Signer.from_file(settings.origin, settings.signing_key_file, settings.next_signing_key_file)

        self.database = database = store.Database(settings.database_url)
        self.witnessing = Witnessing(database, settings.witnesses, signer.vkeys)
        self.policy = Policy(
            database, settings.witness_policy, settings.witness_grace_s, [one.name for one in settings.witnesses]
        )
        fresh, tail = Fresh(), Tail()
        self.sequencer = Sequencer(
            database, signer, Published(settings.published_file), suite=SUITES[settings.hash_suite],
            witnessed=self.witnessing.proven, read=fresh.take, placed=tail.add,
        )  # fmt: skip
        self.ingest = Ingest(database, self.sequencer.wake.set, admit=self.policy.check, keep=fresh.keep)
        self.writer = writer = Writer(settings.instance, database, self.ingest)
        self.reaper = Reaper(f"{settings.instance}-reaper", database, settings.lease_s)

        periods = under(settings.profile, settings.general_months, settings.personal_months)
        objects = Objects.at(settings.archive_url, settings.archive_s3)
        self.cold = cold = Cold(database, objects)
        self.archive = Archive(database, writer, objects, periods, hot_days=settings.hot_days)
        self.records = Records(database, writer, cold=cold, witnessed=newest_witnessed)
        self.indexer = Indexer(database, tail=tail)
        self.finder = finder = Finder(database, cold)
        self.look_ups = LookUps(writer)
        self.exporter = Exporter(finder, self.look_ups)
        self.holds = Holds(database, writer, cold)
        self.disposals = Disposals(database, writer, self.holds, periods)
        self.disposing = Disposing(database, writer, self.holds, periods, objects, cold)
        self.segments = Segments(database, writer, periods)
        self.subjects = SubjectLookUps(finder, writer, SubjectKey.from_file(settings.subject_key_file))
        self.evidence = Evidence(
            EvidenceParts(database, self.records, finder, cold, Dossiers(catalog, key), writer, newest_witnessed)
        )
        egress = Egress.stated(settings.allow_loopback, settings.forbidden_ports)
        self.feeds = Feeds(database, finder, writer)
        self.sender = Sender(database, finder, writer, egress, key)
        self.digests = Digests(database)
        rules = rules_in(settings.anomaly_rules_file)
        self.judge = Judge(database, writer, rules)
        self.alerts = Alerts(database, finder, writer, rules)
        witnesses = [one.vkey for one in settings.witnesses]
        self.monitor = Monitor(database, writer, signer.vkeys, witnesses, objects)
        self.figures = Figures(database)

    def start(self, tasks: Tasks) -> None:
        """The background work. What only one replica may do at a time sees to that itself."""
        tasks.forever("sequencer", self.sequencer.lead)
        tasks.every(SWEEP_S, "reaper", self.reaper.sweep)
        tasks.every(RENEW_S, "lease", self.writer.renew)
        tasks.every(0.5, "indexer", self.indexer.tick)
        tasks.every(60, "sieves", self.indexer.sift)
        tasks.every(20, "witnesses", self.witnessing.tick)
        tasks.every(5, "witness-policy", self.policy.judge)
        tasks.every(60, "archive", self.archive.tick)
        tasks.every(45, "disposing", self.disposing.tick)
        tasks.every(60, "cold", self.cold.tidy)
        tasks.every(5, "feeds", self.sender.tick)
        tasks.every(60, "digests", self.digests.tick)
        tasks.every(60, "anomalies", self.judge.tick)
        tasks.every(TICK_S, "monitor", self.monitor.tick)

    async def stop(self) -> None:
        """Leases end at once instead of running out. Best effort: kill -9 is as safe."""
        await self.sender.stop()
        await self.witnessing.close()
        with suppress(Refusal):
            await self.writer.drain()
            await self.reaper.drain()
        await self.database.close()
        for one in self.clients:
            await one.aclose()

    async def ready(self) -> None:
        """Raises where nothing could be recorded or signed."""
        await self.database.reader.fetchval("SELECT 1")
        if self.sequencer.refused:
            raise Refused(self.sequencer.refused)


def build(settings: Settings, identity: AsyncClient, catalog: AsyncClient) -> tuple[FastAPI, Handler]:
    """The application for the slow lane and the handler for the fast one. `identity` is asked for the issuer's keys,
    `catalog` for the decisions behind grants. Raises ValueError, BadRules or UnknownKey where settings do not fit."""
    parts = Parts(settings, identity, catalog)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await check_server(settings.database_url)
        await parts.database.open()
        await parts.policy.judge()
        tasks = Tasks()
        parts.start(tasks)
        yield
        await tasks.stop()
        await parts.stop()

    app = make_app("Tongdao audit", lifespan, parts.ready)
    _add_routes(app, parts)
    return app, batches.BatchDoor(parts.key, parts.ingest).handle


def _add_routes(app: FastAPI, parts: Parts) -> None:
    database, door = parts.database, parts.door
    for router in (
        leases.router(database, parts.key),
        proofs.router(database),
        witnesses.router(database, parts.witnessing, parts.policy),
        records.router(parts.records, door),
        search.router(database, parts.finder, parts.exporter, parts.look_ups, door),
        evidence.router(parts.evidence, door),
        subjects.router(parts.subjects, door),
        feeds.router(parts.feeds, parts.key, door),
        anomalies.router(parts.alerts, door),
        archive.router(parts.segments, door),
        keeping.router(parts.disposals, parts.holds, door),
        monitor.router(parts.figures, door),
    ):
        app.include_router(router)


def main() -> None:
    """Start and serve until told to stop."""
    settings = env.load(Settings)
    logs.configure("audit", settings.log_level)
    try:
        app, handle = build(settings, client(settings.identity_url), client(settings.catalog_url))
    except (ValueError, BadRules, UnknownKey) as error:
        sys.stderr.write(f"the settings cannot be used: {error}\n")
        sys.exit(env.WRONG_SETTINGS)
    serve(app, settings.host, settings.port, call_protocol(b"/batches", handle), root_path="/api/audit")


if __name__ == "__main__":
    main()
