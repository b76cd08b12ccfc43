"""Access tokens (RFC 9068) as our services accept them: issuer, audience, life, scope, and what libraries leave open.

Signatures are verified by joserfc; the checks around it are ours: one spelling per token, no duplicate members, an
algorithm allow list, no keys brought along in the header, an end of life that is really looked at.
"""

import asyncio
import base64
import binascii
import json
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import msgspec
import structlog
from joserfc import jwk, jws
from joserfc.errors import JoseError
from starlette.requests import Request

from runtime.errors import Refusal
from runtime.http import AsyncClient
from wire import codes

log = structlog.get_logger()
T = TypeVar("T")
ALGORITHMS = ("ES256",)
LONGEST_LIFE_S = 300
LONGEST_TOKEN = 4096
CLOCK_SKEW_S = 5
REFRESH_PAUSE_S = 10.0
_FORM = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_UNWANTED = {"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip"}


class InvalidToken(Exception):
    """The token is no good; the message says why, for our logs and for nobody else."""


class UnknownKey(InvalidToken):
    """The token names a key that we have not seen: the one reason to fetch the keys again."""


class AccessToken(msgspec.Struct, frozen=True):
    """What a verified token says. Times are Unix seconds.

    issuer    who issued it    key  `kid` of the key that signed it
    person    `sub` of a token that a person got (RFC 9068 section 2.2), "" for a system that acts for itself
    actor     the client that acts for `client` after a token exchange (RFC 8693 section 4.1), "" for none
    jkt       thumbprint of the key that it is bound to (RFC 9449 section 6.1), "" for none
    x5t       SHA-256 thumbprint of the certificate that it is bound to (RFC 8705 section 3.1), "" for none
    """

    client: str
    department: str
    scopes: frozenset[str]
    expires: int
    id: str
    issued: int = 0
    issuer: str = ""
    key: str = ""
    person: str = ""
    actor: str = ""
    jkt: str = ""
    x5t: str = ""


class Keys:
    """The issuer's public keys, fetched when first needed and again when a token names an unknown one."""

    def __init__(self, fetch: Callable[[], Awaitable[dict[str, Any]]]) -> None:
        self._fetch = fetch
        self._by_id: dict[str, Any] = {}
        self._not_before = 0.0
        self._running: asyncio.Task[None] | None = None

    def get(self, kid: str) -> Any:
        """The key named `kid`; raises UnknownKey."""
        try:
            return self._by_id[kid]
        except KeyError:
            raise UnknownKey(f"no key {kid[:40]!r}") from None

    async def refresh(self) -> None:
        """Fetch the keys, at most once in REFRESH_PAUSE_S however many ask; a failure keeps the old ones."""
        if self._running is None:
            if time.monotonic() < self._not_before:
                return
            self._running = asyncio.create_task(self._refresh())
            self._running.add_done_callback(self._refreshed)
        await asyncio.shield(self._running)

    async def tried(self, verify: Callable[[], T]) -> T:
        """What `verify` finds; where it raises UnknownKey, what it finds with the keys fetched again."""
        try:
            return verify()
        except UnknownKey:
            await self.refresh()
        return verify()

    def _refreshed(self, _task: asyncio.Task[None]) -> None:
        self._running = None

    async def _refresh(self) -> None:
        try:
            document = await self._fetch()
            self._by_id = {key["kid"]: jwk.import_key(key) for key in document["keys"] if _usable(key)}
            self._not_before = time.monotonic() + REFRESH_PAUSE_S
        except Exception as error:
            self._not_before = time.monotonic() + 1.0
            log.warning("keys.not_fetched", error=repr(error))


def keys_of(issuer: AsyncClient, path: str = "/oauth2/jwks") -> Keys:
    """The keys that a service publishes: the identity service's, unless `path` says otherwise."""

    async def fetch() -> dict[str, Any]:
        answer = await issuer.get(path)
        document: dict[str, Any] = answer.raise_for_status().json()
        return document

    return Keys(fetch)


def _usable(key: dict[str, Any]) -> bool:
    """Public signing keys of an allowed kind only."""
    return (
        key.get("kty") == "EC" and key.get("use", "sig") == "sig" and "d" not in key and isinstance(key.get("kid"), str)
    )


