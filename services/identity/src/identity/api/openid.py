"""OpenID Connect: what our own people and clients see of us (Core 5.3, Discovery 4)."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Depends
from starlette.responses import JSONResponse

from identity.api.metadata import CACHE
from identity.people.grants import about, number_of
from identity.people.register import Register
from identity.server import NO_STORE
from runtime.access import PUBLIC
from runtime.errors import Refusal
from wire import codes
from wire.tokens import AccessToken, Door


def openid_metadata(issuer: str, oauth: Mapping[str, Any]) -> dict[str, Any]:
    """The OAuth metadata and what OpenID Connect adds."""
    return {
        **oauth,
        "authorization_endpoint": f"{issuer}/login/authorize",
        "userinfo_endpoint": f"{issuer}/oauth2/userinfo",
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": True,
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "scopes_supported": ["openid", "profile", *oauth.get("scopes_supported", [])],
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "auth_time", "amr", "nonce", "sid", "name", "preferred_username",
            "department", "roles",
        ],
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
    }  # fmt: skip


def router(register: Register, door: Door, document: Mapping[str, Any]) -> APIRouter:
    """Discovery and userinfo."""
    routes = APIRouter(tags=["people"])
    any_token = Depends(door.needing())

    @routes.get("/.well-known/openid-configuration", dependencies=[PUBLIC])
    async def configuration() -> JSONResponse:
        """The metadata document."""
        return JSONResponse(dict(document), headers=CACHE)

    @routes.get("/oauth2/userinfo")
    async def userinfo(token: AccessToken = any_token) -> JSONResponse:
        """Who the token was issued to; for a system's token there is nobody (403)."""
        number = number_of(token.person)
        if number is None or "openid" not in token.scopes:
            raise Refusal(codes.SCOPE_MISSING, "scope openid", scope="openid")
        return JSONResponse(dict(about(await register.find(number), token.scopes)), headers=NO_STORE)

    return routes
