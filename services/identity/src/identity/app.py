"""The authorization server: what it is made of. Run as `python -m identity.app`."""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fastapi import APIRouter, FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine

from identity import store
from identity.api import clients, introspection, login, metadata, openid, people, token
from identity.api import keys as keys_api
from identity.api.browser import Cookies
from identity.asking import Asking
from identity.binding import Binder
from identity.certificates import TLS_CLIENT_AUTH
from identity.client_keys import ClientKeys
from identity.clients import CLIENT_SECRET_BASIC, PRIVATE_KEY_JWT, PrivateKeyJwt, SecretBasic, TlsClientAuth
from identity.door import OwnDoor
from identity.events import OURSELVES
from identity.exchange import token_exchange
from identity.expiry import LOOK_S, Expiry
from identity.grants import AccessTokens, client_credentials
from identity.introspection import Introspection
from identity.issue import Issuing
from identity.keys import SigningKeys, public_keys
from identity.pages.render import Pages
from identity.people.authorize import Authorizing
from identity.people.external import External, Provider, read_key
from identity.people.grants import people_grants
from identity.people.lockout import Devices
from identity.people.model import Limits
from identity.people.passwords import Passwords
from identity.people.register import Register
from identity.people.signing_in import SignIn
from identity.people.totp import Secrets
from identity.presented import Presented
from identity.refusals import Refusals
from identity.registration import PLATFORM, Registration, operator
from identity.revocation import RevocationEndpoint
from identity.revoking import FLUSH_S, Revoking, revoke
from identity.server import AuthMethod, Server
from identity.settings import Settings
from identity.signing.flows import SCHEDULED, TICK_S, By, Rotation
from identity.standing import Standings
from identity.throttle import Throttle
from runtime import db, http, logs
from runtime.clock import Clock, SystemClock
from runtime.env import load
from runtime.outbox import Outbox
from runtime.seal import Seal
from runtime.server import make_app, serve
from runtime.service_auth import ServiceKey
from runtime.tasks import Tasks
from wire.dpop import Nonces
from wire.feed import FeedReader, Whole
from wire.jose import PublicKey, keys_in
from wire.lease import RENEW_S, EventWriter
from wire.tokens import Keys, UnknownKey, Verifier

DELIVER_S = 1.0
FORGET_S = 60.0


