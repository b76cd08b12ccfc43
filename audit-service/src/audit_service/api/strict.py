"""How the log is asked and answers where somebody's own records are told: nothing unknown is passed over, and no cache
keeps the answer."""

from typing import Any

import msgspec
from fastapi import Request, Response
from pydantic import BaseModel, ConfigDict

from runtime.errors import INVALID_REQUEST, Refusal

NO_STORE = {"Cache-Control": "no-store"}


class Strict(BaseModel):
    """A body or a query that refuses members it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def no_query(request: Request) -> None:
    """A dependency of addresses that take no parameters."""
    if request.query_params:
        raise Refusal(INVALID_REQUEST, "no query parameters are known here")


def answer(content: Any, status: int = 200) -> Response:
    """JSON that no cache keeps."""
    return Response(msgspec.json.encode(content), status, NO_STORE, "application/json")
