"""A catalog service in process over a real PostgreSQL, with an identity that has one key."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from httpx2 import ASGITransport, MockTransport
from joserfc import jwk

from catalog_service.app import create
from catalog_service.settings import Settings
from harness.catalog import ISSUER, SECRET, Catalog, Log
from harness.postgres import Database
from runtime import http


@asynccontextmanager
async def running_catalog(database: Database, folder: Path, *, loopback: bool = False) -> AsyncIterator[Catalog]:
    """The service with its background tasks; `folder` is where its secret lies. `loopback`: as for development."""
    secret = folder / "service.secret"
    secret.write_bytes(SECRET)
    subject, consents = folder / "subject.key", folder / "consents.jwks.json"
    subject.write_text("5" * 64)
    signing = jwk.ECKey.generate_key("P-256", {"kid": "c1", "use": "sig"}).as_dict(private=True)
    consents.write_text(json.dumps({"keys": [signing]}))
    settings = Settings(
        port=1, service_secret_file=secret, database_url=database.url_of("catalog"), issuer=ISSUER,
        identity_url="http://identity", audit_url="http://audit", subject_key_file=subject, consent_keys_file=consents,
        allow_loopback=loopback,
    )  # fmt: skip
    key = jwk.ECKey.generate_key("P-256", {"kid": "k1", "use": "sig"})
    keys = {"keys": [key.as_dict(private=False)]}
    identity = http.AsyncClient(
        transport=MockTransport(lambda _: http.Response(200, json=keys)), base_url="http://identity"
    )
    log = Log()
    audit = http.AsyncClient(transport=ASGITransport(log.app), base_url="http://audit")
    app = create(settings, identity, audit)
    async with app.router.lifespan_context(app):
        running = Catalog(app, database, key, log)
        yield running
        await running.client.aclose()
