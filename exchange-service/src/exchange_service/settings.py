"""Settings of the exchange service."""

from pathlib import Path
from typing import Annotated

from annotated_types import Gt, Le
from pydantic_settings import SettingsConfigDict

from runtime.env import Settings as Base


class Settings(Base):
    """Prefix TONGDAO_EXCHANGE_. Read once, in app.py; nothing else may import this module."""

    model_config = SettingsConfigDict(env_prefix="TONGDAO_EXCHANGE_")

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: int
    """Port to listen on."""
    log_level: str = "INFO"
    """DEBUG, INFO, WARNING or ERROR."""
    service_secret_file: Path
    """File with the secret that the services of this installation share."""
    catalog_url: str
    """Address of the catalog service."""
    instance: str = "exchange-1"
    """Name of this process in its logs."""
    allow_loopback: bool = False
    """Development: providers may be on this machine."""
    forbidden_ports: tuple[int, ...] = ()
    """Ports of the platform's own services on this machine, which no provider may name."""
    body_limit_bytes: Annotated[int, Gt(0), Le(100 * 1024 * 1024)] = 10 * 1024 * 1024
    """Largest JSON body, in and out."""
