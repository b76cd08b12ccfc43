"""Settings of the gateway."""

from pathlib import Path
from typing import Annotated

from annotated_types import Gt, Le
from pydantic_settings import SettingsConfigDict

from runtime.env import ServiceSettings


class Settings(ServiceSettings):
    """Prefix TONGDAO_GATEWAY_. Read once, in app.py; nothing else may import this module."""

    model_config = SettingsConfigDict(env_prefix="TONGDAO_GATEWAY_")

    database_url: str
    """PostgreSQL as the role tongdao_gateway: postgresql://user:password@host:port/database. Calls are recorded
    elsewhere; here lies what several gateways have to share: quotas, rates, used proofs."""
    public_url: str
    """The address under which the world knows this door; also the issuer of tokens."""
    audience: str = ""
    """Audience that tokens must name; the public address where empty."""
    identity_url: str
    """Address of the identity service."""
    catalog_url: str
    """Address of the catalog service."""
    exchange_url: str
    """Address of the exchange service."""
    audit_url: str
    """Address of the audit service."""
    subject_key_file: Path
    """Key of the pseudonyms of persons, the same as the audit service's."""
    instance: str = "gateway-1"
    """Name of this process in the log; two that run at once need two names."""
    max_staleness_s: Annotated[float, Gt(0), Le(300)] = 30.0
    """Seconds without word from the catalog after which every call is refused."""
    body_limit_bytes: Annotated[int, Gt(0), Le(100 * 1024 * 1024)] = 10 * 1024 * 1024
    """Largest JSON body of a call, in and out."""
