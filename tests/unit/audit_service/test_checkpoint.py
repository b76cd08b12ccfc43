"""The log's signature, and the file that remembers what was published."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit_service.checkpoint import Published, Seen, Signer
from harness.receipts import ORIGIN, key, vkey
from tlog.checkpoint import open_note


def test_the_key_in_a_file_signs_what_its_vkey_verifies(tmp_path: Path) -> None:
    pem = tmp_path / "signing.pem"
    pem.write_bytes(key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    signer = Signer.from_file(ORIGIN, pem)
    assert signer.vkey == vkey()
    assert open_note(signer.sign(5, bytes(32)), vkey()).size == 5


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    pem = tmp_path / "signing.pem"
    pem.write_bytes(generate_private_key(SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(TypeError):
        Signer.from_file(ORIGIN, pem)


@pytest.mark.requirement("AUD-13")
def test_what_was_published_is_remembered(tmp_path: Path) -> None:
    published = Published(tmp_path / "published")
    assert published.read() is None
    published.write(7, bytes(range(32)))
    published.write(8, bytes(32))
    assert Published(tmp_path / "published").read() == Seen(8, bytes(32))
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


@pytest.mark.requirement("AUD-13")
@pytest.mark.parametrize("content", ["", "7", "seven\nAAAA\n", "7\n!\n"])
def test_a_file_that_we_did_not_write_is_no_permission_to_sign(tmp_path: Path, content: str) -> None:
    (tmp_path / "published").write_text(content)
    with pytest.raises(ValueError):  # noqa: PT011  # whichever way it is wrong
        Published(tmp_path / "published").read()
