"""Tongdao as a contender: a `tongdao up` in a temporary home, everything on.

Token, grant, case number, parameters and answer against their schemas, projection, one mask, intent and outcome
committed. Gateway, exchange and audit service share the measured core.
"""

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import asyncpg
from joserfc import jwk

from peers.contender import Contender, head
from peers.processes import DidNotStart, cores, pids_of, pin, running
from peers.provider import GRANTED, MASKED, NAMES, PARAMETERS, RESPONSE
from runtime.http import Client, Response, sync_client
from tongdao_cli.governed import Consumer
from tongdao_cli.home import Home
from tongdao_cli.keys import OPERATOR, Secrets
from tongdao_cli.postgres import free_port
from wire.assertions import fetch_token
from wire.scopes import CALL

Facts = dict[str, Any]
"""What `tongdao up` writes into its ready file."""
MEASURED = ("gateway", "exchange-service", "audit-service")
PATH = "/x/bench/v1"
START_S, EFFECTIVE_S, SEQUENCED_S = 120, 20, 30


class Broken(Exception):
    """The platform did not do what it promises; the message says what."""


@contextmanager
def platform(**environment: str) -> Iterator[Facts]:
    """A running `tongdao up`, stopped and removed at the end. environment  more settings for its services"""
    folder = Path(tempfile.mkdtemp(prefix="tongdao-bench-"))
    folder.chmod(0o755)  # root's PostgreSQL runs as somebody else
    ready, output = folder / "ready.json", folder / "output"
    command = [sys.executable, "-m", "tongdao_cli.main", "up", "--home", str(folder / "home"), "--port"]
    command += [str(free_port()), "--ready-file", str(ready)]
    # one machine asks for all: the limit of connections per address would be what is measured
    settings = {"TONGDAO_GATEWAY_CONNECTIONS_PER_ADDRESS": "0", **environment}
    try:
        with running(command, output, **settings) as process:
            deadline = time.monotonic() + START_S
            while not ready.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise DidNotStart(output.read_text(errors="replace"))
                time.sleep(0.1)
            yield json.loads(ready.read_text())
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class System:
    """The consumer of the bench: proves itself with a key of its own, gets a new token when it asks for one."""

    def __init__(self, client: Client, facts: Facts, name: str = "bench") -> None:
        self.name = name
        self._client = client
        self._issuer = facts["gateway"]
        self._key = jwk.ECKey.generate_key("P-256", {"kid": "bench-1", "use": "sig", "alg": "ES256"})

    @property
    def registration(self) -> dict[str, Any]:
        """What the authorization server has to know."""
        public = {"keys": [self._key.as_dict(private=False)]}
        return {"department": "xzspj", "scope": CALL, "method": "private_key_jwt", "jwks": public}

    def token(self) -> str:
        """A token that lives for five minutes."""
        return fetch_token(self._client, self._issuer, self.name, self._key.as_dict(private=True))


def register(client: Client, facts: Facts, provider_port: int) -> System:
    """A system, an interface of 1 KB and a grant without limits that matter."""
    system = System(client, facts)
    operator = Consumer(client, facts["gateway"], Secrets(Home(Path(facts["home"]))), OPERATOR)
    headers = {"Authorization": f"Bearer {operator.token()}"}
    resource = {"name": "负载", "provider": "dsjj", "summary": "负载检验", "share": {"type": "unconditional"}}
    bodies: list[tuple[str, str, dict[str, Any]]] = [
        ("PUT", "/api/catalog/systems/bench", {"department": "xzspj", "name": "负载检验"}),
        ("PUT", "/api/catalog/resources/1059900100013/900002", resource),
        ("PUT", "/api/catalog/interfaces/bench/versions/v1", interface(provider_port)),
        ("POST", "/api/catalog/grants", grant()),
        ("PUT", "/oauth2/clients/bench", system.registration),
    ]
    for method, path, body in bodies:
        answer = client.request(method, path, json=body, headers=headers)
        if not answer.is_success:
            raise Broken(f"{method} {path}: {answer.status_code} {answer.text}")
    return system


