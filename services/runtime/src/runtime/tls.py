"""TLS for a listener: our certificate, and clients' certificates verified where they come.

A certificate is held against the revocation lists when a connection begins. Sessions of TLS 1.3 are not resumed; one
of TLS 1.2 may be for two hours, with the certificate that was verified at its start (OpenSSL keeps them, and Python
cannot forbid it). Who has to be out at once is suspended at identity.
"""

import ssl
from pathlib import Path
from typing import NamedTuple

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2; those of TLS 1.3 are all good."""


class TlsFiles(NamedTuple):
    """PEM files. Without an authority no client certificate is asked for; without a list none is known to be revoked.

    client_ca    certificates of the authorities that may vouch for clients
    client_crls  their revocation lists, which have to be valid: where one has run out no certificate is accepted
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None
    client_crls: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A server's context; raises OSError or ssl.SSLError where a file is missing or is not what it should be."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers(CIPHERS)
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.num_tickets = 0
        context.set_alpn_protocols(["http/1.1"])
        if self.client_ca is not None:
            context.verify_mode = ssl.CERT_OPTIONAL
        if self.client_crls is not None:
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_LEAF
        self.read(context)
        return context

    def read(self, context: ssl.SSLContext) -> None:
        """Take the files into `context`, for the connections to come."""
        context.load_cert_chain(
            self.certificate, self.key, password=lambda: b""
        )  # else OpenSSL would ask on the terminal
        for authorities in (self.client_ca, self.client_crls):
            if authorities is not None:
                context.load_verify_locations(authorities)

    def state(self) -> tuple[tuple[int, int, int], ...]:
        """Of each file when it was written (Unix ns), which it is and how long; raises OSError.

        A file that is put in another's place may be older than what was there.
        """
        present = (file.stat() for file in self if file is not None)
        return tuple((one.st_mtime_ns, one.st_ino, one.st_size) for one in present)


class Renewal:
    """Takes new certificates and revocation lists in without a restart. What was taken out stays until one."""

    def __init__(self, files: TlsFiles, context: ssl.SSLContext) -> None:
        self._files = files
        self._context = context
        self._seen = files.state()

    async def tick(self) -> None:
        """Read the files where one is not what it was; what cannot be read is tried again, the old stays in use."""
        state = self._files.state()
        if state != self._seen:
            self._files.read(self._context)
            self._seen = state
