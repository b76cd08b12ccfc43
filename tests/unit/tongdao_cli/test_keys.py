"""Secrets are made once, fit for their use, and readable by their owner alone."""

import json
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from joserfc.jwk import ECKey

from tlog.checkpoint import make, open_note
from tongdao_cli.home import CannotStart, Home
from tongdao_cli.keys import ORIGIN, Secrets, public


@pytest.fixture
def secrets(tmp_path: Path) -> Secrets:
    home = Home(tmp_path)
    home.make()
    made = Secrets(home)
    made.make()
    made.system("jyj-enrolment")
    return made


def files(secrets: Secrets) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in secrets.service.parent.rglob("*") if path.is_file()}


@pytest.mark.requirement("CLI-04")
def test_secrets_are_for_their_owner_alone(secrets: Secrets) -> None:
    assert len(files(secrets)) >= 9
    for path in files(secrets):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700, path.parent


@pytest.mark.requirement("CLI-04")
def test_a_second_start_keeps_every_secret(secrets: Secrets) -> None:
    before = files(secrets)
    secrets.make()
    secrets.system("jyj-enrolment")
    assert files(secrets) == before


def test_the_service_secret_is_long_enough(secrets: Secrets) -> None:
    assert len(secrets.service.read_bytes().strip()) >= 32


@pytest.mark.parametrize("private", ["identity_signing", "operator"])
def test_private_keys_have_an_id_and_their_public_half_lacks_the_secret(secrets: Secrets, private: str) -> None:
    document = json.loads(getattr(secrets, private).read_text())
    key = document["keys"][0] if "keys" in document else document
    assert ECKey.import_key(key).is_private
    half = public(key)
    assert half["kid"] == key["kid"]
    assert "d" not in half
    assert half["crv"] == "P-256"


def test_the_operator_is_known_by_the_public_half(secrets: Secrets) -> None:
    known = json.loads(secrets.operator_public.read_text())
    assert known == {"keys": [public(json.loads(secrets.operator.read_text()))]}


def test_the_vkey_is_that_of_the_signing_key(secrets: Secrets) -> None:
    private = load_pem_private_key(secrets.audit_signing.read_bytes(), None)
    assert isinstance(private, Ed25519PrivateKey)
    assert open_note(make(ORIGIN, 1, bytes(32), private), secrets.vkey()).size == 1


def test_a_missing_key_is_told_with_those_that_are_there(secrets: Secrets) -> None:
    with pytest.raises(CannotStart, match=r"no key of nobody .*there are: jyj-enrolment"):
        secrets.key_of("nobody")


@pytest.mark.parametrize("name", ["../operator", "systems/jyj-enrolment", ""])
def test_a_client_name_is_not_a_path(secrets: Secrets, name: str) -> None:
    with pytest.raises(CannotStart):
        secrets.key_of(name)
