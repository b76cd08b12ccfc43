"""Settings of the exchange service."""

from typing import Annotated

from annotated_types import Gt, Le
from pydantic_settings import SettingsConfigDict

from runtime.env import ServiceSettings


class Settings(ServiceSettings):
    """Prefix TONGDAO_EXCHANGE_. Read once, in app.py; nothing else may import this module."""

    model_config = SettingsConfigDict(env_prefix="TONGDAO_EXCHANGE_")

    catalog_url: str
    """Address of the catalog service."""
    instance: str = "exchange-1"
    """Name of this process in its logs."""
    allow_loopback: bool = False
    """Development: providers may be on this machine."""
    forbidden_ports: tuple[int, ...] = ()
    """Ports of the platform's own services on this machine, which no provider may name."""
    max_staleness_s: Annotated[float, Gt(0), Le(300)] = 30.0
    """Seconds without word from the catalog after which every call is refused."""
    body_limit_bytes: Annotated[int, Gt(0), Le(100 * 1024 * 1024)] = 10 * 1024 * 1024
    """Largest JSON body, in and out."""
