"""What a code and a refresh token are good for: the grants `authorization_code` and `refresh_token` for people.

Both are good once. Whoever uses one a second time, or somebody before them, is not the client: everything that came of
that authorization is revoked (RFC 9700 sections 2.1.1 and 4.14). A refresh token lives as long as its session.
Where a token was made that could not be recorded, nobody saw it: what it was asked for with is good again.
Runs on Authlib's side of the bridge, see `identity.server`.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749 import InvalidGrantError, InvalidRequestError, UnauthorizedClientError
from authlib.oauth2.rfc6749.grants.base import BaseGrant, TokenEndpointMixin
from sqlalchemy import Row, Table, delete, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql import Update

from identity.people import store
from identity.people.authorize import ABOUT_PEOPLE, OPENID
from identity.people.model import Limits, Person, Session, digest
from identity.people.roles import scopes_of
from identity.people.sessions import COLUMNS, alive, end_family, locked, session_of
from identity.people.tables import authorization_code, person, refresh_token, session
from identity.server import TokenRequest
from identity.store import Client
from identity.tokens import PERSON, Holder
from wire.tokens import LONGEST_LIFE_S

CODE, REFRESH = "authorization_code", "refresh_token"
_VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")
Tokens = Callable[..., dict[str, Any]]
"""Makes an access token: `identity.grants.AccessTokens`."""
IdTokens = Callable[[dict[str, Any]], str]
"""Signs the claims of an ID token."""


@dataclass(frozen=True, slots=True)
class Authorization:
    """What a code or refresh token stands for: somebody's session, as it is now, and what was authorized in it.

    unused  the statement that makes the code or refresh token good again
    """

    person: Person
    session: Session
    family: UUID
    scope: str
    unused: Update
    nonce: str = ""


def people_grants(
    tokens: Tokens, id_tokens: IdTokens, issuer: str, limits: Limits, suspended: Callable[[str], object]
) -> list[type]:
    """Both grants, as the classes that Authlib wants. `suspended` says it of a department."""

    def grant(kind: str, redeem: Callable[[TokenRequest, Client, Limits], Authorization]) -> type:
        class ForPeople(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]  # Authlib publishes no types
            """Tokens for what somebody authorized."""

            GRANT_TYPE = kind
            request: TokenRequest
            found: Authorization

            def validate_token_request(self) -> None:
                client = self.authenticate_token_endpoint_client()
                self.request.client = client
                if not client.check_grant_type(kind):
                    raise UnauthorizedClientError
                self.found = redeem(self.request, client, limits)
                if suspended(self.found.person.department):
                    raise InvalidGrantError("the department is suspended")

            def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
                body = _issue(self.request, self.found, tokens)
                self.save_token(body)
                if kind == CODE and OPENID in self.found.scope.split():
                    claims = id_claims(self.found, issuer, self.request.client.id, self.request.at)
                    body["id_token"] = id_tokens(claims)
                return 200, body, self.TOKEN_RESPONSE_HEADER

        return ForPeople

    return [grant(CODE, redeem_code), grant(REFRESH, redeem_refresh)]


def redeem_code(request: TokenRequest, client: Client, limits: Limits) -> Authorization:
    """What the code stands for; raises InvalidRequestError or InvalidGrantError (RFC 6749 section 4.1.3, RFC 7636)."""
    form = request.form
    code, verifier = form.get("code", ""), form.get("code_verifier", "")
    if not code or not _VERIFIER.fullmatch(verifier):
        raise InvalidRequestError("code and code_verifier: expected both")
    row = _held(request.transaction, authorization_code, code, client)
    if row.used:
        raise _twice(request, row.family)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=")
    right = hmac.compare_digest(challenge, row.challenge.encode())
    if row.until <= request.at or form.get("redirect_uri") != row.redirect_uri or not right:
        raise InvalidGrantError("code, redirect_uri and code_verifier: expected those of one authorization")
    unused = _use(request, authorization_code, row)
    return _authorization(request, row, client, limits, unused, row.nonce)


def redeem_refresh(request: TokenRequest, client: Client, limits: Limits) -> Authorization:
    """What the refresh token stands for; raises InvalidRequestError or InvalidGrantError (RFC 6749 section 6)."""
    token = request.form.get("refresh_token", "")
    if not token:
        raise InvalidRequestError("refresh_token: expected one")
    row = _held(request.transaction, refresh_token, token, client)
    if row.used:
        raise _twice(request, row.family)
    unused = _use(request, refresh_token, row)
    return _authorization(request, row, client, limits, unused)


def _held(transaction: Connection, table: Table, secret: str, client: Client) -> Row[Any]:
    """The row, under the lock of its session, which whoever ends that takes too. Another client's is none."""
    wanted = select(table).where(table.c.digest == digest(secret), table.c.client == client.id)
    row = transaction.execute(wanted).one_or_none()
    if row is None:
        raise InvalidGrantError
    transaction.execute(locked(session.c.number == row.session))
    row = transaction.execute(wanted).one_or_none()  # as it is now that nobody else changes it
    if row is None:
        raise InvalidGrantError
    return row


