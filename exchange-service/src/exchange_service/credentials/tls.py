"""TLS towards providers: the client certificate that a credential holds."""

import os
import ssl
import tempfile
from functools import lru_cache

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from exchange_service.credentials.model import Certificate
from relay.egress import tls_context

KEPT_CONTEXTS = 256


@lru_cache(KEPT_CONTEXTS)
def context_of(credential: Certificate) -> ssl.SSLContext:
    """A context that shows the certificate; the same one for the same credential. Raises ValueError.

    OpenSSL takes certificate and key from a file only, so the key stands in one for a moment: encrypted under a
    password that nobody else has, and that is forgotten at once.
    """
    password = os.urandom(32).hex().encode()
    chain = credential.certificate.encode() + b"\n" + _locked(credential.key, password)
    try:
        context = tls_context(credential.authorities)
        with tempfile.NamedTemporaryFile() as file:
            file.write(chain)
            file.flush()
            context.load_cert_chain(file.name, password=password)
    except ssl.SSLError as error:
        raise ValueError(f"OpenSSL does not take certificate, key or authorities: {error.reason}") from None
    return context


def _locked(key: str, password: bytes) -> bytes:
    try:
        private = load_pem_private_key(key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise ValueError("the key is not an unencrypted private key in PEM") from None
    return private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password))


def check_certificate(credential: Certificate) -> None:
    """Raise ValueError in words unless certificate, key and authorities are what they should be and fit together."""
    try:
        leaf = x509.load_pem_x509_certificates(credential.certificate.encode())[0]
        if credential.authorities:
            x509.load_pem_x509_certificates(credential.authorities.encode())
        shown = leaf.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        private = load_pem_private_key(credential.key.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm, x509.InvalidVersion):
        raise ValueError("certificate, key and authorities have to be PEM, the key without a password") from None
    if private.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != shown:
        raise ValueError("the key is not that of the first certificate")
    context_of(credential)
