"""The service as its own process on real sockets: our own client, and an OAuth library of somebody else."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc.jwk import ECKey

from harness.audit_sink import AuditSink
from runtime.http import sync_client
from tongdao_cli.postgres import free_port
from wire.assertions import TokenRefused, fetch_token


@pytest.fixture(scope="module")
def served_log() -> Iterator[tuple[AuditSink, str]]:
    """A log on a socket of its own."""
    sink = AuditSink()
    listener = socket.create_server(("127.0.0.1", 0))
    server = uvicorn.Server(uvicorn.Config(sink, lifespan="off", log_config=None, access_log=False, ws="none"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    thread.start()
    yield sink, f"http://127.0.0.1:{listener.getsockname()[1]}"
    server.should_exit = True
    thread.join()
    listener.close()


@pytest.fixture(scope="module")
def issuer(home: Any, served_log: tuple[AuditSink, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Address of a running `python -m identity.app`, which is its own issuer."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    settings = {**home.settings, "port": port, "issuer": address, "audit_url": served_log[1]}
    settings["allow_client_secret_basic"] = "true"
    environment = {f"TONGDAO_IDENTITY_{name.upper()}": str(value) for name, value in settings.items()}
    with (tmp_path_factory.mktemp("log") / "identity.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "identity.app"], env={**os.environ, **environment}, stdout=log, stderr=log
        )
        try:
            wait_until_ready(address, process, Path(log.name))
            yield address
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)


def wait_until_ready(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()
        try:
            if httpx2.get(f"{address}/health/ready", trust_env=False).status_code == 200:
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.05)
    pytest.fail(log.read_text())


@pytest.fixture(scope="module")
def operator(home: Any) -> dict[str, Any]:
    return dict(home.operator.as_dict(private=True))


@pytest.mark.requirement("IDN-02")
def test_our_own_client_gets_a_token_and_is_told_why_not(
    issuer: str, operator: dict[str, Any], served_log: tuple[AuditSink, str]
) -> None:
    with sync_client(issuer) as client:
        token = fetch_token(client, issuer, "platform-operator", operator, "client:write")
        assert token.count(".") == 2
        assert served_log[0].events("token.issued", actor="platform-operator", scope="client:write")
        with pytest.raises(TokenRefused, match="invalid_scope") as refused:
            fetch_token(client, issuer, "platform-operator", operator, "everything")
        assert "got everything" in refused.value.description
        with pytest.raises(TokenRefused, match="aud") as refused:
            fetch_token(client, issuer + "/oauth2/token", "platform-operator", operator)
        assert (refused.value.status, refused.value.error) == (401, "invalid_client")
        served_log[0].mode = "full"
        with pytest.raises(TokenRefused, match="503 audit/unavailable"):
            fetch_token(client, issuer, "platform-operator", operator)
        served_log[0].mode = "ok"
        assert fetch_token(client, issuer, "platform-operator", operator)


def discovered(issuer: str) -> dict[str, Any]:
    answer = httpx2.get(f"{issuer}/.well-known/oauth-authorization-server", trust_env=False)
    document: dict[str, Any] = json.loads(answer.content)
    return document


@pytest.mark.requirement("IDN-13")
def test_a_library_of_others_signs_in_with_a_key(issuer: str, operator: dict[str, Any]) -> None:
    endpoint = discovered(issuer)["token_endpoint"]
    key = ECKey.import_key(operator)
    way = PrivateKeyJWT(discovered(issuer)["issuer"], alg="ES256", claims={"exp": int(time.time()) + 120})
    with OAuth2Client(
        "platform-operator", key, token_endpoint_auth_method=way, scope="call", trust_env=False
    ) as library:
        token = library.fetch_token(endpoint, grant_type="client_credentials")
        assert (token["token_type"], token["scope"]) == ("Bearer", "call")
        assert not library.token.is_expired()


@pytest.mark.requirement("IDN-13")
def test_a_library_of_others_signs_in_with_a_secret(issuer: str, operator: dict[str, Any]) -> None:
    secret = "s3cret-of-a-development-client-0123456789"
    with sync_client(issuer) as client:
        bearer = {"Authorization": f"Bearer {fetch_token(client, issuer, 'platform-operator', operator)}"}
        wanted = {"department": "swj", "scope": "call", "method": "client_secret_basic", "secret": secret}
        assert client.put("/oauth2/clients/swj-development", json=wanted, headers=bearer).status_code in (200, 201)
    with OAuth2Client("swj-development", secret, trust_env=False) as library:
        token = library.fetch_token(f"{issuer}/oauth2/token", grant_type="client_credentials")
    assert token["scope"] == "call"
