"""Settings of the catalog service; read once, in app.py."""

from pathlib import Path
from typing import Annotated

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from runtime.env import Settings as ServiceSettings


class Settings(ServiceSettings):
    """Prefix TONGDAO_CATALOG_."""

    model_config = SettingsConfigDict(env_prefix="TONGDAO_CATALOG_")

    host: str = "127.0.0.1"
    """Address to listen on."""

    port: Annotated[int, Field(ge=1, le=65535)]
    """Port to listen on."""

    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""

    service_secret_file: Path
    """File with the secret that the services of one home share, at least 32 bytes."""

    database_url: str
    """postgresql://tongdao_catalog:…@host:port/database."""

    issuer: str
    """Who issues access tokens: the public address of the gateway."""

    audience: str = ""
    """For whom access tokens are issued; empty: the same as `issuer`."""

    identity_url: str
    """Where the issuer's public keys are fetched (/oauth2/jwks)."""

    audit_url: str
    """Where events are recorded."""

    instance: str = "catalog-1"
    """Name of this process in the log; each process needs its own."""
