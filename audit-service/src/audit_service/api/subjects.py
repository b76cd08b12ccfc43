"""Looking for a person: a scope of its own, a reason, and an answer that never repeats the number."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, cast

import msgspec
from fastapi import APIRouter, Depends, Request, Response
from msgspec import Meta

from audit_service.api.search import moment
from audit_service.api.strict import NO_STORE
from audit_service.subjects.look_ups import LookUps, Question
from audit_service.summary import Summary
from runtime.documents import JSON_TEXT, body_of
from runtime.errors import INVALID_REQUEST, Refusal
from wire import codes, scopes
from wire.subjects import LONGEST
from wire.tokens import AccessToken, Door

LARGEST_BODY = 16 * 1024
TOLD: Mapping[str, str] = {
    "at": "at", "department": "department", "system": "system", "provider": "provider", "interface": "interface",
    "version": "version", "purpose": "purpose", "case": "case_no", "kind": "kind", "event": "event",
    "status": "status", "code": "code", "call": "call_id",
}  # fmt: skip
"""What is told of a record: who asked, when, what for, on which case, how it ended, and where its receipt is."""
_SCHEMA = {
    "type": "object", "required": ["number", "reason"], "additionalProperties": False,
    "properties": {
        "number": {"type": "string", "description": "公民身份号码 or another number that interfaces name persons by"},
        "reason": {"type": "string"}, "case": {"type": "string"},
        "since": {"type": "string", "description": "a day of China, or a moment with its zone"},
        "before": {"type": "string", "description": "excluded"},
        "cursor": {"type": "string"},
    },
}  # fmt: skip


def router(look_ups: LookUps, door: Door) -> APIRouter:
    """The one route."""
    routes = APIRouter(tags=["subjects"])

    @routes.post("/subjects/search", openapi_extra=body_of(JSON_TEXT, _SCHEMA))
    async def search(
        request: Request, token: Annotated[AccessToken, Depends(door.needing(scopes.AUDIT_SUBJECT))]
    ) -> Response:
        """Who asked about a person, newest first. The look-up is itself on record, with its reason."""
        if request.url.query:
            raise Refusal(INVALID_REQUEST, "everything is said in the body")
        told = await look_ups.search(_question(await request.body()), token)
        answer = {"subject": told.subject, "items": [_shown(row) for row in told.rows], "next": told.next or None}
        return Response(msgspec.json.encode(answer), 200, NO_STORE, "application/json")

    return routes


class Body(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """As it is sent."""

    number: Annotated[str, Meta(min_length=1, max_length=4 * LONGEST)]
    reason: Annotated[str, Meta(min_length=1, max_length=500)]
    case: Annotated[str, Meta(max_length=128)] = ""
    since: Annotated[str, Meta(max_length=40)] = ""
    before: Annotated[str, Meta(max_length=40)] = ""
    cursor: Annotated[str, Meta(max_length=80)] = ""


def _question(body: bytes) -> Question:
    """Raises Refusal(INVALID_REQUEST) in words of ours alone: what was sent may hold the number anywhere."""
    if len(body) > LARGEST_BODY:
        raise Refusal(codes.BODY_TOO_LARGE, limit_bytes=LARGEST_BODY)
    try:
        said = msgspec.json.decode(body, type=Body)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise _wrong("", "a JSON object with number and reason; case, since, before and cursor may be there") from None
    since, before = _moment("since", said.since), _moment("before", said.before)
    return Question(
        number=said.number, reason=said.reason, case=said.case, since=since, before=before, cursor=said.cursor
    )


def _moment(member: str, text: str) -> datetime | None:
    try:
        return cast(datetime, moment(text)) if text else None
    except ValueError as error:
        raise _wrong(f"/{member}", str(error)) from None


def _wrong(where: str, error: str) -> Refusal:
    return Refusal(INVALID_REQUEST, error, errors=[{"path": f"/body{where}", "error": error}])


def _shown(row: Summary) -> dict[str, Any]:
    return {name: getattr(row, member) for name, member in TOLD.items()}
