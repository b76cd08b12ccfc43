"""Settings of the gateway."""

from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import Annotated, Self
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, model_validator
from pydantic_settings import SettingsConfigDict

from gateway.issuers import External
from runtime.env import ServiceSettings
from runtime.server import Encrypted
from runtime.tls import TlsFiles


def _public(url: str) -> str:
    """An issuer and part of what proofs name, so it has one spelling (RFC 8414 section 2, RFC 9449 section 4.3)."""
    parts = urlsplit(url)
    whole = f"{parts.scheme}://{parts.netloc}"
    if parts.scheme not in ("http", "https") or not parts.hostname or "@" in parts.netloc or url != whole.lower():
        raise ValueError("expected https://host or https://host:port, in small letters, and no path")
    return url


class Settings(ServiceSettings):
    """Prefix TONGDAO_GATEWAY_. Read once, in app.py; nothing else may import this module."""

    model_config = SettingsConfigDict(env_prefix="TONGDAO_GATEWAY_")

    database_url: str
    """PostgreSQL as the role tongdao_gateway: postgresql://user:password@host:port/database. Calls are recorded
    elsewhere; here lies what several gateways have to share: quotas, rates, used proofs."""
    public_url: Annotated[str, AfterValidator(_public)]
    """The address under which the world knows this door, without a path; also the issuer of tokens."""
    audience: str = ""
    """Audience that tokens must name; the public address where empty."""
    identity_url: str
    """Address of the identity service."""
    catalog_url: str
    """Address of the catalog service."""
    exchange_url: str
    """Address of the exchange service."""
    audit_url: str
    """Address of the audit service."""
    subject_key_file: Path
    """Key of the pseudonyms of persons, the same as the audit service's."""
    instance: str = "gateway-1"
    """Name of this process in the log; two that run at once need two names."""
    max_staleness_s: Annotated[float, Gt(0), Le(300)] = 30.0
    """Seconds without word from the catalog after which every call is refused."""
    body_limit_bytes: Annotated[int, Gt(0), Le(100 * 1024 * 1024)] = 10 * 1024 * 1024
    """Largest JSON body of a call, in and out."""
    issuers: tuple[External, ...] = ()
    """Other issuers whose tokens may call, JSON; see gateway.issuers.External."""
    dpop_nonce: bool = False
    """Whether a proof of possession has to name a nonce of ours: a round trip more, and no proofs made beforehand."""
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    """Addresses or networks of proxies in front, JSON. What they say of their clients is believed (X-Forwarded-For,
    X-Forwarded-Proto, Client-Cert); they have to take these fields off what comes from outside. Where `public_url` is
    https, a proxy has to say `X-Forwarded-Proto: https`."""
    connections_per_address: Annotated[int, Ge(0)] = 200
    """Connections that one address may hold at a time; 0 for any number. Trusted proxies are not counted."""
    tls_port: Annotated[int, Ge(1), Le(65535)] | None = None
    """Port of the listener with TLS. Where `public_url` is https, the plain port then serves proxies alone."""
    tls_cert_file: Path | None = None
    """Certificate chain of that listener, PEM. These files are read again within a minute when they change."""
    tls_key_file: Path | None = None
    """Its private key, PEM, not encrypted."""
    tls_client_ca_file: Path | None = None
    """Authorities that vouch for clients, PEM. A client need not have a certificate; one that it has must be good."""
    tls_crl_file: Path | None = None
    """Revocation lists of those authorities, PEM. With an old list no client certificate is accepted."""

    @model_validator(mode="after")
    def _tls_is_whole(self) -> Self:
        files = (self.tls_cert_file, self.tls_key_file, self.tls_client_ca_file, self.tls_crl_file)
        if self.tls_port is None and any(files):
            raise ValueError("tls_…_file is set without tls_port")
        if self.tls_port is not None and not (self.tls_cert_file and self.tls_key_file):
            raise ValueError("tls_port needs tls_cert_file and tls_key_file")
        if self.tls_crl_file and not self.tls_client_ca_file:
            raise ValueError("tls_crl_file needs tls_client_ca_file")
        return self

    @property
    def encrypted(self) -> Encrypted | None:
        """The listener with TLS, where there is one."""
        if self.tls_port is None or self.tls_cert_file is None or self.tls_key_file is None:
            return None
        files = TlsFiles(self.tls_cert_file, self.tls_key_file, self.tls_client_ca_file, self.tls_crl_file)
        return Encrypted(self.tls_port, files)

    @property
    def encrypted_only(self) -> bool:
        """Whether what comes in the clear is refused."""
        return self.public_url.lower().startswith("https:")
