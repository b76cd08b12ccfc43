"""The log's signature, and the file that remembers what was published."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from audit_service.checkpoint import Published, Seen, Signer
from harness.receipts import ORIGIN, key, vkey
from tlog.checkpoint import open_note
from tlog.hashes import SM3


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
    published.write(9, bytes(32), "yunjiang.example/log1")
    assert published.read() == Seen(9, bytes(32), "yunjiang.example/log1", 1)
    assert [path.name for path in tmp_path.iterdir()] == ["published"]


@pytest.mark.requirement("AUD-13")
def test_what_was_published_is_never_forgotten_for_something_older(tmp_path: Path) -> None:
    published = Published(tmp_path / "published")
    for size, origin, shard in ((9, "log1", 1), (8, "log1", 1), (2, "log2", 2), (10, "log1", 1), (1, "log2", 2)):
        published.write(size, bytes(32), origin, shard)
    assert published.read() == Seen(2, bytes(32), "log2", 2)


def test_an_origin_with_a_year_follows_the_year_in_shanghai() -> None:
    signer = Signer("log/{year}", key(1), key(2))
    moments = [datetime(2026, 12, 31, hour, tzinfo=UTC) for hour in (15, 16)]
    assert [signer.origin_at(moment) for moment in moments] == ["log/2026", "log/2027"]
    note = signer.sign(5, bytes(32), "log/2026", SM3)
    for name, private in (("log/2026", key(1)), ("log/2026", key(2))):
        assert open_note(note, vkey(name, private)).suite == SM3


@pytest.mark.requirement("AUD-13")
@pytest.mark.parametrize("content", ["", "7", "seven\nAAAA\n", "7\n!\n", "7\nAAAA\nlog1\n", "7\nAAAA\nlog1\nx\n"])
def test_a_file_that_we_did_not_write_is_no_permission_to_sign(tmp_path: Path, content: str) -> None:
    (tmp_path / "published").write_text(content)
    with pytest.raises(ValueError):  # noqa: PT011  # whichever way it is wrong
        Published(tmp_path / "published").read()