class Verifier:
    """Checks tokens of one issuer for one audience."""

    def __init__(self, issuer: str, audience: str, keys: Keys) -> None:
        self._issuer = issuer
        self._audience = audience
        self.keys = keys

    def verify(self, token: str, now: float) -> AccessToken:
        """What the token says; raises InvalidToken, or UnknownKey (then refresh the keys and try once more)."""
        return self._claims(signed(token, self.keys, ("at+jwt", "application/at+jwt")), now)

    def _claims(self, payload: dict[str, Any], now: float) -> AccessToken:
        audience = payload.get("aud")
        if payload.get("iss") != self._issuer or self._audience not in (
            [audience] if isinstance(audience, str) else audience or ()
        ):
            raise InvalidToken("issuer or audience")
        if "cnf" in payload:  # bound to a key or certificate, which nobody here can look at yet
            raise InvalidToken("a bound token")
        expires, issued = payload.get("exp"), payload.get("iat")
        if type(expires) is not int or type(issued) is not int or expires - issued > LONGEST_LIFE_S:
            raise InvalidToken("exp or iat")
        if not issued - CLOCK_SKEW_S <= now < expires:
            raise InvalidToken("expired or not yet valid")
        texts = [payload.get(name) for name in ("client_id", "department", "scope", "jti")]
        if not all(isinstance(text, str) for text in texts):
            raise InvalidToken("a claim is missing")
        client, department, scope, token_id = (str(text) for text in texts)
        return AccessToken(client, department, frozenset(scope.split()), expires, token_id)


def read(token: str, longest: int = LONGEST_TOKEN) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and payload of a compact JWS whose form and algorithm are ours; raises InvalidToken. Not yet verified."""
    if len(token) > longest or not _FORM.fullmatch(token):
        raise InvalidToken("not one compact JWS")
    header_part, payload_part, signature_part = token.split(".")
    header = _object(_decoded(header_part))
    payload = _object(_decoded(payload_part))
    _decoded(signature_part)
    if header.get("alg") not in ALGORITHMS or _UNWANTED & header.keys():
        raise InvalidToken("the header is not one of ours")
    return header, payload


def signed(token: str, keys: Keys, types: Sequence[str], longest: int = LONGEST_TOKEN) -> dict[str, Any]:
    """The payload of a token of one of these types (`typ`) and one of these keys; raises InvalidToken, UnknownKey."""
    header, payload = read(token, longest)
    if header.get("typ") not in types or not isinstance(header.get("kid"), str):
        raise InvalidToken("typ or kid is missing")
    try:
        jws.deserialize_compact(token, keys.get(header["kid"]), algorithms=list(ALGORITHMS))
    except (JoseError, ValueError) as error:
        raise InvalidToken(f"signature: {error}") from None
    return payload


def _decoded(part: str) -> bytes:
    """base64url with one spelling only: no padding, no spare bits (RFC 7515 section 2, RFC 4648 section 3.5)."""
    try:
        raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except (binascii.Error, ValueError):
        raise InvalidToken("base64url") from None
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != part:
        raise InvalidToken("base64url with another spelling")
    return raw


def _object(raw: bytes) -> dict[str, Any]:
    """A JSON object without duplicate members (RFC 8725 section 2.4)."""
    try:
        msgspec.json.decode(raw)  # stricter than the standard library: UTF-8 only, no NaN, no half characters
        value = json.loads(raw.decode(), object_pairs_hook=_members)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise InvalidToken("not JSON, or a member twice") from None
    if not isinstance(value, dict):
        raise InvalidToken("not one JSON object")
    return value


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member stands twice")
    return members


def bearer(authorization: list[str]) -> str:
    """The token of the Authorization headers; raises Refusal (RFC 6750 sections 2.1 and 3.1)."""
    if not authorization or not authorization[0].lower().startswith("bearer"):
        raise Refusal(codes.TOKEN_MISSING)
    scheme, _, token = authorization[0].partition(" ")
    if len(authorization) > 1 or scheme.lower() != "bearer" or not token or " " in token:
        raise Refusal(codes.TOKEN_MALFORMED)
    return token


class Door:
    """Lets requests of a FastAPI service in: `Depends(door.needing("catalog:write"))` gives an AccessToken."""

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier

    def needing(self, scope: str = "") -> Callable[[Request], Awaitable[AccessToken]]:
        """A dependency that refuses tokens without `scope`; "" lets every valid token in."""

        async def token_of(request: Request) -> AccessToken:
            token = await self._verified(bearer(request.headers.getlist("authorization")))
            if scope and scope not in token.scopes:
                raise Refusal(codes.SCOPE_MISSING, f"scope {scope}", scope=scope)
            return token

        return token_of

    async def _verified(self, token: str) -> AccessToken:
        try:
            return await self._verifier.keys.tried(lambda: self._verifier.verify(token, time.time()))
        except InvalidToken as error:
            log.info("token.refused", reason=str(error))
            raise Refusal(codes.TOKEN_INVALID) from None
