"""Signing in with an account elsewhere: another OpenID provider, found by discovery, with code and PKCE.

Nobody comes in by that who was not invited: the invitation is opened here, leads there, and links (issuer, sub) to the
person when they come back. From then on that account signs them in.
Source: OpenID Connect Core 3.1, Discovery 4, RFC 7636, RFC 9207.
"""

import base64
import hashlib
import hmac
import json
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

import msgspec
import structlog
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey
from sqlalchemy import delete, insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from identity.people import events, sessions, store
from identity.people.lockout import Place
from identity.people.model import Person, digest
from identity.people.signing_in import SignedIn, SignIn
from identity.people.tables import outside_visit
from runtime.clock import Clock
from runtime.errors import Refusal
from runtime.http import AsyncClient, HTTPError
from runtime.outbox import Outbox
from wire import codes

log = structlog.get_logger()
ALGORITHMS = ["ES256", "PS256", "RS256", "EdDSA"]
ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
VISIT_LIFE = timedelta(minutes=10)
SKEW_S = 60
ASSERTION_LIFE_S = 60
LEAST_RSA_BITS = 2048
LARGEST_ANSWER = 256 * 1024
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


class _Elsewhere(Exception):
    """The provider did not answer as it should; the message is for our log."""


@dataclass(frozen=True, slots=True)
class Provider:
    """The other provider, and who we are there. `key` is our private JWK: no secret is shared."""

    issuer: str
    client_id: str
    key: Mapping[str, Any]
    redirect_uri: str