def _use(request: TokenRequest, table: Table, row: Row[Any]) -> Update:
    """Mark it as used; answers what would make it good again."""
    this = update(table).where(table.c.digest == row.digest)
    request.transaction.execute(this.values(used=True))
    return this.values(used=False)


def _twice(request: TokenRequest, family: UUID) -> OAuth2Error:
    request.also.append(lambda transaction: end_family(transaction, family, request.at))
    return InvalidGrantError("used before: everything that came of this authorization was revoked")


def _authorization(
    request: TokenRequest, row: Row[Any], client: Client, limits: Limits, unused: Update, nonce: str = ""
) -> Authorization:
    """Session and person as they are now: whoever has lost a role, has lost its scopes."""
    execute = request.transaction.execute
    condition = (session.c.number == row.session) & (session.c.stage == "full") & alive(limits, request.at)
    found = execute(select(*COLUMNS).where(condition)).one_or_none()
    owner = execute(store.people_where(person.c.id == found.person)).one_or_none() if found else None
    if found is None or owner is None or owner.standing != "active":
        raise InvalidGrantError("the session has ended")
    somebody = store.person_of(owner)
    execute(update(session).where(session.c.number == row.session).values(seen_at=request.at))
    may = (client.scopes & scopes_of(somebody.roles)) | ABOUT_PEOPLE
    scope = " ".join(sorted(may & set(row.scope.split())))
    return Authorization(somebody, session_of(found), row.family, scope, unused, nonce)


def _issue(request: TokenRequest, found: Authorization, tokens: Tokens) -> dict[str, Any]:
    """The members of the answer; the refresh token is kept beside the access token that it can revoke."""
    holder = Holder(found.person.subject, request.client.id, found.person.department)
    body = tokens(holder, found.scope, request)
    refresh = secrets.token_urlsafe(32)
    request.transaction.execute(
        insert(refresh_token).values(
            digest=digest(refresh), family=found.family, session=found.session.number, client=request.client.id,
            scope=found.scope, used=False, token_id=body["jti"],
            token_until=request.at + timedelta(seconds=LONGEST_LIFE_S),
        )
    )  # fmt: skip
    request.undo.append(lambda transaction: _undo(transaction, found, refresh))
    return {**body, "refresh_token": refresh}


async def _undo(transaction: AsyncConnection, found: Authorization, refresh: str) -> None:
    """Nobody saw this refresh token: what it was made for is good again, unless its family was ended meanwhile."""
    await transaction.execute(locked(session.c.number == found.session.number))
    unseen = delete(refresh_token).where(refresh_token.c.digest == digest(refresh)).returning(refresh_token.c.family)
    if (await transaction.execute(unseen)).all():
        await transaction.execute(found.unused)


def id_claims(found: Authorization, issuer: str, client_id: str, at: datetime) -> dict[str, Any]:
    """Claims of an ID token (OpenID Connect Core section 2)."""
    factors = ["pwd", "otp", "mfa"] if found.session.means == "password" else ["fed"]
    claims: dict[str, Any] = {
        "iss": issuer,
        "sub": found.person.subject,
        "aud": client_id,
        "iat": int(at.timestamp()),
        "exp": int(at.timestamp()) + LONGEST_LIFE_S,
        "auth_time": int(found.session.signed_in_at.timestamp()),
        "amr": factors,
        "sid": str(found.session.number),
    }
    return claims | ({"nonce": found.nonce} if found.nonce else {})


def about(somebody: Person, scope: frozenset[str]) -> Mapping[str, Any]:
    """What `/oauth2/userinfo` tells (OpenID Connect Core section 5.3)."""
    told: dict[str, Any] = {"sub": somebody.subject}
    if "profile" in scope:
        told |= {"name": somebody.name, "preferred_username": somebody.login}
    return told | {"department": somebody.department, "roles": sorted(somebody.roles)}


def number_of(subject: str) -> UUID | None:
    """The person of a token's `sub`; None for any other subject."""
    try:
        return UUID(subject.removeprefix(PERSON)) if subject.startswith(PERSON) else None
    except ValueError:
        return None
