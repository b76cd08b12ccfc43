"""Keys over HTTP: a client's own, in the hands of its department, and those that sign our tokens."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path
from pydantic import BaseModel, ConfigDict, field_validator
from starlette.responses import JSONResponse, Response

from identity.api.clients import LARGEST_BODY, ClientId, Reason
from identity.client_keys import ClientKeys
from identity.keys import LONGEST_KID, expiry, public_key, thumbprint
from identity.server import NO_STORE
from identity.signing.flows import By, Rotation
from identity.signing.model import SigningKey
from runtime.clock import Clock
from wire import scopes
from wire.tokens import AccessToken, Door

Kid = Annotated[str, Path(min_length=1, max_length=LONGEST_KID)]


class KeyBody(BaseModel):
    """A public EC P-256 key as a JWK with a `kid`; `until` in it is when it ends, in Unix seconds."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    jwk: dict[str, Any]

    @field_validator("jwk")
    @classmethod
    def _good_key(cls, jwk: dict[str, Any]) -> dict[str, Any]:
        return public_key(jwk)


class RotationBody(BaseModel):
    """at_once: the old keys are dropped and revoked, for one that somebody else may have."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    at_once: bool = False
    reason: Reason


def of_clients(keys: ClientKeys, door: Door, clock: Clock) -> APIRouter:
    """A client's keys: for an officer of its department, and for the client itself."""
    routes = APIRouter(prefix="/oauth2/clients/{client_id}/keys")
    any_token = Depends(door.needing())

    @routes.get("")
    async def some(client_id: ClientId, token: AccessToken = any_token) -> JSONResponse:
        client = await keys.of(client_id, token)
        at = clock.now()
        return JSONResponse({"keys": [_shown(key, at) for key in client.keys]}, headers=NO_STORE)

    @routes.post("", status_code=201, max_body_size=LARGEST_BODY)
    async def add(client_id: ClientId, body: KeyBody, token: AccessToken = any_token) -> JSONResponse:
        at = clock.now()
        return JSONResponse(_shown(await keys.add(client_id, body.jwk, token, at), at), 201, NO_STORE)

    @routes.delete("/{kid}", status_code=204)
    async def remove(client_id: ClientId, kid: Kid, token: AccessToken = any_token) -> Response:
        await keys.remove(client_id, kid, token, clock.now())
        return Response(status_code=204, headers=NO_STORE)

    return routes


def _shown(key: dict[str, Any], at: datetime) -> dict[str, Any]:
    ends = {"ends": _moment(key["until"])} if "until" in key else {}
    return {"jwk": key, "thumbprint": thumbprint(key), **ends, "good": not expiry(key, at)}


def _moment(unix_s: float) -> str:
    return f"{datetime.fromtimestamp(unix_s, UTC):%Y-%m-%dT%H:%M:%SZ}"


def of_ours(rotation: Rotation, door: Door) -> APIRouter:
    """The keys that sign tokens, for tokens with the scope key:rotate."""
    routes = APIRouter(prefix="/oauth2/keys")
    may_rotate = Depends(door.needing(scopes.KEY_ROTATE))

    @routes.get("", dependencies=[may_rotate])
    async def some() -> JSONResponse:
        return JSONResponse({"keys": [_ours(key) for key in rotation.published()]}, headers=NO_STORE)

    @routes.post("/rotate", status_code=201, max_body_size=LARGEST_BODY)
    async def rotate(body: RotationBody, token: AccessToken = may_rotate) -> JSONResponse:
        """The next key. Planned: it signs when it has been published long enough."""
        by = By(token.client, token.department, body.reason, token.actor or token.through)
        key = await rotation.rotate(by, at_once=body.at_once)
        return JSONResponse(_ours(key), 201, NO_STORE)

    return routes


def _ours(key: SigningKey) -> dict[str, str]:
    moments = {"made": key.made_at, "signs_from": key.signs_from, "ends": key.ends_at}
    return {"kid": key.kid, **{name: _moment(at.timestamp()) for name, at in moments.items() if at}}
