"""PUT and GET /oauth2/clients/{client_id}: information systems with their keys, scopes and standing."""

import re
from hashlib import sha256
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, Path
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, field_validator, model_validator
from starlette.responses import JSONResponse

from identity.clients import CLIENT_SECRET_BASIC, ID_PATTERN, PRIVATE_KEY_JWT
from identity.keys import public_keys
from identity.people.authorize import is_registered
from identity.registration import Registration, actor_of
from identity.server import NO_STORE
from identity.store import CLIENT_CREDENTIALS, Client
from runtime.clock import Clock
from runtime.documents import MADE
from runtime.errors import INVALID_REQUEST, Refusal
from wire import scopes
from wire.tokens import AccessToken, Door

LARGEST_BODY = 16_384
MOST = 16
"""Of redirect addresses, and of clients that may act for this one."""
TLS_CLIENT_AUTH = "tls_client_auth"
_CERTIFICATE = re.compile(r"dns:[a-z0-9*]([a-z0-9.-]{0,250}[a-z0-9])?|[A-Za-z0-9.]{1,64}=[^\x00-\x1f\x7f]{1,500}")
ClientId = Annotated[str, Path(pattern=ID_PATTERN)]
Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Secret = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{32,128}$")]
Reason = Annotated[str, StringConstraints(strip_whitespace=True, pattern=r"^[^\x00-\x1f\x7f]{1,500}$")]
GrantType = Literal[
    "client_credentials", "authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:token-exchange"
]


def _redirect(uri: str) -> str:
    """Where a browser may be sent: https, or http on the person's own machine (RFC 8252 section 7.3; RFC 9700 2.1).

    What the authorization endpoint would never send anybody to is not registered.
    """
    parts = urlsplit(uri)
    if not is_registered(uri, [uri]):
        raise ValueError("a redirect address begins with https://, or http://127.0.0.1 or http://[::1] with a path")
    if parts.fragment or "#" in uri or not parts.hostname or parts.username is not None or not uri.isascii():
        raise ValueError("a redirect address has a host, no fragment and no user name")
    return uri


Redirect = Annotated[str, StringConstraints(max_length=500), AfterValidator(_redirect)]


class ClientBody(BaseModel):
    """A client as it is registered. A secret is random and at least 32 bytes; only its digest is kept."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    department: Id
    scope: str = scopes.CALL
    method: Literal["private_key_jwt", "tls_client_auth", "client_secret_basic"] = "private_key_jwt"
    jwks: dict[str, Any] | None = None
    secret: Secret | None = None
    certificate_name: str = ""
    grants: Annotated[list[GrantType], Field(min_length=1)] = [CLIENT_CREDENTIALS]  # type: ignore[list-item]
    redirect_uris: Annotated[list[Redirect], Field(max_length=MOST)] = []
    dpop_bound: bool = False
    may_act: Annotated[list[Id], Field(max_length=MOST)] = []

    @field_validator("scope")
    @classmethod
    def _known_scopes(cls, scope: str) -> str:
        words = scope.split(" ")
        if not set(words) <= set(scopes.ALL) or len(set(words)) < len(words):
            raise ValueError(f"scope is some of: {' '.join(scopes.ALL)}, with one space between them, each once")
        return scope

    @field_validator("jwks")
    @classmethod
    def _good_keys(cls, jwks: dict[str, Any] | None) -> dict[str, Any] | None:
        return None if jwks is None else {"keys": public_keys(jwks)}

    @field_validator("certificate_name")
    @classmethod
    def _good_name(cls, name: str) -> str:
        if name and not _CERTIFICATE.fullmatch(name):
            raise ValueError("certificate_name is dns:NAME, or a subject as RFC 4514 writes it, such as CN=a,O=b")
        return name

    @model_validator(mode="after")
    def _one_way(self) -> "ClientBody":
        if (self.jwks is not None) != (self.method == PRIVATE_KEY_JWT):
            raise ValueError("jwks belongs to private_key_jwt and to nothing else")
        if (self.secret is not None) != (self.method == CLIENT_SECRET_BASIC):
            raise ValueError("secret belongs to client_secret_basic and to nothing else")
        if bool(self.certificate_name) != (self.method == TLS_CLIENT_AUTH):
            raise ValueError("certificate_name belongs to tls_client_auth and to nothing else")
        if bool(self.redirect_uris) != ("authorization_code" in self.grants):
            raise ValueError("redirect_uris belong to the grant authorization_code and to nothing else")
        return self

    def client(self, client_id: str) -> Client:
        """What the register keeps of it."""
        return Client(
            client_id, self.department, frozenset(self.scope.split(" ")), self.method,
            self.jwks["keys"] if self.jwks else [], sha256(self.secret.encode()).digest() if self.secret else None,
            grants=frozenset(self.grants), redirect_uris=tuple(self.redirect_uris),
            certificate_name=self.certificate_name, dpop_bound=self.dpop_bound, may_act=frozenset(self.may_act),
        )  # fmt: skip


class StandingBody(BaseModel):
    """Whether a client may get tokens. `revoked` is for ever."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    standing: Literal["active", "suspended", "revoked"]
    reason: Reason


def router(registration: Registration, door: Door, clock: Clock, *, secrets_allowed: bool) -> APIRouter:
    """The register, for tokens with the scope client:write."""
    routes = APIRouter()
    may_write = Depends(door.needing(scopes.CLIENT_WRITE))

    @routes.put("/oauth2/clients/{client_id}", max_body_size=LARGEST_BODY, responses=MADE)
    async def put(client_id: ClientId, body: ClientBody, token: AccessToken = may_write) -> JSONResponse:
        if body.secret and not secrets_allowed:
            raise Refusal(INVALID_REQUEST, "client_secret_basic is switched off here; register a public key instead")
        client, new = await registration.register(body.client(client_id), actor_of(token), clock.now())
        return JSONResponse(shown(client), 201 if new else 200, NO_STORE)

    @routes.get("/oauth2/clients/{client_id}", dependencies=[may_write])
    async def get(client_id: ClientId) -> JSONResponse:
        return JSONResponse(shown(await registration.find(client_id)), headers=NO_STORE)

    @routes.post("/oauth2/clients/{client_id}/standing", max_body_size=LARGEST_BODY)
    async def standing(client_id: ClientId, body: StandingBody, token: AccessToken = may_write) -> JSONResponse:
        """Suspend, resume or revoke a client; what it got before counts no longer within a second."""
        client = await registration.set_standing(
            client_id, body.standing, actor_of(token), reason=body.reason, at=clock.now()
        )
        return JSONResponse(shown(client), headers=NO_STORE)

    return routes


def shown(client: Client) -> dict[str, Any]:
    """A client as others may see it: no secret, not even its digest. What is as usual is left out."""
    document: dict[str, Any] = {
        "client_id": client.id,
        "department": client.department,
        "scope": client.scope,
        "method": client.method,
    }
    unusual = {
        "jwks": {"keys": list(client.keys)} if client.keys else None,
        "certificate_name": client.certificate_name,
        "grants": sorted(client.grants - {CLIENT_CREDENTIALS}) and sorted(client.grants),
        "redirect_uris": list(client.redirect_uris),
        "dpop_bound": client.dpop_bound,
        "may_act": sorted(client.may_act),
    }
    document |= {name: value for name, value in unusual.items() if value}
    if client.standing != "active" and client.standing_since:
        document["standing"] = {
            "standing": client.standing, "since": client.standing_since.isoformat(), "by": client.standing_by,
        }  # fmt: skip
    return document
