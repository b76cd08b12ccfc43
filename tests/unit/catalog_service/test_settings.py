"""Settings that only the law can judge, and keys that are made from the shared secret."""

from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from catalog_service.settings import Settings
from runtime.service_auth import ServiceKey


def settings(**changes: Any) -> Settings:
    stated = {
        "port": 1, "service_secret_file": Path("secret"), "database_url": "postgresql://h/d", "issuer": "https://g",
        "identity_url": "https://i", "audit_url": "https://a", "subject_key_file": Path("subject"),
        "consent_keys_file": Path("consents"),
    }  # fmt: skip
    return Settings(**{**stated, **changes})


@pytest.mark.requirement("PRO-01")
def test_an_installation_starts_under_the_decree_unless_it_is_told_otherwise() -> None:
    assert (settings().profile, settings().region) == ("national", "CN")
    assert settings(profile="zibo").profile == "zibo"


@pytest.mark.requirement("PRO-02")
@pytest.mark.parametrize(
    ("profile", "why"),
    [("deqing", "not in force"), ("yunnan", "not in force"), ("", "no profile"), ("x", "no profile")],
)
def test_no_installation_starts_under_a_draft_or_under_nothing(profile: str, why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        settings(profile=profile)


@pytest.mark.parametrize("region", ["", "china", "CN-", "CN-五三", "../CN"])
def test_a_region_is_a_code(region: str) -> None:
    with pytest.raises(ValidationError):
        settings(region=region)


@pytest.mark.requirement("NTC-03")
def test_keys_are_made_from_the_secret_and_the_purpose() -> None:
    one, other = ServiceKey(b"1" * 32, "catalog"), ServiceKey(b"2" * 32, "catalog")
    keys = [one.derived("webhook/a/1"), one.derived("webhook/a/2"), other.derived("webhook/a/1")]
    assert len(set(keys)) == 3
    assert {len(key) for key in keys} == {64}
    assert ServiceKey(b"1" * 32, "gateway").derived("webhook/a/1") == keys[0]
