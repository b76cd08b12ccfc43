"""Settings from the environment: read once, frozen, all mistakes reported at once in plain lines."""

import sys
from typing import TypeVar

from pydantic import ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

S = TypeVar("S", bound="Settings")


class Settings(BaseSettings):
    """Base of every service's settings: frozen, unknown names in the class refused, documented by attribute."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, env_nested_delimiter="__"
    )


def load(cls: type[S]) -> S:
    """The settings of one service, or exit code 2 with one line per mistake naming the variable and the remedy."""
    try:
        return cls()
    except ValidationError as error:
        prefix = str(cls.model_config.get("env_prefix", ""))
        for mistake in error.errors():
            name = prefix + "__".join(str(part).upper() for part in mistake["loc"])
            sys.stderr.write(f"setting {name}: {mistake['msg']}; set it in the environment and start again\n")
        raise SystemExit(2) from None
