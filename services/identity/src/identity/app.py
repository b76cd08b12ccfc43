"""The authorization server: what it is made of. Run as `python -m identity.app`."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI

from identity import store
from identity.api import clients, metadata, token
from identity.clients import CLIENT_SECRET_BASIC, PRIVATE_KEY_JWT, PrivateKeyJwt, SecretBasic
from identity.grants import AccessTokens, client_credentials
from identity.issue import Issuing
from identity.keys import SigningKeys, public_keys
from identity.registration import Registration, operator
from identity.server import AuthMethod, Server
from identity.settings import Settings
from runtime import db, http, logs
from runtime.clock import Clock, SystemClock
from runtime.env import load
from runtime.outbox import Outbox
from runtime.server import make_app, serve
from runtime.service_auth import ServiceKey
from runtime.tasks import Tasks
from wire.lease import RENEW_S, EventWriter
from wire.tokens import Door, Keys, Verifier

DELIVER_S = 1.0
FORGET_S = 60.0


def create(settings: Settings, *, clock: Clock | None = None, audit: http.AsyncClient | None = None) -> FastAPI:
    """The application. Tests bring a clock and a log of their own."""
    clock = clock or SystemClock()
    audit = audit or http.client(settings.audit_url)
    audience = settings.audience or settings.issuer
    database = db.engine(settings.database_url)
    writer = EventWriter(settings.instance, audit, ServiceKey.from_file(settings.service_secret_file, "identity"))
    outbox = Outbox(database, store.outbox, writer.write)
    keys = SigningKeys.from_file(settings.signing_keys_file)
    methods = _methods(settings)
    tokens = AccessTokens(keys, issuer=settings.issuer, audience=audience, life_s=settings.token_life_s, clock=clock)
    server = Server(methods, client_credentials(audience), tokens)
    endpoint = f"{settings.issuer}/oauth2/token"
    issuing = Issuing(database, server, outbox, token_endpoint=endpoint, clock=clock)
    registration = Registration(database, outbox)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        await db.check_server(settings.database_url)
        first = json.loads(settings.operator_jwks_file.read_text())
        await registration.register_operator(operator(public_keys(first)), clock.now())
        tasks = Tasks()
        tasks.every(DELIVER_S, "outbox", issuing.deliver)
        tasks.every(FORGET_S, "assertions", issuing.forget)
        tasks.every(RENEW_S, "lease", writer.renew)
        yield
        await tasks.stop()
        await audit.aclose()
        await database.dispose()

    app = make_app("Tongdao identity", lifespan, lambda: db.ready(database))
    app.include_router(token.router(issuing))
    app.include_router(metadata.router(settings.issuer, list(methods), keys))
    door = Door(Verifier(settings.issuer, audience, _own_keys(keys)))
    app.include_router(clients.router(registration, door, clock, secrets_allowed=settings.allow_client_secret_basic))
    return app


def _methods(settings: Settings) -> dict[str, AuthMethod]:
    """How clients may prove who they are, in the order in which they are tried."""
    methods: dict[str, AuthMethod] = {PRIVATE_KEY_JWT: PrivateKeyJwt(settings.issuer)}
    if settings.allow_client_secret_basic:
        methods[CLIENT_SECRET_BASIC] = SecretBasic()
    return methods


def _own_keys(keys: SigningKeys) -> Keys:
    """Our own public keys in the place where other services fetch them."""

    async def fetch() -> dict[str, Any]:
        return keys.public()

    return Keys(fetch)


def main() -> None:
    settings = load(Settings)
    logs.configure("identity", settings.log_level)
    serve(create(settings), settings.host, settings.port)


if __name__ == "__main__":
    main()
