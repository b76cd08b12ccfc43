"""The authorization server in process, on a real PostgreSQL, with a log that the test can look into."""

import base64
import json
import secrets
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
from fastapi import FastAPI
from joserfc import jwt
from joserfc.jwk import ECKey

from harness.audit_sink import AuditSink
from harness.catalog_sink import CatalogSink
from harness.postgres import Cluster, Database
from identity.app import create
from identity.settings import Settings
from runtime.service_auth import STREAMED, ServiceKey
from wire import scopes
from wire.assertions import TYPE
from wire.front import Front, to_message
from wire.tokens import Keys, Verifier

ISSUER = "https://tongdao.example"


def new_key(kid: str = "") -> ECKey:
    return ECKey.generate_key("P-256", {"kid": kid or f"k-{uuid4().hex[:8]}"})


def public(*keys: ECKey) -> dict[str, Any]:
    return {"keys": [dict(key.as_dict(private=False)) for key in keys]}


class MovedClock:
    """The real time, moved by what a test wants."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


class Home:
    """Secrets and settings that several processes share."""

    def __init__(self, folder: Path, database: Database) -> None:
        self.operator = new_key("operator-1")
        self.signing = [new_key("signing-1"), new_key("signing-0")]
        self.database = database
        self.settings = {
            "port": 1,
            "issuer": ISSUER,
            "audit_url": "http://log.test",
            "catalog_url": "http://catalog.test",
            "database_url": database.url_of("identity"),
            "service_secret_file": self._file(folder / "service.secret", secrets.token_hex(32)),
            "seal_keys_file": self._file(folder / "seal.keys", f"k1 aes-256-gcm {'07' * 32}"),
            "signing_keys_file": self._file(
                folder / "signing.json", json.dumps({"keys": [key.as_dict(private=True) for key in self.signing]})
            ),
            "operator_jwks_file": self._file(folder / "operator.json", json.dumps(public(self.operator))),
        }

    def service_key(self, service: str) -> ServiceKey:
        return ServiceKey.from_file(Path(str(self.settings["service_secret_file"])), service)

    def _file(self, path: Path, text: str) -> Path:
        path.write_text(text)
        return path


class Service:
    """One running authorization server, and how its clients talk to it."""

    def __init__(self, app: FastAPI, home: Home, log: AuditSink, clock: MovedClock, catalog: CatalogSink) -> None:
        self.app = app
        self.catalog = catalog
        self.home = home
        self.log = log
        self.clock = clock
        self.http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://identity.test")

    def claims(self, client_id: str, **over: Any) -> dict[str, Any]:
        now = int(time.time())
        claims = {
            "iss": client_id, "sub": client_id, "aud": ISSUER, "iat": now, "exp": now + 60, "jti": uuid4().hex, **over,
        }  # fmt: skip
        return {name: value for name, value in claims.items() if value is not ...}

    def assertion(self, client_id: str, key: ECKey, header: Mapping[str, Any] | None = None, **over: Any) -> str:
        full = {"alg": "ES256", "kid": key.kid, **(header or {})}
        full = {name: value for name, value in full.items() if value is not ...}
        return jwt.encode(full, self.claims(client_id, **over), key)

    def passed_on(self, path: str, address: str = "", certificate: bytes = b"") -> dict[str, str]:
        """Headers with which the gateway says who is at the other end of the line."""
        message = to_message(Front(address, base64.b64encode(certificate).decode()))
        signed = self.home.service_key("gateway").sign(b"POST", path.encode(), STREAMED, message)
        return {"Tongdao-Message": message.decode(), "Tongdao-Service": signed.decode()}

    async def ask(
        self, assertion: str = "", *, path: str = "/oauth2/token", address: str = "", certificate: bytes = b"",
        proofs: Sequence[str] = (), **form: str,
    ) -> httpx2.Response:  # fmt: skip
        """A request of a client through the gateway; `assertion` proves who it is."""
        proved = {"client_assertion_type": TYPE, "client_assertion": assertion} if assertion else {}
        data = {"grant_type": "client_credentials", **proved, **form}
        headers = [*self.passed_on(path, address, certificate).items()] if address or certificate else []
        headers += [("DPoP", proof) for proof in proofs]
        return await self.http.post(path, data=data, headers=headers)

    async def token(self, client_id: str, key: ECKey, **form: Any) -> str:
        answer = await self.ask(self.assertion(client_id, key), **form)
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    async def operator_token(self) -> str:
        return await self.token("platform-operator", self.home.operator)

    async def put(self, client_id: str, body: dict[str, Any], token: str = "") -> httpx2.Response:
        headers = {"Authorization": f"Bearer {token or await self.operator_token()}", "Accept-Language": "en"}
        return await self.http.put(f"/oauth2/clients/{client_id}", json=body, headers=headers)

    async def registered(self, **body: Any) -> tuple[str, ECKey]:
        """A new client with a key, registered by the operator."""
        client_id, key = f"gaj-{uuid4().hex[:10]}", new_key()
        wanted = {"department": "gaj", "scope": scopes.CALL, "method": "private_key_jwt", "jwks": public(key), **body}
        answer = await self.put(client_id, wanted)
        assert answer.status_code == 201, answer.text
        return client_id, key

    async def verifier(self) -> Verifier:
        async def fetch() -> dict[str, Any]:
            answer = await self.http.get("/oauth2/jwks")
            document: dict[str, Any] = answer.json()
            return document

        keys = Keys(fetch)
        await keys.refresh()
        return Verifier(ISSUER, ISSUER, keys)


@pytest.fixture(scope="module")
def database(cluster: Cluster) -> Iterator[Database]:
    with cluster.lent(("identity", "identity")) as lent:
        yield lent


@pytest.fixture(scope="module")
def home(database: Database, tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home(tmp_path_factory.mktemp("identity"), database)


@pytest.fixture
def log() -> AuditSink:
    return AuditSink()


@pytest.fixture
def catalog(home: Home) -> CatalogSink:
    return CatalogSink(home.service_key("catalog"))


Starter = Callable[..., Any]


@pytest.fixture
def start(home: Home, log: AuditSink, catalog: CatalogSink) -> Starter:
    """`async with start(setting=…) as service`: one more process on the same database."""
    return starter(home, log, catalog)


@pytest.fixture(scope="module")
def start_once(home: Home, log: AuditSink, catalog: CatalogSink) -> Starter:
    """The same for one process that all tests of a module share, with one `log` and one `catalog`: one_process/."""
    return starter(home, log, catalog)


def starter(home: Home, log: AuditSink, catalog: CatalogSink) -> Starter:
    """Starts processes that have these in common."""

    @asynccontextmanager
    async def started(**settings: Any) -> AsyncIterator[Service]:
        clock = MovedClock()
        audit = httpx2.AsyncClient(transport=httpx2.ASGITransport(log), base_url="http://log.test")
        stated = Settings(**{**home.settings, **settings})
        app = create(stated, clock=clock, audit=audit, catalog=catalog.client())
        async with app.router.lifespan_context(app):
            service = Service(app, home, log, clock, catalog)
            yield service
            await service.http.aclose()

    return started


@pytest.fixture
async def service(start: Starter) -> AsyncIterator[Service]:
    async with start() as running:
        yield running
