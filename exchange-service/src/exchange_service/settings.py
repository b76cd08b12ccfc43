"""Settings of the exchange service."""

from pathlib import Path
from typing import Annotated, Self

from annotated_types import Ge, Gt, Le
from pydantic import model_validator
from pydantic_settings import SettingsConfigDict

from runtime.env import ServiceSettings


class Settings(ServiceSettings):
    """Prefix TONGDAO_EXCHANGE_. Read once, in app.py; nothing else may import this module."""

    model_config = SettingsConfigDict(env_prefix="TONGDAO_EXCHANGE_")

    database_url: str
    """PostgreSQL address with the log-in role tongdao_exchange."""
    catalog_url: str
    """Address of the catalog service."""
    audit_url: str
    """Where events are recorded."""
    issuer: str
    """Who issues access tokens: the public address of the gateway."""
    audience: str = ""
    """For whom access tokens are issued; empty: the same as `issuer`."""
    identity_url: str
    """Where the issuer's public keys are fetched."""
    instance: str = "exchange-1"
    """Name of this process in its logs and in the log; two that run at once need two names."""

    seal_keys_file: Path | None = None
    """Keys under which credentials and kept answers are sealed, one a line: id, aes-256-gcm or sm4-gcm, hex. The first
    seals, all open."""
    seal_keys_command: tuple[str, ...] = ()
    """Instead of the file: a command that prints its content, such as the client of a KMS."""
    mask_key_file: Path
    """Key of the pseudonyms that the mask `pseudonym` gives, and of what wrong verifications are counted under."""
    file_roots: tuple[Path, ...] = ()
    """Folders below which providers may offer local files."""

    allow_loopback: bool = False
    """Development: providers may be on this machine."""
    forbidden_ports: tuple[int, ...] = ()
    """Ports of the platform's own services on this machine, which no provider may name."""
    forbidden_networks: tuple[str, ...] = ()
    """Networks where no provider can be, whatever is registered: the cluster's services, the platform's databases."""
    provider_in_flight: Annotated[int, Ge(1), Le(10_000)] = 256
    """Calls that may be under way to all interfaces of one provider together."""
    max_staleness_s: Annotated[float, Gt(0), Le(300)] = 30.0
    """Seconds without word from the catalog after which every call is refused."""
    body_limit_bytes: Annotated[int, Gt(0), Le(100 * 1024 * 1024)] = 10 * 1024 * 1024
    """Largest JSON or XML body, in and out."""

    @model_validator(mode="after")
    def _one_source_of_keys(self) -> Self:
        if (self.seal_keys_file is None) == (not self.seal_keys_command):
            raise ValueError("set either seal_keys_file or seal_keys_command")
        return self
