"""Settings: an issuer is compared as a string, so it has one spelling."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from identity.settings import Settings

REQUIRED: dict[str, Any] = {
    "port": 1, "database_url": "postgresql://x", "audit_url": "http://127.0.0.1:1", "catalog_url": "http://127.0.0.1:1",
    "service_secret_file": Path("s"),
    "seal_keys_file": Path("s"), "operator_jwks_file": Path("o"),
}  # fmt: skip


@pytest.mark.parametrize("issuer", ["https://a.example", "http://127.0.0.1:8080", "https://a.example/tongdao"])
def test_issuers(issuer: str) -> None:
    settings = Settings(**REQUIRED, issuer=issuer)
    assert (settings.issuer, settings.allow_client_secret_basic, settings.token_life_s) == (issuer, False, 300)


@pytest.mark.parametrize(
    "issuer", ["http://a.example", "https://a.example/", "https://a.example?x", "https://a.example#x", "a", "https://"]
)
def test_addresses_that_cannot_be_issuers(issuer: str) -> None:
    with pytest.raises(ValidationError, match="an issuer"):
        Settings(**REQUIRED, issuer=issuer)


@pytest.mark.requirement("IDN-01")
@pytest.mark.parametrize("life_s", [0, 301])
def test_no_token_lives_longer_than_300_s(life_s: int) -> None:
    with pytest.raises(ValidationError, match="token_life_s"):
        Settings(**REQUIRED, issuer="https://a.example", token_life_s=life_s)
