"""What everybody may know: metadata (RFC 8414) and public keys (RFC 7517)."""

from collections.abc import Mapping, Sequence
from typing import Any

from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from fastapi import APIRouter
from starlette.responses import JSONResponse

from identity.keys import ALGORITHM, SigningKeys
from identity.signing.model import JWKS_MAX_AGE_S
from runtime.access import PUBLIC
from wire import scopes
from wire.jose import ALGORITHMS as DPOP_ALGORITHMS

ENDPOINTS = ("token", "introspection", "revocation")
CACHE = {"Cache-Control": f"public, max-age={JWKS_MAX_AGE_S}"}


def metadata_of(issuer: str, methods: Sequence[str], grant_types: Sequence[str]) -> dict[str, Any]:
    """The metadata document, checked; raises ValueError.

    methods  how clients may prove who they are    grant_types  what tokens are given for
    """
    ways = {"auth_methods_supported": list(methods), "auth_signing_alg_values_supported": [ALGORITHM]}
    document = AuthorizationServerMetadata(
        {
            "issuer": issuer,
            "token_endpoint": f"{issuer}/oauth2/token",
            "jwks_uri": f"{issuer}/oauth2/jwks",
            "introspection_endpoint": f"{issuer}/oauth2/introspect",
            "revocation_endpoint": f"{issuer}/oauth2/revoke",
            "grant_types_supported": list(grant_types),
            "authorization_endpoint": f"{issuer}/login/authorize",
            "response_types_supported": ["code"],
            "code_challenge_methods_supported": ["S256"],
            "scopes_supported": list(scopes.ALL),
            **{f"{endpoint}_endpoint_{name}": value for endpoint in ENDPOINTS for name, value in ways.items()},
            "tls_client_certificate_bound_access_tokens": True,
            "dpop_signing_alg_values_supported": list(DPOP_ALGORITHMS),
        }
    )
    document.validate()
    return dict(document)


def router(document: Mapping[str, Any], keys: SigningKeys) -> APIRouter:
    """Metadata, which do not change while the process runs, and the keys as they are."""
    routes = APIRouter(dependencies=[PUBLIC])

    @routes.get("/.well-known/oauth-authorization-server")
    async def metadata() -> JSONResponse:
        return JSONResponse(dict(document), headers=CACHE)

    @routes.get("/oauth2/jwks")
    async def jwks() -> JSONResponse:
        return JSONResponse(keys.public(), headers=CACHE)

    return routes
