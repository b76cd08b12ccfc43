"""POST /oauth2/token (RFC 6749 section 3.2)."""

from collections.abc import Sequence
from urllib.parse import parse_qsl

import msgspec
from fastapi import APIRouter, Request
from starlette.responses import Response

from identity.issue import Issuing
from identity.server import error_answer
from runtime.access import PUBLIC
from runtime.documents import JSON_TEXT, Document, body_of, content
from runtime.problems import MEDIA_TYPE
from runtime.service_auth import ServiceKey
from wire.front import Front, front_of

FORM = "application/x-www-form-urlencoded"
LARGEST_FORM = 16_384
FIELDS_AT_MOST = 32


REFUSALS: dict[int | str, Document] = {
    status: content(JSON_TEXT, MEDIA_TYPE, description="RFC 6749 section 5.2: `error`, and what is wrong")
    for status in (400, 401, 429)
}
"""How the endpoints of OAuth say no."""


def form_with(*names: str) -> Document:
    """The body of such an endpoint; what else stands in it depends on the grant and on how the client proves itself."""
    schema = {"type": "object", "required": list(names), "additionalProperties": {"type": "string"}}
    return body_of(FORM, {**schema, "properties": {name: {"type": "string", "minLength": 1} for name in names}})


class BadForm(ValueError):
    """Not one form with each parameter at most once; strangers are told nothing more."""


def router(issuing: Issuing, key: ServiceKey) -> APIRouter:
    """The token endpoint."""
    routes = APIRouter(dependencies=[PUBLIC])  # clients prove themselves in the request

    @routes.post("/oauth2/token", max_body_size=LARGEST_FORM, responses=REFUSALS, openapi_extra=form_with("grant_type"))
    async def token(request: Request) -> Response:
        try:
            form, authorization = await asked(request, "grant_type")
        except BadForm:
            return error_answer("invalid_request")
        front = await other_end(request, key)
        return await issuing.answer(form, authorization, front, request.headers.getlist("dpop"))

    return routes


async def other_end(request: Request, key: ServiceKey) -> Front:
    """Who is at the other end: as the gateway says it, else the address of the connection; raises Refusal."""
    front = await front_of(request, key)
    if front.address or request.client is None:
        return front
    return msgspec.structs.replace(front, address=request.client.host)


async def asked(request: Request, needed: str) -> tuple[dict[str, str], str]:
    """The form of a request that has this parameter, and its Authorization header, "" for none; raises BadForm."""
    authorization = request.headers.getlist("authorization")
    form = form_of(request.headers.getlist("content-type"), request.url.query, await request.body(), needed)
    if len(authorization) > 1:
        raise BadForm("two Authorization headers")
    return form, authorization[0] if authorization else ""


def form_of(content_types: Sequence[str], query: str, body: bytes, needed: str) -> dict[str, str]:
    """The parameters, empty ones left out; raises BadForm (RFC 6749 sections 3.2 and 3.2.1)."""
    if len(content_types) != 1 or content_types[0].partition(";")[0].strip().lower() != FORM:
        raise BadForm(f"not one Content-Type {FORM}")
    if query:
        raise BadForm("parameters in the address")
    try:
        pairs = parse_qsl(
            body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict",
            max_num_fields=FIELDS_AT_MOST,
        )  # fmt: skip
    except ValueError:
        raise BadForm("not a form") from None
    form = dict(pairs)
    if len(form) < len(pairs):
        raise BadForm("a parameter twice")
    form = {name: value for name, value in form.items() if value}
    if needed not in form:
        raise BadForm(f"no {needed}")
    return form
