"""What everybody may know: metadata (RFC 8414) and public keys (RFC 7517)."""

from collections.abc import Sequence
from typing import Any

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from fastapi import APIRouter
from starlette.responses import JSONResponse

from identity.keys import ALGORITHM, SigningKeys
from wire import scopes

CACHE = {"Cache-Control": "public, max-age=60"}


def metadata_of(issuer: str, methods: Sequence[str]) -> dict[str, Any]:
    """The metadata document, checked; raises ValueError."""
    document = AuthorizationServerMetadata(
        {
            "issuer": issuer,
            "token_endpoint": f"{issuer}/oauth2/token",
            "jwks_uri": f"{issuer}/oauth2/jwks",
            "grant_types_supported": ["client_credentials"],
            "response_types_supported": ["none"],  # required, may not be empty, and there is no authorization endpoint
            "scopes_supported": list(scopes.ALL),
            "token_endpoint_auth_methods_supported": list(methods),
            "token_endpoint_auth_signing_alg_values_supported": [ALGORITHM],
        }
    )
    document.validate()
    return dict(document)


def router(issuer: str, methods: Sequence[str], keys: SigningKeys) -> APIRouter:
    """Both documents; they do not change while the process runs."""
    routes = APIRouter()
    document = metadata_of(issuer, methods)

    @routes.get("/.well-known/oauth-authorization-server")
    async def metadata() -> JSONResponse:
        return JSONResponse(document, headers=CACHE)

    @routes.get("/oauth2/jwks")
    async def jwks() -> JSONResponse:
        return JSONResponse(keys.public(), headers=CACHE)

    return routes
