"""How a client proves who it is: `private_key_jwt` (RFC 7523, RFC 10070), a TLS certificate (RFC 8705 section 2.1), and
a secret in development.

The proof comes first and its details later: until signature or secret were right, every fault looks the same and costs
the same, whether the client exists or not. Authlib's own assertion check tells strangers which part failed and takes
any registered algorithm, so this one stands in its place.
"""

import base64
import binascii
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from hmac import compare_digest
from typing import Any
from urllib.parse import unquote_plus

from identity.certificates import TLS_CLIENT_AUTH, certificate_of, is_current, is_named
from identity.keys import KEYS_AT_MOST, decoy, expiry, signer_among
from identity.server import ClientRefused, TokenRequest
from identity.store import Client, find_client, use_assertion
from identity.tokens import check_assertion, described, digest
from wire.jose import InvalidToken, read

PRIVATE_KEY_JWT = "private_key_jwt"
CLIENT_SECRET_BASIC = "client_secret_basic"  # noqa: S105  # the name of a method
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ID_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$"
_ID = re.compile(ID_PATTERN.removesuffix("$"))
_LONGEST_BASIC = 1024
_OTHER_WAYS = {"client_assertion", "client_secret"}


def _known(request: TokenRequest, client_id: object) -> Client | None:
    """The client; None too for ids that cannot be anybody's, which never reach the database."""
    if not isinstance(client_id, str) or not _ID.fullmatch(client_id):
        return None
    return find_client(request.transaction, client_id)


def _refuse(request: TokenRequest, client: Client, word: str, text: str) -> ClientRefused:
    request.suspect = (client, word)
    return ClientRefused(described(text))  # Authlib raises ValueError for a description with other characters


class PrivateKeyJwt:
    """Client authentication by a signed assertion, each good for one use."""

    def __init__(self, issuer: str) -> None:
        self._issuer = issuer
        self._decoy = decoy()

    def __call__(self, _query: object, request: TokenRequest) -> Client | None:
        """The client, or None where nothing was proved; raises ClientRefused for what a proven client did wrong."""
        assertion = request.form.get("client_assertion")
        if assertion is None or request.form.get("client_assertion_type") != ASSERTION_TYPE:
            return None
        try:
            header, claims = read(assertion)
        except InvalidToken:
            return None
        client = _known(request, claims.get("sub"))
        key = signer_among(assertion, self.candidates(client, header.get("kid")))
        if client is None:
            return None
        if key is None:
            request.suspect = (client, "signature")
            return None
        request.proved = True
        if ended := expiry(key, request.at):
            raise _refuse(request, client, "key", f"key {key['kid']}: {ended}; register a new key of this client")
        self._check(request, client, header, claims)
        return client

    def candidates(self, client: Client | None, kid: object) -> Sequence[dict[str, Any]]:
        """Keys to try: the one that `kid` names, else all; decoys hide how many there are."""
        keys = list(client.keys) if client else []
        if kid is not None:
            return [key for key in keys if key["kid"] == kid] or [self._decoy]
        return (keys + [self._decoy] * KEYS_AT_MOST)[:KEYS_AT_MOST]

    def _check(self, request: TokenRequest, client: Client, header: dict[str, Any], claims: dict[str, Any]) -> None:
        claimed = request.form.get("client_id", client.id)
        if claimed != client.id:
            raise _refuse(request, client, "client_id", f"client_id: expected {client.id}; got {claimed[:120]}")
        fault = check_assertion(header, claims, client=client.id, issuer=self._issuer, now=request.at.timestamp())
        if fault is not None:
            raise _refuse(request, client, fault.word, fault.text)
        until = datetime.fromtimestamp(claims["exp"], UTC)
        if not use_assertion(request.transaction, digest(client.id, claims["jti"]), until):
            raise _refuse(request, client, "replay", "assertion jti: was used before; sign a new assertion each time")


class TlsClientAuth:
    """Client authentication by the certificate of the connection, for a client whose registration names it."""

    def __call__(self, _query: object, request: TokenRequest) -> Client | None:
        """The client, or None where nothing was proved; raises ClientRefused for a certificate out of its time."""
        if request.authorization or request.form.keys() & _OTHER_WAYS:
            return None
        certificate = certificate_of(request.front.certificate)
        if certificate is None:
            return None
        client = _known(request, request.form.get("client_id"))
        named = is_named(certificate, client.certificate_name if client else "CN=nobody")
        if client is None or client.method != TLS_CLIENT_AUTH:
            return None
        if not named:
            request.suspect = (client, "certificate")
            return None
        request.proved = True
        if not is_current(certificate, request.at):
            raise _refuse(request, client, "certificate", "certificate: is not within its time")
        return client


class SecretBasic:
    """Client authentication by a shared secret in the Authorization header (RFC 6749 section 2.3.1)."""

    def __init__(self) -> None:
        self._decoy = secrets.token_bytes(32)

    def __call__(self, _query: object, request: TokenRequest) -> Client | None:
        """The client, or None where nothing was proved."""
        pair = basic_pair(request.authorization)
        if pair is None:
            return None
        client = _known(request, pair[0])
        expected = (client.secret_sha256 if client else None) or self._decoy
        right = compare_digest(sha256(pair[1].encode()).digest(), expected)
        if client is None:
            return None
        if not right:
            request.suspect = (client, "secret")
            return None
        request.proved = True
        if request.form.get("client_id", client.id) != client.id:
            raise _refuse(request, client, "client_id", f"client_id: expected {client.id}")
        return client


def basic_pair(authorization: str) -> tuple[str, str] | None:
    """Client id and secret of a Basic header, or None (RFC 7617; both form-encoded, RFC 6749 section 2.3.1)."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic" or len(encoded) > _LONGEST_BASIC:
        return None
    try:
        client_id, colon, secret = base64.b64decode(encoded, validate=True).decode().partition(":")
        return (unquote_plus(client_id, errors="strict"), unquote_plus(secret, errors="strict")) if colon else None
    except (binascii.Error, ValueError):
        return None


def claimed_client(form: Mapping[str, str], authorization: str) -> str:
    """Who the sender says that it is, "" where it says nothing; nothing is proved yet."""
    pair = basic_pair(authorization)
    if pair is not None:
        return pair[0]
    try:
        claimed = read(form["client_assertion"])[1].get("sub") if "client_assertion" in form else None
    except InvalidToken:
        claimed = None
    return claimed if isinstance(claimed, str) else form.get("client_id", "")
