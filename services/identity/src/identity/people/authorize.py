"""The authorization endpoint: codes with PKCE, and nothing else (RFC 6749 section 4.1, RFC 7636, RFC 9207, RFC 9700).

What is wrong with client or address is told to the person and never sent anywhere; everything else goes back to the
client, with `iss` and `state`.
"""

import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import parse_qsl, urlencode, urlsplit
from uuid import uuid4

from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from identity.people.model import CODE_LIFE, Person, Session, digest
from identity.people.roles import scopes_of
from identity.people.tables import authorization_code
from identity.store import Client, load_client
from runtime.clock import Clock
from runtime.errors import Refusal
from wire import codes

OPENID, PROFILE = "openid", "profile"
ABOUT_PEOPLE = frozenset({OPENID, PROFILE})
LONGEST_TEXT = 512
FRESH_S = 60
"""How long ago somebody may have signed in where `prompt=login` or `max_age=0` asks for it anew."""
_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_SCOPE = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+(?: [\x21\x23-\x5B\x5D-\x7E]+)*")
_TEXT = re.compile(r"[\x20-\x7E]*")
_LOOPBACK = re.compile(r"(http://(?:127\.0\.0\.1|\[::1\]))(?::[0-9]{1,5})?(/[!-~]*)")


@dataclass(frozen=True, slots=True)
class Asked:
    """An authorization request that may be answered. `max_age_s`: -1 where any session will do."""

    client: Client
    redirect_uri: str
    state: str
    scope: str
    challenge: str
    nonce: str
    silent: bool
    max_age_s: int


class SentBack(Exception):
    """What is wrong goes back to the client: `address` is where the browser is sent."""

    def __init__(self, address: str) -> None:
        super().__init__("an authorization request was refused")
        self.address = address


class Authorizing:
    """Answers authorization requests of clients for people who are signed in."""

    def __init__(self, database: AsyncEngine, issuer: str, clock: Clock) -> None:
        self._database = database
        self._issuer = issuer
        self._clock = clock

    async def read(self, parameters: Sequence[tuple[str, str]]) -> Asked:
        """The request. Raises Refusal(AUTHORIZATION_REFUSED) for what the person is told, SentBack for the rest."""
        given = dict(parameters)
        client_id = given.get("client_id", "")
        if not client_id or not _is_text(client_id):
            raise Refusal(codes.AUTHORIZATION_REFUSED, "client_id")
        async with self._database.connect() as connection:
            client = await load_client(connection, client_id)
        if client is None or client.standing != "active" or not client.check_grant_type("authorization_code"):
            raise Refusal(codes.AUTHORIZATION_REFUSED, "client_id")
        redirect_uri = given.get("redirect_uri", "")
        if not is_registered(redirect_uri, client.redirect_uris) or len(given) < len(parameters):
            raise Refusal(codes.AUTHORIZATION_REFUSED, "redirect_uri, or a parameter twice")
        error, description = _mistake(given)
        if error:
            state = given.get("state", "") if _is_text(given.get("state", "")) else ""
            raise SentBack(self._back(redirect_uri, state, error=error, error_description=description))
        prompt = given.get("prompt", "").split()
        max_age_s = int(given.get("max_age", "-1"))
        if "login" in prompt or max_age_s == 0:  # both mean the same (OpenID Connect Core 3.1.2.1)
            max_age_s = FRESH_S
        return Asked(
            client, redirect_uri, given["state"], given.get("scope", ""), given["code_challenge"],
            given.get("nonce", ""), "none" in prompt, max_age_s,
        )  # fmt: skip

    async def origin_of(self, query: str) -> str:
        """Where a form that leads to this authorization request may end: "" where the address is not the client's."""
        given = dict(parse_qsl(query))
        client_id, redirect_uri = given.get("client_id", ""), given.get("redirect_uri", "")
        if not _is_text(client_id) or not redirect_uri.isascii():
            return ""
        async with self._database.connect() as connection:
            client = await load_client(connection, client_id)
        if client is None or not is_registered(redirect_uri, client.redirect_uris):
            return ""
        target = urlsplit(redirect_uri)
        return f"{target.scheme}://{target.netloc}"

    def must_sign_in(self, asked: Asked, session: Session | None) -> bool:
        """Whether the person has to sign in first. Raises SentBack where the client wants no page to be shown."""
        fresh = session is not None and session.stage == "full" and self._is_fresh(session, asked.max_age_s)
        if not fresh and asked.silent:
            raise SentBack(self._back(asked.redirect_uri, asked.state, error="login_required"))
        return not fresh

    def _is_fresh(self, session: Session, max_age_s: int) -> bool:
        return max_age_s < 0 or (self._clock.now() - session.signed_in_at).total_seconds() <= max_age_s

    async def grant(self, asked: Asked, session: Session, person: Person) -> str:
        """Where the browser is sent with a new code. Scopes are what was asked, the person has and the client may."""
        code = secrets.token_urlsafe(32)
        try:
            async with self._database.begin() as transaction:
                await _keep(transaction, asked, session, granted(asked, person), code, self._clock.now())
        except IntegrityError:  # the session has just ended
            raise SentBack(self._back(asked.redirect_uri, asked.state, error="access_denied")) from None
        return self._back(asked.redirect_uri, asked.state, code=code)

    def _back(self, redirect_uri: str, state: str, **said: str) -> str:
        told = {**said, "iss": self._issuer, **({"state": state} if state else {})}
        return f"{redirect_uri}{'&' if urlsplit(redirect_uri).query else '?'}{urlencode(told)}"


