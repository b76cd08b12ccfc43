"""The demo city loaded into a real catalog on a real database."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from httpx2 import MockTransport
from joserfc import jwt
from joserfc.jwk import ECKey

from catalog_service.app import create
from catalog_service.settings import Settings
from runtime.http import AsyncClient, Client, Response, sync_client
from tongdao_cli import demo
from tongdao_cli.postgres import free_port
from wire import scopes

ISSUER = "http://gateway.example"
KEY = ECKey.generate_key("P-256", {"use": "sig", "alg": "ES256"}, auto_kid=True)
CATALOG = demo.messages("http://127.0.0.1:4711", "file:///files")
PATIENCE_S = 60


def token() -> str:
    """An access token of the operator."""
    now = int(time.time())
    claims = {
        "iss": ISSUER, "aud": ISSUER, "sub": "platform-operator", "client_id": "platform-operator", "jti": "t1",
        "department": "platform", "scope": " ".join(scopes.ALL), "iat": now, "exp": now + 300,
    }  # fmt: skip
    return jwt.encode({"alg": "ES256", "typ": "at+jwt", "kid": KEY.kid}, claims, KEY)


@pytest.fixture
def gateway(cluster: Any, tmp_path: Path) -> Iterator[Client]:
    """A catalog service that is reached as through the gateway; its log is away, which it has to bear."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"s" * 32)
    subject, consents = tmp_path / "subject.key", tmp_path / "consents.jwks.json"
    subject.write_text("5" * 64)
    consents.write_text(json.dumps({"keys": [KEY.as_dict(private=True)]}))
    settings = Settings(
        port=free_port(), service_secret_file=secret, subject_key_file=subject, consent_keys_file=consents,
        issuer=ISSUER, identity_url="", audit_url="", allow_loopback=True,
        database_url=cluster.database(("catalog_service", "catalog")).url_of("catalog"),
    )  # fmt: skip
    keys = {"keys": [KEY.as_dict(private=False)]}
    identity = AsyncClient(base_url="http://identity", transport=MockTransport(lambda _: Response(200, json=keys)))
    audit = AsyncClient(base_url="http://audit", transport=MockTransport(lambda _: Response(503)))
    app = create(settings, identity, audit)

    async def stripped(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            scope = {**scope, "path": scope["path"].removeprefix(demo.PREFIX)}
        await app(scope, receive, send)

    server = uvicorn.Server(uvicorn.Config(stripped, port=settings.port, log_config=None, ws="none"))
    with running(server), sync_client(f"http://127.0.0.1:{settings.port}") as client:
        yield client


@contextmanager
def running(server: uvicorn.Server) -> Iterator[None]:
    """The server in a thread of its own while the block runs."""
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not server.started:
            assert thread.is_alive(), "the catalog did not start"
            assert time.monotonic() < deadline, "the catalog did not start in time"
            time.sleep(0.02)
        yield
    finally:
        server.should_exit = True
        thread.join(PATIENCE_S)


def get(gateway: Client, path: str) -> Any:
    """What the catalog shows the operator."""
    answer = gateway.get(demo.PREFIX + path, headers={"Authorization": f"Bearer {token()}"})
    assert answer.status_code == 200, answer.text
    return answer.json()


def revoke(gateway: Client, path: str) -> None:
    """Take something away, as an operator does."""
    answer = gateway.post(
        f"{demo.PREFIX}{path}/revoke", json={"reason": "演练"}, headers={"Authorization": f"Bearer {token()}"}
    )
    assert answer.status_code == 200, answer.text


@pytest.mark.requirement("DEM-01")
def test_the_whole_demo_is_taken(gateway: Client) -> None:
    summary = demo.load(gateway, token(), CATALOG)

    assert summary.left == []
    assert summary.registered == len(CATALOG.registrations)
    assert {entry["id"] for entry in get(gateway, "/departments?limit=1000")["items"]} >= {
        message.path.split("/")[2] for message in CATALOG.departments
    }
    assert len(get(gateway, "/resources?limit=1000")["items"]) == 24
    assert len(get(gateway, "/interfaces?limit=1000")["items"]) == 24
    assert get(gateway, "/interfaces/gaj-vehicle-info/versions/v1")["base_url"] == "http://127.0.0.1:4711/gaj"


@pytest.mark.requirement("DEM-06")
def test_a_second_load_neither_doubles_nor_brings_back(gateway: Client) -> None:
    first = demo.load(gateway, token(), CATALOG)
    lost = first.grants["sthjj-emission", "gaj-vehicle-info/v1"]
    revoke(gateway, f"/grants/{lost}")
    revoke(gateway, "/systems/jtj-transport")

    second = demo.load(gateway, token(), CATALOG)

    assert (second.grants_made, second.grants) == (0, first.grants)
    assert second.left == ["PUT /systems/jtj-transport: revoked"]
    assert len(get(gateway, "/grants?limit=1000")["items"]) == len(CATALOG.grants)
    assert get(gateway, f"/grants/{lost}")["state"]["standing"] == "revoked"


@pytest.mark.requirement("DEM-06")
def test_interfaces_follow_the_sample_departments_to_another_port(gateway: Client) -> None:
    demo.load(gateway, token(), CATALOG)
    demo.load(gateway, token(), demo.messages("http://127.0.0.1:4712", "file:///files"))

    assert get(gateway, "/interfaces/gaj-vehicle-info/versions/v1")["base_url"] == "http://127.0.0.1:4712/gaj"
