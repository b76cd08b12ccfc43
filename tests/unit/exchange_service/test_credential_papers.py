"""Papers and keys that cannot be read: refused when they are put, in words, whatever they hold."""

import base64
import re

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from exchange_service.credentials.check import mistakes_in
from exchange_service.credentials.model import Basic, Certificate, PrivateKey
from harness.papers import Authority
from relay.egress import Egress

pytestmark = pytest.mark.requirement("CRD-08")
EGRESS = Egress(allow_loopback=False, forbidden_ports=frozenset())
AUTHORITY = Authority()
PAPER = AUTHORITY.paper("exchange")
HOST = Ed25519PrivateKey.generate().public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
CURVE = generate_private_key(SECP256R1()).public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
OURS = Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()).decode()


def of_a_version_that_is_none(pem: str) -> str:
    """The same certificate, but it says that its version is 8."""
    der = base64.b64decode("".join(pem.strip().splitlines()[1:-1]))
    odd = der.replace(b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x07", 1)
    assert odd != der
    text = base64.encodebytes(odd).decode()
    return f"-----BEGIN CERTIFICATE-----\n{text}-----END CERTIFICATE-----\n"


@pytest.mark.parametrize("member", ["certificate", "authorities"])
def test_a_certificate_of_no_known_version(member: str) -> None:
    papers = {"certificate": PAPER.certificate, "key": PAPER.key, "authorities": AUTHORITY.pem}
    odd = of_a_version_that_is_none(papers[member])
    with pytest.raises(x509.InvalidVersion):
        x509.load_pem_x509_certificate(odd.encode())
    found = list(mistakes_in(Certificate(**{**papers, member: odd}), EGRESS))
    assert [name for name, _, _ in found] == ["certificate"]


GOOD = {
    "alone": HOST, "with a host": f"sftp.gaj.example {HOST}", "with a port": f"[10.1.2.3]:2222,gaj {HOST} comment",
    "a curve": CURVE, "hashed": f"|1|aaaa=|bbbb= {HOST}", "none": "",
}  # fmt: skip
BAD = {
    "rubbish": "rubbish", "kind alone": "ssh-ed25519", "not base64": "ssh-ed25519 !!!!", "cut": HOST[:-20],
    "another kind": re.sub("^ssh-ed25519", "ssh-rsa", HOST), "revoked": f"@revoked * {HOST}", "umlaut": "ssh-rsa ä",
    "private": "ssh-ed25519 " + base64.b64encode(OURS.encode()).decode(), "half": "ssh-rsa \ud800",
}  # fmt: skip


@pytest.mark.parametrize("line", GOOD.values(), ids=GOOD)
def test_a_host_key_is_a_line_of_known_hosts(line: str) -> None:
    assert not list(mistakes_in(Basic(user="u", password="p", host_key=line), EGRESS))
    assert not list(mistakes_in(PrivateKey(user="u", key=OURS, host_key=line), EGRESS))


@pytest.mark.parametrize("line", BAD.values(), ids=BAD)
def test_anything_else_is_no_host_key(line: str) -> None:
    for credential in (Basic(user="u", password="p", host_key=line), PrivateKey(user="u", key=OURS, host_key=line)):
        assert {name for name, _, _ in mistakes_in(credential, EGRESS)} == {"host_key"}
