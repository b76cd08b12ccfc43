"""Settings of the catalog service; read once, in app.py."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, StringConstraints
from pydantic_settings import SettingsConfigDict

from runtime.env import ServiceSettings
from statute.model import UnknownKey
from statute.profiles import bundled


def _activatable(profile: str) -> str:
    """A profile that comes with the release and that nobody has to override (A.3)."""
    try:
        found = bundled().get(profile)
    except UnknownKey as error:
        raise ValueError(str(error)) from None
    if found.status != "in_force":
        raise ValueError(f"{profile} is not in force; start with another one, the authority may then override")
    return profile


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

    subject_key_file: Path
    """Key of the pseudonyms of persons, the same as the gateways': consents name a person by it."""

    consent_keys_file: Path
    """Private JWK set (EC P-256) that signs consents: the first key signs, all are published."""

    profile: Annotated[str, AfterValidator(_activatable)] = "national"
    """Policy profile that is put in force at the first start; afterwards only the authority changes it."""

    region: Annotated[str, StringConstraints(pattern=r"^[A-Z]{2}(?:-[0-9A-Z]{1,12})?$")] = "CN"
    """Whose working days count: CN, or a region of its own with local holidays, such as CN-53."""

    allow_loopback: bool = False
    """Development: webhooks may be on this machine."""

    forbidden_ports: tuple[int, ...] = ()
    """Ports of the platform's own services on this machine, which no webhook may name."""

    forbidden_networks: tuple[str, ...] = ()
    """Networks where no provider and no webhook can be, whatever is registered: the same as the exchange's."""

    instance: str = "catalog-1"
    """Name of this process in the log; each process needs its own."""
