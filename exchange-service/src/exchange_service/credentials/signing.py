"""How a request shows a provider over HTTP who asks: what each kind of credential adds to it.

An HMAC signature stands in one header field:

    authorization: HMAC-SHA256 key="KEY_ID", date="UNIX_SECONDS", digest="HEX", signature="HEX"

and is the HMAC, under the secret's UTF-8 bytes, of four lines joined by LF, without one at the end:

    METHOD            as it stands in the request line
    TARGET            path and query as they stand in the request line
    UNIX_SECONDS      as in `date`; a provider should refuse what is older than five minutes
    DIGEST            as in `digest`: hex of the body's digest, of the empty one where there is none, or the word
                      `streamed` where a file passes through and nobody has seen its end

HMAC and digest are of SHA-256 (`HMAC-SHA256`) or of SM3 (`HMAC-SM3`, GM/T 0004-2012). Hex digits are small.
"""

import base64
import hashlib
import hmac
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import quote

from exchange_service.credentials.model import (
    ApiKey,
    Basic,
    Certificate,
    Credential,
    Hmac,
    OAuthClient,
    PrivateKey,
)
from exchange_service.credentials.oauth import Tokens
from exchange_service.credentials.tls import context_of
from relay.egress import Egress
from relay.pinned import trusted
from runtime.errors import Refusal
from wire import codes
from wire.catalog import Interface

STREAMED = "streamed"


class Source(Protocol):
    """Where credentials come from: the keychain."""

    tokens: Tokens

    async def refresh(self) -> None:
        """Look for newer versions now; raises nothing where that fails."""


@dataclass(frozen=True, slots=True, repr=False)
class Signed:
    """A request target, and the header fields that go with it; `credential` and `token` are what they were made of."""

    target: bytes
    lines: tuple[tuple[bytes, bytes], ...] = ()
    credential: Credential | None = None
    token: str = ""


class Signer:
    """Signs the requests of one interface."""

    def __init__(
        self, interface: Interface, egress: Egress, credential: Callable[[], Credential | None],
        source: Source | None = None, clock: Callable[[], float] = time.time,
    ) -> None:  # fmt: skip
        """credential  the present one at each use, None where the interface names none; raises Refusal where it is gone
        source      for tokens that interfaces share, and to look again after a 401; without one each has its own
        """
        self._credential = credential
        self._networks = interface.networks
        self._source = source
        self._tokens = source.tokens if source else Tokens(egress)
        self._clock = clock

    def tls(self) -> ssl.SSLContext:
        """What a TLS connection to the provider needs now: the very same object as long as nothing has changed.

        Where it is another, new requests belong on new connections. Raises Refusal.
        """
        credential = self._credential()
        if not isinstance(credential, Certificate):
            return trusted()
        try:
            return context_of(credential)
        except ValueError as error:
            raise Refusal(codes.CREDENTIAL_MISSING, str(error)) from None

    async def sign(self, method: str, target: bytes, body: bytes | None, timeout_s: float) -> Signed:
        """What the request has to carry. `body` is None for one that passes through. Raises Refusal."""
        credential = self._credential()
        token = ""
        if isinstance(credential, OAuthClient):
            token = await self._tokens.get(credential, self._networks, timeout_s)
        if isinstance(credential, ApiKey) and credential.query:
            pair = f"{quote(credential.query, safe='')}={quote(credential.value, safe='')}"
            joint = b"&" if b"?" in target else b"?"
            return Signed(target + joint + pair.encode(), (), credential)
        return Signed(target, lines_of(credential, token, method, target, body, self._clock()), credential, token)

    async def renewed(self, refused: Signed) -> bool:
        """The provider answered 401: whether there is something newer to show, and asking once more is worth it."""
        if refused.credential is None:
            return False
        if self._source is not None:
            await self._source.refresh()
        present = self._credential()
        if isinstance(present, OAuthClient) and refused.token:
            return self._tokens.drop(present, refused.token)
        return present != refused.credential


def lines_of(
    credential: Credential | None, token: str, method: str, target: bytes, body: bytes | None, now: float
) -> tuple[tuple[bytes, bytes], ...]:
    """The header fields that a credential adds. `now` is Unix seconds; `token` that of an OAuth client."""
    match credential:
        case Basic():
            pair = f"{credential.user}:{credential.password}".encode()
            return ((b"authorization", b"Basic " + base64.b64encode(pair)),)
        case ApiKey():
            return ((credential.header.lower().encode("ascii"), credential.value.encode("latin-1")),)
        case OAuthClient():
            return ((b"authorization", b"Bearer " + token.encode("ascii")),)
        case Hmac():
            return ((b"authorization", signature(credential, method, target, body, int(now))),)
        case PrivateKey():
            raise Refusal(codes.CREDENTIAL_MISSING, "a credential of the kind private-key is not for HTTP")
    return ()  # none, or a certificate, which the connection shows


def signature(credential: Hmac, method: str, target: bytes, body: bytes | None, date: int) -> bytes:
    """Value of the Authorization field of a signed request."""
    digest = STREAMED if body is None else hashlib.new(credential.suite, body).hexdigest()
    said = b"\n".join((method.encode(), target, str(date).encode(), digest.encode()))
    mac = hmac.new(credential.secret.encode(), said, credential.suite).hexdigest()
    scheme = f"HMAC-{credential.suite.upper()}"
    return f'{scheme} key="{credential.key_id}", date="{date}", digest="{digest}", signature="{mac}"'.encode("ascii")
