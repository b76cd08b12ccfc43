"""Settings of the audit service."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from runtime.env import ServiceSettings


class Settings(ServiceSettings):
    """Prefix TONGDAO_AUDIT_. Read once, in app.py; nothing else may import this module."""

    model_config = SettingsConfigDict(env_prefix="TONGDAO_AUDIT_")

    database_url: str
    """PostgreSQL address with the log-in role tongdao_audit."""
    issuer: str
    """Issuer of the access tokens: the public address of the gateway."""
    audience: str
    """Audience that access tokens must name."""
    identity_url: str
    """Where the issuer's public keys are fetched."""
    origin: str
    """Name of the log in checkpoints and receipts; never changes."""
    signing_key_file: Path
    """Ed25519 private key that signs checkpoints (PEM, PKCS #8)."""
    published_file: Path
    """Size and root last published, kept outside the database: a restored backup is noticed by it."""
    lease_s: Annotated[float, Field(ge=5, le=240)] = 15
    """Seconds without renewal after which a writer is fenced; what it left open is closed right after."""
    instance: str = "audit-1"
    """Name of this replica as a writer in the log; another one for each replica."""