def is_registered(redirect_uri: str, registered: Sequence[str]) -> bool:
    """Exactly one of those; the port of a loopback address is the program's own choice (RFC 8252 section 7.3)."""
    if redirect_uri in registered:
        return redirect_uri.startswith("https://") or _LOOPBACK.fullmatch(redirect_uri) is not None
    loopback = _LOOPBACK.fullmatch(redirect_uri)
    return loopback is not None and loopback[1] + loopback[2] in registered


def granted(asked: Asked, person: Person) -> str:
    """The scope of what is issued, as one text."""
    may = (asked.client.scopes & scopes_of(person.roles)) | ABOUT_PEOPLE
    wanted = set(asked.scope.split()) if asked.scope else may
    return " ".join(sorted(wanted & may))


def _mistake(given: dict[str, str]) -> tuple[str, str]:
    """Error and description, or two empty texts."""
    if "request" in given:
        return "request_not_supported", ""
    if "request_uri" in given:
        return "request_uri_not_supported", ""
    if given.get("response_type") != "code" or given.get("response_mode", "query") != "query":
        return "unsupported_response_type", "response_type and response_mode: expected code and query"
    return _mistake_in_values(given)


def _mistake_in_values(given: dict[str, str]) -> tuple[str, str]:
    for name in ("state", "nonce"):
        if not _is_text(given.get(name, "")):
            return "invalid_request", f"{name}: expected at most {LONGEST_TEXT} printable ASCII characters"
    if not given.get("state"):
        return "invalid_request", "state: expected a value that only this browser knows"
    if given.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(given.get("code_challenge", "")):
        return "invalid_request", "code_challenge: expected PKCE with code_challenge_method S256"
    if given.get("scope") and not _SCOPE.fullmatch(given["scope"]):
        return "invalid_scope", ""
    if not re.fullmatch(r"[0-9]{1,9}", given.get("max_age", "0")):
        return "invalid_request", "max_age: expected seconds"
    return "", ""


def _is_text(value: str) -> bool:
    return len(value) <= LONGEST_TEXT and _TEXT.fullmatch(value) is not None


async def _keep(
    transaction: AsyncConnection, asked: Asked, session: Session, scope: str, code: str, at: datetime
) -> None:
    await transaction.execute(
        insert(authorization_code).values(
            digest=digest(code), family=uuid4(), session=session.number, client=asked.client.id,
            redirect_uri=asked.redirect_uri, challenge=asked.challenge, scope=scope, nonce=asked.nonce,
            until=at + CODE_LIFE, used=False,
        )
    )  # fmt: skip
