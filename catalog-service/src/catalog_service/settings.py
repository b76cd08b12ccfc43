"""Settings of the catalog service; read once, in app.py."""

from pydantic_settings import SettingsConfigDict

from runtime.env import ServiceSettings


class Settings(ServiceSettings):
    """Prefix TONGDAO_CATALOG_."""

    model_config = SettingsConfigDict(env_prefix="TONGDAO_CATALOG_")

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
