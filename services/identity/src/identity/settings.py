"""Settings of the authorization server. Prefix TONGDAO_IDENTITY_; read once, in app.py."""

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from runtime.env import ServiceSettings

_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _issuer(url: str) -> str:
    """An issuer is compared as a string, so it has one spelling (RFC 8414 section 2)."""
    parts = urlsplit(url)
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
        raise ValueError("an issuer is an https address; http is for this machine alone")
    if parts.query or parts.fragment or url.endswith("/") or not parts.hostname:
        raise ValueError("an issuer has a host name, no query, no fragment and no slash at its end")
    return url


class Settings(ServiceSettings):
    """What the authorization server needs to know. Times are in seconds."""

    model_config = SettingsConfigDict(env_prefix="TONGDAO_IDENTITY_")

    database_url: str
    """PostgreSQL as the role tongdao_identity: postgresql://user:password@host:port/database."""
    issuer: Annotated[str, AfterValidator(_issuer)]
    """Public address of the gateway: `iss` of every token and the only `aud` of a client assertion."""
    audience: str = ""
    """`aud` of every token; the issuer where it is empty."""
    audit_url: str
    """Address of the audit service, which has to record a token before it is answered."""
    signing_keys_file: Path
    """JWK set with private EC P-256 keys: the first one signs, all are published."""
    operator_jwks_file: Path
    """Public JWK set of the client platform-operator, registered at the first start."""
    allow_client_secret_basic: bool = False
    """Whether clients may authenticate with a secret; for development."""
    instance: str = "identity-1"
    """Name of this process in the log; no two processes may share one."""
    token_life_s: Annotated[int, Field(ge=1, le=300)] = 300
    """Seconds that an access token lives."""