def interface(provider_port: int) -> dict[str, Any]:
    """The provider's interface, with the schemas of question and answer."""
    fields = [{"name": "name", "mask": "name_first"}, {"name": "id_card", "mask": "id_last4"}]
    return {
        "resource": "1059900100013/900002", "provider": "dsjj", "name": "负载", "networks": ["127.0.0.0/8"],
        "base_url": f"http://127.0.0.1:{provider_port}", "fields": [*fields, *({"name": name} for name in NAMES)],
        "operations": [{"method": "GET", "path": "/{key}", "target": "/{key}"}], "max_in_flight": 1000,
        "parameters": PARAMETERS, "response": RESPONSE,
    }  # fmt: skip


def grant() -> dict[str, Any]:
    """All but two of the provider's fields, and more calls than a core can do."""
    return {
        "system": "bench", "interface": "bench/v1", "purpose": "负载检验", "fields": GRANTED,
        "case_pattern": "YJ[0-9]{4}-[0-9]{6}", "rate_per_s": 100_000.0, "burst": 100_000, "max_in_flight": 10_000,
    }  # fmt: skip


def contender(facts: Facts, system: System) -> Contender:
    """How the platform is asked and measured."""
    port = int(facts["gateway"].rpartition(":")[2])
    parts, apart = pids_of(facts, MEASURED), pids_of(facts, ["postgres"])
    return Contender("ours", port, lambda: head(port, PATH, system.token()), parts, apart)


def pin_services(facts: Facts) -> None:
    """What is measured onto its core, all other services onto the others."""
    measured, others = cores()
    pin([facts["pid"]], others)
    for pids in pids_of(facts, MEASURED).values():
        pin(pids, measured)


def check(client: Client, token: str) -> None:
    """The answer is the masked one with nothing that was not granted, and a forged token is refused; raises Broken."""
    deadline = time.monotonic() + EFFECTIVE_S
    while (answer := ask(client, token)).status_code != 200:  # the grant is on its way to the gateway
        if time.monotonic() > deadline:
            raise Broken(answer.text)
        time.sleep(0.1)
    if answer.json() != MASKED:
        raise Broken(f"the answer was not projected and masked: {answer.text}")
    if (forged := ask(client, forge(token))).status_code != 401:
        raise Broken(f"a forged token was answered with {forged.status_code}")


def ask(client: Client, token: str, path: str = PATH) -> Response:
    """One call, as a person would make it."""
    return client.get(f"{path}/A123", headers={"Authorization": f"Bearer {token}", "Tongdao-Case": "YJ2026-000001"})


def forge(token: str) -> str:
    """The same token with another signature."""
    signed, _, signature = token.rpartition(".")
    return f"{signed}.{signature[:-8]}{'AAAAAAAA' if signature[-8:] != 'AAAAAAAA' else 'BBBBBBBB'}"


async def leaves(facts: Facts) -> dict[str, int]:
    """How many intents and outcomes the log has, once it has all that was committed; raises Broken if it takes long."""
    connection = await asyncpg.connect(facts["database_url"])
    try:
        deadline = time.monotonic() + SEQUENCED_S
        while await connection.fetchval("SELECT count(*) FROM audit.batch"):
            if time.monotonic() > deadline:
                raise Broken("the log does not keep up")
            time.sleep(0.1)
        rows = await connection.fetch("SELECT kind, count(*) AS n FROM audit.entry_index GROUP BY kind")
    finally:
        await connection.close()
    counts = {row["kind"]: row["n"] for row in rows}
    return {kind: counts.get(kind, 0) for kind in ("intent", "outcome")}


@contextmanager
def started(provider_port: int) -> Iterator[tuple[Facts, Contender]]:
    """The platform with the bench's interface, checked and pinned."""
    with platform() as facts, sync_client(facts["gateway"]) as client:
        system = register(client, facts, provider_port)
        check(client, system.token())
        pin_services(facts)
        yield facts, contender(facts, system)
