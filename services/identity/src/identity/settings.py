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
    catalog_url: str
    """Address of the catalog, which carries revocations to gateways and says who is suspended."""
    seal_keys_file: Path
    """Keys under which what signs tokens is kept, one a line: id, aes-256-gcm or sm4-gcm, hex. The first seals, all
    open."""
    signing_keys_file: Path | None = None
    """JWK set with private EC P-256 keys to begin with, of which the first one signs; read at the first start alone."""
    rotate_days: Annotated[int, Field(ge=1, le=365)] = 30
    """Days after which a new key signs."""
    publish_ahead_s: Annotated[int, Field(ge=11, le=86400)] = 150
    """Seconds that a new key is published before it signs. Others keep our keys for 60; gateways that see an unknown
    name fetch them at once, but not twice in 10."""
    client_key_days: Annotated[int, Field(ge=1, le=3650)] = 730
    """Days that a client's key lasts at most, and where nothing else is said."""
    operator_jwks_file: Path
    """Public JWK set of the client platform-operator, registered at the first start."""
    allow_client_secret_basic: bool = False
    """Whether clients may authenticate with a secret; for development."""
    dpop_nonce: bool = False
    """Whether proofs of possession (DPoP) at the token endpoint have to name a nonce of ours (RFC 9449 section 8)."""
    session_idle_minutes: Annotated[int, Field(ge=1, le=480)] = 30
    """Minutes without use after which a person has to sign in again."""
    session_hours: Annotated[int, Field(ge=1, le=24)] = 8
    """Hours after which a person has to sign in again in any case."""
    external_issuer: Annotated[str, AfterValidator(lambda url: _issuer(url) if url else url)] = ""
    """Another OpenID provider by which people may sign in; its authorization endpoint has to be on the same host. ""
    for none."""
    external_client_id: str = ""
    """What that provider calls us."""
    external_key_file: Path | None = None
    """Our private EC P-256 JWK there (private_key_jwt), with its kid."""
    instance: str = "identity-1"
    """Name of this process in the log; no two processes may share one."""
    token_life_s: Annotated[int, Field(ge=1, le=300)] = 300
    """Seconds that an access token lives."""
