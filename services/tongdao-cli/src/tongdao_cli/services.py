"""Every program of a home: what it is called, how it is started, which settings it gets, when it is ready."""

import json
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from runtime.http import AsyncClient, HTTPError
from tongdao_cli.home import CannotStart, Home
from tongdao_cli.keys import Secrets
from tongdao_cli.supervisor import Program

_INSTEAD = {
    "TONGDAO_GATEWAY_PORT": "and use --port",
    "TONGDAO_AUDIT_ORIGIN": "and use `tongdao up --origin`",
    "TONGDAO_AUDIT_SIGNING_KEY_FILE": "and put the key into DIR/secrets/audit-signing.pem",
}
"""What somebody may have wanted who set one of ours."""
SCHEMA_OF = {
    "identity": "identity", "catalog_service": "catalog", "audit_service": "audit", "exchange_service": "exchange",
    "gateway": "gateway",
}  # fmt: skip
"""Packages with a database schema of their own."""


@dataclass(frozen=True)
class Service:
    """One of our programs. `prefix` is that of its settings."""

    name: str
    package: str
    prefix: str


SAMPLE = Service("sample-providers", "sample_providers", "TONGDAO_SAMPLE_")
SERVICES = (
    Service("audit-service", "audit_service", "TONGDAO_AUDIT_"),
    Service("identity", "identity", "TONGDAO_IDENTITY_"),
    Service("catalog-service", "catalog_service", "TONGDAO_CATALOG_"),
    Service("exchange-service", "exchange_service", "TONGDAO_EXCHANGE_"),
    Service("gateway", "gateway", "TONGDAO_GATEWAY_"),
)
"""In the order in which they need each other; stopped the other way round."""


@dataclass(frozen=True)
class Plan:
    """Where everything of one start is. `database_url` is that of a role that may create schemas and roles."""

    home: Home
    secrets: Secrets
    ports: Mapping[str, int]
    database_url: str

    def url(self, name: str) -> str:
        """Address of one program, without a path."""
        return f"{'postgresql' if name == 'postgres' else 'http'}://127.0.0.1:{self.ports[name]}"

    def role_url(self, schema: str) -> str:
        """The database as one service's log-in role."""
        return with_login(self.database_url, f"tongdao_{schema}", self.secrets.password(schema))


def with_login(url: str, user: str, password: str) -> str:
    """The same database address with another user."""
    parts = urlsplit(url)
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{password}@{place}"))


def settings(plan: Plan, name: str) -> dict[str, str | Path]:
    """What one program has to be told, without its prefix (see each service's settings.py)."""
    gateway = plan.url("gateway")
    audit, identity, catalog = plan.url("audit-service"), plan.url("identity"), plan.url("catalog-service")
    secrets = plan.secrets
    own: dict[str, dict[str, str | Path]] = {
        "sample-providers": {},
        "audit-service": {
            "database_url": plan.role_url("audit"), "issuer": gateway, "audience": gateway,
            "identity_url": identity, "origin": secrets.origin,
            "signing_key_file": secrets.audit_signing, "published_file": plan.home.published / "checkpoint",
            "catalog_url": catalog, "subject_key_file": secrets.subject, "archive_url": plan.home.archive.as_uri(),
            "allow_loopback": "true", "forbidden_ports": _platform_ports(plan),
        },
        "identity": {
            "database_url": plan.role_url("identity"), "issuer": gateway, "audit_url": audit,
            "catalog_url": catalog,
            "signing_keys_file": secrets.identity_signing, "operator_jwks_file": secrets.operator_public,
            "seal_keys_file": secrets.identity_seal,
        },
        "catalog-service": {
            "database_url": plan.role_url("catalog"), "issuer": gateway, "identity_url": identity, "audit_url": audit,
            "subject_key_file": secrets.subject, "consent_keys_file": secrets.consent_signing,
            "allow_loopback": "true", "forbidden_ports": _platform_ports(plan),
        },
        "exchange-service": {
            "catalog_url": catalog, "allow_loopback": "true", "forbidden_ports": _platform_ports(plan),
            "database_url": plan.role_url("exchange"), "issuer": gateway, "identity_url": identity, "audit_url": audit,
            "seal_keys_file": secrets.seal, "mask_key_file": secrets.mask,
            "file_roots": json.dumps([str(plan.home.files)]),
        },
        "gateway": {
            "database_url": plan.role_url("gateway"), "public_url": gateway, "identity_url": identity,
            "catalog_url": catalog, "audit_url": audit,
            "exchange_url": plan.url("exchange-service"), "subject_key_file": secrets.subject,
        },
    }  # fmt: skip
    shared: dict[str, str | Path] = {"host": "127.0.0.1", "port": str(plan.ports[name])}
    if name != SAMPLE.name:
        shared["service_secret_file"] = secrets.service
    return shared | own[name]


def _platform_ports(plan: Plan) -> str:
    """Ports on which no provider can be: ours. A list as the environment has it, JSON."""
    return json.dumps(sorted(port for name, port in plan.ports.items() if name != SAMPLE.name))


def environment(service: Service, told: Mapping[str, str | Path]) -> dict[str, str]:
    """Ours, without what is meant for others; the person's own TONGDAO_… of this service stand where we say nothing.

    Raises CannotStart for one that would be passed over in silence.
    """
    ours = {service.prefix + name.upper(): str(value) for name, value in told.items()}
    for name, value in ours.items():
        if os.environ.get(name, value) != value:
            raise CannotStart(
                f"{name} is set by this command, from the home; unset it {_INSTEAD.get(name, '')}".rstrip()
            )
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "DATABASE_URL" and (not name.startswith("TONGDAO_") or name.startswith(service.prefix))
    }
    return kept | ours


def program(service: Service, plan: Plan, health: AsyncClient) -> Program:
    """One of our programs, ready when its /health/ready says so."""
    address = plan.url(service.name) + "/health/ready"

    async def ready() -> bool:
        try:
            return (await health.get(address)).status_code == 200
        except HTTPError:
            return False

    return Program(
        name=service.name,
        command=[sys.executable, "-m", f"{service.package}.app"],
        environment=environment(service, settings(plan, service.name)),
        ready=ready,
        stop_signal=signal.SIGTERM,
    )
