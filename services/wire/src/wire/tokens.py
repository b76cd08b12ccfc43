"""Access tokens (RFC 9068) as our services accept them: issuer, audience, life, scope, and what they are bound to.

Form, keys and signature are the business of `wire.jose`. Until the signature was right nobody is told anything; then
the caller is told exactly what is wrong (`InvalidToken.told`).
"""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl

import msgspec
import structlog
from starlette.requests import Request

from runtime.access import Rule, ruled
from runtime.errors import Refusal
from runtime.http import AsyncClient
from runtime.service_auth import ServiceKey
from wire import challenges, codes, jose
from wire.front import Front, front_of
from wire.jose import LONGEST_TOKEN as LONGEST_TOKEN
from wire.jose import InvalidToken as InvalidToken
from wire.jose import PublicKey
from wire.jose import read as read

log = structlog.get_logger()
T = TypeVar("T")
TYPES = ("at+jwt", "application/at+jwt")
LONGEST_LIFE_S = 300
CLOCK_SKEW_S = 10
"""How far the issuer's clock may be ahead of ours."""
REFRESH_PAUSE_S = 10.0
KEEP_S = 300.0
"""How long keys are used before they are looked up again: no longer than a token of a retired key could live."""
GONE_S = 2 * KEEP_S
"""Keys that nobody could look up for so long count no more."""
FETCH_S = 5.0
"""How long an issuer may take to say its keys."""
PERSON = "person:"
"""How `sub` of a person begins."""
_ALGORITHMS = (*jose.ALGORITHMS, "RS256")
_SCHEME = re.compile(r"(bearer|dpop)(?![a-z])", re.IGNORECASE)


class UnknownKey(InvalidToken):
    """The token names a key that we have not seen: the one reason to fetch the keys again."""


class AccessToken(msgspec.Struct, frozen=True):
    """What a verified token says. Times are Unix seconds.

    issuer    who issued it    key  `kid` of the key that signed it
    person    `sub` of a token that a person got (RFC 9068 section 2.2), "" for a system that acts for itself
    actor     the client that acts for `client` after a token exchange (RFC 8693 section 4.1), "" for none
    through   the client through which `person` acts, "" where nobody does
    origin    id of the token that was exchanged for it, with which it is revoked; "" for none
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
    through: str = ""
    origin: str = ""


class Keys:
    """The issuer's public keys, fetched when first needed, when a token names an unknown one, and when they get old."""

    def __init__(self, fetch: Callable[[], Awaitable[dict[str, Any]]], *, rs256: bool = False) -> None:
        """rs256  whether the issuer's RSA keys may sign with PKCS #1 v1.5"""
        self._fetch = fetch
        self._rs256 = rs256
        self._by_id: dict[str, PublicKey] = {}
        self._not_before = 0.0
        self._old_at = 0.0
        self._gone_at = 0.0
        self._running: asyncio.Task[None] | None = None

    def get(self, kid: str) -> PublicKey:
        """The key named `kid`; raises UnknownKey."""
        try:
            return self._by_id[kid]
        except KeyError:
            raise UnknownKey(f"no key {kid[:40]!r}") from None

    def drop(self, kid: str) -> None:
        """This key signs no more. The others are fetched again at the next unknown one, without a pause before."""
        if self._by_id.pop(kid, None) is not None:
            self._not_before = 0.0

    async def refresh(self) -> None:
        """Fetch the keys, at most once in REFRESH_PAUSE_S however many ask; a failure keeps the old ones."""
        fetching = self._fetching()
        if fetching is not None:
            await asyncio.shield(fetching)

    async def tried(self, verify: Callable[[], T]) -> T:
        """What `verify` finds; where it raises UnknownKey, what it finds with the keys fetched again."""
        if self._by_id and (now := time.monotonic()) >= self._old_at:
            self._fetching()  # nobody waits for it
            if now >= self._gone_at:
                self._by_id = {}
        try:
            return verify()
        except UnknownKey:
            await self.refresh()
        return verify()

    def _fetching(self) -> asyncio.Task[None] | None:
        """The fetch under way, begun now if none is; None where the last one is too short ago."""
        if self._running is None:
            if time.monotonic() < self._not_before:
                return None
            self._running = asyncio.create_task(self._refresh())
            self._running.add_done_callback(self._refreshed)
        return self._running

    def _refreshed(self, _task: asyncio.Task[None]) -> None:
        self._running = None

    async def _refresh(self) -> None:
        try:
            async with asyncio.timeout(FETCH_S):
                self._by_id = jose.keys_in(await self._fetch(), rs256=self._rs256)
            now = time.monotonic()
            self._not_before, self._old_at, self._gone_at = now + REFRESH_PAUSE_S, now + KEEP_S, now + GONE_S
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


def signed(token: str, keys: Keys, types: Sequence[str], longest: int = LONGEST_TOKEN) -> dict[str, Any]:
    """The payload of a token of one of these types (`typ`) and one of these keys; raises InvalidToken, UnknownKey."""
    header, payload = jose.read(token, longest, _ALGORITHMS)
    _check_signed(token, header, keys, types)
    return payload


