"""Settings of a witness."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_settings import SettingsConfigDict

from runtime.env import Settings as Base
from tlog.checkpoint import parse_vkey
from tlog.proofs import ProofError


def _vkey(vkey: str) -> str:
    try:
        parse_vkey(vkey)
    except ProofError as error:
        raise ValueError(str(error)) from None
    return vkey


class WitnessedLog(BaseModel):
    """A log and the keys that may sign for it; several while one replaces the other."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    origin: Annotated[str, Field(min_length=1, max_length=255, pattern=r"^[^\x00-\x1f]+$")]
    vkeys: Annotated[list[Annotated[str, AfterValidator(_vkey)]], Field(min_length=1, max_length=8)]


def _each_once(logs: list[WitnessedLog]) -> list[WitnessedLog]:
    if len({log.origin for log in logs}) < len(logs):
        raise ValueError("a log stands there twice; one entry takes several vkeys")
    return logs


class Settings(Base):
    """Prefix TONGDAO_WITNESS_. Read once, in app.py; nothing else may import this module."""

    model_config = SettingsConfigDict(env_prefix="TONGDAO_WITNESS_")

    name: Annotated[str, Field(pattern=r"^[^\s+\x00-\x1f]{1,200}$")]
    """Name of the witness's key, such as rsj.example/witness; never changes."""
    key_file: Path
    """Ed25519 private key (PEM, PKCS #8), made at the first start if it is missing. Whoever has it is the witness."""
    next_key_file: Path | None = None
    """A second key that signs as well, while readers change from one to the other; made if it is missing."""
    folder: Path
    """Where is kept what was cosigned. Never start with the same key and an older copy of it; with
    an empty folder the witness does not start, as KEY_FILE.folder beside the key remembers which one it was."""
    logs: Annotated[list[WitnessedLog], Field(min_length=1), AfterValidator(_each_once)]
    """The logs to cosign for: [{"origin": "...", "vkeys": ["..."]}]."""
    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """Port to listen on."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least that is logged."""
