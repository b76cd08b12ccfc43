"""POST /oauth2/introspect (RFC 7662) and POST /oauth2/revoke (RFC 7009)."""

from fastapi import APIRouter, Request
from starlette.responses import Response

from identity.api.token import LARGEST_FORM, REFUSALS, BadForm, asked, form_with, other_end
from identity.introspection import Introspection
from identity.revocation import RevocationEndpoint
from identity.server import error_answer
from runtime.access import PUBLIC
from runtime.service_auth import ServiceKey

PARAMETER = "token"


def router(introspection: Introspection, revocation: RevocationEndpoint, key: ServiceKey) -> APIRouter:
    """Both endpoints; clients prove themselves as at the token endpoint."""
    routes = APIRouter(dependencies=[PUBLIC])

    @routes.post(
        "/oauth2/introspect", max_body_size=LARGEST_FORM, responses=REFUSALS, openapi_extra=form_with(PARAMETER)
    )
    async def introspect(request: Request) -> Response:
        return await _answered(introspection, request, key)

    @routes.post("/oauth2/revoke", max_body_size=LARGEST_FORM, responses=REFUSALS, openapi_extra=form_with(PARAMETER))
    async def revoke(request: Request) -> Response:
        return await _answered(revocation, request, key)

    return routes


async def _answered(endpoint: Introspection | RevocationEndpoint, request: Request, key: ServiceKey) -> Response:
    try:
        form, authorization = await asked(request, PARAMETER)
    except BadForm:
        return error_answer("invalid_request")
    return await endpoint.answer(form, authorization, await other_end(request, key))
