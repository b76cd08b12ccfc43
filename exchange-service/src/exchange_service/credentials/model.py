"""What the exchange shows a provider so that it is let in. Facts only; never written to a log.

A credential belongs to a department and has a name; interfaces name it. Which kinds an adapter can use is its own
matter: HTTP all, databases and SFTP `Basic`, S3 `Basic` (access key and secret), SFTP also `PrivateKey`.
"""

import msgspec


class Basic(msgspec.Struct, frozen=True, kw_only=True, tag="basic", tag_field="kind"):
    """User and password (RFC 7617)."""

    user: str
    password: str


class ApiKey(msgspec.Struct, frozen=True, kw_only=True, tag="api-key", tag_field="kind"):
    """A secret word in a header or, where the provider knows no better, in the query."""

    value: str
    header: str = ""
    query: str = ""


class OAuthClient(msgspec.Struct, frozen=True, kw_only=True, tag="oauth", tag_field="kind"):
    """A client of the provider's authorization server (RFC 6749 section 4.4). `token_url` obeys the egress rules."""

    token_url: str
    client_id: str
    client_secret: str
    scope: str = ""


class Certificate(msgspec.Struct, frozen=True, kw_only=True, tag="mtls", tag_field="kind"):
    """A client certificate with its key, PEM; `authorities` are the provider's own, PEM, "" for the machine's."""

    certificate: str
    key: str
    authorities: str = ""


class Hmac(msgspec.Struct, frozen=True, kw_only=True, tag="hmac", tag_field="kind"):
    """A signature over method, target, date and body digest under a shared secret."""

    key_id: str
    secret: str
    suite: str = "sha256"


class PrivateKey(msgspec.Struct, frozen=True, kw_only=True, tag="private-key", tag_field="kind"):
    """A user and an OpenSSH private key; `host_key` is the server's public key, one line of known_hosts."""

    user: str
    key: str
    host_key: str = ""


Credential = Basic | ApiKey | OAuthClient | Certificate | Hmac | PrivateKey