def _check_signed(token: str, header: dict[str, Any], keys: Keys, types: Sequence[str]) -> None:
    kind, kid = header.get("typ"), header.get("kid")
    if not isinstance(kind, str) or kind.lower() not in types or not isinstance(kid, str):
        raise InvalidToken("typ or kid is missing")
    jose.check_signature(token, header["alg"], keys.get(kid))


class Issuer(NamedTuple):
    """One whose tokens are taken.

    name             exactly as in `iss`
    read             makes an AccessToken of the claims, whose issuer, audience and times were checked; raises
                     InvalidToken. `key` is filled in by who calls it
    longest_life_s   between `iat` and `exp`
    """

    name: str
    audience: str
    keys: Keys
    read: Callable[[dict[str, Any]], AccessToken]
    types: Sequence[str] = TYPES
    longest_life_s: int = LONGEST_LIFE_S


class Verifier:
    """Checks tokens for one audience: those of our own issuer, and of others where they are named."""

    def __init__(self, issuer: str, audience: str, keys: Keys, further: Sequence[Issuer] = ()) -> None:
        own = Issuer(issuer, audience, keys, _own)
        self._issuers = {one.name: one for one in (*further, own)}
        self.keys = keys

    def verify(self, token: str, now: float) -> AccessToken:
        """What the token says; raises InvalidToken, or UnknownKey (then refresh the keys and try once more)."""
        header, payload = jose.read(token, algorithms=_ALGORITHMS)
        return self._verify(token, now, header, payload)

    def _verify(self, token: str, now: float, header: dict[str, Any], payload: dict[str, Any]) -> AccessToken:
        issuer = self._issuer_of(payload)
        _check_signed(token, header, issuer.keys, issuer.types)
        check_audience(payload.get("aud"), issuer.audience)
        check_times(payload, now, issuer.longest_life_s)
        return msgspec.structs.replace(issuer.read(payload), key=header["kid"])

    async def verified(self, token: str, now: float) -> AccessToken:
        """The same; an unknown key is looked up first."""
        header, payload = jose.read(token, algorithms=_ALGORITHMS)
        issuer = self._issuer_of(payload)
        return await issuer.keys.tried(lambda: self._verify(token, now, header, payload))

    def _issuer_of(self, payload: dict[str, Any]) -> Issuer:
        named = payload.get("iss")
        issuer = self._issuers.get(named) if isinstance(named, str) else None
        if issuer is None:
            raise InvalidToken("another issuer")
        return issuer


# --- claims, after the signature was right ----------------------------------------------------------------------------
def wrong(claim: str, text: str) -> InvalidToken:
    """What is wrong with one claim, to be told to whoever holds the token."""
    return InvalidToken(claim, f"{claim}: {text}")


def check_audience(stated: object, expected: str) -> None:
    """`aud` is this text or a list with it (RFC 7519 section 4.1.3); raises InvalidToken."""
    several = stated if isinstance(stated, list) else [] if stated is None else [stated]
    if expected not in several:
        shown = ", ".join(str(one) for one in several)[:120] or "nothing"
        raise wrong("aud", f"expected {expected}; got {shown}")


def check_times(payload: dict[str, Any], now: float, longest_life_s: int) -> None:
    """`iat`, `exp` and `nbf` are whole Unix seconds around now; raises InvalidToken."""
    expires, issued, begins = (_seconds(payload, name) for name in ("exp", "iat", "nbf"))
    if expires - issued > longest_life_s:
        raise wrong("exp", f"expected at most {longest_life_s} s after iat; got {expires - issued} s")
    if now >= expires:
        raise wrong("exp", f"expired at {expires}; now {int(now)}")
    for name, value in (("iat", issued), ("nbf", begins)):
        if now < value - CLOCK_SKEW_S:
            raise wrong(name, f"not valid before {value}; now {int(now)}")


def _seconds(payload: dict[str, Any], name: str) -> int:
    value = payload.get(name, 0 if name == "nbf" else None)
    if type(value) is not int or not 0 <= value < 2**53:
        raise wrong(name, "expected whole Unix seconds")
    return value


def text_of(payload: dict[str, Any], name: str) -> str:
    """A claim that is a text and not empty; raises InvalidToken."""
    value = payload.get(name)
    if not isinstance(value, str) or not value:
        raise wrong(name, "is missing")
    return value


def bound_to(payload: dict[str, Any]) -> dict[str, str]:
    """`jkt` and `x5t` of the claim `cnf` (RFC 7800); raises InvalidToken for a tie that we cannot check."""
    if "cnf" not in payload:
        return {}
    tie = payload["cnf"]
    known = {"jkt": "jkt", "x5t#S256": "x5t"}
    if not isinstance(tie, dict) or not tie or not tie.keys() <= known.keys():
        raise wrong("cnf", "expected jkt or x5t#S256")
    if not all(isinstance(value, str) and value for value in tie.values()):
        raise wrong("cnf", "expected thumbprints")
    return {known[name]: value for name, value in tie.items()}


