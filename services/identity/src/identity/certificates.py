"""Clients that prove who they are by a TLS certificate: `tls_client_auth` (RFC 8705 section 2.1).

That the certificate is theirs, from an authority that we trust and not revoked, was found out where TLS ended; here
stands whose it is.
"""

import base64
import binascii
from datetime import datetime

from cryptography import x509

TLS_CLIENT_AUTH = "tls_client_auth"
DNS = "dns:"


def certificate_of(text: str) -> x509.Certificate | None:
    """The certificate that the gateway told of (base64 of DER), or None where there is none, or none that we read."""
    try:
        return x509.load_der_x509_certificate(base64.b64decode(text, validate=True)) if text else None
    except (binascii.Error, ValueError):
        return None


def is_named(certificate: x509.Certificate, name: str) -> bool:
    """Whether the certificate names this: `dns:NAME`, exactly one of its names, or the whole subject (RFC 4514)."""
    try:
        if name.startswith(DNS):
            return name.removeprefix(DNS).lower() in (stated.lower() for stated in _dns_names(certificate))
        return x509.Name.from_rfc4514_string(name) == certificate.subject
    except ValueError:
        return False


def is_current(certificate: x509.Certificate, at: datetime) -> bool:
    """Whether it is within its time."""
    return certificate.not_valid_before_utc <= at < certificate.not_valid_after_utc


def _dns_names(certificate: x509.Certificate) -> list[str]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return list(names.get_values_for_type(x509.DNSName))
