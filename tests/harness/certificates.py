"""A certificate authority for the tests, and servers and clients that it vouches for, wrongly too."""

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID

HOUR = datetime.timedelta(hours=1)


@dataclass(frozen=True)
class Holder:
    """A certificate and the key that belongs to it, or another key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey
    file: Path

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    def write(self) -> "Holder":
        """Certificate and key into one file."""
        key = self.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.file.write_bytes(self.pem + key)
        return self


class Authority:
    """A certificate authority of our own, and what it signs."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._certificate = self._sign("authority", self._key, [x509.BasicConstraints(ca=True, path_length=0)])

    def trusting(self) -> ssl.SSLContext:
        """A client's context that trusts this authority alone."""
        return ssl.create_default_context(cadata=self.pem)

    @property
    def pem(self) -> str:
        return self._certificate.public_bytes(serialization.Encoding.PEM).decode()

    def server(self, name: str, *, until: datetime.timedelta = HOUR) -> ssl.SSLContext:
        """A server's context with a certificate for `name`; `until` may be in the past."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.9"))])
        certificate = self._sign(name, key, [names], until)
        pem = certificate.public_bytes(serialization.Encoding.PEM) + key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        file = self._folder / f"{name}.pem"
        file.write_bytes(pem)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context

    def server_file(self, name: str) -> Path:
        """A file with certificate and key of a server on this machine."""
        names = x509.SubjectAlternativeName([x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        key = ec.generate_private_key(ec.SECP256R1())
        return Holder(self._sign(name, key, [names, purpose]), key, self._folder / f"{name}.pem").write().file

    def client(self, name: str, *, until: datetime.timedelta = HOUR) -> Holder:
        """A client's certificate for `name`; `until` may be in the past."""
        key = ec.generate_private_key(ec.SECP256R1())
        purpose = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
        return Holder(self._sign(name, key, [purpose], until), key, self._folder / f"client-{name}.pem").write()

    def self_signed(self, name: str) -> Holder:
        """A client's certificate that nobody vouches for."""
        itself = Authority(self._folder)
        return Holder(itself._certificate, itself._key, self._folder / f"self-{name}.pem").write()

    def revoked(self, *holders: Holder, lasts: datetime.timedelta = HOUR) -> bytes:
        """The list of revoked certificates, PEM; `lasts` may be in the past. A list that lasts longer is newer."""
        now = datetime.datetime.now(datetime.UTC)
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self._certificate.subject)
            .last_update(now + lasts - 24 * HOUR)
            .next_update(now + lasts)
        )
        for holder in holders:
            row = x509.RevokedCertificateBuilder().serial_number(holder.certificate.serial_number)
            builder = builder.add_revoked_certificate(row.revocation_date(now - HOUR).build())
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def _sign(
        self,
        name: str,
        key: ec.EllipticCurvePrivateKey,
        extensions: list[x509.ExtensionType],
        until: datetime.timedelta = HOUR,
    ) -> x509.Certificate:
        now = datetime.datetime.now(datetime.UTC)
        issuer = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "authority")])
        subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
        builder = (
            x509.CertificateBuilder()
            .issuer_name(issuer)
            .subject_name(subject)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - 24 * HOUR)
            .not_valid_after(now + until)
        )
        for extension in extensions:
            builder = builder.add_extension(extension, critical=isinstance(extension, x509.BasicConstraints))
        return builder.sign(self._key, hashes.SHA256())
