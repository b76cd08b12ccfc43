"""What the exchange shows a provider so that it is let in. Facts only; never written to a log.

A credential belongs to a department and has a name; interfaces name it. Which kinds an adapter can use is its own
matter: HTTP all but `PrivateKey`, databases and SFTP `Basic`, S3 `Basic` (access key and secret), SFTP also
`PrivateKey`. An interface that names none has none.
"""

from typing import Any, Final, Literal, get_args

import msgspec


class _Secret(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind"):
    """What shows nothing of itself: neither in a traceback nor in a log line."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return []


class Basic(_Secret, frozen=True, kw_only=True, tag="basic"):
    """User and password (RFC 7617). `host_key` is for SFTP alone, as in `PrivateKey`."""

    user: str
    password: str
    host_key: str = ""


class ApiKey(_Secret, frozen=True, kw_only=True, tag="api-key"):
    """A secret word in a header or, where the provider knows no better, in the query."""

    value: str
    header: str = ""
    query: str = ""


class OAuthClient(_Secret, frozen=True, kw_only=True, tag="oauth"):
    """A client of the provider's authorization server (RFC 6749 section 4.4). `token_url` obeys the egress rules.

    sends  how the client shows who it is (RFC 6749 section 2.3.1): HTTP Basic, or in the form
    """

    token_url: str
    client_id: str
    client_secret: str
    scope: str = ""
    sends: Literal["basic", "form"] = "basic"


class Certificate(_Secret, frozen=True, kw_only=True, tag="mtls"):
    """A client certificate with its key, PEM; `authorities` are the provider's own, PEM, "" for the machine's."""

    certificate: str
    key: str
    authorities: str = ""


class Hmac(_Secret, frozen=True, kw_only=True, tag="hmac"):
    """A signature over method, target, date and body digest under a shared secret (see `signing`)."""

    key_id: str
    secret: str
    suite: Literal["sha256", "sm3"] = "sha256"


class PrivateKey(_Secret, frozen=True, kw_only=True, tag="private-key"):
    """A user and an OpenSSH private key; `host_key` is the server's public key, one line of known_hosts.

    Without one an SFTP server is asked on no machine but a developer's own.
    """

    user: str
    key: str
    host_key: str = ""


Credential = Basic | ApiKey | OAuthClient | Certificate | Hmac | PrivateKey


KINDS: Final = {str(one.__struct_config__.tag): one for one in get_args(Credential)}
"""Each kind by the word that names it."""


def kind_of(credential: Credential) -> str:
    """The word that names its kind, as in its JSON."""
    return str(type(credential).__struct_config__.tag)