class External:
    """Signing in elsewhere."""

    def __init__(
        self, database: AsyncEngine, outbox: Outbox, sign_in: SignIn, provider: Provider, http: AsyncClient,
        clock: Clock,
    ) -> None:  # fmt: skip
        self._database = database
        self._outbox = outbox
        self._sign_in = sign_in
        self._provider = provider
        self._http = http
        self._clock = clock

    async def leave(self, visit: str, onward: str, invitation: str, place: Place) -> str:
        """Where the browser goes. `visit` is its anti-forgery cookie, to which the way back is bound.

        Raises Refusal(TOO_MANY_ATTEMPTS) for an address that has left too often.
        """
        await self._sign_in.count_visit(place)
        try:
            metadata = await self._metadata()
        except _Elsewhere as error:
            raise _refused(error) from None
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        async with self._database.begin() as transaction:
            await transaction.execute(
                insert(outside_visit).values(
                    digest=digest(f"{visit}.{state}"), nonce=nonce, verifier=verifier, onward=onward,
                    invitation=digest(invitation).hex() if invitation else "",
                    until=self._clock.now() + VISIT_LIFE,
                )
            )  # fmt: skip
        asked = {
            "response_type": "code", "client_id": self._provider.client_id, "scope": "openid", "state": state,
            "redirect_uri": self._provider.redirect_uri, "nonce": nonce, "code_challenge_method": "S256",
            "code_challenge": _b64(hashlib.sha256(verifier.encode()).digest()),
        }  # fmt: skip
        address = metadata["authorization_endpoint"]
        return f"{address}{'&' if urlsplit(address).query else '?'}{urlencode(asked)}"

    async def come_back(self, visit: str, given: Mapping[str, str], place: Place) -> tuple[SignedIn, str]:
        """The session, and where the person wanted to go. Raises Refusal(NOT_LINKED)."""
        at = self._clock.now()
        async with self._database.begin() as transaction:  # a state is good once, whatever comes of it
            found = outside_visit.c.digest == digest(f"{visit}.{given.get('state', '')}")
            row = (await transaction.execute(delete(outside_visit).where(found).returning(outside_visit))).one_or_none()
        if row is None or row.until <= at or given.get("iss", self._provider.issuer) != self._provider.issuer:
            raise Refusal(codes.NOT_LINKED)
        try:
            subject = await self._subject(given.get("code", ""), row.verifier, row.nonce)
        except _Elsewhere as error:
            raise _refused(error) from None
        async with self._database.begin() as transaction:
            cookie = await self._come_in(transaction, (self._provider.issuer, subject), row.invitation, place)
        return SignedIn(cookie, "full"), row.onward

    async def _come_in(
        self, transaction: AsyncConnection, outside: tuple[str, str], invitation: str, place: Place
    ) -> str:
        at = self._clock.now()
        if invitation:
            person = await store.find_invited(transaction, bytes.fromhex(invitation), at, for_update=True)
            if person is None:
                raise Refusal(codes.LINK_INVALID)
            await self._link(transaction, person, outside)
            return await self._sign_in.come_in(transaction, person, "external", place)
        known = await store.find_by_outside(transaction, outside)
        if known is None or known.standing != "active":
            raise Refusal(codes.NOT_LINKED)
        await self._outbox.write(transaction, events.of_person("person.signed_in", known, at, means="external"), at)
        return await sessions.begin(transaction, known.id, "full", "external", place, at)

    async def _link(self, transaction: AsyncConnection, person: Person, outside: tuple[str, str]) -> None:
        linked = {"outside_issuer": outside[0], "outside_subject": outside[1]}
        try:
            await transaction.execute(store.change(person.id, **linked))
        except IntegrityError:
            raise Refusal(codes.NOT_LINKED, "the account belongs to another person here") from None

    # --- what is said to the provider ---
    async def _subject(self, code: str, verifier: str, nonce: str) -> str:
        metadata = await self._metadata()
        keys = await self._asked("GET", metadata["jwks_uri"])
        form = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self._provider.redirect_uri,
            "code_verifier": verifier, "client_assertion_type": ASSERTION, "client_assertion": self._assertion(),
        }  # fmt: skip
        answer = await self._asked("POST", metadata["token_endpoint"], form)
        return self._checked(str(answer.get("id_token", "")), keys, nonce)

    def _assertion(self) -> str:
        now = int(self._clock.now().timestamp())
        claims = {
            "iss": self._provider.client_id, "sub": self._provider.client_id, "aud": self._provider.issuer,
            "iat": now, "exp": now + ASSERTION_LIFE_S, "jti": uuid4().hex,
        }  # fmt: skip
        key = ECKey.import_key(dict(self._provider.key))
        return jwt.encode({"alg": "ES256", "kid": key.kid}, claims, key)

    def _checked(self, token: str, keys: Mapping[str, Any], nonce: str) -> str:
        """`sub` of an ID token that is theirs, for us, and of this visit (OpenID Connect Core 3.1.3.7)."""
        try:
            wanted = [key for key in keys.get("keys", []) if key.get("kty") != "oct" and key.get("use", "sig") == "sig"]
            usable = KeySet([key for key in KeySet.import_key_set({"keys": wanted}).keys if _is_strong(key)])
            claims = jwt.decode(token, usable, algorithms=ALGORITHMS).claims
        except (JoseError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise _Elsewhere(f"the ID token: {type(error).__name__}") from None
        now = self._clock.now().timestamp()
        expires = claims.get("exp")
        audience = claims.get("aud")
        good = {
            "iss": claims.get("iss") == self._provider.issuer,
            "aud": audience in (self._provider.client_id, [self._provider.client_id]),
            "exp": isinstance(expires, int | float) and now - SKEW_S < expires,
            "nonce": hmac.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode()),
            "sub": isinstance(claims.get("sub"), str) and 0 < len(claims["sub"]) <= 255,
        }
        if wrong := [name for name, is_good in good.items() if not is_good]:
            raise _Elsewhere(f"the ID token: {', '.join(wrong)}")
        return str(claims["sub"])

    async def _metadata(self) -> dict[str, Any]:
        found = await self._asked("GET", f"{self._provider.issuer}/.well-known/openid-configuration")
        if found.get("issuer") != self._provider.issuer:
            raise _Elsewhere("the metadata are another issuer's")
        if not all(_is_safe(found.get(name)) for name in ("authorization_endpoint", "token_endpoint", "jwks_uri")):
            raise _Elsewhere("an address in the metadata is neither https nor of this machine")
        return found

    async def _asked(self, method: str, address: str, form: Mapping[str, str] | None = None) -> dict[str, Any]:
        try:
            answer = await self._http.request(method, address, data=form, headers={"Accept": "application/json"})
        except HTTPError as error:
            raise _Elsewhere(f"no answer: {type(error).__name__}") from None
        if answer.status_code != 200 or len(answer.content) > LARGEST_ANSWER:
            raise _Elsewhere(f"status {answer.status_code}")
        try:
            document = msgspec.json.decode(answer.content, type=dict[str, Any])
        except msgspec.DecodeError:
            raise _Elsewhere("not a JSON object") from None
        return document


def _refused(error: _Elsewhere) -> Refusal:
    log.warning("external_sign_in.failed", reason=str(error))
    return Refusal(codes.NOT_LINKED)


def _is_strong(key: object) -> bool:
    return not isinstance(key, RSAKey) or key.raw_value.key_size >= LEAST_RSA_BITS


def _is_safe(address: object) -> bool:
    parts = urlsplit(address if isinstance(address, str) else "")
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def read_key(text: str) -> dict[str, Any]:
    """Our private key for the provider; raises ValueError unless it is an EC P-256 JWK."""
    key: dict[str, Any] = json.loads(text)
    imported = ECKey.import_key(key)
    if not imported.is_private or imported.curve_name != "P-256":
        raise ValueError("external_key_file holds a private EC P-256 JWK")
    return key