class Parts:
    """What the service is made of, each part after those that it rests on."""

    def __init__(
        self, settings: Settings, clock: Clock, audit: http.AsyncClient, catalog: http.AsyncClient,
        outside: http.AsyncClient,
    ) -> None:  # fmt: skip
        self.settings, self.clock = settings, clock
        self.clients = (audit, catalog, outside)
        audience = settings.audience or settings.issuer
        self.database = database = db.engine(settings.database_url)
        self.key = key = ServiceKey.from_file(settings.service_secret_file, "identity")
        self.writer = EventWriter(settings.instance, audit, key)
        self.revoking = Revoking(database, catalog, key)
        self.outbox = outbox = Outbox(database, store.outbox, self.writer.write)
        self.keys = keys = SigningKeys()
        self.rotation = _rotation(settings, database, keys, outbox, clock)
        self.standing = standing = Standings()
        self.feed = FeedReader(catalog, key, standing, gathering=partial(Whole, standing, every_grant=False))
        self.verifier = Verifier(settings.issuer, audience, _OwnKeys(keys))
        presented = Presented(self.verifier, clock)
        self.methods = _methods(settings)
        life_s, endpoint = settings.token_life_s, f"{settings.issuer}/oauth2/token"
        tokens = AccessTokens(keys, issuer=settings.issuer, audience=audience, life_s=life_s, clock=clock)
        self.sign_in = _sign_in(settings, database, outbox, key, clock)
        self.grants: list[Any] = [
            client_credentials(audience, tokens),
            token_exchange(audience, tokens, standing.barred),
            *people_grants(
                tokens, lambda claims: keys.sign(claims, "JWT"), settings.issuer, self.sign_in.limits,
                standing.of_department,
            ),
        ]  # fmt: skip
        server = Server(self.methods, self.grants, Binder(endpoint, _nonces(settings, key)), standing.barred)
        doing = (presented, Throttle(), Refusals())
        self.issuing = Issuing(database, server, outbox, *doing, token_endpoint=endpoint, clock=clock)
        self.asking = Asking(database, server, *doing, address=endpoint, clock=clock)
        self.expiry = Expiry(database, outbox, catalog, key, clock)
        self.registration = Registration(database, outbox, timedelta(days=settings.client_key_days))
        self.external = _external(settings, database, outbox, self.sign_in, outside, clock)

    async def start(self, tasks: Tasks) -> None:
        """Keys and the first client, then everything that runs beside the requests."""
        await db.check_server(self.settings.database_url)
        await self.rotation.begin(_keys_in(self.settings.signing_keys_file))
        first = json.loads(self.settings.operator_jwks_file.read_text())
        await self.registration.register_operator(operator(public_keys(first)), self.clock.now())
        tasks.every(TICK_S, "signing_keys", self.rotation.tick)
        tasks.every(LOOK_S, "client_keys.expiry", self.expiry.tick)
        tasks.forever("feed", self.feed.follow)
        tasks.every(DELIVER_S, "outbox", self.issuing.deliver)
        tasks.every(FORGET_S, "assertions", self.issuing.forget)
        tasks.every(RENEW_S, "lease", self.writer.renew)
        tasks.every(DELIVER_S, "people.failures", self.sign_in.tick)
        tasks.every(FORGET_S, "people.forget", self.sign_in.forget)
        tasks.every(FLUSH_S, "revocations.deliver", self.revoking.deliver)
        tasks.every(FORGET_S, "revocations.forget", lambda: self.revoking.forget(self.clock.now()))

    async def ready(self) -> None:
        """Raises while the database does not answer, or no key of ours may sign."""
        await db.ready(self.database)
        self.rotation.check_signs()

    async def stop(self) -> None:
        for client in self.clients:
            await client.aclose()
        self.sign_in.close()
        await self.database.dispose()

    def routers(self) -> Iterator[APIRouter]:
        """What can be asked."""
        settings, database, outbox, key, clock = self.settings, self.database, self.outbox, self.key, self.clock
        yield token.router(self.issuing, key)
        revocation = RevocationEndpoint(self.asking, self.revoking, outbox, clock)
        yield introspection.router(Introspection(self.asking, self.standing), revocation, key)
        door = OwnDoor(self.verifier, key, database, self.standing)
        yield clients.router(self.registration, door, clock, secrets_allowed=settings.allow_client_secret_basic)
        yield keys_api.of_clients(ClientKeys(self.registration), door, clock)
        yield keys_api.of_ours(self.rotation, door)
        register = Register(database, outbox, self.standing.knows_department, clock)
        oauth = metadata.metadata_of(settings.issuer, list(self.methods), [one.GRANT_TYPE for one in self.grants])
        document = openid.openid_metadata(settings.issuer, oauth)
        yield metadata.router(document, self.keys)
        yield people.router(register, door, settings.issuer)
        yield openid.router(register, door, document)
        yield login.router(_desk(settings, database, self.sign_in, key, self.external, clock))


def create(
    settings: Settings, *, clock: Clock | None = None, audit: http.AsyncClient | None = None,
    catalog: http.AsyncClient | None = None, outside: http.AsyncClient | None = None,
) -> FastAPI:  # fmt: skip
    """The application. Tests bring a clock, a log, a catalog and a provider elsewhere of their own."""
    parts = Parts(
        settings, clock or SystemClock(), audit or http.client(settings.audit_url),
        catalog or http.client(settings.catalog_url), outside or http.client(""),
    )  # fmt: skip

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        tasks = Tasks()
        await parts.start(tasks)
        yield
        await tasks.stop()
        await parts.stop()

    app = make_app("Tongdao identity", lifespan, parts.ready)
    for router in parts.routers():
        app.include_router(router)
    return app


