"""PUT and GET /oauth2/clients/{client_id}: the keys and scopes of information systems."""

from hashlib import sha256
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, StringConstraints, field_validator, model_validator
from starlette.responses import JSONResponse

from identity.clients import CLIENT_SECRET_BASIC, ID_PATTERN, PRIVATE_KEY_JWT
from identity.keys import public_keys
from identity.registration import Actor, Registration
from identity.server import NO_STORE
from identity.store import Client
from runtime.clock import Clock
from runtime.errors import INVALID_REQUEST, Refusal
from wire import scopes
from wire.tokens import AccessToken, Door

LARGEST_BODY = 16_384
ClientId = Annotated[str, Path(pattern=ID_PATTERN)]
Id = Annotated[str, StringConstraints(pattern=ID_PATTERN)]
Secret = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._~-]{32,128}$")]


class ClientBody(BaseModel):
    """A client as it is registered. A secret is random and at least 32 bytes; only its digest is kept."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    department: Id
    scope: str = scopes.CALL
    method: Literal["private_key_jwt", "client_secret_basic"] = "private_key_jwt"
    jwks: dict[str, Any] | None = None
    secret: Secret | None = None

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

    @model_validator(mode="after")
    def _one_way(self) -> "ClientBody":
        if (self.jwks is not None) != (self.method == PRIVATE_KEY_JWT):
            raise ValueError("jwks belongs to private_key_jwt and to nothing else")
        if (self.secret is not None) != (self.method == CLIENT_SECRET_BASIC):
            raise ValueError("secret belongs to client_secret_basic and to nothing else")
        return self

    def client(self, client_id: str) -> Client:
        """What the register keeps of it."""
        return Client(
            client_id, self.department, frozenset(self.scope.split(" ")), self.method,
            self.jwks["keys"] if self.jwks else [], sha256(self.secret.encode()).digest() if self.secret else None,
        )  # fmt: skip


def router(registration: Registration, door: Door, clock: Clock, *, secrets_allowed: bool) -> APIRouter:
    """The register, for tokens with the scope client:write."""
    routes = APIRouter()
    may_write = Depends(door.needing(scopes.CLIENT_WRITE))

    @routes.put("/oauth2/clients/{client_id}", max_body_size=LARGEST_BODY)
    async def put(client_id: ClientId, body: ClientBody, token: AccessToken = may_write) -> JSONResponse:
        if body.secret and not secrets_allowed:
            raise Refusal(INVALID_REQUEST, "client_secret_basic is switched off here; register a public key instead")
        client = body.client(client_id)
        actor = Actor(token.client, token.department, token.scopes)
        new = await registration.register(client, actor, clock.now())
        return JSONResponse(shown(client), 201 if new else 200, NO_STORE)

    @routes.get("/oauth2/clients/{client_id}", dependencies=[may_write])
    async def get(client_id: ClientId) -> JSONResponse:
        return JSONResponse(shown(await registration.find(client_id)), headers=NO_STORE)

    return routes


def shown(client: Client) -> dict[str, Any]:
    """A client as others may see it: no secret, not even its digest."""
    document: dict[str, Any] = {
        "client_id": client.id,
        "department": client.department,
        "scope": client.scope,
        "method": client.method,
    }
    if client.keys:
        document["jwks"] = {"keys": list(client.keys)}
    return document
