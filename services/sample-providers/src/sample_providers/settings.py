"""Settings of the sample departments."""

from pathlib import Path

from pydantic_settings import SettingsConfigDict

from runtime.env import Settings as Base


class Settings(Base):
    """Prefix TONGDAO_SAMPLE_. Read once, in app.py; nothing else may import this module."""

    model_config = SettingsConfigDict(env_prefix="TONGDAO_SAMPLE_")

    host: str = "127.0.0.1"
    """Address to listen on."""

    port: int
    """Port to listen on."""

    log_level: str = "INFO"
    """Least level that is logged."""

    faults: bool = False
    """Open POST /faults and GET /seen, for tests: anybody who reaches the port can break the departments."""

    journal: Path | None = None
    """File to which one line per request is appended before the request is answered."""
