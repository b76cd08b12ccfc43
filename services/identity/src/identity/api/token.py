"""POST /oauth2/token (RFC 6749 section 3.2)."""

from collections.abc import Sequence
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from starlette.responses import Response

from identity.issue import Issuing
from identity.server import error_answer

FORM = "application/x-www-form-urlencoded"
LARGEST_FORM = 16_384
FIELDS_AT_MOST = 32


class BadForm(ValueError):
    """Not one form with each parameter at most once; strangers are told nothing more."""


def router(issuing: Issuing) -> APIRouter:
    """The token endpoint."""
    routes = APIRouter()

    @routes.post("/oauth2/token", max_body_size=LARGEST_FORM)
    async def token(request: Request) -> Response:
        body = await request.body()
        authorization = request.headers.getlist("authorization")
        try:
            form = form_of(request.headers.getlist("content-type"), request.url.query, body)
            if len(authorization) > 1:
                raise BadForm("two Authorization headers")
        except BadForm:
            return error_answer("invalid_request")
        return await issuing.answer(form, authorization[0] if authorization else "")

    return routes


def form_of(content_types: Sequence[str], query: str, body: bytes) -> dict[str, str]:
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
    if "grant_type" not in form:
        raise BadForm("no grant_type")
    return form
