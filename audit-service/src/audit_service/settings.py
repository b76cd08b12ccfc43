"""Settings of the audit service."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from audit_service.witnessing.asking import Witness, each_once
from runtime.env import ServiceSettings


class Settings(ServiceSettings):
    """Prefix TONGDAO_AUDIT_. Read once, in app.py; nothing else may import this module."""

    model_config = SettingsConfigDict(env_prefix="TONGDAO_AUDIT_")

    database_url: str
    """PostgreSQL address with the log-in role tongdao_audit."""
    issuer: str
    """Issuer of the access tokens: the public address of the gateway."""
    audience: str
    """Audience that access tokens must name."""
    identity_url: str
    """Where the issuer's public keys are fetched."""
    catalog_url: str
    """Address of the catalog service: an evidence package holds the decision behind a grant."""
    instance: str = "audit-1"
    """Name of this replica as a writer in the log; another one for each replica."""
    lease_s: Annotated[float, Field(ge=5, le=240)] = 15
    """Seconds without renewal after which a writer is fenced; what it left open is closed right after."""

    origin: str
    """Name of the log in checkpoints and receipts. Another one freezes the log and goes on in a new shard; `{year}` in
    it makes a shard a year."""
    hash_suite: Literal["SHA-256", "SM3"] = "SHA-256"
    """How shards hash that are opened from now on."""
    signing_key_file: Path
    """Ed25519 private key that signs checkpoints (PEM, PKCS #8)."""
    next_signing_key_file: Path | None = None
    """The key that follows it: while both are named both sign; later the first is dropped."""
    published_file: Path
    """Size and root last published, kept outside the database: a restored backup is noticed by it."""

    witnesses: Annotated[list[Witness], AfterValidator(each_once)] = Field(default_factory=list)
    """Who cosigns our checkpoints: [{"url": "https://…", "vkey": "…"}]; keys from a source that is not that address."""
    witness_policy: Literal["alarm", "enforce"] = "alarm"
    """What follows when nobody has cosigned for witness_grace_s: an alarm, or no more records as well."""
    witness_grace_s: Annotated[int, Field(ge=60, le=14_400)] = 14_400
    """Seconds that a checkpoint may stay without any cosignature."""

    archive_url: str
    """Where sealed days go: file:///folder or s3://bucket/prefix."""
    archive_s3: dict[str, str] = Field(default_factory=dict)
    """For s3, as JSON: endpoint, region, access_key_id, secret_access_key."""
    hot_days: Annotated[int, Field(ge=2, le=3660)] = 30
    """Days that stay in the database after they were sealed."""
    profile: str = "national"
    """The law (a bundled profile) whose numbers may lengthen the two below, and never shorten them."""
    general_months: int = 6
    """Natural months for which records are kept; fewer than six are refused."""
    personal_months: int = 36
    """Natural months for which records with personal or important data are kept; fewer than 36 are refused."""

    subject_key_file: Path
    """Key of the pseudonyms of persons, the same as the gateways'."""
    anomaly_rules_file: Path | None = None
    """Rules of what is unusual, in the place of those of the package (audit_service/anomalies/rules.yaml)."""
    allow_loopback: bool = False
    """Development: usage may be sent to addresses on this machine."""
    forbidden_ports: tuple[int, ...] = ()
    """Ports of the platform's own services on this machine, which no subscription may name."""