def _own(payload: dict[str, Any]) -> AccessToken:
    """A token of our identity service (RFC 9068 section 2.2)."""
    scope = payload.get("scope")
    if not isinstance(scope, str):
        raise wrong("scope", "is missing")
    return AccessToken(
        department=text_of(payload, "department"), scopes=frozenset(scope.split(" ")) - {""}, expires=payload["exp"],
        id=text_of(payload, "jti"), issued=payload["iat"], issuer=payload["iss"],
        origin=text_of(payload, "origin_jti") if "origin_jti" in payload else "", **_who(payload), **bound_to(payload),
    )  # fmt: skip


def _who(payload: dict[str, Any]) -> dict[str, str]:
    """Who acts, and for whom: a system, a person through a client, or a client for another system (RFC 8693)."""
    subject, client = text_of(payload, "sub"), text_of(payload, "client_id")
    if subject.startswith(PERSON) and "act" not in payload:
        return {"client": subject, "person": subject, "through": client}
    if subject == client and "act" not in payload:
        return {"client": client}
    if subject != client and payload.get("act") == {"sub": client}:
        return {"client": subject, "actor": client}
    raise wrong("sub", "expected the client, a person, or a system with act")


# --- the request that brings a token ----------------------------------------------------------------------------------
class Presented(NamedTuple):
    """A token as it came: with the scheme Bearer or DPoP."""

    scheme: str
    token: str


def brings_token(authorization: Sequence[str]) -> bool:
    """Whether a token came along, well-formed or not, with a scheme of ours."""
    return any(_SCHEME.match(one) for one in authorization)


def may_hold_token(query: str) -> bool:
    """Most do not, and taking one apart costs more than all else here. Its letters encoded are %5f and %61 to %74."""
    return "access_token" in query or "%5" in query or "%6" in query or "%7" in query


def presented(authorization: Sequence[str], query: str = "") -> Presented:
    """The token of the Authorization headers; raises Refusal (RFC 6750 sections 2 and 3.1, RFC 9449 section 7.1).

    query  of the address; a token there is refused, because addresses are written down everywhere
    """
    if may_hold_token(query) and any(name == "access_token" for name, _ in parse_qsl(query, keep_blank_values=True)):
        raise Refusal(codes.TOKEN_MALFORMED, "an access token in the address")
    if len(authorization) > 1:
        raise Refusal(codes.TOKEN_MALFORMED, "more than one header Authorization")
    found = _SCHEME.match(authorization[0]) if authorization else None
    if found is None:
        raise Refusal(codes.TOKEN_MISSING)
    scheme, _, token = authorization[0].partition(" ")
    if scheme != found[0] or not token or " " in token:
        raise Refusal(codes.TOKEN_MALFORMED)
    return Presented(challenges.DPOP if scheme.lower() == "dpop" else challenges.BEARER, token)


def check_bound(token: AccessToken, scheme: str, *, jkt: str, x5t: str) -> None:
    """Raise InvalidToken unless this is how the token has to be sent, by whom it is bound to.

    jkt  thumbprint of the key that was proved    x5t  of the certificate that was proved; "" for none
    """
    if token.jkt and scheme != challenges.DPOP:
        raise InvalidToken("bound", "bound to a key: send it with DPoP and a proof")
    if not token.jkt and scheme == challenges.DPOP:
        raise InvalidToken("not bound", "not bound to a key: send it as Bearer")
    if token.jkt != jkt:
        raise InvalidToken("another key", "bound to another key than the one that signed the proof")
    if token.x5t and token.x5t != x5t:
        raise InvalidToken("another certificate", "bound to a certificate: send it over TLS with that certificate")


class Door:
    """Lets requests of a FastAPI service in: `Depends(door.needing("catalog:write"))` gives an AccessToken."""

    def __init__(self, verifier: Verifier, key: ServiceKey | None = None) -> None:
        """key  tells what the gateway says of the client from what others say; without it no bound token comes in"""
        self._verifier = verifier
        self._key = key

    def needing(self, scope: str = "") -> Callable[[Request], Awaitable[AccessToken]]:
        """A dependency that refuses tokens without `scope`; "" lets every valid token in."""

        async def token_of(request: Request) -> AccessToken:
            token = await self.caller(request)
            if scope and scope not in token.scopes:
                raise Refusal(codes.SCOPE_MISSING, f"scope {scope}", scope=scope)
            return token

        return ruled(token_of, Rule("token", frozenset({scope}) - {""}))

    async def caller(self, request: Request) -> AccessToken:
        """Whose token came along; raises Refusal (400, 401)."""
        scheme, text = presented(request.headers.getlist("authorization"), request.url.query)
        front = await front_of(request, self._key) if self._key is not None else Front("")
        try:
            token = await self._verifier.verified(text, time.time())
            x5t = token.x5t if token.x5t and front.bound == token.x5t else front.x5t
            check_bound(token, scheme, jkt=front.bound if token.jkt else "", x5t=x5t)
        except InvalidToken as error:
            log.info("token.refused", reason=str(error))
            raise challenges.invalid_token(error, scheme) from None
        return token
