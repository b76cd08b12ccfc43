"""Settings from the environment: read once, frozen, all mistakes reported at once in plain lines."""

import sys
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

S = TypeVar("S", bound="Settings")
WRONG_SETTINGS = 2
"""Exit code of a process that cannot start as it was told: starting it again cannot help."""


class Settings(BaseSettings):
    """Base of every service's settings: frozen, unknown names in the class refused, documented by attribute."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, env_nested_delimiter="__"
    )


class ServiceSettings(Settings):
    """What every service has to be told."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    port: Annotated[int, Field(ge=1, le=65535)]
    """Port to listen on."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """The least that is logged."""
    service_secret_file: Path
    """File with at least 32 bytes that the services of one installation share."""


def load(cls: type[S]) -> S:
    """The settings of one service, or exit code 2 with one line per mistake naming the variable and the remedy."""
    try:
        return cls()
    except ValidationError as error:
        prefix = str(cls.model_config.get("env_prefix", ""))
        for mistake in error.errors():
            name = prefix + "__".join(str(part).upper() for part in mistake["loc"])
            sys.stderr.write(f"setting {name}: {mistake['msg']}; set it in the environment and start again\n")
        raise SystemExit(WRONG_SETTINGS) from None
    except SettingsError as error:  # a list or an object that is not JSON
        sys.stderr.write(f"settings {cls.model_config.get('env_prefix', '')}…: {error}; JSON is wanted\n")
        raise SystemExit(WRONG_SETTINGS) from None
