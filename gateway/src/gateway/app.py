"""The gateway's bill of materials: settings → clients → parts → one server with two lanes."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI

from gateway.admit import Admission
from gateway.allowances import quotas_router
from gateway.api import Passing, explain_router, home_router, passing_router
from gateway.authenticate import Authenticator
from gateway.consent import JWKS, Consents, Reader
from gateway.entrance import Entrance
from gateway.forward import Forwarder
from gateway.handle import Gateway, handle
from gateway.issuers import issuers
from gateway.peer import Peers
from gateway.proofs import FORGET_S, Proofs
from gateway.question import PREFIXES
from gateway.quota import Quotas
from gateway.record import Recorder
from gateway.senders import OwnDoor, Senders
from gateway.settings import Settings
from gateway.shares import TICK_S, Shares
from gateway.snapshot import Catalog
from gateway.strangers import Strangers
from gateway.subject import Subjects
from gateway.usage import REPORT_S, Tally
from relay.crowd import Crowd
from relay.hop.pool import LOOK_S, Hop
from relay.protocol import call_protocol
from relay.upstream import Upstream
from runtime import db, http
from runtime.env import load
from runtime.errors import Refusal
from runtime.logs import configure
from runtime.server import make_app, serve
from runtime.service_auth import ServiceKey
from runtime.tasks import Tasks
from wire import codes
from wire.dpop import Nonces
from wire.feed import FeedReader
from wire.lease import RENEW_S
from wire.subjects import SubjectKey
from wire.tokens import Verifier, keys_of

LONG_S = 120
"""A whole directory is taken in at once, in one transaction; an export or a package may take long to begin."""


def upstream(url: str, connections: int) -> Upstream:
    """A fast-lane pool to one of our own services."""
    parts = urlsplit(url)
    return Upstream(parts.hostname or "", parts.port or 80, connections=connections)


def forwarder(settings: Settings, key: ServiceKey) -> Forwarder:
    """Both ways to the exchange."""
    to_exchange = upstream(settings.exchange_url, connections=1024)
    return Forwarder(to_exchange, key, Hop(to_exchange.host, to_exchange.port, key, settings.body_limit_bytes))


def passed_on(settings: Settings, identity: http.AsyncClient) -> dict[str, tuple[http.AsyncClient, str]]:
    """What lies behind this door and is not a call: public prefix -> client, prefix there."""
    catalog, long_catalog = http.client(settings.catalog_url), http.client(settings.catalog_url, timeout_s=LONG_S)
    audit, long_audit = http.client(settings.audit_url), http.client(settings.audit_url, timeout_s=LONG_S)
    exchange = http.client(settings.exchange_url, timeout_s=LONG_S)
    return {
        "/oauth2": (identity, "/oauth2"),
        "/.well-known": (identity, "/.well-known"),
        "/login": (identity, "/login"),
        "/api/catalog/directory": (long_catalog, "/directory"),
        "/api/catalog": (catalog, ""),
        "/api/exchange/credentials": (exchange, "/credentials"),
        "/api/exchange/interfaces": (exchange, "/interfaces"),
        "/api/audit/export": (long_audit, "/export"),
        "/api/audit/evidence": (long_audit, "/evidence"),
        "/api/audit": (audit, ""),
    }


def background(gateway: Gateway, proofs: Proofs) -> Tasks:
    """What goes on beside the calls."""
    tasks, recorder, admission = Tasks(), gateway.recorder, gateway.admission
    tasks.every(LOOK_S, "exchange", gateway.forwarder.keep)
    tasks.forever("feed", gateway.feed.follow)
    tasks.every(RENEW_S, "lease", recorder.hold_lease)
    tasks.every(0.1, "patience", recorder.give_up_late)
    tasks.every(FORGET_S, "proofs", proofs.forget)
    tasks.every(TICK_S, "shares", admission.shares.tick)
    tasks.every(TICK_S, "quotas", admission.quotas.tick)
    tasks.every(FORGET_S, "quotas over", admission.quotas.forget)
    tasks.every(60, "strangers", gateway.strangers.record)
    tasks.every(REPORT_S, "usage", gateway.tally.report)
    return tasks


def routers(
    settings: Settings, gateway: Gateway, verifier: Verifier, identity: http.AsyncClient, key: ServiceKey
) -> Iterator[APIRouter]:  # fmt: skip
    """What can be asked of the gateway and is not a call."""
    senders = Senders(
        gateway.authenticator, gateway.catalog, gateway.feed, gateway.peers, gateway.strangers, gateway.max_staleness_s
    )  # fmt: skip
    yield home_router()
    yield explain_router(gateway, OwnDoor(verifier, senders, open_to_suspended=True))
    yield quotas_router(gateway.catalog, gateway.admission.quotas, OwnDoor(verifier, senders))
    yield passing_router(passed_on(settings, identity), Passing(senders, settings.public_url, key))


def build(settings: Settings) -> tuple[FastAPI, type]:
    """The application and the protocol class that hands calls to `handle`."""
    key = ServiceKey.from_file(settings.service_secret_file, "gateway")
    identity = http.client(settings.identity_url)
    to_catalog = http.client(settings.catalog_url, timeout_s=2)
    audience = settings.audience or settings.public_url
    peers = Peers(settings.trusted_proxies)
    further = issuers(settings.issuers, http.client(""))
    verifier = Verifier(settings.public_url, audience, keys_of(identity), further)
    consents = Consents(Reader(settings.public_url, audience, keys_of(to_catalog, JWKS)), to_catalog, key)
    catalog = Catalog(dropped=verifier.keys.drop)
    database = db.engine(settings.database_url)
    proofs = Proofs(database)
    nonces = Nonces(key.derived("dpop nonce").encode()) if settings.dpop_nonce else None
    authenticator = Authenticator(verifier, catalog, proofs, settings.public_url, nonces)
    feed = FeedReader(http.client(settings.catalog_url), key, catalog, settings.instance, catalog.gathering)
    to_audit = upstream(settings.audit_url, connections=4)
    recorder = Recorder(settings.instance, to_audit, http.client(settings.audit_url, timeout_s=2), key)
    # Connections of its own: the heartbeat of the shares must not wait for one behind calls (proofs, quotas).
    rates = db.engine(settings.database_url)
    shares = Shares(settings.instance, rates)
    admission = Admission(shares, Quotas(database, replicas=lambda: shares.replicas))
    gateway = Gateway(
        authenticator=authenticator, peers=peers, catalog=catalog, feed=feed, admission=admission, recorder=recorder,
        forwarder=forwarder(settings, key), strangers=Strangers(recorder), max_staleness_s=settings.max_staleness_s,
        tally=Tally(settings.instance, to_catalog, key),
        consents=consents, subjects=Subjects(SubjectKey.from_file(settings.subject_key_file)),
        body_limit_bytes=settings.body_limit_bytes,
    )  # fmt: skip

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = background(gateway, proofs)
        yield
        await gateway.strangers.record()
        await recorder.drain()
        await gateway.tally.report()
        await tasks.stop()
        await feed.leave()  # the door is shut, what was under way is answered, and nobody follows any more
        await admission.drain()
        await database.dispose()
        await rates.dispose()
        to_audit.close()
        gateway.forwarder.close()

    async def ready() -> None:
        recorder.check()
        admission.shares.check()
        if feed.age_s() > settings.max_staleness_s:
            raise Refusal(codes.POLICY_STALE)

    app = make_app("Tongdao gateway", lifespan, ready)
    for router in routers(settings, gateway, verifier, identity, key):
        app.include_router(router)
    entrance = Entrance(peers, gateway.strangers, encrypted_only=settings.encrypted_only)
    app.add_middleware(entrance.around)
    entered = entrance.before(partial(handle, gateway))
    crowd = Crowd(settings.connections_per_address, peers.trusts)
    return app, call_protocol(PREFIXES, entered, b"tongdao-fault: consumer\r\n", crowd)


def main() -> None:
    settings = load(Settings)
    configure(settings.instance, settings.log_level)
    app, protocol = build(settings)
    serve(app, settings.host, settings.port, protocol, encrypted=settings.encrypted)


if __name__ == "__main__":
    main()