def _methods(settings: Settings) -> dict[str, AuthMethod]:
    """How clients may prove who they are, in the order in which they are tried."""
    methods: dict[str, AuthMethod] = {
        PRIVATE_KEY_JWT: PrivateKeyJwt(settings.issuer),
        TLS_CLIENT_AUTH: TlsClientAuth(),
    }
    if settings.allow_client_secret_basic:
        methods[CLIENT_SECRET_BASIC] = SecretBasic()
    return methods


def _nonces(settings: Settings, key: ServiceKey) -> Nonces | None:
    """The same at every replica."""
    return Nonces(key.derived("dpop nonce").encode()) if settings.dpop_nonce else None


def _rotation(
    settings: Settings, database: AsyncEngine, keys: SigningKeys, outbox: Outbox, clock: Clock
) -> Rotation:  # fmt: skip
    """What keeps `keys` as all replicas know them."""
    return Rotation(
        database, Seal.from_file(settings.seal_keys_file), keys, outbox, revoke, clock=clock,
        every=timedelta(days=settings.rotate_days), ahead=timedelta(seconds=settings.publish_ahead_s),
        ourselves=By(OURSELVES, PLATFORM, SCHEDULED),
    )  # fmt: skip


def _sign_in(
    settings: Settings, database: AsyncEngine, outbox: Outbox, key: ServiceKey, clock: Clock
) -> SignIn:  # fmt: skip
    """How people prove who they are."""
    secrets = Secrets(bytes.fromhex(key.derived("invitations")), Seal.from_file(settings.seal_keys_file))
    devices = Devices(bytes.fromhex(key.derived("device cookies")))
    limits = Limits(timedelta(minutes=settings.session_idle_minutes), timedelta(hours=settings.session_hours))
    return SignIn(database, outbox, Passwords(), secrets, devices, limits, clock)


def _external(
    settings: Settings, database: AsyncEngine, outbox: Outbox, sign_in: SignIn, outside: http.AsyncClient, clock: Clock
) -> External | None:  # fmt: skip
    """Signing in elsewhere, None where nothing is set."""
    if not settings.external_issuer or settings.external_key_file is None:
        return None
    key = read_key(settings.external_key_file.read_text())
    back = f"{settings.issuer}/login/external/callback"
    provider = Provider(settings.external_issuer, settings.external_client_id, key, back)
    return External(database, outbox, sign_in, provider, outside, clock)


def _desk(
    settings: Settings, database: AsyncEngine, sign_in: SignIn, key: ServiceKey, external: External | None, clock: Clock
) -> login.Desk:  # fmt: skip
    """What the pages at /login work with."""
    cookies = Cookies(key, secure=settings.issuer.startswith("https:"))
    parts = urlsplit(settings.external_issuer)
    elsewhere = f"{parts.scheme}://{parts.netloc}" if external else ""
    authorizing = Authorizing(database, settings.issuer, clock)
    return login.Desk(sign_in, authorizing, cookies, Pages(), external, elsewhere)


def _keys_in(file: Path | None) -> list[dict[str, Any]]:
    """The private keys of a JWK set; none where there is no file."""
    return list(json.loads(file.read_text())["keys"]) if file and file.exists() else []


class _OwnKeys(Keys):
    """Our own public keys as they are now: what a key that was dropped has signed opens nothing from that moment on."""

    def __init__(self, keys: SigningKeys) -> None:
        async def fetch() -> dict[str, Any]:
            return keys.public()

        super().__init__(fetch)
        self._ours = keys

    def get(self, kid: str) -> PublicKey:
        """Raises UnknownKey."""
        key = keys_in(self._ours.public()).get(kid)
        if key is None:
            raise UnknownKey(f"no key {kid[:40]!r}")
        return key


def main() -> None:
    settings = load(Settings)
    logs.configure("identity", settings.log_level)
    serve(create(settings), settings.host, settings.port)


if __name__ == "__main__":
    main()
